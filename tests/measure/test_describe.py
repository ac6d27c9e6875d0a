"""The whole description: the contract, absent labels, unknown spacing, all orientations."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from literal_measures import label_metrics
from solids import ORIENTATIONS, affine_of, blobs, ellipsoid, image_of, mask_of, rotated, stored_as

from sagittal.errors import LabelError
from sagittal.files import to_json_text
from sagittal.measure.atlas import Atlas
from sagittal.measure.classes import Thresholds
from sagittal.measure.describe import describe, image_names
from sagittal.measure.region_table import parse_region_table

LABEL_KEYS = [
    "label", "voxels", "volume_ml", "brain_percent", "volume_class", "components", "core_share",
    "spread_class", "surface_mm2", "sphericity", "compactness", "elongation", "flatness", "solidity",
    "shape_class", "extent_mm", "diameters_mm", "centroid_ras_mm", "regions", "covered_share", "intensity",
    "undefined",
]  # fmt: skip
TABLE = parse_region_table("space: SRI24\nregions: {low: [A], high: [B]}\nunmapped: [C]\n", "test")
SHAPE = (30, 34, 26)


def segmentation() -> np.ndarray:
    data = np.zeros(SHAPE, np.uint8)
    data[blobs(1, SHAPE)] = 1
    data[8:17, 9:20, 8:15] = 2
    data[12, 12, 12] = 3
    return data


def world(affine):
    """Mask, images, brain and atlas on one grid."""
    rng = np.random.default_rng(3)
    brain = np.zeros(SHAPE, np.float32)
    brain[1:-1, 1:-1, 1:-1] = rng.random([n - 2 for n in SHAPE]) + 1
    flair = rng.normal(0, 1, SHAPE)
    atlas = np.full(SHAPE, 1, np.uint8)
    atlas[:, :, 13:], atlas[:10] = 2, 3
    return segmentation(), brain, flair, atlas, affine


def described(affine, codes="RAS", config=None):
    data, t1, flair, atlas, affine = world(affine)
    labels = {1: "SNFH", 2: "NETC", 3: "ET", 4: "RC"}
    atlas_mask = mask_of(atlas, affine, labels={1: "A", 2: "B", 3: "C"})
    images = [
        image_of(*stored_as(t1, affine, codes[::-1]), kind="t1"),
        image_of(*stored_as(flair, affine, codes), kind="flair"),
    ]
    mask = mask_of(*stored_as(data, affine, codes), labels=labels)
    return describe(mask, images=images, atlas=Atlas("test", "SRI24", atlas_mask, TABLE), config=config)


def test_the_contract_key_by_key():
    out = described(affine_of((1, 1, 2))).to_json()
    assert set(out) == {"schema", "brain_ml", "atlas", "labels", "warnings", "undefined"}
    assert out["schema"] == "sagittal.describe/1" and out["atlas"] == {"name": "test", "space": "SRI24"}
    assert list(out["labels"]) == ["SNFH", "NETC", "ET", "RC"]
    for label in out["labels"].values():
        assert list(label) == LABEL_KEYS
        for key in LABEL_KEYS:
            assert (label[key] is None) == (key in label["undefined"]), key
        assert all(isinstance(reason, str) and reason for reason in label["undefined"].values())
    box = out["labels"]["NETC"]
    assert box["extent_mm"] == {"left_right": 9, "front_back": 11, "up_down": 14}
    assert set(box["diameters_mm"]) == {"longest", "perpendicular", "plane", "slice"}
    assert set(box["intensity"]) == {"t1", "flair"} and set(box["intensity"]["t1"]) == {
        "mean",
        "sd",
        "median",
        "snr",
    }
    assert set(box["regions"]) <= {"low", "high"} and box["covered_share"] < 1
    assert json.loads(to_json_text(out)) == out


def test_numbers_equal_the_literal_appendix_on_the_full_volume():
    affine = affine_of((1, 1, 2), (-12, 3, 4))
    found, data = described(affine).labels, segmentation()
    brain = math.prod(n - 2 for n in SHAPE)
    for name, value in (("SNFH", 1), ("NETC", 2)):
        literal, got = label_metrics(data == value, affine[:3, :3]), found[name]
        assert got.voxels == (data == value).sum() and got.volume_ml == pytest.approx(got.voxels * 2 / 1000)
        assert got.brain_percent == pytest.approx(100 * got.voxels / brain)
        assert got.components == literal["components"] and got.core_share == pytest.approx(
            literal["core_share"]
        )
        assert got.surface_mm2 == pytest.approx(literal["surface"], rel=1e-6)
        for metric in ("sphericity", "compactness", "elongation", "flatness", "solidity"):
            assert getattr(got, metric) == pytest.approx(literal[metric], rel=2e-6)


@pytest.mark.parametrize("affine", [affine_of((0.9, 1.2, 2)), rotated((1, 1.1, 2), 15)])
def test_the_description_is_the_same_in_all_48_orientations(affine):
    def comparable(codes):
        out = described(affine, codes).to_json()["labels"]
        for label in out.values():
            # The slice's number counts along the array: it alone belongs to the way of storing.
            if label["diameters_mm"]:
                del label["diameters_mm"]["slice"]
        return out

    def same(a, b):
        assert type(a) is type(b)
        if isinstance(a, dict):
            assert list(a) == list(b)
            for key in a:
                same(a[key], b[key])
        elif isinstance(a, list):
            for one, two in zip(a, b, strict=True):
                same(one, two)
        elif isinstance(a, float):
            assert a == pytest.approx(b, rel=1e-9, abs=1e-9)
        else:
            assert a == b

    reference = comparable("RAS")
    for codes in ORIENTATIONS:
        same(comparable(codes), reference)


def test_a_label_without_a_voxel_is_described_as_absent():
    label = described(affine_of((1, 1, 2))).to_json()["labels"]["RC"]
    assert (label["voxels"], label["components"], label["volume_ml"], label["brain_percent"]) == (
        0,
        0,
        0.0,
        0.0,
    )
    assert label["volume_class"] == label["shape_class"] == label["spread_class"] == "N/A"
    assert label["diameters_mm"] is None and label["undefined"]["diameters_mm"] == "the label has no voxel"


def test_a_single_voxel_is_a_focus_with_reasons_for_what_it_lacks():
    label = described(affine_of((1, 1, 2))).to_json()["labels"]["ET"]
    assert (label["voxels"], label["shape_class"], label["spread_class"]) == (1, "focus", "single lesion")
    assert label["elongation"] is None and "single voxel" in label["undefined"]["elongation"]
    assert label["intensity"]["t1"]["snr"] is None and "intensity.t1.snr" in label["undefined"]
    big = mask_of(np.pad(np.ones((1, 1, 1), bool), 1), affine_of((10, 10, 10)))
    label = describe(big).to_json()["labels"]["l1"]
    assert label["shape_class"] is None and "single voxel" in label["undefined"]["shape_class"]


def test_without_brain_and_atlas_the_volume_is_still_given():
    out = describe(mask_of(segmentation())).to_json()
    assert out["brain_ml"] is None and out["undefined"]["brain_ml"] and out["atlas"] is None
    label = out["labels"]["l2"]
    assert label["volume_ml"] == pytest.approx(9 * 11 * 7 / 1000 - 0.001)
    assert label["volume_class"] is None and label["undefined"]["volume_class"]
    assert label["regions"] is None and label["undefined"]["regions"] == "no atlas was given"
    assert label["intensity"] == {}


def test_unknown_pixel_size_refuses_millimetres_and_keeps_ratios():
    flat = np.zeros((20, 20, 1), bool)
    flat[5:9, 5:12] = True
    brain = mask_of(np.ones((20, 20, 1), bool), spacing_known=False)
    out = describe(mask_of(flat, spacing_known=False), brain=brain).to_json()
    label = out["labels"]["l1"]
    for key in (
        "volume_ml",
        "surface_mm2",
        "extent_mm",
        "diameters_mm",
        "centroid_ras_mm",
        "shape_class",
        "regions",
    ):
        assert label[key] is None and label["undefined"][key]
    assert label["voxels"] == 28 and label["components"] == 1 and label["core_share"] == 1
    assert label["brain_percent"] == pytest.approx(7) and label["volume_class"] == "5-10%"
    assert out["brain_ml"] is None and "spacing" in out["undefined"]["brain_ml"]


def test_an_image_on_another_grid_is_said_to_be_so():
    mask = mask_of(segmentation())
    other = image_of(np.ones((5, 5, 5)), affine_of((3, 3, 3)), kind="flair")
    nan = image_of(np.full(SHAPE, np.nan), kind="t2")
    out = describe(mask, images=[other, nan]).to_json()
    assert out["labels"]["l1"]["intensity"] == {"flair": None, "t2": None}
    assert "another grid" in out["labels"]["l1"]["undefined"]["intensity.flair"]
    assert "finite" in out["labels"]["l1"]["undefined"]["intensity.t2"]
    assert sum("another grid" in w for w in out["warnings"]) == 1


SRI24 = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("affine", "space", "word"),
    [(SRI24, "SRI24", None), (SRI24, "MNI152", "is in SRI24"), (np.eye(4), "SRI24", "no known template")],
)
def test_a_mismatch_of_spaces_is_named(affine, space, word):
    data = np.zeros((240, 240, 155), np.uint8)
    data[100:103, 100:103, 70:73] = 1
    mask = mask_of(data, affine)
    here = mask.crop((90, 90, 60), (120, 120, 90))
    atlas = Atlas(
        "toy", space, mask_of(np.ones(here.shape, np.uint8), here.geometry.affine, labels={1: "A"}), TABLE
    )
    found = describe(mask, atlas=atlas)
    assert found.labels["l1"].regions == {"low": 1.0}
    assert any(word in w and "toy" in w for w in found.warnings) if word else found.warnings == ()


def test_a_label_outside_every_region_is_warned_of():
    atlas = Atlas(
        "far", "native", mask_of(np.ones((2, 2, 2), np.uint8), affine_of(origin=(900, 0, 0)), {1: "A"}), TABLE
    )
    found = describe(mask_of(ellipsoid((3, 3, 3))), atlas=atlas)
    assert found.labels["l1"].regions == {} and found.labels["l1"].region_words() == ("unlocalised",)
    assert "l1 lies outside every region of the atlas far." in found.warnings


def test_a_value_without_a_name_is_refused():
    with pytest.raises(LabelError, match="does not name"):
        describe(mask_of(segmentation(), labels={1: "a", 2: "b"}))


def test_thresholds_reach_the_classes():
    affine = affine_of((1, 1, 2))
    assert described(affine).labels["NETC"].shape_class != "focus"
    assert described(affine, config=Thresholds(focus_ml=50)).labels["NETC"].shape_class == "focus"
    mean = described(affine, config=Thresholds(metrics_core_share=1)).labels["SNFH"]
    core = described(affine, config=Thresholds(metrics_core_share=0)).labels["SNFH"]
    assert mean.solidity != core.solidity
    assert any("SNFH: elongation is the mean over" in w for w in described(affine).warnings) == (
        described(affine).labels["SNFH"].core_share < 0.7
    )


@pytest.mark.parametrize(("satellite", "from_core"), [(42, True), (43, False)])
def test_the_published_share_of_the_core_is_the_default(satellite, from_core):
    data = np.zeros((60, 12, 12), np.uint8)
    data[1:15, 1:8, 1] = 1  # 98 voxels; 98 / (98 + 42) is 0.7
    data[17:59, 5, 5] = 1
    data[58, 6, 5] = satellite == 43
    label = describe(mask_of(data)).labels["l1"]
    assert label.voxels == 98 + satellite
    data[16:] = 0
    assert (label.sphericity == describe(mask_of(data)).labels["l1"].sphericity) == from_core


def test_region_words():
    found = described(affine_of((1, 1, 2))).labels
    assert found["RC"].region_words() == ("N/A",)
    assert set(found["NETC"].region_words()) == {"low", "high"}
    assert describe(mask_of(segmentation())).labels["l1"].region_words() is None


def test_measurements_carry_units_and_reasons():
    found = described(affine_of((1, 1, 2)))
    by_key = {(m.of, m.name): m for m in found.measurements()}
    assert by_key["NETC", "volume"].value == found.labels["NETC"].volume_ml
    assert by_key["NETC", "volume"].unit == "mL" and by_key["NETC", "surface"].unit == "mm²"
    assert by_key["NETC", "extent_up_down"].value == 14 and by_key["NETC", "extent_up_down"].unit == "mm"
    assert by_key["brain", "volume"].value == found.brain_ml
    assert by_key["ET", "elongation"].value is None and by_key["ET", "elongation"].undefined
    assert by_key["ET", "t1_snr"].undefined and by_key["NETC", "t1_mean"].value > 1
    assert len(by_key) == len(found.measurements())
    for nothing in (
        describe(mask_of(segmentation())),
        describe(mask_of(ellipsoid((3, 3, 3)), spacing_known=False)),
    ):
        assert all((m.value is None) == (m.undefined is not None) for m in nothing.measurements())


def test_images_have_different_names():
    t1, t1b = (
        image_of(np.ones((2, 2, 2)), kind="t1", name="a"),
        image_of(np.ones((2, 2, 2)), kind="t1", name="b"),
    )
    flair, odd = image_of(np.ones((2, 2, 2)), kind="flair"), image_of(np.ones((2, 2, 2)))
    assert image_names([t1, flair]) == ["t1", "flair"]
    assert image_names([t1, t1b, flair, odd]) == ["a", "b", "flair", "unknown"]
    assert image_names([t1, t1]) == ["a #1", "a #2"]
