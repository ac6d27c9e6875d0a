"""The command line: thin shells around the library, one file a group of commands.

Exit codes: 0 done, 2 bad input, 1 our own fault. Heavy imports stay inside the commands, so that
``sagittal --help`` answers at once.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated, NoReturn

import typer

from sagittal.cli import (
    ask,
    atlas,
    build,
    check,
    converse,
    describe,
    doctor,
    evaluate,
    info,
    library,
    models,
    paraphrase,
    rate,
    reproduce,
    simulate,
    specialists,
    train,
)
from sagittal.cli.console import errors
from sagittal.errors import SagittalError, StorageError

app = typer.Typer(
    name="sagittal",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Answers questions about medical images and shows its work.\n\n"
    "Medical research software, not a medical device.",
    epilog="Example:  sagittal describe BraTS-GLI-00001-000-seg.nii.gz --labels brats2023",
)
for group in (
    ask, info, describe, simulate, build, check, atlas, rate, paraphrase, converse, library,
    specialists, models, train, evaluate, reproduce, doctor,
):  # fmt: skip
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from sagittal import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the trace when Sagittal itself fails.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    sys.excepthook = sys.__excepthook__ if debug else _own_fault


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line with ``arguments`` (those of the process when ``None``), then exit."""
    warnings.showwarning = _show_warning
    # What lives to the end is not searched for cycles once more: that took a second where torch was loaded.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    for name in ("tifffile", "PIL", "pydicom", "nibabel"):
        # What is wrong with a file is said once, in our words.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the locale does not have is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(args=list(arguments) if arguments is not None else None)
    except SagittalError as error:
        _end(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        # Files name themselves in their errors; what is left is where the answer is printed to.
        _end(
            StorageError(
                "Standard output takes no more.",
                got=os.strerror(error.errno),
                remedy="free some space, or send the output elsewhere",
            )
        )


def _end(error: SagittalError) -> NoReturn:
    # Not wrapped: a path that is cut in two cannot be copied.
    errors().print(f"[bold red]Error:[/] {_plain(str(error))}", highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)


def _own_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    errors().print(
        f"[bold red]Sagittal failed; this is not your fault.[/]\n  {kind.__name__}: {_plain(str(error))}\n"
        "  remedy:   run again as `sagittal --debug …` and report the trace",
        highlight=False,
    )


def _show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    # Libraries' own deprecations are for developers; what Sagittal warns of is for the user.
    if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)):
        errors().print(f"[yellow]Warning:[/] {_plain(str(message))}", highlight=False, soft_wrap=True)


def _plain(text: str) -> str:
    """Text from files and names, so that brackets in it are not taken for markup."""
    from rich.markup import escape

    return escape(text)
