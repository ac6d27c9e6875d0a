"""The answers that a specialist's result supports: a small language model chooses one, and says nothing else.

What it chooses is what was asked for: a size, a side, an outline, whether something is there. Numbers, sides
and names are then those of the result, whatever the model would have made of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sagittal.language.specialist_answers import DECLINED, Drawn, class_answer, film_answer, mask_answer
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.consulting import Told
from sagittal.specialists.measuring import Found
from sagittal.specialists.triggers import Trigger

#: What can be asked of a mask, as far as answers differ.
_OF_MASKS = ("presence", "size", "side", "segment", "compare")
_NOT_TOLD = f"{DECLINED} the specialist does not tell that."


def supported_answers(told: Told, call: Trigger, card: SpecialistCard) -> list[str]:
    """Every answer that fits a result; none where there is no result.

    Args:
        told: of the call.
        call: specialist and argument.
        card: the specialist's.
    """
    if told.found is not None:
        return _of_mask(told.found, call.argument)
    if told.classes is None:
        return []
    positive = card.positive(told.classes)
    return [class_answer(positive)] if card.exclusive else _of_findings(positive, told.text)


def _of_mask(found: Found, argument: str) -> list[str]:
    drawn = [Drawn.of(region.label, region.colour, region.facts) for region in found.regions]
    answers = (mask_answer(intent, argument, drawn, found.whole) for intent in _OF_MASKS)
    return list(dict.fromkeys(answers))


def _of_findings(positive: Mapping[str, bool], text: str) -> list[str]:
    # In the order in which they are told, a line each.
    ordered = {name: positive[name] for name in sorted(positive, key=lambda n: text.index(f"\n{n}: "))}
    return [film_answer(ordered, "findings"), *(film_answer(ordered, name) for name in ordered), _NOT_TOLD]


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

    def __call__(self, row: int, so_far: Sequence[int]) -> Collection[int]:
        """Tokens that go on with a text that was begun; its end where one is whole."""
        begun = b"".join(self._vocabulary[token] for token in so_far)
        rests = {text[len(begun) :] for text in self._texts if text.startswith(begun)}
        tokens = {
            i for i, token in enumerate(self._vocabulary) if token and any(r.startswith(token) for r in rests)
        }
        return tokens | {self._end} if b"" in rests else tokens
