"""Options of a choice question and which of them is right."""

from __future__ import annotations

from collections.abc import Mapping

from sagittal.score.words import words

LETTERS = "ABCD"


def right_letter(options: Mapping[str, str], answer: str) -> str | None:
    """The one option that the published answer is; ``None`` where none or several fit.

    Exact words go before equal ones ("No" and "No." may both be offered), and words before a letter.
    """
    exact = [letter for letter, text in options.items() if text == answer]
    equal = [letter for letter, text in options.items() if words(text) == words(answer)]
    named = [answer] if answer in options else []
    for found in (exact, equal, named):
        if found:
            return found[0] if len(found) == 1 else None
    return None


def choice_question(question: str, options: Mapping[str, str]) -> str:
    """The question with its options, a line each."""
    return "\n".join([question, *(f"{letter}: {text}" for letter, text in options.items())])


def choice_answer(options: Mapping[str, str], label: str) -> str:
    """The reference answer: letter and words."""
    return f"{label}: {options[label]}"
