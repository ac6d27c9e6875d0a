"""Real cases: the settled splits are kept, the MUSE table is whole, and the scans are what they should be."""

from __future__ import annotations

import warnings
from itertools import islice

import numpy as np
import pytest

from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import SagittalWarning
from sagittal.geometry import Geometry
from sagittal.score.reals import (
    ANATOMY,
    TUMOUR_PARTS,
    _deepmedic,
    _nichart,
    muse_structures,
    muse_table,
    real_cases,
)
from sagittal.splits import split_of
from sagittal.study import Mask

FINAL = {
    "brats_2013_pat0001_1", "brats_2013_pat0002_1", "brats_2013_pat0003_1", "brats_2013_pat0004_1",
    "Subj8 T1", "Subj8 FLAIR", "Subj9 T1", "Subj9 FLAIR", "Subj10 T1", "Subj10 FLAIR",
}  # fmt: skip


def test_every_name_is_one_of_ours():
    table = structure_table()
    for name in (*muse_table(), *TUMOUR_PARTS, "white matter hyperintensities"):
        assert table[name].has_source
    assert set(ANATOMY) <= set(muse_table())


def test_tumour_parts_are_those_of_the_table_of_structures():
    for name, labels in TUMOUR_PARTS.items():
        assert set(labels) == set(structure_table()[name].labels)


def test_muse_values():
    table = muse_table()
    assert table["hippocampus"] == (47, 48)
    assert table["right hippocampus"] == (47,) and table["left hippocampus"] == (48,)
    assert table["cerebral white matter"] == tuple(range(81, 96))
    assert set(range(100, 208)) == set(table["cerebral cortex"])
    # What lies in the middle belongs to no side, so that a side alone would lack its share.
    assert "left cerebellum" not in table and "left cerebral white matter" not in table
    whole = [v for name in ANATOMY for v in table[name]]
    assert len(whole) == len(set(whole))


def test_masks_from_a_muse_map():
    data = np.zeros((4, 4, 4), np.uint8)
    data[0], data[1], data[2, 0] = 47, 48, 35
    masks = muse_structures(Mask(data, Geometry(data.shape, np.eye(4)), {47: "r", 48: "l", 35: "b"}))
    assert masks["hippocampus"].data.sum() == 32 and masks["left hippocampus"].data.sum() == 16
    assert masks["brainstem"].data.sum() == 4 and masks["putamen"].data.sum() == 0


def test_folders_that_are_absent_are_skipped_with_a_word(tmp_path):
    with pytest.warns(SagittalWarning, match="is not in") as said:
        assert list(real_cases(tmp_path)) == []
    assert len(said) == 4


def test_names_decide_the_split():
    assert split_of("BraTS-GLI-00001", dataset="brats_gli") == "validation"
    assert split_of("TCGA-DU-7294", dataset="tcga") == "validation"


@pytest.mark.shared_data
def test_final_cases_come_only_when_asked_for(shared_data, monkeypatch):
    import sagittal.score.reals as reals

    # Names are all that matters here: no file is read.
    monkeypatch.setattr(reals, "_image", lambda path, kind: None)
    monkeypatch.setattr(reals, "read_mask", lambda *a, **k: None)
    monkeypatch.setattr(reals, "_tumour", lambda mask: {})
    monkeypatch.setattr(reals, "_binary", lambda *a: None)
    monkeypatch.setattr(reals, "muse_structures", lambda mask: {})
    monkeypatch.setattr(reals, "Case", lambda name, source, images, truth: name)
    validation, final = list(real_cases(shared_data)), list(real_cases(shared_data, final=True))
    assert set(final) == FINAL and len(final) == len(FINAL)
    assert len(validation) == 2 + 1 + 1 + 14 and not set(validation) & FINAL


@pytest.mark.shared_data
def test_truth_lies_on_the_scans(shared_data):
    """Tissue has the brightness that its label says, on the grid where the truth is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SagittalWarning)
        tumour = next(_deepmedic(shared_data / "brats_deepmedic", "validation"))
        t1, wmh = islice(_nichart(shared_data / "nichart", "validation"), 2)
    flair, t1c = (i.data for i in tumour.images)
    inside = flair != 0
    oedema, enhancing = (tumour.truth[n].data != 0 for n in ("oedema", "enhancing tumour"))
    assert flair[oedema].mean() > np.percentile(flair[inside], 80)
    assert t1c[enhancing].mean() > np.percentile(t1c[inside], 80)
    whole, core = (tumour.truth[n].data.sum() for n in ("whole tumour", "tumour core"))
    assert whole == core + oedema.sum() and core > enhancing.sum() > 0
    means = {n: float(t1.images[0].data[t1.truth[n].data != 0].mean()) for n in ANATOMY}
    assert means["cerebral white matter"] > means["cerebral cortex"] > means["lateral ventricle"]
    left, right = (np.argwhere(t1.truth[f"{s} hippocampus"].data) for s in ("left", "right"))
    to_world = t1.images[0].geometry.to_world
    assert to_world(left.mean(axis=0))[0] < to_world(right.mean(axis=0))[0]
    bright = wmh.images[0].data
    assert (
        bright[wmh.truth["white matter hyperintensities"].data != 0].mean()
        > 1.3 * bright[bright > 100].mean()
    )
