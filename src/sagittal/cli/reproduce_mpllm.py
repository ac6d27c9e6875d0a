"""``sagittal reproduce mpllm`` compares configurations; ``mpllm-small`` measures the model that ships."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import errors
from sagittal.cli.evaluate import HEADS

if TYPE_CHECKING:
    from sagittal.evaluation.mpllm.questions import Answered
    from sagittal.evaluation.mpllm.runs import Ground
    from sagittal.evaluation.mpllm.tables import Runs
    from sagittal.evaluation.mpllm.variants import World


def mpllm_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """The tables that compare configurations; thirty runs of up to ten minutes where they are not there yet.

    Args:
        model: the shipped model; gives the frozen encoder of all configurations.
        data: folder that holds the labelled scans and the heads.
        work: folder of the runs; ``mpllm`` in it holds theirs, ``mpllm/data`` beside it the simulated
        studies. out: folder of the page; its pictures go into ``mpllm`` there.
    """
    from sagittal.evaluation.mpllm.page import comparison_lines

    ground = _ground(model, data, work)
    return comparison_lines(_runs(ground), ground.work, out / "mpllm")


def small_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """What the shipped model does; arguments as for :func:`mpllm_page`."""
    from sagittal.evaluation.mpllm.shipped import shipped_lines

    return shipped_lines(model, _ground(model, data, work), data, out / "mpllm_small")


def _ground(model: str, data: Path, work: Path) -> Ground:
    from sagittal.evaluation.mpllm.runs import ground_of

    # Where the recipes put them.
    banks = work.parent / "mpllm" / "data"
    make_banks(data / HEADS, banks)
    return ground_of(model, banks, work / "mpllm")


def make_banks(heads: Path, out: Path) -> None:
    """All banks, unless they are there."""
    from sagittal.evaluation.mpllm.data import make_test_banks
    from sagittal.train.tumour_worlds import make_tumour_banks

    def progress(name: str, done: int, of: int) -> None:
        _say(f"studies of {name}: block {done} of {of}")

    make_tumour_banks("train", heads, out / "training", progress=progress)
    make_tumour_banks("validation", heads, out / "validation", progress=progress)
    make_test_banks(heads, out / "test", progress=progress)


def _runs(ground: Ground) -> Runs:
    from sagittal.evaluation.mpllm.runs import run_variant
    from sagittal.evaluation.mpllm.variants import RUNS, SEEDS

    found: dict[World, dict[str, list[list[Answered]]]] = {}
    for world, names in RUNS.items():
        found[world] = {}
        for name in names:
            answers = []
            for seed in SEEDS:
                _say(f"{world}, {name}, seed {seed}")
                answers.append(run_variant(ground, world, name, seed))
            found[world][name] = answers
    return found


def _say(line: str) -> None:
    errors().print(line, markup=False)
