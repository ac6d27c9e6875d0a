"""The parts of a MONAI bundle that are used, made from its config: network, preparation, sliding window.

Only callables that are named here are made, whatever the config says: none of them runs code that is given
as an argument, reads or writes files, or asks the internet for weights.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import monai.inferers
import monai.networks.nets
import monai.transforms
import torch

from sagittal.errors import FileFormatError
from sagittal.geometry import Triple
from sagittal.specialists.bundle_config import BundleConfig, Part
from sagittal.specialists.weights import read_weights

#: Networks of volumes that are made of convolutions alone; transformers of MONAI's need another package.
NETWORKS = (
    "AttentionUnet", "BasicUNet", "BasicUNetPlusPlus", "DynUNet", "HighResNet", "SegResNet", "SegResNetDS",
    "SegResNetDS2", "UNet", "VNet", "vista3d132",
)  # fmt: skip
#: The one that is told which classes to draw.
PROMPTED = "vista3d132"
PREPARING = (
    "CastToTyped", "ClipIntensityPercentilesd", "CropForegroundd", "EnsureTyped", "NormalizeIntensityd",
    "Orientationd", "ScaleIntensityRangePercentilesd", "ScaleIntensityRanged", "ScaleIntensityd", "Spacingd",
    "ThresholdIntensityd",
)  # fmt: skip
INFERERS = ("SlidingWindowInferer", "SlidingWindowInfererAdapt")
#: Ours instead: images come from memory, channels first, and what is made goes back there.
LOADING = ("LoadImaged", "EnsureChannelFirstd")
LEAVING = ("SaveImaged", "ToDeviced", "EnsureTyped", "CastToTyped")
# Sum of the numbers in the arguments of a network; voxels of a window, and around a cropped image.
_MOST_OF_ALL, _MOST_WINDOW, _MOST_MARGIN = 16_384, 1 << 25, 256
_MOST_OVERLAP, _FINEST_MM = 0.8, 0.1


def make_network(config: BundleConfig, path: Path) -> torch.nn.Module:
    """The bundle's network with its weights.

    Args:
        config: has it at ``network_def``.
        path: of the weights.

    Raises:
        FileFormatError: it is not one of :data:`NETWORKS`, or the weights are another network's.
    """
    part = config.part("network_def")
    _check_name(config, part, "monai.networks.nets", NETWORKS)
    arguments = config.arguments(part)
    size = sum(abs(number) for number in _numbers(arguments))
    if not size <= _MOST_OF_ALL:
        raise config.refused(part.key, f"more than {_MOST_OF_ALL} channels and layers", size)
    # Without memory: only what the file holds is ever allocated.
    with torch.device("meta"):
        network = _made(config, part, "monai.networks.nets", NETWORKS, arguments)
    weights = {name: tensor.float() if tensor.is_floating_point() else tensor
               for name, tensor in read_weights(path).items()}  # fmt: skip
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        told = [line.strip() for line in str(error).splitlines()]
        raise FileFormatError(
            "The weights do not fit the bundle's network.", expected=part.target,
            got=f"{path}: {' '.join(told[1:2])}",
        ) from error  # fmt: skip
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Preparation:
    """What is done to an image before the network looks at it.

    Attributes:
        key: under which the image stands.
        transforms: MONAI's, in order.
        spacings: millimetres of a voxel that it is resampled to on the way; not above 0 where it stays.
    """

    key: str
    transforms: monai.transforms.Compose
    spacings: tuple[tuple[float, ...], ...]


def make_preparation(
    config: BundleConfig, replaced: Collection[str], first: Sequence[tuple[str, Mapping[str, Any]]]
) -> Preparation:
    """The bundle's preparation.

    Args:
        config: has it at ``preprocessing``.
        replaced: targets there that settings stand for.
        first: transforms of the card's that come before: name and arguments.

    Raises:
        FileFormatError: one of them is not in :data:`PREPARING`, or is told to do too much.
    """
    parts = config.parts(_list_of(config, "preprocessing"))
    keys = {key for part in parts for key in _keys(config, part)}
    if len(keys) != 1:
        raise config.refused("preprocessing", "one image is prepared", ", ".join(sorted(keys)) or "none")
    [key] = keys
    steps = [_transform(config, name, key, given) for name, given in first]
    spacings = [tuple(given["pixdim"]) for name, given in first if name == "Spacingd"]
    for part in parts:
        if part.name in LOADING or part.target in replaced:
            continue
        _check_name(config, part, "monai.transforms", PREPARING)
        arguments = config.arguments(part)
        _check_preparing(config, part, arguments, key)
        steps.append(_made(config, part, "monai.transforms", PREPARING, arguments))
        if part.name == "Spacingd":
            given = list(_numbers(arguments["pixdim"]))
            spacings.append(tuple(given if len(given) == 3 else given[:1] * 3))
    return Preparation(key, monai.transforms.Compose(steps), tuple(spacings))


def _check_preparing(config: BundleConfig, part: Part, arguments: Mapping[str, Any], key: str) -> None:
    """What would need memory without bound, or another image, is refused."""
    for name in ("margin", "k_divisible"):
        if any(abs(number) > _MOST_MARGIN for number in _numbers(arguments.get(name, 0))):
            raise config.refused(f"{part.key}#{name}", f"more than {_MOST_MARGIN}", arguments[name])
    if any(0 <= number < _FINEST_MM for number in _numbers(arguments.get("pixdim", 1.0))):
        raise config.refused(f"{part.key}#pixdim", f"finer than {_FINEST_MM} mm", arguments["pixdim"])
    if arguments.get("source_key", key) != key:
        raise config.refused(f"{part.key}#source_key", "another image", arguments["source_key"])
    if arguments.get("track_meta", True) is not True or arguments.get("data_type", "tensor") != "tensor":
        raise config.refused(part.key, "the image would lose its geometry", part.target)


def make_window(
    config: BundleConfig, replaced: Collection[str], most: Triple | None, own: Mapping[str, Any]
) -> monai.inferers.SlidingWindowInferer:
    """The bundle's sliding window.

    Args:
        config: has it at ``inferer``.
        replaced: targets that settings stand for: of these, size and overlap are taken.
        most: voxels along each axis that are looked at at once.
        own: arguments of ours, which count before the bundle's.

    Raises:
        FileFormatError: it is not in :data:`INFERERS`, or larger than memory.
    """
    part = config.part("inferer")
    if part.target not in replaced:
        _check_name(config, part, "monai.inferers", INFERERS)
    taken = ("roi_size", "overlap", "mode", "sigma_scale", "padding_mode", "cval")
    given = Part(part.target, part.key, {k: v for k, v in part.written.items() if k in taken})
    arguments = {**config.arguments(given), **own}
    place = f"{part.key}#roi_size"
    size = arguments.pop("roi_size", None)
    size = [size] * 3 if isinstance(size, int) else size
    if not isinstance(size, list) or len(size) != 3 or not all(n is None or type(n) is int for n in size):
        raise config.refused(place, "no three whole numbers", size)
    if most is not None:
        # Nothing, or less, is the whole image.
        size = [min(n, limit) if n and n > 0 else limit for n, limit in zip(size, most, strict=True)]
    if not all(n and n > 0 for n in size) or math.prod(size) > _MOST_WINDOW:
        raise config.refused(place, "a window of so many voxels; the card's settings can limit it", size)
    overlap = arguments.get("overlap", 0.25)
    if not isinstance(overlap, int | float) or not 0 <= overlap <= _MOST_OVERLAP:
        raise config.refused(f"{part.key}#overlap", f"not between 0 and {_MOST_OVERLAP}", overlap)
    try:
        return monai.inferers.SlidingWindowInferer(roi_size=size, sw_batch_size=1, device="cpu", **arguments)
    except (TypeError, ValueError) as error:
        raise config.refused(part.key, "MONAI does not take its arguments", error) from error


@dataclass(frozen=True)
class Finish:
    """What the bundle does with the network's output.

    Attributes:
        activation: of the last layer, where the bundle says so.
        threshold: of regions.
        labels_first: whether labels are made before they are brought back to the image, or after.
    """

    activation: str | None
    threshold: float
    labels_first: bool


def read_finish(config: BundleConfig, replaced: Collection[str]) -> Finish:
    """How labels are made of the output, as far as settings of the card do not stand for it.

    Args:
        config: may have it at ``postprocessing``.
        replaced: targets there that settings stand for.

    Raises:
        FileFormatError: it does more than this.
    """
    activation, threshold, order = None, 0.5, []
    for part in config.parts(_list_of(config, "postprocessing")) if config.has("postprocessing") else []:
        if part.target in replaced or part.name in LEAVING:
            continue
        _check_name(config, part, "monai.transforms", ("Activationsd", "AsDiscreted", "Invertd"))
        order.append(part.name)
        if part.name == "Invertd":
            continue
        arguments = config.arguments(part)
        arguments.pop("keys", None)
        if part.name == "Activationsd":
            activation = next((name for name in ("sigmoid", "softmax") if arguments.pop(name, False)), None)
        elif arguments.get("threshold") is not None:
            threshold = arguments.pop("threshold")
        else:
            arguments.pop("argmax", None)
        if any(value not in (None, False) for value in arguments.values()):
            raise config.refused(part.key, "more than a threshold or the likeliest", arguments)
    if not isinstance(threshold, int | float) or not 0 < threshold < 1:
        raise config.refused("postprocessing", "a threshold beyond 0 to 1", threshold)
    back = order.index("Invertd") if "Invertd" in order else len(order)
    return Finish(activation, float(threshold), "AsDiscreted" in order[:back])


# -- what is made ------------------------------------------------------------------------------


def _transform(config: BundleConfig, name: str, key: str, given: Mapping[str, Any]) -> Any:
    """One of the card's."""
    arguments = {"keys": key, **given}
    if name == "CropForegroundd":
        arguments["source_key"] = key
    part = Part(name, f"settings ({name})", arguments)
    return _made(config, part, "monai.transforms", PREPARING, arguments)


def _made(
    config: BundleConfig, part: Part, module: str, allowed: Sequence[str], arguments: Mapping[str, Any]
) -> Any:
    _check_name(config, part, module, allowed)
    places = {"monai.transforms": monai.transforms, "monai.networks.nets": monai.networks.nets}
    try:
        with warnings.catch_warnings():
            # MONAI's notes on its own future.
            warnings.filterwarnings("ignore", r"monai\.", FutureWarning)
            return getattr(places[module], part.name)(**arguments)
    except (
        TypeError,
        ValueError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        RuntimeError,
    ) as error:
        raise config.refused(part.key, f"MONAI does not take its arguments ({error})", arguments) from error


def _check_name(config: BundleConfig, part: Part, module: str, allowed: Sequence[str]) -> None:
    """Whether a target is one of these, however it is spelt."""
    inside = part.target == part.name or part.target.startswith(f"{module}.")
    if not inside or part.name not in allowed:
        what = f"{part.target} is not one of {', '.join(allowed)}"
        raise config.refused(part.key, what, part.target)


def _list_of(config: BundleConfig, key: str) -> str:
    part = config.part(key)
    _check_name(config, part, "monai.transforms", ("Compose",))
    return f"{part.key}#transforms"


def _keys(config: BundleConfig, part: Part) -> list[str]:
    held = config.arguments(Part(part.target, part.key, {"keys": part.written.get("keys")}))["keys"]
    keys = held if isinstance(held, list) else [held]
    if not all(isinstance(key, str) for key in keys):
        raise config.refused(f"{part.key}#keys", "no name", held)
    return keys


def _numbers(value: Any) -> Iterator[float]:
    """Every number in arguments."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
