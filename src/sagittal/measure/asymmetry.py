"""Left and right: on which side of the head a label lies, and how unequal two sides are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sagittal.errors import ConfigError
from sagittal.measure.block import Block, block_of
from sagittal.study import Mask

#: Least share of a label on the lesser side for it to be called bilateral.
BILATERAL_SHARE = 0.05
#: A label with most of its voxels this near to the plane lies in the midline.
MIDLINE_MM = 5.0

Side = Literal["left", "right", "bilateral", "midline"]


@dataclass(frozen=True)
class MidsagittalPlane:
    """The plane x = ``x_mm`` in RAS space, and where that comes from."""

    x_mm: float
    source: str


@dataclass(frozen=True)
class Sidedness:
    """How a label lies about the midsagittal plane.

    Attributes:
        side: the word.
        left_share, right_share: of its voxels, by voxel centre; a centre in the plane counts half each.
        near_share: of its voxels within the midline's width of the plane.
        plane: where left ends and right begins.
    """

    side: Side
    left_share: float
    right_share: float
    near_share: float
    plane: MidsagittalPlane


#: Where the midsagittal plane of a template space lies. SRI24 counts x from the grid's right edge; its
#: plane is the middle between LPBA40's left and right structures, which is its T1's centre of mass, too.
TEMPLATE_X_MM = {"MNI152": 0.0, "SRI24": -119.0}


def template_plane(space: str = "MNI152") -> MidsagittalPlane:
    """The midsagittal plane of an image in a template space.

    Raises:
        ConfigError: the space is not one of :data:`TEMPLATE_X_MM`.
    """
    if space not in TEMPLATE_X_MM:
        raise ConfigError(
            "The midsagittal plane of this space is not known.",
            expected=", ".join(TEMPLATE_X_MM),
            got=space,
            remedy="take the plane from a brain mask instead",
        )
    return MidsagittalPlane(TEMPLATE_X_MM[space], f"x = {TEMPLATE_X_MM[space]:g} mm of {space} space")


def brain_plane(brain: Mask) -> MidsagittalPlane:
    """The sagittal plane through a brain mask's centre of mass: an estimate for an upright head.

    Raises:
        LabelError: the mask is empty.
        SpacingUnknownError: the grid has no spacing.
    """
    brain.geometry.require_spacing("A midsagittal plane")
    binary = Mask((brain.data != 0).view(np.uint8), brain.geometry, {1: "brain"})
    return MidsagittalPlane(float(block_of(binary, "brain").centroid[0]), "the brain mask's centre of mass")


def sidedness(
    block: Block,
    plane: MidsagittalPlane,
    *,
    bilateral_share: float = BILATERAL_SHARE,
    midline_mm: float = MIDLINE_MM,
) -> Sidedness:
    """The side of the head that a label lies on. RAS: left is x below the plane.

    *Midline* when more than half of the voxels lie within ``midline_mm`` of the plane and neither
    side holds nearly all; else *bilateral* when the lesser side holds at least ``bilateral_share``;
    else the greater side.

    Raises:
        SpacingUnknownError: the grid has no spacing.
    """
    block.geometry.require_spacing("A side")
    # Twice the voxels, so that one in the plane counts half on each side and nothing is rounded.
    twice_left = twice_right = close = 0
    for _, index in block.coordinates():
        x = block.geometry.affine[0, :3] @ index + (block.geometry.affine[0, 3] - plane.x_mm)
        twice_left += int(np.count_nonzero(x < 0)) + int(np.count_nonzero(x <= 0))
        twice_right += int(np.count_nonzero(x > 0)) + int(np.count_nonzero(x >= 0))
        close += int(np.count_nonzero(np.abs(x) <= midline_mm))
    left, right = twice_left / (2 * block.voxels), twice_right / (2 * block.voxels)
    near = close / block.voxels
    both = min(left, right) >= bilateral_share
    side: Side = "left" if left > right else "right"
    if both:
        side = "midline" if near > 0.5 else "bilateral"
    return Sidedness(side, left, right, near, plane)


def asymmetry_index(left: float, right: float) -> tuple[float | None, str | None]:
    """(L − R) ÷ ((L + R) / 2): 0 for equal sides, +2 for left alone, −2 for right alone.

    Returns:
        The index, or ``None`` and the reason why there is none.
    """
    if left + right == 0:
        return None, "both sides are 0"
    return (left - right) / ((left + right) / 2), None
