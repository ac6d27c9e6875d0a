"""``sagittal reproduce imax`` compares dense with scattered data, and pseudo-labels with neither."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import errors

if TYPE_CHECKING:
    from sagittal.evaluation.imax.runs import Comparison


def imax_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """The tables; forty runs of two to fifteen minutes where they are not there yet.

    Args:
        model: the network of findings, whose encoder all runs share.
        data: folder that holds the real films.
        work: folder of the runs; ``imax`` in it holds theirs.
        out: folder of the page; its pictures go into ``imax`` there.
    """
    from sagittal.evaluation.imax.page import comparison_lines

    pools = [simulated_pool(model, work / "imax"), real_pool(model, data, work / "imax")]
    return comparison_lines(pools, out / "imax", _say)


def simulated_pool(model: str, work: Path) -> Comparison:
    """What runs on simulated films stand on; the films are made where they are not there."""
    from sagittal.evaluation.imax.runs import Comparison
    from sagittal.evaluation.imax.variants import POOL_FILMS, POOL_SEED
    from sagittal.simulate.chest import ChestConfig
    from sagittal.simulate.chest.folder import COLLECTION, write_films
    from sagittal.train.imax_stage import Ground

    films = work / COLLECTION
    write_films(ChestConfig(edge=224), films, POOL_FILMS, POOL_SEED, _say_films)
    ground = Ground.of(work, work / "features", encoder=model)
    return Comparison("simulated", ground, films / "statements", (COLLECTION,), work / "runs-simulated")


def real_pool(model: str, data: Path, work: Path) -> Comparison:
    """What runs on real films stand on."""
    from sagittal.evaluation.imax.pools import LUNGS, NIH, write_real_statements
    from sagittal.evaluation.imax.runs import Comparison
    from sagittal.models.chest.segmenter import open_chest_segmenter
    from sagittal.train.imax_stage import Ground
    from sagittal.weights import find_checkpoint

    statements = work / "statements"
    write_real_statements(data, statements, open_chest_segmenter(find_checkpoint("chest-segmenter")), _say)
    ground = Ground.of(data, work / "features", encoder=model)
    return Comparison("real", ground, statements, (NIH, LUNGS), work / "runs-real")


def _say_films(done: int, of: int) -> None:
    _say(f"films: {done} of {of}")


def _say(line: str) -> None:
    errors().print(line, markup=False)
