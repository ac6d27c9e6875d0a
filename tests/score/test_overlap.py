"""Agreement of masks: analytic spheres and boxes, a literal reference, conventions, hostile input."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from sagittal.errors import GeometryError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.score.overlap import TOLERANCE_MM, compare, surface_voxels
from sagittal.study import Mask


def grid(shape, spacing=(1.0, 1.0, 1.0), **more):
    return Geometry(shape, np.diag([*spacing, 1.0]), **more)


def mask(data, geometry):
    return Mask(np.asarray(data).astype(np.uint8), geometry, {1: "thing"})


def box(shape, start, stop):
    data = np.zeros(shape, bool)
    data[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return data


def ball(shape, centre, radius):
    place = np.indices(shape)
    return sum((place[a] - centre[a]) ** 2 for a in range(3)) <= radius**2


def literal(p, t, spacing):
    """Surface Dice and HD95 by the definition, voxel by voxel."""

    def surface(data):
        found = []
        for index in itertools.product(*map(range, data.shape)):
            if not data[index]:
                continue
            for axis, step in itertools.product(range(3), (-1, 1)):
                near = list(index)
                near[axis] += step
                outside = not 0 <= near[axis] < data.shape[axis]
                if outside or not data[tuple(near)]:
                    found.append(index)
                    break
        return found

    def distances(here, there):
        return [
            min(
                math.sqrt(sum(((a - b) * s) ** 2 for a, b, s in zip(x, y, spacing, strict=True)))
                for y in there
            )
            for x in here
        ]

    sp, st = surface(p), surface(t)
    forth, back = distances(sp, st), distances(st, sp)
    near = sum(d <= TOLERANCE_MM for d in forth) + sum(d <= TOLERANCE_MM for d in back)
    return near / (len(sp) + len(st)), max(np.percentile(forth, 95), np.percentile(back, 95))


def test_boxes_of_known_overlap():
    g = grid((20, 20, 20), (1.0, 2.0, 3.0))
    a, b = box(g.shape, (2, 2, 2), (12, 12, 12)), box(g.shape, (2, 2, 7), (12, 12, 17))
    found = compare(mask(a, g), mask(b, g))
    # 1000 voxels each, half of them shared; 6 mm³ a voxel.
    assert found.dice == pytest.approx(0.5)
    assert found.volume_ml == pytest.approx(6.0) and found.true_ml == pytest.approx(6.0)
    assert found.volume_error_percent == 0
    # Moved by five voxels of 3 mm: no point of one surface is further than that from the other.
    assert found.hd95_mm == pytest.approx(15.0)


def test_concentric_balls():
    g = grid((61, 61, 61))
    small, large = ball(g.shape, (30, 30, 30), 15), ball(g.shape, (30, 30, 30), 20)
    found = compare(mask(small, g), mask(large, g))
    ratio = (15 / 20) ** 3
    assert found.dice == pytest.approx(2 * ratio / (1 + ratio), abs=0.01)
    assert found.volume_error_percent == pytest.approx(100 * (ratio - 1), abs=1)
    assert found.hd95_mm == pytest.approx(5, abs=0.75)
    assert found.surface_dice == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 2.5, 1.3)])
def test_as_the_literal_definition(seed, spacing):
    rng = np.random.default_rng(seed)
    p, t = rng.random((2, 6, 7, 8)) < (0.1, 0.4)[seed % 2]
    g = grid(p.shape, spacing)
    found = compare(mask(p, g), mask(t, g))
    surface, hd95 = literal(p, t, spacing)
    assert found.surface_dice == pytest.approx(surface)
    assert found.hd95_mm == pytest.approx(hd95)
    both = sum(bool(a and b) for a, b in zip(p.ravel(), t.ravel(), strict=True))
    assert found.dice == pytest.approx(2 * both / (int(p.sum()) + int(t.sum())))


@pytest.mark.parametrize(("shift", "agrees"), [(2, True), (3, False)])
def test_both_sides_of_the_tolerance(shift, agrees):
    g = grid((30, 5, 5))
    a, b = box(g.shape, (5, 2, 2), (6, 3, 3)), box(g.shape, (5 + shift, 2, 2), (6 + shift, 3, 3))
    assert compare(mask(a, g), mask(b, g)).surface_dice == float(agrees)


def test_empty_masks():
    g = grid((5, 5, 5))
    none, some = np.zeros(g.shape, bool), box(g.shape, (1, 1, 1), (3, 3, 3))
    both = compare(mask(none, g), mask(none, g))
    assert (both.dice, both.surface_dice, both.hd95_mm, both.volume_error_percent) == (1, 1, None, None)
    missed = compare(mask(none, g), mask(some, g))
    assert (missed.dice, missed.surface_dice, missed.hd95_mm) == (0, 0, None)
    assert missed.volume_error_percent == -100
    invented = compare(mask(some, g), mask(none, g))
    assert (invented.dice, invented.surface_dice, invented.hd95_mm) == (0, 0, None)
    assert invented.volume_error_percent is None and invented.volume_ml == pytest.approx(0.008)


def test_identical_masks_agree_whatever_the_grid():
    rng = np.random.default_rng(0)
    affine = np.eye(4)
    affine[:3, :3] = rng.normal(size=(3, 3))
    g = Geometry((6, 7, 8), affine)
    m = mask(rng.random(g.shape) < 0.3, g)
    found = compare(m, m)
    assert (found.dice, found.surface_dice, found.hd95_mm, found.volume_error_percent) == (1, 1, 0, 0)


def test_symmetric_but_for_the_sign_of_the_volume_error():
    rng = np.random.default_rng(3)
    g = grid((9, 8, 7), (1.0, 1.5, 2.0))
    a, b = mask(rng.random(g.shape) < 0.3, g), mask(rng.random(g.shape) < 0.5, g)
    one, two = compare(a, b), compare(b, a)
    assert (one.dice, one.surface_dice, one.hd95_mm) == (two.dice, two.surface_dice, two.hd95_mm)
    assert one.volume_error_percent < 0 < two.volume_error_percent


def test_without_surfaces():
    g = grid((4, 4, 4))
    m = mask(np.ones(g.shape), g)
    found = compare(m, m, surfaces=False)
    assert found.dice == 1 and found.surface_dice is None and found.hd95_mm is None


def test_surface_of_a_solid_box_is_its_shell():
    data = box((9, 9, 9), (1, 2, 3), (6, 7, 8))
    assert len(surface_voxels(data)) == 5**3 - 3**3
    # The array's border is a surface, too.
    assert len(surface_voxels(np.ones((5, 5, 5), bool))) == 5**3 - 3**3
    assert surface_voxels(np.zeros((3, 3, 3), bool)).shape == (0, 3)


def test_any_value_but_zero_counts():
    g = grid((3, 3, 3))
    one, seven = np.zeros(g.shape, np.uint8), np.zeros(g.shape, np.uint8)
    one[1, 1, 1], seven[1, 1, 1] = 1, 7
    assert compare(Mask(one, g, {1: "a"}), Mask(seven, g, {7: "b"})).dice == 1


def test_refusals():
    m = mask(np.ones((3, 3, 3)), grid((3, 3, 3)))
    with pytest.raises(GeometryError, match="same grid"):
        compare(m, mask(np.ones((3, 3, 3)), grid((3, 3, 3), (2.0, 1.0, 1.0))))
    flat = mask(np.ones((3, 3, 1)), grid((3, 3, 1), spacing_known=False))
    with pytest.raises(SpacingUnknownError):
        compare(flat, flat)
