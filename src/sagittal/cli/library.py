"""``sagittal library``: the functions that a model's programs may call."""

from __future__ import annotations

from typing import Annotated

import typer

from sagittal.cli.console import output, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("library", epilog="Example:  sagittal library --json")(library)


def library(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the functions that answers are computed with: signature, unit, what they do."""
    from sagittal.agent.standard import STANDARD

    if as_json:
        print_json({"schema": "sagittal.library/1", "functions": STANDARD.describe()})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for signature, words in STANDARD.rows():
        table.add_row(Text(signature, style="bold"), Text(words))
    output().print(table)
