"""Questions about pixels: three layouts, known truth, hostile input, the same bytes every time."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import pixel_cases
import pytest
from toy_builder import bytes_of

from sagittal.builders.check import check_folder
from sagittal.builders.pixel_qa import build_pixel_set
from sagittal.builders.pixel_qa.preparing import prepared
from sagittal.builders.pixel_qa.rules import KINDS, Names, faults, key_of
from sagittal.builders.pixel_qa.statistics import write_statistics
from sagittal.builders.pixel_qa.volumes import Cut, slices_of
from sagittal.builders.shards import read_examples
from sagittal.cli import main
from sagittal.errors import (
    ConfigError,
    FileFormatError,
    GeometryError,
    InputError,
    IntegrityError,
    LabelError,
    LayoutError,
)
from sagittal.example import Example, MaskPart, RegionPart
from sagittal.io.raster import read_picture, read_picture_mask
from sagittal.study import Region

ALL_48 = ["".join(c) for order in permutations(("RL", "AP", "SI")) for c in product(*order)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Example]]:
    """A set of pictures with the published names, built."""
    root = tmp_path_factory.mktemp("pixels")
    build_pixel_set(pixel_cases.sammed2d(root / "in"), root / "out", layout="sammed2d", region="abdomen")
    return root, list(read_examples(root / "out"))


def masks_of(example: Example) -> list[MaskPart]:
    return [part for part in example.messages[-1].parts if isinstance(part, MaskPart)]


def test_step_one_is_exact(published: tuple[Path, list[Example]]) -> None:
    records = {record.name: record for record in prepared(published[0] / "out")}
    assert len(records) == 4
    case = records["ct_00--AMOS--case_2--x_0002"]
    assert (case.modality, case.dataset, case.patient) == ("CT", "AMOS", "AMOS--case_2")
    (picture,) = case.pictures
    # The slice's letter is an axis of an array: no plane follows from it.
    assert (picture.orientation, picture.size, picture.spacing_mm) == ("unknown", (60, 40), None)
    found = {one.name: one for one in picture.instances}
    assert set(found) == {"liver", "spleen", "left kidney"}
    for name, box in pixel_cases.RECTANGLES.items():
        one, (x1, y1, x2, y2) = found[name.replace("_", " ")], box
        assert one.box == box
        assert one.pixels == (x2 - x1 + 1) * (y2 - y1 + 1)
        assert one.share == pytest.approx(one.pixels / 2400)
        assert one.centroid == ((x1 + x2) / 2, (y1 + y2) / 2)
        assert one.point is not None
        assert x1 <= one.point[0] <= x2 and y1 <= one.point[1] <= y2
    assert [found[n].place for n in ("liver", "spleen", "left kidney")] == [
        "upper left", "lower right", "upper left",
    ]  # fmt: skip
    # Side by side at x = 13 and 14.
    numbers = {one.name: n for n, one in enumerate(picture.instances)}
    assert found["liver"].touches == (numbers["left kidney"],) and not found["spleen"].touches
    fundus = records["fundus_photography--DRIVE--f_1--x_0000"]
    assert fundus.modality == "Fundus"
    (disc,) = fundus.pictures[0].classes
    assert (disc.name, disc.instances) == ("optic disc", (0, 1))
    union = read_picture_mask(published[0] / "out" / "pictures" / fundus.name / disc.mask)
    assert int(union.data.sum()) == 100 + 9


def test_every_question_keeps_the_rules(published: tuple[Path, list[Example]]) -> None:
    examples = published[1]
    names = Names(["liver", "spleen", "left kidney", "optic disc"])
    assert {e.targets["kind"] for e in examples} == set(KINDS.values())
    assert len({e.id for e in examples}) == len(examples)
    kinds = {paper: kind for kind, paper in KINDS.items()}
    for example in examples:
        question, answer = example.messages[0].text, example.messages[-1].text
        present = list(dict.fromkeys(i["name"] for i in example.targets["instances"]))
        assert not faults(
            kinds[example.targets["kind"]], question, answer,
            asked=example.targets["category"], present=present, region="abdomen", names=names,
        )  # fmt: skip
        assert "{" not in question + answer and "|" not in question + answer
        if example.targets["kind"] == "RegionQA-I":
            assert [answer] == example.targets["category"] and not names.said(question)
        if example.targets["kind"] == "Complex VQA":
            assert names.said(answer) == {key_of(name) for name in present}


def test_masks_answer_in_the_order_asked(published: tuple[Path, list[Example]]) -> None:
    root, examples = published
    asked = [e for e in examples if e.task == "vqa-grounding"]
    assert any(len(e.targets["category"]) > 1 for e in asked)
    for example in asked:
        masks = masks_of(example)
        if example.targets["absent"]:
            assert not masks
            assert example.targets["category"][0] not in [i["name"] for i in example.targets["instances"]]
            continue
        assert [mask.name for mask in masks] == example.targets["category"]
        places = [example.messages[0].text.index(mask.name) for mask in masks]
        assert places == sorted(places)
        for mask in masks:
            share = read_picture_mask(root / "out" / mask.mask.path).data.mean()
            due = sum(i["share"] for i in example.targets["instances"] if i["name"] == mask.name)
            assert share == pytest.approx(due)
    # Only a class of the same data set is known not to be there: nothing is missing in the last two.
    absent = Counter(e.study for e in asked if e.targets["absent"])
    assert absent == {"ct_00--AMOS--case_0--x_0000": 1, "ct_00--AMOS--case_1--x_0001": 1}


def test_all_three_ways_of_pointing(tmp_path: Path) -> None:
    root = pixel_cases.pairs(tmp_path / "in", 1)
    for n in range(24):
        for folder in ("images", "masks"):
            shutil.copy(root / folder / "a.png", root / folder / f"n{n}.png")
    build_pixel_set(root, tmp_path / "out", layout="pairs")
    ways: Counter[str] = Counter()
    for example in read_examples(tmp_path / "out"):
        parts = [part for part in example.messages[0].parts if isinstance(part, RegionPart)]
        assert len(parts) == (example.targets["question_type"] == "region")
        for part in parts:
            region = part.region
            ways[region["kind"]] += 1
            assert region["image"] == example.images[0].path
            if part.mask is not None:
                drawn = read_picture_mask(tmp_path / "out" / part.mask.path).data[:, :, 0] > 0
                assert np.array_equal(drawn.T, pixel_cases.plane(*pixel_cases.RECTANGLES["liver"]))
                continue
            coordinates = Region.from_json(region).coordinates
            if region["kind"] == "box":
                assert coordinates == ((2, 3, 0), (13, 12, 0))
            else:
                ((x, y, _),) = coordinates
                assert 2 <= x <= 13 and 3 <= y <= 12
    assert set(ways) == {"mask", "points", "box"} and min(ways.values()) >= 5


def test_same_bytes_for_any_workers_and_after_a_stop(
    published: tuple[Path, list[Example]], tmp_path: Path
) -> None:
    root = published[0]
    settings: dict[str, Any] = {"layout": "sammed2d", "region": "abdomen"}
    build_pixel_set(root / "in", tmp_path / "two", workers=2, **settings)
    assert bytes_of(tmp_path / "two") == bytes_of(root / "out")
    # A stop in the middle: one case was not prepared, a half-written one lies about, no shard is there.
    folder = tmp_path / "two" / "pictures"
    shutil.move(
        folder / "ct_00--AMOS--case_1--x_0001", folder / ".ct_00--AMOS--case_1--x_0001.7-00000000.tmp"
    )
    shutil.rmtree(tmp_path / "two" / "shards")
    (tmp_path / "two" / "manifest.json").unlink()
    build_pixel_set(root / "in", tmp_path / "two", **settings)
    assert bytes_of(tmp_path / "two") == bytes_of(root / "out")
    assert check_folder(tmp_path / "two", tmp_path / "two").problems == []
    with pytest.raises(ConfigError, match="another build"):
        build_pixel_set(root / "in", tmp_path / "two", seed=1, **settings)
    with pytest.raises(IntegrityError, match="other settings"):
        build_pixel_set(root / "in", tmp_path / "two", layout="sammed2d", region="chest")


def test_another_seed_asks_otherwise(published: tuple[Path, list[Example]], tmp_path: Path) -> None:
    build_pixel_set(published[0] / "in", tmp_path / "out", layout="sammed2d", region="abdomen", seed=1)
    other = [e.messages[0].text for e in read_examples(tmp_path / "out")]
    assert other != [e.messages[0].text for e in published[1]]


# -- volumes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("codes", ALL_48)
def test_the_48_orientations_give_the_same_pictures(codes: str) -> None:
    image, mask = pixel_cases.body()
    cut = Cut(("axial", "coronal", "sagittal"), most=2)
    due, _ = slices_of(image, mask, cut)
    found, _ = slices_of(image.reorient(codes), mask.reorient(codes), cut)
    assert [one.name for one in found] == [one.name for one in due]
    for one, other in zip(found, due, strict=True):
        assert np.array_equal(one.image.data, other.image.data)
        assert one.orientation == other.orientation
        assert one.image.geometry.spacing[:2] == pytest.approx(other.image.geometry.spacing[:2])
        assert [name for name, _ in one.instances] == [name for name, _ in other.instances]
        for (_, a), (_, b) in zip(one.instances, other.instances, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("codes", ["LPS", "SAR", "IRP"])
def test_stored_orientations_give_the_same_words(codes: str, tmp_path: Path) -> None:
    built = []
    for name in ("RAS", codes):
        cut = Cut(("axial", "sagittal"), most=3)
        folder = tmp_path / name / "in"
        build_pixel_set(
            pixel_cases.volumes(folder, name),
            tmp_path / name / "out",
            layout="volumes",
            modality="ct",
            cut=cut,
        )
        built.append(tmp_path / name / "out")
    pictures = [
        {k: v for k, v in bytes_of(out / "pictures").items() if not k.endswith("case.json")} for out in built
    ]
    assert pictures[0] == pictures[1] and pictures[0]
    assert [e.to_json() for e in read_examples(built[0])] == [e.to_json() for e in read_examples(built[1])]


def test_slices_lie_as_a_radiologist_sees_them(tmp_path: Path) -> None:
    """A literal look-up: pixel (x, y) of each plane is the voxel that the display puts there."""
    image, mask = pixel_cases.body()
    nx, ny, nz = pixel_cases.VOLUME
    pictures, _ = slices_of(image, mask, Cut(("axial", "coronal", "sagittal"), most=1))
    where = {
        "axial": lambda x, y, n: (nx - 1 - x, ny - 1 - y, n),
        "coronal": lambda x, y, n: (nx - 1 - x, n, nz - 1 - y),
        "sagittal": lambda x, y, n: (n, ny - 1 - x, nz - 1 - y),
    }
    sizes = {"axial": (1.5, 2.0), "coronal": (1.5, 3.0), "sagittal": (2.0, 3.0)}
    for one in pictures:
        plane, index = one.name.split("-")
        assert one.image.geometry.spacing[:2] == pytest.approx(sizes[plane])
        labels = np.zeros(one.image.shape[:2], int)
        for name, own in one.instances:
            labels[own] = next(v for v, known in pixel_cases.LABELS.items() if known == name)
        for x, y in product(*map(range, labels.shape)):
            assert labels[x, y] == mask.data[where[plane](x, y, int(index))]
    # The patient's right is on the viewer's left: RAS x grows to the right of the patient.
    axial = dict(next(one for one in pictures if one.orientation == "axial").instances)
    assert np.nonzero(axial["liver"])[0].mean() < np.nonzero(axial["spleen"])[0].mean()


def test_which_slices_are_cut() -> None:
    image, mask = pixel_cases.body()
    every, left = slices_of(image, mask, Cut(every=4))
    # Labels lie in slices 5 to 14 of 18; 0, 4 and 16 show none.
    assert [one.name for one in every] == ["axial-0008", "axial-0012"]
    assert left == {"a picture with nothing marked": 3}
    most, _ = slices_of(image, mask, Cut(most=3))
    # 6, 7 and 8 show two labels.
    assert [one.name for one in most] == ["axial-0006", "axial-0007", "axial-0008"]
    for bad in ({"planes": ("oblique",)}, {"planes": ()}, {"every": 0}, {"most": 0}):
        with pytest.raises(ConfigError):
            Cut(**bad)  # type: ignore[arg-type]


def test_a_label_map_on_another_grid_is_refused(tmp_path: Path) -> None:
    from sagittal.io.nifti import write_mask

    root = pixel_cases.volumes(tmp_path / "in")
    _, mask = pixel_cases.body()
    write_mask(root / "one" / "labels.nii.gz", mask.crop((0, 0, 0), (30, 24, 17)))
    with pytest.raises(GeometryError, match=r"one: .*same grid"):
        build_pixel_set(root, tmp_path / "out", layout="volumes")
    (root / "one" / "extra.txt").write_text("")
    with pytest.raises(LayoutError, match="one is not a case"):
        build_pixel_set(root, tmp_path / "out", layout="volumes")


# -- hostile input ---------------------------------------------------------------------------------


def break_list(root: Path, change: Any) -> None:
    path = root / "SAMed2D_v1.json"
    listed = json.loads(path.read_text())
    change(listed)
    path.write_text(json.dumps(listed))


FIRST = "images/ct_00--AMOS--case_0--x_0000.png"
FIRST_MASK = "masks/ct_00--AMOS--case_0--x_0000--0000_000.png"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda v: v[FIRST].append("masks/../../secret.png"), LayoutError, "leads out"),
        (lambda v: v[FIRST].append("/etc/passwd"), LayoutError, "leads out"),
        (lambda v: v[FIRST].append("C:\\x.png"), LayoutError, "leads out"),
        (lambda v: v[FIRST].append(FIRST_MASK.replace("_000.", "_009.")), LayoutError, "not there"),
        (lambda v: v.update({"images/none.png": []}), LayoutError, "not there"),
        (lambda v: v[FIRST].append(7), FileFormatError, "not a list of masks"),
        (lambda v: v[FIRST].append(FIRST_MASK.replace("0--x_0000", "1--x_0001")), LayoutError, "which class"),
        (lambda v: v.update({"images/...png": []}), LayoutError, "this name"),
        (lambda v: v.clear(), LayoutError, "one list of images"),
    ],
)  # fmt: skip
def test_a_bad_list_is_refused(change: Any, error: type[Exception], words: str, tmp_path: Path) -> None:
    root = pixel_cases.sammed2d(tmp_path / "in")
    # Its stem is "..", which as a folder's name would lead out.
    shutil.copy(root / FIRST, root / "images" / "...png")
    break_list(root, change)
    with pytest.raises(error, match=words):
        build_pixel_set(root, tmp_path / "out", layout="sammed2d")
    assert not (tmp_path / "out").exists()


def test_bad_masks_are_refused_or_counted(tmp_path: Path) -> None:
    root = pixel_cases.sammed2d(tmp_path / "in")
    good = (root / FIRST_MASK).read_bytes()
    pixel_cases.save(root / FIRST_MASK, np.zeros((41, 60), np.uint8))
    with pytest.raises(GeometryError, match=r"x_0000: .*not as large"):
        build_pixel_set(root, tmp_path / "out", layout="sammed2d")
    pixel_cases.save(root / FIRST_MASK, pixel_cases.picture())
    with pytest.raises(LabelError, match="one value"):
        build_pixel_set(root, tmp_path / "out", layout="sammed2d")
    (root / FIRST_MASK).write_bytes(good[:60])
    with pytest.raises(FileFormatError):
        build_pixel_set(root, tmp_path / "out", layout="sammed2d")
    pixel_cases.save(root / FIRST_MASK, np.zeros((40, 60), np.uint8))
    manifest = build_pixel_set(root, tmp_path / "out", layout="sammed2d")
    assert manifest["config"]["left_out"] == {"a picture with nothing marked": 1, "an empty mask": 1}
    assert manifest["counts"]["studies"] == 3
    (root / "SAMed2D_v1_class_mapping_id.json").unlink()
    with pytest.raises(LabelError, match="number without a name"):
        build_pixel_set(root, tmp_path / "new", layout="sammed2d")


def test_deep_and_transparent_pictures(tmp_path: Path) -> None:
    root = pixel_cases.pairs(tmp_path / "in", 2)
    grey = pixel_cases.picture(1).astype(np.uint16) * 200
    pixel_cases.save(root / "images" / "a.png", grey)
    clear = np.dstack([pixel_cases.picture(n) for n in range(3)] + [np.full((40, 60), 128, np.uint8)])
    pixel_cases.save(root / "images" / "b.png", clear)
    build_pixel_set(root, tmp_path / "out", layout="pairs")
    for name, channels in (("a", 1), ("b", 3)):
        shown = read_picture(tmp_path / "out" / "pictures" / name / "picture.png")
        assert shown.data.dtype == np.uint8 and shown.channels == channels
    shown = read_picture(tmp_path / "out" / "pictures" / "a" / "picture.png").data[:, :, 0].T
    order = np.argsort(grey.ravel(), kind="stable")
    assert (np.diff(shown.ravel()[order].astype(int)) >= 0).all() and int(np.ptp(shown)) == 255


def test_pairs_say_what_is_missing(tmp_path: Path) -> None:
    root = pixel_cases.pairs(tmp_path / "in")
    (root / "masks" / "b.png").rename(tmp_path / "b.png")
    with pytest.raises(LayoutError, match=r"(?s)do not pair.*got: +b"):
        build_pixel_set(root, tmp_path / "out", layout="pairs")
    (tmp_path / "b.png").rename(root / "masks" / "b.png")
    (root / "labels.yaml").rename(root / "other.yaml")
    with pytest.raises(LayoutError, match="no table"):
        build_pixel_set(root, tmp_path / "out", layout="pairs")
    (root / "labels.yaml").write_text("1: liver")
    with pytest.raises(LabelError, match="b: "):
        build_pixel_set(root, tmp_path / "out", layout="pairs")
    with pytest.raises(ConfigError, match="no such layout"):
        build_pixel_set(root, tmp_path / "out", layout="coco")
    with pytest.raises(ConfigError, match="Only volumes"):
        build_pixel_set(root, tmp_path / "out", layout="pairs", cut=Cut())


def test_names_that_mean_something_else(tmp_path: Path) -> None:
    root = pixel_cases.pairs(tmp_path / "in")
    (root / "labels.yaml").write_text("1: '<SEG>'\n2: spleen\n")
    with pytest.raises(LabelError, match="can be said"):
        build_pixel_set(root, tmp_path / "out", layout="pairs")
    # Every question about a region speaks of regions, areas or places.
    (root / "labels.yaml").write_text("1: in\n2: the\n")
    with pytest.raises(LabelError, match="fuller names"):
        build_pixel_set(root, tmp_path / "new", layout="pairs")
    (root / "labels.yaml").write_text("1: liver\n2: Liver\n")
    with pytest.raises(LabelError, match="same name"):
        build_pixel_set(root, tmp_path / "third", layout="pairs")


def test_the_table_states_what_files_do_not(tmp_path: Path) -> None:
    root = pixel_cases.pairs(tmp_path / "in")
    table = "image,patient,modality,region,orientation\na,p1,x-ray,chest,\nb,p1,,,axial\n"
    (root / "pictures.csv").write_text(table)
    build_pixel_set(root, tmp_path / "out", layout="pairs", modality="MRI")
    found = {record.name: record for record in prepared(tmp_path / "out")}
    assert [found[n].patient for n in "ab"] == ["p1", "p1"]
    assert [found[n].modality for n in "ab"] == ["X-Ray", "MRI"]
    assert [found[n].region for n in "ab"] == ["chest", "unknown"]
    assert found["b"].pictures[0].orientation == "axial"
    kinds = {e.study: e.images[0].kind for e in read_examples(tmp_path / "out")}
    assert kinds == {"a": "cxr", "b": "mr"}
    spoken = [e for e in read_examples(tmp_path / "out") if e.targets["kind"] == "Complex VQA"]
    assert "of the chest" in spoken[0].messages[1].text and "unknown" not in spoken[1].messages[1].text
    for text, words in [
        ("image,patient\nzz,p\n", "not there"), ("image,colour\na,red\n", "other columns"),
        ("image\na\na\n", "cannot be used"), ("image,patient\na\n", "cells"),
        ("image,region\na,<SEG>\n", "cannot be used"),
    ]:  # fmt: skip
        (root / "pictures.csv").write_text(text)
        with pytest.raises(FileFormatError, match=words):
            build_pixel_set(root, tmp_path / "new", layout="pairs")
    (root / "pictures.csv").write_text("image,modality\na,xyz\n")
    with pytest.raises(ConfigError, match="modality is not known"):
        build_pixel_set(root, tmp_path / "new", layout="pairs")


# -- statistics and the command ------------------------------------------------------------------


def test_statistics_add_up(published: tuple[Path, list[Example]], tmp_path: Path) -> None:
    root, examples = published
    shutil.copytree(root / "out", tmp_path / "out")
    found = write_statistics(tmp_path / "out")
    assert found["sizes"]["questions"] == len(examples) == sum(found["kinds"].values())
    assert (found["sizes"]["images"], found["sizes"]["modalities"]) == (4, 2)
    for subset, by_split in found["questions"].items():
        for split, own in by_split.items():
            mine = [e for e in examples if e.targets["question_type"] == subset and e.split == split]
            assert own["Total"] == len(mine) == sum(n for key, n in own.items() if key != "Total")
            assert own["Fundus"] == sum(e.targets["modality"] == "Fundus" for e in mine)
            assert found["images"][subset][split]["Total"] == len({e.images[0].path for e in mine})
    assert found["absent"] == 2
    assert json.loads((tmp_path / "out" / "stats.json").read_text()) == found
    page = (tmp_path / "out" / "stats.md").read_text()
    assert re.search(r"\| region, train \| \d+ \|", page) and "RegionQA-II" in page
    assert check_folder(tmp_path / "out", tmp_path / "out").problems == []


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(a) for a in arguments])
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    root = pixel_cases.volumes(tmp_path / "in")
    common = ("build", "pixel-qa", root, "--layout", "volumes", "--modality", "CT", "--plane", "coronal")
    code, out, err = call(*common, "--most", 2, "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["sizes"]["images"] == 2
    code, out, err = call(*common, "--most", 2, "--out", tmp_path / "out")
    assert code == 0 and "questions of 2 pictures" in out
    code, _, err = call(*common, "--most", 2, "--every", 2, "--out", tmp_path / "out")
    assert code == 2 and "expected" in err
    code, _, err = call("build", "pixel-qa", tmp_path, "--layout", "sammed2d", "--out", tmp_path / "new")
    assert code == 2 and "remedy" in err
    for command in (("build", "pixel-qa"), ("converse",)):
        code, out, _ = call(*command, "--help")
        assert code == 0 and "Example:" in out


@pytest.mark.shared_data
def test_the_real_demo(shared_data: Path, tmp_path: Path) -> None:
    build_pixel_set(shared_data / "sammed2d_demo", tmp_path / "out", layout="sammed2d", modality="CT")
    records = {record.name: record for record in prepared(tmp_path / "out")}
    assert set(records) == {"amos_0006_90", "s0114_111"}
    assert records["amos_0006_90"].pictures[0].names == ("aorta", "inferior vena cava", "liver", "spleen")
    assert len(records["s0114_111"].pictures[0].instances) == 15
    examples = list(read_examples(tmp_path / "out"))
    # Which classes the demo's pictures were searched for is not known: nothing is said not to be there.
    assert not any(e.targets["absent"] for e in examples)
    for example in examples:
        for mask in masks_of(example):
            path = shared_data / "sammed2d_demo" / "data_demo" / "masks"
            original = path / f"{example.study}_{mask.name.replace(' ', '_')}_000.png"
            shown = read_picture_mask(tmp_path / "out" / mask.mask.path)
            assert np.array_equal(shown.data, read_picture_mask(original).data)
    assert check_folder(tmp_path / "out", tmp_path / "out").problems == []


def test_an_input_error_is_the_callers(tmp_path: Path) -> None:
    root = pixel_cases.volumes(tmp_path / "in")
    (root / "pictures.csv").write_text("image,orientation\none,axial\n")
    with pytest.raises(InputError, match="comes from the volume"):
        build_pixel_set(root, tmp_path / "out", layout="volumes")
