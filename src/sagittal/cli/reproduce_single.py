"""Comparisons with networks of one task each, for ``sagittal reproduce voxelprompt`` (Figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.console import errors
from sagittal.cli.evaluate import HEADS

if TYPE_CHECKING:
    from sagittal.asking.models import Offer
    from sagittal.builders.voxel.characterised import Characterisation, Characterised
    from sagittal.score.cases import Case


def target_section(offer: Offer, sha256: str, networks: Path, data: Path, work: Path) -> list[str]:
    """Masks (§5.2): the model, asked for each in words, against a U-Net a target.

    Args:
        offer: the model.
        sha256: of its weights.
        networks: the recipe's folder; targets without a network are named and left out.
        data: holds the labelled scans and the heads.
        work: folder of the runs.
    """
    from sagittal.evaluation.asked import AskedEyes
    from sagittal.evaluation.runs import run_cases
    from sagittal.evaluation.single_task import network_folder, run_targets, target_cases
    from sagittal.evaluation.single_task_tables import dice_lines
    from sagittal.train.single_task import TARGETS

    trained = [name for name in TARGETS if network_folder(networks, name).is_dir()]
    lines = _missing(TARGETS, trained)
    if not trained:
        return lines
    on = "the frozen world, final real cases"
    ours = run_cases(
        AskedEyes(offer), target_cases(_cases(data), trained), work / "targets-voxelprompt",
        {"method": "voxelprompt", "model": offer.name, "sha256": sha256, "on": on, "targets": trained},
        structures=trained, progress=_told_dice,
    )  # fmt: skip
    single = run_targets(
        networks, target_cases(_cases(data), trained), work / "targets-single", on,
        targets=trained, progress=_told_dice,
    )  # fmt: skip
    return [
        *lines,
        "U-Nets of the model's own architecture and width, one a target, learnt from the same simulated "
        "studies (`recipes/voxelprompt_single.py`).",
        "",
        *dice_lines(ours.records, single.records, trained),
    ]


def _cases(data: Path) -> Iterator[Case]:
    """Every case that a target may be in; nothing is made of the world's other anatomy."""
    from sagittal.evaluation.frozen_world import world_cases, world_heads, world_table
    from sagittal.score.reals import real_cases
    from sagittal.train.single_task import TARGETS

    table = {**world_table(), "anatomy": list(TARGETS[:2]), "sides": []}
    yield from world_cases(world_heads(data / HEADS), table=table)
    yield from real_cases(data, final=True)


def word_section(offer: Offer, sha256: str, networks: Path, data: Path, work: Path) -> list[str]:
    """Words (§5.3): what the model answers, against a classifier a task.

    Args:
        offer, sha256, networks, data, work: as for :func:`target_section`.
    """
    from sagittal.builders.voxel.characterised import CHARACTERISATIONS
    from sagittal.evaluation.frozen_world import TASKS, frozen_world, places, world_heads, world_table
    from sagittal.evaluation.single_task import asked, characterisers, network_folder, run_words, word_cases
    from sagittal.evaluation.single_task_tables import word_lines

    trained = [task for task in CHARACTERISATIONS if network_folder(networks, task.name).is_dir()]
    table = world_table(TASKS)
    heads = world_heads(data / HEADS, table)

    def cases(
        tasks: Sequence[Characterisation],
    ) -> Iterator[tuple[Characterisation, Characterised]]:
        # Made again for each method: all images at once would take gigabytes.
        shown = [place for place in places(table) if any(place.world in task.worlds for task in tasks)]
        return word_cases(frozen_world(heads, shown, table), tasks)

    on = {"world": table["frozen"]["sha256"]}
    ours = run_words(
        asked(offer), cases(CHARACTERISATIONS), work / "words-voxelprompt",
        {"model": offer.name, "sha256": sha256, **on},
        progress=lambda one: _told(f"{one.task}, {one.case}: {one.word}"),
    )  # fmt: skip
    named, what = characterisers(networks, trained)
    single = run_words(named, cases(trained), work / "words-single", {**what, **on}) if trained else []
    return [
        "Classifiers of the model's own encoder, one a task (`recipes/voxelprompt_single.py`), learnt from "
        "studies of the same worlds and other heads. An answer that names no class is wrong.",
        "",
        *word_lines(ours, single),
    ]


def _missing(names: Sequence[str], trained: Sequence[str]) -> list[str]:
    left_out = ", ".join(name for name in names if name not in trained)
    return [f"No network was trained for: {left_out}.", ""] if left_out else []


def _told_dice(case: str, dice: float) -> None:
    _told(f"{case}: mean Dice {dice:.3f}")


def _told(line: str) -> None:
    errors().print(line, highlight=False, markup=False)
