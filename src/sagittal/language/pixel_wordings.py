"""Wordings for questions about pixels (MedPLIB, appendix), from the shipped grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from sagittal.language.grammar import Grammar
from sagittal.language.tidy import tidy
from sagittal.language.wording import listed

GRAMMAR_FOLDER = Path(__file__).parent / "grammars" / "pixel_qa"
_SLOT = re.compile(r"\{([a-z]+)\}")
#: Words of a modality (Tables 7 and 8) in the grammar.
_WORDS = {"X-Ray": "xray"}


@cache
def pixel_grammar() -> Grammar:
    """The shipped grammar, read and compiled once a process."""
    return Grammar(sorted(GRAMMAR_FOLDER.glob("*.yaml")))


def worded(root: str, rng: np.random.Generator, *, modality: str | None = None, **slots: str) -> str:
    """A wording with its slots filled.

    Args:
        root: ``describe``, ``region_answer``, ``complex_question`` and ``complex_answer`` take a modality;
            ``category_question``, ``region_question``, ``grounding_question``, ``grounding_answer`` and
            ``absent_answer`` do not.
        rng: decides the draw.
        modality: a column of Tables 7 and 8, or ``unknown``.
        slots: their texts, which may be empty; see the grammar's head.

    Raises:
        ConfigError: there is no such root.
    """
    full = root if modality is None else f"{root} {_WORDS.get(modality, modality.lower())}"
    text = pixel_grammar().sample(full, rng).parts[0]
    return tidy(_SLOT.sub(lambda match: slots[match.group(1)], text))


def templates(root: str, modality: str | None = None) -> list[str]:
    """All wordings of a root with their slots open, in the grammar's order."""
    full = root if modality is None else f"{root} {_WORDS.get(modality, modality.lower())}"
    grammar = pixel_grammar()
    return [grammar.unrank(full, rank).parts[0] for rank in range(grammar.count(full))]


def the_listed(names: Sequence[str]) -> str:
    """``the liver``; ``the liver and the spleen``; ``the liver, the spleen and the aorta``."""
    return listed([f"the {name}" for name in names])
