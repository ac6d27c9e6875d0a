"""A small pool of made-up chest films: rectangles for organs, draws for labels, pictures of a few pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.io.films.names import FINDINGS
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow, Sign
from sagittal.io.raster import picture_geometry, write_picture
from sagittal.io.run_lengths import runs_of
from sagittal.study import Image, Mask

WIDTH, HEIGHT = 60, 50
#: x1, y1, x2, y2, both ends within.
ORGANS = {"heart": (22, 25, 40, 40), "right lung": (5, 8, 24, 42), "left lung": (36, 8, 55, 42)}


def runs_text(box: tuple[int, int, int, int], width: int = WIDTH, height: int = HEIGHT) -> str:
    """A filled rectangle as runs."""
    x1, y1, x2, y2 = box
    plane = np.zeros((width, height, 1), np.uint8)
    plane[x1 : x2 + 1, y1 : y2 + 1] = 1
    return runs_of(Mask(plane, picture_geometry(width, height), {1: "it"}, "it"), "it").to_text()


def masks(**changes: tuple[int, int, int, int] | None) -> FilmMasks:
    """Masks of a film; a structure can be given another box, or ``None`` to be left out."""
    boxes = {**ORGANS, **{name.replace("_", " "): box for name, box in changes.items()}}
    return FilmMasks(
        size=(WIDTH, HEIGHT), runs={name: runs_text(box) for name, box in boxes.items() if box is not None}
    )


def film(number: int, rng: np.random.Generator) -> FilmStatement:
    """A film of which everything is known."""
    there = {name: bool(rng.random() < 0.3) for name in FINDINGS}
    wide = int(rng.integers(-3, 6))
    shift = int(rng.integers(0, 4))
    return FilmStatement(
        collection="pool",
        image=f"film-{number:04d}",
        study=f"study-{number:04d}",
        patient=f"patient-{number // 2:04d}",
        file=f"film-{number:04d}.png",
        view="PA" if rng.random() < 0.8 else "AP",
        sex="female" if rng.random() < 0.5 else "male",
        labels=dict(there),
        oedema=int(rng.integers(0, 4)),
        report=f"FINDINGS: film {number}. IMPRESSION: none.",
        masks=masks(heart=(22 - wide, 25, 40, 40), left_lung=(36, 8 + shift, 55, 42)),
        rca=0.9,
        signs=tuple(
            Sign(name=name, side="left" if rng.random() < 0.5 else "right", zone="lower", size="small")
            for name in FINDINGS
            if there[name]
        ),
        devices=("pacemaker",) if rng.random() < 0.4 else (),
    )


@dataclass(frozen=True)
class PoolSource:
    """Statements from a file of JSON lines."""

    path: Path
    name: str = "made-up"
    collection: str = "pool"
    source: str = "made up for tests"
    licence: str = "none needed"

    @property
    def tables(self) -> tuple[Path, ...]:
        return (self.path,)

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for line in self.path.read_text("utf-8").splitlines():
            yield FilmStatement.model_validate_json(line)

    def masks(self, row: MaskRow) -> FilmMasks:
        raise AssertionError("masks are there by value")


def write_pool(folder: Path, films: Sequence[FilmStatement], *, same_picture: bool = False) -> PoolSource:
    """The statements' file, and a picture for each film; all pictures alike, if asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "statements.jsonl"
    path.write_text("".join(one.model_dump_json(exclude_defaults=True) + "\n" for one in films), "utf-8")
    for number, one in enumerate(films):
        if one.file:
            # Blocks of ten pixels, no two films alike.
            blocks = np.random.default_rng(0 if same_picture else number).integers(60, 220, (6, 5))
            pixels = np.kron(blocks, np.ones((10, 10)))[:, :, None].astype(np.uint8)
            write_picture(folder / one.file, Image(pixels, picture_geometry(WIDTH, HEIGHT), "cxr", one.file))
    return PoolSource(path)


def pool(folder: Path, count: int, seed: int = 0) -> PoolSource:
    """Films of which everything is known."""
    rng = np.random.default_rng(seed)
    return write_pool(folder, [film(number, rng) for number in range(count)])
