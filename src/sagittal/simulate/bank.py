"""A bank of made studies on disk, for training on machines where making them would cost more than learning.

``BANK/manifest.json`` and a folder a study: ``images.npy`` (float16, all images stacked), ``mask-K.npy``,
``study.json`` (what each array is, and the facts). Arrays are memory-mapped when read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sagittal.errors import IntegrityError, LayoutError
from sagittal.files import atomic_folder, manifest, storage_errors, to_json_text, write_text
from sagittal.simulate.config import WorldConfig
from sagittal.simulate.heads import HeadSet
from sagittal.simulate.world import SimulatedStudy, simulate
from sagittal.study import Study

_MANIFEST = "manifest.json"
Progress = Callable[[int, int], None]


def world_manifest(
    kind: str,
    config: WorldConfig,
    heads: HeadSet,
    seed: int,
    device: str,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a set of made studies was made from. The count is left out: a set may be enlarged."""
    settings = {**config.model_dump(mode="json"), "device": device.split(":")[0], **(extra or {})}
    return manifest(
        kind=kind, config=settings, seed=seed, inputs=dict(heads.hashes), libraries=("torch", "numpy")
    )


def settle_manifest(folder: Path, wanted: dict[str, Any]) -> None:
    """Write the manifest, or make sure that the one there says the same.

    Called when there is a study to go with it: a run that fails before leaves nothing behind.

    Raises:
        IntegrityError: the folder was made from something else.
    """
    path = folder / _MANIFEST
    if path.exists():
        check_manifest(folder, wanted)
    else:
        write_text(path, to_json_text(wanted))


def check_manifest(folder: Path, wanted: dict[str, Any]) -> None:
    """Make sure that the manifest there, if there is one, says the same.

    Raises:
        IntegrityError: the folder was made from something else.
    """
    path = folder / _MANIFEST
    text = to_json_text(wanted)
    with storage_errors(path):
        found = path.read_text(encoding="utf-8", errors="replace") if path.exists() else text
    if found != text:
        raise IntegrityError(
            "The folder holds studies of another world.",
            expected=f"the manifest in {path} to match",
            got=_first_difference(_read(found), json.loads(text)),
            remedy="name a new folder, or use the same settings, seed, heads and versions",
        )


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:60]


def _first_difference(found: Any, wanted: Any, at: str = "") -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in sorted({*found, *wanted}):
            if found.get(key) != wanted.get(key):
                return _first_difference(found.get(key), wanted.get(key), f"{at}.{key}".lstrip("."))
    return f"{at}: {found!r} there, {wanted!r} asked for"


def make_bank(
    config: WorldConfig,
    heads: HeadSet,
    out: str | Path,
    n: int,
    seed: int,
    *,
    device: str = "cpu",
    on_progress: Progress | None = None,
) -> Bank:
    """Make studies 0…n-1 of a world; those that are there already are kept.

    Args:
        config, heads, seed, device: as for :func:`sagittal.simulate.world.simulate`.
        out: the bank's folder.
        n: how many studies it shall hold; more than before enlarges it.
        on_progress: called with (done, n) after each study.

    Raises:
        IntegrityError: the folder holds another world's studies.
        StorageError: it cannot be written.
    """
    out = Path(out)
    world = world_manifest("simulated-bank", config, heads, seed, device)
    check_manifest(out, world)
    for index in range(n):
        folder = out / f"{index:06d}"
        if not folder.is_dir():
            [made] = simulate(config, heads, [index], seed, device)
            settle_manifest(out, world)
            with atomic_folder(folder) as temporary:
                _save(temporary, made)
        if on_progress:
            on_progress(index + 1, n)
    return Bank(out)


def _save(folder: Path, made: SimulatedStudy) -> None:
    np.save(folder / "images.npy", np.stack([i.data for i in made.study.images]).astype(np.float16))
    for number, mask in enumerate(made.study.masks):
        np.save(folder / f"mask-{number}.npy", mask.data)
    text = to_json_text({"study": made.study.to_json(), "facts": made.facts})
    (folder / "study.json").write_text(text, encoding="utf-8")


class Bank:
    """Read-only view of a bank.

    Args:
        folder: made by :func:`make_bank`.

    Raises:
        LayoutError: it is not a bank.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / _MANIFEST).is_file():
            raise LayoutError(
                "The folder is not a bank of made studies.",
                expected=_MANIFEST,
                got=self.folder,
                remedy="make one with sagittal.simulate.make_bank",
            )
        self.studies = sorted(p for p in self.folder.iterdir() if p.is_dir() and p.name.isdigit())

    def __len__(self) -> int:
        return len(self.studies)

    def load(self, index: int) -> SimulatedStudy:
        """One study: images float16 and masks, memory-mapped read-only."""
        folder = self.studies[index]
        with storage_errors(folder):
            text = json.loads((folder / "study.json").read_text(encoding="utf-8"))
            images = np.load(folder / "images.npy", mmap_mode="r")
            masks = [
                np.load(folder / f"mask-{k}.npy", mmap_mode="r") for k in range(len(text["study"]["masks"]))
            ]
        return SimulatedStudy(Study.from_json(text["study"], list(images), masks), text["facts"])
