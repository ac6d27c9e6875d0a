"""``sagittal reproduce voxelprompt``: every task of §4.1, and the comparisons of Figures 4 and 5."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sagittal.cli.evaluate import HEADS, Method, On, evaluate_model, evaluate_programs, evaluate_tasks
from sagittal.cli.reproduce_single import target_section, word_section

if TYPE_CHECKING:
    from sagittal.asking.models import Offer
    from sagittal.evaluation.runs import Run

#: Where MeshNet's model of anatomy lies among the labelled data.
MESHNET = Path("brainchop_models/meshnet/subcortical")


def tasks_page(model: str, data: Path, networks: Path, work: Path, out: Path) -> list[str]:
    """Programs of all tasks, what comes of them with the model's own masks, and other models beside it."""
    from sagittal.asking.models import offers
    from sagittal.evaluation.frozen_world import TASKS, world_table

    frozen = world_table(TASKS)["frozen"]
    [offer] = offers(model)
    real = evaluate_model(Method.voxelprompt, model, On.real, data, work / "voxelprompt-real", final=True)
    programs = evaluate_programs(
        Method.voxelprompt, model, data / HEADS, work / "voxelprompt-programs-all", "all"
    )
    answered = evaluate_tasks(model, data / HEADS, work / "voxelprompt-tasks")
    return [
        f"Model `{real.manifest['model']}`, weights' SHA-256 {real.manifest['sha256'][:16]}….",
        "",
        "## Programs",
        "",
        "Programs about the frozen simulated world, every task, without voxels, hearing the true feedback, "
        "against the true ones, letter by letter. Wordings that training never saw: clean; withheld, with "
        "phrases that the grammar keeps for tests; spoken, whole sentences as people would put them.",
        "",
        *programs,
        "",
        "Below, the model answers with masks of its own: questions in clean wordings that training never "
        f"saw, about {frozen['found']['studies']} simulated studies of heads that no training saw (a second "
        f"frozen world, SHA-256 {frozen['sha256'][:16]}…). Numbers and words are compared with those of the "
        "true programs over the true masks; a number that was not measured counts as wrong by 100 %.",
        "",
        *answered,
        "## Masks, against networks of one target (the paper's Figure 4)",
        "",
        *target_section(offer, real.manifest["sha256"], networks, data, work),
        "",
        "## Words, against classifiers of one task (the paper's Figure 5)",
        "",
        *word_section(offer, real.manifest["sha256"], networks, data, work),
        "",
        "## Against MeshNet",
        "",
        *_against_meshnet(real, data, work),
        "## Answers as they come",
        "",
        "Simulated studies of the second frozen world.",
        "",
        *_panels(offer, data, out),
    ]


def _panels(offer: Offer, data: Path, out: Path) -> list[str]:
    from sagittal.evaluation.frozen_world import TASKS, frozen_world, places, world_heads, world_table
    from sagittal.evaluation.panels import PANELS, panel_lines

    table = world_table(TASKS)
    shown = [place for place in places(table) if place.name in PANELS]
    studies = frozen_world(world_heads(data / HEADS, table), shown, table)
    return panel_lines(offer, studies, out / "voxelprompt")


def _against_meshnet(ours: Run, data: Path, work: Path) -> list[str]:
    from sagittal.evaluation.single_task_tables import dice_lines
    from sagittal.score.reals import ANATOMY

    theirs = evaluate_model(
        Method.meshnet, str(data / MESHNET), On.real, data, work / "meshnet-real", final=True
    )
    return [
        "The three final T1s; labels by an algorithm are silver, and MeshNet learnt from such labels.",
        "",
        *dice_lines(ours.records, theirs.records, ANATOMY, other="MeshNet"),
    ]
