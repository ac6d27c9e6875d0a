"""``sagittal check``: is a built data set whole and true?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import errors, output, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", epilog="Example:  sagittal check vqa/ --images patients/")(check)


def check(
    folder: Annotated[Path, typer.Argument(help="What `sagittal build` wrote.")],
    images: Annotated[
        Path | None, typer.Option(help="Root of the images, to check their hashes as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every example: form, hashes, splits, counts, and that words state their classes."""
    from sagittal.builders.check import check_folder

    report = check_folder(folder, images)
    if as_json:
        print_json(report.to_json())
    else:
        output().print(report.summary(), markup=False)
        for problem in report.problems[:20]:
            errors().print(problem, markup=False)
        if len(report.problems) > 20:
            errors().print(f"… and {len(report.problems) - 20} more")
    if report.problems:
        raise typer.Exit(2)
