"""DeepBET: with networks whose answer is known, in every orientation; what it refuses; the real ones."""

from __future__ import annotations

import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from sagittal.errors import FileFormatError, InputError, IntegrityError
from sagittal.geometry import Geometry
from sagittal.specialists import deepbet
from sagittal.specialists.card import read_card
from sagittal.specialists.deepbet import DeepBET, open_deepbet
from sagittal.specialists.needs import missing
from sagittal.study import Image, Study

CARD_FILE = Path(deepbet.__file__).parent / "cards" / "DeepBET.yaml"
ORIENTATIONS = [
    "".join(codes)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for codes in itertools.product(*order)
]


class Bright(nn.Module):
    """Finds brain where the scan is brighter than the networks' mean."""

    def forward(self, x):
        brain = (x > deepbet._MEAN + 0.1).float()
        return torch.cat([1 - brain, brain], dim=1)


class Nothing(nn.Module):
    def forward(self, x):
        return torch.cat([torch.ones_like(x), torch.zeros_like(x)], dim=1)


@pytest.fixture
def small(monkeypatch):
    """The networks look at less, so that each look is fast."""
    monkeypatch.setattr(deepbet, "_BOX_SIZE", (32,) * 3)
    monkeypatch.setattr(deepbet, "_BRAIN_SIZE", (64,) * 3)


def head(dtype=np.float32):
    """A bright block with a hole, a smaller one apart from it, and where the brain is."""
    brain = np.zeros((32, 32, 32), bool)
    brain[6:20, 8:24, 10:22] = True
    data = np.zeros(brain.shape, dtype)
    data[brain] = 100
    data[10:12, 12:15, 14:17] = 0
    data[25:28, 10:12, 12:14] = 100
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    affine[:3, 3] = (-20, -30, 5)
    return Image(data, Geometry(data.shape, affine), "t1", "head"), brain


def drawn(image, specialist=None):
    return (specialist or DeepBET(Bright(), Bright())).run(Study("s", "p", (image,)), "brain")


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_brain_lies_where_it_is(codes, small):
    image, brain = head()
    turned = image.reorient(codes)
    mask = drawn(turned)
    assert mask.geometry.same_grid(turned.geometry) and mask.labels == {1: "brain"}
    # Holes are filled, and what lies apart is left out.
    np.testing.assert_array_equal(mask.reorient("RAS").data, brain)


def test_at_the_size_of_the_networks():
    image, brain = head(np.uint16)
    np.testing.assert_array_equal(drawn(image).data, brain)


def test_values_that_are_no_numbers_are_dark(small):
    image, brain = head()
    image.data[0, :5], image.data[1, :5], image.data[2, :5] = np.nan, -np.inf, np.inf
    image.data[:, 0] -= 50
    # Ever so many bright ones outside: they are not of the largest piece.
    np.testing.assert_array_equal(drawn(image).data, brain)
    empty = np.full((8, 8, 8), np.nan, np.float32)
    with pytest.raises(InputError, match="holds no numbers"):
        drawn(Image(empty, Geometry(empty.shape, np.eye(4)), "t1", "empty"))


def test_scans_without_a_brain_are_refused(small):
    image, _ = head()
    flat = Image(np.full((8, 8, 8), 7, np.int16), Geometry((8, 8, 8), np.eye(4)), "t1", "flat")
    with pytest.raises(InputError, match="same nearly everywhere"):
        drawn(flat)
    for networks in ((Nothing(), Bright()), (Bright(), Nothing())):
        with pytest.raises(InputError, match="No brain was found"):
            drawn(image, DeepBET(*networks))
    # One voxel is no brain: the first network must see it in a fiftieth of a plane.
    speck = np.random.default_rng(0).uniform(0, 10, (32, 32, 32)).astype(np.float32)
    speck[5, 5, 5] = 1_000
    specialist = DeepBET(Speck(), Bright())
    with pytest.raises(InputError, match="No brain was found"):
        drawn(Image(speck, Geometry(speck.shape, np.eye(4)), "t1", "speck"), specialist)


class Speck(nn.Module):
    def forward(self, x):
        brain = (x == x.amax()).float()
        brain *= torch.arange(brain.numel()).reshape(brain.shape) == brain.argmax()
        return torch.cat([1 - brain, brain], dim=1)


def test_nothing_to_see_in_the_box(small):
    # Bright in its whole box, which reaches to the border on all sides.
    image, _ = head()
    data = np.zeros_like(image.data)
    data[1:-1, 1:-1, 1:-1] = 100
    mask = drawn(Image(data, image.geometry, "t1", "full"))
    np.testing.assert_array_equal(mask.data, data > 0)
    with pytest.raises(InputError, match="No brain was found"):
        DeepBET(Bright(), Bright())._brain_in(Bright(), torch.full((4, 4, 4), 5.0), 0, 1)


@pytest.mark.parametrize("shape", [(2, 40, 300), (1, 1, 1), (500, 3, 7)])
def test_the_box_ends_with_the_grid(shape):
    found = np.zeros((128,) * 3, bool)
    found[:30, 60:, 100:] = True
    box = deepbet._box(found, shape)
    for span, voxels in zip(box, shape, strict=True):
        assert 0 <= span.start < span.stop <= voxels


def test_the_box_has_a_margin():
    found = np.zeros((128,) * 3, bool)
    found[30:90, 40:80, 20:120] = True
    assert deepbet._box(found, (256, 128, 128)) == (slice(48, 192), slice(36, 84), slice(10, 128))


def test_colours_are_not_looked_at():
    image = Image(np.zeros((4, 4, 4, 3), np.uint8), Geometry((4, 4, 4), np.eye(4)), "t1", "colours")
    assert "grey" in (DeepBET(Nothing(), Nothing()).accepts(Study("s", "p", (image,))) or "")
    assert DeepBET(Nothing(), Nothing()).accepts(Study("s", "p", (head()[0],))) is None


def test_only_the_networks_that_the_card_names(tmp_path):
    card = read_card(CARD_FILE)
    unnamed = card.model_copy(update={"needs": card.needs.model_copy(update={"weights": ()})})
    with pytest.raises(FileFormatError, match="SHA-256"):
        open_deepbet(unnamed, tmp_path)
    own = [w.model_copy(update={"package": None, "file": Path(w.file).name}) for w in card.needs.weights]
    for weights in own:
        (tmp_path / weights.file).write_bytes(b"another network")
    other = card.model_copy(update={"needs": card.needs.model_copy(update={"weights": tuple(own)})})
    with pytest.raises(IntegrityError, match="another one"):
        open_deepbet(other, tmp_path)


@pytest.mark.shared_data
def test_a_real_brain(shared_data):
    card = read_card(CARD_FILE)
    if missing(card, CARD_FILE.parent):
        pytest.skip("the package deepbet is not installed")
    file = nib.load(shared_data / "nichart" / "t1" / "Subj1_T1.nii.gz")
    scan = Image(np.asarray(file.dataobj), Geometry(file.shape, file.affine), "t1", "T1")
    parts = nib.load(shared_data / "nichart" / "dlmuse_seg" / "Subj1_T1_DLMUSE.nii.gz")
    anatomy = np.asarray(parts.dataobj) > 0
    specialist = open_deepbet(card, CARD_FILE.parent)
    brain = drawn(scan, specialist).data > 0
    # As many voxels as the package's own code finds: 1,575 ml; it counts the fluid around as brain.
    assert brain.sum() == pytest.approx(196_869, rel=2e-3)
    assert (brain & anatomy).sum() / anatomy.sum() > 0.98
    turned = drawn(scan.reorient("PIR"), specialist)
    both = (turned.reorient("LPS").data > 0) & brain
    assert 2 * both.sum() / (brain.sum() + np.count_nonzero(turned.data)) > 0.999
