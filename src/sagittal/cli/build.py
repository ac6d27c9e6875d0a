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


class PictureLayout(StrEnum):
    """How a folder of pictures or volumes is laid out."""

    sammed2d = "sammed2d"
    pairs = "pairs"
    volumes = "volumes"


class Plane(StrEnum):
    """Anatomical planes."""

    axial = "axial"
    coronal = "coronal"
    sagittal = "sagittal"


# Options that every builder has.
Out = Annotated[Path, typer.Option("--out", help="New folder; a run that was stopped is resumed.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes; the result is the same bytes.")]
EngineOption = Annotated[Engine, typer.Option(help="This machine, or a Ray cluster.")]
Seed = Annotated[int, typer.Option(min=0, help="Decides every draw.")]
Source = Annotated[str, typer.Option(help="Where the images came from, for the record.")]
Licence = Annotated[str, typer.Option(help="On which terms, for the record.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the statistics as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="build")


@group.command(
    "tumour-vqa",
    epilog="Example:  sagittal build tumour-vqa BraTS-GLI/ --preset gli --out vqa/ --workers 8",
)
def tumour_vqa(
    root: Annotated[Path, typer.Argument(help="Folder of segmented studies.")],
    out: Out,
    layout: Annotated[Layout, typer.Option(help="How the folder is laid out.")] = Layout.brats,
    preset: Annotated[Preset, typer.Option(help="Labels, regions and words.")] = Preset.gli,
    atlas: Annotated[
        str | None, typer.Option(help="Atlas for regions, as added; the preset's own without.")
    ] = None,
    workers: Workers = 1,
    engine: EngineOption = Engine.local,
    seed: Seed = 0,
    wordings: Annotated[
        Path | None, typer.Option(help="Bank made by `sagittal paraphrase`; the grammar without.")
    ] = None,
    source: Source = "unstated",
    licence: Licence = "unstated",
    as_json: AsJson = False,
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


@group.command(
    "specialist-qa",
    epilog="Example:  sagittal build specialist-qa runs/vila_m3/bank/train --out qa/ --frequency none=2",
)
def specialist_qa(
    bank: Annotated[Path, typer.Argument(help="Folder of consultations: specialists that were really run.")],
    out: Out,
    talks: Annotated[int, typer.Option(min=1, help="Conversations of each study.")] = 8,
    frequency: Annotated[
        list[str] | None,
        typer.Option(help="CATEGORY=N: how often a mixture repeats it, for the report; may be repeated."),
    ] = None,
    workers: Workers = 1,
    engine: EngineOption = Engine.local,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Conversations that call specialists, or rightly do not, out of what they found (VILA-M3 §3.3)."""
    from sagittal.builders.specialist_qa.qa_set import balance_lines, build_specialist_qa
    from sagittal.errors import ConfigError
    from sagittal.specialists.registry import specialists

    often = {}
    for one in frequency or []:
        name, _, times = one.partition("=")
        if not times.isdigit() or not int(times):
            raise ConfigError("A frequency is CATEGORY=N.", expected="such as none=2", got=one)
        often[name] = int(times)
    cards = {name: entry.card for name, entry in specialists().entries.items()}
    with progress("building") as report:
        rows = build_specialist_qa(
            bank, out, cards, talks=talks, frequency=often, seed=seed, workers=workers,
            engine=engine.value, progress=report,
        )  # fmt: skip
    if as_json:
        print_json(rows)
    else:
        output().print("\n".join(balance_lines(rows)), markup=False, highlight=False)


@group.command(
    "pixel-qa",
    epilog="Example:  sagittal build pixel-qa scans/ --layout volumes --out pixels/ --plane axial",
)
def pixel_qa(
    root: Annotated[Path, typer.Argument(help="Folder of pictures or volumes with masks.")],
    layout: Annotated[PictureLayout, typer.Option(help="How the folder is laid out.")],
    out: Out,
    modality: Annotated[
        str | None, typer.Option(help="Of pictures that state none: CT, MRI, X-Ray, Fundus, …")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Scanned region of pictures that state none.")] = None,
    plane: Annotated[
        list[Plane] | None, typer.Option(help="Volumes: planes to cut; may be repeated. Axial without.")
    ] = None,
    every: Annotated[int | None, typer.Option(min=1, help="Volumes: cut each n-th slice.")] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Volumes: cut the N slices with most labels; 8 without.")
    ] = None,
    conversations: Annotated[
        Path | None, typer.Option(help="File made by `sagittal converse`; the grammar without.")
    ] = None,
    workers: Workers = 1,
    engine: EngineOption = Engine.local,
    seed: Seed = 0,
    source: Source = "unstated",
    licence: Licence = "unstated",
    as_json: AsJson = False,
) -> None:
    """Questions about regions and whole pictures, and requests for masks (MedPLIB's MeCoVQA).

    A table pictures.csv in the folder (image, patient, dataset, modality, region, orientation) states what
    files do not.
    """
    from sagittal.builders.pixel_qa.pixel_set import build_pixel_set
    from sagittal.builders.pixel_qa.statistics import write_statistics
    from sagittal.builders.pixel_qa.volumes import Cut
    from sagittal.builders.tumour_vqa import Origin
    from sagittal.errors import ConfigError

    if every is not None and most is not None:
        raise ConfigError("Slices are chosen in one way.", expected="--every or --most", got="both")
    cut = None
    if plane or every is not None or most is not None:
        planes = tuple(one.value for one in plane or [Plane.axial])
        cut = Cut(planes, every, most or 8)
    with progress("building") as report:
        manifest = build_pixel_set(
            root,
            out,
            layout=layout.value,
            modality=modality,
            region=region,
            cut=cut,
            conversations=conversations,
            seed=seed,
            workers=workers,
            engine=engine.value,
            origin=Origin(source, licence),
            progress=report,
        )
    statistics = write_statistics(out)
    if as_json:
        print_json(statistics)
        return
    output().print(
        f"{manifest['counts']['examples']:,} questions of {statistics['sizes']['images']:,} pictures "
        f"in {out}; "
        f"statistics in {out / 'stats.md'}",
        markup=False,
    )


@group.command(
    "chest-tasks",
    epilog="Example:  sagittal build chest-tasks --source nih=tables/ --source chexmask=masks/ "
    "--pictures nih=images/ --out chest/ --workers 8",
)
def chest_tasks(
    source: Annotated[
        list[str], typer.Option(help="LAYOUT=FOLDER of tables; may be repeated. See docs/chest-films.md.")
    ],
    pictures: Annotated[
        list[str], typer.Option(help="COLLECTION=FOLDER of films, such as nih=images/; may be repeated.")
    ],
    out: Out,
    imax_films: Annotated[
        int | None, typer.Option(min=1, help="Films of IMAX; as many as DMAX can match without.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also a set of all training films with all their entries.")
    ] = False,
    rec: Annotated[int, typer.Option(min=0, max=8, help="Boxes asked for, a film.")] = 1,
    reg: Annotated[int, typer.Option(min=0, max=8, help="Names of boxes asked for, a film.")] = 1,
    questions: Annotated[int, typer.Option(min=0, max=48, help="Questions in words, a film.")] = 3,
    workers: Workers = 1,
    engine: EngineOption = Engine.local,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Seven tasks about chest films, many a film and scattered: IMAX and DMAX of equal size.

    Sources are joined by film, cleaned and measured. The collections are named in docs/chest-films.md.
    """
    from sagittal.builders.chest.entries import EntryConfig
    from sagittal.builders.chest_tasks import build_chest_tasks
    from sagittal.io.films.sources import open_source

    with progress("building") as report:
        found = build_chest_tasks(
            [open_source(name, folder) for name, folder in _pairs(source, "source")],
            out,
            pictures=dict(_pairs(pictures, "pictures")),
            imax_films=imax_films,
            everything=everything,
            entries=EntryConfig(rec=rec, reg=reg, questions=questions),
            seed=seed,
            workers=workers,
            engine=engine.value,
            progress=report,
        )
    if as_json:
        print_json(found)
        return
    sets = found["sets"]
    output().print(
        f"IMAX: {sets['imax']['films']:,} films, DMAX: {sets['dmax']['films']:,}, "
        f"{sets['imax']['entries']:,} entries each; test: {sets['test']['films']:,} films, "
        f"{sets['test']['entries']:,} entries. Statistics in {out / 'stats.md'}",
        markup=False,
    )


def _pairs(given: list[str], option: str) -> list[tuple[str, Path]]:
    """``NAME=FOLDER`` …"""
    from sagittal.errors import ConfigError

    found = []
    for one in given:
        name, mark, folder = one.partition("=")
        if not (name and mark and folder):
            raise ConfigError(
                f"--{option} names what lies in a folder.", expected=f"--{option} NAME=FOLDER", got=one
            )
        found.append((name, Path(folder)))
    return found
