"""Simulated films on disk, to learn from: pixels, organs and findings as memory-mapped arrays, and facts.

A bank is a folder with a manifest and blocks, each written as a whole, so that several processes can make
one bank and any of them can be stopped:

    films.npy     (n, rows, columns) uint8
    organs.npy    (n, rows, columns) uint8: 0 for none, 1 heart, 2 left lung, 3 right lung
    findings.npy  (n, rows, columns) uint16: bit k is FINDINGS[k], where it shows
    films.json    of each film, :class:`FilmFacts`
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sagittal.errors import FileFormatError, LayoutError
from sagittal.files import atomic_folder, manifest, storage_errors, to_json_text
from sagittal.io.films.names import FINDINGS
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import runs_of
from sagittal.measure.chest import measure_chest
from sagittal.simulate.bank import check_manifest, settle_manifest
from sagittal.simulate.chest import ORGANS, ChestConfig, SimulatedFilm, simulate_films
from sagittal.splits import Split
from sagittal.study import Image, Mask
from sagittal.train.packaged import packaged_table

#: Films written at a time.
BLOCK = 50
_FILMS, _ORGANS, _FINDINGS, _FACTS = "films.npy", "organs.npy", "findings.npy", "films.json"


class SeenFact(BaseModel):
    """A finding that was drawn: see :class:`sagittal.simulate.chest.findings.Seen`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    side: str
    zone: str
    size: str


class FilmFacts(BaseModel):
    """What is true of a simulated film besides where things are.

    Attributes:
        name: of the film.
        mm: of a pixel.
        seen: the findings that were drawn and show.
        labels: of each of FINDINGS.
        oedema: grade, 0 to 3.
        devices: that are there.
        view: how it was taken.
        female: who.
        ctr: measured on the true masks; ``None`` where it cannot be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mm: float
    seen: tuple[SeenFact, ...]
    labels: tuple[bool, ...]
    oedema: int
    devices: tuple[str, ...]
    view: Literal["PA", "AP"]
    female: bool
    ctr: float | None


@dataclass(frozen=True, eq=False)
class FilmBank:
    """Films of a bank, in order.

    Attributes:
        films, organs, findings: of each block, as in its files; memory-mapped.
        facts: of each film.
    """

    films: tuple[NDArray[np.uint8], ...]
    organs: tuple[NDArray[np.uint8], ...]
    findings: tuple[NDArray[np.uint16], ...]
    facts: tuple[FilmFacts, ...]

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Open a bank.

        Raises:
            LayoutError: there is no block, or one is missing between others.
            FileFormatError: a block is damaged.
            StorageError: a file cannot be read.
        """
        blocks = sorted(p for p in Path(folder).glob("[0-9]*") if p.is_dir())
        if not blocks or blocks[-1].name != f"{len(blocks) - 1:04d}":
            raise LayoutError(
                "The folder holds no films, or a block of them is missing.",
                expected="blocks 0000, 0001, …", got=folder,
                remedy="make the rest of the bank: what is there is kept",
            )  # fmt: skip
        parts = [_read_block(block) for block in blocks]
        films, organs, findings, facts = zip(*parts, strict=True)
        return cls(films, organs, findings, tuple(one for block in facts for one in block))

    def __len__(self) -> int:
        return len(self.facts)

    @cached_property
    def _starts(self) -> NDArray[np.intp]:
        return np.cumsum([0, *(len(block) for block in self.films)])

    def _place(self, number: int) -> tuple[int, int]:
        block = int(np.searchsorted(self._starts, number, side="right")) - 1
        return block, number - int(self._starts[block])

    def film(self, number: int) -> NDArray[np.uint8]:
        """(rows, columns) of one."""
        block, at = self._place(number)
        return self.films[block][at]

    def organ(self, number: int) -> NDArray[np.uint8]:
        """(rows, columns) codes of one: 0 for none, else 1 + the place in ORGANS."""
        block, at = self._place(number)
        return self.organs[block][at]

    def finding(self, number: int) -> NDArray[np.uint16]:
        """(rows, columns) bits of one."""
        block, at = self._place(number)
        return self.findings[block][at]

    def image(self, number: int) -> Image:
        """One, as the rest of the project takes it."""
        film, facts = self.film(number), self.facts[number]
        geometry = picture_geometry(film.shape[1], film.shape[0], facts.mm)
        return Image(np.ascontiguousarray(film.T)[:, :, None], geometry, "cxr", facts.name)

    def sha256(self) -> str:
        """Over pixels, organs, findings and facts, to name a set in results."""
        digest = hashlib.sha256()
        for array in (*self.films, *self.organs, *self.findings):
            digest.update(np.ascontiguousarray(array).tobytes())
        for facts in self.facts:
            digest.update(facts.model_dump_json().encode())
        return digest.hexdigest()


def _read_block(
    block: Path,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16], list[FilmFacts]]:
    try:
        with storage_errors(block):
            facts = TypeAdapter(list[FilmFacts]).validate_json((block / _FACTS).read_bytes())
            films, organs, findings = (
                np.load(block / name, mmap_mode="r", allow_pickle=False)
                for name in (_FILMS, _ORGANS, _FINDINGS)
            )
    except (ValueError, EOFError, ValidationError) as error:
        raise _damaged(block, str(error)) from error
    if not films.shape == organs.shape == findings.shape or len(films) != len(facts) or films.ndim != 3:
        raise _damaged(block, f"{films.shape}, {organs.shape}, {findings.shape}, {len(facts)} facts")
    return films, organs, findings, facts


def _damaged(block: Path, got: str) -> FileFormatError:
    return FileFormatError(
        "This is no block of simulated films.", expected=f"{_FILMS}, {_ORGANS}, {_FINDINGS} and {_FACTS}",
        got=f"{block}: {got}", remedy="delete the block and make it again",
    )  # fmt: skip


def make_chest_banks(
    split: Split, out: str | Path, *, part: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:  # fmt: skip
    """Make the bank of a split by the committed table, in a folder of its name; what is there is kept.

    Args:
        split: whose.
        out: folder of the banks.
        part: which of how many processes this is.
        progress: told of each block.

    Returns:
        The bank's folder.
    """
    entry = packaged_table("chest_banks")[split]
    folder = Path(out) / split
    make_chest_bank(folder, ChestConfig(), entry["films"], entry["seed"], part=part, progress=progress)
    return folder


def make_chest_bank(
    folder: str | Path, config: ChestConfig, films: int, seed: int, *, part: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> None:  # fmt: skip
    """Make films 0 to ``films`` − 1, or every ``part[1]``-th block of them from ``part[0]`` on.

    Raises:
        IntegrityError: the folder was made from something else.
        StorageError: the folder cannot be written.
    """
    folder = Path(folder)
    wanted = manifest(
        kind="simulated-films", config={**config.model_dump(mode="json"), "films": films}, seed=seed,
        inputs={}, libraries=("torch", "numpy", "scipy"),
    )  # fmt: skip
    check_manifest(folder, wanted)
    blocks = range(part[0], -(-films // BLOCK), part[1])
    for done, number in enumerate(blocks, start=1):
        own = folder / f"{number:04d}"
        if not own.is_dir():
            indices = range(BLOCK * number, min(BLOCK * (number + 1), films))
            _write_block(own, list(simulate_films(config, indices, seed)))
            settle_manifest(folder, wanted)
        progress(done, len(blocks))


def _write_block(block: Path, films: Sequence[SimulatedFilm]) -> None:
    with atomic_folder(block) as temporary:
        for name, arrays in (
            (_FILMS, [film.image.data[:, :, 0].T for film in films]),
            (_ORGANS, [organ_codes(film) for film in films]),
            (_FINDINGS, [_bits(film) for film in films]),
        ):
            np.save(temporary / name, np.stack(arrays), allow_pickle=False)
        facts = [facts_of(film).model_dump(mode="json") for film in films]
        (temporary / _FACTS).write_text(to_json_text(facts), encoding="utf-8")


def organ_codes(film: SimulatedFilm) -> NDArray[np.uint8]:
    """(rows, columns): 0 for none, else 1 + the place in ORGANS; organs do not overlap."""
    codes = np.zeros(film.image.shape[:2], np.uint8)
    for code, organ in enumerate(ORGANS, start=1):
        codes[film.organs[organ]] = code
    return codes.T


def _bits(film: SimulatedFilm) -> NDArray[np.uint16]:
    bits = np.zeros(film.image.shape[:2], np.uint16)
    for one in film.findings:
        bits[one.inside] |= np.uint16(1 << FINDINGS.index(one.name))
    return bits.T


def facts_of(film: SimulatedFilm) -> FilmFacts:
    """What is known of a film, measured where it follows from its masks."""
    geometry = film.image.geometry
    runs = {
        organ: runs_of(Mask(inside[:, :, None].view(np.uint8), geometry, {1: organ}, organ), organ)
        for organ, inside in film.organs.items()
    }
    labels = film.labels
    return FilmFacts(
        name=film.image.name, mm=geometry.spacing[0],
        seen=tuple(SeenFact(name=s.name, side=s.side, zone=s.zone, size=s.size) for s in film.findings),
        labels=tuple(labels[name] for name in FINDINGS), oedema=film.oedema, devices=film.devices,
        view="AP" if film.view == "AP" else "PA", female=film.female,
        ctr=measure_chest(runs, projection="PA").ctr,
    )  # fmt: skip
