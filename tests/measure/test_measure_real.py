"""Every labelled real case is described without error and with plausible numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from literal_measures import component_metrics

from sagittal.files import to_json_text
from sagittal.io.labels import LabelTable, load_labels
from sagittal.io.nifti import read_image, read_mask
from sagittal.io.raster import read_picture_mask
from sagittal.measure import atlas_store
from sagittal.measure.block import block_of
from sagittal.measure.components import find_components
from sagittal.measure.describe import describe
from sagittal.measure.shape import component_shapes
from sagittal.study import Mask

pytestmark = pytest.mark.shared_data

GLIOMA = LabelTable.from_names({1: "NCR", 2: "ED", 3: "ET"})
DEEPMEDIC = LabelTable.from_names({1: "necrosis", 2: "oedema", 3: "nonenhancing", 4: "enhancing"})


@pytest.fixture(scope="module")
def lpba40(request, tmp_path_factory):
    shared = request.getfixturevalue("shared_data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGITTAL_HOME", str(tmp_path_factory.mktemp("home")))
        atlas_store.add("lpba40", shared / "sri24_lpba40")
        return atlas_store.load("lpba40")


def check(found, *, brain_ml=(700, 2000)):
    """What must hold of any description of a brain."""
    text = to_json_text(found.to_json())
    assert "NaN" not in text
    if found.brain_ml is not None:
        assert brain_ml[0] < found.brain_ml < brain_ml[1]
    for label in found.labels.values():
        if not label.voxels:
            continue
        assert label.volume_ml > 0 and 0 < label.core_share <= 1 <= label.components
        assert label.solidity <= 1 + 1e-12 and 0 < label.sphericity < 3
        assert label.elongation is None or label.elongation >= 1
        assert label.flatness is None or 0 <= label.flatness <= 1
        longest = label.diameters.longest_mm
        assert 0 < label.diameters.perpendicular_mm <= longest * (1 + 1e-9)
        assert longest <= np.linalg.norm(list(label.extent_mm.values())) + 1e-9
        for value in label.extent_mm.values():
            assert 0 < value < 250
        if label.covered_share is not None:
            assert (
                sum(label.regions.values()) == pytest.approx(label.covered_share) and label.covered_share <= 1
            )
        assert all(m.undefined for m in label.measurements() if m.value is None)
    return found


@pytest.mark.parametrize("case", [
    "test/brats_2013_pat0001_1", "test/brats_2013_pat0002_1", "train/brats_2013_pat0005_1",
    "train/brats_2013_pat0006_1", "validation/brats_2013_pat0003_1", "validation/brats_2013_pat0004_1",
])  # fmt: skip
def test_brats_deepmedic(shared_data, lpba40, case):
    folder = shared_data / "brats_deepmedic" / case
    mask = read_mask(folder / "OTMultiClass.nii.gz", DEEPMEDIC)
    # The mask's header scales its ones to 0.99999997, so it is read as numbers.
    scaled = read_image(folder / "brainmask.nii.gz")
    brain = Mask(scaled.data > 0.5, scaled.geometry, {1: "brain"})
    images = [
        read_image(folder / "Flair_subtrMeanDivStd.nii.gz", kind="flair"),
        read_image(folder / "T1c_subtrMeanDivStd.nii.gz", kind="t1c"),
    ]
    found = check(describe(mask, images=images, brain=brain, atlas=lpba40))
    assert found.warnings == () or all("mean over" in w for w in found.warnings)
    oedema = found.labels["oedema"]
    assert oedema.voxels > 1000 and oedema.covered_share > 0.2 and oedema.region_words() != ("unlocalised",)
    assert set(oedema.intensity) == {"flair", "t1c"}
    # Oedema is bright on FLAIR: above the brain's mean, which is 0 in these images.
    assert oedema.intensity["flair"].mean > 0.3
    # The background of these images is not zero, so they must not pass as skull-stripped.
    alone = describe(mask, images=images)
    assert alone.brain_ml is None and len([w for w in alone.warnings if "brain alone" in w]) == 2


def test_brats_gli(shared_data, lpba40):
    folder = shared_data / "brats_gli_00001"
    kinds = {"t1": "t1n", "t1c": "t1c", "t2": "t2w", "flair": "t2f"}
    images = [read_image(folder / f"BraTS-GLI-00001-000-{n}.nii.gz", kind=k) for k, n in kinds.items()]
    found = check(describe(read_mask(folder / "seg-BraTS23_1.nii.gz", GLIOMA), images=images, atlas=lpba40))
    assert found.brain_ml == pytest.approx(1638.9, abs=0.1)
    assert found.labels["ED"].voxels > 50_000 and found.labels["ED"].volume_class == "5-10%"
    assert found.labels["ET"].intensity["t1c"].mean > found.labels["NCR"].intensity["t1c"].mean
    assert all(m.covered_share > 0.1 for m in found.labels.values())
    # Its other copy is stored in another order with other label values.
    other = read_mask(folder / "seg-BraTS23_1_mapped.nii.gz")
    again = check(describe(other, images=images))
    assert sorted(m.voxels for m in again.labels.values()) == sorted(m.voxels for m in found.labels.values())


def test_tcga(shared_data, lpba40):
    folder = shared_data / "tcga_du_7294"
    kinds = {"t1": "t1", "t1c": "t1c", "t2": "t2", "flair": "fla"}
    images = [read_image(folder / f"TCGA-DU-7294_{n}_bet.nii.gz", kind=k) for k, n in kinds.items()]
    found = check(describe(read_mask(folder / "TCGA-DU-7294_seg_fusion.nii.gz"), images=images, atlas=lpba40))
    assert len(found.labels) == 2 and 1000 < found.brain_ml < 1500


@pytest.mark.parametrize("subject", range(1, 11))
def test_white_matter_lesions(shared_data, subject):
    folder = shared_data / "nichart"
    mask = read_mask(folder / "dlwmls" / f"Subj{subject}_FL_DLWMLS.nii.gz", load_labels("wmh"))
    images = [
        read_image(folder / "fl" / f"Subj{subject}_FL.nii.gz", kind="flair"),
        read_image(folder / "t1" / f"Subj{subject}_T1.nii.gz", kind="t1"),
    ]
    anatomy = read_mask(folder / "dlmuse_seg" / f"Subj{subject}_T1_DLMUSE.nii.gz")
    found = check(describe(mask, images=images, brain=anatomy))
    lesions = found.labels["WMH"]
    assert lesions.components > 1 and lesions.brain_percent < 10
    assert lesions.intensity["t1"] is None and "another grid" in lesions.undefined["intensity.t1"]
    # Heads with their skull give no brain volume.
    assert describe(mask, images=images).brain_ml is None


@pytest.mark.parametrize("subject", range(1, 11))
def test_anatomy_of_149_labels(shared_data, subject):
    mask = read_mask(shared_data / "nichart" / "dlmuse_seg" / f"Subj{subject}_T1_DLMUSE.nii.gz")
    found = check(describe(mask, brain=mask), brain_ml=(800, 2000))
    assert len(found.labels) > 140
    assert sum(label.brain_percent for label in found.labels.values()) == pytest.approx(100)


@pytest.mark.parametrize(
    "path",
    [
        "brats_gli_00001/seg-bratstoolkit_isen.nii.gz",
        "totalseg_refs/example_seg.nii.gz",
        "totalseg_refs/example_seg_dicom.nii.gz",
        "totalseg_refs/example_seg_fast.nii.gz",
        "totalseg_refs/example_seg_fast_force_split.nii.gz",
        "totalseg_refs/example_seg_mr.nii.gz",
        "synthseg_labelmaps/data/training_label_maps/training_seg_01.nii.gz",
        "sri24_lpba40/lpba40.nii.gz",
    ],
)
def test_label_maps_of_other_origin(shared_data: Path, path: str):
    mask = read_mask(shared_data / path)
    found = describe(mask)
    assert len(found.labels) == len(mask.values())
    total = sum(label.volume_ml or 0 for label in found.labels.values())
    assert total == pytest.approx(np.count_nonzero(mask.data) * mask.geometry.voxel_volume / 1000)


@pytest.mark.parametrize("folder", ["sammed2d_demo", "cxr_lung_masks", "fundus_drive"])
def test_masks_of_pictures(shared_data: Path, folder: str):
    paths = sorted(p for p in (shared_data / folder).rglob("*.*") if p.parent.name in ("mask", "masks"))
    described = 0
    for path in paths[:20]:
        mask = read_picture_mask(path)
        found = describe(mask)
        described += 1
        assert sum(label.voxels for label in found.labels.values()) == np.count_nonzero(mask.data)
        assert all(label.volume_ml is None for label in found.labels.values() if label.voxels)
    assert described


def test_a_real_lesion_equals_the_literal_appendix(shared_data: Path):
    mask = read_mask(shared_data / "brats_gli_00001" / "seg-BraTS23_1.nii.gz", GLIOMA)
    components = find_components(block_of(mask, "NCR"))
    shapes = component_shapes(components)
    for index in np.argsort(-components.voxels)[:5]:
        alone = component_metrics(components.member(int(index)), mask.geometry.affine[:3, :3])
        for metric, values in shapes.values.items():
            np.testing.assert_allclose(values[index], alone[metric], rtol=2e-6)
