"""``sagittal build``: training and evaluation data out of segmentations."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import output, print_json, progress

group = typer.Typer(no_args_is_help=True, help="Make question–answer data out of segmentations.")


class Layout(StrEnum):
    """How the input folder is laid out."""

    brats = "brats"
    nnunet = "nnunet"


class Preset(StrEnum):
    """The paper's three data sets."""

    gli = "gli"
    met = "met"
    goat = "goat"


class Engine(StrEnum):
    """What runs the work."""

    local = "local"
    ray = "ray"


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="build")


@group.command(
    "tumour-vqa",
    epilog="Example:  sagittal build tumour-vqa BraTS-GLI/ --preset gli --out vqa/ --workers 8",
)
def tumour_vqa(
    root: Annotated[Path, typer.Argument(help="Folder of segmented studies.")],
    out: Annotated[Path, typer.Option("--out", help="New folder; a run that was stopped is resumed.")],
    layout: Annotated[Layout, typer.Option(help="How the folder is laid out.")] = Layout.brats,
    preset: Annotated[Preset, typer.Option(help="Labels, regions and words.")] = Preset.gli,
    atlas: Annotated[
        str | None, typer.Option(help="Atlas for regions, as added; the preset's own without.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the result is the same bytes.")] = 1,
    engine: Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")] = Engine.local,
    seed: Annotated[int, typer.Option(min=0, help="Decides every draw.")] = 0,
    wordings: Annotated[
        Path | None, typer.Option(help="Bank made by `sagittal paraphrase`; the grammar without.")
    ] = None,
    source: Annotated[str, typer.Option(help="Where the images came from, for the record.")] = "unstated",
    licence: Annotated[str, typer.Option(help="On which terms, for the record.")] = "unstated",
    as_json: Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")] = False,
) -> None:
    """Questions and answers on volume, region, shape and spread of every label (mpLLM)."""
    from sagittal.builders.statistics import write_statistics
    from sagittal.builders.tumour_set import build_tumour_set
    from sagittal.builders.tumour_vqa import Origin

    with progress("building") as report:
        manifest = build_tumour_set(
            root,
            out,
            layout=layout.value,
            preset=preset.value,
            atlas=atlas,
            seed=seed,
            workers=workers,
            engine=engine.value,
            bank=wordings,
            origin=Origin(source, licence),
            progress=report,
        )
    statistics = write_statistics(out)
    if as_json:
        print_json(statistics)
        return
    counts = manifest["counts"]
    output().print(
        f"{counts['examples']:,} questions of {counts['studies']:,} studies in {out}; "
        f"statistics in {out / 'stats.md'}",
        markup=False,
    )
