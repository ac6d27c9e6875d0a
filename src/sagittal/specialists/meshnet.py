"""MeshNet of brainchop: anatomy on a T1, as a reference to compare with.

A chain of dilated 3×3×3 convolutions with an activation each, at the scan's full resolution, and a 1×1×1
convolution to classes (Fedorov et al. 2017; Masoud et al. 2023, "Brainchop"). The scan is first conformed as
FreeSurfer's ``mri_convert --conform`` does: 256³ voxels of 1 mm, axes towards left, inferior, anterior, their
middle at the scan's; intensities are cut at the 2nd and 98th percentile and brought to [0, 1].

The weights are not part of this project: a folder of ``model.json`` and ``model.pth`` (safetensors) is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from torch.nn import functional

from sagittal.errors import FileFormatError, InputError, LabelError
from sagittal.files import storage_errors
from sagittal.geometry import Geometry
from sagittal.resampling import resample
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.merging import merged
from sagittal.study import Image, Mask, Study

if TYPE_CHECKING:
    from sagittal.runtime import Runtime

#: Voxels of 1 mm along each axis of the conformed scan.
CONFORMED = 256
_AXES = "LIA"
_PERCENTILES = (2.0, 98.0)
# Planes convolved at once: a layer's output is made slab by slab, so that memory holds two layers and a slab.
_SLAB = 32
_MOST_CHANNELS, _MOST_LAYERS = 256, 64


class Layer(BaseModel):
    """One convolution of ``model.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    in_channels: int = Field(ge=1, le=_MOST_CHANNELS, description="channels in")
    out_channels: int = Field(ge=1, le=_MOST_CHANNELS, description="channels out")
    kernel_size: Literal[1, 3] = Field(description="voxels along each axis")
    padding: int = Field(ge=0, le=CONFORMED, description="zeros around; keeps the size")
    stride: Literal[1] = Field(description="voxels a step")
    dilation: int = Field(ge=1, le=CONFORMED, description="voxels between a kernel's taps")


class MeshNetConfig(BaseModel):
    """``model.json``. Models with batch normalisation are not read: their published weights lack it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: str = Field(default="", description="what the model is, in words")
    bnorm: Literal[False] = Field(description="batch normalisation after each convolution")
    elu: bool = Field(default=False, description="ELU after each convolution but the last")
    gelu: bool = Field(default=False, description="GELU instead; ReLU where neither is set")
    dropout_p: float = Field(default=0.0, ge=0, le=1, description="dropout in training; none here")
    bias: bool = Field(default=True, description="convolutions have a bias")
    layers: tuple[Layer, ...] = Field(min_length=2, max_length=_MOST_LAYERS, description="in order")


class MeshNet:
    """A vision function (:mod:`sagittal.score.segmentation`) that draws anatomy on a T1.

    Args:
        config: of its layers.
        weights: ``(weight, bias)`` of each.
        classes: structure → class values that make it up.
        runtime: device and precision; single precision on the CPU when ``None``.
    """

    def __init__(
        self,
        config: MeshNetConfig,
        weights: Sequence[tuple[Tensor, Tensor | None]],
        classes: Mapping[str, tuple[int, ...]],
        *,
        runtime: Runtime | None = None,
    ) -> None:
        self.config, self.classes = config, classes
        self.device = runtime.device if runtime is not None else torch.device("cpu")
        self.dtype = runtime.dtype if runtime is not None else torch.float32
        self.weights = [
            (w.to(self.device, self.dtype), None if b is None else b.to(self.device, self.dtype))
            for w, b in weights
        ]

    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """Masks on the first image's grid, from the one T1 among the images.

        Raises:
            InputError: there is not one T1.
            LabelError: a structure that the model does not draw.
        """
        strange = [name for name in structures if name not in self.classes]
        if strange:
            raise LabelError(
                "This MeshNet does not draw this.", expected=", ".join(self.classes), got=strange
            )
        scans = [image for image in images if image.kind == "t1"]
        if len(scans) != 1:
            raise InputError("MeshNet takes one T1.", expected="one t1", got=[i.kind for i in images])
        conformed, grid = conform(scans[0])
        target = images[0].geometry
        labels = self.labels(conformed)
        masks = {}
        for name in structures:
            data = _fills_half(np.isin(labels, self.classes[name]), grid, target)
            masks[name] = Mask(data, target, {1: name}, f"{name} by MeshNet", images[0].session)
        return masks

    @torch.inference_mode()
    def labels(self, conformed: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The likeliest class of every voxel of a conformed scan, (X, Y, Z)."""
        x = torch.from_numpy(conformed)[None, None].to(self.device, self.dtype)
        for layer, (weight, bias) in zip(self.config.layers[:-1], self.weights[:-1], strict=True):
            x = self._layer(x, layer, weight, bias)
        last, (weight, bias) = self.config.layers[-1], self.weights[-1]
        slabs = [
            self._convolve(x, last, weight, bias, first).argmax(dim=1)[0].to(torch.uint8)
            for first in range(0, x.shape[2], _SLAB)
        ]
        return torch.cat(slabs).cpu().numpy()

    def _layer(self, x: Tensor, layer: Layer, weight: Tensor, bias: Tensor | None) -> Tensor:
        made = x.new_empty((1, layer.out_channels, *x.shape[2:]))
        for first in range(0, x.shape[2], _SLAB):
            slab = self._convolve(x, layer, weight, bias, first)
            made[:, :, first : first + _SLAB] = self._activate(slab)
        return made

    def _convolve(self, x: Tensor, layer: Layer, weight: Tensor, bias: Tensor | None, first: int) -> Tensor:
        """The convolution's output for planes ``first`` to ``first + _SLAB`` of the first axis."""
        last = min(first + _SLAB, x.shape[2])
        low, high = first - layer.padding, last + layer.padding
        part = x[:, :, max(0, low) : min(x.shape[2], high)]
        part = functional.pad(part, (0, 0, 0, 0, max(0, -low), max(0, high - x.shape[2])))
        around = (0, layer.padding, layer.padding)
        return functional.conv3d(part, weight, bias, padding=around, dilation=layer.dilation)

    def _activate(self, x: Tensor) -> Tensor:
        if self.config.elu:
            return functional.elu(x, inplace=True)
        return functional.gelu(x) if self.config.gelu else functional.relu(x, inplace=True)


def _fills_half(found: NDArray[np.bool_], grid: Geometry, target: Geometry) -> NDArray[np.uint8]:
    """The voxels of a grid that a structure fills at least half of, (X, Y, Z) of 0 and 1."""
    places = np.argwhere(found)
    if not len(places):
        return np.zeros(target.shape, np.uint8)
    # Room for the smoothing that a coarser grid needs; beyond the border it sees the border.
    room = 4 + int(2 * max(target.spacing))
    start = np.maximum(places.min(axis=0) - room, 0)
    stop = np.minimum(places.max(axis=0) + 1 + room, found.shape)
    box = found[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    share = resample(box.astype(np.float32), grid.cropped(start, stop), target, order=1)
    return (share >= 0.5).view(np.uint8)


def conform(image: Image) -> tuple[NDArray[np.float32], Geometry]:
    """A scan as MeshNet takes it, and its grid.

    Args:
        image: of one channel, with a known spacing.

    Raises:
        SpacingUnknownError: the image does not state its spacing.
        InputError: a colour image, or one that is the same everywhere.
    """
    image.geometry.require_spacing("Conforming a scan")
    if image.channels != 1:
        raise InputError("A volume has one channel.", got=f"{image.channels} in {image.name}")
    middle = image.geometry.to_world((np.array(image.shape) - 1) / 2)
    affine = np.eye(4)
    affine[:3, 3] = middle - (CONFORMED - 1) / 2
    grid, _, _ = Geometry((CONFORMED,) * 3, affine).reoriented(_AXES)
    values = image.resample_to(grid).data
    low, high = (float(v) for v in np.percentile(values, _PERCENTILES))
    if high <= low:
        raise InputError("The scan is the same nearly everywhere.", got=image.name or image.kind)
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32), grid


def open_meshnet(folder: str | Path, runtime: Runtime | None = None, *, model: str | None = None) -> MeshNet:
    """A MeshNet from a folder as in brainchop's repository.

    Args:
        folder: with ``model.json`` and ``model.pth``.
        runtime: device and precision.
        model: which of the repository's it is (``subcortical``, ``model18cls``); by the folder's name when
            ``None``.

    Raises:
        LabelError: what the classes of a model of this name are is not known.
        FileFormatError: ``model.json`` or ``model.pth`` is damaged, or they do not belong together.
        StorageError: a file is missing.
    """
    folder = Path(folder)
    name = model or folder.resolve().name
    tables = _classes()
    if name not in tables:
        raise LabelError("The classes of this MeshNet are not known.", expected=", ".join(tables), got=name)
    with storage_errors(folder / "model.json"):
        text = (folder / "model.json").read_text(encoding="utf-8")
    try:
        config = MeshNetConfig.model_validate(json.loads(text))
    except (ValueError, ValidationError) as error:
        raise FileFormatError("model.json is not a MeshNet's.", got=f"{folder}: {error}") from error
    return MeshNet(config, _weights(folder / "model.pth", config), tables[name], runtime=runtime)


class _Anatomy:
    """MeshNet as a specialist."""

    def __init__(self, network: MeshNet, masks: Mapping[str, tuple[str, ...]]) -> None:
        self._network, self._masks = network, masks

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond its card."""
        return None

    def run(self, study: Study, argument: str) -> Mask:
        """A label map of the argument's structures; where two overlap, the later one counts."""
        [scan] = study.images
        return merged(self._network(study.images, self._masks[argument]), scan)


def open_anatomy(card: SpecialistCard, folder: Path) -> _Anatomy:
    """A MeshNet by its card; the folder is one of brainchop's.

    Raises:
        LabelError, FileFormatError, StorageError: as for :func:`open_meshnet`.
    """
    return _Anatomy(open_meshnet(folder, model=str(card.settings["model"])), card.masks)


@cache
def _classes() -> Mapping[str, Mapping[str, tuple[int, ...]]]:
    import yaml

    text = (files("sagittal.specialists") / "tables" / "meshnet.yaml").read_text(encoding="utf-8")
    return {
        model: {structure: tuple(values) for structure, values in table.items()}
        for model, table in yaml.safe_load(text).items()
    }


def _weights(path: Path, config: MeshNetConfig) -> list[tuple[Tensor, Tensor | None]]:
    """Convolutions are numbered among activations: ``model.0``, ``model.2``, …"""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    with storage_errors(path):
        if not path.is_file():
            raise FileNotFoundError(2, "No such file or directory", str(path))
        try:
            tensors = load_file(path)
        except SafetensorError as error:
            raise FileFormatError("The weights are damaged.", got=f"{path}: {error}") from error
    made = []
    for number, layer in enumerate(config.layers):
        weight, bias = (
            tensors.pop(f"model.{2 * number}.weight", None),
            tensors.pop(f"model.{2 * number}.bias", None),
        )
        wanted = (layer.out_channels, layer.in_channels, *(layer.kernel_size,) * 3)
        if weight is None or tuple(weight.shape) != wanted or (bias is not None) != config.bias:
            got = None if weight is None else tuple(weight.shape)
            raise FileFormatError(
                "The weights do not fit model.json.", expected=wanted, got=f"layer {number}: {got}"
            )
        made.append((weight, bias))
    if tensors:
        raise FileFormatError("The weights hold more than model.json says.", got=sorted(tensors))
    return made
