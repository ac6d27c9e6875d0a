"""Answers in words to questions about images (MedPLIB, Tables 1 and 3).

Closed and choice questions: accuracy, an answer that cannot be read being wrong and counted. Open
questions: precision and recall over words, a question's share each, then the mean over questions. Spread
comes from resampling images, not questions: those of an image go together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.example import Example
from sagittal.score.choosing import Unread, closed_is_right, read_choice
from sagittal.score.descriptors import Figure, Hits, by_label, resampled
from sagittal.score.words import precision_and_recall

#: Tasks that are answered in words, as ``Example.task`` names them.
TASKS = ("vqa-closed", "vqa-choice", "vqa-open")
#: Columns of a table; "unread" is a share of the closed and choice questions.
METRICS = ("closed accuracy", "choice accuracy", "open precision", "open recall", "unread")
By = Literal["modality", "question_type"]


@dataclass(frozen=True)
class Judged:
    """One question and how its answer fared.

    Attributes:
        id, study: of the example.
        modality, question_type: in the set's own words, ``unstated`` where it has none.
        marks: metric → 0–1; those that do not apply are left out.
        why: the answer could not be read, ``None`` where it could.
    """

    id: str
    study: str
    modality: str
    question_type: str
    marks: Mapping[str, float]
    why: Unread | None = None


def judge(example: Example, text: str) -> Judged:
    """How an answer to an example fares.

    The example's ``targets`` hold ``answer``, and ``options`` and ``label`` of a choice, as
    :func:`sagittal.builders.vqa_sets.load_vqa_set` gives them.

    Raises:
        InputError: the example is not answered in words.
    """
    if example.task not in TASKS:
        raise InputError(
            "This question is not answered in words.",
            expected=", ".join(TASKS),
            got=f"{example.id}: {example.task}",
            remedy="score masks with sagittal.score.segmentation",
        )
    targets, why = example.targets, None
    marks: dict[str, float]
    if example.task == "vqa-open":
        precision, recall = precision_and_recall(text, targets["answer"])
        marks = {"open precision": precision, "open recall": recall}
    elif example.task == "vqa-closed":
        right, why = closed_is_right(text, targets["answer"])
        marks = {"closed accuracy": float(right), "unread": float(why is not None)}
    else:
        letter, why = read_choice(text, targets["options"])
        marks = {"choice accuracy": float(letter == targets["label"]), "unread": float(why is not None)}
    return Judged(
        example.id,
        example.study,
        targets["modality"] or "unstated",
        targets["question_type"] or "unstated",
        marks,
        why,
    )


def judge_all(examples: Sequence[Example], given: Mapping[str, str]) -> list[Judged]:
    """:func:`judge` for every example, paired by id.

    Raises:
        InputError: an example without an answer, or an answer without an example.
    """
    ids = {example.id for example in examples}
    strangers = sorted(ids ^ given.keys())
    if strangers:
        raise InputError(
            "Every question needs one answer, and every answer its question.",
            expected=f"{len(ids)} answers",
            got=f"{len(given)}; without partner: {', '.join(strangers[:5])}",
            remedy='give "" where nothing was said: it counts as wrong',
        )
    return [judge(example, given[example.id]) for example in examples]


def figures(judged: Sequence[Judged]) -> dict[str, Figure]:
    """Every metric over all questions, with its spread over resampled images."""
    return _figures(_hits(judged, "modality"))


def mean_over(judged: Sequence[Judged], by: By) -> dict[str, Figure]:
    """Every metric averaged over the groups, each of equal weight: the mean of Table 1."""
    found = _hits(judged, by)
    groups = [(found.labels == label, own) for label, own in by_label(found).items()]

    def means(weights: NDArray[np.float64]) -> dict[str, float]:
        each = [_plain(own, weights[inside]) for inside, own in groups]
        return {metric: _mean([one[metric] for one in each]) for metric in METRICS}

    return resampled(means, found.studies)


def table(judged: Sequence[Judged], by: By) -> list[dict[str, Any]]:
    """Rows of plain JSON, all questions first and then each group.

    Returns:
        Of each row ``group``, ``questions``, and by metric the ``count`` of questions, ``value``, ``low``
        and ``high``; a metric that applies to none of them is left out.
    """
    found = _hits(judged, by)
    rows = []
    for group, own in [("all", found), *by_label(found).items()]:
        shown = {
            metric: {
                "count": int((~np.isnan(own.tasks[metric])).sum()),
                "value": f.value,
                "low": _known(f.low),
                "high": _known(f.high),
            }
            for metric, f in _figures(own).items()
            if not np.isnan(f.value)
        }
        rows.append({"group": group, "questions": len(own.studies), "figures": shown})
    return rows


def unread(judged: Sequence[Judged]) -> dict[str, int]:
    """How many answers could not be read, by reason."""
    reasons = sorted(one.why for one in judged if one.why is not None)
    return {reason: reasons.count(reason) for reason in reasons}


def _hits(judged: Sequence[Judged], by: By) -> Hits:
    if not judged:
        raise InputError("There is no answer to score.")
    tasks = {m: np.array([one.marks.get(m, np.nan) for one in judged], dtype=float) for m in METRICS}
    studies, groups = zip(*((one.study, getattr(one, by)) for one in judged), strict=True)
    return Hits(tasks, np.array(studies), np.array(groups))


def _plain(found: Hits, weights: NDArray[np.float64]) -> dict[str, float]:
    """The metrics apart: their mean over unlike tasks says nothing."""
    by_metric = found.figures(weights)
    return {metric: by_metric[metric] for metric in METRICS}


def _figures(found: Hits) -> dict[str, Figure]:
    return resampled(lambda weights: _plain(found, weights), found.studies)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
