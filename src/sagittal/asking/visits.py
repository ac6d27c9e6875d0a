"""Which images belong to one visit, and when it was.

A visit is told from what a file itself states: DICOM's study, BraTS's number, BIDS's ``ses-``, a date in a
name. Two images of one sequence in different folders, of which nothing says whether they are one visit or
two, are not guessed about.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Literal

from sagittal.agent.text import plain
from sagittal.asking.finding import Found
from sagittal.errors import InputError
from sagittal.study import KINDS

#: How visits are told apart: by what the files state; by folder, too; or not at all.
Grouping = Literal["auto", "folder", "one"]

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_BIDS = re.compile(r"(?:^|[_/\\])ses-([A-Za-z0-9]+)")


def group_visits(images: Sequence[Found], grouping: Grouping = "auto") -> tuple[list[Found], list[str]]:
    """Give every image its visit and the visit's date.

    Args:
        images: as found.
        grouping: ``auto``, by what the files state; ``folder``, where they state nothing, by the first folder
            below the one that they have in common; ``one``, all images are of one visit.

    Returns:
        The images in the order of :data:`sagittal.study.KINDS`, ``session`` and ``acquired`` equal within
        a visit; and what the reader should know.

    Raises:
        InputError: nothing says whether images of one sequence in different folders are of one visit.
    """
    if grouping == "one":
        made = [replace(image, session="") for image in images]
    else:
        common = _common_folder(images)
        made = [_stated(image, common) for image in images]
        if grouping == "folder":
            made = [i if i.session else _by_folder(i, common) for i in made]
        _require_told_apart(made)
    made = _one_date_a_visit(_in_order(_named(made)))
    if len({image.session for image in made}) == 1:
        # One visit needs no name: it would stand beside every measurement.
        made = [replace(image, session="") for image in made]
    order = list(KINDS)
    return sorted(made, key=lambda image: order.index(image.kind)), _remarks(made)


def _common_folder(images: Sequence[Found]) -> Path:
    try:
        return Path(os.path.commonpath([image.path.resolve().parent for image in images]))
    except ValueError:  # different drives have nothing in common
        return Path()


def _below(image: Found, common: Path) -> tuple[str, ...]:
    """Names of folders between the common one and the file; the common one's own name when it is alone."""
    parent = image.path.resolve().parent
    inner = parent.relative_to(common).parts if parent.is_relative_to(common) else parent.parts
    return inner or (parent.name,)


def _stated(image: Found, common: Path) -> Found:
    """The visit that the file itself states, or names of folders around it."""
    if image.series is not None or image.session:
        return image
    words = "/".join((*_below(image, common), image.path.name))
    bids, day = _BIDS.search(words), _date_in(words)
    session = bids.group(1) if bids else day.isoformat() if day else ""
    return replace(image, session=plain(session, 40), acquired=day)


def _by_folder(image: Found, common: Path) -> Found:
    inside = _below(image, common)[0]
    return replace(image, session=plain(inside, 40))


def _date_in(text: str) -> date | None:
    for match in _DATE.finditer(text):
        try:
            return date(*(int(part) for part in match.groups()))
        except ValueError:  # the 31st of a short month is no date
            continue
    return None


def _require_told_apart(images: Iterable[Found]) -> None:
    places: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for image in images:
        if image.series is None:
            places[image.session, image.kind].append(image.path)
    for (session, kind), paths in places.items():
        if session == "" and len({path.resolve().parent for path in paths}) > 1:
            raise InputError(
                f"Nothing says whether these {kind} images are of one visit or of several.",
                expected="dates or ses-NAME in the names of files or folders, BraTS names, or DICOM",
                got=", ".join(str(path) for path in paths[:4]),
                remedy="say --session folder (a visit a folder) or --session one (all of one visit)",
            )


def _named(images: Sequence[Found]) -> list[Found]:
    """DICOM's identifiers of studies become dates or numbers, which people can read."""
    dates: dict[str, list[date]] = defaultdict(list)
    for image in images:
        if image.series is not None:
            dates[image.session] += [image.acquired] if image.acquired else []
    days = [min(found) if found else None for found in dates.values()]
    told_apart = None not in days and len(set(days)) == len(days)
    names = {
        uid: str(day) if told_apart else f"study {number}"
        for number, (uid, day) in enumerate(zip(dates, days, strict=True), start=1)
    }
    return [
        replace(image, session=names[image.session] if image.session else "")
        if image.series is not None
        else image
        for image in images
    ]


def _in_order(images: Sequence[Found]) -> list[Found]:
    """Numbers in names filled with zeros, so that the order of names is that of numbers: 2 before 10."""
    width = max((len(run) for i in images for run in re.findall(r"\d+", i.session)), default=0)
    filled = {i.session: re.sub(r"\d+", lambda run: run.group().zfill(width), i.session) for i in images}
    by_name = sorted(filled) == sorted(filled, key=lambda session: filled[session])
    return list(images) if by_name else [replace(i, session=filled[i.session]) for i in images]


def _one_date_a_visit(images: Sequence[Found]) -> list[Found]:
    dates: dict[str, list[date]] = defaultdict(list)
    for image in images:
        dates[image.session] += [image.acquired] if image.acquired else []
    return [
        replace(image, acquired=min(dates[image.session]) if dates[image.session] else None)
        for image in images
    ]


def _remarks(images: Sequence[Found]) -> list[str]:
    sessions = sorted({image.session for image in images})
    dated = all(image.acquired for image in images)
    # BraTS's numbers are its order in time.
    if len(sessions) < 2 or dated or all(session.isdigit() for session in sessions):
        return []
    return [f"the visits have no dates; they are taken in the order of their names: {', '.join(sessions)}"]
