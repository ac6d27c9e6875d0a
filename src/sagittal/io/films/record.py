"""One record of a published table, distrusted: every field is asked for by name and form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from sagittal.errors import FileFormatError
from sagittal.io.films.statement import FilmStatement
from sagittal.io.raster import MAX_PIXELS

T = TypeVar("T")

#: How published tables write labels: there, not there, uncertain.
LABELS: Mapping[str, bool | None] = {
    "1": True, "1.0": True, "0": False, "0.0": False, "-1": None, "-1.0": None,
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
#: A pixel of a chest film is a fraction of a millimetre wide; one of a thumbnail a few.
_MAX_SPACING_MM = 20.0
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table or an entry of a list.

    Attributes:
        where: as errors name it ("line 7 of CTRs.csv").
        cells: by name of the column; text, or what JSON holds.
    """

    where: str
    cells: Mapping[str, Any]

    def maybe(self, key: str) -> str:
        """A field as stripped words; empty where it is blank or there is no such column."""
        value = self.cells.get(key)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.refuse(f"`{key}` is not text", value)
        words = str(value).strip()
        try:
            words.encode("utf-8")
        except UnicodeEncodeError:
            self.refuse(f"`{key}` holds half a character", words)
        return words

    def words(self, key: str) -> str:
        """A field as stripped words, which must be there."""
        return self.maybe(key) or self.refuse(f"`{key}` is blank", sorted(map(str, self.cells)))

    def matching(self, key: str, form: re.Pattern[str], example: str) -> re.Match[str]:
        """A field that has to be of a form, the whole of it."""
        words = self.words(key)
        return form.fullmatch(words) or self.refuse(f"`{key}` is not of the form {example}", words)

    def one_of(self, key: str, meanings: Mapping[str, T]) -> T:
        """What a field's word means; a blank field is looked up as the empty word."""
        words = self.maybe(key)
        if words not in meanings:
            self.refuse(f"`{key}` is none of {', '.join(map(repr, meanings))}", words)
        return meanings[words]

    def number(self, key: str) -> float | None:
        """A finite number, ``None`` where the field is blank."""
        words = self.maybe(key)
        if not words:
            return None
        value = float(words) if _NUMBER.fullmatch(words) else math.nan
        return value if math.isfinite(value) else self.refuse(f"`{key}` is not a number", words)

    def whole(self, key: str) -> int | None:
        """A whole number (``3`` or ``3.0``), not negative; ``None`` where the field is blank."""
        value = self.number(key)
        if value is None:
            return None
        if value < 0 or value > 1e9 or value != int(value):
            self.refuse(f"`{key}` is not a whole number", self.maybe(key))
        return int(value)

    def size(self, width: str, height: str) -> tuple[int, int] | None:
        """Width and height in pixels, ``None`` where neither is said."""
        found = self.whole(width), self.whole(height)
        return None if found == (None, None) else self.checked_size(found)

    def checked_size(self, size: tuple[int | None, int | None]) -> tuple[int, int]:
        """A size that a picture can have."""
        x, y = size
        if not x or not y or x < 0 or y < 0 or x * y > MAX_PIXELS:
            self.refuse(f"no picture of 1 to {MAX_PIXELS} pixels has this size", f"{x}×{y}")
        return x, y

    def spacing(self, x: str, y: str) -> tuple[float, float] | None:
        """Millimetres of a pixel, ``None`` where neither is said."""
        found = self.number(x), self.number(y)
        return None if found == (None, None) else self.checked_spacing(found)

    def checked_spacing(self, spacing: tuple[float | None, float | None]) -> tuple[float, float]:
        """A spacing that a film can have."""
        x, y = spacing
        if not (x and y and 0 < x <= _MAX_SPACING_MM and 0 < y <= _MAX_SPACING_MM):
            self.refuse(f"no pixel of 0 to {_MAX_SPACING_MM:g} mm has this spacing", f"{x}×{y}")
        return x, y

    def labels(self, names: Mapping[str, str], *, uncertain: bool = True) -> dict[str, bool | None]:
        """Labels that are said, by their common names; blank is not said.

        Args:
            names: column → common name.
            uncertain: whether -1 may stand.
        """
        meanings = LABELS if uncertain else {word: v for word, v in LABELS.items() if v is not None}
        return {name: self.one_of(key, meanings) for key, name in names.items() if self.maybe(key)}

    def path(self, value: str) -> str:
        """A path of a file that stays below its folder, with forward slashes."""
        path = PurePosixPath(value)
        outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(value).drive
        if not path.parts or outside or "\\" in value or any(c < " " for c in value):
            self.refuse("the path of a file leads out of its folder", value)
        return path.as_posix()

    def state(self, **fields: Any) -> FilmStatement:
        """The statement that this record makes."""
        try:
            return FilmStatement(**fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            self.refuse(f"{place}: {first['msg']}", first["input"])

    def refuse(self, what: str, got: object) -> NoReturn:
        """Raise :class:`FileFormatError` that names this record."""
        raise FileFormatError(
            f"{self.where[:1].upper()}{self.where[1:]} cannot be used: {what}.",
            expected="the published form (see docs/chest-films.md)",
            got=ascii(got)[:_SHOWN],
            remedy="fetch the file again, or take the record out",
        )
