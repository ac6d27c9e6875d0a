"""The answers that a specialist's result supports: a small language model chooses one, and says nothing else.

What it chooses is what was asked for: a size, a side, an outline, whether something is there. Numbers, sides
and names are then those of the result, whatever the model would have made of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from sagittal.agent.budget import Budget
from sagittal.language.specialist_answers import DECLINED, Drawn, class_answer, film_answer, mask_answer
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.consulting import Told
from sagittal.specialists.measuring import Found
from sagittal.specialists.triggers import Trigger

#: What can be asked of a mask, as far as answers differ.
_OF_MASKS = ("presence", "size", "side", "segment", "compare")
#: What can be asked of one label among several.
_OF_ONE = ("presence", "size", "side", "segment")
_NOT_TOLD = f"{DECLINED} the specialist does not tell that."
# In place of lists that are too long to be said.
_ALL = "Outline: every label that was found, each in its own colour."


def supported_answers(told: Told, call: Trigger, card: SpecialistCard) -> list[str]:
    """Every answer that fits a result, short enough to be said; none where there is no result.

    Args:
        told: of the call.
        call: specialist and argument.
        card: the specialist's.
    """
    if told.found is not None:
        answers = _of_mask(told.found, call.argument)
    elif told.classes is None:
        return []
    else:
        positive = card.positive(told.classes)
        own = [class_answer(positive)] if card.exclusive else _of_findings(positive, told.text)
        answers = [*own, _NOT_TOLD]
    return [text for text in dict.fromkeys(answers) if len(text) <= Budget().text]


def _of_mask(found: Found, argument: str) -> list[str]:
    drawn = [Drawn.of(region.label, region.colour, region.facts) for region in found.regions]
    whole = [mask_answer(intent, argument, drawn, found.whole) for intent in _OF_MASKS]
    if len(drawn) < 2:
        return whole
    # The sizes stand beside a ratio of the whole.
    sizes = mask_answer("size", argument, drawn, ())
    single = [mask_answer(intent, one.label, [one], ()) for one in drawn for intent in _OF_ONE]
    return [*whole, sizes, _ALL, *single, _NOT_TOLD]


def _of_findings(positive: Mapping[str, bool], text: str) -> list[str]:
    # In the order in which they are told, a line each.
    ordered = {name: positive[name] for name in sorted(positive, key=lambda n: text.index(f"\n{n}: "))}
    return [film_answer(ordered, "findings"), *(film_answer(ordered, name) for name in ordered)]


class OneOf:
    """Tokens by which one of some texts is written (:data:`sagittal.models.decoding.Constraint`).

    Args:
        vocabulary: bytes of each token, by id; special ones have none.
        end: the token that ends a text.
        texts: that may be written.
    """

    def __init__(self, vocabulary: Sequence[bytes], end: int, texts: Iterable[str]) -> None:
        self._vocabulary, self._end = vocabulary, end
        self._texts = [text.encode() for text in texts]
        self._ids: dict[bytes, list[int]] = defaultdict(list)
        for token, own in enumerate(vocabulary):
            if own:
                self._ids[own].append(token)
        self._widest = max(map(len, self._ids), default=0)

    @property
    def longest(self) -> int:
        """Tokens that are enough for each of the texts and its end, however it is cut."""
        return max(map(len, self._texts)) + 1

    def __call__(self, row: int, so_far: Sequence[int]) -> Collection[int]:
        """Tokens that go on with a text that was begun; its end where one is whole."""
        begun = b"".join(self._vocabulary[token] for token in so_far)
        rests = {text[len(begun) :] for text in self._texts if text.startswith(begun)}
        nexts = {rest[:width] for rest in rests for width in range(1, self._widest + 1)}
        tokens = {token for own in nexts for token in self._ids.get(own, ())}
        return tokens | {self._end} if b"" in rests else tokens
