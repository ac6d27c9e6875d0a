"""Which region of the brain each structure of an atlas belongs to.

The paper names 8 regions for AAL and 9 for LPBA40 without saying which structure goes where (mpLLM,
§3.2.1). Ours are the tables beside this module; every structure without a region is listed, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from sagittal.errors import LabelError
from sagittal.files import storage_errors

#: Tables that come with Sagittal.
TABLES = ("aal2", "lpba40", "dk")
_MAX_BYTES = 1 << 20
_MAX_BRACKETS = 1000
_KEYS = {"title", "space", "volume", "labels", "regions", "unmapped"}


@dataclass(frozen=True)
class RegionTable:
    """Structure → region.

    Attributes:
        name: the shipped table's name, or the file's.
        title: what the atlas is.
        space: the template space that the atlas lies in; empty when the table does not say.
        volume, labels: names of the atlas's files, for finding them in a folder; may be empty.
        regions: region → its structures.
        unmapped: structures that belong to no region.

    Raises:
        LabelError: a structure that is listed twice.
    """

    name: str
    title: str
    space: str
    volume: str
    labels: str
    regions: Mapping[str, tuple[str, ...]]
    unmapped: tuple[str, ...]

    def __post_init__(self) -> None:
        every = [s for members in self.regions.values() for s in members] + list(self.unmapped)
        twice = sorted({s for s in every if every.count(s) > 1})
        if twice:
            raise LabelError(
                f"The region table {self.name} lists structures more than once.",
                expected="one region for each structure, or `unmapped`",
                got=twice,
            )

    @cached_property
    def _region_of(self) -> dict[str, str]:
        return {s: region for region, members in self.regions.items() for s in members}

    def region_of(self, structure: str) -> str | None:
        """The region of a structure; ``None`` for an unmapped one.

        Raises:
            LabelError: the table does not list the structure.
        """
        if structure in self._region_of:
            return self._region_of[structure]
        if structure in self.unmapped:
            return None
        raise LabelError(f"The region table {self.name} does not list this structure.", got=structure)

    def require_all(self, structures: Iterable[str], atlas: str) -> None:
        """Refuse an atlas with structures that are neither mapped nor listed as unmapped.

        Raises:
            LabelError: naming them.
        """
        strange = [s for s in structures if s not in self._region_of and s not in self.unmapped]
        if strange:
            raise LabelError(
                f"The region table {self.name} does not list all structures of {atlas}.",
                expected="every structure under a region or under `unmapped`",
                got=strange[:12],
                remedy="name the right table, or list them under `unmapped`",
            )


def load_region_table(name_or_path: str | Path) -> RegionTable:
    """A table by its name in :data:`TABLES`, or from a YAML file of the same form.

    Raises:
        LabelError: neither a name nor a readable table.
        StorageError: the file cannot be read.
    """
    name = str(name_or_path)
    if name in TABLES:
        text = resources.files("sagittal.measure").joinpath("tables", f"{name}.yaml").read_text("utf-8")
        return parse_region_table(text, name)
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        raise LabelError(
            "There is no such region table.", expected=f"{', '.join(TABLES)}, or a .yaml file", got=name
        )
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise LabelError("The region table is too large.", expected=f"at most {_MAX_BYTES} bytes", got=path)
    return parse_region_table(data.decode("utf-8", errors="replace"), path.name)


def parse_region_table(text: str, name: str) -> RegionTable:
    """A table from its YAML text.

    Raises:
        LabelError: not YAML, or not of the tables' form.
    """
    import yaml

    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        # YAML's scanner takes time with the square of the depth.
        raise LabelError(f"The region table {name} has too many brackets.", expected=f"≤ {_MAX_BRACKETS}")
    try:
        # No table needs an alias, and a few of them can expand to gigabytes.
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise LabelError(f"The region table {name} must not use YAML aliases.")
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise LabelError(f"The region table {name} is not valid YAML.", got=str(error)[:200]) from error
    if not isinstance(value, dict) or not set(value) <= _KEYS or "regions" not in value:
        raise LabelError(f"The region table {name} has another form.", expected=sorted(_KEYS))
    regions = value["regions"]
    if not isinstance(regions, dict) or not all(isinstance(region, str) for region in regions):
        raise LabelError(f"`regions` of {name} maps a region to a list of structures.", got=type(regions))
    return RegionTable(
        name,
        title=str(value.get("title", "")),
        space=str(value.get("space", "")),
        volume=str(value.get("volume", "")),
        labels=str(value.get("labels", "")),
        regions={region: _names(members, name) for region, members in regions.items()},
        unmapped=_names(value.get("unmapped") or [], name),
    )


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) and entry for entry in value):
        raise LabelError(f"{where}: a list of structure names was expected.", got=repr(value)[:80])
    return tuple(value)
