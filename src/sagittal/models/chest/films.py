"""Films of any size as the chest networks take them: a grey square, as bright as any other.

A film keeps its proportions: its blank borders are cut off and it is padded to a square, never squeezed. What
is shown of it is stretched between its own percentiles, so that exposure, bits and window of the file say
little (:func:`stretched`); training looks at films in the same way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sagittal.draw.slices import in_eight_bits
from sagittal.errors import InputError
from sagittal.io.run_lengths import UPRIGHT
from sagittal.models.medplib.pictures import Frame, frame_of, squared
from sagittal.study import KINDS, Image

#: Kinds of image that may be a chest film.
FILMS = ("cxr", "photo", "unknown")
#: Intensities that are black and white; beyond them nothing is told apart.
PERCENTILES = (0.01, 0.99)
#: Values of a film are counted in so many steps.
_STEPS = 1_023


def upright(image: Image) -> Image:
    """A film as it is looked at: x to the patient's left, y to the feet, 8 bits, grey.

    Raises:
        InputError: an image of another kind, a volume, or a slice that lies otherwise than a frontal film.
    """
    if image.kind not in FILMS:
        raise InputError(
            "This is no chest film.", expected=" or ".join(KINDS[kind] for kind in FILMS),
            got=f"{KINDS[image.kind]} ({image.name})",
        )  # fmt: skip
    turned = image.reorient(UPRIGHT)
    if turned.shape[2] != 1 or min(turned.shape[:2]) < 2:
        raise InputError(
            "A chest film is one picture, as seen from the front.", expected="one frontal slice",
            got=f"{'×'.join(map(str, image.shape))} ({image.name})",
        )  # fmt: skip
    shown = in_eight_bits(turned)
    if shown.channels > 1:
        grey = np.rint(shown.data.astype(np.float32).mean(axis=3)).astype(np.uint8)
        shown = replace(shown, data=grey)
    return shown


def square(image: Image, edge: int) -> tuple[Tensor, Frame]:
    """A film in a square, before it is stretched.

    Args:
        image: from :func:`upright`.
        edge: of the square.

    Returns:
        (edge, edge) uint8, rows first, black around the film; and where it lies.
    """
    frame = frame_of(image, edge)
    return squared(image, frame)[0], frame


def prepared(image: Image, edge: int) -> tuple[Tensor, Frame]:
    """(1, edge, edge) in [0, 1], as a network takes a film, and where the film lies in it.

    Raises:
        InputError: as for :func:`upright`.
    """
    pixels, frame = square(upright(image), edge)
    return stretched(pixels[None].float() / 255), frame


def stretched(pictures: Tensor) -> Tensor:
    """Pictures between their own percentiles.

    Args:
        pictures: (B, h, w) in [0, 1]; black around the film counts as what it is.

    Returns:
        The same, in [0, 1]; a picture of one shade becomes black.
    """
    steps = (pictures.flatten(1) * _STEPS).round().long().clamp(0, _STEPS)
    limits = []
    for own in steps:
        filled = torch.bincount(own, minlength=_STEPS + 1).cumsum(0).float() / own.numel()
        limits.append(torch.searchsorted(filled, torch.tensor(PERCENTILES)))
    low, high = (torch.stack(limits).float().clamp(max=_STEPS) / _STEPS).T[:, :, None, None]
    found = ((pictures - low) / (high - low).clamp(min=1 / _STEPS)).clamp(0, 1)
    return torch.where(high > low, found, 0.0)
