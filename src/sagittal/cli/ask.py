"""``sagittal ask``: a question about a patient's scans, and the answer with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagittal.cli.console import errors, output, print_json

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sagittal.answer import Answer, FieldValue
    from sagittal.asking import Case, Consultation
    from sagittal.asking.case import Report
    from sagittal.study import Image


# Longer arguments are no paths: the system would refuse to look for them.
_LONGEST_PATH = 250


class Visits(StrEnum):
    """How visits are told apart."""

    auto = "auto"
    folder = "folder"
    one = "one"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "ask",
        epilog='Example:  sagittal ask BraTS-GLI-00001-000/ "How large is the tumour?" --out answer/\n\n'
        'Two visits:  sagittal ask visit1/ visit2/ "How has the tumour changed between the two scans?"',
    )(ask)


def ask(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar='STUDY... "QUESTION"',
            help="Scans, or folders of them (NIfTI, DICOM, BraTS names); KIND=PATH says what a file shows. "
            "Then the question, in quotes.",
        ),
    ],
    model: Annotated[str, typer.Option(help="auto, a model's name, or a checkpoint's folder.")] = "auto",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for masks, overlay.png and answer.json.")
    ] = None,
    session: Annotated[
        Visits,
        typer.Option(help="How visits are told apart: by names, dates and metadata; a folder each; or one."),
    ] = Visits.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print answer.json.")] = False,
) -> None:
    """Ask a question about scans of the head: an answer in words, measurements, masks, and the steps."""
    from sagittal.asking import ask_case, open_case
    from sagittal.asking.question import clean_question
    from sagittal.asking.writing import check_folder

    # What can be refused at once is refused before images and networks are read.
    study, question = _study_and_question(arguments)
    question = clean_question(question)
    if out is not None:
        check_folder(out)
    with _status() as report:
        case = open_case(study, model=model, session=session.value, report=report)
    _print_case(errors() if as_json else output(), case)
    with _status() as report:
        made = ask_case(case, question, out, report=report)
    for warning in made.answer.warnings:
        errors().print(f"Warning: {warning}", markup=False, soft_wrap=True)
    if as_json:
        print_json(made.answer.to_json())
        return
    _print_answer(made, out)


def _study_and_question(arguments: list[str]) -> tuple[list[str], str]:
    """The last argument is the question; one that is a file or folder says that it was forgotten."""
    from sagittal.errors import InputError

    *study, question = arguments
    path = question.split("=", 1)[-1] if len(question) < _LONGEST_PATH and "\0" not in question else ""
    if path.strip() and Path(path).exists():
        raise InputError(
            "The question is missing: the last argument is a file or folder.",
            expected='sagittal ask STUDY... "QUESTION"',
            got=question,
            remedy='put the question last, in quotes: "How large is the tumour?"',
        )
    if not study:
        raise InputError(
            "There is nothing to ask about.",
            expected='sagittal ask STUDY... "QUESTION"',
            got=question[:80],
            remedy="name the scans before the question",
        )
    return study, question


@contextmanager
def _status() -> Iterator[Report]:
    """A line on a terminal that says what is being done; silence in a pipe."""
    if not errors().is_terminal:
        yield lambda what: None
        return
    with errors().status("") as status:
        yield lambda what: status.update(what)


# -- what was recognised ---------------------------------------------------------------------------


def _print_case(console: Console, case: Case) -> None:
    from rich.table import Table
    from rich.text import Text

    from sagittal.agent.text import plain
    from sagittal.answer import RESEARCH_USE_ONLY
    from sagittal.asking.models import real_scores

    visits = case.volumes.visits
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in (*(["visit"] if len(visits) > 1 else []), "image", "file"):
        table.add_column(heading, overflow="fold")
    for heading in ("voxels", "mm", "axes"):
        table.add_column(heading, no_wrap=True)
    for number, visit in enumerate(visits, start=1):
        for name in visit.names:
            cells = [str(number)] if len(visits) > 1 else []
            table.add_row(*(Text(c) for c in (*cells, name, *_image(case.volumes.volumes[name]))))
    patient = plain(case.study.patient, 80)
    console.print(Text(f"Recognised  {patient}{_dates(case)}", style="bold"))
    console.print(table)
    for left in case.left_out:
        console.print(Text(f"left out: {left.name} ({left.why})", style="dim"))
    card = case.choice.offer.card
    scores = [_score(score) for score in real_scores(card)] or ["not measured on real scans"]
    console.print()
    _rows(
        console,
        [
            ("Model", f"{case.choice.offer.name}: {case.choice.why}"),
            ("Real scans", "\n".join(scores)),
            ("Use", f"Research use only. {RESEARCH_USE_ONLY}"),
        ],
    )
    console.print()


def _dates(case: Case) -> str:
    visits = case.volumes.visits
    if len(visits) == 1:
        return f", {visits[0].acquired}" if visits[0].acquired else ""
    named = (v.session if not v.acquired else str(v.acquired) for v in visits)
    return f", {len(visits)} visits in this order: {', '.join(named)}"


def _image(image: Image) -> tuple[str, str, str, str]:
    geometry = image.geometry
    spacing = "×".join(f"{s:.3g}" for s in geometry.spacing)
    return image.name, "×".join(str(n) for n in geometry.shape), spacing, geometry.orientation


def _score(score: object) -> str:
    from sagittal.models.checkpoint import Score

    assert isinstance(score, Score)
    about = f" for {score.of}" if score.of else ""
    known = score.low is not None and score.high is not None
    spread = f", {score.low:.3g} to {score.high:.3g}" if known else ""
    scans = f"{score.cases} scan{'s' if score.cases > 1 else ''}"
    return f"{score.metric} {score.value:.3g}{about} ({scans}{spread}): {score.data}"


def _rows(console: Console, rows: list[tuple[str, str]]) -> None:
    """Words on the left, text on the right, broken at the terminal's width."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True, min_width=10)
    table.add_column(overflow="fold")
    for word, text in rows:
        table.add_row(word, Text(text))
    console.print(table)


# -- the answer ------------------------------------------------------------------------------------


def _print_answer(made: Consultation, out: Path | None) -> None:
    from rich.text import Text

    from sagittal.agent.loop import ASKED

    answer = made.answer
    console = output()
    rows = [("Question", answer.question)]
    if ASKED in answer.fields:
        rows.append(("Read as", str(answer.fields[ASKED].value)))
    said = ("No answer", answer.reason or "") if answer.abstained else ("Answer", answer.text)
    _rows(console, [*rows, said])
    if answer.model != made.case.choice.offer.name:
        _rows(console, [("Answered by", answer.model)])
    if answer.measurements:
        console.print()
        console.print(_measurements(answer))
    classes = {name: field for name, field in answer.fields.items() if field.probability is not None}
    if classes:
        console.print()
        console.print(_classes(classes))
    console.print()
    # Not broken: a path that is cut in two cannot be copied.
    console.print(Text.assemble(("Files       ", "bold"), _files(answer, out)), soft_wrap=True)
    if made.suggestions:
        console.print(Text("Ask instead" if answer.abstained else "Ask next", style="bold"))
        for suggestion in made.suggestions:
            console.print(Text(f'  "{suggestion}"'), soft_wrap=True)


def _classes(fields: Mapping[str, FieldValue]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("chosen", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("probability", no_wrap=True)
    for name, field in fields.items():
        several = isinstance(field.value, list)
        value = ", ".join(field.value) if isinstance(field.value, list) else str(field.value)
        sure = f"{field.probability:.0%}" + (" for the least sure" if several else "")
        table.add_row(Text(name), Text(value), Text(sure))
    return table


def _measurements(answer: Answer) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    from sagittal.agent.values import rounded, with_unit

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("measured", overflow="fold")
    table.add_column("of", overflow="fold")
    table.add_column("value", overflow="fold")
    table.add_column("how", overflow="fold", style="dim")
    for m in answer.measurements:
        if m.value is None:
            value = f"undefined: {m.undefined}"
        else:
            value = with_unit(m.value if isinstance(m.value, str) else rounded(m.value), m.unit)
        table.add_row(*(Text(text) for text in (m.name, m.of, value, m.method)))
    return table


def _files(answer: Answer, out: Path | None) -> str:
    if out is None:
        images = "the image, " if answer.volumes else ""
        what = "masks, overlay.png and answer.json" if answer.masks else "answer.json with every step"
        return f"none written; --out FOLDER gives {images}{what}"
    made = [v.file for v in answer.volumes] + [m.file for m in answer.masks]
    names = [*(["overlay.png"] if answer.masks else []), *made, "answer.json"]
    return f"\n{' ' * 12}".join(str(out / name) for name in names)
