"""What the values of a label map mean: value → short name, and a long name for text.

Presets are YAML files beside this module (``tables/``). A user's own table may be YAML, JSON, CSV
(``value,name[,long]``), an ITK-SNAP or SRI24 text table, or a FreeSurfer look-up table. Tables are
distrusted: a size limit before reading, and every fault is named with its line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from sagittal.errors import LabelError
from sagittal.files import storage_errors

#: Presets that :func:`load_labels` knows by name.
PRESETS = ("binary", "brats2015", "brats2018", "brats2023", "dk", "freesurfer", "gli", "wmh")
#: Label values above this do not fit the widest mask that is written.
MAX_VALUE = (1 << 32) - 1
_MAX_BYTES = 1 << 20
_MAX_LABELS = 1 << 16
_MAX_NAME = 200


@dataclass(frozen=True)
class Label:
    """One value of a label map: its short ``name`` and its ``long`` name for text."""

    value: int
    name: str
    long: str


@dataclass(frozen=True)
class LabelTable:
    """Value → name. 0 is background and is never listed.

    Attributes:
        labels: ascending by value; names differ.
        groups: name of a union of labels (``WT``, ``TC``) → names of its members.
        source: where the table comes from.
        name: the preset's name, or the file's.

    Raises:
        LabelError: a value or name twice, a value that is not a positive whole number, an empty or
            overlong name, or a group whose members are not labels.
    """

    labels: tuple[Label, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.value)))
        seen: dict[int | str, Label] = {}
        for label in self.labels:
            _check_label(label, self.name)
            for key in (label.value, label.name):
                if key in seen:
                    raise LabelError(
                        f"A label table holds {key!r} twice.", expected="each value and each name once",
                        got=f"{seen[key].value} {seen[key].name} and {label.value} {label.name}",
                        remedy=f"mend the table {self.name}".rstrip(),
                    )  # fmt: skip
            seen[label.value] = seen[label.name] = label
        for group, members in self.groups.items():
            strange = [m for m in members if m not in seen]
            if strange or group in seen or not members:
                raise LabelError(
                    f"The group {group!r} must have a name of its own and list names of labels.",
                    expected=", ".join(label.name for label in self.labels),
                    got=strange or list(members) or "no members",
                )

    @property
    def names(self) -> dict[int, str]:
        """Value → short name: what :class:`~sagittal.study.Mask` takes."""
        return {label.value: label.name for label in self.labels}

    def by_name(self, name: str) -> Label:
        """The label with a short name.

        Raises:
            LabelError: there is none.
        """
        for label in self.labels:
            if label.name == name:
                return label
        raise LabelError("There is no such label.", expected=", ".join(self.names.values()), got=name)

    def long(self, name: str) -> str:
        """The long name of a label, for text."""
        return self.by_name(name).long

    def members(self, group: str) -> tuple[str, ...]:
        """Names of the labels that make up a group.

        Raises:
            LabelError: there is no such group.
        """
        if group not in self.groups:
            raise LabelError(
                "There is no such group of labels.", expected=", ".join(self.groups) or "no groups", got=group
            )
        return self.groups[group]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON and YAML alike."""
        return {
            "name": self.name,
            "source": self.source,
            "labels": {str(lb.value): {"name": lb.name, "long": lb.long} for lb in self.labels},
            "groups": {group: list(members) for group, members in self.groups.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LabelTable:
        """Inverse of :meth:`to_json`."""
        labels = tuple(Label(int(v), entry["name"], entry["long"]) for v, entry in value["labels"].items())
        groups = {group: tuple(members) for group, members in value["groups"].items()}
        return cls(labels, groups, value["source"], value["name"])

    @classmethod
    def from_names(cls, names: Mapping[int, str], *, name: str = "", source: str = "") -> LabelTable:
        """A table whose long names are the short ones."""
        return cls(tuple(Label(v, n, n) for v, n in names.items()), {}, source, name)


def load_labels(preset_or_path: str | Path) -> LabelTable:
    """A label table by preset name or from a file.

    Args:
        preset_or_path: one of :data:`PRESETS`, or a ``.yaml``, ``.yml``, ``.json``, ``.csv``, ``.txt``,
            ``.lut`` or ``.label`` file.

    Raises:
        LabelError: neither a preset nor a file, or a table with a fault (the line is named).
        StorageError: the file cannot be read.
    """
    from sagittal.io.label_files import parse_table

    name = str(preset_or_path)
    if name in PRESETS:
        text = resources.files("sagittal.io").joinpath("tables", f"{name}.yaml").read_text("utf-8")
        return parse_table(text, ".yaml", name)
    path = Path(preset_or_path)
    if not path.suffix and not path.exists():
        raise LabelError(
            "There is no such table of labels.",
            expected=f"a preset ({', '.join(PRESETS)}) or a file",
            got=name,
            remedy="name a preset or the path of a table",
        )
    return parse_table(_read_text(path), path.suffix.lower(), path.name)


def check_entries(entries: Iterable[tuple[int, Label]], where: str) -> tuple[Label, ...]:
    """Labels from ``(line, label)`` pairs; background (value 0) is left out.

    Raises:
        LabelError: a fault, with the line it is on.
    """
    seen: dict[int | str, int] = {}
    kept: list[Label] = []
    for line, label in entries:
        _check_label(label, f"{where}, line {line}", background=True)
        for key in (label.value, label.name):
            if key in seen:
                raise LabelError(
                    f"{where}, line {line}: {key!r} is there twice (first on line {seen[key]}).",
                    expected="each value and each name once",
                    got=f"{label.value} {label.name}",
                    remedy="give every label its own value and name",
                )
            seen[key] = line
        if label.value:
            kept.append(label)
        if len(kept) > _MAX_LABELS:
            raise LabelError(f"{where} holds too many labels.", expected=f"at most {_MAX_LABELS}")
    if not kept:
        raise LabelError(f"{where} names no label.", expected="at least one value above 0 with a name")
    return tuple(kept)


def _check_label(label: Label, where: str, *, background: bool = False) -> None:
    least = 0 if background else 1
    if not least <= label.value <= MAX_VALUE:
        raise LabelError(
            f"{where}: a label value is out of range.", expected=f"{least} to {MAX_VALUE}", got=label.value
        )
    for text in (label.name, label.long):
        if not text.strip() or len(text) > _MAX_NAME or not text.isprintable():
            raise LabelError(
                f"{where}: a label's name must be one line of 1 to {_MAX_NAME} characters.",
                got=repr(text[:60]),
            )


def _read_text(path: Path) -> str:
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise LabelError(
            "The file is too large for a table of labels.",
            expected=f"at most {_MAX_BYTES} bytes",
            got=path,
            remedy="name the table, not the label map",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise LabelError(
            f"{path.name}, line {line}: the table is not UTF-8 text.",
            got=path,
            remedy="save it as UTF-8 text",
        ) from error
