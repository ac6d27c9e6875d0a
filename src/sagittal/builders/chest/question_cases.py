"""A case of a question in words, and what is known of findings and of their places.

A finding's places are known from signs that name sides; they are complete for a label that is there: what
places its source gives are all its places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sagittal.builders.chest.facts import FilmFacts
from sagittal.io.films.names import NO_FINDING
from sagittal.io.films.statement import Sign

SIDES, ZONES, EXTENTS = ("left", "right"), ("upper", "middle", "lower"), ("small", "moderate", "large")
#: The common name of others, whose places are its own.
_COMMON = "Lung Opacity"


class Case(NamedTuple):
    """One question of a rule: slots and answers; no answer where nothing applies."""

    slots: dict[str, str]
    answers: tuple[str, ...]


Rule = Callable[[FilmFacts], Iterator[Case]]


def yes_or_no(right: bool) -> tuple[str, ...]:
    """The answers of a question to verify."""
    return ("yes" if right else "no",)


def said(name: str) -> str:
    """A label inside a sentence."""
    return name.lower()


def known(film: FilmFacts) -> dict[str, bool]:
    """Finding → is it there?"""
    return {name: there for name, there in film.labels.items() if name != NO_FINDING}


def signs_of(film: FilmFacts) -> dict[str, list[Sign]]:
    """Findings whose places are known."""
    found: dict[str, list[Sign]] = {}
    for sign in film.signs:
        found.setdefault(sign.name, []).append(sign)
    return {name: own for name, own in found.items() if all(sign.side for sign in own)}


def sides_of(signs: Sequence[Sign]) -> tuple[str, ...]:
    """Sides on which a finding is."""
    sides = {side for sign in signs for side in (SIDES if sign.side == "both" else (sign.side,))}
    return tuple(side for side in SIDES if side in sides)


def zones_of(signs: Sequence[Sign]) -> set[tuple[str, str]] | None:
    """Side and zone of all that is marked; ``None`` where some of it lies in no zone."""
    if any(sign.zone is None for sign in signs):
        return None
    return {(side, str(sign.zone)) for sign in signs for side in sides_of([sign])}


def placed(film: FilmFacts) -> dict[str, list[Sign]] | None:
    """The places of all that is there; ``None`` where some of it has none, or not all is known."""
    signs = signs_of(film)
    there = {name for name, is_there in known(film).items() if is_there}
    if film.clear is None or any(name not in signs for name in there - {_COMMON}):
        return None
    return signs


def by_side(film: FilmFacts) -> dict[str, tuple[str, ...]]:
    """Side → findings on it, where all of them have places."""
    signs = placed(film)
    if signs is None:
        return {}
    return {
        side: tuple(sorted(said(name) for name, own in signs.items() if side in sides_of(own)))
        for side in SIDES
    }
