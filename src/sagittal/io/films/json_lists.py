"""Long JSON lists of small objects, one at a time: the published ones have hundreds of megabytes."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.io.films.record import Record

#: Longest object that is read, in characters.
MAX_OBJECT = 1 << 20
_CHUNK = 1 << 18


def read_json_list(path: Path) -> Iterator[Record]:
    """The objects of a file that is a JSON list of objects, in bounded memory.

    Raises:
        FileFormatError: not JSON, not such a list, or cut off; the entry is named.
        StorageError: it cannot be read.
    """
    number = 0
    with storage_errors(path), path.open("rb") as handle:
        text = _Text(handle)
        try:
            text.expect("[")
            if text.next_character() != "]":
                while True:
                    yield Record(f"entry {number + 1} of {path.name}", text.object())
                    number += 1
                    if text.next_character() != ",":
                        break
                    text.expect(",")
            text.expect("]")
            if text.next_character():
                raise ValueError("something stands after the list")
        except (ValueError, RecursionError) as error:
            raise FileFormatError(
                f"{path.name} is not a JSON list of objects.",
                expected="[{…}, {…}, …] in UTF-8",
                got=f"after entry {number}: {str(error)[:120]}",
                remedy="fetch the file again",
            ) from error


class _Text:
    """Text of a file, as much of it as is needed."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._json = json.JSONDecoder(parse_constant=_no_constant)
        self._text, self._at, self._ended = "", 0, False

    def next_character(self) -> str:
        """The next one that is not a space, which stays; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def expect(self, character: str) -> None:
        found = self.next_character()
        if found != character:
            raise ValueError(f"{found!r} where {character!r} was due" if found else "the file is cut off")
        self._at += 1

    def object(self) -> dict[str, Any]:
        if self.next_character() != "{":
            raise ValueError(f"{self.next_character()!r} where an object was due")
        while True:
            try:
                value, self._at = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                # The rest of it may not have been read yet.
                if len(self._text) - self._at > MAX_OBJECT or not self._more():
                    raise
            else:
                return dict(value)

    def _more(self) -> bool:
        if not self._ended:
            data = self._handle.read(_CHUNK)
            self._ended = not data
            self._text = self._text[self._at :] + self._decode(data, final=self._ended)
            self._at = 0
        return not self._ended


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
