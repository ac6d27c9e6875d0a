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
    met = "met"
    goat = "goat"
    wmh = "wmh"
    lesion = "lesion"
    healthy = "healthy"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate", epilog="Example:  sagittal simulate --out patients -n 10 --preset gli --seed 1")(
        simulate
    )


def simulate(
    out: Annotated[Path, typer.Option("--out", help="Folder to write; a run that was stopped is resumed.")],
    number: Annotated[int, typer.Option("-n", min=1, help="How many patients.")] = 1,
    preset: Annotated[Preset, typer.Option(help="What they have.")] = Preset.gli,
    heads: Annotated[
        Path | None, typer.Option(help="Folder of head label maps; the Desikan–Killiany atlas without.")
    ] = None,
    spacing: Annotated[float, typer.Option(min=0.5, max=8, help="Voxel size in mm.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same patients.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Simulate brain MR patients with tumours or lesions whose truth is known."""
    from sagittal.runtime import runtime
    from sagittal.simulate.folder import preset_config, write_studies
    from sagittal.simulate.heads import default_heads, load_heads

    chosen = runtime(device)
    sources = default_heads() if heads is None else load_heads(heads)
    config = preset_config(preset.value, spacing=spacing)
    with progress("simulating") as report:
        write_studies(config, sources, out, number, seed, device=str(chosen.device), on_progress=report)
    output().print(f"{number} simulated patient(s) in {out}", markup=False)
