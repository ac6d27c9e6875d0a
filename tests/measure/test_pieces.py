"""Pieces by description, against literal searches over all voxels and in every orientation of the array."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from solids import ORIENTATIONS, affine_of, mask_of, stored_as

from sagittal.errors import GeometryError, InputError
from sagittal.measure import pieces
from sagittal.measure.asymmetry import MidsagittalPlane
from sagittal.measure.block import block_of
from sagittal.measure.components import find_components
from sagittal.study import Image, Mask

AFFINE = affine_of((1, 1, 1), (-20, -10, -10))
SHAPE = (41, 20, 20)
PLANE = MidsagittalPlane(0.0, "for tests")
# World boxes of four pieces: (first, last) in x, y, z; 8, 27, 12 and 8 voxels.
BOXES = {
    "small left": ((-18, -17), (-8, -7), (-8, -7)),
    "large left": ((-10, -8), (0, 2), (0, 2)),
    "right": ((9, 11), (3, 4), (-5, -4)),
    "small right": ((17, 18), (7, 8), (7, 8)),
}


def boxed(*names: str) -> np.ndarray:
    inside = np.zeros(SHAPE, bool)
    for name in names:
        (a, b), (c, d), (e, f) = BOXES[name]
        inside[a + 20 : b + 21, c + 10 : d + 11, e + 10 : f + 11] = True
    return inside


ALL = boxed(*BOXES)


def picked(choice, inside=ALL, affine=AFFINE) -> np.ndarray:
    return chosen(mask_of(inside, affine), choice).data != 0


def chosen(mask, choice) -> Mask:
    return pieces.choose(mask, block_of(mask, "l1") if mask.data.any() else None, choice, "picked")


def names_of(found: np.ndarray) -> set[str]:
    names = {name for name in BOXES if (boxed(name) & found).any()}
    assert np.array_equal(found, boxed(*names)), "pieces are taken whole"
    return names


def test_by_size():
    assert names_of(picked(pieces.by_size(1))) == {"large left"}
    assert names_of(picked(pieces.by_size(2))) == {"right"}
    # Of equals the one to the left comes first.
    assert names_of(picked(pieces.by_size(3))) == {"small left"}
    assert names_of(picked(pieces.by_size(4))) == {"small right"}
    assert names_of(picked(pieces.by_size(-1))) == {"small right"}
    assert names_of(picked(pieces.by_size(5))) == set() == names_of(picked(pieces.by_size(-5)))
    with pytest.raises(InputError, match="from 1"):
        pieces.by_size(0)


def test_by_side():
    assert names_of(picked(pieces.on_side(PLANE, "left"))) == {"small left", "large left"}
    assert names_of(picked(pieces.on_side(PLANE, "right"))) == {"right", "small right"}
    # The plane goes through the piece's middle: it lies on neither side.
    assert names_of(picked(pieces.on_side(MidsagittalPlane(10.0, ""), "right"))) == {"small right"}
    assert names_of(picked(pieces.on_side(MidsagittalPlane(9.9, ""), "right"))) == {"right", "small right"}
    with pytest.raises(InputError, match="one side"):
        pieces.on_side(PLANE, "midline")


def test_by_place_from_half_of_a_piece_on():
    place = np.zeros(SHAPE, bool)
    place[29:31, 13:15, 5] = True  # 4 of the 12 voxels of "right"
    assert names_of(picked(pieces.inside(mask_of(place, AFFINE)))) == set()
    place[29, 13:15, 6] = True  # 6 of 12
    assert names_of(picked(pieces.inside(mask_of(place, AFFINE)))) == {"right"}
    place[29, 13, 6] = False  # 5 of 12
    assert names_of(picked(pieces.inside(mask_of(place, AFFINE)))) == set()
    elsewhere = mask_of(place, affine_of((1, 1, 1), (0, 0, 0)))
    with pytest.raises(GeometryError, match="same grid"):
        picked(pieces.inside(elsewhere))


@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_a_literal_search(seed):
    rng = np.random.default_rng(seed)
    affine = affine_of((0.8, 1.7, 3.0), (5, -7, 2))
    affine[:3, :3] = affine[:3, :3] @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    inside, other = rng.random((12, 10, 8)) < 0.03, rng.random((12, 10, 8)) < 0.02
    other[2:6, 2:6, 2:6] = True
    inside[3, 3, 3] = True  # inside the other, away from its surface
    found = find_components(block_of(mask_of(inside, affine), "l1"))
    given = pieces.distances_mm(found, mask_of(other, affine))
    targets = mask_of(other, affine).geometry.to_world(np.argwhere(other))
    for n in range(len(found)):
        own = found.geometry.to_world(np.argwhere(found.labels == n + 1))
        literal = min(np.linalg.norm(a - b) for a, b in itertools.product(own, targets))
        assert given[n] == pytest.approx(literal, abs=1e-6)
    assert (given == 0).any()
    assert np.isinf(pieces.distances_mm(found, mask_of(np.zeros_like(other), affine))).all()


def test_near_and_nearest():
    other = boxed("small left")
    other_mask = mask_of(other, AFFINE)
    both = ALL & ~other
    # "large left" begins 7, 7 and 7 mm away along the axes.
    away = 7 * 3**0.5
    assert names_of(picked(pieces.near(other_mask, away + 1e-6), both)) == {"large left"}
    assert names_of(picked(pieces.near(other_mask, away - 1e-6), both)) == set()
    assert names_of(picked(pieces.nearest(other_mask), both)) == {"large left"}
    nothing = mask_of(np.zeros(SHAPE, bool), AFFINE)
    assert names_of(picked(pieces.nearest(nothing), both)) == set() == names_of(picked(pieces.near(nothing)))
    # Both overlap the place: the larger is taken.
    assert names_of(picked(pieces.nearest(mask_of(ALL, AFFINE)))) == {"large left"}


def test_by_brightness_of_each_piece_alone():
    rng = np.random.default_rng(3)
    values = 100 + 5 * rng.standard_normal(SHAPE)
    for name, added in {"small left": 40, "large left": -40, "right": 0, "small right": 40}.items():
        values[boxed(name)] += added
    brain = mask_of(np.ones(SHAPE, bool), AFFINE)
    image = Image(values.astype(np.float32), brain.geometry, "flair")
    assert names_of(picked(pieces.looking(image, "hyperintense", brain))) == {"small left", "small right"}
    assert names_of(picked(pieces.looking(image, "hypointense", brain))) == {"large left"}
    assert names_of(picked(pieces.looking(image, "isointense"))) == {"right"}
    # A very bright piece beside another is not what that one is compared with.
    beside = np.zeros(SHAPE, bool)
    beside[33:36, 13:15, 5:7] = True
    values[beside] = 10_000
    bright = Image(values.astype(np.float32), brain.geometry, "flair")
    found = picked(pieces.looking(bright, "isointense", brain), ALL | beside)
    assert names_of(found & ALL) == {"right"} and not (found & beside).any()


def test_a_piece_without_surroundings_looks_like_nothing():
    image = Image(np.zeros(SHAPE, np.float32), mask_of(ALL, AFFINE).geometry, "flair")
    for word in ("hyperintense", "isointense", "hypointense"):
        assert names_of(picked(pieces.looking(image, word, mask_of(boxed("right"), AFFINE)))) == set()


def test_at_another_visit():
    before = boxed("large left", "right")
    before[29:, :, :] &= False
    before[29, 13, 5] = True  # a voxel of "right" is enough
    assert names_of(picked(pieces.apart_from(mask_of(before, AFFINE)))) == {"small left", "small right"}


def test_every_orientation_gives_the_same_pieces():
    place = boxed("large left", "small right")
    other = boxed("small left")
    for codes in ORIENTATIONS:
        inside, affine = stored_as(ALL, AFFINE, codes)
        choices = {
            "size": pieces.by_size(2),
            "side": pieces.on_side(PLANE, "left"),
            "inside": pieces.inside(mask_of(place, AFFINE)),
            "near": pieces.near(mask_of(other, AFFINE), 13),
            "apart": pieces.apart_from(mask_of(other, AFFINE)),
        }
        for name, choice in choices.items():
            made = chosen(mask_of(inside, affine), choice)
            assert made.geometry.same_grid(mask_of(inside, affine).geometry)
            assert np.array_equal(made.reorient("RAS").data != 0, picked(choice)), (codes, name)


def test_nothing_to_pick_from():
    made = chosen(mask_of(np.zeros(SHAPE, bool), AFFINE), pieces.by_size(1))
    assert not made.data.any() and made.labels == {1: "picked"}
