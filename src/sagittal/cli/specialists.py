"""``sagittal specialists``: models that are called on demand: list, check, enable and run them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sagittal.cli.console import errors, output, print_json

if TYPE_CHECKING:
    from sagittal.specialists.registry import Entry, Listing

group = typer.Typer(no_args_is_help=True, help="List, check, enable and run specialist models.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="Name of a specialist; see: sagittal specialists list.")]


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="specialists")


@group.command("list", epilog="Example:  sagittal specialists list")
def show_all(as_json: AsJson = False) -> None:
    """List the specialists that are known. No code of theirs is run."""
    from sagittal.specialists.registry import specialists

    known = specialists()
    if as_json:
        rows = [_row(name, entry) for name, entry in known.entries.items()]
        print_json({"schema": "sagittal.specialists/1", "specialists": rows, "problems": known.problems})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("name", "what it does", "takes", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for name, entry in known.entries.items():
        row = _row(name, entry)
        # What it lacks may be long: check tells.
        state = "not whole" if row["enabled"] and row["lacks"] else row["state"]
        table.add_row(*(Text(text) for text in (name, entry.card.summary, row["takes"], state)))
    output().print(table)
    if any(entry.enabled and entry.lacks() for entry in known.entries.values()):
        output().print("What is not whole, and how to make it so: sagittal specialists check", style="dim")
    _tell(known)


@group.command("show", epilog="Example:  sagittal specialists show DeepBET")
def show(name: Name, as_json: AsJson = False) -> None:
    """Show a specialist's card."""
    from sagittal.specialists.registry import specialists

    entry = specialists().find(name)
    if as_json:
        print_json({**_row(name, entry), "card": entry.card.model_dump(mode="json", by_alias=True)})
        return
    from rich.table import Table
    from rich.text import Text

    card = entry.card
    gives = "masks" if card.masks else f"yes or no of {', '.join(card.classes)}"
    cost = f"{card.cost.seconds:g} s, {card.cost.memory_mb} MB"
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for word, text in (
        (card.name, card.summary),
        ("takes", _row(name, entry)["takes"]),
        ("gives", gives),
        ("arguments", "\n".join(f"{a}: {what}" if a != what else a for a, what in card.arguments.items())),
        ("licence", card.licence),
        ("source", card.source),
        ("cost of a call", cost),
        ("limits", "\n".join(card.limits) or "none are stated"),
        ("brought by", {"ships": "Sagittal", "package": entry.version}.get(entry.origin, _home(entry))),
        ("state", _row(name, entry)["state"]),
    ):
        table.add_row(Text(word), Text(text))
    output().print(table)


@group.command("check", epilog="Example:  sagittal specialists check")
def check(
    name: Annotated[str | None, typer.Argument(help="One of them; all without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a specialist lacks and how to get it; exit code 2 where one that is named cannot run."""
    from sagittal.specialists.registry import specialists

    known = specialists()
    chosen = known.entries if name is None else {name: known.find(name)}
    rows = [_row(one, entry) for one, entry in chosen.items()]
    if as_json:
        print_json({"schema": "sagittal.specialists/1", "specialists": rows, "problems": known.problems})
    else:
        for row in rows:
            output().print(f"{row['name']}: {row['state']}", markup=False, soft_wrap=True)
            if row["lacks"] and row["how"]:
                output().print(f"  to do: {row['how']}", markup=False, soft_wrap=True)
        _tell(known)
    if name is not None and rows[0]["state"] != "ready":
        raise typer.Exit(2)


@group.command(
    "enable",
    epilog="Example:  sagittal specialists enable TheirSpecialist\n\n"
    "Weights of your own:  sagittal specialists enable MeshNet --from models/subcortical",
)
def enable(
    what: Annotated[str, typer.Argument(help="A specialist's name, or a folder with specialist.yaml.")],
    weights: Annotated[Path | None, typer.Option("--from", help="Folder with the published weights.")] = None,
) -> None:
    """Let a specialist run from now on: its code is then trusted with your images."""
    from sagittal.specialists.registry import enable_specialist

    entry = enable_specialist(what, weights)
    brought = f" ({entry.version})" if entry.version else ""
    output().print(f"{entry.card.name}{brought} may run now.", markup=False)


@group.command("disable", epilog="Example:  sagittal specialists disable TheirSpecialist")
def disable(name: Name) -> None:
    """Let a specialist that was enabled run no more."""
    from sagittal.specialists.enabling import disable as forget
    from sagittal.specialists.enabling import read_enabled

    was = name in read_enabled()
    forget(name)
    output().print(f"{name} {'may run no more' if was else 'was not enabled'}.", markup=False)


@group.command(
    "run", epilog="Example:  sagittal specialists run DeepBET t1.nii.gz --argument brain --out brain/"
)
def run(
    name: Name,
    study: Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Scans, a folder, or a film.")],
    argument: Annotated[
        str | None, typer.Option(help="What is asked for; needed where there are several.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the mask and overlay.png.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run a specialist on a study, without a language model."""
    from sagittal.answer import RESEARCH_USE_ONLY
    from sagittal.asking.specialist_run import run_specialist

    told = run_specialist(name, [str(path) for path in study], argument, out)
    if as_json:
        print_json(told.to_json())
        return
    output().print(told.text, markup=False, soft_wrap=True)
    errors().print(RESEARCH_USE_ONLY, style="dim", highlight=False)
    loading = ", loading included" if told.call.loaded else ""
    errors().print(
        f"{told.call.seconds:.1f} s{loading}; {told.call.memory_mb} MB at most", style="dim", highlight=False
    )


def _row(name: str, entry: Entry) -> dict[str, Any]:
    lacks = entry.lacks()
    state = "ready"
    if not entry.enabled:
        state = f"not enabled{': ' if entry.why_not else ''}{entry.why_not}"
    elif lacks:
        state = f"lacks {'; '.join(lacks)}"
    takes = " + ".join(("/".join(kinds)) for kinds in entry.card.images)
    return {
        "name": name, "origin": entry.origin, "version": entry.version, "state": state,
        "enabled": entry.enabled, "lacks": lacks, "how": entry.card.needs.how,
        "takes": f"{takes} ({entry.card.looks_at})", "arguments": list(entry.card.arguments),
    }  # fmt: skip


def _home(entry: Entry) -> str:
    return str(entry.program.folder)


def _tell(known: Listing) -> None:
    for problem in known.problems:
        errors().print(f"not listed: {problem}", markup=False, style="yellow", soft_wrap=True)
