"""``sagittal info``: what a file or folder holds, before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagittal.cli.console import output, print_json

if TYPE_CHECKING:
    from sagittal.geometry import Geometry
    from sagittal.study import Image, Mask


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("info", epilog="Example:  sagittal info t1=scan.nii.gz seg=mask.nii.gz")(info)


def info(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Images, DICOM folders or a case's folder; KIND=PATH says what a file shows, seg= a mask."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what is in files: kind, grid, orientation, spacing, values, space."""
    from sagittal.io.opening import open_study

    study = open_study(paths)
    report: dict[str, Any] = {
        "schema": "sagittal.info/1",
        "name": study.name,
        "images": [_image(i) for i in study.images],
        "masks": [_mask(m) for m in study.masks],
    }
    if as_json:
        print_json(report)
        return
    for part in ("images", "masks"):
        for entry in report[part]:
            _print(entry)


def _image(image: Image) -> dict[str, Any]:
    from sagittal.study import KINDS

    return {
        "name": image.name,
        "kind": image.kind,
        "shows": KINDS[image.kind],
        "session": image.session,
        "acquired": image.acquired.isoformat() if image.acquired else None,
        "channels": image.channels,
        "type": str(image.data.dtype),
        "range": [float(image.data.min()), float(image.data.max())],
        **_grid(image.geometry),
    }


def _mask(mask: Mask) -> dict[str, Any]:
    import numpy as np

    known = mask.geometry.spacing_known
    labels = {}
    for value in mask.values():
        voxels = int(np.count_nonzero(mask.data == value))
        volume = voxels * mask.geometry.voxel_volume / 1000 if known else None
        labels[mask.labels.get(value, f"label {value}")] = {
            "value": value, "voxels": voxels, "volume_ml": volume,
        }  # fmt: skip
    return {"name": mask.name, "session": mask.session, "labels": labels, **_grid(mask.geometry)}


def _grid(geometry: Geometry) -> dict[str, Any]:
    from sagittal.io.spaces import recognise_space

    space = recognise_space(geometry)
    return {
        "grid": geometry.describe(),
        "slices": ("sagittal", "coronal", "axial")[_towards(geometry)],
        "space": space.name,
        "space_evidence": space.reason,
        "geometry": geometry.to_json(),
    }


def _towards(geometry: Geometry) -> int:
    return next(w for w in range(3) if geometry.axis_towards(w)[0] == geometry.slice_axis)


def _print(entry: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(entry["name"]), title_justify="left", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    if "kind" in entry:
        low, high = entry["range"]
        table.add_row("kind", f"{entry['kind']}: {entry['shows']}")
        table.add_row("values", f"{low:g} to {high:g} ({entry['type']}, {entry['channels']} channel(s))")
    for key in ("session", "acquired"):
        if entry.get(key):
            table.add_row(key, escape(entry[key]))
    table.add_row("grid", f"{entry['grid']}; {entry['slices']} slices")
    table.add_row("space", f"{entry['space']} ({escape(entry['space_evidence'])})")
    for name, label in entry.get("labels", {}).items():
        volume = "volume unknown" if label["volume_ml"] is None else f"{label['volume_ml']:.2f} mL"
        table.add_row(f"label {label['value']}", f"{escape(name)}: {label['voxels']} voxels, {volume}")
    output().print(table)
    output().print()
