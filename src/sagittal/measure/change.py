"""What changed between two visits: of a measurement, and of the lesions themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from sagittal.answer import Measurement
from sagittal.errors import InputError
from sagittal.measure.block import on_grid_of
from sagittal.measure.components import label_touching
from sagittal.study import Mask


@dataclass(frozen=True)
class Change:
    """The change of one measurement.

    Attributes:
        name, of, unit: as in the two measurements.
        before, after: their values.
        absolute: after − before.
        percent: 100 × absolute ÷ before.
        days: between the two visits.
        per_day: absolute ÷ days.
        undefined: which of these is ``None``, and why.
    """

    name: str
    of: str
    unit: str
    before: float | None
    after: float | None
    absolute: float | None
    percent: float | None
    days: int | None
    per_day: float | None
    undefined: Mapping[str, str] = field(default_factory=dict)

    def measurements(self) -> list[Measurement]:
        """The change as measurements: absolute, in percent, and per day."""
        method = "later visit minus earlier visit"
        parts = (
            ("absolute", f"change of {self.name}", self.absolute, self.unit, method),
            ("percent", f"relative change of {self.name}", self.percent, "%", f"{method}, ÷ earlier"),
            (
                "per_day",
                f"daily change of {self.name}",
                self.per_day,
                f"{self.unit}/day",
                f"{method}, ÷ days",
            ),
        )
        return [
            Measurement(name, value, unit, self.of, how, undefined=self.undefined.get(key))
            for key, name, value, unit, how in parts
        ]


@dataclass(frozen=True)
class LesionChange:
    """The fate of lesions (26-connected components) between two visits, by overlap of a voxel or more.

    Attributes:
        before, after: lesions at each visit.
        new: of the later ones, those without overlap with any earlier one.
        vanished: of the earlier ones, those without overlap with any later one.
        merged: of the later ones, those that overlap two or more earlier ones.
        split: of the earlier ones, those that overlap two or more later ones.
        new_ml, vanished_ml: volumes of the new and of the vanished.
    """

    before: int
    after: int
    new: int
    vanished: int
    merged: int
    split: int
    new_ml: float
    vanished_ml: float


def change(
    before: Measurement, after: Measurement, *, start: date | None = None, end: date | None = None
) -> Change:
    """The change from one measurement to a later one of the same thing.

    Args:
        before, after: numbers with the same name, unit and object.
        start, end: when they were taken, when known.

    Raises:
        InputError: they measure different things or are classes, or the dates run backwards.
    """
    for what in ("name", "unit", "of"):
        if getattr(before, what) != getattr(after, what):
            raise InputError(
                f"A change is between two measurements with the same {what}.",
                expected=getattr(before, what),
                got=getattr(after, what),
            )
    one, two = _number(before), _number(after)
    if start is not None and end is not None and end < start:
        raise InputError("The later visit lies before the earlier one.", expected=f"from {start}", got=end)
    days = (end - start).days if start is not None and end is not None else None
    undefined: dict[str, str] = {}
    absolute = percent = per_day = None
    if one is None or two is None:
        reason = f"the value is undefined: {before.undefined or after.undefined}"
        undefined = dict.fromkeys(("absolute", "percent", "per_day"), reason)
    else:
        absolute = two - one
        percent = 100 * absolute / one if one else None
        per_day = absolute / days if days else None
        if not one:
            undefined["percent"] = "the earlier value is 0"
        if not days:
            undefined["per_day"] = "both visits are on one day" if days == 0 else "a date is not known"
    return Change(before.name, before.of, before.unit, one, two, absolute, percent, days, per_day, undefined)


def _number(m: Measurement) -> float | None:
    if isinstance(m.value, str):
        raise InputError("A change is between numbers, not classes.", got=f"{m.name} of {m.of}: {m.value}")
    return m.value


def lesion_change(before: Mask, after: Mask, name: str) -> LesionChange:
    """New, vanished, merged and split lesions of one label.

    Raises:
        GeometryError: the masks lie on different grids.
        LabelError: a mask has no label of this name.
        SpacingUnknownError: the grid has no spacing.
    """
    later = on_grid_of(after, before.geometry, "The masks of both visits")
    volume = before.geometry.voxel_volume / 1000
    first, n = label_touching(before.data == before.value_of(name))
    second, m = label_touching(later.data == later.value_of(name))
    shared = (first != 0) & (second != 0)
    pairs = np.unique(np.stack([first[shared], second[shared]], axis=1), axis=0).astype(np.intp)
    of_first = np.bincount(pairs[:, 0], minlength=n + 1)[1:]
    of_second = np.bincount(pairs[:, 1], minlength=m + 1)[1:]
    sizes_first = np.bincount(first.ravel(), minlength=n + 1)[1:]
    sizes_second = np.bincount(second.ravel(), minlength=m + 1)[1:]
    return LesionChange(
        before=n,
        after=m,
        new=int((of_second == 0).sum()),
        vanished=int((of_first == 0).sum()),
        merged=int((of_second > 1).sum()),
        split=int((of_first > 1).sum()),
        new_ml=float(sizes_second[of_second == 0].sum() * volume),
        vanished_ml=float(sizes_first[of_first == 0].sum() * volume),
    )
