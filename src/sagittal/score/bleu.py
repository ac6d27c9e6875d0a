"""BLEU-1 to BLEU-4 of generated texts, by sacrebleu.

Small letters, the words of mteval's tokenizer ("13a"), signs among them, and sacrebleu's smoothing of orders
without a hit ("exp"), which a corpus of any size does not need. What is kept of each text are its counts, so
that the figure of a corpus, which is no mean of its items, can be had for any resample of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError, MissingExtraError

#: BLEU-n takes runs of up to n words.
ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class BleuCounts:
    """What BLEU counts, text by text.

    Attributes:
        lengths: (n, 2) words of the text and of its reference.
        hits, runs: (n, 4) runs of 1 to 4 words that the reference has, too, and all of them.
    """

    lengths: NDArray[np.int64]
    hits: NDArray[np.int64]
    runs: NDArray[np.int64]

    def corpus(self, weights: NDArray[np.float64] | None = None) -> dict[str, float]:
        """BLEU-1 to BLEU-4 of all texts together, 0–1.

        Args:
            weights: (n,) how often each text counts; once when ``None``.
        """
        own = np.ones(len(self.hits), int) if weights is None else weights.astype(int)
        return _figures(own @ self.lengths, own @ self.hits, own @ self.runs, short=False)

    def items(self) -> dict[str, NDArray[np.float64]]:
        """BLEU-1 to BLEU-4 of each text alone, (n,) 0–1: orders for which it is too short are left out."""
        each = [
            _figures(*counts, short=True) for counts in zip(self.lengths, self.hits, self.runs, strict=True)
        ]
        return {name: np.array([one[name] for one in each]) for name in each[0]}


def bleu_counts(given: Sequence[str], references: Sequence[str]) -> BleuCounts:
    """Count for BLEU, one reference a text.

    Args:
        given, references: in the same order. A text may be empty and then scores 0.

    Raises:
        InputError: no text, other numbers of texts and references, or a reference without a letter.
        MissingExtraError: sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise MissingExtraError("BLEU", "scores") from error
    require_references(given, references)
    # The order changes no count; without it sacrebleu warns about short texts.
    scorer = BLEU(lowercase=True, effective_order=True)
    found = [scorer.sentence_score(one, [due]) for one, due in zip(given, references, strict=True)]
    return BleuCounts(
        np.array([[one.sys_len, one.ref_len] for one in found]),
        np.array([one.counts for one in found]),
        np.array([one.totals for one in found]),
    )


def require_references(given: Sequence[str], references: Sequence[str]) -> None:
    """Raise :class:`InputError` unless each text has a reference, and each reference a plain letter or digit.

    rouge-score knows no others: a text without them would score 0 however it is answered.
    """
    if not references or len(given) != len(references):
        raise InputError("Each text has one reference.", expected=len(references), got=len(given))
    for number, due in enumerate(references):
        if not any(sign.isascii() and sign.isalnum() for sign in due):
            raise InputError(
                "A reference needs words.",
                expected="Latin letters or digits",
                got=f"number {number}: {due!r}",
            )


def _figures(
    lengths: NDArray[np.int64], hits: NDArray[np.int64], runs: NDArray[np.int64], *, short: bool
) -> dict[str, float]:
    from sacrebleu.metrics import BLEU

    said, due = map(int, lengths)
    found = {}
    for order in ORDERS:
        score = BLEU.compute_bleu(
            hits[:order].tolist(), runs[:order].tolist(), said, due,
            smooth_method="exp", effective_order=short, max_ngram_order=order,
        )  # fmt: skip
        found[f"BLEU-{order}"] = score.score / 100
    return found
