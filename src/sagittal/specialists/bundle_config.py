"""The config of a MONAI bundle, read as data: nothing in it is executed.

To MONAI a bundle's config is a program: ``$…`` is Python, ``_target_`` names any callable, references make
objects out of both. Here references are followed, a ``$…`` is read only where it is another way to write data
(a number, a type, a network with its arguments), and whatever else stands on the way is refused with its key.
Keys that nobody asks for may hold anything.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors

_LARGEST = 4 << 20
# A list of references to a list of references … grows without end; published configs ask for a hundred.
_MOST_VALUES, _DEEPEST, _LONGEST = 20_000, 32, 2_000
_REFERENCE = re.compile(r"@(\w+(?:(?:#|::)\w+)*)")
_SEPARATOR = re.compile(r"#|::")
_PLACE = "_reference_{}_"
_TYPES = ("float16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
_HARMLESS = {"_target_", "_desc_", "_disabled_", "_mode_"}
#: Where something is computed is chosen here, not by a bundle.
_OURS = ("device", "sw_device")


@dataclass(frozen=True)
class Part:
    """A callable that a config names, with its arguments: not yet resolved, and never looked up here.

    Attributes:
        target: as it stands at ``_target_``.
        key: where that is.
        written: argument → what the config holds.
    """

    target: str
    key: str
    written: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The last word of its target."""
        return self.target.rpartition(".")[2]


class BundleConfig:
    """A config.

    Args:
        document: what the file holds.
        file: its path, for errors.
    """

    def __init__(self, document: Mapping[str, Any], file: Path) -> None:
        self.file = file
        self._document = document
        self._left = _MOST_VALUES

    def part(self, key: str) -> Part:
        """The callable at a key.

        Raises:
            FileFormatError: there is none.
        """
        return self._as_part(*self._followed(self._at(key), key, ()))

    def parts(self, key: str) -> list[Part]:
        """The callables of a list, without those that are switched off.

        Raises:
            FileFormatError: there is no such list.
        """
        held, key = self._followed(self._at(key), key, ())
        if not isinstance(held, list):
            raise self.refused(key, "no list of callables", held)
        made = []
        for number, one in enumerate(held):
            value, place = self._followed(one, f"{key}#{number}", ())
            off = value.get("_disabled_", False) if isinstance(value, Mapping) else False
            if not isinstance(off, bool):
                raise self.refused(f"{place}#_disabled_", "neither true nor false", off)
            if not off:
                made.append(self._as_part(value, place))
        return made

    def arguments(self, part: Part) -> dict[str, Any]:
        """A callable's arguments, resolved; where to compute is left out.

        Raises:
            FileFormatError: one of them is not data.
        """
        self._left = _MOST_VALUES
        given = {name: value for name, value in part.written.items() if name not in _OURS}
        return {name: self._resolved(v, f"{part.key}#{name}", ()) for name, v in given.items()}

    def plain(self, key: str) -> Any:
        """Data at a key.

        Raises:
            FileFormatError: it is not there, or not data.
        """
        self._left = _MOST_VALUES
        return self._resolved(self._at(key), key, ())

    def has(self, key: str) -> bool:
        """Whether there is anything at a key of the outermost level."""
        return key in self._document

    def refused(self, key: str, what: str, got: object) -> FileFormatError:
        """The error that says what of the config is not taken."""
        told = str(got)
        return FileFormatError(
            f"The bundle's {key} is refused: {what}.", expected="data, references, or parts of MONAI",
            got=f"{self.file}: {told if len(told) <= 160 else told[:160] + '…'}",
            remedy="a bundle's code is never run; settings of the card can replace what needs it",
        )  # fmt: skip

    # -- references ----------------------------------------------------------------------------

    def _at(self, key: str, through: tuple[str, ...] = ()) -> Any:
        """What stands at a path of names and places; references on the way are followed."""
        value, so_far = self._document, ""
        for word in _SEPARATOR.split(key):
            value, _ = self._followed(value, so_far or "config", (*through, key))
            so_far = f"{so_far}#{word}" if so_far else word
            if isinstance(value, Mapping) and word in value:
                value = value[word]
            elif isinstance(value, list) and word.isdecimal() and int(word) < len(value):
                value = value[int(word)]
            else:
                raise self.refused(so_far, "it is not there", f"needed for {key}")
        return value

    def _followed(self, value: Any, key: str, through: tuple[str, ...]) -> tuple[Any, str]:
        """A value that is no reference and no expression, and its key."""
        while isinstance(value, str) and value[:1] in ("@", "$", "%"):
            if value.startswith("$"):
                value = self._unfolded(value, key)
                continue
            match = _REFERENCE.fullmatch(value.strip())
            if match is None:
                raise self.refused(key, "this kind of reference is not followed", value)
            if match[1] in through or len(through) > _DEEPEST:
                raise self.refused(key, "its references go in a circle", " → ".join((*through, match[1])))
            value = self._at(match[1], through)
            through, key = (*through, match[1]), match[1]
        return value, key

    def _resolved(self, value: Any, key: str, above: tuple[str, ...]) -> Any:
        """Plain data, all of it."""
        self._left -= 1
        if self._left < 0 or len(above) > _DEEPEST:
            raise self.refused(key, "it refers to itself, or to too much", value)
        value, key = self._followed(value, key, ())
        if isinstance(value, Mapping):
            if "_target_" in value:
                raise self.refused(key, "a callable within arguments", value["_target_"])
            return {str(k): self._resolved(v, f"{key}#{k}", (*above, key)) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self._resolved(v, f"{key}#{n}", (*above, key)) for n, v in enumerate(value)]
        if value is None or isinstance(value, str | int | float | bool | torch.dtype | type):
            return value
        raise self.refused(key, f"a {type(value).__name__}", value)

    def _as_part(self, value: Any, key: str) -> Part:
        if not isinstance(value, Mapping) or not isinstance(value.get("_target_"), str):
            raise self.refused(key, "it names no callable", value)
        special = {str(name) for name in value if str(name).startswith("_")} - _HARMLESS
        if special or value.get("_mode_", "default") != "default":
            told = ", ".join(sorted(special)) or "_mode_"
            raise self.refused(key, f"{told} is not followed", value["_target_"])
        written = {str(name): held for name, held in value.items() if not str(name).startswith("_")}
        return Part(value["_target_"], key, written)

    # -- expressions ---------------------------------------------------------------------------

    def _unfolded(self, text: str, key: str) -> Any:
        """What a ``$…`` says, as the config could have written it without."""
        found: list[str] = []

        def hide(match: re.Match[str]) -> str:
            found.append(match[1])
            return _PLACE.format(len(found) - 1)

        source = _REFERENCE.sub(hide, text[1:].strip())
        if len(text) <= _LONGEST and _PLACE[:11] not in text:
            try:
                tree = ast.parse(source, mode="eval").body
                return _data(tree, {_PLACE.format(n): f"@{name}" for n, name in enumerate(found)})
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass
        raise self.refused(key, "it is a Python expression", text)


def _data(node: ast.expr, references: Mapping[str, str]) -> Any:
    """Data that an expression writes down.

    Raises:
        ValueError: it would have to be computed.
    """
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            # Text is no reference, and holds none.
            if isinstance(value, str) and (value[:1] in ("@", "$", "%") or _PLACE[:11] in value):
                raise ValueError(value)
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name) if name in references:
            return references[name]
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_data(one, references) for one in elements]
        case ast.Dict(keys=keys, values=values):
            names = [key.value if isinstance(key, ast.Constant) else None for key in keys]
            if not all(isinstance(name, str) for name in names):
                raise ValueError("a key")
            return {n: _data(v, references) for n, v in zip(names, values, strict=True)}
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in _TYPES:
            if module == "torch":
                return getattr(torch, name)
            if module in ("np", "numpy"):
                return np.dtype(name).type
        case ast.Call(func=function, args=[], keywords=words):
            # The same as a mapping with _target_; whether that may be built is decided where it is.
            made = {word.arg: _data(word.value, references) for word in words if word.arg is not None}
            if len(made) == len(words) and not any(name.startswith("_") for name in made):
                return {"_target_": _dotted(function), **made}
    raise ValueError("not data")


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            return f"{_dotted(value)}.{name}"
    raise ValueError("not a name")


def read_config(path: Path) -> BundleConfig:
    """A bundle's config from JSON or YAML.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is neither, or no mapping.
    """
    with storage_errors(path), path.open("rb") as handle:
        content = handle.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise FileFormatError("This is too large for a bundle's config.", expected=_LARGEST, got=path)
    try:
        text = content.decode("utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise FileFormatError("A bundle's config is JSON or YAML.", got=f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise FileFormatError("A bundle's config is a mapping.", got=path)
    return BundleConfig(document, path)
