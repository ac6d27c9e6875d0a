"""Folders of data sets → cases → studies. A layout is named by the user, never guessed.

``brats``: BraTS naming of any year. ``nnunet``: nnU-Net's raw format. Files with other names are given
one by one: :func:`case_from_files`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from sagittal.errors import ConfigError, LayoutError
from sagittal.files import storage_errors
from sagittal.io.layouts import brats, nnunet
from sagittal.io.layouts.case import CaseFiles, load_case, require_file
from sagittal.study import KINDS

#: Layouts that :func:`find_cases` knows.
LAYOUTS = ("brats", "nnunet")

__all__ = ["LAYOUTS", "CaseFiles", "case_from_files", "find_cases", "load_case"]


def find_cases(
    root: str | Path, layout: str, *, kinds: Sequence[str] | None = brats.KINDS
) -> list[CaseFiles]:
    """The cases of a data set, sorted by name. No pixels are read.

    Args:
        root: the data set's folder.
        layout: one of :data:`LAYOUTS`.
        kinds: for ``brats``, the sequences that every case must have and that are read; ``None`` for
            those that each case has.

    Raises:
        ConfigError: no such layout.
        LayoutError: the folder does not hold what the layout says it should.
        StorageError: a folder cannot be listed.
    """
    root = Path(root)
    with storage_errors(root):
        os.scandir(root).close()
    if layout == "brats":
        return brats.find(root, None if kinds is None else tuple(kinds))
    if layout == "nnunet":
        return nnunet.find(root)
    raise ConfigError("There is no such layout.", expected=", ".join(LAYOUTS), got=layout)


def case_from_files(
    files: Mapping[str, str | Path],
    *,
    name: str | None = None,
    patient: str | None = None,
    session: str = "",
    root: str | Path | None = None,
) -> CaseFiles:
    """A case from files named one by one.

    Args:
        files: kind of image (:data:`sagittal.study.KINDS`) → path; ``seg`` → the segmentation.
        name: identifier of the study; the folder's name when not given.
        patient: identifier of the patient; ``name`` when not given.
        root: folder that the paths are kept relative to; the deepest common one when not given.

    Raises:
        ConfigError: a kind that is not known, or no image at all.
        LayoutError: a path that is not a file, or lies outside ``root``.
    """
    strange = [kind for kind in files if kind not in KINDS and kind != "seg"]
    if strange or set(files) <= {"seg"}:
        raise ConfigError(
            "Files are named by what they show.", expected=f"{', '.join(KINDS)}; seg for the mask",
            got=strange or list(files), remedy="for example: flair=scan.nii.gz seg=mask.nii.gz",
        )  # fmt: skip
    paths = {kind: _full(Path(path)) for kind, path in files.items()}
    for kind, path in paths.items():
        require_file(path, f"The file for {kind}")
    base = Path(root).resolve() if root else _common([path.parent for path in paths.values()])
    outside = [str(path) for path in paths.values() if not path.is_relative_to(base)]
    if outside:
        raise LayoutError("A file lies outside the root folder.", expected=base, got=outside)
    relative = {kind: path.relative_to(base).as_posix() for kind, path in paths.items()}
    name = name or base.name
    images = tuple((kind, path) for kind, path in relative.items() if kind != "seg")
    return CaseFiles(name, patient or name, base, images, relative.get("seg"), session)


def _full(path: Path) -> Path:
    # The name is kept as given, so that a link stays inside the folder it lies in.
    return path.parent.resolve() / path.name


def _common(folders: list[Path]) -> Path:
    try:
        return Path(os.path.commonpath(folders))
    except ValueError as error:  # different drives
        raise LayoutError("The files of a case have no folder in common.", got=folders) from error
