"""``sagittal describe``: what a segmentation says, in numbers and classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagittal.cli.console import errors, output, print_json

if TYPE_CHECKING:
    from sagittal.io.labels import LabelTable
    from sagittal.io.layouts import CaseFiles
    from sagittal.measure.description import Description, LabelDescription
    from sagittal.study import Image, Mask

_Scan = Annotated[Path | None, typer.Option(help="Scan on the mask's grid.", show_default=False)]
# What a reader wants under a tumour's outline, best first.
_SHOWN = ("t1c", "flair", "t1", "t2")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "describe",
        epilog="Example:  sagittal describe case-seg.nii.gz --t1 case-t1n.nii.gz --labels gli --atlas aal2",
    )(describe)


def describe(
    target: Annotated[
        Path, typer.Argument(help="A segmentation (volume or picture), or a BraTS-like case's folder.")
    ],
    t1: _Scan = None,
    t1c: _Scan = None,
    t2: _Scan = None,
    flair: _Scan = None,
    image: Annotated[
        Path | None,
        typer.Option(help="Scan or picture of another kind, on the mask's grid.", show_default=False),
    ] = None,
    brain: Annotated[
        Path | None, typer.Option(help="Brain mask; without it a skull-stripped scan's non-zero voxels.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="brats2015, brats2018, brats2023, gli, wmh, … or a table's file.")
    ] = None,
    atlas: Annotated[str | None, typer.Option(help="For regions: an atlas that was added.")] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Millimetres per pixel of a picture.", show_default=False)
    ] = None,
    resample: Annotated[bool, typer.Option("--resample", help="Bring scans onto the mask's grid.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for description.json and pictures.")
    ] = None,
) -> None:
    """Volume, shape, spread, diameters, regions and intensities of every label."""
    from sagittal.errors import LabelError
    from sagittal.io.labels import load_labels
    from sagittal.io.nifti import read_mask
    from sagittal.measure.atlas_store import load
    from sagittal.measure.describe import describe as measure

    table = load_labels(labels) if labels else None
    scans = {"t1": t1, "t1c": t1c, "t2": t2, "flair": flair, "unknown": image}
    mask, images = _read(target, {k: p for k, p in scans.items() if p}, table, spacing, resample=resample)
    if not mask.data.any():
        raise LabelError(
            "The mask is empty: no voxel has a label.",
            got=mask.name,
            remedy="check that it is the right file; there is nothing to describe in this one",
        )
    found = measure(
        mask,
        images=images,
        brain=read_mask(brain) if brain else None,
        atlas=load(atlas) if atlas else None,
    )
    written = _write(out, found, mask, images) if out is not None else None
    if as_json:
        print_json(found.to_json())
        return
    _print(found, written)


def _read(
    target: Path,
    scans: dict[str, Path],
    table: LabelTable | None,
    spacing: float | None,
    *,
    resample: bool,
) -> tuple[Mask, list[Image]]:
    from sagittal.errors import ConfigError, InputError
    from sagittal.io import raster
    from sagittal.io.layouts import case_from_files, find_cases, load_case
    from sagittal.io.nifti import read_mask

    if target.suffix.lower() in raster.SUFFIXES and not target.is_dir():
        mask = raster.read_picture_mask(target, table, spacing=spacing)
        pictures = [raster.read_picture(path, kind=kind, spacing=spacing) for kind, path in scans.items()]
        for picture in pictures:
            mask.geometry.require_same_grid(picture.geometry, f"{picture.name} and its mask")
        return mask, pictures
    if spacing is not None:
        raise ConfigError(
            "A volume states its own spacing.", got=target, remedy="leave --spacing out: it is for pictures"
        )
    if not target.is_dir():
        if not scans:
            return read_mask(target, table), []
        case = case_from_files({**scans, "seg": target})
    else:
        cases = find_cases(target, "brats", kinds=None)
        if scans or len(cases) != 1 or cases[0].mask is None:
            raise InputError(
                "Describe one case: a segmentation's file with its scans, or the folder of one case.",
                expected="one case with a segmentation",
                got=_what_came(cases, target) + (" and scans besides" if scans else ""),
            )
        case = cases[0]
    study = load_case(case, table, resample=resample)
    return study.masks[0], list(study.images)


def _what_came(cases: list[CaseFiles], target: Path) -> str:
    if len(cases) == 1 and cases[0].mask is None:
        return f"{cases[0].name} in {target} without a segmentation"
    return f"{len(cases)} case(s) in {target}"


# -- pictures and files ------------------------------------------------------------------------


def _write(out: Path, found: Description, mask: Mask, images: list[Image]) -> str:
    """Write what was found, with pictures; returns what was written, in words."""
    from sagittal.answer import Line
    from sagittal.draw.montage import draw_diameters, draw_montage
    from sagittal.files import write_json

    write_json(out / "description.json", found.to_json())
    shown = _shown(mask, images)
    draw_montage(shown, mask, out / "overlay.png", title=mask.name)
    parts = [_safe(name) for name in found.labels]
    for label, part in zip(found.labels.values(), parts, strict=True):
        if label.diameters is None:
            continue
        if parts.count(part) > 1:
            part = f"{part}_{label.label}"
        lines = [
            Line("longest", shown[0].name, *label.diameters.longest_ends),
            Line("perpendicular", shown[0].name, *label.diameters.perpendicular_ends),
        ]
        draw_diameters(shown[0], _only(mask, label.label), lines, out / f"diameters_{part}.png")
    return f"{out / 'description.json'} and pictures"


def _shown(mask: Mask, images: list[Image]) -> list[Image]:
    """Up to two scans to draw on, the most telling first; an empty one when none was given."""
    import numpy as np

    from sagittal.study import Image

    ranked = sorted(images, key=lambda i: _SHOWN.index(i.kind) if i.kind in _SHOWN else len(_SHOWN))
    return ranked[:2] or [Image(np.zeros(mask.shape, np.uint8), mask.geometry, name="no scan was given")]


def _only(mask: Mask, value: int) -> Mask:
    """The mask with one of its labels, which keeps its value and so its colour."""
    return replace(mask, data=mask.data * (mask.data == value))


def _safe(name: str) -> str:
    """A label's name as part of a file's name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)


# -- words ---------------------------------------------------------------------------------------


def _print(found: Description, written: str | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    from sagittal.answer import RESEARCH_USE_ONLY

    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label in found.labels.values():
        table.add_row(escape(label.name), escape("\n".join(_lines(label))))
    output().print(table)
    if found.brain_ml is not None:
        output().print(f"brain {found.brain_ml:.0f} mL ({found.brain_source})", markup=False)
    else:
        output().print(f"brain volume unknown: {found.brain_undefined}", markup=False)
    for warning in found.warnings:
        errors().print(f"Warning: {warning}", markup=False, soft_wrap=True)
    if written is not None:
        output().print(f"written: {written}", markup=False, soft_wrap=True)
    output().print(RESEARCH_USE_ONLY, style="dim")


def _lines(label: LabelDescription) -> list[str]:
    """What a reader wants to know of a label, a line each; what is undefined says why in the JSON."""
    if label.voxels == 0:
        return ["not present"]
    size = f"{label.voxels} voxels" if label.volume_ml is None else f"{label.volume_ml:.2f} mL"
    if label.brain_percent is not None:
        size += f", {label.brain_percent:.2f} % of the brain ({label.volume_class})"
    pieces = f"{label.components} piece" + ("s" if label.components != 1 else "")
    lines = [size, f"{label.shape_class or 'shape undefined'}, {label.spread_class} ({pieces})"]
    if label.diameters is not None:
        d = label.diameters
        lines.append(f"{d.longest_mm:.1f} × {d.perpendicular_mm:.1f} mm ({d.plane}, slice {d.slice})")
    if label.regions is not None:
        lines.append(_regions(label.regions))
    return lines


def _regions(shares: dict[str, float]) -> str:
    if not shares:
        return "outside every region of the atlas"
    ranked = sorted(shares.items(), key=lambda share: -share[1])
    return ", ".join(f"{name} {share:.0%}" if share >= 0.01 else f"{name} <1%" for name, share in ranked)
