"""An answer as a folder: masks and images on their scans' own grids, ``overlay.png``, ``answer.json``.

A mask of a picture whose pixels have no size is a picture, too (PNG); every other lies in space (NIfTI).
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sagittal.answer import ANSWER_SCHEMA
from sagittal.asking.consultation import Consultation
from sagittal.errors import StorageError
from sagittal.files import atomic_folder, storage_errors, write_json
from sagittal.io.nifti import write_image, write_mask
from sagittal.io.raster import write_picture_mask
from sagittal.study import Mask

ANSWER, OVERLAY, MASKS, IMAGES = "answer.json", "overlay.png", "masks", "images"
_VOLUME, _PICTURE = ".nii.gz", ".png"
# Where an answer is made in a folder that is there already.
_WORK = ".new.tmp"
# In the name of an image that was made of a file.
_ENDING = re.compile(r"\.(nii(\.gz)?|mgz|mgh|dcm)\b")
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
    ours = held <= {ANSWER, OVERLAY, MASKS, IMAGES, _WORK} and begun
    if held and not (ours and _only_files(out / MASKS) and _only_files(out / IMAGES)):
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


def _only_files(inside: Path) -> bool:
    """Whether a folder, where it is there, holds nothing but files as we write them."""
    if not inside.exists():
        return True
    endings = (".nii.gz", ".png", ".labels.json")
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
    masks = _file_names([(drawn.name, _ending_of(drawn.mask)) for drawn in made.drawn], "mask")
    images = _file_names([(image.name, _VOLUME) for image in made.volumes], "image")
    answer = replace(
        made.answer,
        masks=tuple(replace(m, file=f"{MASKS}/{f}") for m, f in zip(made.answer.masks, masks, strict=True)),
        volumes=tuple(
            replace(v, file=f"{IMAGES}/{f}") for v, f in zip(made.answer.volumes, images, strict=True)
        ),
    )
    made = replace(made, answer=answer)
    if not out.is_dir():
        with atomic_folder(out) as folder:
            _write(folder, made)
        return made
    work = out / _WORK
    with storage_errors(out):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir()
        try:
            _write(work, made)
            (out / ANSWER).unlink(missing_ok=True)
            (out / OVERLAY).unlink(missing_ok=True)
            for folder in (out / MASKS, out / IMAGES):
                if folder.exists():
                    shutil.rmtree(folder)
            for name in (MASKS, IMAGES, OVERLAY, ANSWER):
                if (work / name).exists():
                    (work / name).replace(out / name)
        finally:
            shutil.rmtree(work)
    return made


def _write(folder: Path, made: Consultation) -> None:
    from sagittal.asking.picture import draw_overlay
    from sagittal.asking.view_picture import draw_view

    for mask, drawn in zip(made.answer.masks, made.drawn, strict=True):
        write = write_picture_mask if mask.file.endswith(_PICTURE) else write_mask
        write(folder / mask.file, drawn.mask)
    for volume, image in zip(made.answer.volumes, made.volumes, strict=True):
        write_image(folder / volume.file, image)
    view = made.case.view
    shown = made.answer.boxes or made.answer.lines
    if view is not None and (made.drawn or view.regions or shown):
        draw_view(view, made.drawn, folder / OVERLAY, made.answer.boxes, made.answer.lines)
    elif made.drawn:
        draw_overlay(made.drawn, folder / OVERLAY)
    write_json(folder / ANSWER, made.answer.to_json())


def _ending_of(mask: Mask) -> str:
    geometry = mask.geometry
    return _PICTURE if geometry.is_2d and not geometry.spacing_known else _VOLUME


def _file_names(called: Sequence[tuple[str, str]], otherwise: str) -> list[str]:
    """A plain file name for each name and ending, all different also where capitals do not count."""
    names: list[str] = []
    for number, (name, ending) in enumerate(called, start=1):
        plain = re.sub("[^A-Za-z0-9]+", "_", _ENDING.sub("", name))[:60].strip("_") or otherwise
        taken = {other.lower() for other in names}
        alone = f"{plain}{ending}".lower() not in taken
        names.append(f"{plain}{ending}" if alone else f"{plain}_{number}{ending}")
    return names
