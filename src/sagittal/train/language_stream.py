"""Conversations to learn language from: a function of (pool, seed, number), with new words each time.

An item of the pool gives task, programs and feedback; its question is worded anew from the grammar and then
typed as people type, its images get new grids and dates. A fixed share of all wordings, by a hash of the
clean text, is never trained on: validation draws from it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, get_args

import numpy as np

from sagittal.builders.voxel.structures import structure_table
from sagittal.geometry import Geometry
from sagittal.language.voxel_everyday import (
    TypingConfig,
    as_typed,
    cut_places,
    foreign,
    odd_property,
    odd_request,
    odd_thing,
)
from sagittal.language.voxel_wordings import Phrase, VoxelWordings
from sagittal.models.voxelprompt.conversation import Conversation, Exchange, Scribe, Script
from sagittal.models.voxelprompt.lesson import unseen_lesson
from sagittal.study import Image
from sagittal.train.language_pool import Given, Item

#: ``train``: as typed, of training's wordings. Of validation's: ``clean``, or ``typed``. ``withheld``: clean,
#: with something in it that the grammar keeps for tests.
#: ``spoken``: as people put it, in sentences that training never saw.
Kind = Literal["train", "clean", "typed", "withheld", "spoken"]
_RESERVED = 20
_ODD = 0.35
# What is misread most often: two structures, and what must be known to be refused. Of first lines alone,
# this share are such.
_HARD, _OF_HARD = 0.4, frozenset(("unknown_structure", "missing_sequence", "other_organ"))
# Of training's questions, this share calls a structure by one of its first names, as most people do: drawn
# from all its synonyms alike, the one that everybody says comes as seldom as the rarest.
_PLAIN, _FIRST_NAMES, _NAMED = 0.3, 2, ("a", "b")
# Of training's questions, this share is worded as people would put them, not by the grammar.
_SPOKEN = 0.5
# Of training's whole conversations, this share is about two structures: which of them comes where is what
# programs get wrong most often.
_PAIRS = 0.2
# And this share asks what is asked most about what is asked for most, each one structure of a hundred in a
# pool: else its words are taken for those of a task that has them all the time (the parts of a tumour).
_USUAL = 0.1
_USUAL_TASKS = frozenset(("volume", "segment", "presence", "diameter"))
_USUAL_STRUCTURES = frozenset(
    ("whole tumour", "white matter hyperintensities", "brain", "hippocampus", "lateral ventricle")
)
#: Batches of a block: one step of training.
BLOCK = 4
_MANY = 1.5


@dataclass(frozen=True, eq=False)
class Drawn:
    """A conversation, and the item that it was made from."""

    item: Item
    script: Script


class LanguageStream:
    """Draws conversations.

    Args:
        items: of a pool; those of patients that are kept for tests make validation, the others training.
        scribe: text to tokens.
        seed: decides every draw.
        typing: how people type.
        first_lines: share of training's conversations that end after the first line, which says what was
            asked, and show one image: reading is what goes wrong most often, and they cost a third. What is
            misread most comes more often among them.
        least: share of training's conversations that each task has at least: those that need rare images
            come up too seldom in a pool to be learnt.
    """

    def __init__(
        self, items: Sequence[Item], scribe: Scribe, seed: int, typing: TypingConfig | None = None,
        *, first_lines: float = 0.0, least: float = 0.0,
    ) -> None:  # fmt: skip
        self.scribe, self.seed, self.typing = scribe, seed, typing or TypingConfig()
        self.first_lines = first_lines
        self.train = _with_rare([item for item in items if not item.for_tests], least)
        self.tests = [item for item in items if item.for_tests]
        self._pairs = [i for i in self.train if len(i.structures) > 1 and not i.reason]
        self._usual = [
            i for i in self.train if i.task in _USUAL_TASKS and _USUAL_STRUCTURES.issuperset(i.structures)
        ]
        self._hard = [i for i in self.train if len(i.structures) > 1 or i.reason in _OF_HARD]
        self._wordings = VoxelWordings.load()
        self._withheld = withheld_phrases()
        self._known = known_phrases()
        self._held: tuple[int, int, list[list[Script]]] | None = None

    def batch(self, number: int, size: int) -> list[Script]:
        """A batch to train on.

        The conversations of a batch are of like length, which saves padding; a block of :data:`BLOCK`
        batches has them of all lengths. Steps take whole blocks: refusals are short, and a step of
        refusals alone would teach to refuse.
        """
        block, place = divmod(number, BLOCK)
        if self._held is None or self._held[:2] != (block, size):
            rng = np.random.default_rng([self.seed, block])
            scripts = [self._draw(self.train, "train", rng).script for _ in range(size * BLOCK)]
            scripts.sort(key=lambda script: sum(len(chunk.ids) for chunk in script.chunks))
            parts = [scripts[i * size : (i + 1) * size] for i in range(BLOCK)]
            self._held = (block, size, [parts[int(i)] for i in rng.permutation(BLOCK)])
        return self._held[2][place]

    def validation(self, kind: Kind, count: int) -> list[Drawn]:
        """Conversations about patients, and in words, that training never sees; always the same."""
        rng = np.random.default_rng([self.seed, 1 << 40, get_args(Kind).index(kind)])
        return [self._draw(self.tests, kind, rng) for _ in range(count)]

    def _draw(self, items: Sequence[Item], kind: Kind, rng: np.random.Generator) -> Drawn:
        short = kind == "train" and bool(self.first_lines) and rng.random() < self.first_lines
        item = _some(self._part(short, rng) if kind == "train" else items, rng)
        text = self._question(item, kind, rng)
        cuts = cut_places(text, rng) if kind == "train" else ()
        if short:
            return Drawn(
                item, _without_end(self.scribe.write(conversation(first_line(item), text, cuts, rng)))
            )
        return Drawn(item, self.scribe.write(conversation(item, text, cuts, rng)))

    def _part(self, short: bool, rng: np.random.Generator) -> Sequence[Item]:
        """The part of training that a conversation is drawn from."""
        if self._usual and rng.random() < _USUAL:
            return self._usual
        rare, share = (self._hard, _HARD) if short else (self._pairs, _PAIRS)
        return rare if rare and rng.random() < share else self.train

    def _question(self, item: Item, kind: Kind, rng: np.random.Generator) -> str:
        if kind in ("withheld", "spoken"):
            said = self._wordings.sample if kind == "withheld" else self._wordings.spoken
            return said(item.root, item.slots, rng, "withheld").text
        while True:
            odd = self._odd(item, rng) if kind != "clean" and rng.random() < _ODD else None
            plain = kind == "train" and bool(item.structures) and rng.random() < _PLAIN
            slots = _plainly(item.slots) if plain else item.slots
            said = (
                self._wordings.spoken if kind == "train" and rng.random() < _SPOKEN else self._wordings.sample
            )
            text = odd or said(item.root, slots, rng, "train").text
            if reserved(text) == (kind != "train"):
                break
        text = text if kind == "clean" else as_typed(text, rng, self.typing, self._withheld)
        return " ".join(text.split()) or "?"

    def _odd(self, item: Item, rng: np.random.Generator) -> str | None:
        """Words of other origin for what cannot be answered anyhow."""
        phrases = [p.text for p in item.slots.get("a", ()) if not p.withheld] or ["brain"]
        structure = phrases[int(rng.integers(len(phrases)))]
        if item.reason == "not_measured":
            return odd_property(structure, rng)
        if item.reason == "other_organ":
            return odd_thing("organs", "brain", rng, self._known)
        if item.reason == "unknown_structure":
            return odd_thing("things", "brain", rng, self._known)
        if item.reason == "off_topic":
            return odd_request(rng)
        return foreign(rng) if item.reason == "not_understood" else None


def _plainly(slots: Mapping[str, Sequence[Phrase]]) -> Mapping[str, Sequence[Phrase]]:
    """Slots whose structures have their first names alone."""
    return {slot: words[:_FIRST_NAMES] if slot in _NAMED else words for slot, words in slots.items()}


def _with_rare(items: Sequence[Item], least: float) -> list[Item]:
    """Items, those of rare tasks several times over."""
    count = Counter(item.task for item in items)
    return [item for item in items for _ in range(max(1, round(least * len(items) / count[item.task])))]


def _some(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """An item at random; those with very many images cost much and teach little more, and come less often."""
    while True:
        item = items[int(rng.integers(len(items)))]
        if rng.random() * len(item.images) < _MANY:
            return item


def first_line(item: Item) -> Item:
    """An item whose one program is the line that says what was asked: one image is as good as all."""
    line = item.programs[0].split("\n", 1)[0]
    kind = item.images[0].kind
    return replace(item, images=(Given(kind, kind, 0),), programs=(line,), feedback=())


def _without_end(script: Script) -> Script:
    """The same, but that nothing is learnt about where its program ends."""
    [chunk] = script.chunks
    return replace(script, chunks=(replace(chunk, ids=chunk.ids[:-1], targets=chunk.targets[:-1]),))


def reserved(text: str) -> bool:
    """Whether a clean wording is kept for validation; case and marks do not count."""
    letters = "".join(c for c in text.lower() if c.isalnum())
    return hashlib.sha256(letters.encode()).digest()[0] % _RESERVED == 0


def reserved_wording(
    wordings: VoxelWordings, root: str, slots: Mapping[str, Sequence[Phrase]], rng: np.random.Generator
) -> str:
    """A clean wording of training's pool that is kept for validation."""
    while not reserved(text := wordings.sample(root, slots, rng, "train").text):
        pass
    return text


def conversation(item: Item, question: str, cuts: Sequence[int], rng: np.random.Generator) -> Conversation:
    """An item in words, with new grids and dates for its images."""
    steps = [Exchange(p, f) for p, f in zip(item.programs, (*item.feedback, ""), strict=True)]
    volumes = dict(zip((g.name for g in item.images), pictures(item.images, rng), strict=True))
    return replace(unseen_lesson(question, volumes, steps), cuts=tuple(cuts))


# -- images without voxels -----------------------------------------------------------------------


def pictures(given: Sequence[Given], rng: np.random.Generator) -> list[Image]:
    """Images of these kinds and visits, on grids and dates as they come; they have no voxels of their own."""
    visits = 1 + max(g.visit for g in given)
    dates = _dates(visits, rng) if rng.random() < 0.5 else None
    shared = [grid(rng) for _ in range(visits)]
    together = rng.random() < 0.5
    made = []
    for each in given:
        geometry = shared[each.visit] if together else grid(rng)
        nothing = np.broadcast_to(np.zeros((), np.float32), geometry.shape)
        acquired = dates[each.visit] if dates else None
        made.append(Image(nothing, geometry, each.kind, each.name, acquired, f"session-{each.visit + 1}"))
    return made


def _dates(count: int, rng: np.random.Generator) -> list[date]:
    first = date(1998, 1, 1) + timedelta(days=int(rng.integers(0, 10_500)))
    gaps = np.cumsum([0, *rng.integers(1, 900, size=count - 1)])
    return [first + timedelta(days=int(gap)) for gap in gaps]


def grid(rng: np.random.Generator) -> Geometry:
    """A grid as scanners make them: isotropic, or slices thick and thin, along any axis of the array."""
    kind = rng.random()
    slice_axis = 2 if rng.random() < 0.7 else int(rng.integers(3))
    if kind < 0.45:
        spacing = [float(rng.choice([1.0, 1.0, 1.0, 0.7, 0.8, 0.9, 1.2, 1.5, 2.0, 3.0]))] * 3
    else:
        plane = float(rng.choice([0.3, 0.4, 0.43, 0.5, 0.6, 0.7, 0.8, 0.86, 0.9, 0.94, 1.0, 1.2, 1.5]))
        spacing = [plane] * 3
        thick = float(rng.choice([2.0, 3.0, 4.0, 5.0, 5.5, 6.0, 6.5, 7.2])) if kind < 0.9 else plane + 0.3
        spacing[slice_axis] = thick
    shape = tuple(int(rng.integers(80, 260)) if s < 1.9 else int(rng.integers(18, 60)) for s in spacing)
    order = rng.permutation(3) if rng.random() < 0.4 else np.arange(3)
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for axis, towards in enumerate(order):
        matrix[towards, axis] = spacing[axis] * (1 if rng.random() < 0.5 else -1)
    return Geometry((shape[0], shape[1], shape[2]), matrix)


# -- what must not be trained on -----------------------------------------------------------------


def withheld_phrases() -> frozenset[str]:
    """Withheld phrases of structures and sequences, in lower case."""
    return frozenset(p.text.lower() for p in _phrases() if p.withheld)


def known_phrases() -> frozenset[str]:
    """Every word for something that a question may ask for, in lower case: these are no odd things."""
    return frozenset(p.text.lower() for p in _phrases())


def _phrases() -> list[Phrase]:
    table = structure_table()
    lists = [s.phrases for s in table.structures.values()] + [q.phrases for q in table.sequences.values()]
    return [phrase for phrases in [*lists, table.organs] for phrase in phrases]
