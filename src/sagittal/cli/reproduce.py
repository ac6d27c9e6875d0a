"""``sagittal reproduce``: the figures of ``docs/results`` again, from a checkpoint to the table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import output
from sagittal.cli.evaluate import HEADS, Method, On, evaluate_model, evaluate_programs, evaluate_questions
from sagittal.errors import ConfigError


class Report(StrEnum):
    """Which results."""

    voxelprompt_core = "voxelprompt-core"
    voxelprompt_world = "voxelprompt-world"
    voxelprompt = "voxelprompt"
    meshnet = "meshnet"
    mpllm = "mpllm"
    mpllm_small = "mpllm-small"
    medplib = "medplib"
    medplib_small = "medplib-small"
    chest_specialists = "chest-specialists"
    imax = "imax"
    imax_small = "imax-small"
    vila_m3 = "vila-m3"
    vila_m3_training = "vila-m3-training"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "reproduce",
        epilog="Example:  sagittal reproduce voxelprompt-core --model voxelprompt --data ../shared/data",
    )(reproduce)


def reproduce(
    report: Annotated[Report, typer.Argument(help="Which results.")],
    model: Annotated[str, typer.Option(help="A model's name or folder; MeshNet's folder.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the labelled scans and the heads.")],
    out: Annotated[Path, typer.Option("--out", help="Folder that receives the results' page.")] = Path(
        "docs/results"
    ),
    questions: Annotated[Path, typer.Option(help="The independent questions.")] = Path(
        "tests/questions/independent_questions.jsonl"
    ),
    networks: Annotated[
        Path, typer.Option(help="Single-task networks, from recipes/voxelprompt_single.py.")
    ] = Path("runs/single"),
    work: Annotated[Path, typer.Option(help="Folder of the runs; what is there is not drawn again.")] = Path(
        "runs/reproduce"
    ),
    green: Annotated[
        Path | None, typer.Option(help="vila-m3: folder of a GREEN model that judges the reports, too.")
    ] = None,
) -> None:
    """Measure a model on the final real cases and the frozen world, and write the page of results."""
    from sagittal.evaluation.report import provenance
    from sagittal.files import write_text

    if green is not None and report is not Report.vila_m3:
        raise ConfigError(
            "GREEN judges the reports of VILA-M3 alone.",
            expected=f"--green with {Report.vila_m3.value}",
            got=report.value,
            remedy="leave --green out",
        )
    # Paths of one machine are no part of a command that others run.
    command = f"sagittal reproduce {report.value} --model {_shown(model)} --data {_shown(str(data))}"
    if report is Report.meshnet:
        title, lines = "MeshNet as a reference on real scans", _meshnet(model, data, work)
    elif report is Report.voxelprompt_world:
        title, lines = "VoxelPrompt's core on the frozen simulated world", _world(model, data, work)
    elif report is Report.mpllm:
        from sagittal.cli.reproduce_mpllm import mpllm_page

        title, lines = "mpLLM's configurations", mpllm_page(model, data, work, out)
    elif report is Report.mpllm_small:
        from sagittal.cli.reproduce_mpllm import small_page

        title, lines = "The shipped mpLLM", small_page(model, data, work, out)
    elif report is Report.medplib:
        from sagittal.cli.reproduce_medplib import comparison_page

        title, lines = "MedPLIB's configurations", comparison_page(model, data, work)
    elif report is Report.medplib_small:
        from sagittal.cli.reproduce_medplib import small_page as medplib_page

        title, lines = "The shipped MedPLIB", medplib_page(model, data, work, out)
    elif report is Report.chest_specialists:
        from sagittal.cli.reproduce_chest import chest_page

        title, lines = "The networks of chest films", chest_page(model, data, work, out)
    elif report is Report.imax:
        from sagittal.cli.reproduce_imax import imax_page

        title, lines = "IMAX: dense against scattered annotation", imax_page(model, data, work, out)
    elif report is Report.imax_small:
        from sagittal.cli.reproduce_imax import imax_small_page

        title, lines = "The shipped IMAX", imax_small_page(model, data, work)
    elif report is Report.vila_m3:
        from sagittal.cli.reproduce_vila_m3 import vila_m3_page

        title, lines = "VILA-M3", vila_m3_page(model, data, questions.parent, work, green)
    elif report is Report.vila_m3_training:
        from sagittal.cli.reproduce_vila_m3 import training_page

        title, lines = "VILA-M3's trainings", training_page(model, data, work, out)
    elif report is Report.voxelprompt:
        from sagittal.cli.reproduce_tasks import tasks_page

        title, lines = "VoxelPrompt, every task", tasks_page(model, data, networks, work, out)
    else:
        title, lines = "VoxelPrompt's core", _voxelprompt(model, data, questions, work)
    path = out / f"{report.value.replace('-', '_')}.md"
    write_text(path, "\n".join([f"# {title}", "", *provenance(command), *lines, ""]))
    output().print(f"written: {path}", markup=False, highlight=False)


def _meshnet(model: str, data: Path, work: Path) -> list[str]:
    from sagittal.evaluation.report import real_lines, speed_lines

    run = evaluate_model(Method.meshnet, model, On.real, data, work / "meshnet-real", final=True)
    return [
        f"Model `{run.manifest['model']}` of brainchop, SHA-256 {run.manifest['sha256'][:16]}…; T1 alone, "
        "conformed to 256³ voxels of 1 mm; a voxel of the scan's own grid belongs to what fills at least "
        "half of it (chosen on subjects 1 to 3). Labels by an algorithm are silver, and their protocol "
        "(MUSE) is not FreeSurfer's: "
        "`score/tables/muse.yaml` says how the two are brought together.",
        "",
        *real_lines(run),
        *speed_lines(run),
    ]


_ASKED = (
    "Every mask was asked for in words (“Segment the …”), one question a structure, through the whole path "
    "that a user takes; a study's images are encoded once, as its first question modulates them."
)


def _world(model: str, data: Path, work: Path) -> list[str]:
    from sagittal.evaluation.frozen_world import world_table
    from sagittal.evaluation.report import speed_lines, world_lines

    run = evaluate_model(Method.voxelprompt, model, On.world, data, work / "voxelprompt-world")
    frozen = world_table()["frozen"]
    found = frozen["found"]
    return [
        f"Model `{run.manifest['model']}`, weights' SHA-256 {run.manifest['sha256'][:16]}…. {_ASKED}",
        "",
        f"{found['studies']} simulated studies of heads that no training saw, "
        f"{found['studies_without_lesion']} of them without a lesion; {found['lesions']} lesions of "
        f"{found['lesion_ml']['smallest']} to {found['lesion_ml']['largest']} mL, "
        f"{found['isointense_on_some_image']:.0%} of them isointense on some image. "
        f"SHA-256 {frozen['sha256']}.",
        "",
        *world_lines(run),
        *speed_lines(run),
    ]


def _voxelprompt(model: str, data: Path, questions: Path, work: Path) -> list[str]:
    from sagittal.evaluation.report import real_lines, speed_lines

    real = evaluate_model(Method.voxelprompt, model, On.real, data, work / "voxelprompt-real", final=True)
    programs = evaluate_programs(Method.voxelprompt, model, data / HEADS, work / "voxelprompt-programs")
    stored = _stored_otherwise(model, data)
    independent = evaluate_questions(Method.voxelprompt, model, questions, work / "voxelprompt-questions")
    return [
        f"Model `{real.manifest['model']}`, weights' SHA-256 {real.manifest['sha256'][:16]}…. {_ASKED}",
        "",
        "## On real scans",
        "",
        "Final cases, which steered nothing. Labels by an algorithm are silver.",
        "",
        *real_lines(real),
        *speed_lines(real),
        "",
        "## However a scan is stored",
        "",
        f"Whole tumour and left cerebral white matter of {stored[0]}, asked for again with the array's axes "
        "flipped and swapped, and with the images in another order; compared with the masks of the scan as "
        "it came.",
        "",
        *stored[1:],
        "",
        "## Programs",
        "",
        "Programs that the model writes about the frozen simulated world, without voxels, hearing the true "
        "feedback, against the true ones, letter by letter. Wordings that training never saw: clean; "
        "withheld, with phrases that the grammar keeps for tests; spoken, whole sentences as people "
        "would put them.",
        "",
        *programs,
        "",
        "## Independent questions",
        "",
        "Written before training by one who did not know the grammar. Judged by what the programs compute: "
        "right where that is what was asked for, or where an unanswerable question is declined; wrong where "
        "another thing is computed, or anything at all for an unanswerable question; partly where a "
        "question has several parts and not all are served.",
        "",
        *independent,
    ]


def _stored_otherwise(model: str, data: Path) -> list[str]:
    """The name of the first final case, and a table."""
    from sagittal.asking.models import offers
    from sagittal.evaluation.equivariance import agreement_lines, agreements
    from sagittal.score.reals import real_cases

    [offer] = offers(model)
    case = next(real_cases(data, final=True))
    structures = ("whole tumour", "left cerebral white matter")
    return [case.name, *agreement_lines(list(agreements(offer, case.images, structures)))]


def _shown(path: str) -> str:
    parts = Path(path).parts
    return path if not Path(path).is_absolute() else str(Path("…", *parts[-2:]))
