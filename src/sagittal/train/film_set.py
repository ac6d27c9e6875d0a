"""Films and what is asked of them, ready to train on: squares, frames, and entries from examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import torch
from torch import Tensor

from sagittal.errors import InputError
from sagittal.example import Example
from sagittal.files import sha256_json
from sagittal.io.films.names import FINDINGS
from sagittal.io.raster import read_picture
from sagittal.models.chest.films import prepared
from sagittal.models.film_boxes import into_square
from sagittal.models.medplib.pictures import Frame
from sagittal.score.chest_tasks import Task
from sagittal.score.strict import Corners, write_box


@dataclass(frozen=True)
class FilmEntry:
    """A prompt about a film, and its answer; boxes are of the square that a model sees.

    Attributes:
        id, patient: of the example.
        film: number of the film.
        task: what is asked.
        prompt, answer: words.
        truth: the answer as scores take it, its box on the film.
        confidence: of a pseudo-label.
        conditions: that the digits of ``cls-multilabel`` stand for.
    """

    id: str
    patient: str
    film: int
    task: Task
    prompt: str
    answer: str
    truth: str
    confidence: float | None = None
    conditions: tuple[str, ...] = FINDINGS


@dataclass(frozen=True, eq=False)
class FilmSet:
    """Films and entries about them.

    Attributes:
        names: SHA-256 of each film's file.
        squares: (n, 1, edge, edge) half precision, as an encoder takes them.
        frames: where each film lies in its square.
        entries: about them.
        unseen: entries left out, since their box lies where the square shows nothing.
    """

    names: tuple[str, ...]
    squares: Tensor
    frames: tuple[Frame, ...]
    entries: tuple[FilmEntry, ...]
    unseen: int = 0

    @property
    def hash(self) -> str:
        """Of the films and the size of their squares."""
        return sha256_json([list(self.names), list(self.squares.shape)])


def film_set(examples: Iterable[Example], pictures: Path, edge: int) -> FilmSet:
    """Read the films that examples ask about, each once.

    Args:
        examples: of IMAX's tasks (:mod:`sagittal.builders.chest_tasks`), about one film each.
        pictures: folder that their paths count from.
        edge: of the squares.

    Raises:
        InputError: an example of another task, or without a film.
        StorageError, FileFormatError: a film that cannot be read.
    """
    known = get_args(Task)
    numbers: dict[str, int] = {}
    squares: list[Tensor] = []
    frames: list[Frame] = []
    entries = []
    for example in examples:
        if example.task not in known or len(example.images) != 1:
            raise InputError(
                "This is no example of a task about one film.", expected=", ".join(known), got=example.task
            )
        [image] = example.images
        if image.sha256 not in numbers:
            numbers[image.sha256] = len(numbers)
            pixels, frame = prepared(read_picture(pictures / image.path, kind="cxr"), edge)
            squares.append(pixels.half())
            frames.append(frame)
        number = numbers[image.sha256]
        entries.append(_entry(example, number, frames[number]))
    kept = tuple(entry for entry in entries if entry is not None)
    if not kept:
        raise InputError("There is no example to train on.")
    return FilmSet(tuple(numbers), torch.stack(squares), tuple(frames), kept, len(entries) - len(kept))


def box_on_square(box: Corners, frame: Frame) -> Corners | None:
    """A box of the film on the square; ``None`` where the square shows nothing of it."""
    x1, y1, x2, y2 = into_square(box, frame)
    return None if x1 >= x2 or y1 >= y2 else (x1, y1, x2, y2)


def _entry(example: Example, film: int, frame: Frame) -> FilmEntry | None:
    prompt, answer = (message.text for message in (example.messages[0], example.messages[-1]))
    truth = answer
    if "box" in example.targets:
        x1, y1, x2, y2 = example.targets["box"]
        seen = box_on_square((x1, y1, x2, y2), frame)
        if seen is None:
            return None
        on_film, on_square = write_box((x1, y1, x2, y2)), write_box(seen)
        prompt, answer = prompt.replace(on_film, on_square), answer.replace(on_film, on_square)
    conditions = tuple(example.targets.get("conditions", FINDINGS))
    return FilmEntry(
        example.id, example.patient, film, cast(Task, example.task), prompt, answer, truth,
        example.confidence, conditions,
    )  # fmt: skip


def only(films: FilmSet, entries: Sequence[FilmEntry]) -> FilmSet:
    """The same films with other entries."""
    return FilmSet(films.names, films.squares, films.frames, tuple(entries))
