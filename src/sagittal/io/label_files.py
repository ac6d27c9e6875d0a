"""The forms that a table of labels comes in: YAML or JSON, CSV, and text look-up tables."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sagittal.errors import LabelError
from sagittal.io.labels import Label, LabelTable, check_entries

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node

_TOKEN = re.compile(r'"[^"]*"|\S+')
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_FORMS = "a mapping of value to name, or `labels`, `groups` and `source`"


def parse_table(text: str, suffix: str, where: str) -> LabelTable:
    """A table from its text.

    Args:
        text: the whole file.
        suffix: its name's ending, which says which form it has.
        where: its name, for messages.

    Raises:
        LabelError: an unknown ending, or a fault; the line is named.
    """
    if suffix in (".yaml", ".yml", ".json"):
        # A raw tab cannot stand inside a JSON string, and YAML takes none between tokens.
        return _parse_mapping(text.replace("\t", " ") if suffix == ".json" else text, where)
    if suffix == ".csv":
        return LabelTable(check_entries(_csv_entries(text, where), where), name=where)
    if suffix in (".txt", ".lut", ".label", ".ctbl"):
        return LabelTable(check_entries(_text_entries(text, where), where), name=where)
    raise LabelError(
        "The form of a table of labels is told by its name's ending.",
        expected=".yaml, .yml, .json, .csv, .txt, .lut, .label or .ctbl",
        got=where,
    )


# -- YAML and JSON -------------------------------------------------------------------------------


def _parse_mapping(text: str, where: str) -> LabelTable:
    import yaml

    try:
        # Nodes, not values: they keep line numbers and duplicate keys, and expand no alias.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise LabelError(f"{where}, line {line}: not valid YAML or JSON.", got=error.problem) from error
    except yaml.YAMLError as error:
        raise LabelError(f"{where}: not valid YAML or JSON.", got=str(error)) from error
    except RecursionError as error:
        raise LabelError(f"{where}: nested too deeply for a table of labels.", expected=_FORMS) from error
    top = _mapping(root, where)
    keys = {key.value: value for key, value in top.value}
    if "labels" not in keys:
        return LabelTable(check_entries(_mapping_entries(top, where), where), name=where)
    strange = sorted(set(keys) - {"labels", "groups", "source", "name"})
    if strange:
        raise LabelError(f"{where}: unknown entries.", expected="labels, groups, source, name", got=strange)
    labels = check_entries(_mapping_entries(_mapping(keys["labels"], where), where), where)
    groups = _groups(_mapping(keys["groups"], where), where) if "groups" in keys else {}
    source = _text(keys["source"], where) if "source" in keys else ""
    return LabelTable(labels, groups, source, where)


def _mapping(node: Node | None, where: str) -> MappingNode:
    from yaml.nodes import MappingNode, ScalarNode

    line = node.start_mark.line + 1 if node is not None else 1
    if not isinstance(node, MappingNode):
        raise LabelError(f"{where}, line {line}: a mapping was expected.", expected=_FORMS)
    for key, _ in node.value:
        if not isinstance(key, ScalarNode):
            raise LabelError(
                f"{where}, line {key.start_mark.line + 1}: a key must be a plain word or number."
            )
    return node


def _text(node: Node, where: str) -> str:
    from yaml.nodes import ScalarNode

    if not isinstance(node, ScalarNode):
        raise LabelError(f"{where}, line {node.start_mark.line + 1}: a text was expected.")
    return str(node.value)


def _mapping_entries(node: MappingNode, where: str) -> Iterator[tuple[int, Label]]:
    from yaml.nodes import MappingNode

    for key, entry in node.value:
        line = key.start_mark.line + 1
        value = _whole(key.value, where, line)
        if isinstance(entry, MappingNode):
            fields = {k.value: _text(v, where) for k, v in _mapping(entry, where).value}
            if not {"name"} <= set(fields) <= {"name", "long"}:
                raise LabelError(
                    f"{where}, line {line}: a label has a name and may have a long name.",
                    expected="{name: …, long: …}",
                    got=sorted(fields),
                )
            yield line, Label(value, fields["name"], fields.get("long", fields["name"]))
        else:
            name = _text(entry, where)
            yield line, Label(value, name, name)


def _groups(node: MappingNode, where: str) -> dict[str, tuple[str, ...]]:
    from yaml.nodes import SequenceNode

    groups = {}
    for key, members in node.value:
        if not isinstance(members, SequenceNode):
            raise LabelError(f"{where}, line {key.start_mark.line + 1}: a group is a list of label names.")
        groups[key.value] = tuple(_text(member, where) for member in members.value)
    return groups


# -- CSV and text --------------------------------------------------------------------------------


def _csv_entries(text: str, where: str) -> Iterator[tuple[int, Label]]:
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells) or (reader.line_num == 1 and cells[0].lower() == "value"):
                continue
            if len(cells) not in (2, 3):
                raise LabelError(
                    f"{where}, line {reader.line_num}: a row has two or three cells.",
                    expected="value,name[,long]",
                    got=",".join(row),
                )
            value = _whole(cells[0], where, reader.line_num)
            yield reader.line_num, Label(value, cells[1], cells[2] if len(cells) == 3 else cells[1])
    except csv.Error as error:
        raise LabelError(f"{where}, line {reader.line_num}: not valid CSV.", got=str(error)) from error


def _text_entries(text: str, where: str) -> Iterator[tuple[int, Label]]:
    """FreeSurfer ``value name R G B A``, SRI24 ``value "name" …``, ITK-SNAP ``value R G B … "name"``."""
    for line, row in enumerate(text.splitlines(), start=1):
        if not row.strip() or row.lstrip().startswith("#"):
            continue
        first, *rest = _TOKEN.findall(row)
        names = [token for token in rest if not _NUMBER.fullmatch(token)]
        if len(names) != 1:
            raise LabelError(
                f"{where}, line {line}: a row has a value, one name, and numbers.",
                expected='value name R G B A, or value R G B A V M "name"',
                got=row.strip()[:80],
                remedy="put a name with spaces in double quotes",
            )
        name = names[0].strip('"')
        yield line, Label(_whole(first, where, line), name, name.replace("_", " "))


def _whole(text: str, where: str, line: int) -> int:
    if not re.fullmatch(r"[+-]?\d{1,12}", text.strip()):
        raise LabelError(
            f"{where}, line {line}: a label's value is a whole number.", expected="0, 1, 2, …", got=text[:60]
        )
    return int(text)
