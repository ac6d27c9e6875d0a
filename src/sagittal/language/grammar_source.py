"""Reads grammar files into definitions, and says by symbol and line what is wrong with them.

A grammar is one or more YAML files with the sections

``symbols``
    name → list of alternatives. ``<name>`` in an alternative stands for any wording of that symbol.
    A name is one or more words; a word that starts with ``$`` is a parameter, so that
    ``clause $task`` serves ``<clause volume>``; a last word ``$*`` takes one or more words.
``records``
    table → entry → field → text. ``<item1.topic>`` is the field ``topic`` of the first entry drawn
    from the table ``item``; every mention within one derivation speaks of the same entry.
``slots``
    the literal ``{slot}`` marks that may stand in wordings and are filled later.
``roots``
    the symbols that may be asked for.
``templates``
    the symbols whose alternatives are whole templates (default: the roots); see
    :mod:`sagittal.language.withholding`.

Files are read event by event: no aliases, no tags, no nesting deeper than the format needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from sagittal.errors import ConfigError
from sagittal.files import storage_errors

MAX_BYTES = 2_000_000
_MAX_DEPTH = 5
_SECTIONS = ("symbols", "records", "slots", "roots", "templates")
_TOKEN = re.compile(r"<([^<>]*)>|\{([^{}]*)\}")
_RECORD = re.compile(r"([a-z_]+)([1-9])\.([a-z_]+)")
_WORD = re.compile(r"[a-z0-9_]+|\$[a-z]+|\$\*")
_PLAIN = re.compile(r"[a-z0-9_]+")
# The C parser is an order of magnitude faster; its events are the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Located(str):
    """A text that knows which file and line it came from."""

    where: str

    @classmethod
    def at(cls, text: str, where: str) -> Located:
        """``text``, found at ``where`` ("file.yaml:12")."""
        located = cls(text)
        located.where = where
        return located


@dataclass(frozen=True, slots=True)
class Call:
    """A mention of a symbol; words may be parameters of the symbol that mentions it."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldMention:
    """A mention of a field of the ``index``-th entry (from 1) drawn from a record table."""

    table: str
    index: int
    field: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """One alternative: ``literals[0] mentions[0] literals[1] …``; slots stay in the literals."""

    text: Located
    literals: tuple[str, ...]
    mentions: tuple[Call | FieldMention, ...]


@dataclass(frozen=True, slots=True)
class Definition:
    """A symbol as written, with its parameters still open."""

    name: Located
    words: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


@dataclass(slots=True)
class Source:
    """Everything that the files say, merged."""

    definitions: dict[str, Definition] = field(default_factory=dict)
    records: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    slots: list[Located] = field(default_factory=list)
    roots: list[Located] = field(default_factory=list)
    templates: list[Located] = field(default_factory=list)
    borrowed: set[str] = field(default_factory=set)

    def borrow(self, other: Source) -> None:
        """Take another grammar's symbols that have no name of ours; they need not all be used."""
        lent = {name: own for name, own in other.definitions.items() if name not in self.definitions}
        self.definitions |= lent
        self.borrowed |= set(lent)


def fault(message: str, where: str, *, expected: object = None, remedy: str | None = None) -> ConfigError:
    """A :class:`ConfigError` about one place in a grammar file."""
    return ConfigError(f"{message} ({where})", expected=expected, got=where, remedy=remedy)


def read_source(paths: Iterable[Path]) -> Source:
    """Read and merge grammar files.

    Raises:
        ConfigError: a file is not in the format, or an alternative cannot be parsed.
        StorageError: a file cannot be read.
    """
    source = Source()
    sections: list[dict[Located, Any]] = []
    for path in paths:
        with storage_errors(path):
            data = path.read_bytes()
        sections.append(_sections(data, path.name))
    for parts in sections:
        source.slots += _texts(parts, "slots")
        source.roots += _texts(parts, "roots")
        source.templates += _texts(parts, "templates")
    for parts in sections:
        _merge_records(source, parts)
        _merge_symbols(source, parts)
    return source


def _sections(data: bytes, file: str) -> dict[Located, Any]:
    if len(data) > MAX_BYTES:
        raise fault("A grammar file is too large.", file, expected=f"at most {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8")
        events = iter(yaml.parse(text, Loader=_LOADER))
        document = _document(events, file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise fault(f"A grammar file is not readable YAML: {error}", file) from error
    if not isinstance(document, dict):
        raise fault("A grammar file must be a mapping of sections.", file, expected=", ".join(_SECTIONS))
    for name in document:
        if name not in _SECTIONS:
            raise fault(f"Unknown section '{name}'.", name.where, expected=", ".join(_SECTIONS))
    return document


def _document(events: Iterator[Any], file: str) -> Any:
    documents = [
        _value(next(events), events, file, 0)
        for event in events
        if isinstance(event, yaml.DocumentStartEvent)
    ]
    if len(documents) > 1:
        raise fault("A grammar file holds more than one document.", file)
    return documents[0] if documents else None


def _value(event: Any, events: Iterator[Any], file: str, depth: int) -> Any:
    where = f"{file}:{event.start_mark.line + 1}"
    if depth > _MAX_DEPTH:
        raise fault("A grammar file is nested too deeply.", where)
    if isinstance(event, yaml.ScalarEvent):
        return Located.at(event.value, where)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events, file, depth + 1))
        return items
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, file, depth)
    raise fault("Anchors and aliases are not part of the grammar format.", where)


def _mapping(events: Iterator[Any], file: str, depth: int) -> dict[Located, Any]:
    found: dict[Located, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _value(event, events, file, depth + 1)
        if not isinstance(key, Located):
            raise fault("A name must be plain text.", f"{file}:{event.start_mark.line + 1}")
        if key in found:
            raise fault(f"'{key}' is defined twice.", key.where)
        found[key] = _value(next(events), events, file, depth + 1)
    return found


def _texts(parts: dict[Located, Any], section: str) -> list[Located]:
    value = parts.get(cast(Located, section), [])
    if not isinstance(value, list) or not all(isinstance(item, Located) for item in value):
        raise fault(f"Section '{section}' must be a list of names.", section)
    return value


def _mapping_of(parts: dict[Located, Any], section: str) -> dict[Located, Any]:
    value = parts.get(cast(Located, section), {})
    if not isinstance(value, dict):
        raise fault(f"Section '{section}' must be a mapping.", section)
    return value


def _merge_symbols(source: Source, parts: dict[Located, Any]) -> None:
    for name, value in _mapping_of(parts, "symbols").items():
        if name in source.definitions:
            raise fault(f"Symbol '{name}' is defined twice.", name.where)
        source.definitions[name] = _definition(name, value, source)


def _definition(name: Located, value: Any, source: Source) -> Definition:
    words = tuple(name.split())
    readable = all(_WORD.fullmatch(word) for word in words) and "$*" not in words[:-1]
    if not words or words[0].startswith("$") or not readable:
        raise fault(
            f"'{name}' is not a symbol name.",
            name.where,
            expected="a lower-case word, then words or parameters",
        )
    if not isinstance(value, list) or not value or not all(isinstance(item, Located) for item in value):
        raise fault(
            f"Symbol '{name}' must be a list of at least one text.",
            name.where,
            remedy="quote an alternative that starts with { or holds a colon followed by a space",
        )
    seen: set[str] = set()
    for text in value:
        if " ".join(text.split()) in seen:
            raise fault(f"Symbol '{name}' holds the same alternative twice: '{text}'.", text.where)
        seen.add(" ".join(text.split()))
    alternatives = tuple(parse_alternative(text, name, words, source) for text in value)
    return Definition(name, words, alternatives)


def parse_alternative(text: Located, name: str, words: tuple[str, ...], source: Source) -> Alternative:
    """Split an alternative of the symbol ``name`` into literals and mentions.

    Raises:
        ConfigError: a stray bracket, an unknown slot or parameter, or a misspelt mention.
    """
    literals, mentions, start, pending = [], list[Call | FieldMention](), 0, ""
    for match in _TOKEN.finditer(text):
        before = text[start : match.start()]
        _refuse_brackets(before, text, name)
        start = match.end()
        mention, slot = match.group(1), match.group(2)
        if slot is not None:
            if slot not in source.slots:
                known = ", ".join(source.slots)
                raise fault(f"Symbol '{name}' uses the unknown slot {{{slot}}}.", text.where, expected=known)
            pending += before + match.group(0)
            continue
        literals.append(pending + before)
        pending = ""
        mentions.append(_mention(mention, text, name, words))
    _refuse_brackets(text[start:], text, name)
    literals.append(pending + text[start:])
    return Alternative(text, tuple(literals), tuple(mentions))


def _refuse_brackets(literal: str, text: Located, name: str) -> None:
    if any(bracket in literal for bracket in "<>{}"):
        raise fault(f"Symbol '{name}' has a stray bracket in '{text}'.", text.where)


def _mention(mention: str, text: Located, name: str, words: tuple[str, ...]) -> Call | FieldMention:
    if record := _RECORD.fullmatch(mention):
        return FieldMention(record.group(1), int(record.group(2)), record.group(3))
    called = tuple(mention.split())
    if not called or not all(_WORD.fullmatch(word) for word in called):
        raise fault(f"Symbol '{name}' has the unreadable mention <{mention}>.", text.where)
    for word in called:
        if word.startswith("$") and word not in words:
            raise fault(f"Symbol '{name}' has no parameter {word}.", text.where, expected=" ".join(words))
    return Call(called)


def _merge_records(source: Source, parts: dict[Located, Any]) -> None:
    for table, entries in _mapping_of(parts, "records").items():
        if not _PLAIN.fullmatch(table) or not isinstance(entries, dict) or not entries:
            raise fault(f"Record table '{table}' must be a mapping of entries.", table.where)
        known = source.records.setdefault(table, {})
        for entry, fields in entries.items():
            if entry in known:
                raise fault(f"Record '{entry}' is defined twice.", entry.where)
            known[entry] = _entry(table, entry, fields, next(iter(known.values()), None), source)


def _entry(
    table: str, entry: Located, fields: Any, model: dict[str, str] | None, source: Source
) -> dict[str, str]:
    if not isinstance(fields, dict) or not all(isinstance(text, Located) for text in fields.values()):
        raise fault(f"Record '{entry}' must map fields to texts.", entry.where)
    if model is not None and set(fields) != set(model):
        expected = ", ".join(model)
        raise fault(
            f"Record '{entry}' has other fields than its table '{table}'.", entry.where, expected=expected
        )
    for text in fields.values():
        parsed = parse_alternative(text, entry, (), source)
        # One text a field keeps counts independent of which entry was drawn, hence exact.
        if parsed.mentions:
            raise fault(f"Record '{entry}' mentions a symbol; records hold plain text.", text.where)
    return {str(key): str(text) for key, text in fields.items()}
