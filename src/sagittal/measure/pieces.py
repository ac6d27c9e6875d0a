"""Which of several pieces is meant: by size, place and brightness (VoxelPrompt §4.1, Figure 3).

A piece is a 26-connected component. The pieces that fit are given whole, as a mask on the same grid;
where none fits it is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError, NoSurroundingsError
from sagittal.measure.asymmetry import MidsagittalPlane, Side
from sagittal.measure.block import Block, block_of, on_grid_of, ras_view
from sagittal.measure.components import Components, find_components
from sagittal.measure.intensity import Contrast, relative_intensity, shell_box, surroundings
from sagittal.measure.points import Points
from sagittal.study import Image, Mask

#: Near, in millimetres between the nearest voxel centres: about a gyrus away.
NEAR_MM = 10.0
#: The share of a piece's voxels that lies in a place for the piece to lie there.
INSIDE_SHARE = 0.5

#: From the components of a label to which of them are meant, (N,) bool.
Choice = Callable[[Components], NDArray[np.bool_]]


def choose(mask: Mask, block: Block | None, choice: Choice, called: str) -> Mask:
    """The pieces of a label that a choice picks.

    Args:
        mask: with the label; other labels of it are left out.
        block: the label, cut out of the mask; ``None`` when it has no voxel.
        choice: picks among its components; not asked where there are none.
        called: name of the one label of the result.
    """
    data = np.zeros(mask.shape, dtype=np.uint8)
    if block is not None:
        pieces = find_components(block)
        wanted = np.concatenate([[False], choice(pieces)])
        _in_block(data, block)[...] = wanted[pieces.labels]
    return Mask(data, mask.geometry, {1: called}, mask.name, mask.session)


def by_size(rank: int) -> Choice:
    """The largest piece for rank 1, the second largest for 2, …; −1 is the smallest. None beyond the last.

    Raises:
        InputError: a rank of 0.
    """
    if rank == 0:
        raise InputError("A rank counts from 1, the largest, or from −1, the smallest.", got=0)

    def choice(pieces: Components) -> NDArray[np.bool_]:
        # Of equals the one most to the left, then back, then low comes first, as for the core.
        order = sorted(
            range(len(pieces)), key=lambda n: (-int(pieces.voxels[n]), *pieces.first[n].tolist(), n)
        )
        place = rank - 1 if rank > 0 else rank
        chosen = np.zeros(len(pieces), dtype=bool)
        if -len(order) <= place < len(order):
            chosen[order[place]] = True
        return chosen

    return choice


def on_side(plane: MidsagittalPlane, side: Side) -> Choice:
    """Pieces with most of their voxels to the left or right of a plane.

    Raises:
        InputError: another word than left or right.
        SpacingUnknownError: from the choice: the grid has no spacing.
    """
    if side not in ("left", "right"):
        raise InputError("A piece is sought on one side.", expected="left or right", got=side)

    def choice(pieces: Components) -> NDArray[np.bool_]:
        pieces.geometry.require_spacing("A side")
        balance = np.zeros(len(pieces))
        row = pieces.geometry.affine[0]
        for _, index in pieces.block.coordinates():
            x = row[:3] @ index + (row[3] - plane.x_mm)
            owner = pieces.labels[tuple(index)].astype(np.intp) - 1
            balance += np.bincount(owner, weights=np.sign(x), minlength=len(pieces))
        return balance < 0 if side == "left" else balance > 0

    return choice


def inside(place: Mask, share: float = INSIDE_SHARE) -> Choice:
    """Pieces of which at least a share lies in a place (any label of it).

    Raises:
        GeometryError: from the choice: the place lies on another grid.
    """

    def choice(pieces: Components) -> NDArray[np.bool_]:
        there = _on_block(place, pieces.block)
        owner = pieces.labels[there & pieces.block.inside].astype(np.intp)
        return np.bincount(owner, minlength=len(pieces) + 1)[1:] >= share * pieces.voxels

    return choice


def near(other: Mask, within_mm: float = NEAR_MM) -> Choice:
    """Pieces that come within a distance of another mask."""
    return lambda pieces: distances_mm(pieces, other) <= within_mm


def nearest(other: Mask) -> Choice:
    """The piece that comes nearest to another mask; of equals, the larger. None when the other is empty."""

    def choice(pieces: Components) -> NDArray[np.bool_]:
        away = distances_mm(pieces, other)
        chosen = np.zeros(len(pieces), dtype=bool)
        if np.isfinite(away).all():
            closest = np.flatnonzero(away == away.min())
            chosen[closest[np.argmax(pieces.voxels[closest])]] = True
        return chosen

    return choice


def looking(image: Image, word: Contrast, brain: Mask | None = None) -> Choice:
    """Pieces that are hyper-, iso- or hypointense against what surrounds each of them.

    A piece without surroundings looks like nothing.

    Raises:
        GeometryError: from the choice: image and mask lie on different grids.
    """

    def choice(pieces: Components) -> NDArray[np.bool_]:
        names = {n + 1: f"piece {n + 1}" for n in range(len(pieces))}
        block = pieces.block
        # The other pieces are no surroundings: each is a label of its own.
        data = np.zeros(block.source.shape, dtype=pieces.labels.dtype)
        _in_block(data, block)[...] = pieces.labels
        start, stop = shell_box(block)
        each = Mask(data, block.source, names).crop(start, stop)
        shown = _on_source(image, block).crop(start, stop)
        inside = None if brain is None else on_grid_of(brain, block.source, "The brain").crop(start, stop)
        return np.array([_looks(shown, each, name, inside) == word for name in names.values()], dtype=bool)

    return choice


def _on_source(image: Image, block: Block) -> Image:
    turned = image.reorient(block.source.orientation)
    block.source.require_same_grid(turned.geometry, "An image and a mask")
    return turned


def _looks(image: Image, pieces: Mask, name: str, brain: Mask | None) -> Contrast | None:
    try:
        shell = surroundings(pieces, name, brain)
    except NoSurroundingsError:
        return None
    [around] = shell.labels.values()
    return relative_intensity(image, block_of(pieces, name), block_of(shell, around), around).word


def apart_from(other: Mask) -> Choice:
    """Pieces that share no voxel with another mask: those that were not there at another visit.

    Raises:
        GeometryError: from the choice: the other mask lies on another grid.
    """

    def choice(pieces: Components) -> NDArray[np.bool_]:
        touched = pieces.labels[_on_block(other, pieces.block) & pieces.block.inside]
        return np.bincount(touched.astype(np.intp), minlength=len(pieces) + 1)[1:] == 0

    return choice


def distances_mm(pieces: Components, other: Mask) -> NDArray[np.float64]:
    """(N,) least distance between voxel centres of each piece and of another mask; 0 where they overlap.

    Infinite where the other mask is empty.

    Raises:
        GeometryError: it lies on another grid.
        SpacingUnknownError: the grid has no spacing.
    """
    pieces.geometry.require_spacing("A distance")
    found = np.full(len(pieces), np.inf)
    there = on_grid_of(other, pieces.block.source, "The other mask").data != 0
    if not there.any():
        return found
    target = block_of(Mask(there.view(np.uint8), pieces.block.source, {1: "other"}), "other")
    surface = Points(target.geometry.to_world(np.argwhere(_outer(target.inside))))
    # A piece that overlaps the inside of the other never comes near its surface otherwise.
    touched = pieces.labels[_on_block(other, pieces.block) & pieces.block.inside].astype(np.intp) - 1
    found[np.unique(touched)] = 0.0
    own = np.argwhere(_outer(pieces.block.inside))
    away = surface.distances(pieces.geometry.to_world(own))
    np.minimum.at(found, pieces.labels[tuple(own.T)].astype(np.intp) - 1, away)
    return found


def _outer(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels with a face towards the outside: what any other voxel is nearest to is one of these."""
    from scipy.ndimage import binary_erosion

    return inside & ~np.asarray(binary_erosion(inside), dtype=bool)


def _on_block(mask: Mask, block: Block) -> NDArray[np.bool_]:
    """Where any label of a mask is, in the block's own axes."""
    return _in_block(on_grid_of(mask, block.source, "A place").data, block) != 0


def _in_block(data: NDArray[Any], block: Block) -> NDArray[Any]:
    """A view of an array on the block's source grid: its part inside the block, in the block's axes."""
    box = tuple(slice(a, b) for a, b in zip(block.start, block.stop, strict=True))
    return ras_view(data[box], block.source)
