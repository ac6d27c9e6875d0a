"""Study + question → answer: the product's main function.

    >>> answer = ask("BraTS-GLI-00001-000/", "How large is the tumour?")   # doctest: +SKIP

For several questions about one patient, open the case once::

    >>> case = open_case(["t1.nii.gz", "flair.nii.gz"])                    # doctest: +SKIP
    >>> made = consult(case, "How large is the tumour?")                   # doctest: +SKIP

Read in this order: ``finding`` and ``visits`` (what was given), ``slices``, ``regions`` and ``pointing``
(what is looked at), ``models`` (who answers), ``case``, ``consultation`` (the answer), ``suggesting``,
``picture``, ``view_picture`` and ``writing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sagittal.answer import Answer
from sagittal.asking.case import Case, open_case
from sagittal.asking.consultation import Consultation, ask_case, consult
from sagittal.asking.models import Choice, Offer
from sagittal.asking.visits import Grouping
from sagittal.asking.writing import write_consultation
from sagittal.study import Region, Study

__all__ = [
    "Case",
    "Choice",
    "Consultation",
    "Grouping",
    "Offer",
    "ask",
    "ask_case",
    "consult",
    "open_case",
    "write_consultation",
]


def ask(
    study: Study | str | Path | Sequence[str | Path],
    question: str,
    *,
    model: str | Path | Offer = "auto",
    out: str | Path | None = None,
    session: Grouping = "auto",
    regions: Sequence[str | Region] = (),
    slice: str | None = None,
    specialists: Sequence[str] | None = None,
) -> Answer:
    """Ask a question about a patient's scans, or about a picture.

    Args:
        study: a study in memory; or a path or several, each ``PATH`` or ``KIND=PATH``: volumes (NIfTI, MGH),
            DICOM files, or folders of them; or a picture (PNG, JPEG, TIFF, GIF, BMP).
        question: in words.
        model: ``auto`` chooses by the models' cards; else a model's name or a checkpoint's folder. Weights
            are loaded once a process.
        out: folder for masks, ``overlay.png`` and ``answer.json``; nothing is written without it.
        session: how visits are told apart: ``auto``, by what the files state; ``folder``, a visit a folder;
            ``one``, all images are of one visit.
        regions: places that the question points at, as text (``box:40,52,80,95``; see
            :mod:`sagittal.asking.regions`) or as regions; in voxels, such a region's are the image's own.
        slice: the slice of a volume that is looked at, ``axial:90``; see :mod:`sagittal.asking.slices`.
        specialists: names of those that a model may call (:mod:`sagittal.specialists`); all that can run when
            ``None``, none of an empty list.

    Returns:
        The answer; an abstention says why.

    Raises:
        InputError: the images, the question or the folder cannot be used; with what to do instead.
    """
    case = open_case(study, model=model, session=session)
    return ask_case(case, question, out, regions=regions, slice=slice, specialists=specialists).answer
