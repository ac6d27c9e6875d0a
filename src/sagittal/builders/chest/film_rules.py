"""Questions about the film as a whole: devices, grade of oedema, size of heart and lungs, projection, gender.

As in :mod:`.finding_rules`, what is not known makes no case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.question_cases import SIDES, Case, Rule, yes_or_no
from sagittal.io.films.names import DEVICES, SEVERITY

VIEWS = ("PA", "AP")
#: A heart wider than this share of the thorax is called enlarged (IMAX A.1).
ENLARGED = 0.5
#: A lung field is called larger where the other has at most this share of its area.
_SMALLER = 0.9


def device_present(film: FilmFacts) -> Iterator[Case]:
    """Is that device there?"""
    if film.devices is not None:
        for name in DEVICES:
            yield Case({"device": _with_article(name)}, yes_or_no(name in film.devices))


def which_device(film: FilmFacts) -> Iterator[Case]:
    """Which of two devices is there? One is."""
    for a, b in combinations(DEVICES, 2):
        if film.devices is not None and (a in film.devices) != (b in film.devices):
            yield Case({"a": _with_article(a), "b": _with_article(b)}, (a if a in film.devices else b,))


def devices(film: FilmFacts) -> Iterator[Case]:
    """All devices."""
    if film.devices is not None:
        yield Case({}, tuple(sorted(film.devices)))


def oedema_grade(film: FilmFacts) -> Iterator[Case]:
    """Which grade?"""
    if film.oedema is not None:
        yield Case({}, (SEVERITY[film.oedema],))


def oedema_or(film: FilmFacts) -> Iterator[Case]:
    """Which of two grades?"""
    if film.oedema:
        for other in range(1, len(SEVERITY)):
            if other != film.oedema:
                a, b = sorted((film.oedema, other))
                yield Case({"a": SEVERITY[a], "b": SEVERITY[b]}, (SEVERITY[film.oedema],))


def oedema_is(film: FilmFacts) -> Iterator[Case]:
    """Is it that grade?"""
    if film.oedema is not None:
        for grade in range(1, len(SEVERITY)):
            yield Case({"grade": SEVERITY[grade]}, yes_or_no(grade == film.oedema))


def _enlarged(film: FilmFacts) -> bool | None:
    return None if film.ctr is None or film.heart != "heart" else film.ctr > ENLARGED


def heart_wide(film: FilmFacts) -> Iterator[Case]:
    """Is it wide?"""
    if _enlarged(film) is not None:
        yield Case({}, yes_or_no(bool(_enlarged(film))))


def heart_normal(film: FilmFacts) -> Iterator[Case]:
    """Is it not?"""
    if _enlarged(film) is not None:
        yield Case({}, yes_or_no(not _enlarged(film)))


def heart_size(film: FilmFacts) -> Iterator[Case]:
    """Normal or enlarged?"""
    if _enlarged(film) is not None:
        yield Case({}, ("enlarged" if _enlarged(film) else "normal",))


def larger_lung(film: FilmFacts) -> Iterator[Case]:
    """Left or right?"""
    left, right = (film.areas.get(f"{side} lung") for side in SIDES)
    if left and right and min(left, right) <= _SMALLER * max(left, right):
        yield Case({}, ("left" if left > right else "right",))


def is_view(film: FilmFacts) -> Iterator[Case]:
    """Is it that projection?"""
    if film.view is not None:
        for view in VIEWS:
            yield Case({"view": view}, yes_or_no(film.view == view))


def is_frontal(film: FilmFacts) -> Iterator[Case]:
    """PA and AP are frontal."""
    if film.view is not None:
        yield Case({}, yes_or_no(film.view in VIEWS))


def view_or(film: FilmFacts) -> Iterator[Case]:
    """PA or AP?"""
    if film.view in VIEWS:
        yield Case({}, (film.view,))


def view(film: FilmFacts) -> Iterator[Case]:
    """Which projection?"""
    if film.view is not None:
        yield Case({}, (film.view,))


def is_sex(film: FilmFacts) -> Iterator[Case]:
    """Is the patient that?"""
    if film.sex is not None:
        for sex in ("male", "female"):
            yield Case({"sex": sex}, yes_or_no(film.sex == sex))


def sex(film: FilmFacts) -> Iterator[Case]:
    """Male or female?"""
    if film.sex is not None:
        yield Case({}, (film.sex,))


def _with_article(device: str) -> str:
    if device.endswith("s"):
        return device
    return f"{'an' if device[0] in 'aeiou' else 'a'} {device}"


RULES: Mapping[str, Rule] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        device_present,
        which_device,
        devices,
        oedema_grade,
        oedema_or,
        oedema_is,
        heart_wide,
        heart_normal,
        heart_size,
        larger_lung,
        is_view,
        is_frontal,
        view_or,
        view,
        is_sex,
        sex,
    )
}
