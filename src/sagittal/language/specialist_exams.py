"""Exam questions of several sentences with choices: they sound like patients and need no specialist.

The vignettes lie in ``grammars/specialist_questions/exams``, the right choice first; here the choices are
shuffled and lettered in one of the ways that exams do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sagittal.errors import ConfigError
from sagittal.language.grammar import POOLS, Pool
from sagittal.language.voxel_wordings import held_back

FOLDER = Path(__file__).parent / "grammars" / "specialist_questions" / "exams"
_LETTERS = "ABCDE"
_LETTERED = ("{}. {}", "{}) {}", "({}) {}", "{}: {}")
_JOINED = (" ", "\n")
_ASKED = ("", "", "", "Choose the best answer.", "Which option is correct?", "Answer with the letter.",
          "MCQ:", "Question for my exam:", "Practice question.")  # fmt: skip
_FEWEST_CHOICES = 4


@dataclass(frozen=True, slots=True)
class Exam:
    """A vignette with its question, the choices (the right one first), and why it is right."""

    text: str
    choices: tuple[str, ...]
    why: str
    withheld: bool


@cache
def exams() -> tuple[Exam, ...]:
    """The shipped vignettes, read once a process.

    Raises:
        ConfigError: one has too few choices or the same one twice.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: list[dict[str, Any]] = []
    for path in sorted(FOLDER.glob("*.yaml")):
        read += yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    kept = held_back([str(one["text"]) for one in read], "exams")
    found = []
    for one in read:
        text, choices = str(one["text"]).strip(), tuple(map(str, one["choices"]))
        if not _FEWEST_CHOICES <= len(set(choices)) == len(choices) <= len(_LETTERS):
            raise ConfigError("An exam question has four or five different choices.", got=text)
        found.append(Exam(text, choices, str(one["why"]).strip(), str(one["text"]) in kept))
    return tuple(found)


def exam_question(rng: np.random.Generator, pool: Pool) -> tuple[str, str, bool]:
    """A question, its answer, and whether it is withheld.

    Raises:
        ConfigError: an unknown pool.
    """
    if pool not in POOLS:
        raise ConfigError("There is no such pool.", expected=", ".join(POOLS), got=pool)
    allowed = [e for e in exams() if pool == "all" or e.withheld == (pool == "withheld")]
    exam = allowed[int(rng.integers(len(allowed)))]
    order = rng.permutation(len(exam.choices)).tolist()
    style, joint = _one_of(_LETTERED, rng), _one_of(_JOINED, rng)
    listed = joint.join(style.format(_LETTERS[at], exam.choices[own]) for at, own in enumerate(order))
    ask = _one_of(_ASKED, rng)
    stem = f"{ask} {exam.text}" if ask.endswith(":") else f"{exam.text} {ask}".strip()
    right = order.index(0)
    return f"{stem}{joint}{listed}", f"{_LETTERS[right]}. {exam.choices[0]}. {exam.why}", exam.withheld


def _one_of(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]
