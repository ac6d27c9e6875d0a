"""A conversation to learn from, and the token sequence that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from sagittal.errors import ConfigError, InputError
from sagittal.geometry import Geometry
from sagittal.language.tokenizer import BOS, CODE, EOS, FEEDBACK, MOD, PHI, QUESTION, READ, VOLUME, Tokenizer
from sagittal.models.voxelprompt.marks import Ledger, VisionCall

if TYPE_CHECKING:
    from torch import Tensor

#: The target of a position that has no text loss.
NO_TARGET = -100


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume as the networks take it.

    Attributes:
        name: the variable that holds it.
        words: acquisition metadata (:func:`~sagittal.models.voxelprompt.words.acquisition_words`).
        geometry: grid of ``data``, after preparation.
        data: (X, Y, Z), intensities in [0, 1]. ``None`` trains the language alone: the vision networks
            do not run, and what is read from them is a vector of zeros.
        kind: of image, a key of :data:`sagittal.study.KINDS`.
    """

    name: str
    words: str
    geometry: Geometry
    data: Tensor | None
    kind: str = "unknown"


@dataclass(frozen=True)
class Exchange:
    """One step: a program without marks, and the feedback that its run gave (none after the last)."""

    program: str
    feedback: str = ""


@dataclass(frozen=True, eq=False)
class Conversation:
    """What to learn.

    Attributes:
        question: the prompt p.
        scans: the volumes, each a variable of the programs.
        steps: programs φ* and their feedback, in order.
        masks: the target of each ``segment`` call in the order of the programs' text: (X, Y, Z) in
            [0, 1] on the grid of the first volume of its ``encode``; ``None`` where there is no target.
        cuts: offsets at which the question is cut before it becomes tokens, so that one text is seen in
            several ways (as BPE dropout does, Provilkov et al. 2020). None at run time.
    """

    question: str
    scans: tuple[Scan, ...]
    steps: tuple[Exchange, ...]
    masks: tuple[Tensor | None, ...] = ()
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlacedCall:
    """A call of a vision network in a chunk.

    Attributes:
        call: the call.
        phi: positions in the chunk whose states give φ, one a volume.
        mask: which of the conversation's masks is the target of a ``segment`` call.
    """

    call: VisionCall
    phi: tuple[int, ...] = ()
    mask: int | None = None


@dataclass
class Chunk:
    """The tokens from one feedback (at first, the prompt) to the end of the program that follows.

    Attributes:
        ids: token ids.
        targets: per position, the token that it should turn out to be, or :data:`NO_TARGET`.
        reads: position → (features, stream): where the vector of a read encoding takes a token's place.
        calls: of vision networks in the program, in the order in which they are carried out.
    """

    ids: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    reads: dict[int, tuple[int, int]] = field(default_factory=dict)
    calls: list[PlacedCall] = field(default_factory=list)

    def add(self, ids: Sequence[int], *, learn: bool = False) -> None:
        """Append tokens, with or without text loss."""
        self.ids += ids
        self.targets += ids if learn else [NO_TARGET] * len(ids)


@dataclass(frozen=True, eq=False)
class Script:
    """A conversation as tokens: one chunk a program.

    Attributes:
        conversation: what it was made from.
        chunks: in order.
        streams: of each features, the indices of its volumes among the conversation's scans.
    """

    conversation: Conversation
    chunks: tuple[Chunk, ...]
    streams: tuple[tuple[int, ...], ...]

    @property
    def seen(self) -> bool:
        """Whether the vision networks run."""
        return all(scan.data is not None for scan in self.conversation.scans)

    def joined(self) -> Script:
        """The same as a single chunk: where the vision networks do not run, one pass does for all."""
        whole = Chunk()
        for chunk in self.chunks:
            start = len(whole.ids)
            whole.ids += chunk.ids
            whole.targets += chunk.targets
            whole.reads |= {start + place: source for place, source in chunk.reads.items()}
            whole.calls += [replace(c, phi=tuple(start + p for p in c.phi)) for c in chunk.calls]
        return replace(self, chunks=(whole,))


class Scribe:
    """Writes conversations as tokens, for training and at run time alike.

    Args:
        tokenizer: text to tokens.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def opening(self, question: str, volumes: Sequence[str], cuts: Sequence[int] = ()) -> list[int]:
        """Tokens of the first state: the question, then the metadata of each volume (§3)."""
        special, encode = self.tokenizer.special, self.tokenizer.encode
        text = " ".join(question.split())
        ids = [special(BOS), special(QUESTION)]
        for start, end in pairwise([0, *cuts, len(text)]):
            ids += encode(text[start:end])
        for words in volumes:
            ids += [special(VOLUME), *encode(words)]
        return [*ids, special(CODE)]

    def feedback(self, text: str, vectors: int) -> tuple[list[int], list[int]]:
        """Tokens of a feedback, and the positions that the vectors of read encodings take."""
        special = self.tokenizer.special
        ids = [special(FEEDBACK), *self.tokenizer.encode(text)]
        places = list(range(len(ids), len(ids) + vectors))
        return [*ids, *[special(READ)] * vectors, special(CODE)], places

    def write(self, conversation: Conversation) -> Script:
        """A conversation as tokens.

        Raises:
            InputError: a program cannot be parsed, encodes a volume that is not there, or the masks are
                not as many as the ``segment`` calls.
            ConfigError: two volumes have one name.
        """
        names = [scan.name for scan in conversation.scans]
        if len(set(names)) != len(names):
            raise ConfigError("Each volume has a name of its own.", got=names)
        ledger, chunks = Ledger(), []
        masks = 0
        waiting: list[VisionCall] = []
        for number, step in enumerate(conversation.steps):
            chunk = Chunk()
            if number == 0:
                words = [scan.words for scan in conversation.scans]
                chunk.add(self.opening(conversation.question, words, conversation.cuts))
            else:
                self._feed(chunk, conversation.steps[number - 1].feedback, waiting, ledger)
            calls = ledger.enter(step.program)
            waiting = [call for call in calls if call.function == "read"]
            masks = self._program(chunk, step.program, calls, masks)
            chunks.append(chunk)
        if masks != len(conversation.masks):
            raise InputError(
                "Each segment call has a target, or None.", expected=masks, got=len(conversation.masks)
            )
        return Script(conversation, tuple(chunks), _streams(ledger, names))

    def _feed(self, chunk: Chunk, text: str, reads: Sequence[VisionCall], ledger: Ledger) -> None:
        sources = [(r.features, s) for r in reads for s in range(len(ledger.volumes[r.features]))]
        ids, places = self.feedback(text, len(sources))
        chunk.add(ids)
        chunk.reads = dict(zip(places, sources, strict=True))

    def _program(self, chunk: Chunk, text: str, calls: Sequence[VisionCall], masks: int) -> int:
        """Write a program with its marks; returns the number of masks used up so far."""
        special = self.tokenizer.special
        marks = sorted((offset, number) for number, call in enumerate(calls) for offset in call.offsets)
        phi: dict[int, list[int]] = {number: [] for number in range(len(calls))}
        done = 0
        for offset, number in marks:
            chunk.add(self.tokenizer.encode(text[done:offset]), learn=True)
            chunk.add([special(MOD)], learn=True)
            phi[number].append(len(chunk.ids))
            chunk.add([special(PHI)])
            done = offset
        chunk.add([*self.tokenizer.encode(text[done:]), special(EOS)], learn=True)
        targets = {c.index: masks + n for n, c in enumerate(_in_text(calls, "segment"))}
        chunk.calls = [
            PlacedCall(c, tuple(phi[n]), targets.get(c.index) if c.function == "segment" else None)
            for n, c in enumerate(calls)
            if c.function != "read"
        ]
        return masks + len(targets)


def _in_text(calls: Sequence[VisionCall], function: str) -> list[VisionCall]:
    return sorted((c for c in calls if c.function == function), key=lambda c: c.index)


def _streams(ledger: Ledger, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    strange = [name for volumes in ledger.volumes for name in volumes if name not in names]
    if strange:
        raise InputError("A program encodes a volume that is not there.", expected=list(names), got=strange)
    return tuple(tuple(names.index(name) for name in volumes) for volumes in ledger.volumes)
