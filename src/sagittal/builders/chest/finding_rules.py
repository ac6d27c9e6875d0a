"""Questions about findings: are they there, which, where, how large.

A rule gives every case of its question that the film's facts decide. What is not known makes no case: where
findings have no place, no place is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.question_cases import (
    EXTENTS,
    SIDES,
    ZONES,
    Case,
    Rule,
    by_side,
    known,
    placed,
    said,
    sides_of,
    signs_of,
    yes_or_no,
    zones_of,
)
from sagittal.io.films.names import FINDINGS


def finding_present(film: FilmFacts) -> Iterator[Case]:
    """Is it there?"""
    for name, there in known(film).items():
        yield Case({"finding": said(name)}, yes_or_no(there))


def finding_in_lung(film: FilmFacts) -> Iterator[Case]:
    """Is it on that side?"""
    signs = signs_of(film)
    for name, there in known(film).items():
        if not there or name in signs:
            sides = sides_of(signs[name]) if there else ()
            for side in SIDES:
                yield Case({"finding": said(name), "side": side}, yes_or_no(side in sides))


def finding_in_zone(film: FilmFacts) -> Iterator[Case]:
    """Is it in that zone?"""
    for name, own in signs_of(film).items():
        zones = zones_of(own)
        if zones is not None:
            for side in SIDES:
                for zone in ZONES:
                    yield Case(
                        {"finding": said(name), "side": side, "zone": zone}, yes_or_no((side, zone) in zones)
                    )


def either_present(film: FilmFacts) -> Iterator[Case]:
    """Is one of two there?"""
    for (a, one), (b, other) in combinations(known(film).items(), 2):
        yield Case({"a": said(a), "b": said(b)}, yes_or_no(one or other))


def both_present(film: FilmFacts) -> Iterator[Case]:
    """Are two there?"""
    for (a, one), (b, other) in combinations(known(film).items(), 2):
        yield Case({"a": said(a), "b": said(b)}, yes_or_no(one and other))


def which_present(film: FilmFacts) -> Iterator[Case]:
    """Which of two is there? One is."""
    for (a, one), (b, other) in combinations(known(film).items(), 2):
        if one != other:
            yield Case({"a": said(a), "b": said(b)}, (said(a if one else b),))


def any_abnormality(film: FilmFacts) -> Iterator[Case]:
    """Is anything wrong?"""
    if film.clear is not None:
        yield Case({}, yes_or_no(not film.clear))


def normal_film(film: FilmFacts) -> Iterator[Case]:
    """Is nothing wrong?"""
    if film.clear is not None:
        yield Case({}, yes_or_no(film.clear))


def abnormal_side(film: FilmFacts) -> Iterator[Case]:
    """Is anything wrong on that side?"""
    for side, found in by_side(film).items():
        yield Case({"side": side}, yes_or_no(bool(found)))


def findings(film: FilmFacts) -> Iterator[Case]:
    """All that is there."""
    if film.clear is not None and all(name in film.labels for name in FINDINGS):
        yield Case({}, tuple(said(name) for name in FINDINGS if film.labels[name]))


def findings_of_side(film: FilmFacts) -> Iterator[Case]:
    """All that is there on one side."""
    for side, found in by_side(film).items():
        yield Case({"side": side}, found)


def findings_of_zone(film: FilmFacts) -> Iterator[Case]:
    """All that is there in a zone that shows something."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, own in (placed(film) or {}).items():
        zones = zones_of(own)
        # What has no zone (fluid, air around a lung) may lie in any: then no zone can be told of.
        if zones is None:
            return
        for place in zones:
            found.setdefault(place, []).append(said(name))
    for (side, zone), names in sorted(found.items()):
        yield Case({"side": side, "zone": zone}, tuple(sorted(names)))


def where(film: FilmFacts) -> Iterator[Case]:
    """All places of a finding."""
    for name, own in signs_of(film).items():
        zones = zones_of(own)
        places = (
            sides_of(own) if zones is None else tuple(f"{side} {zone} zone" for side, zone in sorted(zones))
        )
        yield Case({"finding": said(name)}, places)


def sides_of_finding(film: FilmFacts) -> Iterator[Case]:
    """All sides of a finding."""
    for name, own in signs_of(film).items():
        yield Case({"finding": said(name)}, sides_of(own))


def abnormal_zones(film: FilmFacts) -> Iterator[Case]:
    """All zones in which something is."""
    signs = placed(film)
    if signs is not None:
        zones = [zones_of(own) for own in signs.values()]
        known = [own for own in zones if own is not None]
        if len(known) == len(zones):
            places = sorted(set().union(*known))
            yield Case({}, tuple(f"{side} {zone} zone" for side, zone in places))


def which_side(film: FilmFacts) -> Iterator[Case]:
    """Left or right?"""
    for name, own in signs_of(film).items():
        sides = sides_of(own)
        if len(sides) == 1:
            yield Case({"finding": said(name)}, sides)


def which_zone(film: FilmFacts) -> Iterator[Case]:
    """Upper, middle or lower?"""
    for name, own in signs_of(film).items():
        zones = {zone for _, zone in zones_of(own) or ()}
        if len(zones) == 1:
            yield Case({"finding": said(name)}, tuple(zones))


def on_both_sides(film: FilmFacts) -> Iterator[Case]:
    """Is it on both sides?"""
    for name, own in signs_of(film).items():
        yield Case({"finding": said(name)}, yes_or_no(len(sides_of(own)) == 2))


def side_affected(film: FilmFacts) -> Iterator[Case]:
    """Of what is there: is it on that side?"""
    for name, own in signs_of(film).items():
        for side in SIDES:
            yield Case({"finding": said(name), "side": side}, yes_or_no(side in sides_of(own)))


def extent(film: FilmFacts) -> Iterator[Case]:
    """How large?"""
    for name, own in signs_of(film).items():
        sizes = {sign.size for sign in own}
        if len(sizes) == 1 and None not in sizes:
            yield Case({"finding": said(name)}, (str(sizes.pop()),))


def extent_is(film: FilmFacts) -> Iterator[Case]:
    """Is it that large?"""
    for case in extent(film):
        for size in EXTENTS:
            yield Case({**case.slots, "size": size}, yes_or_no((size,) == case.answers))


RULES: Mapping[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        finding_present,
        finding_in_lung,
        finding_in_zone,
        either_present,
        both_present,
        which_present,
        any_abnormality,
        normal_film,
        abnormal_side,
        findings,
        findings_of_side,
        findings_of_zone,
        where,
        sides_of_finding,
        abnormal_zones,
        which_side,
        which_zone,
        on_both_sides,
        side_affected,
        extent,
        extent_is,
    )
}
