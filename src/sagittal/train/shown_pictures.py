"""Pictures of a bank of consultations under one numbering, as an encoder takes them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.consultation_bank import FIRST, CaseRecord, read_bank, read_picture
from sagittal.builders.specialist_qa.shown import Shown
from sagittal.files import atomic_path, storage_errors, write_text
from sagittal.language.specialist_things import imaged_of
from sagittal.models.medplib.pictures import squared_pixels
from sagittal.specialists.looking import Look
from sagittal.study import Image


@dataclass(frozen=True, eq=False)
class Pictures:
    """What is shown in conversations.

    Attributes:
        shown: studies, calls, and the numbers of their pictures.
        squares: (n, 3, edge, edge) uint8.
    """

    shown: Shown
    squares: NDArray[np.uint8]


def pictures_of(bank: str | Path, edge: int, kept: Path, scans: Sequence[Image] = ()) -> Pictures:
    """The pictures of a bank.

    Args:
        bank: folder of the consultations.
        edge: of the squares.
        kept: file that the squares are kept in; made when it is not there.
        scans: volumes whose slices are shown where no specialist was run.

    Raises:
        LayoutError, FileFormatError, StorageError: from the bank.
    """
    found = read_bank(bank)
    files: list[Path] = []
    cases: list[tuple[CaseRecord, int, tuple[int | None, ...]]] = []
    plain: Mapping[str, list[int]] = defaultdict(list)
    for folder, case in found:
        first = len(files)
        files.append(folder / FIRST)
        calls: list[int | None] = []
        for call in case.calls:
            calls.append(len(files) if call.picture else None)
            files += [folder / call.picture] if call.picture else []
        cases.append((case, first, tuple(calls)))
        plain[imaged_of(case.kinds[0])].append(first)
    slices = [look for scan in scans for look in _slices(scan)]
    for number, look in enumerate(slices, start=len(files)):
        plain[imaged_of(look.image.kind)].append(number)
    squares = _kept(kept, files, slices, edge)
    return Pictures(Shown(cases, dict(plain)), squares)


def _slices(scan: Image) -> Iterator[Look]:
    depth = scan.reorient("RAS").shape[2]
    for share in np.linspace(0.2, 0.9, 24):
        yield Look(scan, "axial", int(depth * share))


def _kept(path: Path, files: Sequence[Path], slices: Sequence[Look], edge: int) -> NDArray[np.uint8]:
    count, made_of = len(files) + len(slices), path.with_suffix(".sha256")
    digest = _digest(files, slices, edge)
    with storage_errors(path):
        if path.is_file() and made_of.is_file() and made_of.read_text() == digest:
            return np.load(path, mmap_mode="r")
    made = np.empty((count, 3, edge, edge), np.uint8)
    for number, file in enumerate(files):
        made[number] = squared_pixels(read_picture(file), edge).numpy()
    for number, look in enumerate(slices, start=len(files)):
        made[number] = squared_pixels(look.pixels(), edge).numpy()
    with atomic_path(path) as temporary, storage_errors(path), temporary.open("wb") as handle:
        np.save(handle, made)
    write_text(made_of, digest)
    return made


def _digest(files: Sequence[Path], slices: Sequence[Look], edge: int) -> str:
    """Of what pictures were made of: files by name, size and time, slices by name and place."""
    told = hashlib.sha256(str(edge).encode())
    for file in files:
        with storage_errors(file):
            state = file.stat()
        told.update(f"{file.parent.name}/{file.name} {state.st_size} {state.st_mtime_ns}\n".encode())
    for look in slices:
        told.update(f"{look.image.name} {look.plane} {look.index}\n".encode())
    return told.hexdigest()
