"""The brain that volumes are compared with: non-zero voxels of a skull-stripped T1 (mpLLM, §3.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.study import Image, Mask

#: A skull-stripped head leaves the border of the volume empty. More than this share of non-zero
#: border voxels means skull, face and neck, a background that is not zero, or a crop into the brain.
BORDER_SHARE = 0.10
#: No brain is larger; a head is twice this.
LARGEST_BRAIN_ML = 2200.0
# Kinds in the order in which they are tried; the first is the paper's own.
# CT, films and images of an unstated kind are left out: what is not zero in them need not be a brain.
_ORDER = ("t1", "t1c", "t2", "flair", "pd", "gre", "dwi", "adc", "mr")


@dataclass(frozen=True, eq=False)
class Brain:
    """The brain of a study, or why there is none.

    Attributes:
        mask: label 1 is brain; ``None`` when none was found.
        voxels: how many voxels it has.
        ml: its volume; ``None`` when there is no brain or no pixel spacing.
        source: what it was taken from.
        reason: why ``mask`` or ``ml`` is ``None``.
        warnings: what the reader should know about the choice.
    """

    mask: Mask | None
    voxels: int
    ml: float | None
    source: str
    reason: str | None
    warnings: tuple[str, ...] = ()


def find_brain(images: Sequence[Image] = (), given: Mask | None = None) -> Brain:
    """The brain by the best source there is.

    A given mask (any label counts) goes first, then a skull-stripped T1, then any other
    skull-stripped MR volume, with a warning. An image that is not skull-stripped is never used: its
    non-zero voxels are not the brain.
    """
    if given is not None:
        return _brain_of(given.data != 0, given, given.name or "the given mask", ())
    warnings: list[str] = []
    candidates = [
        i for kind in _ORDER for i in images if i.kind == kind and i.channels == 1 and not i.geometry.is_2d
    ]
    for image in candidates:
        inside = nonzero(image)
        why_not = not_stripped(image, inside)
        called = image.name or image.kind
        if why_not is not None:
            warnings.append(f"{called} does not show the brain alone: {why_not}; it gives no brain volume.")
            continue
        if image.kind != "t1":
            warnings.append(f"The brain volume is taken from {called} ({image.kind}), not from a T1.")
        return _brain_of(inside, image, called, tuple(warnings))
    reason = "no brain mask was given, and no image is skull-stripped" if candidates else (
        "no brain mask and no skull-stripped MR image was given"
    )  # fmt: skip
    return Brain(None, 0, None, "", reason, tuple(warnings))


def nonzero(image: Image) -> NDArray[np.bool_]:
    """Voxels that hold something; NaN counts as nothing."""
    inside = image.data != 0
    if image.data.dtype.kind == "f":
        inside &= ~np.isnan(image.data)
    return inside


def not_stripped(image: Image, inside: NDArray[np.bool_] | None = None) -> str | None:
    """Why an image's non-zero voxels are not a brain; ``None`` when they may be.

    Args:
        image: a scan with one channel.
        inside: :func:`nonzero` of it, when at hand.
    """
    if inside is None:
        inside = nonzero(image)
    if not inside.any():
        return "it is empty"
    shape = np.array(inside.shape)
    # Axes one voxel deep have no border of their own.
    deep = [axis for axis in range(3) if shape[axis] > 2]
    # Slices, not np.take: a face across the memory's order is slow to copy.
    faces = [inside[(slice(None),) * axis + (end,)] for axis in deep for end in (0, -1)]
    border = sum(int(np.count_nonzero(f)) for f in faces) / max(1, sum(f.size for f in faces))
    if border > BORDER_SHARE:
        return f"{border:.0%} of the voxels on the volume's border are not zero"
    if image.geometry.spacing_known:
        ml = int(np.count_nonzero(inside)) * image.geometry.voxel_volume / 1000
        if ml > LARGEST_BRAIN_ML:
            return f"its non-zero voxels fill {ml:.0f} ml, more than any brain"
    return None


def _brain_of(
    inside: NDArray[np.bool_], source: Image | Mask, called: str, warnings: tuple[str, ...]
) -> Brain:
    voxels = int(np.count_nonzero(inside))
    if voxels == 0:
        return Brain(None, 0, None, called, f"{called} has no brain voxel", warnings)
    mask = Mask(inside, source.geometry, {1: "brain"}, called, source.session)
    if not source.geometry.spacing_known:
        return Brain(mask, voxels, None, called, "the pixel spacing is not known", warnings)
    return Brain(mask, voxels, voxels * source.geometry.voxel_volume / 1000, called, None, warnings)


def percent_of_brain(label: Mask, voxels: int, brain: Brain) -> tuple[float | None, str | None]:
    """A label's voxels ÷ the brain's, times 100; by volume where they lie on different grids.

    Returns:
        The percentage, or ``None`` and the reason why there is none.
    """
    if brain.mask is None:
        return None, brain.reason
    turned = brain.mask.geometry.reoriented(label.geometry.orientation)[0]
    if turned.same_grid(label.geometry):
        return 100 * voxels / brain.voxels, None
    if brain.ml is None or not label.geometry.spacing_known:
        return None, "the label and the brain lie on different grids, and a pixel spacing is not known"
    return 100 * voxels * label.geometry.voxel_volume / 1000 / brain.ml, None
