"""What ``sagittal ask`` prints: what was recognised, who answers, and the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import output

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sagittal.answer import Answer, FieldValue
    from sagittal.asking import Case, Consultation
    from sagittal.models.checkpoint import Score
    from sagittal.study import Image


def print_case(console: Console, case: Case) -> None:
    """Images, what is left out, the model and why it; raises as :attr:`sagittal.asking.Case.choice`."""
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
    choice = case.choice
    card = choice.offer.card
    scores = _scores(real_scores(card)) or ["not measured on real scans"]
    console.print()
    _rows(
        console,
        [
            *([("Looks at", case.view.words)] if case.view is not None else []),
            ("Model", f"{choice.offer.name}: {choice.why}"),
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
    size = "×".join(str(n) for n in geometry.shape)
    if not geometry.spacing_known:
        return image.name, size, "unknown", "–"
    return image.name, size, "×".join(f"{s:.3g}" for s in geometry.spacing), geometry.orientation


def _scores(scores: Sequence[Score]) -> list[str]:
    """A line for each set of scans."""
    by_data: dict[str, list[str]] = {}
    for score in scores:
        about = f" for {score.of}" if score.of else ""
        known = score.low is not None and score.high is not None
        spread = f", {score.low:.3g} to {score.high:.3g}" if known else ""
        scans = f"{score.cases} scan{'s' if score.cases > 1 else ''}"
        own = f"{score.metric} {score.value:.3g}{about} ({scans}{spread})"
        by_data.setdefault(score.data, []).append(own)
    return [f"{data}: {'; '.join(own)}" for data, own in by_data.items()]


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


def print_answer(made: Consultation, out: Path | None) -> None:
    """Question, answer, measurements, files and what could be asked next, on standard output."""
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
    console.print(Text.assemble(("Files       ", "bold"), _files(made, out)), soft_wrap=True)
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


def _files(made: Consultation, out: Path | None) -> str:
    answer, view = made.answer, made.case.view
    drawn = bool(answer.masks) or (view is not None and bool(view.regions))
    if out is None:
        images = "the image, " if answer.volumes else ""
        masks = "masks, " if answer.masks else ""
        what = f"{masks}overlay.png and answer.json" if drawn else "answer.json with every step"
        return f"none written; --out FOLDER gives {images}{what}"
    files = [v.file for v in answer.volumes] + [m.file for m in answer.masks]
    names = [*(["overlay.png"] if drawn else []), *files, "answer.json"]
    return f"\n{' ' * 12}".join(str(out / name) for name in names)
