"""``sagittal reproduce imax`` compares dense with scattered data; ``imax-small`` measures what ships."""

from __future__ import annotations

from pathlib import Path

from sagittal.cli.console import errors


def imax_page(model: str, data: Path, work: Path, out: Path) -> list[str]:
    """The tables; fifty-two runs of two to twenty minutes where they are not there yet.

    Args:
        model: the network of findings, whose encoder all runs share.
        data: folder that holds the real films.
        work: folder of the runs; ``imax`` in it holds theirs.
        out: folder of the page; its pictures go into ``imax`` there.
    """
    from sagittal.evaluation.imax.page import comparison_lines
    from sagittal.evaluation.imax.pools import real_pool, simulated_pool

    runs = work / "imax"
    pools = [simulated_pool(model, runs, _say), real_pool(model, data, runs, _say)]
    return comparison_lines(pools, out / "imax", _say)


def imax_small_page(model: str, data: Path, work: Path) -> list[str]:
    """What the shipped model does on other films than its own; arguments as for :func:`imax_page`."""
    from sagittal.evaluation.imax.shipped import measured, shipped_lines
    from sagittal.files import sha256_file
    from sagittal.models.checkpoint import WEIGHTS
    from sagittal.models.vlm.storage import load_vlm
    from sagittal.weights import find_checkpoint

    folder = find_checkpoint(model)
    loaded, chat, _ = load_vlm(folder, task="imax")
    sha256 = sha256_file(folder / WEIGHTS)
    return [
        f"Weights' SHA-256: {sha256[:16]}…. Recipe: `recipes/imax.py`.",
        "",
        "All answers are the model's own words; asked through `sagittal ask`, ratios are measured on masks "
        "where these can be had. Errors of ratios are in hundredths, all else is a share; 95 % intervals "
        "over resampled patients (500 draws). Ten conditions are asked for, as it learnt to be asked; of the "
        "NIH's films eight are scored. Its words were learnt from simulated films alone; its frozen encoder "
        "met the NIH's training films, their labels and the boxes that `chest-segmenter` drew on them, "
        "which are the silver truth of other patients' films here. Medical research software, not a device.",
        "",
        *shipped_lines(measured(loaded.eval(), chat, data, work / "imax", _say)),
    ]


def _say(line: str) -> None:
    errors().print(line, markup=False)
