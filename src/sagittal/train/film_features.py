"""What a frozen encoder makes of films, kept on disk in half precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features
from sagittal.runtime import autocast
from sagittal.train.film_set import FilmSet
from sagittal.train.picture_features import encoder_hash, kept_arrays

_BATCH = 32


@dataclass(frozen=True, eq=False)
class FilmFeatures:
    """Features of films under their numbers.

    Attributes:
        tokens: (n, N, d_I) after pooling.
        cls: (n, d_I).
    """

    tokens: NDArray[np.float16]
    cls: NDArray[np.float16]

    @classmethod
    def make(cls, model: VLM, films: FilmSet, folder: str | Path) -> FilmFeatures:
        """Features of all films; read from a folder where they were made before.

        Args:
            model: whose encoder looks.
            films: in their order.
            folder: folders within it are named after the films and the encoder.
        """

        def look() -> dict[str, torch.Tensor]:
            with autocast():
                parts = [
                    model.look(own[:, None, 0].float(), torch.ones(len(own), 1, dtype=torch.bool))
                    for own in films.squares.split(_BATCH)
                ]
            return {
                "tokens": torch.cat([part.tokens[:, 0] for part in parts]).half(),
                "cls": torch.cat([part.cls[:, 0] for part in parts]).half(),
            }

        kept = kept_arrays(Path(folder) / f"{films.hash[:12]}-{encoder_hash(model.encoder)}", look)
        return cls(kept["tokens"], kept["cls"])

    def of(self, numbers: Sequence[int]) -> Features:
        """Features of some films."""
        index = np.asarray(numbers)
        tokens, seen = (torch.from_numpy(own[index]).float()[:, None] for own in (self.tokens, self.cls))
        return Features(tokens, seen, torch.ones(len(index), 1, dtype=torch.bool))
