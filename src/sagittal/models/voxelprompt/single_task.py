"""Trained single-task networks: on disk, and as what they are used for (VoxelPrompt, §5.2, §5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from sagittal.errors import ConfigError, FileFormatError, InputError, SagittalError
from sagittal.models.checkpoint import Accepts, Card, Checkpoint, open_checkpoint, save_checkpoint
from sagittal.models.voxelprompt.preparation import PreparationConfig, PreparedVolume, prepare
from sagittal.nn.grids import StreamGrids
from sagittal.nn.single_task import SingleTaskClassifier, SingleTaskUNet
from sagittal.nn.stream_unet import StreamUNetConfig
from sagittal.runtime import Runtime, autocast
from sagittal.study import KINDS, Image, Mask

KIND = "voxelprompt-single-task"
_PICTURES = ("cxr", "photo")


class SingleTaskConfig(BaseModel):
    """What a single-task network does, and its sizes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(description="structure that is drawn, or characterisation")
    classes: tuple[str, ...] = Field((), description="of a characterisation; none where a structure is drawn")
    vision: StreamUNetConfig
    preparation: PreparationConfig


class TargetEyes:
    """Draws one structure: a vision function (:mod:`sagittal.score.segmentation`).

    Args:
        network: in evaluation mode.
        config: its own.
        runtime: precision; single precision when ``None``.
    """

    def __init__(
        self, network: SingleTaskUNet, config: SingleTaskConfig, runtime: Runtime | None = None
    ) -> None:
        self.network, self.config, self.runtime = network, config, runtime

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """The mask on the first image's own grid.

        Raises:
            InputError: another structure is asked for, or an image cannot be prepared.
        """
        structure = self.config.task
        if list(structures) != [structure]:
            raise InputError("The network draws one structure.", expected=structure, got=list(structures))
        prepared = prepare(images, self.config.preparation)
        logits = _run(self.network, prepared, self.config, self.runtime)[0]
        return {
            structure: prepared[0].frame.restore(logits, structure, name=structure, session=images[0].session)
        }


class Characteriser:
    """Names one class of a study's images.

    Args:
        network, config, runtime: as for :class:`TargetEyes`.
    """

    def __init__(
        self, network: SingleTaskClassifier, config: SingleTaskConfig, runtime: Runtime | None = None
    ) -> None:
        self.network, self.config, self.runtime = network, config, runtime

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image]) -> str:
        """The likeliest class.

        Raises:
            InputError: an image cannot be prepared.
        """
        prepared = prepare(images, self.config.preparation)
        logits = _run(self.network, prepared, self.config, self.runtime)
        return self.config.classes[int(logits[0].argmax())]


def _run(
    network: SingleTaskUNet | SingleTaskClassifier,
    prepared: Sequence[PreparedVolume],
    config: SingleTaskConfig,
    runtime: Runtime | None,
) -> Tensor:
    device = next(network.parameters()).device
    grids = StreamGrids.of([p.frame.grid for p in prepared], config.vision.levels)
    volumes = [torch.from_numpy(p.data).to(device)[None] for p in prepared]
    with autocast(device, wanted=runtime is not None):
        logits: Tensor = network(volumes, grids)
    return logits


def save_single_task(
    folder: str | Path,
    network: SingleTaskUNet | SingleTaskClassifier,
    config: SingleTaskConfig,
    *,
    data: Sequence[str],
    recipe: str,
) -> Path:
    """Write a network to a new folder.

    Args:
        folder: new or empty.
        network: whose weights are kept, in half precision.
        config: its own.
        data: what it learnt from, with licences.
        recipe: command that made it.
    """
    kinds = tuple(k for k in KINDS if k not in _PICTURES)
    verb = "Names the" if config.classes else "Draws the"
    card = Card(
        name=f"single-task {config.task}",
        summary=f"{verb} {config.task}: a single-task benchmark of VoxelPrompt (§5.2, §5.3).",
        licence="Apache-2.0",
        data=tuple(data),
        recipe=recipe,
        limits=("a benchmark to compare with, not a medical device: never for diagnosis or treatment",),
        accepts=Accepts(kinds=kinds, most_volumes=8, most_sessions=1, regions=False),
    )
    return save_checkpoint(folder, network, kind=KIND, config=config.model_dump(mode="json"), card=card)


def open_target_eyes(folder: str | Path, runtime: Runtime | None = None) -> TargetEyes:
    """The network that draws a structure.

    Raises:
        ConfigError: the network names classes.
        IntegrityError, FileFormatError, StorageError: as for :func:`open_checkpoint`.
    """
    checkpoint, config = _open(folder)
    if config.classes:
        raise ConfigError("The network draws nothing.", expected="a U-Net", got=f"{config.task}: classes")
    network = SingleTaskUNet(config.vision)
    checkpoint.load_into(network)
    return TargetEyes(network.to(_device(runtime)).eval(), config, runtime)


def open_characteriser(folder: str | Path, runtime: Runtime | None = None) -> Characteriser:
    """The network that names a class.

    Raises:
        ConfigError: the network draws a structure.
        IntegrityError, FileFormatError, StorageError: as for :func:`open_checkpoint`.
    """
    checkpoint, config = _open(folder)
    if not config.classes:
        raise ConfigError("The network names no class.", expected="a classifier", got=config.task)
    network = SingleTaskClassifier(config.vision, len(config.classes))
    checkpoint.load_into(network)
    return Characteriser(network.to(_device(runtime)).eval(), config, runtime)


def _open(folder: str | Path) -> tuple[Checkpoint, SingleTaskConfig]:
    checkpoint = open_checkpoint(folder, kind=KIND)
    try:
        return checkpoint, SingleTaskConfig.model_validate(checkpoint.config)
    except (ValidationError, SagittalError) as error:
        raise FileFormatError("The checkpoint's config is damaged.", got=error) from error


def _device(runtime: Runtime | None) -> torch.device:
    return runtime.device if runtime is not None else torch.device("cpu")
