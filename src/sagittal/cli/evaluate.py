"""``sagittal evaluate``: a model against truth: real scans, the frozen world, programs about it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sagittal.cli.console import errors, output

if TYPE_CHECKING:
    from sagittal.evaluation.runs import Run
    from sagittal.language.tokenizer import Tokenizer
    from sagittal.models.voxelprompt import VoxelPrompt
    from sagittal.score.segmentation import Vision

#: Where the heads lie among the labelled data.
HEADS = Path("synthseg_labelmaps/data/training_label_maps")


class Method(StrEnum):
    """What is measured."""

    voxelprompt = "voxelprompt"
    meshnet = "meshnet"


class On(StrEnum):
    """What it is measured on."""

    real = "real"
    world = "world"
    programs = "programs"
    questions = "questions"
    tasks = "tasks"


class Eyes(StrEnum):
    """How VoxelPrompt is told what to draw."""

    asked = "asked"
    codebook = "codebook"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "evaluate",
        epilog="Example:  sagittal evaluate voxelprompt --model runs/model --on world --data ../shared/data "
        "--out runs/world",
    )(evaluate)


def evaluate(
    method: Annotated[Method, typer.Argument(help="What is measured.")],
    model: Annotated[
        str,
        typer.Option(help="A model's name or folder; the file of codebook eyes; MeshNet's folder."),
    ],
    on: Annotated[
        On,
        typer.Option(
            "--on",
            help="Real scans, the frozen simulated world, programs about it, independent questions, or every "
            "task asked about the second simulated world.",
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Folder of the labelled scans and the heads; the file of the questions.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; one that was stopped is resumed.")],
    heads: Annotated[
        Path | None, typer.Option(help=f"Head label maps of the world; DATA/{HEADS} without.")
    ] = None,
    eyes: Annotated[
        Eyes,
        typer.Option(help="Asked in words, as a user asks; or a vision half with its own table of φ."),
    ] = Eyes.asked,
    final: Annotated[
        bool, typer.Option("--final", help="The real test cases, which must steer nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Compare a model's masks with the truth: Dice, surfaces, volumes, case by case."""
    from sagittal.evaluation.report import real_lines, speed_lines, world_lines
    from sagittal.files import write_text

    if on is On.programs:
        lines = evaluate_programs(method, model, heads or data / HEADS, out)
    elif on is On.questions:
        lines = evaluate_questions(method, model, data, out)
    elif on is On.tasks:
        lines = evaluate_tasks(model, heads or data / HEADS, out)
    else:
        run = evaluate_model(method, model, on, data, out, heads=heads, eyes=eyes, final=final, device=device)
        lines = [*(real_lines(run) if on is On.real else world_lines(run)), *speed_lines(run)]
    text = "\n".join([f"# {method.value} on {on.value}", "", *lines, ""])
    write_text(out / "summary.md", text)
    output().print(text, markup=False, soft_wrap=True)


def evaluate_model(
    method: Method,
    model: str,
    on: On,
    data: Path,
    out: Path,
    *,
    heads: Path | None = None,
    eyes: Eyes = Eyes.asked,
    final: bool = False,
    device: str = "auto",
) -> Run:
    """Draw what is missing in a run's folder, and give the whole run.

    Args:
        on: real scans or the world.
    """
    from sagittal.evaluation.runs import run_cases
    from sagittal.score.reals import real_cases

    vision, what, structures = _vision(method, model, eyes, device)
    what = {**what, "method": method.value, "on": on.value, "cases": "final" if final else "validation"}
    if on is On.world:
        from sagittal.evaluation.frozen_world import world_cases, world_heads, world_table

        what |= {"cases": world_table()["frozen"]["sha256"]}
        cases = world_cases(world_heads(heads or data / HEADS))
    else:
        cases = real_cases(data, final=final)

    def done(case: str, dice: float) -> None:
        errors().print(f"{case}: mean Dice {dice:.3f}", highlight=False, markup=False)

    return run_cases(vision, cases, out, what, structures=structures, progress=done)


def evaluate_tasks(model: str, heads: Path, out: Path) -> list[str]:
    """Ask a model every task about the world of tasks, end to end; tables by task."""
    from sagittal.asking.models import offers
    from sagittal.evaluation.frozen_world import TASKS, frozen_world, places, world_heads, world_table
    from sagittal.evaluation.task_report import growth_lines, target_lines, task_lines
    from sagittal.evaluation.tasks import in_turn, run_tasks
    from sagittal.files import sha256_file
    from sagittal.weights import find_checkpoint

    [offer] = offers(model)
    table = world_table(TASKS)
    what = {
        "model": offer.name,
        "sha256": sha256_file(find_checkpoint(model) / "model.safetensors"),
        "world": table["frozen"]["sha256"],
    }

    def done(study: str, count: int) -> None:
        errors().print(f"{study}: {count} questions", highlight=False, markup=False)

    studies = frozen_world(world_heads(heads, table), in_turn(places(table)), table)
    records = run_tasks(offer, studies, out, what, progress=done)
    return [
        "## By task", "", *task_lines(records), "## Targets", "", *target_lines(records),
        "## Time", "", *growth_lines(records),
    ]  # fmt: skip


def evaluate_programs(
    method: Method, model: str, heads: Path, out: Path, tasks: Literal["core", "all"] = "core"
) -> list[str]:
    """Let a VoxelPrompt write programs about the world; ``OUT/programs.json`` holds them; a table of rates.

    Raises:
        ConfigError: the method writes none.
    """
    from sagittal.evaluation.frozen_world import frozen_world, world_heads
    from sagittal.evaluation.programs import draw_questions, program_lines, write_answers
    from sagittal.files import write_json

    loaded, tokenizer = _writer(method, model)
    questions = list(draw_questions(frozen_world(world_heads(heads)), tasks=tasks))
    found = write_answers(loaded, tokenizer, questions)
    # Both are in the order of the questions, by sort.
    told = {sort: [q.question for q in questions if q.sort == sort] for sort in found}
    entries = [
        {"sort": sort, "study": c.cluster, "kind": c.kind, "question": question,
         "wanted": list(c.wanted), "written": list(c.written), "exact": c.exact}
        for sort, conversations in found.items()
        for question, c in zip(told[sort], conversations, strict=True)
    ]  # fmt: skip
    write_json(out / "programs.json", entries)
    return program_lines(found)


def evaluate_questions(method: Method, model: str, path: Path, out: Path) -> list[str]:
    """Let a VoxelPrompt plan for the independent questions; ``OUT/questions.json`` holds what it wrote.

    Raises:
        ConfigError: the method writes no programs.
        IntegrityError: the file is not the frozen one.
    """
    from sagittal.evaluation.independent import ask_all, question_lines, read_questions
    from sagittal.files import write_json

    loaded, tokenizer = _writer(method, model)
    judged = list(ask_all(loaded, tokenizer, read_questions(path)))
    entries = [{"id": j.question["id"], "verdict": j.verdict, "programs": list(j.programs)} for j in judged]
    write_json(out / "questions.json", entries)
    return question_lines(judged)


def _writer(method: Method, model: str) -> tuple[VoxelPrompt, Tokenizer]:
    """The model that writes programs.

    Raises:
        ConfigError: the method writes none.
    """
    from sagittal.errors import ConfigError
    from sagittal.models.voxelprompt import load_voxelprompt
    from sagittal.weights import find_checkpoint

    if method is not Method.voxelprompt:
        raise ConfigError(
            "Only VoxelPrompt writes programs.", expected=Method.voxelprompt.value, got=method.value
        )
    loaded, tokenizer, _ = load_voxelprompt(find_checkpoint(model))
    return loaded, tokenizer


def _vision(method: Method, model: str, eyes: Eyes, device: str) -> tuple[Vision, dict[str, Any], Any]:
    """The vision function, what identifies it, and the structures that it knows (``None``: any)."""
    from sagittal.files import sha256_file
    from sagittal.runtime import runtime

    if method is Method.meshnet:
        from sagittal.specialists.meshnet import open_meshnet

        net = open_meshnet(model, runtime(device))
        hashed = sha256_file(Path(model) / "model.pth")
        return net, {"model": Path(model).resolve().name, "sha256": hashed}, tuple(net.classes)
    if eyes is Eyes.codebook:
        from sagittal.models.voxelprompt.eyes_storage import open_eyes

        net_alone = open_eyes(model, runtime(device))
        known = None if net_alone.codes is None else tuple(net_alone.codes)
        return net_alone, {"eyes": eyes.value, "sha256": sha256_file(Path(model))}, known
    from sagittal.asking.models import offers
    from sagittal.evaluation.asked import AskedEyes
    from sagittal.weights import find_checkpoint

    runtime(device)
    [offer] = offers(model)
    # Not the card's: the scores that come of this may be written into it.
    hashed = sha256_file(find_checkpoint(model) / "model.safetensors")
    return AskedEyes(offer), {"eyes": eyes.value, "model": offer.name, "sha256": hashed}, None
