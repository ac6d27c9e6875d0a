"""``sagittal ask``: a question about a patient's scans or a picture, and the answer with what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagittal.cli.ask_tables import print_answer, print_case
from sagittal.cli.console import errors, output, print_json

if TYPE_CHECKING:
    from sagittal.asking.case import Report


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
        'Two visits:  sagittal ask visit1/ visit2/ "How has the tumour changed between the two scans?"\n\n'
        "A place on a picture (x to the right, y down, from 0; a box's corners are both inside):  "
        'sagittal ask cxr=film.png --region box:40,52,80,95 "What is in this region?"\n\n'
        "A slice as it is shown, the patient's right on the left:  "
        'sagittal ask ct=abdomen.nii.gz --slice axial:90 --region point:120,88 "What is in this region?"\n\n'
        "Millimetres (right, front, up), on one of several images:  "
        'sagittal ask t1.nii.gz flair.nii.gz --region flair=point:mm:-20,14,38 "What is this?"\n\n'
        "A drawn mask (a picture as large as the slice, or a volume on the scan's grid):  "
        'sagittal ask scan_t1.nii.gz --region mask:drawn.nii.gz "Please describe this region briefly."',
    )(ask)


def ask(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar='STUDY... "QUESTION"',
            help="Scans, or folders of them (NIfTI, DICOM, BraTS names), or a picture (PNG, JPEG, TIFF, GIF, "
            "BMP); KIND=PATH says what a file shows. Then the question, in quotes.",
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
    region: Annotated[
        list[str] | None,
        typer.Option(
            "--region",
            metavar="SPEC",
            help="A place that the question points at; may be repeated. point:X,Y or box:X0,Y0,X1,Y1 in "
            "pixels; point:mm:X,Y,Z or box:mm:X0,Y0,Z0,X1,Y1,Z1; mask:FILE. With several images the name of "
            "one goes first: t1=point:X,Y.",
        ),
    ] = None,
    slice_name: Annotated[
        str | None,
        typer.Option(
            "--slice",
            metavar="PLANE:INDEX",
            help="The slice of a volume that is looked at: axial, coronal or sagittal, from the foot, "
            "the back or the left. PLANE alone where millimetres or a volume's mask say which. t1=axial:90 "
            "with several images.",
        ),
    ] = None,
    specialists: Annotated[
        str, typer.Option(help="Models that a model may call: auto (all that can run), none, or NAME,NAME.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print answer.json.")] = False,
) -> None:
    """Ask a question about scans of the head, or a picture: words, measurements, masks, and the steps."""
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
        if region or slice_name is not None:
            case = case.pointed(region or (), slice_name)
    print_case(errors() if as_json else output(), case)
    with _status() as report:
        made = ask_case(case, question, out, specialists=_named(specialists), report=report)
    for warning in made.answer.warnings:
        errors().print(f"Warning: {warning}", markup=False, soft_wrap=True)
    if as_json:
        print_json(made.answer.to_json())
        return
    print_answer(made, out)


def _named(specialists: str) -> list[str] | None:
    if specialists == "auto":
        return None
    return [] if specialists == "none" else [name.strip() for name in specialists.split(",")]


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
