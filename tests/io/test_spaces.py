"""Template spaces are told from the grid alone, whatever the order of the array."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from sagittal.geometry import Geometry
from sagittal.io.nifti import read_image
from sagittal.io.spaces import recognise_space

BRATS = Geometry((240, 240, 155), np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]))
FSL = Geometry((182, 218, 182), np.array([[-1, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]]))
CODES = ["".join(c) for p in itertools.permutations(("RL", "AP", "SI")) for c in itertools.product(*p)]


@pytest.mark.parametrize("codes", CODES)
def test_the_order_of_the_array_does_not_matter(codes: str) -> None:
    assert recognise_space(BRATS.reoriented(codes)[0]).name == "SRI24"
    assert recognise_space(FSL.reoriented(codes)[0]).name == "MNI152"


def moved(grid: Geometry, by: tuple) -> Geometry:
    affine = grid.affine.copy()
    affine[:3, 3] += by
    return Geometry(grid.shape, affine)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_same_size_elsewhere_is_native(axis: int) -> None:
    for grid, name in ((BRATS, "SRI24"), (FSL, "MNI152")):
        by = np.eye(3)[axis]
        assert recognise_space(moved(grid, tuple(by * 0.74))).name == name
        off = recognise_space(moved(grid, tuple(by * 0.76)))
        assert off.name == "native" and "lies elsewhere" in off.reason


def test_other_grids_are_native() -> None:
    turned = FSL.affine @ np.array(
        [[0.999, -0.0447, 0, 0], [0.0447, 0.999, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    assert "oblique" in recognise_space(Geometry(FSL.shape, turned)).reason
    assert recognise_space(Geometry((182, 218, 181), FSL.affine)).name == "native"
    assert recognise_space(FSL.with_spacing((3, 3, 3))).name == "native"
    assert "unknown" in recognise_space(Geometry((9, 9, 1), np.eye(4), spacing_known=False)).reason
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-90, -126, -72)
    assert recognise_space(Geometry((91, 109, 91), affine)).name == "MNI152"


@pytest.mark.shared_data
def test_real_images(shared_data: Path) -> None:
    for name in ("brats_gli_00001/BraTS-GLI-00001-000-t1c.nii.gz", "sri24_lpba40/lpba40.nii.gz"):
        assert recognise_space(read_image(shared_data / name).geometry).name == "SRI24"
    for name in ("brats_gli_00001/seg-BraTS23_1_mapped.nii.gz", "totalseg_refs/example_ct_sm.nii.gz"):
        assert recognise_space(read_image(shared_data / name).geometry).name == "native"
