"""Whether the right specialist is called with the right argument, and none where none is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.score.descriptors import Figure
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.prompting import asked
from sagittal.specialists.suiting import suits
from sagittal.specialists.triggers import Trigger, find_triggers

#: Draws of the intervals.
DRAWS = 500


@dataclass(frozen=True)
class TriggerItem:
    """A question whose calls are known.

    Attributes:
        id: unique.
        question: in words.
        kinds: of the images that are given.
        picture: whether that is a picture, not a volume.
        cards: names of the specialists that are known.
        calls: acceptable ones; none must be made where there are none.
        kind: of the question: ``one``, ``none`` or ``unsuitable``.
    """

    id: str
    question: str
    kinds: tuple[str, ...]
    picture: bool
    cards: tuple[str, ...]
    calls: tuple[Trigger, ...]
    kind: str


@dataclass(frozen=True)
class Triggered:
    """What a model called for an item, in its first reply."""

    item: TriggerItem
    made: tuple[Trigger, ...]
    said: str

    @property
    def called(self) -> bool:
        """Whether it called any."""
        return bool(self.made)

    @property
    def right(self) -> bool:
        """Whether it did as it should: one acceptable call, or none."""
        if not self.item.calls:
            return not self.made
        return len(self.made) == 1 and self.made[0] in self.item.calls

    @property
    def right_name(self) -> bool:
        """Whether every specialist that was called is right, whatever the argument."""
        return bool(self.made) and {one.name for one in self.made} <= {one.name for one in self.item.calls}


def read_items(path: str | Path) -> list[TriggerItem]:
    """Items of a JSON-lines file, as ``tests/questions/specialists.md`` describes them.

    Raises:
        FileFormatError: it is not such a file.
        StorageError: it cannot be read.
    """
    path = Path(path)
    with storage_errors(path):
        data = path.read_bytes()
    try:
        return [_item(json.loads(line)) for line in data.decode().splitlines() if line.strip()]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError("These are no questions for specialists.", got=f"{path}: {error}") from error


def _item(value: Mapping[str, Any]) -> TriggerItem:
    return TriggerItem(
        value["id"], value["question"], tuple(value["images"]), value["looks_at"] == "picture",
        tuple(value["cards"]), tuple(Trigger(name, argument) for name, argument in value["calls"]),
        value["why"].partition(":")[0],
    )  # fmt: skip


def triggered(
    loaded: VilaM3, items: Iterable[TriggerItem], cards: Mapping[str, SpecialistCard],
    picture_of: Callable[[TriggerItem], NDArray[np.uint8]], say: Callable[[str], None] = lambda line: None,
    *, as_asked: bool = False,
) -> list[Triggered]:  # fmt: skip
    """Ask each question, and keep what the first reply calls.

    Args:
        loaded: the model.
        items: questions.
        cards: by name; those of an item are shown in its order.
        picture_of: what an item shows, (rows, columns, 3) in 8 bits.
        say: told now and then.
        as_asked: show those cards alone that suit the images, as ``sagittal ask`` does.
    """
    found = []
    for number, item in enumerate(items, start=1):
        shown = [
            cards[name] for name in item.cards if not as_asked or suits(cards[name], item.kinds, item.picture)
        ]
        words = asked(item.question, item.kinds, pictures=item.picture)
        said = loaded.converse(words, picture_of(item), shown).reply([], last=False)
        found.append(Triggered(item, tuple(find_triggers(said)), said))
        if number % 50 == 0:
            say(f"triggers: {number} questions")
    return found


def trigger_figures(found: Sequence[Triggered], seed: int = 0) -> dict[str, Figure]:
    """Precision, recall, argument accuracy and silence, with 95 % intervals over resampled questions.

    ``precision``: of the questions with a call, those to an acceptable specialist. ``recall``: of those that
    need one, those that call it. ``argument``: of these, those with an acceptable argument. ``silence``: of
    those that need none, those that call none. ``unsuitable``: the same of those that no card suits.
    ``right``: all of it at once.
    """
    measures: Mapping[str, tuple[Callable[[Triggered], bool], Callable[[Triggered], bool]]] = {
        "precision": (lambda t: t.called, lambda t: t.right_name),
        "recall": (lambda t: bool(t.item.calls), lambda t: t.right_name),
        "argument": (lambda t: t.right_name, lambda t: t.right),
        "silence": (lambda t: t.item.kind == "none", lambda t: t.right),
        "unsuitable": (lambda t: t.item.kind == "unsuitable", lambda t: t.right),
        "right": (lambda t: True, lambda t: t.right),
    }
    rng = np.random.default_rng(seed)
    return {name: _share([right(t) for t in found if of(t)], rng) for name, (of, right) in measures.items()}


def _share(values: Sequence[bool], rng: np.random.Generator) -> Figure:
    if not values:
        return Figure(float("nan"))
    own = np.array(values, float)
    means = own[rng.integers(len(own), size=(DRAWS, len(own)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(float(own.mean()), float(means.std()), float(low), float(high))
