"""Wordings of VoxelPrompt's tasks (§4.2): prompts from the shipped recursive grammar, with open slots filled.

The grammar gives templates with slots (``{a}``, ``{b}``: structures; ``{seq}``: a sequence; ``{scan}``: which
images). What fills them comes from tables elsewhere, as phrases of which some are withheld. A prompt is of
the *withheld* pool when its template, a synonym in its template, or a phrase in a slot is withheld.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from sagittal.errors import ConfigError
from sagittal.language.grammar import Grammar, Pool
from sagittal.language.tidy import tidy
from sagittal.language.withholding import SHARE

GRAMMAR_FOLDER = Path(__file__).parent / "grammars" / "voxel_tasks"
#: Whole questions as people would put them, a list a task: not a grammar's product, and a tenth withheld.
SPOKEN_FOLDER = Path(__file__).parent / "grammars" / "voxel_spoken"
#: Below this many synonyms each is a large part of what is known of a thing; all are kept.
FEWEST_SYNONYMS = 3
_SLOT = re.compile(r"\{([a-z]+)\}")
#: Verbs that follow the number of the first structure.
_VERBS = {"is": ("is", "are"), "was": ("was", "were"), "does": ("does", "do"), "has": ("has", "have"),
          "an": ("a", "some"), "one": ("a", ""), "it": ("it", "they"), "them": ("it", "them")}  # fmt: skip
_ARTICLES = ("an", "one")
#: Never misspelt, like abbreviations: one letter more or less and they are another word, or none.
_PROTECTED = frozenset(
    ("left", "right", "first", "last", "second", "later", "earlier", "before", "after", "contrast")
)
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo",
    "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et",
    "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")
_FEWEST_LETTERS = 5


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words for one thing.

    Attributes:
        text: the words, without an article.
        plural: whether verbs follow it in the plural.
        withheld: whether it is kept back for testing.
        mass: whether it has no article of its own ("oedema").
    """

    text: str
    plural: bool = False
    withheld: bool = False
    mass: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the user would type it.

    Attributes:
        text: the words.
        withheld: whether anything in it is kept back for testing.
        phrases: slot → the phrase that fills it.
    """

    text: str
    withheld: bool
    phrases: Mapping[str, Phrase]


def held_back(texts: Sequence[str], owner: str) -> frozenset[str]:
    """About a tenth of a thing's synonyms, by a hash of their text; none when there are few."""
    if len(texts) < FEWEST_SYNONYMS:
        return frozenset()
    ranked = sorted(texts, key=lambda text: hashlib.sha256(f"{owner}\0{text}".encode()).digest())
    return frozenset(ranked[: max(1, round(SHARE * len(texts)))])


class VoxelWordings:
    """The shipped grammar's face."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar

    @classmethod
    def load(cls) -> VoxelWordings:
        """The shipped grammar, read and compiled once a process."""
        return cls(_shipped())

    @property
    def roots(self) -> tuple[str, ...]:
        """What can be asked."""
        return self._grammar.roots

    def count(self, root: str, pool: Pool = "all") -> int:
        """Exact number of derivations, slots not counted."""
        return self._grammar.count(root, pool)

    def spoken(
        self, root: str, slots: Mapping[str, Sequence[Phrase]], rng: np.random.Generator, pool: Pool = "all"
    ) -> Prompt:
        """A prompt as people put it, from lists of whole questions; otherwise as :meth:`sample`.

        Raises:
            ConfigError: an unknown root or pool, or a slot without phrases.
        """
        derivation = _spoken().sample(root, rng, pool)
        return _filled(
            derivation.parts[0], slots, rng, "train" if pool == "train" else "all", derivation.withheld
        )

    def sample(
        self,
        root: str,
        slots: Mapping[str, Sequence[Phrase]],
        rng: np.random.Generator,
        pool: Pool = "all",
    ) -> Prompt:
        """One prompt.

        Args:
            root: a root of the grammar, such as ``ask volume``.
            slots: slot → phrases that may fill it.
            rng: decides every draw.
            pool: ``train`` uses nothing withheld; ``withheld`` at least one such thing.

        Raises:
            ConfigError: an unknown root or pool, a slot without phrases, or nothing withheld to use.
        """
        if pool != "withheld":
            derivation = self._grammar.sample(root, rng, pool)
            return _filled(derivation.parts[0], slots, rng, pool, derivation.withheld)
        if rng.random() < 0.5:
            derivation = self._grammar.sample(root, rng, "all")
            text = derivation.parts[0]
            used = [s for s in _SLOT.findall(text) if any(p.withheld for p in slots.get(s, ()))]
            if used and not derivation.withheld:
                forced = used[int(rng.integers(len(used)))]
                only = {**slots, forced: [p for p in slots[forced] if p.withheld]}
                return _filled(text, only, rng, "all", True)
        derivation = self._grammar.sample(root, rng, "withheld")
        return _filled(derivation.parts[0], slots, rng, "all", True)


@cache
def _shipped() -> Grammar:
    return Grammar(sorted(GRAMMAR_FOLDER.glob("*.yaml")))


@cache
def _spoken() -> Grammar:
    return Grammar(sorted(SPOKEN_FOLDER.glob("*.yaml")))


def _filled(
    text: str, slots: Mapping[str, Sequence[Phrase]], rng: np.random.Generator, pool: Pool, withheld: bool
) -> Prompt:
    chosen: dict[str, Phrase] = {}
    for slot in dict.fromkeys(_SLOT.findall(text)):
        if slot in _VERBS:
            continue
        allowed = [p for p in slots.get(slot, ()) if pool != "train" or not p.withheld]
        if not allowed:
            raise ConfigError(
                f"The prompt needs words for {{{slot}}}.",
                expected=f"phrases of the pool '{pool}'",
                got=text,
            )
        chosen[slot] = allowed[int(rng.integers(len(allowed)))]
    plural = "a" in chosen and chosen["a"].plural

    def words(match: re.Match[str]) -> str:
        slot = match.group(1)
        if slot in _ARTICLES and "a" in chosen and chosen["a"].mass:
            return ""
        return _VERBS[slot][plural] if slot in _VERBS else chosen[slot].text

    filled = tidy(_SLOT.sub(words, text))
    return Prompt(filled, withheld or any(p.withheld for p in chosen.values()), chosen)


def corrupt(text: str, rng: np.random.Generator, *, typing: float = 0.4, typos: float = 0.15) -> str:
    """A prompt as people type it: lower case, no final mark, and now and then a slip of the finger.

    Args:
        text: a clean prompt.
        rng: decides every draw.
        typing: chance each of lower case and of a missing final mark.
        typos: chance of one or two misspelt words.
    """
    lower, bare, slips, count = rng.random(4)
    if slips < typos:
        for _ in range(1 + int(count < 0.25)):
            text = _slip(text, rng)
    if bare < typing:
        text = text.rstrip(".?!")
    return text.lower() if lower < typing else text


def _slip(text: str, rng: np.random.Generator) -> str:
    """One word misspelt: letters swapped, one lost, doubled, or the key beside it hit."""
    words = [
        m
        for m in _WORD.finditer(text)
        if len(m.group()) >= _FEWEST_LETTERS
        and not m.group().isupper()
        and m.group().lower() not in _PROTECTED
    ]
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    # The first letter carries the word.
    at = word.start() + int(rng.integers(1, len(word.group()) - 1))
    kind = int(rng.integers(4))
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    near = _NEIGHBOURS.get(text[at].lower(), text[at])
    return text[:at] + near[int(rng.integers(len(near)))] + text[at + 1 :]
