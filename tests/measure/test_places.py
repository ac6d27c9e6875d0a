"""Lobes, territories and places of lesions: analytic heads, literal references, all ways of storing them."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from solids import ORIENTATIONS, affine_of, mask_of, stored_as

from sagittal.errors import GeometryError, InputError, LabelError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.measure import pieces
from sagittal.measure.block import block_of
from sagittal.measure.components import find_components
from sagittal.measure.places import (
    ANGLE_MM,
    FILLED_ML,
    FOURTH_MM,
    PLACES,
    Anatomy,
    inside_lobe,
    location_of,
    location_shares,
    places_at,
    tentorium_of,
    territory_of,
)
from sagittal.measure.proportions import (
    LOBES,
    TERRITORIES,
    Frame,
    Planes,
    Supply,
    frame_of,
    lobes_at,
    sides_at,
    territories_at,
)
from sagittal.study import Mask

RADII = np.array([66.0, 82.0, 58.0])
#: The share of its radius beyond which 0.5 % of an ellipsoid lies: (2 − 3t + t³) / 4 = 0.005.
END = next(float(t.real) for t in np.roots([1, 0, -3, 2 - 4 * 0.005]) if 0 < t.real < 1)
STRUCTURES = tuple(f.name for f in fields(Anatomy))


def grid(spacing: float = 4.0, centre=(0.0, 0.0, 0.0), reach=(80, 96, 84)) -> Geometry:
    shape = tuple(2 * math.ceil(r / spacing) + 1 for r in reach)
    return Geometry(
        shape,
        affine_of((spacing,) * 3, [c - spacing * (n - 1) / 2 for c, n in zip(centre, shape, strict=True)]),
    )


def points_of(geometry: Geometry) -> np.ndarray:
    """(x, y, z, 3) world position of every voxel."""
    return geometry.to_world(np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1))


def solid(points: np.ndarray, centre, half) -> np.ndarray:
    return (((points - np.array(centre)) / np.array(half)) ** 2).sum(axis=-1) <= 1


def parts(p: np.ndarray) -> dict[str, np.ndarray]:
    """A head of ellipsoids and a cylinder; what is named first holds its voxels."""
    mirrored = np.abs(p) * (1, 0, 0) + p * (0, 1, 1)
    fourth = solid(p, (0, -26, -52), (5, 5, 9))
    ventricle = solid(mirrored, (14, 4, 10), (8, 30, 9))
    stem = ((p[..., 0] / 14) ** 2 + ((p[..., 1] + 12) / 12) ** 2 <= 1) & (p[..., 2] < -26) & (p[..., 2] > -80)
    cerebellum = solid(p, (0, -46, -54), (46, 30, 20))
    cerebrum = solid(p, (0, 0, 0), RADII) & ~solid(p, (0, -32, -58), (54, 56, 34))
    found, taken = {}, np.zeros(p.shape[:-1], bool)
    for name, inside in (
        ("fourth_ventricle", fourth), ("lateral_ventricle", ventricle), ("brainstem", stem),
        ("cerebellum", cerebellum), ("cerebrum", cerebrum),
    ):  # fmt: skip
        found[name] = inside & ~taken
        taken |= inside
    return found


def anatomy(geometry: Geometry, **change: np.ndarray) -> Anatomy:
    made = {**parts(points_of(geometry)), **change}
    return Anatomy(**{name: Mask(made[name], geometry, {1: name}) for name in STRUCTURES})


GRID = grid()
HEAD = anatomy(GRID)
#: One lesion for each class: centre and radius, mm.
LESIONS = {
    "frontal lobe": ((30, 50, 20), 12), "parietal lobe": ((30, -30, 40), 12),
    "occipital lobe": ((20, -70, 0), 9), "temporal lobe": ((46, -2, -26), 10), "insula": ((34, 8, -9), 7),
    "lateral ventricle": ((14, 4, 10), 7), "brainstem": ((0, -10, -60), 9),
    "cerebellum": ((28, -50, -54), 9), "fourth ventricle": ((0, -26, -52), 5),
    "cerebellopontine angle": ((22, -10, -54), 6),
}  # fmt: skip


def ball(centre, radius: float, geometry: Geometry = GRID) -> Mask:
    return Mask(solid(points_of(geometry), centre, (radius,) * 3), geometry, {1: "lesion"})


# -- the frame ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [1.7, 3.0, 4.0])
def test_the_frame_of_an_ellipsoid(spacing):
    at = np.array([3.0, -11.0, 25.0])
    geometry = grid(spacing, at)
    frame = frame_of(Mask(solid(points_of(geometry), at, RADII), geometry, {1: "c"}))
    assert frame.tilt_degrees == pytest.approx(0, abs=1e-6)
    assert np.allclose(frame.low, at - END * RADII, atol=0.2 * spacing)
    assert np.allclose(frame.high, at + END * RADII, atol=0.2 * spacing)
    ends = at + END * RADII * np.array([[0, 0, 0], [-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, 1]])
    expected = [[0, 0.5, 0.5], [-1, 0.5, 0.5], [1, 0.5, 0.5], [0, 0, 0.5], [0, 1, 0.5], [0, 0.5, 1]]
    assert np.allclose(frame.proportions(ends), expected, atol=0.01)


@pytest.mark.parametrize("degrees", [-25, 8, 30])
def test_a_tilted_head_has_a_tilted_frame(degrees):
    a = math.radians(degrees)
    level = np.array([[1, 0, 0], [0, math.cos(a), math.sin(a)], [0, -math.sin(a), math.cos(a)]])
    geometry = grid(3.0, reach=(70, 100, 100))
    world = points_of(geometry)
    tilted = frame_of(Mask(solid(world @ level.T, (0, 0, 0), RADII), geometry, {1: "c"}))
    upright = frame_of(Mask(solid(world, (0, 0, 0), RADII), geometry, {1: "c"}))
    assert tilted.tilt_degrees == pytest.approx(degrees, abs=0.5)
    points = np.random.default_rng(0).uniform(-60, 60, (4000, 3))
    same = lobes_at(tilted, points) == lobes_at(upright, points @ level.T)
    assert same.mean() > 0.985
    assert np.allclose(tilted.proportions(points), upright.proportions(points @ level.T), atol=0.03)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.4])
def test_proportions_do_not_know_place_nor_size(scale):
    inside = np.asarray(HEAD.cerebrum.data)
    shift = np.array([31.0, -77.0, 12.5])
    affine = GRID.affine.copy()
    affine[:3, :3] *= scale
    affine[:3, 3] = affine[:3, 3] * scale + shift
    points = np.random.default_rng(1).uniform(-90, 90, (500, 3))
    moved = frame_of(Mask(inside, Geometry(GRID.shape, affine), {1: "c"}))
    assert np.allclose(moved.proportions(points * scale + shift), HEAD.frame.proportions(points), atol=1e-9)


def test_specks_move_no_face():
    data = np.array(HEAD.cerebrum.data)
    data[0, 0, 0] = data[-1, -1, -1] = 7
    speckled = frame_of(Mask(data, GRID, {1: "c", 7: "d"}))
    # They reach 20 mm and more beyond the cerebrum.
    assert np.allclose(speckled.low, HEAD.frame.low, atol=1)
    assert np.allclose(speckled.high, HEAD.frame.high, atol=1)
    assert abs(speckled.tilt_degrees - HEAD.frame.tilt_degrees) < 1


def test_one_voxel_has_a_frame():
    one = np.zeros((3, 3, 3), bool)
    one[1, 1, 1] = True
    frame = frame_of(mask_of(one, affine_of((2, 2, 2))))
    assert np.allclose(frame.proportions(np.array([2.0, 2.0, 2.0])), [0, 0.5, 0.5])
    assert np.allclose(frame.high - frame.low, 2 * 0.99)


def test_an_oblique_grid_gives_the_same_frame():
    turn = np.eye(4)
    a = math.radians(35)
    turn[:2, :2] = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
    shape = (64, 64, 48)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-3 * (n - 1) / 2 for n in shape]
    geometry = Geometry(shape, turn @ affine)
    frame = frame_of(Mask(solid(points_of(geometry), (0, 0, 0), RADII), geometry, {1: "c"}))
    assert np.allclose(frame.low, -END * RADII, atol=0.6)
    assert np.allclose(frame.high, END * RADII, atol=0.6)


# -- lobes and territories ---------------------------------------------------------------------------


def literal_lobe(frame: Frame, point: np.ndarray, p: Planes) -> str:
    x, forward, upward = (float(v) for v in frame.proportions(point))
    lateral = abs(x)
    if all(a <= v <= b for (a, b), v in zip(p.insula, (lateral, forward, upward), strict=True)):
        return "insula"
    if upward < p.sylvian[0] + p.sylvian[1] * forward + p.sylvian[2] * lateral:
        edge = p.preoccipital[0] + p.preoccipital[1] * upward + p.preoccipital[2] * lateral
        return "occipital lobe" if forward < edge else "temporal lobe"
    if forward < p.parieto_occipital[0] + p.parieto_occipital[1] * upward:
        return "occipital lobe"
    if forward > p.central[0] + p.central[1] * upward + p.central[2] * lateral:
        return "frontal lobe"
    return "parietal lobe"


def literal_territory(frame: Frame, point: np.ndarray, s: Supply, p: Planes) -> str:
    lobe = literal_lobe(frame, point, p)
    x, forward, upward = (float(v) for v in frame.proportions(point))
    lateral = abs(x)
    if all(a <= v <= b for (a, b), v in zip(s.thalamus, (lateral, forward, upward), strict=True)):
        return "PCA"
    if lobe == "occipital lobe":
        return "PCA"
    if lobe == "temporal lobe":
        inner = lateral < s.inferomedial[0] + s.inferomedial[1] * upward
        return "PCA" if inner and forward < s.pole else "MCA"
    deep = upward < s.deep[0] and forward < s.deep[1]
    medial = lateral < s.strip[0] + s.strip[1] * upward
    return "ACA" if lobe in ("frontal lobe", "parietal lobe") and medial and not deep else "MCA"


def test_every_point_has_the_lobe_and_the_territory_of_the_literal_rules():
    frame = Frame(HEAD.frame.turn, HEAD.frame.low, HEAD.frame.high)
    points = np.random.default_rng(2).uniform(-110, 110, (3000, 3))
    lobes, territories = lobes_at(frame, points), territories_at(frame, points)
    assert [LOBES[c] for c in lobes] == [literal_lobe(frame, p, Planes()) for p in points]
    assert [TERRITORIES[c] for c in territories] == [
        literal_territory(frame, p, Supply(), Planes()) for p in points
    ]
    assert set(lobes) == set(range(5)) and set(territories) == set(range(3))
    other = replace(Planes(), central=(0.3, 0.1, 0.0))
    assert [LOBES[c] for c in lobes_at(frame, points[:300], other)] == [
        literal_lobe(frame, p, other) for p in points[:300]
    ]
    supply = replace(Supply(), strip=(0.5, 0.0), pole=0.9)
    assert [TERRITORIES[c] for c in territories_at(frame, points[:300], supply, other)] == [
        literal_territory(frame, p, supply, other) for p in points[:300]
    ]
    # In any shape, and one alone.
    assert np.array_equal(lobes_at(frame, points.reshape(30, 100, 3)), lobes.reshape(30, 100))
    assert lobes_at(frame, points[0]) == lobes[0] and territories_at(frame, points[0]) == territories[0]


def test_known_points():
    known = {
        (0.2, 0.97, 0.55): ("frontal lobe", "ACA"), (0.75, 0.75, 0.55): ("frontal lobe", "MCA"),
        (0.15, 0.25, 0.95): ("parietal lobe", "ACA"), (0.85, 0.35, 0.65): ("parietal lobe", "MCA"),
        (0.2, 0.02, 0.4): ("occipital lobe", "PCA"), (0.8, 0.5, 0.15): ("temporal lobe", "MCA"),
        (0.35, 0.4, 0.1): ("temporal lobe", "PCA"), (0.6, 0.75, 0.15): ("temporal lobe", "MCA"),
        (0.55, 0.6, 0.38): ("insula", "MCA"),
    }  # fmt: skip
    for (lateral, forward, upward), (lobe, territory) in known.items():
        for side in (-1, 1):
            at = np.array([(side * lateral + 1) / 2, forward, upward])
            point = (HEAD.frame.low + at * (HEAD.frame.high - HEAD.frame.low)) @ HEAD.frame.turn
            assert np.allclose(HEAD.frame.proportions(point), [side * lateral, forward, upward])
            found = LOBES[lobes_at(HEAD.frame, point)], TERRITORIES[territories_at(HEAD.frame, point)]
            assert found == (lobe, territory), (lateral, forward, upward)
            assert sides_at(HEAD.frame, point) == side


def test_a_mirror_image_swaps_the_sides_alone():
    lopsided = np.array(HEAD.cerebrum.data)
    lopsided[: GRID.shape[0] // 2, 30:34, 20:30] = 0
    frame = frame_of(Mask(lopsided, GRID, {1: "c"}))
    mirror = frame_of(Mask(lopsided[::-1], GRID, {1: "c"}))
    points = np.random.default_rng(3).uniform(-80, 80, (2000, 3))
    flipped = points * (-1, 1, 1)
    assert np.allclose(mirror.proportions(flipped), frame.proportions(points) * (-1, 1, 1), atol=1e-9)
    assert np.array_equal(sides_at(mirror, flipped), -sides_at(frame, points))
    assert np.array_equal(lobes_at(mirror, flipped), lobes_at(frame, points))
    assert np.array_equal(territories_at(mirror, flipped), territories_at(frame, points))


def test_a_point_in_the_midline_lies_on_neither_side():
    middle = HEAD.frame.turn.T @ ((HEAD.frame.low + HEAD.frame.high) / 2)
    assert sides_at(Frame(np.eye(3), -np.ones(3), np.ones(3)), np.zeros(3)) == 0
    assert abs(HEAD.frame.proportions(middle)[0]) < 1e-9


# -- the place of a lesion ---------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("side", [-1, 1])
def test_every_class_is_reached(place, side):
    (x, y, z), radius = LESIONS[place]
    lesion = ball((side * x, y, z), radius)
    shares = location_shares(lesion, HEAD)
    assert location_of(lesion, HEAD) == place, shares
    assert shares[place] > 0.55
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares) == list(PLACES)
    assert location_of(block_of(lesion, "lesion"), HEAD) == place


@pytest.mark.parametrize("place", PLACES)
def test_the_place_stays_when_the_anatomy_leaves_the_lesion_out(place):
    centre, radius = LESIONS[place]
    lesion = ball(centre, radius)
    gaps = {n: (np.asarray(getattr(HEAD, n).data) != 0) & (lesion.data == 0) for n in STRUCTURES}
    assert location_of(lesion, anatomy(GRID, **gaps)) == place


def literal_places(lesion: np.ndarray, a: Anatomy) -> dict[str, float]:
    """Every voxel by a search through every voxel; for small grids in RAS order."""
    order = ("fourth_ventricle", "lateral_ventricle", "brainstem", "cerebellum", "cerebrum")
    words = ("fourth ventricle", "lateral ventricle", "brainstem", "cerebellum", "")
    data = {n: np.asarray(getattr(a, n).data) != 0 for n in order}
    geometry = a.cerebrum.geometry
    centres = {n: geometry.to_world(np.argwhere(d)) for n, d in data.items()}
    count = dict.fromkeys(PLACES, 0)
    for x, y, z in np.argwhere(lesion):
        world = geometry.to_world((x, y, z))
        away = [round(min((math.dist(world, c) for c in centres[n]), default=math.inf), 6) for n in order]
        nearest = away.index(min(away))
        word = words[nearest] or literal_lobe(a.frame, world, Planes())
        behind, stem = data["cerebellum"][x, :, z], data["brainstem"][x, :, z]
        if min(away) > 0 and nearest != 4 and behind[:y].any() and not behind[y:].any():
            level = data["brainstem"][:, :, z].any()
            if away[2] <= ANGLE_MM and not stem.any() and level:
                word = "cerebellopontine angle"
            filled = data["fourth_ventricle"].sum() * geometry.voxel_volume < 1000 * FILLED_ML
            middle = abs(world[0] - centres["brainstem"][:, 0].mean()) <= FOURTH_MM
            if stem[y:].any() and not stem[:y].any() and filled and middle:
                word = "fourth ventricle"
        count[word] += 1
    return {word: n / lesion.sum() for word, n in count.items()}


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_a_literal_search(seed):
    rng = np.random.default_rng(seed)
    geometry = Geometry((12, 14, 10), affine_of((3.0, 2.5, 4.0), (-18, -20, -20)))
    made = {name: np.zeros(geometry.shape, bool) for name in STRUCTURES}
    made["cerebrum"][1:11, 2:13, 6:9] = rng.random((10, 11, 3)) < 0.6
    made["cerebellum"][1:11, 1:6, 0:5] = rng.random((10, 5, 5)) < 0.5
    made["brainstem"][5:7, 7:9, 0:5] = True
    made["cerebellum"][5:7, 4, :] = True
    made["fourth_ventricle"][5:7, 5, 2:4] = seed in (0, 3)
    made["fourth_ventricle"][0, :, :2] = seed == 1  # far away and large: not filled up
    made["lateral_ventricle"][4:8, 5:9, 7] = seed != 3
    head = anatomy(geometry, **made)
    lesion = rng.random(geometry.shape) < 0.15
    lesion[7:11, 6:9, 0:5] = True  # beside the brainstem
    lesion[5:7, 5:8, 0:5] = True  # behind it
    found = location_shares(mask_of(lesion, geometry.affine), head)
    assert found == pytest.approx(literal_places(lesion, head))
    assert found["cerebellopontine angle"] > 0
    assert (found["fourth ventricle"] > 0) or seed == 1


def test_every_orientation_gives_the_same_places():
    lesions = [ball(*LESIONS[place]) for place in PLACES]
    expected = [location_shares(lesion, HEAD) for lesion in lesions]
    supply = [territory_of(lesion, HEAD.cerebrum) for lesion in lesions]

    def stored(mask: Mask, codes: str) -> Mask:
        data, affine = stored_as(np.asarray(mask.data), mask.geometry.affine, codes)
        return Mask(data, Geometry(data.shape, affine), dict(mask.labels))

    for number, codes in enumerate(ORIENTATIONS):
        turned = Anatomy(**{name: stored(getattr(HEAD, name), codes) for name in STRUCTURES})
        assert np.allclose(turned.frame.low, HEAD.frame.low) and np.allclose(
            turned.frame.high, HEAD.frame.high
        )
        which = number % len(PLACES)
        lesion = stored(lesions[which], codes)
        assert location_shares(lesion, turned) == expected[which], (codes, PLACES[which])
        # Structures may be stored otherwise than the lesion.
        assert location_shares(lesion, HEAD) == expected[which]
        assert territory_of(lesion, turned.cerebrum) == supply[which]


def test_the_grid_does_not_change_the_word():
    fine = grid(2.5)
    head = anatomy(fine)
    for place, (centre, radius) in LESIONS.items():
        assert location_of(ball(centre, radius, fine), head) == place


def test_the_angle_is_beside_the_brainstem_and_before_the_cerebellum():
    def place(centre, radius=4.0, head=HEAD):
        return location_of(ball(centre, radius), head)

    assert place((24, -8, -54)) == place((-24, -8, -54)) == "cerebellopontine angle"
    assert place((0, 6, -60)) == "brainstem"  # before the brainstem
    assert place((0, -82, -54)) == "cerebellum"  # behind the cerebellum
    assert place((44, -30, -76)) == "cerebellum"  # too far from the brainstem
    nothing = np.zeros(GRID.shape, bool)
    assert place((24, -8, -54), head=anatomy(GRID, brainstem=nothing)) == "cerebellum"
    assert place((24, -8, -54), head=anatomy(GRID, cerebellum=nothing)) == "brainstem"


def test_a_mass_that_fills_the_fourth_ventricle_is_in_it():
    whole = np.asarray(HEAD.fourth_ventricle.data) != 0
    lesion, none = Mask(whole, GRID, {1: "lesion"}), np.zeros(GRID.shape, bool)
    assert location_of(lesion, anatomy(GRID, fourth_ventricle=none)) == "fourth ventricle"
    # It is not sought beside the midline, nor inside the brainstem.
    aside = ball((24, -12, -52), 5)
    stem = np.asarray(HEAD.brainstem.data) | np.roll(HEAD.brainstem.data, 6, axis=0)
    gap = {"brainstem": (stem != 0) & (aside.data == 0), "fourth_ventricle": none}
    assert location_shares(aside, anatomy(GRID, **gap))["fourth ventricle"] == 0
    before = ball((0, -16, -52), 3)
    gap = {"brainstem": (np.asarray(HEAD.brainstem.data) != 0) & (before.data == 0), "fourth_ventricle": none}
    assert location_of(before, anatomy(GRID, **gap)) == "brainstem"


def test_of_equal_shares_the_first_in_the_list_is_named():
    frame = HEAD.frame
    world = points_of(GRID)[HEAD.cerebrum.data != 0]
    index = np.argwhere(HEAD.cerebrum.data != 0)
    codes = lobes_at(frame, world)
    data = np.zeros(GRID.shape, np.uint8)
    for code in (3, 1):
        data[tuple(index[codes == code][:10].T)] = 1
    lesion = Mask(data, GRID, {1: "lesion"})
    assert location_shares(lesion, HEAD)["parietal lobe"] == 0.5
    assert location_of(lesion, HEAD) == "parietal lobe"


def test_all_labels_of_a_mask_count():
    data = np.where(HEAD.cerebellum.data != 0, 3, 0).astype(np.uint8)
    data[:, :, : GRID.shape[2] // 3] *= 2
    head = replace(HEAD, cerebellum=Mask(data, GRID, {3: "a", 6: "b"}))
    lesion = ball(*LESIONS["cerebellum"])
    both = Mask(np.where(points_of(GRID)[..., 1] > -50, 2, 1) * lesion.data, GRID, {1: "a", 2: "b"})
    assert location_shares(both, head) == location_shares(lesion, HEAD)


def test_places_come_in_the_order_of_the_voxels():
    lesion = block_of(ball((0, -20, -40), 30), "lesion")
    codes = np.concatenate(list(places_at(lesion, HEAD)))
    for voxel in range(0, lesion.voxels, 97):
        index = np.concatenate([i for _, i in lesion.coordinates()], axis=1)[:, voxel]
        own = np.zeros(GRID.shape, bool)
        own[lesion.own_index(tuple(index))] = True
        assert location_of(mask_of(own, GRID.affine), HEAD) == PLACES[codes[voxel]]


def test_what_is_refused():
    nothing = np.zeros(GRID.shape, bool)
    lesion = ball(*LESIONS["cerebellum"])
    empty = anatomy(GRID, **dict.fromkeys(STRUCTURES, nothing))
    with pytest.raises(InputError, match="structures around it"):
        location_of(lesion, empty)
    with pytest.raises(InputError, match="structures around it"):
        tentorium_of(lesion, empty.cerebrum, empty.cerebellum, empty.brainstem)
    with pytest.raises(LabelError):
        territory_of(lesion, empty.cerebrum)
    with pytest.raises(LabelError):
        inside_lobe(empty.cerebrum, "insula")
    with pytest.raises(LabelError):
        location_of(Mask(nothing, GRID, {1: "lesion"}), HEAD)
    # Without a cerebrum there are no lobes, and the other places remain.
    assert location_of(lesion, anatomy(GRID, cerebrum=nothing)) == "cerebellum"
    with pytest.raises(GeometryError, match="same grid"):
        location_of(ball((28, -50, -54), 9, grid(5.0)), HEAD)
    unknown = Geometry(GRID.shape, GRID.affine, spacing_known=False)
    with pytest.raises(SpacingUnknownError):
        frame_of(Mask(HEAD.cerebrum.data, unknown, {1: "c"}))
    with pytest.raises(SpacingUnknownError):
        location_of(Mask(lesion.data, unknown, {1: "l"}), anatomy(unknown))


# -- territory, tentorium, pieces --------------------------------------------------------------------


def test_the_territory_of_a_lesion():
    assert territory_of(ball((6, 60, 30), 7), HEAD.cerebrum) == "ACA"
    assert territory_of(ball((48, 10, 10), 9), HEAD.cerebrum) == "MCA"
    assert territory_of(ball((-14, -72, 0), 8), HEAD.cerebrum) == "PCA"
    # The frame is all that is taken from the cerebrum: it may lie on another grid.
    assert territory_of(ball((6, 60, 30), 7), anatomy(grid(5.0)).cerebrum) == "ACA"


def test_the_side_of_the_tentorium():
    def word(data: np.ndarray) -> str:
        return tentorium_of(Mask(data, GRID, {1: "l"}), HEAD.cerebrum, HEAD.cerebellum, HEAD.brainstem)

    above, below = np.asarray(HEAD.cerebrum.data) != 0, np.asarray(HEAD.cerebellum.data) != 0
    assert word(above) == "supratentorial"
    assert word(below) == "infratentorial" == word(np.asarray(HEAD.brainstem.data) != 0)
    assert word(np.asarray(HEAD.fourth_ventricle.data) != 0) == "infratentorial"
    assert word(np.asarray(HEAD.lateral_ventricle.data) != 0) == "supratentorial"
    mixed = np.zeros(GRID.shape, bool)
    mixed[tuple(np.argwhere(above)[:95].T)] = True
    for n, voxel in enumerate(np.argwhere(below)[:5], start=1):
        mixed[tuple(voxel)] = True
        assert word(mixed) == ("both" if n == 5 else "supratentorial")


def test_pieces_inside_a_lobe():
    lesion = np.zeros(GRID.shape, bool)
    centres = {"frontal": (30, 50, 20), "parietal": (30, -30, 40), "cerebellar": (28, -50, -54)}
    for centre in centres.values():
        lesion |= ball(centre, 8).data != 0
        lesion |= ball(centre * np.array([-1, 1, 1]), 6).data != 0
    mask = Mask(lesion, GRID, {1: "lesion"})

    def picked(name: str, others=(), cerebrum=HEAD.cerebrum) -> set[str]:
        chosen = pieces.choose(mask, block_of(mask, "lesion"), inside_lobe(cerebrum, name, others), "picked")
        found = {
            f"{side} {what}"
            for what, (x, y, z) in centres.items()
            for side, sign in (("left", -1), ("right", 1))
            if chosen.data[tuple(np.rint(GRID.to_voxel((sign * x, y, z))).astype(int))]
        }
        assert int(find_components(block_of(chosen, "picked")).voxels.size if found else 0) == len(found)
        return found

    assert picked("right frontal lobe") == {"right frontal"}
    assert picked("left frontal lobe") == {"left frontal"}
    assert picked("frontal lobe") == {"left frontal", "right frontal"}
    assert picked("right parietal lobe") == {"right parietal"}
    assert picked("insula") == set() == picked("left insula")
    # By the planes alone, what lies below a lobe is in it; not when what lies there is named.
    below = {name for lobe in ("temporal lobe", "occipital lobe") for name in picked(lobe)}
    assert below == {"left cerebellar", "right cerebellar"}
    for lobe in LOBES:
        assert not {n for n in picked(lobe, (HEAD.cerebellum, HEAD.brainstem)) if "cerebellar" in n}
    assert picked("right frontal lobe", (HEAD.cerebellum,)) == {"right frontal"}
    assert picked("right frontal lobe", cerebrum=anatomy(grid(5.0)).cerebrum) == {"right frontal"}
    for name in ("frontal", "Right frontal lobe", "upper lobe", "left", "right  insula", "bilateral insula"):
        with pytest.raises(InputError, match="no such lobe"):
            inside_lobe(HEAD.cerebrum, name)


def test_a_piece_across_the_midline_is_in_a_lobe_of_neither_side_or_both():
    lesion = Mask(solid(points_of(GRID), (0, 50, 30), (13, 9, 9)), GRID, {1: "lesion"})
    block = block_of(lesion, "lesion")
    found = {
        name: bool(inside_lobe(HEAD.cerebrum, name)(find_components(block))[0])
        for name in ("left frontal lobe", "right frontal lobe", "frontal lobe")
    }
    # The head is symmetric, and voxels in the midline count half on each side: half lies on each.
    assert found == {"left frontal lobe": True, "right frontal lobe": True, "frontal lobe": True}
    off = Mask(solid(points_of(GRID), (6, 50, 30), (13, 9, 9)), GRID, {1: "lesion"})
    assert not inside_lobe(HEAD.cerebrum, "left frontal lobe")(find_components(block_of(off, "lesion")))[0]
