"""Simulated films as a folder: pictures, and what is true of them as statements that builders read.

``films/film-SEED-00000.png`` and ``statements/part-000000.jsonl``, a line a film
(:class:`~sagittal.io.films.statement.FilmStatement`), a part of which is written when its pictures are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.files import write_json, write_text
from sagittal.io.films.statement import FilmStatement
from sagittal.io.raster import write_picture
from sagittal.io.run_lengths import Runs, runs_of
from sagittal.measure.chest import measure_chest
from sagittal.simulate.bank import check_manifest
from sagittal.simulate.chest.config import ChestConfig
from sagittal.simulate.chest.findings import Seen
from sagittal.simulate.chest.report import report
from sagittal.simulate.chest.world import SimulatedFilm, simulate_films
from sagittal.simulate.draws import Draws
from sagittal.study import Mask

COLLECTION = "simulated"
FILMS_PER_PART = 100


def write_films(
    config: ChestConfig,
    out: str | Path,
    n: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    share: tuple[int, int] = (0, 1),
) -> None:
    """Write films 0…n-1 of a world; parts that are there already are kept.

    Args:
        config, seed: as for :func:`~sagittal.simulate.chest.simulate_films`.
        out: folder.
        n: how many films.
        on_progress: called with (done, n) after each film.
        share: ``(k, of)``: every ``of``-th part, beginning with part ``k``, so that several processes can
            share the work.

    Raises:
        IntegrityError: ``out`` holds films of another world.
        StorageError: it cannot be written.
    """
    out = Path(out)
    wanted = {"schema": "sagittal.simulated-films/1", "seed": seed, "config": config.model_dump(mode="json")}
    check_manifest(out, wanted)
    (out / "films").mkdir(parents=True, exist_ok=True)
    (out / "statements").mkdir(exist_ok=True)
    if not (out / "manifest.json").exists():
        write_json(out / "manifest.json", wanted)
    starts = list(enumerate(range(0, n, FILMS_PER_PART)))[share[0] :: share[1]]
    for part, start in starts:
        path = out / "statements" / f"part-{part:06d}.jsonl"
        indices = range(start, min(n, start + FILMS_PER_PART))
        if not path.exists():
            write_text(path, "".join(_written(config, out, index, seed) for index in indices))
        if on_progress is not None:
            on_progress(indices[-1] + 1, n)


def _written(config: ChestConfig, out: Path, index: int, seed: int) -> str:
    [film] = simulate_films(config, [index], seed)
    write_picture(out / "films" / f"{film.image.name}.png", film.image)
    words = Draws(seed, index, torch.device("cpu"), "report")
    return statement_of(film, words).model_dump_json(exclude_defaults=True) + "\n"


def statement_of(film: SimulatedFilm, words: Draws) -> FilmStatement:
    """All that is true of a film.

    Args:
        film: which.
        words: draw those of the report.
    """
    width, height, _ = film.image.geometry.shape
    runs = {name: _runs(film, name, inside) for name, inside in film.organs.items()}
    measures = measure_chest(runs, projection="PA" if film.view == "PA" else "AP")
    return FilmStatement.model_validate(
        {
            "collection": COLLECTION,
            "image": film.image.name,
            "study": film.image.name,
            "patient": film.image.name,
            "file": f"films/{film.image.name}.png",
            "view": film.view,
            "sex": "female" if film.female else "male",
            "size": (width, height),
            "spacing_mm": film.image.geometry.spacing[:2],
            "labels": film.labels,
            "oedema": film.oedema,
            "graded_by": "consensus",
            "report": report(film, measures, words),
            "masks": {"size": (width, height), "runs": {name: own.to_text() for name, own in runs.items()}},
            "signs": [_sign(one) for one in film.findings],
            "devices": film.devices,
        }
    )


def _sign(seen: Seen) -> dict[str, object]:
    return {
        "name": seen.name,
        "side": seen.side,
        "zone": seen.zone or None,
        "size": seen.size or None,
        "box": _box(seen.inside),
    }


def _runs(film: SimulatedFilm, name: str, inside: NDArray[np.bool_]) -> Runs:
    plane = inside[:, :, None].astype(np.uint8)
    return runs_of(Mask(plane, film.image.geometry, {1: name}, name), name)


def _box(inside: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """First and last column and row."""
    columns, rows = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
