"""Real scans and films as marked pictures; the first half on volumes made up here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from sagittal.builders.pixel_qa.volumes import Cut
from sagittal.draw.overlay import PLANES
from sagittal.errors import LayoutError
from sagittal.geometry import Geometry
from sagittal.splits import split_of
from sagittal.study import Image, Mask
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_views import SMALLEST_SHARE
from sagittal.train.real_pictures import (
    Marking,
    asked_pictures,
    cut_slices,
    film_pictures,
    volume_pictures,
)

#: In RAS: a kidney of two values on each side, a liver, and something that no table names.
SHAPE = (50, 40, 30)
BOXES = {
    1: (slice(4, 10), slice(5, 15), slice(2, 20)), 2: (slice(10, 14), slice(5, 15), slice(2, 20)),
    3: (slice(36, 46), slice(5, 15), slice(2, 20)), 5: (slice(20, 22), slice(20, 21), slice(4, 25)),
    9: (slice(24, 30), slice(24, 30), slice(0, 30)),
}  # fmt: skip
CLASSES = {"kidney": [[1, 2], [3]], "liver": [[5]]}
MARKING = Marking("toy", "p1", "CT", "abdomen", CLASSES)


def body(codes: str = "RAS", known: bool = True) -> tuple[Image, Mask]:
    labels = np.zeros(SHAPE, np.uint8)
    for value, box in BOXES.items():
        labels[box] = value
    data = np.random.default_rng(0).integers(-300, 500, SHAPE).astype(np.int16)
    geometry = Geometry(SHAPE, np.diag([1.0, 1.5, 2.5, 1.0]), known)
    names = {value: str(value) for value in BOXES}
    return Image(data, geometry, "ct").reorient(codes), Mask(labels, geometry, names).reorient(codes)


def cut(codes: str = "RAS", known: bool = True) -> list[MarkedPicture]:
    return list(cut_slices(*body(codes, known), MARKING, Cut(PLANES, every=1), (-160.0, 240.0)))


def test_slices_are_what_the_labels_say_pixel_by_pixel() -> None:
    image, labels = body()
    found = {p.facts.name: p for p in cut()}
    for plane, axis in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
        for at in range(SHAPE[axis]):
            values = np.take(labels.data, at, axis=axis)[::-1, ::-1]
            parts = [(n, np.isin(values, own)) for n, sides in CLASSES.items() for own in sides]
            large = [(n, own) for n, own in parts if own.sum() >= SMALLEST_SHARE * values.size]
            picture = found.pop(f"toy/{plane}-{at:03d}", None)
            # Slices with nothing of these classes, or too little of any, are left out.
            assert (picture is None) == (not large)
            if picture is None:
                continue
            assert picture.facts.classes == tuple(n for n, _ in large)
            for number, (_, own) in enumerate(large):
                np.testing.assert_array_equal(picture.instance(number), own)
            in_sight = {n for n, own in parts if own.any()}
            assert set(picture.facts.small) == in_sight - set(picture.facts.classes)
            grey = np.clip((np.take(image.data, at, axis=axis)[::-1, ::-1] + 160.0) / 400, 0, 1) * 255
            assert np.abs(picture.pixels - grey).max() <= 0.51
            spacing = [s for n, s in enumerate((1.0, 1.5, 2.5)) if n != axis]
            assert picture.facts.spacing == tuple(spacing) and picture.facts.orientation == plane
    assert not found


def test_of_a_small_class_the_slice_is_kept_but_nothing_said() -> None:
    """Axial: 2 of 2,000 pixels are a thousandth; sagittal: 21 of 1,200; coronal: 42 of 1,500."""
    liver = Counter((p.facts.orientation, "liver" in p.facts.classes) for p in cut() if p.marks.any())
    assert liver["axial", True] == 21 and liver["sagittal", True] == 2 and liver["coronal", True] == 1
    data = body()[1].data.copy()
    data[21, 20] = 0
    labels = Mask(data, body()[1].geometry, body()[1].labels)
    found = list(cut_slices(body()[0], labels, MARKING, Cut(("axial",), every=1), (0.0, 1.0)))
    assert all("liver" not in p.facts.classes for p in found)
    assert sum(p.facts.small == ("liver",) for p in found) == 16


@pytest.mark.parametrize("codes", ["LPS", "SAR", "IRP"])
def test_the_order_of_the_arrays_changes_nothing(codes: str) -> None:
    for one, other in zip(cut(), cut(codes), strict=True):
        assert one.facts == other.facts
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.marks, other.marks)


def test_an_unknown_spacing_stays_unknown() -> None:
    assert {p.facts.spacing for p in cut(known=False)} == {None}


# -- films ------------------------------------------------------------------------------------------


def films(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        mask = np.zeros((80, 100), np.uint8)
        mask[10:60, 8:40] = mask[12:62, 58:92] = 255
        # Smoothed borders, and a speck.
        mask[60, 8:40], mask[70, 50] = 127, 255
        for part, pixels in (("cxr", np.full((80, 100), 90 + number, np.uint8)), ("masks", mask)):
            path = folder / "cxr_lung_masks" / part / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Pictures.fromarray(pixels).save(path)
    return folder


NAMES = [f"MCUCXR_{n:04d}_{n % 2}.png" for n in range(40)]


def test_films_are_marked_by_lung(tmp_path: Path) -> None:
    films(tmp_path, [*NAMES[:1], "CHNCXR_0001_0.png"])
    [one] = film_pictures(tmp_path, "montgomery")
    assert one.pixels.shape == one.marks.shape == (100, 80) and one.facts.classes == ("lung", "lung")
    assert one.instance(0).sum() == 50 * 32 and one.instance(1).sum() == 50 * 34
    assert one.instance(0)[8:40, 10:60].all() and one.instance(1)[58:92, 12:62].all()
    assert one.facts.patient == "MCUCXR_0000" and one.facts.name == "montgomery/MCUCXR_0000_0"
    assert [p.facts.dataset for p in film_pictures(tmp_path, "shenzhen")] == ["shenzhen"]


def test_films_are_split_by_patient(tmp_path: Path) -> None:
    films(tmp_path, [*NAMES, *(name.replace("_0.png", "_1.png") for name in NAMES[::2])])
    own = {
        split: [p.facts.patient for p in film_pictures(tmp_path, "montgomery", split)]
        for split in ("train", "validation", "test")
    }
    assert sum(map(len, own.values())) == 60 and len({p for ps in own.values() for p in ps}) == 40
    for split, patients in own.items():
        assert patients and {split_of(patient) for patient in patients} == {split}


def test_a_film_without_a_mask_is_told(tmp_path: Path) -> None:
    films(tmp_path, NAMES[:1])
    (tmp_path / "cxr_lung_masks" / "masks" / NAMES[0]).unlink()
    with pytest.raises(LayoutError, match="no mask"):
        list(film_pictures(tmp_path, "montgomery"))


# -- the table and the real ones --------------------------------------------------------------------


def test_no_value_of_a_scan_means_two_things() -> None:
    table = packaged_table("real_pictures")
    for entry in table.values():
        values = [v for sides in entry["classes"].values() for own in sides for v in own]
        assert len(set(values)) == len(values) and entry["split"] in ("train", "validation", "test")
    patients = [entry["patient"] for entry in table.values()]
    assert len(set(patients)) == len(patients)


@pytest.mark.shared_data
def test_the_real_scans_and_films(shared_data: Path) -> None:
    found = {split: list(volume_pictures(shared_data, split)) for split in ("train", "test")}
    assert [len(own) for own in found.values()] == [287, 40]
    shown = {name for p in found["train"] for name in p.facts.classes}
    assert {"liver", "spleen", "kidney", "aorta", "spine", "femur"} <= shown
    for picture in found["train"][::20] + found["test"][::10]:
        count = len(picture.facts.classes)
        sizes = np.bincount(picture.marks.ravel(), minlength=count + 1)[1:]
        assert len(sizes) == count and (sizes >= SMALLEST_SHARE * picture.marks.size).all()
    # A liver lies on the viewer's left of a spleen: which way a slice is shown comes from the affine.
    for picture in (p for own in found.values() for p in own if p.facts.orientation == "axial"):
        if {"liver", "spleen"} <= set(picture.facts.classes):
            left, right = (np.nonzero(picture.of_class(n))[0].mean() for n in ("liver", "spleen"))
            assert left < right
    held = list(film_pictures(shared_data, "montgomery", "validation"))
    assert held and all(p.facts.classes == ("lung", "lung") for p in held)


@pytest.mark.shared_data
def test_what_vqa_rad_asks_stays_with_its_pictures(shared_data: Path) -> None:
    seen: set[str] = set()
    for split in ("train", "test"):
        pictures, pairs = asked_pictures(shared_data, split)
        assert len(pictures) == len(pairs) > 0 and all(pairs)
        names = {p.facts.name for p in pictures}
        assert len(names) == len(pictures) and not names & seen
        seen |= names
        assert {kind for own in pairs for kind, _, _ in own} == {"closed", "open"}
        assert not any(p.marks.any() or p.facts.classes or p.facts.dataset for p in pictures)
