"""Ratios of a chest film: known shapes, scans of pixels, both sides of every limit, outcomes and warnings."""

from __future__ import annotations

import literal_chest as literal
import numpy as np
import pytest

from sagittal.errors import ConfigError, GeometryError, LabelError
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import Runs, parse_runs, runs_of
from sagittal.measure.chest import LUNGS, ChestMeasures, Outcome, measure_chest
from sagittal.study import Mask

# First and last column and row of a film of 100 × 80 whose ratios are easily said: CTR 30/80.
RIGHT, LEFT, HEART = (10, 10, 39, 69), (60, 10, 89, 69), (40, 30, 69, 59)
SIZE = (100, 80)


def block(box, size=SIZE) -> np.ndarray:
    x0, y0, x1, y1 = box
    inside = np.zeros(size, bool)
    inside[x0 : x1 + 1, y0 : y1 + 1] = True
    return inside


def ellipse(size, middle, radii) -> np.ndarray:
    x, y = np.ogrid[: size[0], : size[1]]
    return ((x + 0.5 - middle[0]) / radii[0]) ** 2 + ((y + 0.5 - middle[1]) / radii[1]) ** 2 < 1


def runs(planes, spacing=None) -> dict[str, Runs]:
    geometry = picture_geometry(*next(iter(planes.values())).shape, spacing)
    return {name: runs_of(Mask(p[:, :, None], geometry, {1: name}), name) for name, p in planes.items()}


def blocks(heart=HEART, left=LEFT, right=RIGHT, size=SIZE) -> dict[str, np.ndarray]:
    return {"heart": block(heart, size), "left lung": block(left, size), "right lung": block(right, size)}


def measure(planes, spacing=None, projection="PA") -> ChestMeasures:
    return measure_chest(runs(planes, spacing), projection=projection)


def values(found: ChestMeasures) -> dict[tuple[str, str, str], float | None]:
    return {(m.name, m.of, m.unit): m.value for m in found.measurements()}


# -- what is measured ----------------------------------------------------------------------------


def test_blocks_of_known_size():
    found = measure(blocks(), (0.5, 0.25))
    assert found.outcome is Outcome.MEASURED and found.reason is None and found.warnings == ()
    assert found.ctr == 30 / 80
    assert found.cpar == 900 / 3600
    assert values(found) == {
        ("cardiothoracic_ratio", "heart", ""): 0.375,
        ("cardiopulmonary_area_ratio", "heart", ""): 0.25,
        ("cardiac_width", "heart", "pixels"): 30,
        ("cardiac_width", "heart", "mm"): 15,
        ("widest_lung_extent", "lungs", "pixels"): 80,
        ("widest_lung_extent", "lungs", "mm"): 40,
        ("area", "heart", "pixels"): 900,
        ("area", "heart", "mm²"): pytest.approx(112.5),
        ("area", "left lung", "pixels"): 1800,
        ("area", "left lung", "mm²"): pytest.approx(225),
        ("area", "right lung", "pixels"): 1800,
        ("area", "right lung", "mm²"): pytest.approx(225),
    }
    assert all("widest lung extent" in m.method for m in found.measurements() if "thoracic" in m.name)


def test_boxes_and_lines_are_in_the_films_own_pixels():
    found = measure(blocks(), (0.5, 0.25))
    assert {b.name: b.corners for b in found.boxes("film.png")} == {
        "heart": HEART, "left lung": LEFT, "right lung": RIGHT,
    }  # fmt: skip
    cardiac, lungs = found.lines("film.png")
    assert (cardiac.name, cardiac.start, cardiac.end) == ("cardiac_width", (39.5, 44.5), (69.5, 44.5))
    # Of rows that are equally wide, the lowest.
    assert (lungs.name, lungs.start, lungs.end) == ("widest_lung_extent", (9.5, 69), (89.5, 69))
    assert {line.space for line in (cardiac, lungs)} == {"voxel"} and cardiac.image == "film.png"


def test_ellipses_of_known_size():
    size = (600, 500)
    found = measure({
        "right lung": ellipse(size, (170, 250), (120, 200)),
        "left lung": ellipse(size, (430, 250), (120, 200)),
        "heart": ellipse(size, (320, 320), (130.5, 90)),
    })  # fmt: skip
    assert found.outcome is Outcome.MEASURED
    assert found.cardiac_width.pixels == pytest.approx(261, abs=1)
    assert found.widest_lung_extent.pixels == pytest.approx(500, abs=1)
    assert found.widest_lung_extent.row == pytest.approx(250, abs=20)
    assert found.ctr == pytest.approx(261 / 500, abs=3e-3)
    assert found.cpar == pytest.approx(130.5 * 90 / (2 * 120 * 200), rel=2e-3)


def test_the_lungs_are_measured_along_one_row_and_the_heart_over_all():
    planes = blocks()
    # The right lung reaches farthest high up, the left one low down: no row has both extremes.
    planes["right lung"][5:10, 10:20] = True
    planes["left lung"][90:95, 60:70] = True
    planes["heart"][36:40, 31] = True
    planes["heart"][70:73, 58] = True
    found = measure(planes)
    assert found.widest_lung_extent.pixels == 85 and found.widest_lung_extent.row == 69
    assert found.cardiac_width.pixels == 37 and found.cardiac_width.row == (31 + 58) / 2
    assert found.ctr == 37 / 85


def test_random_films_equal_scans_of_their_pixels():
    rng = np.random.default_rng(21)
    outcomes = set()
    for _ in range(150):
        width, height = rng.integers(30, 70, 2)
        size, edge = (width, height), int(rng.integers(0, 3))
        planes = {
            "right lung": block((edge + 1, 2, width // 2 - 4, height - 3), size),
            "left lung": block((width // 2 + 3, 2, width - 2 - edge, height - 3), size),
            "heart": block((width // 3, height // 3, width * 2 // 3, height * 2 // 3), size),
        }
        planes = {name: plane & (rng.random(size) < 0.9) for name, plane in planes.items()}
        if rng.random() < 0.3:
            planes[str(rng.choice(list(planes)))][...] = False
        found = measure(planes)
        outcomes.add(found.outcome)
        for name, plane in planes.items():
            if plane.any():
                assert found.found[name].pixels == literal.area(plane)
                assert found.found[name].box == literal.box(plane)
        if found.outcome is Outcome.MEASURED:
            heart, left, right = (planes[n] for n in ("heart", *LUNGS))
            extent = literal.lung_extent(left, right)
            assert found.ctr == literal.width(heart) / extent[0]
            assert found.cpar == literal.area(heart) / (literal.area(left) + literal.area(right))
    assert outcomes == {Outcome.MEASURED, Outcome.NO_HEART, Outcome.NO_LUNGS}


@pytest.mark.parametrize("spacing", [(0.1, 0.7), (2.0, 0.3), 0.143])
def test_ratios_are_free_of_the_spacing_and_lengths_are_not(spacing):
    plain, known = measure(blocks()), measure(blocks(), spacing)
    assert (plain.ctr, plain.cpar) == (known.ctr, known.cpar)
    across, down = np.broadcast_to(spacing, 2)
    assert values(known)["cardiac_width", "heart", "mm"] == pytest.approx(30 * across)
    assert values(known)["area", "left lung", "mm²"] == pytest.approx(1800 * across * down)
    assert not any(unit in ("mm", "mm²") for _, _, unit in values(plain))


@pytest.mark.parametrize(("across", "down"), [(3, 1), (1, 4), (2, 5)])
def test_finer_pixels_of_the_same_film_measure_the_same(across, down):
    coarse = measure(blocks(), (0.6, 0.8))
    fine = {n: np.repeat(np.repeat(p, across, 0), down, 1) for n, p in blocks().items()}
    found = measure(fine, (0.6 / across, 0.8 / down))
    assert (found.ctr, found.cpar) == (coarse.ctr, coarse.cpar)
    assert found.cardiac_width.mm == pytest.approx(coarse.cardiac_width.mm)
    assert found.found["left lung"].area_mm2 == pytest.approx(coarse.found["left lung"].area_mm2)


def test_heart_and_lungs_may_overlap_and_come_from_masks_of_their_own():
    found = measure(blocks(heart=(30, 30, 69, 59)))
    assert found.ctr == 0.5 and found.cpar == 1200 / 3600


# -- flips and turns -----------------------------------------------------------------------------


def test_a_mirrored_film_measures_the_same_and_says_so():
    rng = np.random.default_rng(22)
    planes = {name: plane & (rng.random(SIZE) < 0.8) for name, plane in blocks().items()}
    found, mirrored = measure(planes), measure({n: p[::-1] for n, p in planes.items()})
    assert (found.ctr, found.cpar) == (mirrored.ctr, mirrored.cpar)
    assert found.warnings == () and "mirrored" in mirrored.warnings[0]
    # With the lungs' names exchanged, too, it is a film like any other.
    swap = {"left lung": "right lung", "right lung": "left lung", "heart": "heart"}
    assert measure({swap[n]: p[::-1] for n, p in planes.items()}).warnings == ()
    over = measure({n: p[:, ::-1] for n, p in planes.items()})
    assert (over.ctr, over.cpar, over.warnings) == (found.ctr, found.cpar, ())


def test_a_film_on_its_side_is_another_film():
    # The lungs lie one above the other: whoever turned the pixels is told.
    turned = measure({name: plane.T for name, plane in blocks().items()})
    assert turned.outcome is Outcome.IMPLAUSIBLE and "side by side" in turned.reason


def test_one_film_stored_in_other_ways_measures_the_same_once_upright():
    planes, geometry = blocks(), picture_geometry(*SIZE, (0.5, 0.25))
    expected = values(measure(planes, (0.5, 0.25)))
    for codes in ("RIP", "LSP", "RSP", "ILP", "SRP"):
        stored = {n: Mask(p[:, :, None], geometry, {1: n}).reorient(codes) for n, p in planes.items()}
        with pytest.raises(GeometryError):
            {n: runs_of(mask, n) for n, mask in stored.items()}
        upright = {n: runs_of(mask.reorient("LIP"), n) for n, mask in stored.items()}
        assert values(measure_chest(upright, projection="PA")) == expected


# -- what cannot be measured ---------------------------------------------------------------------


@pytest.mark.parametrize(("missing", "outcome"), [
    (("heart",), Outcome.NO_HEART),
    (("left lung",), Outcome.NO_LUNGS),
    (("right lung",), Outcome.NO_LUNGS),
    (LUNGS, Outcome.NO_LUNGS),
    (("heart", "left lung"), Outcome.NEITHER),
    (("heart", *LUNGS), Outcome.NEITHER),
])  # fmt: skip
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_not_located(missing, outcome, empty):
    planes = blocks()
    for name in missing:
        planes[name][...] = False
    given = {n: r for n, r in runs(planes).items() if empty or n not in missing}
    found = measure_chest(given, projection="PA")
    assert found.outcome is outcome and found.ctr is None and found.cpar is None
    assert all(name in found.reason for name in missing)
    assert set(found.found) == set(planes) - set(missing)
    told = found.measurements()
    assert all((m.value is None) == (m.undefined is not None) for m in told)
    # What there is, is told.
    assert values(found)["cardiac_width", "heart", "pixels"] == (None if "heart" in missing else 30)
    assert values(found)["area", "left lung", "pixels"] == (None if "left lung" in missing else 1800)
    both = not set(missing) & set(LUNGS)
    assert values(found)["widest_lung_extent", "lungs", "pixels"] == (80 if both else None)
    assert [b.name for b in found.boxes("f")] == [n for n in planes if n not in missing]
    assert len(found.lines("f")) == both + ("heart" not in missing)


def test_the_error_markings_are_worded_as_published():
    assert [o.value for o in (Outcome.NO_HEART, Outcome.NO_LUNGS, Outcome.NEITHER)] == [
        "unable to locate heart", "unable to locate lungs", "unable to locate either",
    ]  # fmt: skip


# Each pair: just not implausible, and one pixel further.
@pytest.mark.parametrize(("fits", "does_not", "reason"), [
    ({"heart": (10, 30, 69, 59)}, {"heart": (9, 30, 69, 59)}, "beyond the lungs"),
    ({"heart": (40, 30, 89, 59)}, {"heart": (40, 30, 90, 59)}, "beyond the lungs"),
    ({"heart": (40, 69, 69, 75)}, {"heart": (40, 70, 69, 75)}, "above or below"),
    ({"heart": (40, 2, 69, 10)}, {"heart": (40, 2, 69, 9)}, "above or below"),
    ({"left": (60, 69, 89, 75)}, {"left": (60, 70, 89, 75)}, "side by side"),
    # The right lung has columns 10 to 39, so its middle is at 24.5; that of the left is at 42.5 and 42.
    ({"left": (25, 10, 60, 69), "heart": (30, 30, 49, 59)},
     {"left": (24, 10, 60, 69), "heart": (30, 30, 49, 59)}, "side by side"),
    # The middle of the right lung is at 25.
    ({"right": (10, 10, 40, 69), "left": (26, 10, 60, 69), "heart": (30, 30, 49, 59)},
     {"right": (10, 10, 40, 69), "left": (25, 10, 60, 69), "heart": (30, 30, 49, 59)}, "side by side"),
    # The middle of the left lung is at 39.5 and at 39.
    ({"left": (25, 10, 54, 69), "heart": (30, 30, 49, 59)},
     {"left": (25, 10, 53, 69), "heart": (30, 30, 49, 59)}, "side by side"),
])  # fmt: skip
def test_both_sides_of_what_is_plausible(fits, does_not, reason):
    assert measure(blocks(**fits)).outcome is Outcome.MEASURED
    found = measure(blocks(**does_not))
    assert found.outcome is Outcome.IMPLAUSIBLE and reason in found.reason
    assert found.ctr is None and found.cpar is None and found.cardiac_width is not None


@pytest.mark.parametrize("name", ["heart", *LUNGS])
def test_nothing_reaches_across_the_whole_film(name):
    planes = blocks()
    # The same reach as the lungs', and the film is as wide as that.
    planes = {n: p[10:90] for n, p in planes.items()}
    planes[name][0, 35] = planes[name][79, 35] = True
    found = measure(planes)
    assert found.outcome is Outcome.IMPLAUSIBLE and f"the {name} reaches" in found.reason
    planes[name][79, 35] = False
    planes[name][0, 35] = name == "right lung"
    assert measure(planes).outcome is Outcome.MEASURED


def test_a_heart_as_wide_as_the_lungs_and_wider():
    # The lungs reach out in different rows, so their extent along one row is less than their reach.
    planes = blocks(heart=(15, 30, 89, 59), right=(15, 10, 39, 69))
    planes["right lung"][10:15, 11] = True
    planes["left lung"][80:90, 11] = False
    planes["left lung"][90, 12] = True
    assert measure(planes).ctr == 75 / 76
    planes["heart"][14, 40] = True
    assert measure(planes).ctr == 1
    planes["heart"][13, 40] = True
    found = measure(planes)
    assert found.outcome is Outcome.IMPLAUSIBLE and "wider than the lungs" in found.reason


def test_lungs_given_twice_are_not_two_lungs():
    # Both names for a mask of both lungs would halve the ratio of areas.
    both = block(LEFT) | block(RIGHT)
    found = measure({"heart": block(HEART), "left lung": both, "right lung": both})
    assert found.outcome is Outcome.IMPLAUSIBLE and "side by side" in found.reason


def test_masks_read_with_another_films_width_are_implausible():
    texts = {name: one.to_text() for name, one in runs(blocks()).items()}
    sides = picture_geometry(SIZE[1], SIZE[0])
    found = measure_chest({name: parse_runs(text, sides) for name, text in texts.items()}, projection="PA")
    assert found.outcome is Outcome.IMPLAUSIBLE and "one side of the film to the other" in found.reason


# -- reservations --------------------------------------------------------------------------------


def test_projections():
    assert measure(blocks(), projection="PA").warnings == ()
    for projection, word in (("AP", "AP film"), ("unknown", "not known")):
        found = measure(blocks(), projection=projection)
        assert found.ctr == 0.375 and len(found.warnings) == 1 and word in found.warnings[0]
    assert measure_chest(runs(blocks())).warnings == measure(blocks(), projection="unknown").warnings
    with pytest.raises(ConfigError, match="PA, AP, lateral, unknown"):
        measure(blocks(), projection="pa")


def test_a_lateral_film_has_boxes_alone():
    found = measure(blocks(), (0.5, 0.5), projection="lateral")
    assert found.outcome is Outcome.NOT_FRONTAL
    assert found.ctr is None and found.lines("f") == () and len(found.boxes("f")) == 3
    assert set(values(found).values()) == {None}
    assert all("lateral" in m.undefined for m in found.measurements())


def test_lungs_at_the_side_of_the_film_may_be_cut_off():
    for near, cut in (({"left": (60, 10, 98, 69)}, {"left": (60, 10, 99, 69)}),
                      ({"right": (1, 10, 39, 69)}, {"right": (0, 10, 39, 69)})):  # fmt: skip
        assert measure(blocks(**near)).warnings == ()
        found = measure(blocks(**cut))
        assert found.outcome is Outcome.MEASURED and "cut off" in found.warnings[0]


def test_a_cardiomediastinum_is_no_heart():
    planes = blocks()
    planes["cardiomediastinum"] = planes.pop("heart")
    found = measure(planes)
    assert (found.ctr, found.cpar) == (0.375, 0.25)
    names = {m.name for m in found.measurements()} | {line.name for line in found.lines("f")}
    assert names == {
        "cardiomediastinal_thoracic_ratio", "cardiomediastinal_pulmonary_area_ratio",
        "cardiomediastinal_width", "widest_lung_extent", "area",
    }  # fmt: skip
    assert not any("heart" in (m.of, b.name) for m in found.measurements() for b in found.boxes("f"))
    planes["cardiomediastinum"][...] = False
    assert measure(planes).outcome is Outcome.NO_HEART
    assert "cardiomediastinum" in measure(planes).reason


@pytest.mark.parametrize("name", ["Heart", "lung", "cardiomediastinum"])
def test_other_names_and_two_for_the_heart_are_refused(name):
    with pytest.raises(LabelError, match="two stand for the heart"):
        measure(blocks() | {name: block(HEART)})


def test_structures_of_different_films_are_refused():
    planes = runs(blocks())
    planes["heart"] = runs({"heart": block(HEART, (100, 81))})["heart"]
    with pytest.raises(GeometryError, match="same grid"):
        measure_chest(planes)
    # The same grid, made again, is the same film.
    planes["heart"] = runs({"heart": block(HEART)})["heart"]
    assert measure_chest(planes).ctr == 0.375
