"""Statements about one film → one account of it: what agrees is kept, what does not is named and dropped.

Nothing is settled by the order of the sources. Two sources that contradict each other on a value lose it;
grades of oedema alone have ranks (consensus before experts before regular expressions, as their set states).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sagittal.io.films.names import NO_FINDING
from sagittal.io.films.statement import GRADED_BY, FilmMasks, FilmStatement, MaskRow, Sign

#: Reasons for leaving something out.
TWO_PATIENTS = "sources name two patients"
UNCERTAIN = "a label is uncertain"
CONTRADICTED = "labels contradict each other"
NO_FINDING_YET_ONE = "no finding, and a finding"
TWO_GRADES = "sources give two grades of oedema"
TWO_RATIOS = "sources give two ratios"
TWO_MASKS = "two sources have masks"
TWO_REPORTS = "sources have two reports"
#: Single values of a statement of which sources may state one only.
_SINGLE = ("study", "file", "view", "sex", "size", "spacing_mm")
#: Published ratios are equal when they agree to the paper's four digits.
_RATIO_TOLERANCE = 1e-4


@dataclass
class Account:
    """What the sources say of a film, each value once.

    Attributes:
        single: those of the single values that are known.
        left_out: reasons.
        masks, source: masks, and number of the source that has them.
    """

    patient: str = ""
    single: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, bool] = field(default_factory=dict)
    oedema: int | None = None
    report: str | None = None
    ctr: float | None = None
    cpar: float | None = None
    marking: str | None = None
    masks: FilmMasks | MaskRow | None = None
    rca: float | None = None
    source: int | None = None
    signs: list[Sign] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def account(stated: Sequence[tuple[int, FilmStatement]]) -> Account:
    """Join what is stated of one film and of its study.

    Args:
        stated: number of the source, and what it states.
    """
    out = Account()
    statements = [one for _, one in stated]
    patients = {one.patient for one in statements if one.patient}
    if len(patients) > 1:
        out.left_out.append(TWO_PATIENTS)
        return out
    out.patient = next(iter(patients), "")
    for name in _SINGLE:
        values = {value for one in statements if (value := getattr(one, name))}
        if len(values) == 1:
            out.single[name] = values.pop()
        elif values:
            out.left_out.append(f"sources disagree on {name.removesuffix('_mm')}")
    out.labels = _labels(statements, out.left_out)
    out.oedema = _grade(statements, out.left_out)
    reports = {" ".join(one.report.split()) for one in statements if one.report and one.report.strip()}
    out.report = _only(reports, TWO_REPORTS, out.left_out)
    out.ctr = _ratio([one.ctr for one in statements], out.left_out)
    out.cpar = _ratio([one.cpar for one in statements], out.left_out)
    markings = sorted({one.marking for one in statements if one.marking})
    if markings:
        out.marking, out.ctr, out.cpar = markings[0], None, None
    with_masks = [(number, one) for number, one in stated if one.masks is not None]
    if len(with_masks) == 1:
        [(out.source, own)] = with_masks
        out.masks, out.rca = own.masks, own.rca
    elif with_masks:
        out.left_out.append(TWO_MASKS)
    # What is marked twice is one sign.
    out.signs = list(dict.fromkeys(sign for one in statements for sign in one.signs))
    out.left_out = list(dict.fromkeys(out.left_out))
    return out


def _only(values: set[str], reason: str, left_out: list[str]) -> str | None:
    if len(values) > 1:
        left_out.append(reason)
        return None
    return next(iter(values), None)


def _labels(statements: Iterable[FilmStatement], left_out: list[str]) -> dict[str, bool]:
    said: dict[str, set[bool | None]] = {}
    for one in statements:
        for name, there in one.labels.items():
            said.setdefault(name, set()).add(there)
    found: dict[str, bool] = {}
    for name, values in sorted(said.items()):
        if values == {None}:
            left_out.append(UNCERTAIN)
            continue
        sure = values - {None}
        if len(sure) == 2:
            left_out.append(CONTRADICTED)
        elif None in values:
            left_out.append(UNCERTAIN)
        else:
            found[name] = bool(sure.pop())
    if found.get(NO_FINDING) and any(there for name, there in found.items() if name != NO_FINDING):
        # One of them is wrong, and which is not known.
        left_out.append(NO_FINDING_YET_ONE)
        return {}
    return found


def _grade(statements: Iterable[FilmStatement], left_out: list[str]) -> int | None:
    by_rank: dict[int, set[int]] = {}
    for one in statements:
        if one.oedema is not None:
            rank = -1 if one.graded_by is None else GRADED_BY.index(one.graded_by)
            by_rank.setdefault(rank, set()).add(one.oedema)
    if not by_rank:
        return None
    best = by_rank[max(by_rank)]
    if len(best) > 1:
        left_out.append(TWO_GRADES)
        return None
    return best.pop()


def _ratio(values: Iterable[float | None], left_out: list[str]) -> float | None:
    known = [value for value in values if value is not None]
    if known and max(known) - min(known) > _RATIO_TOLERANCE:
        left_out.append(TWO_RATIOS)
        return None
    return known[0] if known else None
