"""Regions against resampling of the whole atlas; region tables."""

from __future__ import annotations

import re

import numpy as np
import pytest
from solids import ORIENTATIONS, affine_of, blobs, mask_of, rotated, stored_as

from sagittal.errors import LabelError, SpacingUnknownError
from sagittal.io.labels import load_labels
from sagittal.measure import block as block_module
from sagittal.measure.atlas import Atlas, structure_shares
from sagittal.measure.block import block_of
from sagittal.measure.classes import Thresholds
from sagittal.measure.region_table import TABLES, load_region_table, parse_region_table
from sagittal.measure.regions import region_shares
from sagittal.resampling import resample

TABLE = parse_region_table(
    "title: Test\nspace: MNI152\nregions: {front: [A, B], back: [C]}\nunmapped: [D]\n", "test"
)
EIGHT = ["frontal", "parietal", "occipital", "temporal", "limbic", "insula", "subcortical", "cerebellum"]


def atlas_of(shape=(12, 10, 9), affine=None, seed=0) -> Atlas:
    values = np.random.default_rng(seed).choice([0, 5, 6, 70, 200], size=shape).astype(np.uint8)
    labels = {5: "A", 6: "B", 70: "C", 200: "D"}
    return Atlas("test", "MNI152", mask_of(values, affine, labels=labels), TABLE, "free")


@pytest.mark.parametrize("affine", [affine_of((0.5, 0.7, 1.1), (1, -2, 0.5)), rotated((0.6, 0.8, 1), 20)])
def test_shares_equal_a_resampled_atlas(affine, monkeypatch):
    atlas = atlas_of(affine=affine_of((1.3, 1.1, 2), (2, -3, 1)))
    inside = blobs(3, shape=(22, 25, 14))
    mask = mask_of(inside, affine)
    there = resample(atlas.mask.data, atlas.mask.geometry, mask.geometry, order=0)[inside]
    structures = {n: (there == v).mean() for v, n in atlas.mask.labels.items() if (there == v).any()}
    for chunk in (1 << 20, 7):
        monkeypatch.setattr(block_module, "_CHUNK", chunk)
        block = block_of(mask, "l1")
        assert structure_shares(block, atlas) == pytest.approx(structures)
        found = region_shares(block, atlas)
        assert found.shares["front"] == pytest.approx(structures["A"] + structures["B"])
        assert found.shares["back"] == pytest.approx(structures["C"])
        assert found.covered_share == pytest.approx(sum(found.shares.values()))
    assert found.covered_share < 1 - structures["D"] + 1e-9


def test_shares_are_the_same_however_mask_and_atlas_are_stored():
    # A fraction of a voxel off, so that no centre lies on a border between atlas voxels.
    affine = affine_of((1, 1, 1), (0.3, -0.2, 0.4))
    inside = blobs(6, shape=(12, 10, 9))
    atlas = atlas_of()
    reference = region_shares(block_of(mask_of(inside, affine), "l1"), atlas)
    for codes in ORIENTATIONS[::5]:
        turned = Atlas("t", "MNI152", atlas.mask.reorient(codes[::-1]), TABLE)
        found = region_shares(block_of(mask_of(*stored_as(inside, affine, codes)), "l1"), turned)
        assert found == reference


def test_a_label_outside_every_region_is_unlocalised():
    atlas = atlas_of()
    far = mask_of(np.ones((3, 3, 3), bool), affine_of(origin=(500, 0, 0)))
    found = region_shares(block_of(far, "l1"), atlas)
    assert found.shares == {} and found.covered_share == 0
    assert found.names() == ("unlocalised",) and found.names(Thresholds.published()) == ("N/A",)


def test_the_least_share_names_regions_on_both_sides_of_the_threshold():
    values = np.full((10, 10, 1), 5, np.uint8)
    values[0, 0] = 70
    atlas = Atlas("t", "MNI152", mask_of(values, labels={5: "A", 70: "C"}), TABLE)
    found = region_shares(block_of(mask_of(np.ones((10, 10, 1), bool)), "l1"), atlas)
    assert found.shares == {"front": 0.99, "back": 0.01}
    assert found.names() == ("front", "back") == found.names(Thresholds(min_share=0.01))
    assert found.names(Thresholds(min_share=0.0100001)) == ("front",)


def test_pixels_of_unknown_size_have_no_place():
    with pytest.raises(SpacingUnknownError):
        region_shares(block_of(mask_of(np.ones((3, 3, 1), bool), spacing_known=False), "l1"), atlas_of())


def test_an_atlas_with_a_structure_that_the_table_does_not_list_is_refused():
    values = np.ones((2, 2, 2), np.uint8)
    with pytest.raises(LabelError, match="does not list"):
        Atlas("t", "MNI152", mask_of(values, labels={1: "E"}), TABLE)


@pytest.mark.parametrize("name", TABLES)
def test_shipped_tables_have_the_papers_regions_and_list_each_structure_once(name):
    table = load_region_table(name)
    assert list(table.regions) == EIGHT + (["brainstem"] if name != "aal2" else [])
    assert table.space in ("MNI152", "SRI24") and table.title and table.volume and table.labels
    assert all(members for members in table.regions.values())


def test_shipped_tables_hold_whole_label_lists():
    counts = {n: sum(map(len, load_region_table(n).regions.values())) for n in TABLES}
    assert counts["aal2"] == 120 and counts["lpba40"] == 56
    assert load_region_table("aal2").unmapped == load_region_table("lpba40").unmapped == ()
    load_region_table("dk").require_all(load_labels("dk").names.values(), "dk")


@pytest.mark.parametrize(("name", "left", "right"), [
    ("aal2", "_L", "_R"), ("lpba40", "L_", "R_"), ("dk", "lh", "rh"), ("dk", "Left", "Right"),
])  # fmt: skip
def test_both_sides_of_a_structure_lie_in_one_region(name, left, right):
    table = load_region_table(name)
    for members in (*table.regions.values(), table.unmapped):
        for structure in members:
            other = re.sub(rf"(^|-){left}|{left}$", lambda m: m[0].replace(left, right), structure)
            assert other in members


def test_tables_agree_on_structures_that_they_share():
    aal, lpba, dk = (load_region_table(n) for n in TABLES)
    for one, two, three in (
        ("Fusiform_L", "L_fusiform_gyrus", "ctx-lh-fusiform"),
        ("Lingual_L", "L_lingual_gyrus", "ctx-lh-lingual"),
        ("ParaHippocampal_L", "L_parahippocampal_gyrus", "ctx-lh-parahippocampal"),
        ("Hippocampus_L", "L_hippocampus", "Left-Hippocampus"),
        ("Caudate_L", "L_caudate", "Left-Caudate"),
        ("Precentral_L", "L_precentral_gyrus", "ctx-lh-precentral"),
        ("Precuneus_L", "L_precuneus", "ctx-lh-precuneus"),
        ("Insula_L", "L_insular_cortex", "ctx-lh-insula"),
    ):
        assert aal.region_of(one) == lpba.region_of(two) == dk.region_of(three) is not None


@pytest.mark.parametrize("text", [
    "- a\n- b\n", "regions: [A]\n", "regions: {1: [A]}\n", "regions: {x: A}\n", "regions: {x: [1]}\n",
    "regions: {x: [A], y: [A]}\n", "regions: {x: [A]}\nunmapped: [A]\n", "regions: {x: [A]}\nmore: 1\n",
    "regions: {x: [A", "a: &a [A]\nregions: {x: *a}\n", "", "regions: " + "[" * 400,
    "regions: " + "[" * 100_000,
])  # fmt: skip
def test_damaged_tables_are_refused(text):
    with pytest.raises(LabelError):
        parse_region_table(text, "bad")


def test_a_users_own_table_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("regions: {lobe: [A]}\n", "utf-8")
    table = load_region_table(path)
    assert table.region_of("A") == "lobe" and table.space == ""
    with pytest.raises(LabelError, match="does not list"):
        table.region_of("B")
    with pytest.raises(LabelError, match="no such region table"):
        load_region_table("nonsense")
    path.write_text("#" * (1 << 21), "utf-8")
    with pytest.raises(LabelError, match="too large"):
        load_region_table(path)


@pytest.mark.shared_data
def test_the_lpba40_table_lists_the_whole_real_label_list(shared_data):
    structures = load_labels(shared_data / "sri24_lpba40" / "LPBA40-labels.txt").names.values()
    table = load_region_table("lpba40")
    table.require_all(structures, "LPBA40")
    assert len(structures) == 56
