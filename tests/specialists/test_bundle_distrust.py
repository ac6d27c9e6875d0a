"""A bundle is foreign: nothing in it is executed, and nothing is taken from outside of its folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
import yaml
from monai_bundles import brats_config, write_brats

from sagittal.errors import FileFormatError, IntegrityError, StorageError
from sagittal.specialists import registry
from sagittal.specialists.bundle import open_bundle
from sagittal.specialists.bundle_config import read_config
from sagittal.specialists.card import read_card

CARD = read_card(Path(registry.__file__).parent / "cards/BRATS.yaml")


def with_settings(**settings):
    return CARD.model_copy(update={"settings": {**CARD.settings, **settings}})


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


NETWORK = brats_config()["network_def"]
PREPARING = brats_config()["preprocessing"]["transforms"]
POST = brats_config()["postprocessing"]["transforms"]


def preparing(*steps, **changed):
    """The published preparation and more."""
    return {"preprocessing": {"_target_": "Compose", "transforms": [*PREPARING, *steps]}, **changed}


def finishing(*steps):
    return {"postprocessing": {"_target_": "Compose", "transforms": [*POST, *steps]}}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        # Programs, in every place that is looked at.
        ({"network_def": "$__import__('os').mkdir(MARK)"}, "network_def"),
        ({"network_def": "$os.mkdir(MARK)"}, "network_def"),
        ({"network_def": {**NETWORK, "init_filters": "$__import__('os').mkdir(MARK)"}}, "init_filters"),
        ({"network_def": {**NETWORK, "init_filters": "$[8 for _ in [__import__('os').mkdir(MARK)]][0]"}},
         "init_filters"),
        ({"network_def": {**NETWORK, "init_filters": "@n"}, "n": "$__import__('os').mkdir(MARK)"}, "n is"),
        ({"network_def": {**NETWORK, "init_filters": "$(lambda: 8)()"}}, "init_filters"),
        ({"network_def": {**NETWORK, "act": "$torch.load"}}, "act"),
        ({"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "$exit()"}}, "roi_size"),
        # Callables, however they are spelt.
        ({"network_def": {"_target_": "os.mkdir", "path": "MARK"}}, "os.mkdir"),
        ({"network_def": {"_target_": "os.SegResNet"}}, "os.SegResNet"),
        ({"network_def": {"_target_": "monai.bundle.run"}}, "monai.bundle.run"),
        ({"network_def": {"_target_": "monai.networks.nets.TorchVisionFCModel"}}, "TorchVision"),
        ({"network_def": {"_target_": "monai.networks.nets.segresnet.torch.load"}}, "load"),
        ({"network_def": {"_target_": "monai.networks.nets.__builtins__"}}, "__builtins__"),
        ({"network_def": {**NETWORK, "norm": {"_target_": "os.mkdir", "path": "MARK"}}}, "norm"),
        ({"network_def": {**NETWORK, "_mode_": "debug"}}, "_mode_"),
        ({"network_def": {**NETWORK, "_requires_": "$os.mkdir(MARK)"}}, "_requires_"),
        ({"network_def": {**NETWORK, "_disabled_": True}, "inferer": {"_target_": "scripts.inferer.Mine"}},
         "scripts.inferer.Mine"),
        (preparing({"_target_": "Lambdad", "keys": "image", "func": "$os.mkdir"}), "Lambdad"),
        (preparing({"_target_": "LoadImage", "keys": "image"}), "LoadImage"),
        (preparing({"_target_": "monai.transforms.SaveImaged", "keys": "image"}), "SaveImaged"),
        (preparing({"_target_": "monai.transforms.io.array.os.mkdir", "keys": "image"}), "mkdir"),
        (preparing({"_target_": "NormalizeIntensityd", "keys": "image", "_disabled_": "$exit()"}),
         "_disabled_"),
        (preparing({"_target_": "CropForegroundd", "keys": "image", "source_key": "image",
                    "select_fn": "$lambda x: x"}), "select_fn"),
        (finishing({"_target_": "os.mkdir", "path": "MARK"}), "os.mkdir"),
        (finishing({"_target_": "AsDiscreted", "keys": "pred", "rounding": "torchrounding"}), "rounding"),
        # References that lead nowhere, in circles, or everywhere.
        ({"network_def": "@nothing"}, "nothing"),
        ({"network_def": "@a", "a": "@b", "b": "@a"}, "circle"),
        ({"network_def": "@a#x", "a": "@b#y", "b": "@a#x"}, "circle"),
        ({"network_def": "$@network_def"}, "circle"),
        ({"network_def": {**NETWORK, "blocks_down": ["@network_def#blocks_down"]}}, "itself"),
        ({"network_def": "%train.json#network_def"}, "reference"),
        ({"network_def": "@##inferer"}, "reference"),
        ({"network_def": {**NETWORK, "blocks_down": "@x9"},
          **{f"x{n}": [f"@x{n - 1}"] * 10 for n in range(1, 10)}, "x0": 1}, "too much"),
        # More than there is memory for.
        ({"network_def": {**NETWORK, "init_filters": 1 << 40}}, "channels"),
        ({"network_def": {**NETWORK, "blocks_down": [4_000] * 5}}, "layers"),
        ({"inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8], "overlap": 0.999999}},
         "overlap"),
        (preparing({"_target_": "Spacingd", "keys": "image", "pixdim": 1e-9}), "pixdim"),
        (preparing({"_target_": "CropForegroundd", "keys": "image", "source_key": "image",
                    "margin": 1 << 30}), "margin"),
        # What does not belong together.
        ({"network_def": {**NETWORK, "init_filters": "eight"}}, "arguments"),
        ({"network_def": {**NETWORK, "nonsense": 1}}, "nonsense"),
        ({"network_def": {**NETWORK, "in_channels": 3}}, "weights do not fit"),
        ({"network_def": []}, "no callable"),
        (preparing({"_target_": "NormalizeIntensityd", "keys": "label"}), "one image"),
        (preparing({"_target_": "EnsureTyped", "keys": "image", "track_meta": False}), "geometry"),
        ({"postprocessing": {"_target_": "Compose", "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True}]}}, "softmax"),
        ({"postprocessing": {"_target_": "Compose", "transforms": [
            {"_target_": "AsDiscreted", "keys": "pred", "threshold": 7}]}}, "threshold"),
    ],
)  # fmt: skip
def test_what_would_be_executed_or_makes_no_sense_is_refused_with_its_key(tmp_path, changes, key):
    mark = tmp_path / "mark"
    folder = write_brats(tmp_path / "bundle")
    path = folder / "configs/inference.json"
    path.write_text(json.dumps({**brats_config(), **changes}).replace("MARK", str(mark)))
    with pytest.raises(FileFormatError) as error:
        open_bundle(CARD, folder)
    assert key in str(error.value)
    assert not mark.exists()


def test_a_window_without_bounds_is_refused_or_limited_by_the_card(tmp_path):
    for size in ([1 << 30] * 3, -1, [16, None, 16]):
        folder = write_brats(tmp_path, inferer={"_target_": "SlidingWindowInferer", "roi_size": size})
        with pytest.raises(FileFormatError, match="window"):
            open_bundle(with_settings(window={}), folder)
        open_bundle(CARD, folder)


def test_programs_where_nobody_looks_do_no_harm(tmp_path):
    mark = tmp_path / "mark"
    harm = f"$__import__('os').mkdir('{mark}')"
    folder = write_brats(
        tmp_path / "bundle", imports=[harm], device=harm, run=[harm], evaluator={"_target_": "os.mkdir"},
        inferer={"_target_": "SlidingWindowInferer", "roi_size": 16, "device": harm, "sw_device": harm},
    )  # fmt: skip
    open_bundle(CARD, folder)
    assert not mark.exists()


def test_weights_that_are_programs_are_refused(tmp_path):
    folder, mark = write_brats(tmp_path / "bundle"), tmp_path / "mark"
    torch.save({"convInit.conv.weight": Evil(mark)}, folder / "models/model.pt")
    with pytest.raises(FileFormatError, match="could run a program"):
        open_bundle(CARD, folder)
    assert not mark.exists()


def test_files_outside_of_the_folder_are_refused(tmp_path):
    folder = write_brats(tmp_path / "bundle")
    for name in ("models/model.pt", "configs/inference.json", "configs/metadata.json"):
        path, outside = folder / name, tmp_path / Path(name).name
        path.rename(outside)
        with pytest.raises(StorageError, match="not whole"):
            open_bundle(CARD, folder)
        path.symlink_to(outside)
        with pytest.raises(IntegrityError, match="outside"):
            open_bundle(CARD, folder)
        path.unlink()
        outside.rename(path)
    open_bundle(CARD, folder)


def test_yaml_is_read_and_runs_nothing(tmp_path):
    folder = write_brats(tmp_path)
    config = json.loads((folder / "configs/inference.json").read_text())
    (folder / "configs/inference.json").unlink()
    path = folder / "configs/inference.yaml"
    path.write_text(yaml.safe_dump(config))
    open_bundle(CARD, folder)
    for text in ("!!python/object/apply:os.system ['true']", "- 1", "a: [", "a: &a [*a]\nnetwork_def: '@a'"):
        path.write_text(text)
        with pytest.raises(FileFormatError):
            open_bundle(CARD, folder)


def test_expressions_that_only_write_data_are_read(tmp_path):
    document = {
        "sizes": "$[1, -2.5, (3, 'x'), None, True]",
        "type": "$np.float32",
        "other": "$torch.int64",
        "map": "${'a': @sizes, 'b': @deep#0#x}",
        "deep": [{"x": "$@sizes"}],
        "call": "$monai.networks.nets.vista3d132(in_channels=@map#a#0)",
    }
    path = tmp_path / "inference.json"
    path.write_text(json.dumps(document))
    config = read_config(path)
    sizes = [1, -2.5, [3, "x"], None, True]
    assert config.plain("sizes") == sizes
    assert config.plain("type").__name__ == "float32" and config.plain("other") is torch.int64
    assert config.plain("map") == {"a": sizes, "b": sizes}
    part = config.part("call")
    assert (part.name, config.arguments(part)) == ("vista3d132", {"in_channels": 1})
    for text in (
        "$1 + 1",
        "$x",
        "$'@sizes'",
        "$f(1)",
        "$f(**@map)",
        "$a.b",
        "$",
        "$" + "(" * 500,
        "$1if 1else 2",
    ):
        path.write_text(json.dumps({"call": text}))
        with pytest.raises(FileFormatError, match="call is refused"):
            read_config(path).plain("call")


@pytest.mark.parametrize(
    "settings",
    [
        {"channels": []}, {"channels": ["T1c"]}, {"output": "points"}, {"colour": "red"}, {"outputs_mb": 0},
        {"window": {"most": [0, 8, 8]}}, {"orientation": "RAX"}, {"spacing": [1, 1]},
        {"draws": {"tumour": [{"output": "Oedema", "label": "oedema"}]}},
        {"draws": {"tumour": [{"output": "Tumor core", "label": "core"}]}},
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(tmp_path, settings):
    with pytest.raises(FileFormatError):
        open_bundle(with_settings(**settings), write_brats(tmp_path))
