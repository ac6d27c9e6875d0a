"""``sagittal converse``: conversations about prepared pictures from a language endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import output, progress


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "converse",
        epilog="Example:  sagittal converse pixels/ --endpoint URL --model gpt-4o-mini --out said.jsonl",
    )(converse)


def converse(
    folder: Annotated[Path, typer.Argument(help="Set made by `sagittal build pixel-qa`.")],
    endpoint: Annotated[str, typer.Option(help="Address of an OpenAI-compatible endpoint (…/v1).")],
    model: Annotated[str, typer.Option(help="Model that describes and converses.")],
    out: Annotated[Path, typer.Option("--out", help="File of conversations to write.")],
) -> None:
    """Have a language model describe the pictures and talk about them, as MedPLIB did. Uses the network.

    It is told what is known of each picture, and does not see it. What breaks a rule is left out and
    counted. Every reply is kept beside the file, so that a run that was stopped asks nothing twice. The key
    is read from the environment variable OPENAI_API_KEY; a local server needs none.
    """
    from sagittal.builders.pixel_qa.conversing import converse as run
    from sagittal.builders.pixel_qa.pixel_set import PixelBuilder
    from sagittal.builders.pixel_qa.preparing import prepared
    from sagittal.language.endpoint import CachedEndpoint, ChatEndpoint

    summaries = [record.summary() for record in prepared(folder)]
    pictures = sum(summary.pictures for summary in summaries)
    situations = PixelBuilder.create(folder, summaries).situations(prepared(folder))
    with ChatEndpoint(endpoint, model) as writer, progress("conversing") as report:
        asked = CachedEndpoint(writer, out.with_suffix(".replies.jsonl"))
        tally = run(asked, situations, out, progress=lambda done, name: report(done, pictures, name))
    kept = tally.pop("kept", 0)
    output().print(f"{kept:,} questions about {pictures:,} pictures in {out}", markup=False)
    for reason, count in sorted(tally.items()):
        output().print(f"left out, {reason}: {count:,}", markup=False)
