"""Scores of generated reports: BLEU, ROUGE and METEOR (IMAX §4.1.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import MissingExtraError
from sagittal.score.bleu import BleuCounts, bleu_counts
from sagittal.score.intervals import weighted_mean
from sagittal.score.meteor import meteor


@dataclass(frozen=True, eq=False)
class ReportScores:
    """How reports fare against their references.

    Attributes:
        bleu: what BLEU counts.
        marks: ``ROUGE-1``, ``ROUGE-L`` and ``METEOR`` of each report, (n,) 0–1.
    """

    bleu: BleuCounts
    marks: Mapping[str, NDArray[np.float64]]

    def figures(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """BLEU-1 to BLEU-4 of the corpus, and the mean over reports of the others; 0–1.

        Args:
            weights: (n,) how often each report counts; once when ``None``.
        """
        own = np.ones(len(self.bleu.hits)) if weights is None else weights
        means = {name: weighted_mean(values, own) for name, values in self.marks.items()}
        return {**self.bleu.corpus(weights), **means}

    def items(self) -> dict[str, NDArray[np.float64]]:
        """Every score of each report alone, (n,) 0–1."""
        return {**self.bleu.items(), **self.marks}


def report_scores(given: Sequence[str], references: Sequence[str]) -> ReportScores:
    """Score reports against one reference each.

    BLEU as in :mod:`sagittal.score.bleu`, METEOR as in :mod:`sagittal.score.meteor`; ROUGE-1 and ROUGE-L are
    rouge-score's F measures without stemming: its words are runs of Latin letters and digits.

    Args:
        given, references: in the same order. A report may be empty and then scores 0.

    Raises:
        InputError: no report, other numbers of reports and references, or a reference without words.
        MissingExtraError: sacrebleu, rouge-score or nltk is not installed.
    """
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise MissingExtraError("ROUGE", "scores") from error
    counts = bleu_counts(given, references)
    scorer = RougeScorer(["rouge1", "rougeL"])
    pairs = list(zip(given, references, strict=True))
    rouge = [scorer.score(due, one) for one, due in pairs]
    marks = {
        "ROUGE-1": np.array([one["rouge1"].fmeasure for one in rouge], dtype=float),
        "ROUGE-L": np.array([one["rougeL"].fmeasure for one in rouge], dtype=float),
        "METEOR": np.array([meteor(one, due) for one, due in pairs]),
    }
    return ReportScores(counts, marks)
