"""Scores filled rating sheets: acceptance by model with intervals, paired tests, two readers' agreement.

mpLLM reports a reader's acceptance rate of answers (Table 8: 34.1 % and 50.0 % of 208 answers) and of
questions (95.9 % of 160), without intervals. Questions of one study are alike, so the interval that
counts resamples studies; Wilson's, which takes the questions for independent, stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.builders.rating_sheet import Key, read_key, read_sheet
from sagittal.errors import ConfigError
from sagittal.score.agreement import cohen_kappa, mcnemar_exact
from sagittal.score.intervals import bootstrap_mean, wilson

RATING_SCHEMA = "sagittal.rating/1"


def score_sheets(sheets: Mapping[str, str | Path], key: str | Path) -> dict[str, Any]:
    """Score one or two readers' sheets of one key.

    Args:
        sheets: reader → filled sheet.
        key: the key that was written with them.

    Returns:
        ``{"schema", "purpose", "items", "studies", "readers": {READER: {"models": {MODEL: {"items",
        "accepted", "rate", "wilson", "bootstrap_by_study"}}, "paired": [{"models", "difference",
        "bootstrap_by_study", "only_first", "only_second", "mcnemar_p"}]}}, "agreement"}``; rates are
        shares of one, ``agreement`` is ``None`` with one reader.

    Raises:
        ConfigError: neither one nor two sheets.
        FileFormatError: a sheet is not filled, or not of this key; its rows are named.
    """
    if len(sheets) not in (1, 2):
        raise ConfigError("One or two filled sheets are needed.", got=len(sheets))
    held = read_key(key)
    ratings = {reader: read_sheet(path, held) for reader, path in sheets.items()}
    return {
        "schema": RATING_SCHEMA,
        "purpose": held.purpose,
        "items": len(held.items),
        "studies": len({item.study for item in held.items.values()}),
        "readers": {reader: _of_reader(rated, held) for reader, rated in ratings.items()},
        "agreement": _agreement(*ratings.values()) if len(ratings) == 2 else None,
    }


def _of_reader(rated: Mapping[str, bool], key: Key) -> dict[str, Any]:
    examples = sorted({item.example for item in key.items.values()})
    study_of = {item.example: item.study for item in key.items.values()}
    clusters = [study_of[example] for example in examples]
    by_model: dict[str, dict[str, bool]] = {}
    for code, item in key.items.items():
        by_model.setdefault(item.model, {})[item.example] = rated[code]
    accepted = {
        model: np.array([by_model[model][example] for example in examples], dtype=float)
        for model in sorted(by_model)
    }
    return {
        "models": {model: _rate(values, clusters) for model, values in accepted.items()},
        "paired": [_paired(a, b, accepted, clusters) for a, b in combinations(accepted, 2)],
    }


def _rate(values: NDArray[np.float64], clusters: Sequence[str]) -> dict[str, Any]:
    count = int(values.sum())
    return {
        "items": len(values),
        "accepted": count,
        "rate": count / len(values),
        "wilson": wilson(count, len(values)),
        "bootstrap_by_study": bootstrap_mean(values, clusters),
    }


def _paired(
    a: str, b: str, accepted: Mapping[str, NDArray[np.float64]], clusters: Sequence[str]
) -> dict[str, Any]:
    """The difference of two models' acceptance over the same questions."""
    difference = accepted[b] - accepted[a]
    only_a, only_b = int((difference < 0).sum()), int((difference > 0).sum())
    return {
        "models": [a, b],
        "difference": float(difference.mean()),
        "bootstrap_by_study": bootstrap_mean(difference, clusters),
        "only_first": only_a,
        "only_second": only_b,
        "mcnemar_p": mcnemar_exact(only_a, only_b),
    }


def _agreement(a: Mapping[str, bool], b: Mapping[str, bool]) -> dict[str, Any]:
    items = sorted(a)
    first, second = (np.array([rated[item] for item in items]) for rated in (a, b))
    return {
        "observed": float((first == second).mean()),
        "cohen_kappa": cohen_kappa(first, second),
        "both": int((first & second).sum()),
        "only_first": int((first & ~second).sum()),
        "only_second": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
    }


def to_markdown(scores: Mapping[str, Any]) -> str:
    """The scores as tables."""
    out = [f"# Rating of {scores['purpose']}\n\n{scores['items']} items of {scores['studies']} studies.\n"]
    for reader, held in scores["readers"].items():
        out.append(
            f"\n## {reader}\n\n| model | items | accepted | rate, % | by study, 95 % | Wilson, 95 % |\n"
        )
        out.append("| --- | --- | --- | --- | --- | --- |\n")
        for model, rate in held["models"].items():
            spans = f"{_span(rate['bootstrap_by_study'])} | {_span(rate['wilson'])}"
            out.append(
                f"| {model} | {rate['items']} | {rate['accepted']} | {100 * rate['rate']:.1f} | {spans} |\n"
            )
        for pair in held["paired"]:
            a, b = pair["models"]
            out.append(
                f"\n{b} minus {a}: {100 * pair['difference']:+.1f} points "
                f"({_span(pair['bootstrap_by_study'])} by study); only {a} accepted {pair['only_first']} "
                f"times, only {b} {pair['only_second']} times (exact McNemar: p = {pair['mcnemar_p']:.3g}).\n"
            )
    agreement = scores["agreement"]
    if agreement is not None:
        kappa = agreement["cohen_kappa"]
        said = "not defined: both gave one mark to everything" if kappa is None else f"{kappa:.2f}"
        out.append(
            f"\n## Agreement\n\nThe readers agree on {100 * agreement['observed']:.1f} %; Cohen's κ {said}.\n"
        )
    return "".join(out)


def _span(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
