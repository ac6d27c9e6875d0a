"""The pools that sets are drawn from: simulated films, and real ones; nothing is told of both together."""

from __future__ import annotations

from pathlib import Path

from sagittal.evaluation.imax.real_films import LUNGS, NIH, write_real_statements
from sagittal.evaluation.imax.runs import Comparison, Say
from sagittal.evaluation.imax.variants import POOL_FILMS, POOL_SEED
from sagittal.evaluation.runs import settle
from sagittal.files import sha256_file
from sagittal.models.checkpoint import WEIGHTS
from sagittal.models.chest.segmenter import open_chest_segmenter
from sagittal.simulate.chest import ChestConfig
from sagittal.simulate.chest.folder import COLLECTION, write_films
from sagittal.train.imax_stage import Ground
from sagittal.weights import find_checkpoint

#: Pixels of a simulated film's edge: what the encoder takes.
EDGE = 224


def simulated_pool(encoder: str, work: Path, say: Say) -> Comparison:
    """What runs on simulated films stand on; the films are made where they are not there.

    Args:
        encoder: name or folder of the network of findings.
        work: folder of all runs.
        say: told of films.
    """
    films = simulated_films(work, POOL_FILMS, POOL_SEED, say)
    ground = Ground.of(work, work / "features", encoder=encoder)
    return Comparison("simulated", ground, films / "statements", (COLLECTION,), work / "runs-simulated")


def simulated_films(folder: Path, count: int, seed: int, say: Say) -> Path:
    """The folder of a collection of simulated films, made where they are not there."""
    films = folder / COLLECTION
    write_films(ChestConfig(edge=EDGE), films, count, seed, lambda done, of: say(f"films: {done} of {of}"))
    return films


def real_pool(encoder: str, data: Path, work: Path, say: Say) -> Comparison:
    """What runs on real films stand on.

    Args:
        encoder: name or folder of the network of findings.
        data: folder of the development data.
        work: folder of all runs.
        say: told of films.
    """
    statements, folder = work / "statements", find_checkpoint("chest-segmenter")
    # What it drew is kept: another segmenter's masks are other truths.
    settle(work / "statements.json", {"segmenter": sha256_file(folder / WEIGHTS)})
    write_real_statements(data, statements, open_chest_segmenter(folder), say)
    ground = Ground.of(data, work / "features", encoder=encoder)
    return Comparison("real", ground, statements, (NIH, LUNGS), work / "runs-real")
