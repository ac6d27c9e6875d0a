"""An answer as a folder: masks on the grids of their images, ``overlay.png``, ``answer.json``."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

from sagittal.answer import ANSWER_SCHEMA, Answer
from sagittal.asking.consultation import Consultation, Drawn
from sagittal.errors import StorageError
from sagittal.files import atomic_folder, storage_errors, write_json
from sagittal.io.nifti import write_mask

ANSWER, OVERLAY, MASKS = "answer.json", "overlay.png", "masks"
# Where an answer is made in a folder that is there already.
_WORK = ".new.tmp"
# An answer is some kilobytes; what is larger is not read to see whether it is one.
_LARGEST_ANSWER = 16 << 20


def check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier answer.

    Raises:
        StorageError: it is a file, or holds something else, or cannot be looked into.
    """
    with storage_errors(out):
        if not out.exists() and not out.is_symlink():
            return
        held = {path.name for path in out.iterdir()}
    # A run that was killed leaves its work folder, and perhaps no answer any more.
    begun = _WORK in held or _is_answer(out / ANSWER)
    if held and not (held <= {ANSWER, OVERLAY, MASKS, _WORK} and begun and _only_masks(out)):
        raise StorageError(
            "The output folder holds something else than an earlier answer.",
            expected="a new or empty folder, or that of an earlier answer, which is replaced",
            got=out,
            remedy="name another folder",
        )


def _is_answer(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            value = json.loads(handle.read(_LARGEST_ANSWER))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("schema") == ANSWER_SCHEMA


def _only_masks(out: Path) -> bool:
    inside = out / MASKS
    if not inside.exists():
        return True
    endings = (".nii.gz", ".labels.json")
    return inside.is_dir() and all(p.is_file() and p.name.endswith(endings) for p in inside.iterdir())


def write_consultation(made: Consultation, out: Path) -> Consultation:
    """Write a consultation, as a whole or not at all; an earlier answer in the folder is replaced.

    In a folder that is there already ``answer.json`` goes first and comes last, so that where it stands the
    rest belongs to it. The folder itself is kept: it may be where a shell stands, or a mount.

    Args:
        made: from :func:`sagittal.asking.consultation.consult`.
        out: a new or empty folder, or that of an earlier answer.

    Returns:
        The consultation whose answer names the masks' files, relative to ``out``.

    Raises:
        StorageError: the folder holds something else, or cannot be written.
    """
    check_folder(out)
    files = _file_names(made.drawn)
    masks = tuple(
        replace(mask, file=f"{MASKS}/{file}") for mask, file in zip(made.answer.masks, files, strict=True)
    )
    answer = replace(made.answer, masks=masks)
    if not out.is_dir():
        with atomic_folder(out) as folder:
            _write(folder, made.drawn, files, answer)
        return replace(made, answer=answer)
    work = out / _WORK
    with storage_errors(out):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        try:
            _write(work, made.drawn, files, answer)
            (out / ANSWER).unlink(missing_ok=True)
            (out / OVERLAY).unlink(missing_ok=True)
            if (out / MASKS).exists():
                shutil.rmtree(out / MASKS)
            for name in (MASKS, OVERLAY, ANSWER):
                if (work / name).exists():
                    (work / name).replace(out / name)
        finally:
            shutil.rmtree(work)
    return replace(made, answer=answer)


def _write(folder: Path, drawn: tuple[Drawn, ...], files: list[str], answer: Answer) -> None:
    from sagittal.asking.picture import draw_overlay

    for one, file in zip(drawn, files, strict=True):
        write_mask(folder / MASKS / file, one.mask)
    if drawn:
        draw_overlay(drawn, folder / OVERLAY)
    write_json(folder / ANSWER, answer.to_json())


def _file_names(drawn: tuple[Drawn, ...]) -> list[str]:
    """A plain file name for each mask, all different also where capitals do not count."""
    names: list[str] = []
    for number, one in enumerate(drawn, start=1):
        plain = re.sub("[^A-Za-z0-9]+", "_", one.name)[:60].strip("_") or "mask"
        taken = {name.lower() for name in names}
        alone = f"{plain}.nii.gz".lower() not in taken
        names.append(f"{plain}.nii.gz" if alone else f"{plain}_{number}.nii.gz")
    return names
