"""Pictures that stand beside questions whose calls are judged: real films, heads and slices of CT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.specialist_qa.shown import Shown
from sagittal.io.nifti import read_image
from sagittal.models.medplib.pictures import squared_pixels
from sagittal.score.reals import real_cases
from sagittal.specialists.looking import Look, first_look
from sagittal.train.chest_films import nih_films

# Of each imaged region.
_MOST = 8
# Training shows slices of it, too: what is asked here is in the words.
_CT = Path("totalseg_refs") / "example_ct_sm.nii.gz"


def plain_pictures(data: Path, edge: int) -> tuple[Shown, NDArray[np.uint8]]:
    """Films, heads and slices of CT.

    Args:
        data: folder of the development data.
        edge: of the squares.

    Returns:
        Their numbers by imaged region, and (n, 3, edge, edge) uint8.
    """
    squares: list[NDArray[np.uint8]] = []
    plain: dict[str, list[int]] = {}
    for imaged, look in _looks(data):
        own = plain.setdefault(imaged, [])
        if len(own) < _MOST:
            own.append(len(squares))
            squares.append(squared_pixels(look.pixels(), edge).numpy().astype(np.uint8))
    return Shown([], plain), np.stack(squares)


def _looks(data: Path) -> Iterator[tuple[str, Look]]:
    for film in nih_films(data, "test")[:_MOST]:
        yield "film", first_look([film.image()])
    for case in real_cases(data, final=True):
        yield "brain", first_look(case.images)
    scan = read_image(data / _CT, kind="ct")
    depth = scan.reorient("RAS").shape[2]
    for share in np.linspace(0.3, 0.8, _MOST):
        yield "ct", Look(scan, "axial", int(depth * share))
