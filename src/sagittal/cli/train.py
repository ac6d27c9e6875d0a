"""``sagittal train``: go on training a model with one's own labelled scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.build import Layout
from sagittal.cli.console import errors, output

group = typer.Typer(help="Train models further on labelled scans.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="train")


@group.command(
    "voxelprompt",
    epilog="Example:  sagittal train voxelprompt --init small --data BraTS/ --labels brats2023 --out mine/",
)
def voxelprompt(
    data: Annotated[Path, typer.Option("--data", help="Folder of labelled studies.")],
    out: Annotated[Path, typer.Option("--out", help="New folder; a run that was stopped is resumed.")],
    init: Annotated[str, typer.Option(help="Model to begin with: a name, or its folder.")] = "small",
    layout: Annotated[Layout, typer.Option(help="How the folder is laid out.")] = Layout.brats,
    labels: Annotated[
        str | None, typer.Option(help="What the masks' values mean: a preset or a file.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = 300,
    rate: Annotated[float, typer.Option(min=1e-7, max=1.0, help="Largest learning rate.")] = 2e-4,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long; run again to go on.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides every draw.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Fine-tune VoxelPrompt: scans with masks in, a model of your own out.

    Questions about the scans are made on the way. Patients are split by their identifiers: those held out
    choose the best weights, those of the test part are left alone. `sagittal ask --model OUT/model` uses it.
    """
    import dataclasses
    import math

    from sagittal.errors import StorageError
    from sagittal.io.labels import load_labels
    from sagittal.models.voxelprompt import load_voxelprompt, save_voxelprompt
    from sagittal.runtime import runtime
    from sagittal.train.voxelprompt import FINE_TUNING, fine_tune, tuned_card
    from sagittal.weights import find_checkpoint

    folder = out / "model"
    if folder.exists():
        raise StorageError(
            "The run has ended: its model is there.", got=folder, remedy="name a new folder with --out"
        )
    chosen = runtime(device)
    model, tokenizer, card = load_voxelprompt(find_checkpoint(init))
    tuned = fine_tune(
        model.to(chosen.device),
        tokenizer,
        data,
        out,
        layout=layout.value,
        labels=load_labels(labels) if labels else None,
        config=dataclasses.replace(FINE_TUNING, steps=steps, rate=rate),
        runtime=chosen,
        seed=seed,
        minutes=math.inf if minutes is None else minutes,
        say=lambda line: errors().print(line, markup=False, soft_wrap=True),
    )
    if tuned is None:
        output().print("Stopped before the last step; the same command goes on.", markup=False)
        return
    save_voxelprompt(folder, tuned, tokenizer, tuned_card(card, data, steps, seed))
    output().print(f"The model is in {folder}; ask it with --model {folder}", markup=False)
