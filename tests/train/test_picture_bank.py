"""Banks of marked pictures: what is written is read, and what is told of a picture is counted in it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from marked_pictures import marked, toys
from sagittal.errors import FileFormatError, InputError, LayoutError, StorageError
from sagittal.train.picture_bank import Facts, MarkedPicture, bank_hash, read_bank, write_block


def colourful() -> MarkedPicture:
    grey = toys()[0]
    pixels = np.stack([grey.pixels, 255 - grey.pixels, grey.pixels // 2], axis=-1)
    return MarkedPicture(pixels, grey.marks, grey.facts.model_copy(update={"name": "colour"}))


def test_banks_come_back_as_they_were(tmp_path: Path) -> None:
    first, second = [*toys(), colourful()], [marked("x", [("liver", (0, 0, 59, 39))])]
    write_block(tmp_path / "b" / "0000", first[:2])
    write_block(tmp_path / "b" / "0001", iter(first[2:]))
    write_block(tmp_path / "a" / "0000", second)
    found = read_bank([tmp_path / "b", tmp_path / "a"])
    for one, other in zip(found, [*first, *second], strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.marks, other.marks)
        assert one.facts == other.facts and one.pixels.dtype == one.marks.dtype == np.uint8
    assert bank_hash(found) == bank_hash([*first, *second])
    with pytest.raises(StorageError):
        write_block(tmp_path / "a" / "0000", second)


def test_the_same_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_block(tmp_path / name, toys())
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


@pytest.mark.parametrize("change", ["unmarked", "strange"])
def test_marks_and_instances_belong_together(tmp_path: Path, change: str) -> None:
    one = toys()[0]
    marks = one.marks.copy()
    marks[marks == 3] = 0 if change == "unmarked" else 3
    marks[0, 0] = 9 if change == "strange" else 0
    with pytest.raises(InputError, match="Each instance is marked"):
        write_block(tmp_path / "0000", [MarkedPicture(one.pixels, marks, one.facts)])
    assert list(tmp_path.iterdir()) == []


def test_damaged_banks_are_told_as_such(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    bank.mkdir()
    with pytest.raises(LayoutError, match="no pictures"):
        read_bank([bank])
    with pytest.raises(LayoutError, match="no pictures"):
        read_bank([tmp_path / "none"])
    write_block(bank / "0000", toys()[:2])
    write_block(bank / "0002", toys()[2:])
    with pytest.raises(LayoutError, match="missing"):
        read_bank([bank])
    write_block(bank / "0001", toys()[:1])
    pixels, facts = bank / "0001" / "pictures.npz", bank / "0001" / "pictures.json"
    whole, known = pixels.read_bytes(), facts.read_text()
    for damaged in (b"", whole[: len(whole) // 2], b"no archive", whole[:60] + b"\0" * 40 + whole[100:]):
        pixels.write_bytes(damaged)
        with pytest.raises(FileFormatError, match="no block of marked pictures"):
            read_bank([bank])
    pixels.write_bytes(whole)
    more = json.dumps([*json.loads(known), *json.loads(known)])
    for damaged in ("", "{}", known[:-10], known.replace("axial", 'axial", "colour": "red'), more):
        facts.write_text(damaged)
        with pytest.raises(FileFormatError, match="0001"):
            read_bank([bank])
    for file in (facts, pixels):
        file.unlink()
        with pytest.raises(StorageError):
            read_bank([bank])
        facts.write_text(known)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    block = tmp_path / "0000"
    write_block(block, toys()[:1])
    one = toys()[0]
    arrays = {"image-0": np.array([{"a": 1}], dtype=object), "marks-0": one.marks}
    np.savez(block / "pictures.npz", **arrays)
    with pytest.raises(FileFormatError):
        read_bank([tmp_path])


def test_the_hash_sees_every_pixel_mark_fact_and_order() -> None:
    known = bank_hash(toys())
    assert bank_hash(toys()) == known != bank_hash(toys()[::-1])
    rng, found = np.random.default_rng(0), {known}
    for _ in range(20):
        for which in ("pixels", "marks"):
            pictures = toys()
            own = getattr(pictures[int(rng.integers(len(pictures)))], which)
            own[tuple(int(rng.integers(n)) for n in own.shape)] ^= np.uint8(1 << int(rng.integers(8)))
            found.add(bank_hash(pictures))
    assert len(found) > 40 - 3
    changes = (
        {"patient": "other"}, {"dataset": None}, {"spacing": (1.0, 2.0)}, {"small": ("aorta",)},
        {"classes": ("liver", "kidney", "spleen")}, {"modality": "CT"}, {"orientation": "sagittal"},
    )  # fmt: skip
    for change in changes:
        pictures = toys()
        one = pictures[0]
        pictures[0] = MarkedPicture(one.pixels, one.marks, one.facts.model_copy(update=change))
        found.add(bank_hash(pictures))
    # The last bits of marks above may have been drawn twice; these changes are all new.
    assert len(found) > 40 - 3 + len(changes)


def test_a_record_says_what_is_counted_pixel_by_pixel() -> None:
    for picture in toys()[:4]:
        [record] = picture.record.pictures
        width, height = picture.pixels.shape
        assert record.size == (width, height) and record.spacing_mm == picture.facts.spacing
        assert (record.orientation, picture.record.patient) == (picture.facts.orientation, record.name)
        for number, one in enumerate(record.instances):
            inside = [
                (x, y) for x in range(width) for y in range(height) if picture.marks[x, y] == number + 1
            ]
            xs, ys = [x for x, _ in inside], [y for _, y in inside]
            assert one.name == picture.facts.classes[number] and one.pixels == len(inside)
            assert one.share == pytest.approx(len(inside) / (width * height))
            assert one.box == (min(xs), min(ys), max(xs), max(ys)) and one.point in inside
            assert one.centroid == pytest.approx((sum(xs) / len(xs), sum(ys) / len(ys)))
            assert {(int(x), int(y)) for x, y in np.argwhere(picture.instance(number))} == set(inside)
            assert not one.has_twin
        for own in record.classes:
            members = [n for n, name in enumerate(picture.facts.classes) if name == own.name]
            assert list(own.instances) == members
            union = np.zeros((width, height), bool)
            for number in members:
                union |= picture.instance(number)
            np.testing.assert_array_equal(picture.of_class(own.name), union)
        assert record.names == tuple(dict.fromkeys(picture.facts.classes))
        assert not picture.of_class("nothing of this name").any()


def test_a_picture_with_nothing_marked_has_no_record_of_it() -> None:
    asked = toys()[-1]
    assert asked.record.pictures == () and asked.record.dataset is None


def test_a_picture_is_an_image_with_its_spacing() -> None:
    for picture in (*toys(), colourful()):
        image, spacing = picture.image, picture.facts.spacing
        assert image.shape == (*picture.pixels.shape[:2], 1)
        assert image.geometry.spacing_known == (spacing is not None)
        assert image.geometry.spacing[:2] == (spacing or (1.0, 1.0))
        np.testing.assert_array_equal(image.data[:, :, 0], picture.pixels)


def test_facts_take_nothing_that_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        Facts.model_validate({**toys()[0].facts.model_dump(), "colour": "red"})
    with pytest.raises(ValidationError):
        Facts.model_validate({**toys()[0].facts.model_dump(), "modality": "Drawing"})
