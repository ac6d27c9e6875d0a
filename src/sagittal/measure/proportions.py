"""Where in the cerebrum a point lies, by proportion: lobes and arterial territories (VoxelPrompt §4.1).

Our label maps and networks know the cerebrum, not its lobes. Talairach's idea stands in for them: a box
around the cerebrum, level with its long axis, and planes at fixed proportions of that box. Every point gets a
lobe and a territory, outside of the cerebrum by the same planes. It is an approximation:
``benchmarks/lobes.py`` found the numbers, and ``docs/results/lobes.md`` says how often it agrees with drawn
lobes.

A territory of the anterior (ACA), middle (MCA) or posterior cerebral artery (PCA) is the usual one (Tatu et
al. 1998, doi:10.1212/WNL.50.6.1699); the patient's own vessels are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.measure.block import Block, block_of
from sagittal.study import Mask

#: The lobes, in the order of their codes.
LOBES = ("frontal lobe", "parietal lobe", "occipital lobe", "temporal lobe", "insula")
FRONTAL, PARIETAL, OCCIPITAL, TEMPORAL, INSULA = range(5)
#: The arterial territories, in the order of their codes.
TERRITORIES = ("ACA", "MCA", "PCA")
ACA, MCA, PCA = range(3)
#: Share of the cerebrum that lies beyond each face of its frame: specks and single gyri do not move it.
BEYOND = 0.005

Span = tuple[float, float]


@dataclass(frozen=True)
class Planes:
    """The numbers of the lobes' planes, in proportions of the frame (:meth:`Frame.proportions`).

    Found on one atlas, LPBA40 in SRI24 space, and rounded to 0.01.

    Attributes:
        central: (a, b, c): the frontal lobe lies in front of a + b·upward + c·lateral.
        parieto_occipital: (a, b): the occipital lobe lies behind a + b·upward, above the Sylvian plane.
        sylvian: (a, b, c): temporal and lower occipital lobe lie below a + b·forward + c·lateral.
        preoccipital: (a, b, c): there, the occipital lobe lies behind a + b·upward + c·lateral.
        insula: (least, most) lateral, forward and upward of a deep box on each side.
    """

    central: tuple[float, float, float] = (0.44, -0.16, 0.22)
    parieto_occipital: Span = (0.34, -0.37)
    sylvian: tuple[float, float, float] = (0.47, -0.48, 0.21)
    preoccipital: tuple[float, float, float] = (0.33, 0.18, -0.25)
    insula: tuple[Span, Span, Span] = ((0.36, 0.67), (0.45, 0.70), (0.23, 0.54))


@dataclass(frozen=True)
class Supply:
    """The numbers of the arterial territories, in proportions of the frame.

    Found on AAL's gyri in SRI24 space, each given to the artery that usually supplies it.

    Attributes:
        strip: (a, b): frontal and parietal lobe are ACA within a + b·upward of the midline,
        deep: (upward, forward): but not where a point lies both below and behind these.
        inferomedial: (a, b): the temporal lobe is PCA within a + b·upward of the midline,
        pole: forward: but not in front of this.
        thalamus: (least, most) lateral, forward and upward of a box that is PCA; so is the occipital lobe.
    """

    strip: Span = (0.24, 0.17)
    deep: Span = (0.37, 0.66)
    inferomedial: Span = (0.84, -0.88)
    pole: float = 0.63
    thalamus: tuple[Span, Span, Span] = ((0.0, 0.35), (0.34, 0.58), (0.31, 0.48))


@dataclass(frozen=True, eq=False)
class Frame:
    """The box around a cerebrum, level with its long axis.

    Attributes:
        turn: (3, 3) rotation about the left–right axis, RAS → level.
        low, high: (3,) faces of the box towards left, back, bottom and right, front, top; level mm.
    """

    turn: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def tilt_degrees(self) -> float:
        """How far the cerebrum's front is raised."""
        return float(np.degrees(np.arctan2(self.turn[1, 2], self.turn[1, 1])))

    def proportions(self, world: NDArray[np.float64]) -> NDArray[np.float64]:
        """(…, 3) RAS mm → (…, 3) lateral, forward, upward.

        Lateral runs from −1 on the left over 0 in the midline to 1 on the right; forward from 0 at the back
        to 1 in front; upward from 0 at the bottom to 1 at the top.
        """
        level = np.asarray(world, dtype=np.float64) @ self.turn.T
        out = (level - self.low) / (self.high - self.low)
        out[..., 0] = 2 * out[..., 0] - 1
        return np.asarray(out)


def frame_of(cerebrum: Mask) -> Frame:
    """The frame of a cerebrum: both hemispheres (any label counts), without cerebellum and brainstem.

    The long axis is that of the voxels' second moments in the sagittal plane, so that a raised or lowered
    chin moves nothing; the head is taken to be upright from the front and from above. Faces lie where
    :data:`BEYOND` of the cerebrum is beyond them, each voxel spread over its width; the midline is in the
    middle.

    Raises:
        LabelError: the mask is empty.
        SpacingUnknownError: the grid has no spacing.
    """
    cerebrum.geometry.require_spacing("A frame")
    block = block_of(
        Mask((cerebrum.data != 0).view(np.uint8), cerebrum.geometry, {1: "cerebrum"}), "cerebrum"
    )
    turn = _level(block)
    faces = np.array([_faces(block, turn[axis]) for axis in range(3)])
    return Frame(turn, faces[:, 0], faces[:, 1])


def _level(block: Block) -> NDArray[np.float64]:
    """The rotation about the left–right axis that lays the long axis of a block level."""
    first, second = np.zeros(3), np.zeros((3, 3))
    for _, index in block.coordinates():
        values = index.astype(np.float64)
        first += values.sum(axis=1)
        second += values @ values.T
    first /= block.voxels
    steps = block.geometry.affine[:3, :3]
    spread = steps @ (second / block.voxels - np.outer(first, first)) @ steps.T
    angle = 0.5 * np.arctan2(2 * spread[1, 2], spread[1, 1] - spread[2, 2])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _faces(block: Block, direction: NDArray[np.float64]) -> tuple[float, float]:
    """Where a share of :data:`BEYOND` of a block is beyond, at either end along a direction; mm."""
    row = direction @ block.geometry.affine[:3, :3]
    start = float(direction @ block.geometry.affine[:3, 3])
    # Bins as wide as a voxel, each around one plane of centres where the grid lies along the direction.
    width = float(np.abs(row).max())
    ends = np.array([[0, n - 1] for n in block.inside.shape]) * row[:, None]
    least, bins = ends.min(axis=1).sum(), round(np.abs(np.diff(ends)).sum() / width) + 2
    count = np.zeros(bins, dtype=np.int64)
    for _, index in block.coordinates():
        count += np.bincount(((row @ index - least) / width + 0.5).astype(np.intp), minlength=bins)
    edges = start + least + width * (np.arange(bins + 1) - 0.5)
    share = np.concatenate([[0], np.cumsum(count)]) / block.voxels
    low, high = np.interp([BEYOND, 1 - BEYOND], share, edges)
    return float(low), float(high)


def sides_at(frame: Frame, world: NDArray[np.float64]) -> NDArray[np.int8]:
    """(…, 3) RAS mm → (…,): −1 left of the midline, 1 right of it, 0 in it."""
    # Rounded, so that what lies in the midline but for the last digits lies in it.
    return np.sign(np.round(frame.proportions(world)[..., 0], 9)).astype(np.int8)


def lobes_at(frame: Frame, world: NDArray[np.float64], planes: Planes | None = None) -> NDArray[np.uint8]:
    """(…, 3) RAS mm → (…,) codes of :data:`LOBES`.

    Args:
        planes: other numbers than :class:`Planes` has.
    """
    p = planes or Planes()
    lateral, forward, upward = _halves(frame, world)
    above = np.where(forward > _plane(p.central, upward, lateral), FRONTAL, PARIETAL)
    above[forward < _plane((*p.parieto_occipital, 0.0), upward, lateral)] = OCCIPITAL
    below = np.where(forward < _plane(p.preoccipital, upward, lateral), OCCIPITAL, TEMPORAL)
    found = np.where(upward < _plane(p.sylvian, forward, lateral), below, above)
    found[_within(p.insula, lateral, forward, upward)] = INSULA
    return found.astype(np.uint8)


def territories_at(
    frame: Frame, world: NDArray[np.float64], supply: Supply | None = None, planes: Planes | None = None
) -> NDArray[np.uint8]:
    """(…, 3) RAS mm → (…,) codes of :data:`TERRITORIES`.

    PCA: occipital lobe, inner and lower temporal lobe, thalamus. ACA: a strip along the midline of frontal
    and parietal lobe. MCA: the rest.

    Args:
        supply, planes: other numbers than :class:`Supply` and :class:`Planes` have.
    """
    s = supply or Supply()
    lobe = lobes_at(frame, world, planes)
    lateral, forward, upward = _halves(frame, world)
    deep = (upward < s.deep[0]) & (forward < s.deep[1])
    medial = (lateral < s.strip[0] + s.strip[1] * upward) & ~deep
    inner = (lateral < s.inferomedial[0] + s.inferomedial[1] * upward) & (forward < s.pole)
    found = np.where((lobe <= PARIETAL) & medial, ACA, MCA)
    behind = (lobe == OCCIPITAL) | ((lobe == TEMPORAL) & inner)
    found[behind | _within(s.thalamus, lateral, forward, upward)] = PCA
    return found.astype(np.uint8)


def _halves(frame: Frame, world: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Lateral without its side, forward, upward."""
    found = frame.proportions(world)
    return np.abs(found[..., 0]), found[..., 1], found[..., 2]


def _plane(
    numbers: tuple[float, float, float], along: NDArray[np.float64], lateral: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.asarray(numbers[0] + numbers[1] * along + numbers[2] * lateral)


def _within(box: tuple[Span, Span, Span], *values: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = np.ones(values[0].shape, dtype=bool)
    for (least, most), value in zip(box, values, strict=True):
        inside &= (value >= least) & (value <= most)
    return inside
