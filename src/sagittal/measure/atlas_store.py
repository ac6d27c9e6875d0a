"""Atlases on this computer: add one from files, fetch one by name, list, load, remove.

Atlases are not shipped: each has its makers' licence. They lie under
``sagittal.files.data_home()/atlases/NAME/`` with the hashes of their files in a manifest.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagittal import files
from sagittal.errors import ConfigError, IntegrityError, LabelError, StorageError
from sagittal.measure.atlas import Atlas, load_atlas_files
from sagittal.measure.region_table import TABLES, RegionTable, load_region_table

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_VOLUMES = (".nii.gz", ".nii", ".mgz", ".mgh")
_LICENCE_FILES = ("LICEN*", "COPYING*", "SOURCE*")
_MAX_LICENCE_BYTES = 1 << 18
_MANIFEST = "manifest.json"
NO_LICENCE = "No licence was given with the files."


@dataclass(frozen=True)
class AtlasEntry:
    """An atlas that is installed: its name, what it is, its template space, its folder and licence."""

    name: str
    title: str
    space: str
    folder: Path
    licence: str


def atlases_home() -> Path:
    """The folder that holds the installed atlases."""
    return files.data_home() / "atlases"


def add(
    name: str,
    source: str | Path,
    *,
    table: str | Path | None = None,
    labels: str | Path | None = None,
    space: str | None = None,
    licence: str | None = None,
) -> AtlasEntry:
    """Copy an atlas into the store.

    Args:
        name: what to call it.
        source: a folder that holds the files a known region table names (``lpba40.nii.gz`` and
            ``LPBA40-labels.txt``, say), or one label volume.
        table: a shipped region table (``aal2``, ``lpba40``, ``dk``) or a YAML file of the same form;
            by default the one whose files are in the folder, or that is called as the atlas is.
        labels: the list of structures: a preset or a file; by default the one the table names.
        space: template space; by default the table's.
        licence: its words; by default those of licence files in the folder.

    Raises:
        ConfigError: a name that cannot be a folder's, or no template space.
        InputError: files that are missing, damaged or do not fit the table.
        StorageError: the name is taken, or the store cannot be written.
    """
    folder = _folder_of(name)
    if folder.exists():
        raise StorageError(
            "There is already an atlas of this name.",
            got=name,
            remedy="choose another name, or remove it first",
        )
    source = Path(source)
    with files.storage_errors(source):
        source.stat()
    chosen, table_text = _choose_table(name, source, table)
    volume = _find_volume(source, chosen)
    list_of_structures = labels if labels is not None else _find_labels(volume.parent, chosen)
    if not (space or chosen.space):
        raise ConfigError(
            "The atlas's template space is not known.",
            expected="MNI152, SRI24, …",
            remedy="name it with --space",
        )
    words = licence if licence is not None else _licence_beside(volume.parent)
    atlas = load_atlas_files(
        name, volume, list_of_structures, chosen, space=space or chosen.space, licence=words
    )
    _write(folder, atlas, volume, table_text, words)
    return AtlasEntry(name, chosen.title, atlas.space, folder, words)


def installed() -> list[AtlasEntry]:
    """The atlases in the store, by name."""
    home = atlases_home()
    if not home.is_dir():
        return []
    return [_entry(folder) for folder in sorted(home.iterdir()) if (folder / _MANIFEST).is_file()]


def load(name: str) -> Atlas:
    """An installed atlas.

    Raises:
        StorageError: there is none of this name.
        IntegrityError: a file is not what was added.
    """
    folder = _installed_folder(name)
    manifest = _read_manifest(folder)
    for file, expected in manifest["files"].items():
        # Names come from a file that anyone may edit: only plain names are followed.
        if Path(file).name != file or files.sha256_file(folder / file) != expected:
            raise IntegrityError(
                f"A file of the atlas {name} is not the one that was added.",
                expected=f"{file} with SHA-256 {expected}",
                got=folder / file,
                remedy=f"remove the atlas {name} and add it again",
            )
    return load_atlas_files(
        name,
        folder / manifest["config"]["volume"],
        folder / "labels.json",
        load_region_table(folder / "regions.yaml"),
        space=manifest["config"]["space"],
        licence=(folder / "LICENCE.txt").read_text("utf-8"),
    )


def volume_path(name: str) -> Path:
    """The file of an installed atlas's label volume, as it was added.

    Raises:
        StorageError: there is none of this name.
    """
    folder = _installed_folder(name)
    return folder / str(_read_manifest(folder)["config"]["volume"])


def remove(name: str) -> None:
    """Delete an installed atlas.

    Raises:
        StorageError: there is none of this name, or it cannot be deleted.
    """
    folder = _installed_folder(name)
    with files.storage_errors(folder):
        shutil.rmtree(folder)


def _folder_of(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            "An atlas's name is made of small letters, digits and - _ . only.", expected="aal2", got=name
        )
    return atlases_home() / name


def _installed_folder(name: str) -> Path:
    folder = _folder_of(name)
    if not (folder / _MANIFEST).is_file():
        from sagittal.measure.atlas_fetch import FETCHABLE

        raise StorageError(
            "There is no atlas of this name.",
            expected=", ".join(entry.name for entry in installed()) or "no atlas is installed yet",
            got=name,
            remedy=f"add it with: sagittal atlas add {name}"
            + ("" if name in FETCHABLE else " --from FOLDER"),
        )
    return folder


def _choose_table(name: str, source: Path, table: str | Path | None) -> tuple[RegionTable, str]:
    from importlib import resources

    if table is None:
        known = [load_region_table(t) for t in TABLES]
        inside = [t.name for t in known if source.is_dir() and (source / t.volume).is_file()]
        called = [t.name for t in known if t.name == name]
        candidates = called or inside
        if len(candidates) != 1:
            raise ConfigError(
                "Which structure lies in which region of the brain is not known for this atlas.",
                expected=f"a region table: {', '.join(TABLES)}, or a YAML file of the same form",
                got=source,
                remedy="name it with --table",
            )
        table = candidates[0]
    if str(table) in TABLES:
        text = resources.files("sagittal.measure").joinpath("tables", f"{table}.yaml").read_text("utf-8")
        return load_region_table(str(table)), text
    chosen = load_region_table(table)
    return chosen, Path(table).read_text("utf-8")


def _find_volume(source: Path, table: RegionTable) -> Path:
    if source.is_file():
        return source
    found = source / table.volume if table.volume else None
    if found is None or not found.is_file():
        raise StorageError(
            "The atlas's label volume is not there.",
            expected=f"{table.volume or 'a label volume'} in the folder",
            got=source,
            remedy="name the volume itself",
        )
    return found


def _find_labels(folder: Path, table: RegionTable) -> Path:
    found = folder / table.labels
    if not table.labels or not found.is_file():
        raise LabelError(
            "The atlas's list of structures is not there.",
            expected=f"{table.labels or 'a list'} beside the volume",
            got=folder,
            remedy="name it with --labels",
        )
    return found


def _licence_beside(folder: Path) -> str:
    """Texts of the licence files in a folder, each under its name."""
    found = sorted({path for pattern in _LICENCE_FILES for path in folder.glob(pattern) if path.is_file()})
    parts = []
    for path in found:
        with files.storage_errors(path), path.open("rb") as handle:
            words = handle.read(_MAX_LICENCE_BYTES).decode("utf-8", errors="replace")
        parts.append(f"{path.name}:\n{words.strip()}\n")
    return "\n".join(parts) or NO_LICENCE


def _write(folder: Path, atlas: Atlas, volume: Path, table_text: str, licence: str) -> None:
    from sagittal.io.labels import LabelTable

    suffix = next(s for s in _VOLUMES if volume.name.lower().endswith(s))
    with files.atomic_folder(folder) as temporary:
        with files.storage_errors(volume):
            shutil.copyfile(volume, temporary / f"volume{suffix}")
        structures = LabelTable.from_names(atlas.mask.labels, name=atlas.name, source=atlas.table.title)
        files.write_json(temporary / "labels.json", structures.to_json())
        files.write_text(temporary / "regions.yaml", table_text)
        files.write_text(temporary / "LICENCE.txt", licence)
        config = {
            "name": atlas.name,
            "title": atlas.table.title,
            "space": atlas.space,
            "table": atlas.table.name,
            "volume": f"volume{suffix}",
        }
        manifest = files.manifest(
            kind="atlas",
            config=config,
            seed=None,
            inputs={volume.name: files.sha256_file(volume)},
            libraries=(),
        )
        names = sorted(path.name for path in temporary.iterdir())
        manifest["files"] = {file: files.sha256_file(temporary / file) for file in names}
        files.write_json(temporary / _MANIFEST, manifest)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        with files.storage_errors(path):
            value = json.loads(path.read_text("utf-8"))
        if (
            value["kind"] == "atlas"
            and {"volume", "space", "title"} <= set(value["config"])
            and value["files"]
        ):
            return dict(value)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise IntegrityError(
            "The manifest of an atlas is damaged.",
            got=path,
            remedy="remove the folder and add the atlas again",
        ) from error
    raise IntegrityError("This manifest is not an atlas's.", got=path, remedy="remove the folder")


def _entry(folder: Path) -> AtlasEntry:
    config = _read_manifest(folder)["config"]
    with files.storage_errors(folder):
        licence = (folder / "LICENCE.txt").read_text("utf-8")
    return AtlasEntry(folder.name, config["title"], config["space"], folder, licence)
