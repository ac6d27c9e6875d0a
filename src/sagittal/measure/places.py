"""Where a lesion lies, in one word: lobe or other place, territory, side of the tentorium (VoxelPrompt §4.1).

Every voxel of a lesion belongs to the structure that it lies in, else to the nearest one: a network that
draws anatomy may leave a lesion out. The word is that of the largest share, of equals the first in the list.
Lobes and territories go by proportion (:mod:`sagittal.measure.proportions`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.measure.block import Block, block_of
from sagittal.measure.components import Components
from sagittal.measure.nearest import Nearest, columns, first_voxel, levels
from sagittal.measure.pieces import INSIDE_SHARE, Choice
from sagittal.measure.proportions import (
    LOBES,
    TERRITORIES,
    Frame,
    frame_of,
    lobes_at,
    sides_at,
    territories_at,
)
from sagittal.study import Mask

#: VoxelPrompt's location classes, lobes first.
PLACES = (
    *LOBES, "lateral ventricle", "brainstem", "cerebellum", "fourth ventricle", "cerebellopontine angle"
)  # fmt: skip
_VENTRICLE, _STEM, _CEREBELLUM, _FOURTH, _ANGLE = range(len(LOBES), len(PLACES))
#: Least share of a lesion on the lesser side of the tentorium for it to lie on both.
BOTH_SHARE = 0.05
#: The cerebellopontine angle reaches so far from the brainstem, mm: a tumour in it may be as wide.
ANGLE_MM = 25.0
#: A fourth ventricle of less than this, mL, may be filled up; it is sought so far from the midline, mm.
FILLED_ML, FOURTH_MM = 0.5, 12.0


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The structures that a place is told by, on one grid; any label of a mask counts, and any may be empty.

    Attributes:
        cerebrum: both hemispheres without ventricles; gives the lobes their frame.
        cerebellum, brainstem, lateral_ventricle, fourth_ventricle: the other classes.
    """

    cerebrum: Mask
    cerebellum: Mask
    brainstem: Mask
    lateral_ventricle: Mask
    fourth_ventricle: Mask

    @cached_property
    def frame(self) -> Frame:
        """The cerebrum's frame."""
        return frame_of(self.cerebrum)


def location_of(lesion: Block | Mask, anatomy: Anatomy) -> str:
    """The location class of a lesion, one of :data:`PLACES`.

    Raises:
        GeometryError: a structure lies on another grid.
        InputError: all structures are empty.
        LabelError: the lesion is.
        SpacingUnknownError: the grid has no spacing.
    """
    return _largest(location_shares(lesion, anatomy))


def location_shares(lesion: Block | Mask, anatomy: Anatomy) -> dict[str, float]:
    """The share of a lesion's voxels in each of :data:`PLACES`.

    Raises:
        GeometryError, InputError, LabelError, SpacingUnknownError: as for :func:`location_of`.
    """
    return _shares(PLACES, places_at(_cut(lesion), anatomy))


def places_at(lesion: Block, anatomy: Anatomy) -> Iterator[NDArray[np.uint8]]:
    """Codes of :data:`PLACES` for each voxel of a block, a slab at a time, in the order of its coordinates.

    Of equally near structures the smaller one takes the voxel: fourth ventricle, lateral ventricle,
    brainstem, cerebellum, cerebrum. Two rules go before that for voxels in no structure, below the tentorium,
    by what their front–back line meets:

    - *cerebellopontine angle*: no brainstem, cerebellum behind the voxel and none in front of it, and there
      is brainstem at its level, within :data:`ANGLE_MM`: beside the brainstem and before the cerebellum. A
      gap that a lesion leaves in the cerebellum has cerebellum in front.
    - *fourth ventricle*, where less than :data:`FILLED_ML` of it is drawn: all brainstem in front of the
      voxel and all cerebellum behind it, within :data:`FOURTH_MM` of the brainstem's middle. A mass that
      fills the ventricle leaves nothing of it.

    Raises:
        GeometryError, InputError, SpacingUnknownError: as for :func:`location_of`.
    """
    a = anatomy
    owners = (a.fourth_ventricle, a.lateral_ventricle, a.brainstem, a.cerebellum, a.cerebrum)
    codes = np.array([_FOURTH, _VENTRICLE, _STEM, _CEREBELLUM, 0], dtype=np.uint8)
    nearest = Nearest(lesion, owners)
    fossa = _Fossa(lesion, a)
    for index, owner, away in nearest.slabs():
        found = codes[owner]
        cerebral = owner == 4
        if cerebral.any():
            found[cerebral] = lobes_at(a.frame, lesion.geometry.to_world(index[:, cerebral].T))
        free = ~cerebral & (away[owner, np.arange(owner.size)] > 0)
        found[free & fossa.in_fourth(index)] = _FOURTH
        found[free & (away[2] <= ANGLE_MM) & fossa.in_angle(index)] = _ANGLE
        yield found


def territory_of(lesion: Block | Mask, cerebrum: Mask) -> str:
    """The arterial territory of a lesion above the tentorium: ACA, MCA or PCA.

    Args:
        cerebrum: gives the frame; on any grid.

    Raises:
        LabelError: the cerebrum or the lesion is empty.
        SpacingUnknownError: a grid has no spacing.
    """
    block, frame = _cut(lesion), frame_of(cerebrum)
    codes = (territories_at(frame, block.geometry.to_world(index.T)) for _, index in block.coordinates())
    return _largest(_shares(TERRITORIES, codes))


def tentorium_of(lesion: Block | Mask, cerebrum: Mask, cerebellum: Mask, brainstem: Mask) -> str:
    """Whether a lesion is ``supratentorial``, ``infratentorial`` or, from a lesser share of 5 % on, ``both``.

    Raises:
        GeometryError, InputError, LabelError, SpacingUnknownError: as for :func:`location_of`.
    """
    nearest = Nearest(_cut(lesion), (brainstem, cerebellum, cerebrum))
    codes = ((owner < 2).astype(np.uint8) for _, owner, _ in nearest.slabs())
    shares = _shares(("supratentorial", "infratentorial"), codes)
    return "both" if min(shares.values()) >= BOTH_SHARE else _largest(shares)


def inside_lobe(cerebrum: Mask, name: str, others: Sequence[Mask] = ()) -> Choice:
    """Pieces that lie by half or more in a lobe of one side (``right frontal lobe``) or both (``insula``).

    Args:
        cerebrum: gives the lobes their frame.
        name: one of :data:`~sagittal.measure.proportions.LOBES`, after ``left`` or ``right`` or alone.
        others: what is no lobe (cerebellum, brainstem): a voxel in one, or nearer to it than to the
            cerebrum, lies in no lobe. Without them the planes alone decide, and all may be on any grid.

    Raises:
        InputError: another name.
        LabelError: the cerebrum is empty.
        GeometryError: from the choice: a mask lies on another grid.
    """
    side, _, lobe = name.partition(" ") if name.startswith(("left ", "right ")) else ("", "", name)
    if lobe not in LOBES:
        raise InputError(
            "There is no such lobe.", expected=f"{', '.join(LOBES)}; left, right or both", got=name
        )
    code, sign = LOBES.index(lobe), {"left": -1, "right": 1, "": 0}[side]
    frame = frame_of(cerebrum)

    def choice(pieces: Components) -> NDArray[np.bool_]:
        share = np.zeros(len(pieces))
        for index, lobar in _lobar(pieces.block, cerebrum, others):
            world = pieces.geometry.to_world(index.T)
            weight = lobar * (lobes_at(frame, world) == code)
            # A voxel in the midline lies half on each side.
            weight = weight * (1.0 if sign == 0 else (1 + sign * sides_at(frame, world)) / 2)
            piece = pieces.labels[tuple(index)].astype(np.intp) - 1
            share += np.bincount(piece, weights=weight, minlength=len(pieces))
        return share >= INSIDE_SHARE * pieces.voxels

    return choice


def _lobar(
    block: Block, cerebrum: Mask, others: Sequence[Mask]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Indices of a block's voxels, and which of them may lie in a lobe, a slab at a time."""
    if others:
        for index, owner, _ in Nearest(block, (*others, cerebrum)).slabs():
            yield index, owner == len(others)
    else:
        for _, index in block.coordinates():
            yield index, np.ones(index.shape[1], dtype=bool)


def _cut(lesion: Block | Mask) -> Block:
    """The block of a lesion, all labels of a mask together."""
    if isinstance(lesion, Block):
        return lesion
    return block_of(Mask((lesion.data != 0).view(np.uint8), lesion.geometry, {1: "lesion"}), "lesion")


def _shares(words: Sequence[str], codes: Iterable[NDArray[np.uint8]]) -> dict[str, float]:
    count = np.zeros(len(words), dtype=np.int64)
    for slab in codes:
        count += np.bincount(slab, minlength=len(words))
    return {word: int(n) / int(count.sum()) for word, n in zip(words, count, strict=True)}


def _largest(shares: Mapping[str, float]) -> str:
    # Of equals, max gives the first.
    return max(shares, key=lambda word: shares[word])


class _Fossa:
    """How voxels of a block lie to brainstem and cerebellum, by the front–back line through each."""

    def __init__(self, block: Block, anatomy: Anatomy) -> None:
        stem, cerebellum = columns(anatomy.brainstem, block), columns(anatomy.cerebellum, block)
        place = np.arange(stem.shape[1])[None, :, None]
        self.row, self.first = block.geometry.affine[0], first_voxel(block)[1]
        #: On each line: rearmost brainstem, foremost cerebellum, −1 where there is none.
        self.hind = np.where(stem.any(axis=1), np.argmax(stem, axis=1), -1)
        self.fore = np.where(cerebellum, place, -1).max(axis=1)
        left = np.count_nonzero(anatomy.fourth_ventricle.data) * block.source.voxel_volume
        self.filled = left < FILLED_ML * 1000
        # Below its lower end nothing is beside the brainstem.
        self.beside = levels(anatomy.brainstem, block)[None, :] & (self.hind < 0)
        self.middle = float(_cut(anatomy.brainstem).centroid[0]) if anatomy.brainstem.data.any() else 0.0

    def in_angle(self, index: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(3, n) indices in the block → (n,): beside the brainstem and before the cerebellum."""
        x, y, z = index
        fore = self.fore[x, z]
        return np.asarray(self.beside[x, z] & (fore >= 0) & (y + self.first > fore))

    def in_fourth(self, index: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(3, n) indices in the block → (n,): behind the brainstem, before the cerebellum, in the middle."""
        x, y, z = index
        fore, hind = self.fore[x, z], self.hind[x, z]
        between = (fore >= 0) & (y + self.first > fore) & (y + self.first < hind)
        central = np.abs(self.row[:3] @ index + self.row[3] - self.middle) <= FOURTH_MM
        return np.asarray(between & central & self.filled)
