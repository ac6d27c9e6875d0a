"""What every command prints with: answers on standard output, everything else on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console


@cache
def output() -> Console:
    """Standard output: tables and answers."""
    from rich.console import Console

    return Console(highlight=False)


@cache
def errors() -> Console:
    """Standard error: progress, warnings and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    from sagittal.files import to_json_text

    # Bytes, because JSON is UTF-8 whatever the locale's characters are.
    typer.echo(to_json_text(value).encode("utf-8"), nl=False)


@contextmanager
def progress(what: str) -> Iterator[Callable[..., None]]:
    """A progress bar on a terminal, silence in a pipe. Yields ``report(done, total, what)``."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors(), disable=not errors().is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int, name: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {name}")

        yield report
