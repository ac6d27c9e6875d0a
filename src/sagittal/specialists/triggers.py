"""Triggers ``<NAME(argument)>``: found in a reply, and the only ones that can come out of a language model.

VILA-M3 (§3.2) predicts a keyword and an argument when it wants a specialist. :class:`TriggerConstraint` holds
the words of a model to the triggers of the cards that it was shown, whatever its tokenizer: a name or an
argument that does not exist cannot be written. A reply may say first what it means (``liver: …``): then a
card that has that is called for, by an argument of that name, by one that draws or tells it among others, or
by one whose name has these words in it; where no card has it, none is called. Numbers are held in the same
way to those that it was told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sagittal.specialists.card import SpecialistCard

_TRIGGER = re.compile(r"<([A-Za-z][A-Za-z0-9_]{0,31})\(([^()<>]{0,60})\)>")
_WHOLE = re.compile(_TRIGGER.pattern.encode())
_OPEN = re.compile(rb"<[^>]*\Z")
# Digits and points in a row, and the letter before them, which makes them part of a name such as T1.
_RUN = re.compile(rb"([A-Za-z]?)([0-9.]*[0-9][0-9.]*)")
# A name has two digits at most.
_OF_NAME = re.compile(rb"[0-9]{1,2}\.?")
# What a call is for, where the reply begins with that.
_MEANT = re.compile(rb"\A\s*([^\s:<>\0][^:<>\0]*):( *)\Z")
_CUT = re.compile(rb"\A[A-Za-z]?[0-9.]*")
# So much of the end of a text decides what may follow.
_END = 64


def _end_of(text: bytes) -> bytes:
    """The end of a text, cut before a whole number."""
    return text if len(text) <= _END else _CUT.sub(b"", text[-_END:])


@dataclass(frozen=True)
class Trigger:
    """A call that a reply asks for."""

    name: str
    argument: str

    def __str__(self) -> str:
        return f"<{self.name}({self.argument})>"


def find_triggers(text: str) -> list[Trigger]:
    """The triggers of a reply, in their order; known or not."""
    return [Trigger(*found) for found in _TRIGGER.findall(text)]


def without_triggers(text: str) -> str:
    """A reply as people read it: each trigger by its specialist's name."""
    return " ".join(_TRIGGER.sub(lambda found: found[1], text).split())


def numbers_of(text: str) -> list[str]:
    """The numbers that a text states; digits within names such as T1 are none."""
    return [run.rstrip(b".").decode() for named, run in _runs(text.encode()) if not named]


def _runs(text: bytes) -> Iterator[tuple[bool, bytes]]:
    """Whether it may be part of a name, and the run; what follows the first letter and digit of a name."""
    for letter, run in _RUN.findall(text):
        yield bool(letter) and run[:1] != b".", run


class TriggerConstraint:
    """Which tokens may follow (:data:`sagittal.models.decoding.Constraint`).

    Args:
        vocabulary: bytes of each token, by id; special ones have none.
        end: the one special token that may be written.
        cards: that the model was shown.
        numbers: that it was told; it may write no other. Any when ``None``.
        done: triggers that were answered already: none is written twice.
    """

    def __init__(
        self,
        vocabulary: Sequence[bytes],
        end: int,
        cards: Iterable[SpecialistCard],
        numbers: Collection[str] | None = None,
        done: Collection[str] = (),
    ) -> None:
        self._vocabulary = vocabulary
        calls = [
            (card, argument, trigger)
            for card in cards
            for argument, trigger in zip(card.arguments, card.triggers(), strict=True)
            if trigger not in done
        ]
        self._triggers = tuple(sorted(trigger.encode() for _, _, trigger in calls))
        self._exact, self._among = _known(calls)
        self._numbers = None if numbers is None else sorted({n.encode() for n in numbers})
        written = [i for i, token in enumerate(vocabulary) if token or i == end]
        self._delicate = [i for i in written if self._is_delicate(vocabulary[i])]
        self._plain = set(written).difference(self._delicate)
        self._within: dict[tuple[bytes, tuple[bytes, ...]], frozenset[int]] = {}

    def __call__(self, row: int, so_far: Sequence[int]) -> Collection[int]:
        """Tokens that may follow what a row said so far."""
        # Whole triggers are the cards' own words, numbers in them included; that there was one is kept.
        text = _WHOLE.sub(b"\0", b"".join(self._vocabulary[token] for token in so_far))
        opened = _OPEN.search(text)
        if opened is not None:
            return self._inside(opened[0], self._meant(text[: opened.start()]))
        named = _MEANT.search(text)
        if named is not None and self._meant(text):
            # What is known is called for, after a blank.
            triggers = self._meant(text)
            return self._inside(b"", triggers if named[2] else tuple(b" " + t for t in triggers))
        delicate = {i for i in self._delicate if self._fits(text, self._vocabulary[i])}
        unfinished = self._unfinished(text)
        return delicate if unfinished else self._plain | delicate

    def _is_delicate(self, token: bytes) -> bool:
        """Whether it depends on what stands before: it may open a trigger or be part of a number."""
        digits = self._numbers is not None and (any(48 <= b <= 57 for b in token) or token[:1] == b".")
        return b"<" in token or b">" in token or digits

    def _meant(self, before: bytes) -> tuple[bytes, ...]:
        """The triggers that what was said right before allows: all, where it names nothing."""
        named = _MEANT.search(before)
        if named is None:
            return self._triggers
        name = named[1].decode(errors="replace").lower()
        return self._exact.get(name) or self._among.get(name) or self._near(name)

    def _near(self, name: str) -> tuple[bytes, ...]:
        """Of each card the first argument that has all words of a name: ``whole tumour`` of ``tumour``."""
        words, first = set(name.split()), dict[bytes, bytes]()
        for argument, triggers in self._exact.items():
            for trigger in triggers if words <= set(argument.split()) else ():
                first.setdefault(trigger.partition(b"(")[0], trigger)
        return tuple(first.values())

    def _inside(self, begun: bytes, triggers: tuple[bytes, ...]) -> frozenset[int]:
        """Tokens that go on with a trigger that was begun, and no further than its end."""
        if (begun, triggers) not in self._within:
            rests = [t[len(begun) :] for t in triggers if t.startswith(begun)]
            self._within[begun, triggers] = frozenset(
                i
                for i, token in enumerate(self._vocabulary)
                if token and any(r.startswith(token) for r in rests)
            )
        return self._within[begun, triggers]

    def _fits(self, text: bytes, token: bytes) -> bool:
        opened = _OPEN.search(token)
        if b">" in token or (opened is not None and not self._begins(text + token)):
            return False
        before = token if opened is None else token[: opened.start()]
        if b"<" in before:
            return False
        return self._numbers is None or self._states_known(_end_of(text) + before, ended=opened is not None)

    def _begins(self, text: bytes) -> bool:
        opened = _OPEN.search(text)
        assert opened is not None, "the last token opened it"
        return any(t.startswith(opened[0]) for t in self._meant(text[: opened.start()]))

    def _states_known(self, text: bytes, *, ended: bool) -> bool:
        """Whether all numbers of a text are known; the last may be but begun, unless the text has ended."""
        found = list(_RUN.finditer(text))
        for match, (named, run) in zip(found, _runs(text), strict=True):
            last = match.end() == len(text) and not ended
            if named:
                if not _OF_NAME.fullmatch(run):
                    return False
            elif not (self._is_begun(run) if last else self._is_known(run)):
                return False
        return True

    def _is_known(self, run: bytes) -> bool:
        # A full stop may end the sentence.
        stem = run[:-1] if run.endswith(b".") else run
        return stem in (self._numbers or ())

    def _is_begun(self, run: bytes) -> bool:
        return self._is_known(run) or any(number.startswith(run) for number in self._numbers or ())

    def _unfinished(self, text: bytes) -> bool:
        """Whether a number was begun that is none of those that are known yet."""
        return self._numbers is not None and not self._states_known(_end_of(text), ended=True)


def _known(
    calls: Iterable[tuple[SpecialistCard, str, str]],
) -> tuple[dict[str, tuple[bytes, ...]], dict[str, tuple[bytes, ...]]]:
    """Name → triggers: of the arguments of that name, and of those that draw or tell it among others."""
    exact: dict[str, tuple[bytes, ...]] = {}
    among: dict[str, tuple[bytes, ...]] = {}
    for card, argument, trigger in calls:
        exact[argument.lower()] = (*exact.get(argument.lower(), ()), trigger.encode())
        for name in {label.lower() for label in (*card.masks.get(argument, ()), *card.classes)}:
            among[name] = (*among.get(name, ()), trigger.encode())
    return exact, among
