"""Run lengths against the published way of reading them, written out; and texts that must be refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from sagittal.errors import FileFormatError, GeometryError, LabelError
from sagittal.geometry import Geometry
from sagittal.io.raster import MAX_PIXELS, picture_geometry
from sagittal.io.run_lengths import Runs, parse_runs, runs_of
from sagittal.study import Mask


def literal_decode(text: str, width: int, height: int) -> np.ndarray:
    """(W, H) bool, pixel by pixel: counted from 1, row by row."""
    numbers = [int(part) for part in text.split()]
    inside = np.zeros((width, height), bool)
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for pixel in range(start - 1, start - 1 + length):
            inside[pixel % width, pixel // width] = True
    return inside


def literal_encode(inside: np.ndarray) -> str:
    out: list[int] = []
    before = False
    for number, pixel in enumerate(inside[x, y] for y in range(inside.shape[1]) for x in range(len(inside))):
        if pixel and not before:
            out += [number + 1, 0]
        if pixel:
            out[-1] += 1
        before = bool(pixel)
    return " ".join(str(n) for n in out)


def mask_of(inside: np.ndarray, name: str = "heart") -> Mask:
    return Mask(inside[:, :, None], picture_geometry(*inside.shape), {1: name})


def test_a_mask_by_hand():
    # . x x
    # x . .      columns 0 to 2, rows 0 and 1; the run goes on over the end of the first row
    runs = parse_runs("2 3", picture_geometry(3, 2))
    assert runs.to_mask("heart").data[:, :, 0].T.tolist() == [[0, 1, 1], [1, 0, 0]]
    assert (runs.pixels, runs.starts.tolist(), runs.lengths.tolist()) == (3, [1], [3])
    assert runs.to_text() == "2 3"


def test_random_masks_there_and_back():
    rng = np.random.default_rng(4)
    for _ in range(300):
        width, height = rng.integers(1, 14, 2)
        inside = rng.random((width, height)) < rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        text = literal_encode(inside)
        read = parse_runs(text, picture_geometry(width, height))
        written = runs_of(mask_of(inside), "heart")
        assert written.to_text() == text == read.to_text()
        assert read.pixels == inside.sum()
        decoded = read.to_mask("heart")
        assert decoded.data.shape == (width, height, 1) and decoded.labels == {1: "heart"}
        assert np.array_equal(decoded.data[:, :, 0], literal_decode(text, width, height))
        assert np.array_equal(decoded.data[:, :, 0], inside)


def test_runs_that_touch_are_read_and_written_as_they_are():
    # As an encoder would write that ends a run with its row.
    read = parse_runs("2 2 4 3 7 1", picture_geometry(3, 4))
    assert np.array_equal(read.to_mask("h").data[:, :, 0], literal_decode("2 6", 3, 4))
    assert read.to_text() == "2 2 4 3 7 1"
    assert runs_of(read.to_mask("h"), "h").to_text() == "2 6"


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_text_is_no_pixel(text):
    runs = parse_runs(text, picture_geometry(5, 4))
    assert runs.pixels == 0 and runs.to_text() == "" and not runs.to_mask("heart").data.any()


def test_spaces_around_and_between_do_not_count():
    assert parse_runs("  2  3 9 1\n", picture_geometry(3, 4)).to_text() == "2 3 9 1"


def test_one_label_of_several():
    data = np.array([[0, 1, 2], [2, 2, 1]], np.uint16)[:, :, None]
    mask = Mask(data, picture_geometry(2, 3), {1: "heart", 2: "left lung"})
    for value, name in mask.labels.items():
        assert runs_of(mask, name).to_text() == literal_encode(data[:, :, 0] == value)
    with pytest.raises(LabelError, match="no such label"):
        runs_of(mask, "right lung")


@pytest.mark.parametrize(("text", "words"), [
    ("1 2 3", "cut off"),
    ("7", "cut off"),
    ("-1 2", "not a whole number.*'-1'"),
    ("1 -2", "not a whole number.*'-2'"),
    ("1.0 2", r"not a whole number.*'1\.0'"),
    ("1e1 2", "not a whole number"),
    ("one 2", "not a whole number.*'one'"),
    ("nan nan", "not a whole number"),
    ("[1 2]", "not a whole number"),
    ("1,2", "not a whole number"),
    ("1\t2", "not a whole number"),
    ("1\x002 1", "not a whole number"),
    ("１ 2", "not a whole number"),
    ("1_0 2", "not a whole number"),
    ("²1 2", "not a whole number"),
    ("0 2", "inside the picture.*run 1: 0 2"),
    ("1 0", "inside the picture.*run 1: 1 0"),
    ("13 1", "inside the picture.*run 1: 13 1"),
    ("1 2 12 2", "inside the picture.*run 2: 12 2"),
    ("1 13", "inside the picture.*run 1: 1 13"),
    ("1 9223372036854775807", "inside the picture"),
    ("9223372036854775807 1", "inside the picture"),
    ("99999999999999999999999 5", "inside the picture"),
    ("5 99999999999999999999999", "inside the picture"),
    ("18446744073709551617 2", "inside the picture"),
    ("1 3 3 1", "overlap or are out of order.*run 1: 1 3, then run 2: 3 1"),
    ("5 2 1 2", "overlap or are out of order"),
    ("1 2 1 2", "overlap or are out of order"),
])  # fmt: skip
def test_what_is_no_mask_of_this_picture_is_refused(text, words):
    with pytest.raises(FileFormatError, match=f"(?s){words}"):
        parse_runs(text, picture_geometry(4, 3))


@pytest.mark.parametrize("text", ["12 1", "1 12", "1 1 12 1"])
def test_the_last_pixel_is_inside(text):
    assert parse_runs(text, picture_geometry(4, 3)).to_mask("h").data[3, 2, 0] == 1


def test_a_long_strange_word_is_shown_in_part():
    with pytest.raises(FileFormatError) as caught:
        parse_runs("1 " + "x" * 100_000, picture_geometry(4, 3))
    assert len(str(caught.value)) < 400


def test_the_mask_of_a_larger_film_is_found_out():
    inside = np.ones((6, 5), bool)
    text = runs_of(mask_of(inside), "heart").to_text()
    with pytest.raises(FileFormatError, match="width and height"):
        parse_runs(text, picture_geometry(5, 5))


def test_runs_are_of_pictures_that_stand_upright():
    inside = np.zeros((4, 5), bool)
    inside[1, 2:] = True
    upright = mask_of(inside)
    text = runs_of(upright, "heart").to_text()
    for codes in ("RIP", "LSP", "ILP"):
        turned = upright.reorient(codes)
        with pytest.raises(GeometryError, match="reorient"):
            runs_of(turned, "heart")
        assert runs_of(turned.reorient("LIP"), "heart").to_text() == text
    volume = Geometry((4, 5, 2), upright.geometry.affine)
    with pytest.raises(GeometryError, match="one voxel deep"):
        parse_runs(text, volume)
    with pytest.raises(GeometryError):
        runs_of(Mask(np.ones((4, 5, 2), np.uint8), volume, {1: "heart"}), "heart")


def test_a_claim_of_too_many_pixels_is_refused_before_they_are_made():
    with pytest.raises(FileFormatError, match="more pixels than are decoded"):
        parse_runs("1 1", picture_geometry(MAX_PIXELS, 2))
    assert parse_runs("1 1", picture_geometry(MAX_PIXELS, 1)).pixels == 1


def test_runs_made_in_code_are_checked_as_those_of_a_file():
    geometry = picture_geometry(4, 3)
    for starts, lengths in (([-1], [2]), ([0], [0]), ([11], [2]), ([0, 1], [2, 1])):
        with pytest.raises(FileFormatError):
            Runs(np.array(starts), np.array(lengths), geometry)


def test_runs_cross_processes():
    runs = pickle.loads(pickle.dumps(parse_runs("2 3 9 1", picture_geometry(4, 3))))  # noqa: S301
    assert runs.to_text() == "2 3 9 1"
