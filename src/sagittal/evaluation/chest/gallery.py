"""Films with organs as they were drawn, to look at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.files import atomic_path
from sagittal.models.chest.films import prepared
from sagittal.models.chest.segmenter import LABELS, ChestSegmenter, found_organs
from sagittal.runtime import autocast
from sagittal.study import Image
from sagittal.train.chest_bank import FilmBank

_COLOURS = {1: (230, 70, 60), 2: (70, 200, 90), 3: (70, 110, 240)}
_COLUMNS, _FILMS = 8, 16


def draw_gallery(segmenter: ChestSegmenter, bank: FilmBank, path: Path) -> None:
    """The first films of a bank."""
    draw_films(segmenter, (bank.image(number) for number in range(min(_FILMS, len(bank)))), path)


def draw_films(segmenter: ChestSegmenter, images: Iterable[Image], path: Path) -> None:
    """Any films, each as the network sees it: heart red, left lung green, right lung blue."""
    from PIL import Image as Pictures

    tiles = [_tile(segmenter, image) for image in images]
    edge = segmenter.config.edge
    tiles += [np.zeros((edge, edge, 3), np.uint8)] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[n : n + _COLUMNS]) for n in range(0, len(tiles), _COLUMNS)]
    with atomic_path(path, keep_suffix=".png") as temporary:
        Pictures.fromarray(np.vstack(rows)).save(temporary, format="PNG")


@torch.inference_mode()
def _tile(segmenter: ChestSegmenter, image: Image) -> NDArray[np.uint8]:
    square, _ = prepared(image, segmenter.config.edge)
    with autocast():
        logits = segmenter.network(square[None])[0]
    drawn, _, _ = found_organs(logits.float().softmax(dim=0).numpy(), segmenter.config)
    shown = np.repeat(square[0].numpy()[..., None] * 255, 3, axis=2)
    for value in LABELS:
        inside = drawn == value
        shown[inside] = 0.65 * shown[inside] + 0.35 * np.array(_COLOURS[value])
    return np.rint(shown).astype(np.uint8)
