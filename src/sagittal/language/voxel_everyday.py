"""Questions as people type them, and what people type that is no question of ours.

The grammar of :mod:`sagittal.language.voxel_wordings` puts each task in many ways, all of them tidy. People
write around their question, leave words out, shorten them, and ask for things that nobody here measures.
Training draws this on top of the grammar; tests use the grammar alone. Nothing here changes what is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field

from sagittal.language.grammar import Grammar
from sagittal.language.voxel_wordings import corrupt

_FOLDER = Path(__file__).parent / "grammars" / "voxel_everyday"
_SLOT = re.compile(r"\{([a-z])\}")
_ONSETS = ["", "b", "c", "ch", "d", "f", "g", "gl", "h", "j", "k", "kr", "l", "m", "n", "p", "ph", "pl", "pr",
           "qu", "r", "s", "sc", "sp", "st", "t", "th", "tr", "v", "x", "z"]  # fmt: skip
_VOWELS = ["a", "e", "i", "o", "u", "ae", "eu", "ia", "io", "y"]
_CODAS = ["", "", "", "l", "m", "n", "r", "s", "x", "ct", "nd", "rt", "st"]
_ENDINGS = [
    "",
    "us",
    "um",
    "a",
    "is",
    "oid",
    "oma",
    "itis",
    "ation",
    "ness",
    "er",
    "ly",
    "al nucleus",
    "al gland",
]


class TypingConfig(BaseModel):
    """Chances, each of one question."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    before: float = Field(default=0.15, ge=0, le=1, description="something is said first")
    after: float = Field(default=0.10, ge=0, le=1, description="something is said afterwards")
    spelling: float = Field(default=0.35, ge=0, le=1, description="spelt as in America")
    short: float = Field(default=0.15, ge=0, le=1, description="words are shortened")
    dropped: float = Field(default=0.12, ge=0, le=1, description="words that carry little are left out")
    fillers: float = Field(default=0.10, ge=0, le=1, description="a word more that carries nothing")
    strange: float = Field(default=0.05, ge=0, le=1, description="such a word is one nobody knows")
    marks: float = Field(default=0.10, ge=0, le=1, description="commas and hyphens go, ends are ?? or !")
    capitals: float = Field(default=0.02, ge=0, le=1, description="everything in capitals")
    typing: float = Field(default=0.40, ge=0, le=1, description="each of lower case and of no final mark")
    typos: float = Field(default=0.20, ge=0, le=1, description="one or two slips of the finger")


@dataclass(frozen=True)
class Words:
    """The lists of ``words.yaml``; see there."""

    properties: tuple[str, ...]
    things: tuple[str, ...]
    organs: tuple[str, ...]
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    adjectives: tuple[str, ...]
    droppable: frozenset[str]
    fillers: tuple[str, ...]
    short: Mapping[str, Sequence[str]]
    spelling: Mapping[str, str]


@cache
def words() -> Words:
    """The shipped lists, read once a process."""
    read: dict[str, Any] = yaml.safe_load((_FOLDER / "words.yaml").read_text(encoding="utf-8"))
    lists = {k: tuple(str(w) for w in v) for k, v in read.items() if isinstance(v, list)}
    dropped = frozenset(lists.pop("droppable"))
    return Words(**lists, droppable=dropped, short=read["short"], spelling=read["spelling"])


@cache
def _grammar() -> Grammar:
    return Grammar([_FOLDER / "around.yaml"])


def around(root: str, rng: np.random.Generator, **slots: Callable[[], str]) -> str:
    """A sentence of ``around.yaml``, its slots filled anew at each mention.

    Raises:
        ConfigError: there is no such root.
    """
    text = _grammar().sample(root, rng).parts[0]
    return _SLOT.sub(lambda match: slots[match.group(1)](), text)


def made_up(rng: np.random.Generator) -> str:
    """A word that does not exist: one to three syllables and an ending."""
    syllables = [
        _choose(_ONSETS, rng) + _choose(_VOWELS, rng) + _choose(_CODAS, rng)
        for _ in range(rng.integers(1, 4))
    ]
    return "".join(syllables) + _choose(_ENDINGS, rng)


def odd_property(structure: str, rng: np.random.Generator) -> str:
    """A question for something of a structure that nothing here measures."""
    listed = words().properties
    return around(
        "odd_property",
        rng,
        p=lambda: made_up(rng) if rng.random() < 0.15 else _choose(listed, rng),
        a=lambda: structure,
    )


def odd_thing(kind: str, structure: str, rng: np.random.Generator, avoid: frozenset[str]) -> str:
    """A question for an organ, or for a structure that nobody here can segment.

    Args:
        kind: ``organs`` or ``things``; a thing may be a word that does not exist.
        structure: one that is known, for questions of two.
        rng: decides every draw.
        avoid: what it must not be, in lower case.
    """
    listed = [w for w in (words().organs if kind == "organs" else words().things) if w.lower() not in avoid]
    strange = kind == "things" and rng.random() < 0.3
    thing = made_up(rng) if strange else _choose(listed, rng)
    return around("odd_thing", rng, q=lambda: thing, a=lambda: structure)


def odd_request(rng: np.random.Generator) -> str:
    """Something that has nothing to do with images."""
    lists = words()
    return around(
        "odd_request",
        rng,
        n=lambda: _choose(lists.nouns, rng),
        m=lambda: _choose(lists.nouns, rng),
        v=lambda: _choose(lists.verbs, rng),
        p=lambda: _choose(lists.adjectives, rng),
    )


def foreign(rng: np.random.Generator) -> str:
    """Words of another language, or letters without a sense."""
    if rng.random() < 0.2:
        letters = "abcdefghijklmnopqrstuvwxyz"
        sizes = rng.integers(2, 9, size=rng.integers(1, 5))
        return " ".join("".join(letters[int(i)] for i in rng.integers(0, 26, size=n)) for n in sizes)
    return around("foreign", rng)


def as_typed(text: str, rng: np.random.Generator, config: TypingConfig, kept: frozenset[str]) -> str:
    """A clean question as somebody might type it.

    Args:
        text: from the grammar.
        rng: decides every draw.
        config: chances.
        kept: words, in lower case, that are not to turn up unless they were there: those of withheld
            phrases.
    """
    chance = dict(zip(TypingConfig.model_fields, rng.random(len(TypingConfig.model_fields)), strict=True))
    wanted = {name for name, drawn in chance.items() if drawn < getattr(config, name)}
    if "spelling" in wanted:
        text = _guarded(text, _respelt(text), kept)
    if "short" in wanted:
        text = _guarded(text, _shortened(text, rng), kept)
    if "dropped" in wanted:
        text = _dropped(text, rng)
    if "fillers" in wanted:
        text = _with_word(text, _choose(words().fillers, rng), rng)
    if "strange" in wanted:
        text = _with_word(text, made_up(rng), rng)
    if "before" in wanted:
        text = f"{around('before', rng)} {text}"
    if "after" in wanted:
        text = f"{text} {around('after', rng)}"
    if "marks" in wanted:
        text = _careless(text, rng)
    text = corrupt(text, rng, typing=config.typing, typos=config.typos)
    return text.upper() if "capitals" in wanted else text


def cut_places(
    text: str, rng: np.random.Generator, *, share: float = 0.3, each: float = 0.06
) -> tuple[int, ...]:
    """Offsets at which a question is cut before it becomes tokens; none in most questions.

    Args:
        text: the question, single spaces.
        rng: decides every draw.
        share: chance that it is cut at all.
        each: chance of each offset then.
    """
    if rng.random() >= share or len(text) < 2:
        return ()
    return tuple(int(i) + 1 for i in np.flatnonzero(rng.random(len(text) - 1) < each))


def _choose(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]


def _guarded(before: str, after: str, kept: frozenset[str]) -> str:
    """``after``, unless a phrase turned up in it that must not."""
    old, new = f" {before.lower()} ", f" {after.lower()} "
    return before if any(phrase in new and phrase not in old for phrase in kept) else after


def _respelt(text: str) -> str:
    def other(match: re.Match[str]) -> str:
        word = match.group()
        found = words().spelling.get(word.lower(), word)
        return found.capitalize() if word[0].isupper() and found != word else found

    return re.sub(r"[A-Za-z]+", other, text)


def _shortened(text: str, rng: np.random.Generator) -> str:
    for word, others in words().short.items():
        pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
        if pattern.search(text) and rng.random() < 0.5:
            other = _choose(others, rng)
            text = pattern.sub(lambda match, other=other: other, text)  # type: ignore[misc]
    return text


def _dropped(text: str, rng: np.random.Generator) -> str:
    left = [w for w in text.split() if w.lower().strip(".,?!") not in words().droppable or rng.random() < 0.4]
    return " ".join(left) or text


def _with_word(text: str, word: str, rng: np.random.Generator) -> str:
    """One word more, in front, behind, or beside a word that carries little."""
    parts = text.split()
    beside = [i for i, w in enumerate(parts) if w.lower() in words().droppable]
    places = [0, len(parts), *beside]
    parts.insert(places[int(rng.integers(len(places)))], word)
    return " ".join(parts)


def _careless(text: str, rng: np.random.Generator) -> str:
    which = int(rng.integers(5))
    if which == 0:
        return text.replace(",", "")
    if which == 1:
        return text.replace("-", " ")
    if which == 2:
        return re.sub(r"[.?!]$", _choose(["??", "!", "...", " ?", "?!", " .", ";"], rng), text)
    if which == 3:
        return text.replace(". ", " ").replace(", ", ",")
    return re.sub(r"[.?!,]", "", text)
