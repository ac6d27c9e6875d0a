"""Reports of real chest films, with specialists and of the picture alone, against the labels of the films.

The NIH's labels were mined from reports that are not public. What a report here says of each finding is read
from its words; a finding that it does not mention counts as not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.asking.models import Offer
from sagittal.evaluation.vila_m3.both_ways import WAYS, Reply, both_ways, mcnemar, opened
from sagittal.evaluation.vila_m3.green import GreenJudge, green_figures
from sagittal.io.films.names import FINDINGS
from sagittal.language.report_findings import positive_findings
from sagittal.language.report_sentences import report_of
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.reports import report_scores
from sagittal.train.chest_films import nih_films

QUESTION = "Write a report of this film."


@dataclass(frozen=True)
class FilmReply:
    """A report of one film.

    Attributes:
        film, patient: of the film.
        truth: finding → label; those that are not labelled are left out.
        reply: one way's.
    """

    film: str
    patient: str
    truth: Mapping[str, bool]
    reply: Reply

    @property
    def said(self) -> dict[str, bool]:
        """Finding → whether the report says that it is there."""
        told = {} if self.reply.abstained else positive_findings(self.reply.text)
        return {name: told.get(name, False) for name in self.truth}

    @property
    def reference(self) -> str:
        """The labels as a report of the same pool of sentences."""
        return report_of(self.truth)


def film_replies(
    offer: Offer, data: Path, say: Callable[[str], None] = lambda line: None
) -> Iterator[FilmReply]:
    """Ask for a report of every film of the NIH's whose patient is held out, both ways.

    Args:
        offer: the model.
        data: folder of the development data.
        say: told now and then.
    """
    for number, film in enumerate(nih_films(data, "test"), start=1):
        pairs = zip(FINDINGS, film.labels, strict=True)
        truth: dict[str, bool] = {name: label for name, label in pairs if label is not None}
        for reply in both_ways(opened(offer, [film.image()]), QUESTION):
            yield FilmReply(film.path.stem, film.patient, truth, reply)
        if number % 20 == 0:
            say(f"films: {number}")


def film_figures(replies: Sequence[FilmReply]) -> dict[str, Figure]:
    """F1 of each finding and their mean, micro F1, and what was declined; by resampled patients."""
    patients = np.array([one.patient for one in replies])
    names = [name for name in FINDINGS if any(one.truth.get(name) for one in replies)]
    truth = np.array([[one.truth.get(name, False) for name in names] for one in replies])
    said = np.array([[one.said.get(name, False) for name in names] for one in replies])
    declined = np.array([one.reply.abstained for one in replies])

    def figures(weights: np.ndarray) -> dict[str, float]:
        hits = weights @ (truth & said)
        both = weights @ (truth.astype(float) + said)
        f1 = np.divide(2 * hits, both, out=np.full(len(names), np.nan), where=both > 0)
        found = {f"F1 {name}": float(value) for name, value in zip(names, f1, strict=True)}
        found["F1, mean of findings"] = float(np.nanmean(f1)) if np.isfinite(f1).any() else float("nan")
        found["F1, all labels together"] = float(2 * hits.sum() / both.sum()) if both.sum() else float("nan")
        return found | {"declined": float(weights @ declined / weights.sum())}

    return resampled(figures, patients)


def word_figures(replies: Sequence[FilmReply], judge: GreenJudge | None = None) -> dict[str, Figure]:
    """BLEU-4 and ROUGE-L against the labels as sentences of the same pool; by resampled patients.

    With a ``judge``, GREEN, too.
    """
    given = ["" if one.reply.abstained else one.reply.text for one in replies]
    references = [one.reference for one in replies]
    patients = np.array([one.patient for one in replies])
    found = resampled(report_scores(given, references).figures, patients)
    kept = {name: found[name] for name in ("BLEU-4", "ROUGE-L")}
    return kept | (green_figures(judge, given, references, patients) if judge else {})


def film_lines(replies: Sequence[FilmReply], judge: GreenJudge | None = None) -> list[str]:
    """The table of both ways, and McNemar's test of single labels."""
    ways = {way: [one for one in replies if one.reply.way == way] for way in WAYS}
    figures = {way: film_figures(own) | word_figures(own, judge) for way, own in ways.items()}
    rights = {
        way: [
            not one.reply.abstained and one.said[name] == label
            for one in own
            for name, label in one.truth.items()
        ]
        for way, own in ways.items()
    }
    first, second, p = mcnemar(rights["with"], rights["alone"])
    rows = [
        f"| {name} | {figures['with'][name].text()} | {figures['alone'][name].text()} |"
        for name in figures["with"]
    ]
    films, patients = len(ways["with"]), len({one.patient for one in replies})
    return [
        f"{films} films of {patients} patients.", "",
        "| | with specialists | of the picture alone |", "| --- | --- | --- |", *rows, "",
        f"Single labels: only with specialists right {first}, only alone right {second}; McNemar's exact "
        f"test p = {p:.3g} (it takes labels as independent; those of one film are not).", "",
    ]  # fmt: skip
