"""BLEU and ROUGE of reports: sacrebleu's own corpus figure, literal counting, resamples."""

from __future__ import annotations

import math
import sys
from collections import Counter

import numpy as np
import pytest

from sagittal.errors import InputError, MissingExtraError
from sagittal.score.bleu import ORDERS, bleu_counts
from sagittal.score.meteor import _stem, _stemmer, meteor
from sagittal.score.reports import report_scores

GIVEN = [
    "The lungs are clear . No pleural effusion is seen.",
    "The heart is enlarged.",
    "",
    "no acute cardiopulmonary process",
]
DUE = [
    "The lungs are clear without any focal consolidation. No pleural effusion or pneumothorax is seen.",
    "Heart size is normal.",
    "Small left effusion.",
    "No acute cardiopulmonary process.",
]


@pytest.fixture(scope="module", autouse=True)
def extra() -> None:
    for module in ("sacrebleu", "rouge_score", "nltk"):
        pytest.importorskip(module)


def literal_bleu(given: list[str], due: list[str], order: int) -> float:
    """Corpus BLEU of texts whose words stand apart already; each order must have a hit."""
    logs, lengths = 0.0, [0, 0]
    for n in range(1, order + 1):
        hits = runs = 0
        for one, other in zip(given, due, strict=True):
            a, b = (Counter(zip(*(t.split()[k:] for k in range(n)), strict=False)) for t in (one, other))
            hits, runs = hits + (a & b).total(), runs + a.total()
        logs += math.log(hits / runs) / order
    for one, other in zip(given, due, strict=True):
        lengths = [lengths[0] + len(one.split()), lengths[1] + len(other.split())]
    return min(1.0, math.exp(1 - lengths[1] / lengths[0])) * math.exp(logs)


def test_corpus_bleu_is_the_literal_one() -> None:
    given = ["the lungs are clear and the heart is normal", "no effusion is seen today"]
    due = ["the lungs are clear while the heart is normal in size", "no effusion is seen here today"]
    found = bleu_counts(given, due).corpus()
    for order in ORDERS:
        assert found[f"BLEU-{order}"] == pytest.approx(literal_bleu(given, due, order))


@pytest.mark.parametrize("order", ORDERS)
def test_bleu_is_sacrebleus(order: int) -> None:
    import sacrebleu

    counts = bleu_counts(GIVEN, DUE)
    whole = sacrebleu.BLEU(lowercase=True, max_ngram_order=order).corpus_score(GIVEN, [DUE]).score
    assert counts.corpus()[f"BLEU-{order}"] == pytest.approx(whole / 100)
    alone = sacrebleu.BLEU(lowercase=True, max_ngram_order=order, effective_order=True)
    items = [alone.sentence_score(one, [due]).score / 100 for one, due in zip(GIVEN, DUE, strict=True)]
    assert counts.items()[f"BLEU-{order}"] == pytest.approx(items)


def test_a_right_short_answer_is_wholly_right() -> None:
    counts = bleu_counts(["Heart"], ["heart"])
    assert all(values == pytest.approx([1]) for values in counts.items().values())
    assert counts.corpus()["BLEU-1"] == pytest.approx(1)


def literal_rouge(given: str, due: str) -> tuple[float, float]:
    a, b = ("".join(c if c.isalnum() else " " for c in t.lower()).split() for t in (given, due))

    def f(hits: int) -> float:
        return 2 * hits / (len(a) + len(b)) if a and b else 0.0

    def longest(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return f((Counter(a) & Counter(b)).total()), f(longest(0, 0))


def test_rouge_is_the_literal_one_and_means_are_means() -> None:
    scores = report_scores(GIVEN, DUE)
    each = [literal_rouge(one, due) for one, due in zip(GIVEN, DUE, strict=True)]
    items = scores.items()
    assert pytest.approx(np.array(each)) == np.array([items["ROUGE-1"], items["ROUGE-L"]]).T
    assert items["METEOR"] == pytest.approx([meteor(a, b) for a, b in zip(GIVEN, DUE, strict=True)])
    figures = scores.figures()
    for name in ("ROUGE-1", "ROUGE-L", "METEOR"):
        assert figures[name] == pytest.approx(items[name].mean())
    assert set(figures) == set(items)


def test_weights_are_repetitions_and_order_does_not_matter() -> None:
    weights = np.array([2.0, 0, 1, 3])
    again = [n for n, w in enumerate(weights) for _ in range(int(w))]
    repeated = report_scores([GIVEN[n] for n in again], [DUE[n] for n in again]).figures()
    assert report_scores(GIVEN, DUE).figures(weights) == pytest.approx(repeated)
    turned = report_scores(GIVEN[::-1], DUE[::-1]).figures(weights[::-1])
    assert turned == pytest.approx(repeated)


def test_references_are_right_and_silence_is_wrong() -> None:
    right = report_scores(DUE, DUE).figures()
    assert all(value == pytest.approx(1, abs=0.01) for value in right.values())
    assert set(report_scores([""] * 4, DUE).figures().values()) == {0.0}


def test_hostile_texts() -> None:
    strange = ["\u80ba\u90e8\u6e05\u6670", "\x00\ud7ff", "<unk>" * 50, "NaN " * 300]
    for values in report_scores(strange, DUE).items().values():
        assert np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
    for reference in ("", " . ", "\u80ba"):
        with pytest.raises(InputError, match="needs words"):
            report_scores(["lung"], [reference])
    for given, due in (([], []), (["a"], ["a", "b"])):
        with pytest.raises(InputError, match="one reference"):
            report_scores(given, due)


@pytest.mark.parametrize("module", ["sacrebleu.metrics", "rouge_score.rouge_scorer", "nltk.stem.porter"])
def test_without_the_extra(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What was stemmed before needs no stemmer.
    _stem.cache_clear()
    _stemmer.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match="optional part") as error:
        report_scores(["lung"], ["lung"])
    assert "sagittal[scores]" in str(error.value.remedy)
