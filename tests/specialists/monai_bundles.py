"""Bundles of the published layouts, small: written here, with weights whose output is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.networks.nets import SegResNet, UNet, vista3d132
from vista3d_classes import NAMES

CLASSES, REGIONS = NAMES, ("Tumor core", "Whole tumor", "Enhancing tumor")
#: What each region of the brain tumour bundle looks at, and from which value on it is there.
LOOKS_AT = {"Tumor core": ("T1c", 0.4), "Whole tumor": ("FLAIR", 0.2), "Enhancing tumor": ("T1", 0.9)}
BRATS_CHANNELS = ("T1c", "T1", "T2", "FLAIR")
# A logit is so many times what lies beyond the threshold; bfloat16 rounds by a hundredth of that.
_STEEP = 64.0


def _run(*steps: str) -> dict[str, Any]:
    """What a published config has around the parts that matter: all of it programs."""
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$list(sorted(glob.glob(@bundle_root + '/*.nii.gz')))",
        "network": "$@network_def.to(@device)",
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {"_target_": "SupervisedEvaluator", "device": "@device", "amp": True},
        "run": list(steps) or ["$@evaluator.run()"],
    }


def brats_config(**changes: Any) -> dict[str, Any]:
    """``configs/inference.json`` of brats_mri_segmentation, with a smaller network and window.

    Batch normalisation, which does nothing here, stands for group normalisation: so the output of a voxel
    depends on that voxel alone.
    """
    return {
        **_run(),
        "network_def": {
            "_target_": "SegResNet", "blocks_down": [1, 1], "blocks_up": [1], "init_filters": 8,
            "in_channels": 4, "out_channels": 3, "dropout_prob": 0.2, "norm": "batch",
        },
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "image_only": False},
                {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 8], "sw_batch_size": 1,
                    "overlap": 0.5},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image",
                 "meta_keys": "pred_meta_dict", "nearest_interp": False, "to_tensor": True},
                {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
                {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x: torch.where(x[[2]] > 0, 4, 0)"},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
        **changes,
    }  # fmt: skip


def metadata(inputs: tuple[str, ...], outputs: tuple[str, ...]) -> dict[str, Any]:
    """The part of ``configs/metadata.json`` that names channels."""

    def channels(names: tuple[str, ...]) -> dict[str, Any]:
        return {"num_channels": len(names), "channel_def": {str(n): name for n, name in enumerate(names)}}

    return {
        "version": "0.0.1",
        "monai_version": "1.4.0",
        "network_data_format": {
            "inputs": {"image": {"type": "image", **channels(inputs)}},
            "outputs": {"pred": {"type": "image", **channels(outputs)}},
        },
    }


def thresholds(channels: tuple[str, ...] = BRATS_CHANNELS, shift: int = 0) -> dict[str, torch.Tensor]:
    """Weights with which each region is where its channel lies above a value.

    Args:
        channels: in their order.
        shift: the value is looked up so many voxels further along the first axis, -1, 0 or 1.
    """
    order = [name.lower() for name in channels]
    network = SegResNet(**{k: v for k, v in brats_config()["network_def"].items() if k != "_target_"})
    state = network.state_dict()
    for name, tensor in state.items():
        fresh = 1.0 if name.endswith((".running_var", "norm1.weight", "norm2.weight", ".0.weight")) else 0.0
        state[name] = torch.full_like(tensor, fresh) if tensor.ndim == 1 else torch.zeros_like(tensor)
    for number, region in enumerate(REGIONS):
        channel, above = LOOKS_AT[region]
        state["convInit.conv.weight"][number, order.index(channel.lower()), 1 + shift, 1, 1] = 1.0
        state["conv_final.2.conv.weight"][number, number] = _STEEP
        state["conv_final.2.conv.bias"][number] = -_STEEP * above
    return state


def write_bundle(
    folder: Path, config: dict[str, Any], names: dict[str, Any], weights: dict[str, torch.Tensor]
) -> Path:
    """A bundle's folder."""
    for below in ("configs", "models"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    (folder / "configs/inference.json").write_text(json.dumps(config))
    (folder / "configs/metadata.json").write_text(json.dumps(names))
    torch.save(weights, folder / "models/model.pt")
    return folder


def write_brats(
    folder: Path, channels: tuple[str, ...] = BRATS_CHANNELS, shift: int = 0, **changes: Any
) -> Path:
    """A bundle of brain tumours, by :func:`thresholds`."""
    names = metadata(channels, REGIONS)
    return write_bundle(folder, brats_config(**changes), names, thresholds(channels, shift))


def spleen_config(**changes: Any) -> dict[str, Any]:
    """``configs/inference.json`` of spleen_ct_segmentation, with a smaller network and window."""
    return {
        **_run(),
        "network_def": {
            "_target_": "monai.networks.nets.UNet", "spatial_dims": 3, "in_channels": 1, "out_channels": 3,
            "channels": [4, 8], "strides": [2], "num_res_units": 1, "norm": "batch",
        },
        "image_key": "image",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "@image_key"},
                {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
                {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "$(1.5, 1.5, 2.0)",
                 "mode": "bilinear"},
                {"_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": -57, "a_max": 164,
                 "b_min": 0, "b_max": 1, "clip": True},
                {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [16, 16, 16], "sw_batch_size": 4,
                    "overlap": 0.5},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing",
                 "orig_keys": "@image_key", "nearest_interp": False, "to_tensor": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"},
            ],
        },
        **changes,
    }  # fmt: skip


def write_spleen(folder: Path, **changes: Any) -> Path:
    """A bundle of two organs, its weights drawn by chance."""
    config = spleen_config(**changes)
    torch.manual_seed(3)
    network = UNet(**{k: v for k, v in config["network_def"].items() if k != "_target_"})
    return write_bundle(
        folder, config, metadata(("image",), ("background", "spleen", "liver")), network.state_dict()
    )


def vista_config(**changes: Any) -> dict[str, Any]:
    """``configs/inference.json`` of vista3d 0.5, with a network of fewer channels and a smaller window."""
    ours = "monai.apps.vista3d.transforms."
    return {
        **_run("$@evaluator.run()"),
        "image_key": "image",
        "everything_labels": "$list(set([i+1 for i in range(132)]) - set([2,16]))",
        "metadata": "$json.loads(pathlib.Path(@bundle_root + '/configs/metadata.json').read_text())",
        "labels_dict": "$@metadata['network_data_format']['outputs']['pred']['channel_def']",
        "subclass": {"2": [14, 5], "21": "$list(range(33, 57)) + list(range(63, 98)) + [114, 120, 122]"},
        "input_channels": 1,
        "resample_spacing": [1.5, 1.5, 1.5],
        "patch_size": [32, 32, 32],
        "network_def": "$monai.networks.nets.vista3d132(encoder_embed_dim=8, in_channels=@input_channels)",
        "preprocessing_transforms": [
            {"_target_": "LoadImaged", "keys": "@image_key", "reader": "NibabelGPUReader",
             "image_only": True},
            {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
            {"_target_": "EnsureTyped", "keys": "@image_key", "device": "@device", "track_meta": True},
            {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@resample_spacing", "mode": "bilinear"},
            {"_target_": "CropForegroundd", "keys": "@image_key", "allow_smaller": True, "margin": 10,
             "source_key": "@image_key"},
            {"_target_": f"{ours}VistaPreTransformd", "keys": "@image_key", "subclass": "@subclass",
             "labels_dict": "@labels_dict"},
            {"_target_": "ScaleIntensityRanged", "keys": "@image_key", "a_min": -963.8247715525971,
             "a_max": 1053.678477684517, "b_min": 0, "b_max": 1, "clip": True},
            {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS"},
            {"_target_": "CastToTyped", "keys": "@image_key", "dtype": "$torch.float32"},
        ],
        "preprocessing": {"_target_": "Compose", "transforms": "$@preprocessing_transforms "},
        "inferer": {"_target_": "scripts.inferer.Vista3dInferer", "roi_size": "@patch_size", "overlap": 0.3,
                    "sw_batch_size": 1, "use_point_window": True},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "ToDeviced", "keys": "pred", "device": "cpu", "_disabled_": True},
                {"_target_": f"{ours}VistaPostTransformd", "keys": "pred"},
                {"_target_": "Invertd", "keys": "pred", "transform": "$copy.deepcopy(@preprocessing)",
                 "orig_keys": "@image_key", "nearest_interp": True, "to_tensor": True},
                {"_target_": "Lambdad", "func": "$lambda x: torch.nan_to_num(x, nan=255)", "keys": "pred"},
                {"_target_": "SaveImaged", "keys": "pred", "resample": False, "output_dir": "@output_dir"},
            ],
        },
        **changes,
    }  # fmt: skip


def write_vista(folder: Path, **changes: Any) -> Path:
    """A bundle of VISTA3D's, its weights drawn by chance."""
    torch.manual_seed(4)
    weights = vista3d132(encoder_embed_dim=8).state_dict()
    return write_bundle(folder, vista_config(**changes), metadata(("image",), CLASSES), weights)


def normalised(data: np.ndarray) -> np.ndarray:
    """As NormalizeIntensityd does with what is not 0."""
    there = data != 0
    made = data.astype(np.float64)
    made[there] = (made[there] - made[there].mean()) / made[there].std()
    return made
