"""What frozen encoders make of pictures, kept on disk in half precision and shared by all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from sagittal.files import atomic_folder
from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features
from sagittal.runtime import autocast
from sagittal.train.picture_bank import MarkedPicture, bank_hash

_BATCH = 16


@dataclass(frozen=True, eq=False)
class PictureFeatures:
    """Features of pictures under their numbers.

    Attributes:
        map: (n, d_I, h, w) before pooling.
        cls: (n, d_I).
        pixels: (n, channels, grid, grid); ``None`` where no masks are to be drawn.
        pooling: patches that are averaged, an axis, before the language model gets them.
    """

    map: NDArray[np.float16]
    cls: NDArray[np.float16]
    pixels: NDArray[np.float16] | None
    pooling: int

    @classmethod
    def make(
        cls, model: VLM, pictures: Sequence[MarkedPicture], folder: str | Path, *, drawn: bool = True
    ) -> PictureFeatures:
        """Features of all pictures; read from a folder where they were made before.

        Args:
            model: whose encoders look.
            pictures: in their order.
            folder: folders within it are named after the pictures and the encoders.
            drawn: whether those of the pixel encoder are made, too.
        """
        name = bank_hash(pictures)[:12]
        seen = _made(Path(folder) / f"{name}-{encoder_hash(model.encoder)}", _seen, model, pictures)
        pixels = None
        if drawn:
            assert model.pixels is not None, "there is an encoder of pixels"
            own = Path(folder) / f"{name}-{encoder_hash(model.pixels.encoder)}"
            pixels = _made(own, _drawn, model, pictures)["pixels"]
        return cls(seen["map"], seen["cls"], pixels, model.config.pooling)

    def of(self, numbers: Sequence[int]) -> tuple[Features, Tensor | None]:
        """Features of some pictures, and what masks are drawn from."""
        index = np.asarray(numbers)
        whole = _tensor(self.map, index)
        tokens = functional.avg_pool2d(whole, self.pooling).flatten(2).transpose(1, 2)
        there = torch.ones(len(index), 1, dtype=torch.bool)
        seen = _tensor(self.cls, index)
        pixels = None if self.pixels is None else _tensor(self.pixels, index)
        return Features(tokens[:, None], seen[:, None], there, whole), pixels


def _tensor(values: NDArray[np.float16], index: NDArray[Any]) -> Tensor:
    return torch.from_numpy(values[index]).float()


def encoder_hash(module: nn.Module) -> str:
    """What an encoder's features are kept under: of its weights."""
    digest = hashlib.sha256()
    for weight in module.parameters():
        digest.update(weight.detach().numpy().tobytes())
    return digest.hexdigest()[:12]


def kept_arrays(folder: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, NDArray[np.float16]]:
    """Arrays of a folder, memory-mapped; made where it is not there yet.

    Args:
        folder: named after all that the arrays follow from.
        make: makes them; without gradients.
    """
    if not folder.is_dir():
        with torch.no_grad():
            made = make()
        with atomic_folder(folder) as temporary:
            for name, whole in made.items():
                np.save(temporary / f"{name}.npy", whole.numpy())
    return {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}


def _made(
    folder: Path, look: Callable[[VLM, Sequence[MarkedPicture]], dict[str, Tensor]], model: VLM,
    pictures: Sequence[MarkedPicture],
) -> dict[str, NDArray[np.float16]]:  # fmt: skip
    def make() -> dict[str, Tensor]:
        with autocast():
            parts = [look(model, pictures[n : n + _BATCH]) for n in range(0, len(pictures), _BATCH)]
        return {name: torch.cat([part[name].half() for part in parts]) for name in parts[0]}

    return kept_arrays(folder, make)


def _seen(model: VLM, pictures: Sequence[MarkedPicture]) -> dict[str, Tensor]:
    images = squares(pictures, edges(model)[0])
    features = model.look(images[:, None], torch.ones(len(images), 1, dtype=torch.bool))
    assert features.map is not None, "what can be pointed at has a map"
    return {"map": features.map.half(), "cls": features.cls[:, 0].half()}


def _drawn(model: VLM, pictures: Sequence[MarkedPicture]) -> dict[str, Tensor]:
    assert model.pixels is not None, "there is an encoder of pixels"
    return {"pixels": model.pixels.look(squares(pictures, edges(model)[1])).half()}


def squares(pictures: Sequence[MarkedPicture], edge: int) -> Tensor:
    """(B, 3, edge, edge) intensities in [0, 1]."""
    shown = [squared(p.image, frame_of(p.image, edge)) for p in pictures]
    return torch.stack(shown).float() / 255


def edges(model: VLM) -> tuple[int, int]:
    """Pixels of the squares that the two encoders take."""
    drawing = model.config.drawing
    assert drawing is not None, "there is an encoder of pixels"
    return model.config.encoder.size[0], drawing.pixels.size
