"""``sagittal rate``: sheets on which a reader marks answers or questions; two raters compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from sagittal.cli.console import output, print_json

group = typer.Typer(no_args_is_help=True, help="Have a reader mark answers or questions, blinded.")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="rate")


@group.command(
    "export",
    epilog="Example:  sagittal rate export vqa/ --answers mpllm=a.jsonl --answers m3d=b.jsonl "
    "--sheet sheet.csv --key key.json",
)
def export(
    folder: Annotated[Path, typer.Argument(help="What `sagittal build` wrote.")],
    sheet: Annotated[Path, typer.Option(help="CSV file for the reader.")],
    key: Annotated[Path, typer.Option(help="JSON file that the reader must not see.")],
    answers: Annotated[
        list[str] | None, typer.Option(help="MODEL=FILE of answers; without any, the questions are rated.")
    ] = None,
    studies: Annotated[int, typer.Option(min=1, help="Studies to draw when questions are rated.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Decides order and codes.")] = 0,
) -> None:
    """Write a blinded, shuffled sheet: 1 for sufficient (valid), 0 for lacking (invalid)."""
    from sagittal.builders.rating_sheet import export_answers, export_questions

    if answers:
        rows = export_answers(folder, _named(answers, "MODEL"), sheet, key, seed=seed)
    else:
        rows = export_questions(folder, sheet, key, studies=studies, seed=seed)
    output().print(f"{rows} rows to rate in {sheet}; keep {key} from the reader", markup=False)


@group.command(
    "score",
    epilog="Example:  sagittal rate score --key key.json --sheet ann=sheet1.csv --sheet ben=sheet2.csv",
)
def score(
    key: Annotated[Path, typer.Option(help="The key that was written with the sheet.")],
    sheet: Annotated[list[str], typer.Option(help="READER=FILE, filled; one or two.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score filled sheets: rates with intervals, paired tests, agreement of two readers."""
    from sagittal.builders.rating import score_sheets, to_markdown

    scores = score_sheets(_named(sheet, "READER"), key)
    if as_json:
        print_json(scores)
    else:
        output().print(to_markdown(scores), markup=False)


@group.command(
    "agreement",
    epilog="Example:  sagittal rate agreement reader.jsonl model.jsonl (form: docs/vision-language.md)",
)
def agreement(
    first: Annotated[Path, typer.Argument(help="Answers of a rater: a reader, a model, or the truth.")],
    second: Annotated[Path, typer.Argument(help="Those of another, to the same questions.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How often two raters choose the same class, task by task, with intervals (mpLLM, Tables 15 and 16)."""
    from sagittal.score.descriptors import agreement_table, hits, read_answers

    found = agreement_table(hits(read_answers(first), read_answers(second)))
    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table(
        "label", "questions", *found[0]["tasks"], box=None, padding=(0, 2, 0, 0), header_style="dim"
    )
    for row in found:
        cells = map(_interval, row["tasks"].values())
        table.add_row(escape(row["label"]), str(row["questions"]), *cells)
    output().print(table)
    output().print(
        "Per cent; 95 % intervals, studies drawn anew 500 times. Regions one by one.", markup=False
    )


def _interval(found: Mapping[str, float | None]) -> str:
    if found["value"] is None:
        return "–"
    whole = f"{100 * found['value']:.1f}"
    if found["low"] is None or found["high"] is None:
        return whole
    return f"{whole} ({100 * found['low']:.0f}–{100 * found['high']:.0f})"


def _named(pairs: list[str], what: str) -> dict[str, Path]:
    from sagittal.errors import ConfigError

    named: dict[str, Path] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path) or name in named:
            raise ConfigError(
                "A name and a file belong together.", expected=f"{what}=FILE, each once", got=pair
            )
        named[name] = Path(path)
    return named
