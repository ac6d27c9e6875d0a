"""``sagittal simulate``: patients of known truth, as BraTS-like folders."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import output, progress


class Preset(StrEnum):
    """What the simulated patients have."""

    gli = "gli"
    pre = "pre"
    met = "met"
    goat = "goat"
    wmh = "wmh"
    lesion = "lesion"
    healthy = "healthy"
    growth = "growth"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate", epilog="Example:  sagittal simulate --out patients -n 10 --preset gli --seed 1")(
        simulate
    )


def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a run that was stopped is resumed.")],
    number: Annotated[int, typer.Option("-n", min=1, help="How many patients.")] = 1,
    preset: Annotated[
        Preset, typer.Option(help="What they have: gli after treatment, pre before it, growth two sessions.")
    ] = Preset.gli,
    heads: Annotated[
        Path | None, typer.Option(help="Folder of head label maps; the atlas dk without.")
    ] = None,
    spacing: Annotated[float, typer.Option(min=0.5, max=8, help="Voxel size in mm.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same patients.")] = 0,
) -> None:
    """Simulate brain MR patients with tumours or lesions whose truth is known."""
    from sagittal.runtime import runtime
    from sagittal.simulate.config import preset as world
    from sagittal.simulate.folder import with_spacing, write_studies
    from sagittal.simulate.heads import HeadSet

    runtime("cpu")
    sources = HeadSet.default() if heads is None else HeadSet.from_folder(heads)
    config = with_spacing(world(preset.value), spacing)
    with progress("simulating") as report:
        folders = write_studies(config, sources, out, number, seed, report)
    output().print(f"{len(folders)} simulated session(s) of {number} patient(s) in {out}", markup=False)
