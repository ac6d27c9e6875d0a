"""Conversations without any specialist: what the picture alone tells a language model.

What specialists found on the same studies stands in for the truth, so that answers with and without them can
be compared (VILA-M3, Tables 4 to 6). Sizes and outlines need a mask, and are declined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagittal.builders.consultation_bank import CallRecord, CaseRecord
from sagittal.language.specialist_answers import DECLINED, SIDES, film_answer

#: Lesions that may be there or not, as the specialist calls them that outlines them.
LESIONS = ("whole tumour", "enhancing tumour", "tumour core", "oedema", "white matter hyperintensities")
_OUTLINES, _READS = "Eyes", "ChestFindings"


@dataclass(frozen=True)
class Known:
    """What a specialist found on a study.

    Attributes:
        case: the study.
        call: what it gave.
        first: number of the picture that is shown with the question.
    """

    case: CaseRecord
    call: CallRecord
    first: int

    def things(self) -> list[str]:
        """Ids of what can be asked."""
        if self.call.classes:
            return ["film/findings", *(f"finding/{name}" for name in self.call.classes)]
        return [f"brain/{self.call.argument}"]

    def answer(self, intent: str, thing: str) -> str:
        """What the picture alone is taken to tell; ``thing`` by its name."""
        if self.call.classes:
            positive = {label: yes for label, (_, yes) in self.call.classes.items()}
            return film_answer(positive, thing)
        if intent not in ("presence", "side"):
            return f"{DECLINED} that needs a mask, and no specialist may be called."
        if not self.call.regions:
            return f"No {thing} was found."
        where = next((SIDES[fact] for fact in self.call.regions[0].facts if fact in SIDES), "")
        if intent == "presence":
            return f"Yes: {thing} was found{' ' if where else ''}{where}."
        return f"Side: the {thing} lies {where}." if where else f"{DECLINED} its side is not clear."


def known_of(cases: Sequence[tuple[CaseRecord, int, tuple[int | None, ...]]]) -> list[Known]:
    """What can be asked without a specialist: lesions of heads, findings of films."""
    return [
        Known(case, call, first)
        for case, first, _ in cases
        for call in case.calls
        if not call.failed
        and (call.specialist == _READS or (call.specialist == _OUTLINES and call.argument in LESIONS))
    ]
