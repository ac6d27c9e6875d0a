"""The vision half alone: as the networks draw with the same φ; in parts as at once; distrusted files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from voxelprompt_world import ball, tiny_model, tiny_tokenizer

from sagittal.errors import ConfigError, FileFormatError, InputError, StorageError
from sagittal.geometry import Geometry
from sagittal.models.voxelprompt import VoxelPrompt
from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.models.voxelprompt.eyes_storage import open_eyes, save_eyes
from sagittal.models.voxelprompt.preparation import prepare
from sagittal.nn.grids import StreamGrids
from sagittal.study import Image

NAMES = ["whole tumour", "left hippocampus", "right hippocampus", "brain", "oedema"]
FINE = Geometry((30, 32, 28), np.diag([-4.5, 4.5, 6.0, 1.0]))
COARSE = Geometry((22, 24, 20), np.diag([6.0, 6.0, 8.0, 1.0]))


@pytest.fixture(scope="module")
def model() -> VoxelPrompt:
    return tiny_model(tiny_tokenizer())


@pytest.fixture(scope="module")
def images() -> list[Image]:
    rng = np.random.default_rng(0)
    made = []
    for geometry, kind in ((FINE, "t1"), (COARSE, "flair")):
        middle = [n / 2 for n in geometry.shape]
        head = ball(geometry, middle, 0.4 * min(geometry.shape)) * 100
        made.append(Image(head + rng.normal(0, 3, geometry.shape).astype(np.float32), geometry, kind, kind))
    return made


def eyes_of(model: VoxelPrompt, **more) -> CodebookEyes:
    return CodebookEyes(model.encoder, model.generator, model.config, **more)


def logits_of(model, images, name):
    """One structure's logits by the networks themselves."""
    prepared = prepare(images, model.config.preparation)
    channels = model.config.vision.phi_channels
    grids = StreamGrids.of([p.frame.grid for p in prepared], model.levels)
    data = [torch.from_numpy(p.data)[None] for p in prepared]
    with torch.no_grad():
        encoding = model.encoder(data, grids, image_codes([i.kind for i in images], channels)[None])
        code = structure_codes([name], channels).expand(len(images), -1)
        [drawn] = model.generator(model.generator.prepare(encoding), code[None, None], streams=[0])
    return prepared[0].frame, drawn[0, 0]


def test_as_the_networks_themselves(model, images):
    masks = eyes_of(model, together=2)(images, NAMES)
    assert list(masks) == NAMES
    for name in (NAMES[0], NAMES[-1]):
        frame, logits = logits_of(model, images, name)
        wanted = frame.restore(logits, name)
        assert masks[name].labels == {1: name} and masks[name].geometry is FINE
        assert (masks[name].data != wanted.data).mean() < 1e-4
    drawn = [mask.data for mask in masks.values()]
    assert all(0 < d.mean() < 1 for d in drawn) and not all((d == drawn[0]).all() for d in drawn)


@pytest.mark.parametrize("together", [1, 3, 99])
def test_parts_make_no_difference(model, images, together):
    at_once = eyes_of(model, together=len(NAMES))(images, NAMES)
    in_parts = eyes_of(model, together=together)(images, NAMES)
    for name in NAMES:
        assert (at_once[name].data != in_parts[name].data).mean() < 1e-4


def test_the_first_images_grid_decides(model, images):
    masks = eyes_of(model)(images[::-1], ["brain"])
    assert masks["brain"].geometry is COARSE


def test_nothing_at_once_is_refused(model):
    with pytest.raises(ConfigError, match="At least one"):
        eyes_of(model, together=0)


def test_from_a_file(model, images, tmp_path):
    wanted = eyes_of(model)(images, ["brain"])["brain"].data
    save_eyes(tmp_path / "eyes.pt", eyes_of(model))
    assert (open_eyes(tmp_path / "eyes.pt")(images, ["brain"])["brain"].data == wanted).all()
    other = {"brain": torch.linspace(-0.2, 3, model.config.vision.phi_channels)}
    save_eyes(tmp_path / "own.pt", eyes_of(model, codes=other))
    eyes = open_eyes(tmp_path / "own.pt")
    assert (eyes(images, ["brain"])["brain"].data != wanted).any()
    with pytest.raises(InputError, match="has no φ"):
        eyes(images, ["thalamus"])
    with pytest.raises(StorageError):
        open_eyes(tmp_path)


def test_damaged_files(model, tmp_path):
    path = tmp_path / "eyes.pt"
    with pytest.raises(StorageError):
        open_eyes(path)
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(FileFormatError, match="not a saved state"):
        open_eyes(path)
    torch.save({"encoder": {}, "generator": {}}, path)
    with pytest.raises(FileFormatError, match="and its φ"):
        open_eyes(path)
    torch.save([1, 2], path)
    with pytest.raises(FileFormatError, match="and its φ"):
        open_eyes(path)
    # A run's file does not say how large its networks are, nor whose φ is whose.
    torch.save({"module": model.state_dict()}, path)
    with pytest.raises(FileFormatError, match="and its φ"):
        open_eyes(path)
    config = model.config.model_dump(mode="json")
    torch.save({"encoder": {}, "generator": {}, "config": config, "codes": None}, path)
    with pytest.raises(FileFormatError, match="does not fit"):
        open_eyes(path)
    torch.save({"encoder": {}, "generator": {}, "codes": None, "config": {**config, "stranger": 1}}, path)
    with pytest.raises(FileFormatError, match="does not fit"):
        open_eyes(path)
