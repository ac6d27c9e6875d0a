"""What a wording is, whoever wrote it: the mpLLM task combinations, the record, and filling it in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from sagittal.errors import ConfigError
from sagittal.language.grammar import Pool
from sagittal.language.tidy import capitalize_sentences

Kind = Literal["in_scope", "partly_out_of_scope", "out_of_scope"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TASKS = ("volume", "region", "shape", "spread")
"""The four tasks of the mpLLM protocol."""

SLOTS = {"volume": "volume", "region": "regions", "shape": "shape", "spread": "spread"}
"""Task → the slot that states it in an answer."""

# Appendix A of the mpLLM paper, verbatim and in its order (1)–(15).
CANONICAL: dict[tuple[str, ...], tuple[str, str]] = {
    ("volume",): (
        "How large is the volume covered by {label}?",
        "The overall volume of {label} is {volume}.",
    ),
    ("region",): (
        "Which region(s) of the brain is {label} located in?",
        "The {label} is located in {regions}.",
    ),
    ("shape",): ("What is the shape of {label}?", "The shape of {label} is {shape}."),
    ("spread",): ("How spread out is {label}?", "The spread of {label} is {spread}."),
    ("volume", "region"): (
        "How large is the volume of {label} and where is it located?",
        "The overall volume of {label} is {volume}, and it is located in {regions}.",
    ),
    ("volume", "shape"): (
        "How large is the volume of {label} and what is its shape?",
        "The overall volume of {label} is {volume}, and its shape is described as {shape}.",
    ),
    ("volume", "spread"): (
        "How large is the volume of {label} and how spread out is it?",
        "The overall volume of {label} is {volume}, and it is characterized as {spread}.",
    ),
    ("region", "shape"): (
        "In which region is {label} and what is its shape?",
        "The {label} is located in {regions}, and its shape is described as {shape}.",
    ),
    ("region", "spread"): (
        "In which region is {label} and how spread out is it?",
        "The {label} is located in {regions}, and it is characterized as {spread}.",
    ),
    ("shape", "spread"): (
        "What is the shape of {label} and how spread out is it?",
        "The shape of {label} is described as {shape}, and it is characterized as {spread}.",
    ),
    ("volume", "region", "shape"): (
        "What is the volume, region, and shape of {label}?",
        "The overall volume of {label} is {volume}, it is located in {regions}, "
        "and its shape is described as {shape}.",
    ),
    ("volume", "region", "spread"): (
        "What is the volume, region, and spread of {label}?",
        "The overall volume of {label} is {volume}, it is located in {regions}, "
        "and it is characterized as {spread}.",
    ),
    ("volume", "shape", "spread"): (
        "What is the volume, shape, and spread of {label}?",
        "The overall volume of {label} is {volume}, its shape is described as {shape}, "
        "and it is characterized as {spread}.",
    ),
    ("region", "shape", "spread"): (
        "What is the region, shape, and spread of {label}?",
        "The {label} is located in {regions}, its shape is described as {shape}, "
        "and it is characterized as {spread}.",
    ),
    ("volume", "region", "shape", "spread"): (
        "What is the volume, region, shape, and spread of {label}?",
        "The overall volume of {label} is {volume}, it is located in {regions}, "
        "its shape is described as {shape}, and it is characterized as {spread}.",
    ),
}

TYPES: tuple[tuple[str, ...], ...] = tuple(CANONICAL)
"""The fifteen task combinations, in the appendix's order."""

_SLOT = re.compile(r"\{([a-z]+)\}")


@dataclass(frozen=True, slots=True)
class Wording:
    """A question and its answer with their slots still open.

    Attributes:
        kind: in scope, partly, or wholly out of scope.
        tasks: the tasks asked, in the order of :data:`TASKS`; empty when wholly out of scope.
        question: text with ``{label}``.
        answer: text with the slot of every task, and what cannot be answered.
        out_of_scope: ids of the items asked beyond the tasks; endpoint wordings do not know theirs.
        withheld: whether it is kept for testing.
    """

    kind: Kind
    tasks: tuple[str, ...]
    question: str
    answer: str
    out_of_scope: tuple[str, ...] = ()
    withheld: bool = False


class Wordings(Protocol):
    """A source of wordings; the grammar and the endpoint's bank both are one."""

    def count(self, kind: Kind, tasks: Sequence[str] | None = None, pool: Pool = "all") -> int:
        """How many there are; ``tasks`` ``None`` counts every combination of the kind."""

    def sample(
        self, kind: Kind, tasks: Sequence[str], rng: np.random.Generator, pool: Pool = "all"
    ) -> Wording:
        """One at random."""

    def draw(
        self, kind: Kind, tasks: Sequence[str], n: int, rng: np.random.Generator, pool: Pool = "all"
    ) -> list[Wording]:
        """``n`` different ones."""


def combination(kind: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """``tasks`` in the order of :data:`TASKS`, checked against ``kind``.

    Raises:
        ConfigError: an unknown kind or task, a task twice, none where some are due, or the reverse.
    """
    if kind not in KINDS:
        raise ConfigError("There is no such kind of wording.", expected=", ".join(KINDS), got=kind)
    ordered = tuple(task for task in TASKS if task in tasks)
    if len(ordered) != len(tasks):
        raise ConfigError("The tasks are not a set of known tasks.", expected=", ".join(TASKS), got=tasks)
    if bool(ordered) == (kind == "out_of_scope"):
        raise ConfigError(
            "Wholly out-of-scope wordings have no task; all others have at least one.",
            expected="no task" if ordered else "at least one task",
            got=f"{kind}, {tasks}",
        )
    return ordered


def listed(words: Sequence[str]) -> str:
    """``frontal``; ``frontal and insula``; ``frontal, parietal and insula``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def fill(
    wording: Wording,
    *,
    label: str,
    volume: str | None = None,
    regions: str | None = None,
    shape: str | None = None,
    spread: str | None = None,
) -> tuple[str, str]:
    """Question and answer with their slots filled; a sentence that starts with a value is capitalized.

    Args:
        label: the lesion's name, "Enhancing Tissue".
        volume: a class in percent of brain volume, "1-5%", or "N/A"; needed where the slot stands.
        regions: "frontal, parietal and insula", "unlocalised" or "N/A"; likewise.
        shape: "round", …; likewise.
        spread: "single lesion", …; likewise.

    Raises:
        ConfigError: a slot of the wording was given no value.
    """
    values = {"label": label, "volume": volume, "regions": regions, "shape": shape, "spread": spread}

    def value(match: re.Match[str]) -> str:
        found = values.get(match.group(1))
        if found is None:
            raise ConfigError(
                f"The wording needs a value for {match.group(0)}.",
                got=wording.answer,
                remedy="pass it to fill()",
            )
        return found

    question, answer = (
        capitalize_sentences(_SLOT.sub(value, text)) for text in (wording.question, wording.answer)
    )
    return question, answer
