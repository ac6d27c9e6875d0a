"""BraTS folders, 2012–2020 naming (``CASE_t1ce.nii.gz``) and 2021–2024 naming (``CASE-t1c.nii.gz``)."""

from __future__ import annotations

import re
from pathlib import Path

from sagittal.errors import LayoutError
from sagittal.io.folders import walk
from sagittal.io.layouts.case import CaseFiles, relative, require_file

#: The sequences of a BraTS case, in the order that the challenge lists them.
KINDS = ("t1", "t1c", "t2", "flair")
_ENDINGS = {
    "_t1": "t1", "_t1ce": "t1c", "_t2": "t2", "_flair": "flair", "_seg": "seg",
    "-t1n": "t1", "-t1c": "t1c", "-t2w": "t2", "-t2f": "flair", "-seg": "seg",
}  # fmt: skip
_FILE = re.compile(r"(?P<case>.+)(?P<ending>[-_][a-z0-9]+)\.nii(\.gz)?", re.IGNORECASE)
_ID = re.compile(r"(?P<patient>BraTS-[A-Za-z]+(-[A-Za-z]+)*-\d+)-(?P<session>\d{3})")


def patient_and_session(case: str) -> tuple[str, str]:
    """``BraTS-GLI-00001-000`` → ``("BraTS-GLI-00001", "000")``; another name is the patient itself."""
    match = _ID.fullmatch(case)
    return (match["patient"], match["session"]) if match else (case, "")


def find(root: Path, kinds: tuple[str, ...] | None = KINDS) -> list[CaseFiles]:
    """Cases anywhere under ``root``, by name: a folder each, or many in one folder.

    Args:
        kinds: sequences that every case must have; ``None`` takes those that each has.

    Raises:
        LayoutError: no case, a sequence missing, or two files for one sequence.
        StorageError: a folder cannot be listed.
    """
    cases: dict[tuple[Path, str], dict[str, list[Path]]] = {}
    for folder, names in walk(root):
        for name in names:
            match = _FILE.fullmatch(name)
            kind = _ENDINGS.get(match["ending"].lower()) if match else None
            if match and kind:
                cases.setdefault((folder, match["case"]), {}).setdefault(kind, []).append(folder / name)
    if not cases:
        raise LayoutError(
            f"{root} holds no BraTS case.",
            expected="CASE-t1n.nii.gz, -t1c, -t2w, -t2f, -seg; or CASE_t1.nii.gz, _t1ce, _t2, _flair, _seg",
            remedy="check the folder; files with other names can be given one by one (t1=…, flair=…, seg=…)",
        )
    found = [
        _case(root, name, files, kinds or tuple(kind for kind in KINDS if kind in files))
        for (_, name), files in cases.items()
    ]
    return sorted(found, key=lambda case: (case.name, case.images))


def _case(root: Path, name: str, files: dict[str, list[Path]], kinds: tuple[str, ...]) -> CaseFiles:
    for kind, paths in files.items():
        if len(paths) > 1:
            raise LayoutError(
                f"{name} has several files for {kind}.",
                expected="one",
                got=", ".join(p.name for p in paths),
                remedy="keep one of them",
            )
        require_file(paths[0], f"{kind} of {name}")
    missing = [kind for kind in kinds if kind not in files]
    if missing:
        raise LayoutError(
            f"{name} lacks a sequence.",
            expected=", ".join(kinds),
            got=", ".join(sorted(files)),
            remedy=f"add {', '.join(missing)}",
        )
    images = tuple((kind, relative(files[kind][0], root)) for kind in kinds)
    mask = relative(files["seg"][0], root) if "seg" in files else None
    patient, session = patient_and_session(name)
    return CaseFiles(name, patient, root, images, mask, session)
