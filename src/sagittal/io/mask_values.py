"""Numbers from a file → label values and their names; the table of names that lies beside a mask's file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, LabelError
from sagittal.files import storage_errors, write_json
from sagittal.io.labels import MAX_VALUE, LabelTable, load_labels
from sagittal.io.volume_file import suffix_of
from sagittal.study import Mask

# An unnamed mask with more values than this is an image.
_MAX_UNNAMED = 2000
# A header's scaling in single precision gives 0.99999997 for 1; interpolation is off by far more.
_ROUND_OFF = 1e-5


def require_finite(data: NDArray[Any], path: Path) -> None:
    """Refuse NaN and infinity.

    Raises:
        FileFormatError: with how many there are.
    """
    if data.dtype.kind != "f":
        return
    broken = data.size - int(np.isfinite(data).sum())
    if broken:
        raise FileFormatError(
            f"{path.name} holds voxels that are not numbers.",
            expected="finite numbers",
            got=f"{broken} of {data.size} voxels are NaN or infinite",
            remedy="replace them at the source; nothing is guessed here",
        )


def to_labels(data: NDArray[Any], what: str) -> NDArray[Any]:
    """Numbers → the narrowest unsigned integers that hold them; floats may be off by a scaling's round-off.

    Raises:
        LabelError: not whole, negative, or too large.
    """
    if data.dtype.kind == "f":
        whole = np.rint(data)
        broken = np.abs(data - whole) > _ROUND_OFF
        if broken.any():
            raise LabelError(
                f"{what} holds numbers that are not whole, so it is not a label map.",
                got=f"{int(broken.sum())} voxels, such as {float(data[broken][0]):g}",
                remedy="was it resampled with interpolation? use nearest neighbour, or threshold it",
            )
        data = whole
    low, high = float(data.min()), float(data.max())
    if low < 0 or high > MAX_VALUE:
        raise LabelError(
            f"{what} holds values that no label can have.",
            expected=f"0 to {MAX_VALUE}",
            got=f"{low:g} to {high:g}",
        )
    return data.astype(np.min_scalar_type(int(high)), copy=False)


def with_names(mask: Mask, table: LabelTable | None) -> Mask:
    """The same mask with the names of a table; without one, its present values become ``label_1``, ….

    Raises:
        LabelError: a value that the table does not name, or so many unnamed ones that this is an image.
    """
    if table is not None:
        named = replace(mask, labels=table.names)
        named.check_labels()
        return named
    values = mask.values()
    if len(values) > _MAX_UNNAMED:
        raise LabelError(
            f"{mask.name} looks like an image, not like a mask.",
            expected=f"at most {_MAX_UNNAMED} different values",
            got=f"{len(values)} values up to {values[-1]}",
            remedy="give the mask's file; or, for a rich label map, name its table with --labels",
        )
    return replace(mask, labels={v: f"label_{v}" for v in values})


def labels_path(path: str | Path) -> Path:
    """Where the label table of a mask file lies: ``NAME.labels.json`` beside ``NAME.nii.gz``."""
    path = Path(path)
    suffix = suffix_of(path) or path.suffix
    return path.with_name(path.name[: len(path.name) - len(suffix)] + ".labels.json")


def table_beside(path: Path) -> LabelTable | None:
    """The label table beside a mask file, when there is one."""
    beside = labels_path(path)
    with storage_errors(beside):
        there = beside.is_file()
    return load_labels(beside) if there else None


def write_table_beside(path: Path, mask: Mask) -> None:
    """Write a mask's names beside its file; for a mask without names, remove a stale table."""
    if mask.labels:
        write_json(labels_path(path), LabelTable.from_names(mask.labels).to_json())
    else:
        labels_path(path).unlink(missing_ok=True)
