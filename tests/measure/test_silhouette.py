"""What follows from the runs of a mask, against a scan of its pixels."""

from __future__ import annotations

import literal_chest as literal
import numpy as np
import pytest

from sagittal.errors import LabelError, SpacingUnknownError
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import parse_runs, runs_of
from sagittal.measure.chest_widths import extreme_width, widest_lung_extent
from sagittal.measure.silhouette import Silhouette, silhouette_of
from sagittal.study import Mask


def silhouette(inside: np.ndarray, spacing=None) -> Silhouette:
    geometry = picture_geometry(*inside.shape, spacing)
    return silhouette_of(runs_of(Mask(inside[:, :, None], geometry, {1: "x"}), "x"))


def random_mask(rng: np.random.Generator, shape) -> np.ndarray:
    """Specks, blocks, or whole rows; at least one pixel."""
    inside = rng.random(shape) < rng.choice([0.02, 0.3, 0.95])
    if rng.random() < 0.4:
        (x0, x1), (y0, y1) = (np.sort(rng.integers(0, n + 1, 2)) for n in shape)
        inside[x0:x1, y0:y1] = rng.random() < 0.7
    inside[tuple(rng.integers(0, n) for n in shape)] = True
    return inside


def test_random_masks_equal_a_scan_of_their_pixels():
    rng = np.random.default_rng(11)
    for _ in range(300):
        inside = random_mask(rng, tuple(rng.integers(1, 16, 2)))
        found, rows = silhouette(inside), literal.scan(inside)
        assert found.pixels == literal.area(inside)
        assert found.box == literal.box(inside)
        y0, y1 = found.box[1], found.box[3]
        for y, first, last in zip(range(y0, y1 + 1), found.first, found.last, strict=True):
            assert (first, last) == (rows[y][:2] if y in rows else (inside.shape[0], -1))
        wide = extreme_width(found)
        assert (wide.pixels, wide.first, wide.last) == (literal.width(inside), found.box[0], found.box[2])
        assert y0 <= wide.row <= y1
        assert found.spans_the_picture == (inside[0].any() and inside[-1].any())


def test_random_pairs_have_the_widest_row_of_a_scan():
    rng = np.random.default_rng(12)
    without = 0
    for _ in range(400):
        shape = tuple(rng.integers(1, 14, 2))
        one, other = random_mask(rng, shape), random_mask(rng, shape)
        if rng.random() < 0.3:
            one[:, rng.integers(0, shape[1]) :] = False
            one[0, 0] = True
        found = widest_lung_extent(silhouette(one), silhouette(other))
        expected = literal.lung_extent(one, other)
        without += expected is None
        assert (found and (found.pixels, found.row, found.first, found.last)) == expected
        assert widest_lung_extent(silhouette(other), silhouette(one)) == found
    assert 20 < without < 380


def test_runs_that_go_on_over_the_ends_of_rows():
    # Pixels 3 to 9 of rows of 4: the end of row 0, all of row 1, the beginning of row 2.
    found = silhouette_of(parse_runs("4 7", picture_geometry(4, 5)))
    assert found.box == (0, 0, 3, 2) and found.spans_the_picture
    assert (found.first.tolist(), found.last.tolist()) == ([3, 0, 0], [3, 3, 1])
    # Cut at the ends of rows, it is the same.
    cut = silhouette_of(parse_runs("4 1 5 4 9 2", picture_geometry(4, 5)))
    assert (cut.first.tolist(), cut.last.tolist(), cut.pixels) == ([3, 0, 0], [3, 3, 1], 7)


def test_flips_mirror_the_box_and_keep_the_width():
    rng = np.random.default_rng(13)
    for _ in range(50):
        inside = random_mask(rng, (9, 12))
        x0, y0, x1, y1 = silhouette(inside).box
        wide = extreme_width(silhouette(inside))
        across, over = silhouette(inside[::-1]), silhouette(inside[:, ::-1])
        assert across.box == (8 - x1, y0, 8 - x0, y1) and over.box == (x0, 11 - y1, x1, 11 - y0)
        assert extreme_width(across).row == wide.row and extreme_width(over).row == 11 - wide.row
        turned = silhouette(inside.T)
        assert turned.box == (y0, x0, y1, x1) and extreme_width(turned).pixels == y1 - y0 + 1


def test_the_line_of_a_width_is_as_long_as_the_width_and_level():
    inside = np.zeros((20, 10), bool)
    inside[3:9, 2] = inside[8:15, 6:8] = True
    wide = extreme_width(silhouette(inside))
    line = wide.line("cardiac_width", "film.png")
    # The left extreme is in row 2, the right one in rows 6 and 7.
    assert (line.start, line.end) == ((2.5, 4.25), (14.5, 4.25))
    assert line.end[0] - line.start[0] == wide.pixels == 12
    assert (line.space, line.image) == ("voxel", "film.png")


def test_a_box_holds_its_corners():
    inside = np.zeros((6, 5), bool)
    inside[2:4, 1:5] = True
    box = silhouette(inside).answer_box("heart", "film.png")
    assert (box.name, box.image, box.corners) == ("heart", "film.png", (2, 1, 3, 4))


def test_millimetres_need_a_spacing_and_take_both_sides_of_a_pixel():
    inside = np.zeros((6, 5), bool)
    inside[2:4, 1:5] = True
    known = silhouette(inside, (0.5, 0.2))
    assert known.area_mm2 == pytest.approx(8 * 0.1)
    assert extreme_width(known).mm == pytest.approx(2 * 0.5)
    unknown = silhouette(inside)
    with pytest.raises(SpacingUnknownError, match="An area"):
        _ = unknown.area_mm2
    with pytest.raises(SpacingUnknownError, match="A width"):
        _ = extreme_width(unknown).mm


def test_nothing_covers_nothing():
    with pytest.raises(LabelError, match="without a pixel"):
        silhouette_of(parse_runs("", picture_geometry(4, 5)))
