"""MeshNet: as a plain chain of convolutions, in a grid of its own, back on the scan's; distrusted files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import FileFormatError, InputError, LabelError, SpacingUnknownError, StorageError
from sagittal.geometry import Geometry
from sagittal.specialists.meshnet import CONFORMED, MeshNet, MeshNetConfig, _classes, conform, open_meshnet
from sagittal.study import Image

DILATIONS = (1, 4, 16, 2)


def a_layer(before, after, dilation, kernel=3):
    padding = dilation if kernel == 3 else 0
    shape = {"kernel_size": kernel, "padding": padding, "stride": 1, "dilation": dilation}
    return {"in_channels": before, "out_channels": after, **shape}


def a_config(activation="elu", classes=18):
    layers = [a_layer(1 if n == 0 else 3, 3, d) for n, d in enumerate(DILATIONS)]
    return {"bnorm": False, activation: True, "layers": [*layers, a_layer(3, classes, 1, kernel=1)]}


def a_chain(config, activation):
    torch.manual_seed(0)
    made = []
    for layer in config["layers"]:
        keys = ("in_channels", "out_channels", "kernel_size")
        made += [nn.Conv3d(*(layer[k] for k in keys), padding=layer["padding"], dilation=layer["dilation"]),
                 activation()]  # fmt: skip
    chain = nn.Sequential(*made[:-1])
    with torch.no_grad():
        for weight in chain.parameters():
            # Strong enough that the classes differ from voxel to voxel.
            weight *= 3 if weight.ndim > 1 else 0.1
    return chain


def a_folder(path, config, chain, name="subcortical"):
    folder = path / name
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(config))
    save_file(
        {f"model.{k}": v.detach().contiguous() for k, v in chain.state_dict().items()}, folder / "model.pth"
    )
    return folder


@pytest.mark.parametrize(
    ("name", "activation"),
    [("elu", nn.ELU), ("gelu", nn.GELU), ("bias", nn.ReLU)],
    ids=["elu", "gelu", "relu"],
)
def test_slabs_make_no_difference(tmp_path, name, activation):
    config = a_config(name)
    chain = a_chain(config, activation)
    net = open_meshnet(a_folder(tmp_path, config, chain))
    # Longer than two slabs, with a last one that is not whole, and a dilation that reaches over a whole slab.
    values = np.random.default_rng(0).standard_normal((71, 9, 11), dtype=np.float32)
    with torch.no_grad():
        wanted = chain(torch.from_numpy(values)[None, None])[0]
    found = net.labels(values)
    assert found.shape == values.shape and len(np.unique(found)) > 3
    top = wanted.topk(2, dim=0).values
    sure = (top[0] - top[1] > 1e-5).numpy()
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], wanted.argmax(dim=0).numpy()[sure])


def test_conforming_goes_by_the_affine():
    data = np.zeros((40, 50, 30), np.float32)
    data[5:35, 10:40, 5:25] = 1
    data[5:15] = 3 * data[5:15]
    image = Image(data, Geometry(data.shape, np.diag([4.0, 4.0, 6.0, 1.0])), "t1", "scan")
    first, grid = conform(image)
    assert first.shape == (CONFORMED,) * 3 and grid.orientation == "LIA" and grid.spacing == (1, 1, 1)
    assert first.min() == 0 and first.max() == 1
    middle = grid.to_world(np.full(3, (CONFORMED - 1) / 2))
    np.testing.assert_allclose(middle, image.geometry.to_world((np.array(image.shape) - 1) / 2))
    again, _ = conform(image.reorient("PIR"))
    np.testing.assert_allclose(again, first, atol=1e-6)
    # The bright slab lies on the patient's left: at the high end of the first axis.
    bright = np.argwhere(first > 0.9)
    assert bright[:, 0].min() > CONFORMED / 2


def test_what_cannot_be_conformed():
    flat = np.zeros((4, 4, 4), np.float32)
    grid = Geometry(flat.shape, np.eye(4))
    with pytest.raises(InputError, match="the same nearly everywhere"):
        conform(Image(flat, grid, "t1", "empty"))
    with pytest.raises(SpacingUnknownError):
        conform(Image(flat, Geometry(flat.shape, np.eye(4), spacing_known=False), "t1", "picture"))
    with pytest.raises(InputError, match="one channel"):
        conform(Image(np.zeros((4, 4, 4, 3), np.uint8), grid, "t1", "colours"))


class Fixed(MeshNet):
    """Finds class 14 in the patient's left half, 13 elsewhere."""

    def labels(self, conformed):
        made = np.full(conformed.shape, 13, np.uint8)
        made[CONFORMED // 2 :] = 14
        return made


def test_masks_come_back_on_the_first_image():
    net = Fixed(MeshNetConfig.model_validate(a_config()), [], _classes()["subcortical"])
    rng = np.random.default_rng(0)
    t1 = Image(rng.random((20, 20, 10)), Geometry((20, 20, 10), np.diag([5.0, 5.0, 9.0, 1.0])), "t1", "t1")
    affine = np.diag([-10.0, 10.0, 10.0, 1.0])
    affine[:3, 3] = 95, 0, 0
    flair = Image(rng.random((10, 10, 10)), Geometry((10, 10, 10), affine), "flair", "flair")
    masks = net([flair, t1], ["hippocampus", "brainstem", "putamen"])
    assert all(mask.geometry is flair.geometry for mask in masks.values())
    # Its first axis runs to the left here: the left half is the second half.
    assert masks["hippocampus"].data[5:].all() and not masks["hippocampus"].data[:5].any()
    assert masks["brainstem"].data[:5].all() and not masks["putamen"].data.any()
    with pytest.raises(LabelError, match="does not draw"):
        net([t1], ["whole tumour"])
    for images in ([flair], [t1, t1]):
        with pytest.raises(InputError, match="one T1"):
            net(images, ["brainstem"])


def test_every_class_has_a_known_name():
    for table in _classes().values():
        for name, values in table.items():
            assert structure_table()[name].has_source and all(0 < v < 18 for v in values)


def test_damaged_folders(tmp_path):
    config = a_config()
    chain = a_chain(config, nn.ELU)
    with pytest.raises(LabelError, match="not known"):
        open_meshnet(a_folder(tmp_path, config, chain, name="stranger"))
    folder = a_folder(tmp_path, config, chain)
    wrong = {**config, "layers": [a_layer(1, 4, 1), *config["layers"][1:]]}
    for text, message in (
        ("{", "not a MeshNet's"),
        (json.dumps({**config, "bnorm": True}), "not a MeshNet's"),
        (
            json.dumps({**config, "layers": [{**config["layers"][0], "out_channels": 10**9}] * 2}),
            "not a MeshNet's",
        ),
        (json.dumps(wrong), "do not fit"),
        (json.dumps({**config, "layers": config["layers"][:-1]}), "more than"),
        (json.dumps({**config, "bias": False}), "do not fit"),
    ):
        (folder / "model.json").write_text(text)
        with pytest.raises(FileFormatError, match=message):
            open_meshnet(folder)
    (folder / "model.json").write_text(json.dumps(config))
    (folder / "model.pth").write_bytes(b"\xff" * 100)
    with pytest.raises(FileFormatError, match="damaged"):
        open_meshnet(folder)
    (folder / "model.pth").unlink()
    with pytest.raises(StorageError):
        open_meshnet(folder)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["subcortical", "model18cls"])
def test_the_published_weights_are_read(shared_data, name):
    net = open_meshnet(shared_data / "brainchop_models" / "meshnet" / name)
    labels = net.labels(np.random.default_rng(0).random((8, 8, 8), dtype=np.float32))
    assert labels.max() < 18
