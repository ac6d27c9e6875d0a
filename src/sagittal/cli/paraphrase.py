"""``sagittal paraphrase``: a bank of wordings from a language endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sagittal.cli.console import output


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "paraphrase",
        epilog="Example:  sagittal paraphrase --endpoint URL --model gpt-4o-mini --out bank.jsonl",
    )(paraphrase)


def paraphrase(
    endpoint: Annotated[str, typer.Option(help="Address of an OpenAI-compatible endpoint (…/v1).")],
    model: Annotated[str, typer.Option(help="Model that rewords.")],
    out: Annotated[Path, typer.Option("--out", help="File of wordings to write.")],
    cleaner: Annotated[
        str | None, typer.Option(help="Model that judges VALID or INVALID; the same without.")
    ] = None,
) -> None:
    """Reword the questions with a language model, as the paper did. Uses the network.

    Every reply is kept beside the bank, so that a run that was stopped asks nothing twice. The key is
    read from the environment variable OPENAI_API_KEY; a local server needs none.
    """
    from sagittal.language.endpoint import CachedEndpoint, ChatEndpoint
    from sagittal.language.paraphrase import paraphrase as run

    replies = out.with_suffix(".replies.jsonl")
    with ChatEndpoint(endpoint, model) as writer, ChatEndpoint(endpoint, cleaner or model) as judge:
        asked = CachedEndpoint(writer, replies)
        judged = CachedEndpoint(judge, out.with_suffix(".verdicts.jsonl"))
        bank, tally = run(asked, judged)
    bank.save(out)
    output().print(f"{tally.kept:,} wordings in {out} (replies in {replies})", markup=False)
