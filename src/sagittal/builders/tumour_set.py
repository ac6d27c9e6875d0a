"""A whole set of tumour questions: case files → :mod:`sagittal.builders.tumour_vqa` → shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sagittal.builders.engine import STUDIES_PER_SHARD, Progress, run
from sagittal.builders.pools import EngineName
from sagittal.builders.presets import TumourPreset, preset_of
from sagittal.builders.tumour_vqa import Origin, build_study
from sagittal.errors import InputError, IntegrityError
from sagittal.example import Example, ImageRef
from sagittal.files import data_home, sha256_file, sha256_json
from sagittal.language.wording import Wordings

if TYPE_CHECKING:
    from sagittal.io.labels import LabelTable
    from sagittal.io.layouts import CaseFiles
    from sagittal.measure.atlas import Atlas

KIND = "tumour-vqa"


def build_tumour_set(
    root: str | Path,
    out: str | Path,
    *,
    layout: str,
    preset: str | TumourPreset,
    atlas: str | None = None,
    seed: int = 0,
    workers: int = 1,
    engine: EngineName = "local",
    bank: str | Path | None = None,
    origin: Origin | None = None,
    studies_per_shard: int = STUDIES_PER_SHARD,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the questions of every study under ``root`` into the folder ``out``.

    Args:
        root: the data set's folder; paths in the examples are relative to it.
        out: a new folder, or one where the same build was begun.
        layout: how ``root`` is laid out (:data:`sagittal.io.layouts.LAYOUTS`).
        preset: ``gli``, ``met`` or ``goat``, or settings of your own.
        atlas: name of an atlas that was added; the preset's own when not given.
        seed: of every draw.
        workers, engine, studies_per_shard, progress: see :func:`sagittal.builders.engine.run`.
        bank: file of an endpoint's wordings (:class:`sagittal.language.bank.WordingBank`); the shipped
            grammar when not given.
        origin: source and licence of the images.

    Returns:
        The manifest.

    Raises:
        InputError: a setting, a file or a study that cannot be used; the study is named.
        StorageError: the atlas was not added, or ``out`` cannot be written.
        IntegrityError: a finished shard or its input changed since.
    """
    from sagittal.io.layouts import find_cases

    chosen = preset_of(preset) if isinstance(preset, str) else preset
    cases = find_cases(root, layout)
    builder = TumourBuilder.create(chosen, atlas=atlas, seed=seed, bank=bank, origin=origin)
    return run(
        builder,
        cases,
        out,
        workers=workers,
        engine=engine,
        studies_per_shard=studies_per_shard,
        progress=progress,
    )


@dataclass(frozen=True)
class TumourBuilder:
    """:func:`build_study` for the engine: a :class:`sagittal.builders.engine.Builder` of case files.

    Workers load the atlas and the bank on their own machine and make sure that it is the same one.

    Attributes:
        preset: settings of the protocol.
        atlas, atlas_sha256: an added atlas by name, and :func:`atlas_hash` of it.
        bank, bank_sha256: file of an endpoint's wordings; ``None`` for the shipped grammar.
        seed: of every draw.
        origin: source and licence of the images.
    """

    preset: TumourPreset
    atlas: str
    atlas_sha256: str
    bank: Path | None = None
    bank_sha256: str | None = None
    seed: int = 0
    origin: Origin = field(default_factory=Origin)
    kind: str = KIND
    libraries: tuple[str, ...] = ("numpy", "scipy", "scikit-image", "connected-components-3d", "nibabel")

    @classmethod
    def create(
        cls,
        preset: TumourPreset,
        *,
        atlas: str | None = None,
        seed: int = 0,
        bank: str | Path | None = None,
        origin: Origin | None = None,
    ) -> TumourBuilder:
        """A builder with the hashes of what it loads.

        Raises:
            StorageError: the atlas was not added, or the bank cannot be read.
        """
        name = atlas or preset.atlas
        return cls(
            preset,
            name,
            atlas_hash(_atlas(name)),
            None if bank is None else Path(bank).absolute(),
            None if bank is None else sha256_file(bank),
            seed,
            origin or Origin(),
        )

    def config(self) -> dict[str, Any]:
        """Every setting, with the hashes of atlas and bank."""
        atlas = _atlas(self.atlas)
        return {
            "preset": self.preset.model_dump(mode="json"),
            "labels": _labels(self.preset.labels).to_json(),
            "atlas": {"name": atlas.name, "space": atlas.space, "sha256": self.atlas_sha256},
            "atlas_licence": atlas.licence,
            "regions": list(atlas.regions),
            "wordings": "grammar" if self.bank is None else {"bank_sha256": self.bank_sha256},
            "source": self.origin.source,
            "licence": self.origin.licence,
        }

    def name(self, case: CaseFiles) -> str:
        """The study's name."""
        return case.name

    def files(self, case: CaseFiles) -> dict[str, Path]:
        """The preset's sequences and the segmentation.

        Raises:
            InputError: one of them is not there.
        """
        images = dict(case.images)
        if case.mask is None or any(kind not in images for kind in self.preset.sequences):
            raise InputError(
                "A study needs its images and a segmentation.",
                expected=", ".join((*self.preset.sequences, "segmentation")),
                got=", ".join((*images, *(("segmentation",) if case.mask else ()))),
                remedy="add the file, or take the study out of the folder",
            )
        paths = [*(images[kind] for kind in self.preset.sequences), case.mask]
        return {path: case.path(path) for path in paths}

    def build(self, case: CaseFiles, hashes: Mapping[str, str]) -> list[Example]:
        """See :func:`build_study`; only the T1 and the segmentation are read."""
        from sagittal.io.layouts import load_case

        images = dict(case.images)
        shown = [
            ImageRef(path=images[kind], sha256=hashes[images[kind]], kind=kind, session=case.session)
            for kind in self.preset.sequences
        ]
        labels = _labels(self.preset.labels)
        return build_study(
            load_case(replace(case, images=(("t1", images["t1"]),)), labels),
            shown,
            preset=self.preset,
            labels=labels,
            atlas=_checked_atlas(self.atlas, self.atlas_sha256),
            wordings=_wordings(self.bank, self.bank_sha256),
            seed=self.seed,
            origin=self.origin,
        )


def atlas_hash(atlas: Atlas) -> str:
    """A hash of everything in an atlas that decides a region: voxels, grid, names and table."""
    voxels = hashlib.sha256()
    for plane in atlas.mask.data:
        voxels.update(plane.astype("<u4").tobytes())
    return sha256_json(
        {
            "voxels": voxels.hexdigest(),
            "mask": {**atlas.mask.to_json(), "name": ""},
            "space": atlas.space,
            "regions": {region: list(members) for region, members in atlas.table.regions.items()},
        }
    )


# Slow to load: once a process.


@lru_cache(maxsize=4)
def _labels(name: str) -> LabelTable:
    from sagittal.io.labels import load_labels

    return load_labels(name)


def _atlas(name: str) -> Atlas:
    return _atlas_of(name, data_home())


@lru_cache(maxsize=2)
def _atlas_of(name: str, home: Path) -> Atlas:
    """``home`` is part of the key: the same name may mean another atlas in another store."""
    from sagittal.measure.atlas_store import load

    return load(name)


def _checked_atlas(name: str, sha256: str) -> Atlas:
    atlas = _atlas(name)
    _require_same("atlas", name, sha256, _hash_once(atlas))
    return atlas


@lru_cache(maxsize=2)
def _hash_once(atlas: Atlas) -> str:
    return atlas_hash(atlas)


@lru_cache(maxsize=2)
def _wordings(bank: Path | None, sha256: str | None) -> Wordings:
    from sagittal.language.bank import WordingBank
    from sagittal.language.tumour_wordings import TumourWordings

    if bank is None:
        return TumourWordings.load()
    _require_same("bank of wordings", str(bank), str(sha256), sha256_file(bank))
    return WordingBank.load(bank)


def _require_same(what: str, name: str, expected: str, got: str) -> None:
    if got != expected:
        raise IntegrityError(
            f"The {what} {name} of this worker is not the one that the build began with.",
            expected=expected,
            got=got,
            remedy="give every machine the same files, or leave them alone while a build runs",
        )
