"""nnU-Net's raw format: ``dataset.json``, ``imagesTr/CASE_0000.nii.gz``, ``labelsTr/CASE.nii.gz``.

Both dialects of ``dataset.json`` are read: version 2 (``channel_names``, name → value, regions as lists)
and version 1 (``modality``, value → name).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sagittal.errors import LabelError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.kinds import kind_from_words
from sagittal.io.labels import Label, LabelTable
from sagittal.io.layouts.brats import patient_and_session
from sagittal.io.layouts.case import CaseFiles, relative, require_file

_MAX_JSON = 1 << 24
_MODALITIES = {"ct": "ct", "mr": "mr", "mri": "mr"}


def find(root: Path) -> list[CaseFiles]:
    """The training cases of a raw data set, by name.

    Raises:
        LayoutError: no case, a channel or a label map missing, or a ``dataset.json`` with a fault.
        StorageError: something cannot be read.
    """
    description = _description(root / "dataset.json")
    channels = _channels(description)
    table = label_table(description)
    ending = description.get("file_ending", ".nii.gz")
    if ending not in (".nii.gz", ".nii"):
        raise LayoutError("Only NIfTI data sets are read.", expected=".nii.gz or .nii", got=ending)
    pattern = re.compile(rf"(?P<case>.+)_(?P<channel>\d{{4}}){re.escape(ending)}")
    cases: dict[str, dict[int, Path]] = {}
    for path in _listed(root / "imagesTr"):
        match = pattern.fullmatch(path.name)
        if match:
            cases.setdefault(match["case"], {})[int(match["channel"])] = path
    if not cases:
        raise LayoutError(f"{root / 'imagesTr'} holds no case.", expected=f"CASE_0000{ending}")
    return [
        _case(root, name, cases[name], channels, table, root / "labelsTr" / f"{name}{ending}")
        for name in sorted(cases)
    ]


def _case(
    root: Path, name: str, files: dict[int, Path], channels: dict[int, str], table: LabelTable, mask: Path
) -> CaseFiles:
    if set(files) != set(channels):
        raise LayoutError(
            f"{name} does not have the channels that dataset.json lists.",
            expected=sorted(channels),
            got=sorted(files),
            remedy="add the missing files, or mend channel_names",
        )
    for path in (*files.values(), mask):
        require_file(path, f"A file of {name}")
    images = tuple((channels[c], relative(files[c], root)) for c in sorted(files))
    patient, session = patient_and_session(name)
    return CaseFiles(name, patient, root, images, relative(mask, root), session, table)


def _listed(folder: Path) -> list[Path]:
    with storage_errors(folder):
        return sorted(folder.iterdir())


def _description(path: Path) -> dict[str, Any]:
    with storage_errors(path), path.open("rb") as handle:
        data = handle.read(_MAX_JSON + 1)
    try:
        value = json.loads(data) if len(data) <= _MAX_JSON else None
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"{path} is not valid JSON.", got=str(error)) from error
    if not isinstance(value, dict) or not isinstance(value.get("labels"), dict):
        raise LayoutError(f"{path} does not describe a data set.", expected="a mapping with `labels`")
    return value


def _channels(description: dict[str, Any]) -> dict[int, str]:
    names = description.get("channel_names", description.get("modality"))
    if not isinstance(names, dict) or not names or not all(str(k).isdecimal() for k in names):
        raise LayoutError(
            "dataset.json does not name its channels.",
            expected='"channel_names": {"0": "T1", …}',
            got=names,
        )
    return {int(k): _kind(str(v)) for k, v in names.items()}


def _kind(name: str) -> str:
    return _MODALITIES.get(name.strip().lower(), kind_from_words(name))


def label_table(description: dict[str, Any]) -> LabelTable:
    """The table that ``dataset.json`` states; regions (lists of values) become groups.

    Raises:
        LabelError: values that are not whole numbers, or names that repeat.
    """
    names: dict[int, str] = {}
    regions: dict[str, list[int]] = {}
    for key, value in description["labels"].items():
        if str(key).isdecimal() and isinstance(value, str):  # version 1
            key, value = value, int(key)
        if isinstance(value, list) and len(value) > 1:
            regions[key] = [_whole(v) for v in value]
        else:
            name_of = _whole(value[0] if isinstance(value, list) and value else value)
            if name_of in names:
                raise LabelError("dataset.json names one value twice.", got=f"{names[name_of]} and {key}")
            names[name_of] = str(key)
    for value in sorted({v for members in regions.values() for v in members} - set(names)):
        names[value] = f"label_{value}"
    labels = tuple(Label(v, n, n.replace("_", " ")) for v, n in names.items() if v != 0)
    groups = {region: tuple(names[v] for v in members if v) for region, members in regions.items()}
    return LabelTable(labels, groups, "nnU-Net dataset.json", "dataset.json")


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise LabelError("A label's value in dataset.json is a whole number.", got=value)
    return value
