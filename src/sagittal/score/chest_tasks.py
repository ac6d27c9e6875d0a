"""How the answers to each of IMAX's tasks are scored: a function a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import InputError
from sagittal.io.films.names import FINDINGS, SEVERITY
from sagittal.score.bleu import bleu_counts
from sagittal.score.boxes import iou, is_found
from sagittal.score.calculation import calculation_figures
from sagittal.score.choosing import Unread, closed_is_right
from sagittal.score.intervals import weighted_mean
from sagittal.score.multi_label import label_counts
from sagittal.score.reports import report_scores
from sagittal.score.strict import Fault, read_box, read_class, read_items, read_labels, read_number
from sagittal.score.words import words

#: What is asked, by the tag of its prompt and its kind.
Task = Literal[
    "calculate-cpar", "calculate-ctr", "caption", "cls-multiclass", "cls-multilabel", "rec", "reg",
    "vqa-verify", "vqa-choose", "vqa-query",
]  # fmt: skip

Figures = Callable[[NDArray[np.float64]], Mapping[str, float]]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Answered:
    """One question about a film and its answer.

    Attributes:
        id: of the question, the same for every model.
        patient: whose films are resampled together.
        task: what was asked.
        text: the answer, as it was generated; empty where nothing was said.
        truth: the right answer, in the form that the prompt asks for.
        conditions: that the digits of ``cls-multilabel`` stand for.
    """

    id: str
    patient: str
    task: Task
    text: str
    truth: str
    conditions: tuple[str, ...] = FINDINGS


@dataclass(frozen=True, eq=False)
class Scored:
    """Answers to one task.

    Attributes:
        figures: from (n,) how often each answer counts to metric → value.
        faults: (n,) why each answer could not be read; ``None`` where it could.
    """

    figures: Figures
    faults: Sequence[Fault | Unread | None]


def score_task(task: Task, answers: Sequence[Answered]) -> Scored:
    """Score the answers to one task; the figures have ``unread``, a share, among them.

    Raises:
        InputError: a truth that is not in the form of its task.
        MissingExtraError: reports or words are scored and the ``scores`` extra is not installed.
    """
    scored = _TASKS[task](answers)
    missing = np.array([fault is not None for fault in scored.faults], dtype=float)
    return Scored(
        lambda weights: {**scored.figures(weights), "unread": weighted_mean(missing, weights)}, scored.faults
    )


def _calculate(answers: Sequence[Answered]) -> Scored:
    given, truth, faults = _read(answers, read_number)
    errors = np.array([np.nan if a is None else a - b for a, b in zip(given, truth, strict=True)])
    return Scored(lambda weights: calculation_figures(errors, weights), faults)


def _caption(answers: Sequence[Answered]) -> Scored:
    scores = report_scores([one.text for one in answers], [one.truth for one in answers])
    return Scored(scores.figures, [None if one.text.strip() else "empty" for one in answers])


def _multiclass(answers: Sequence[Answered]) -> Scored:
    given, truth, faults = _read(answers, lambda text: read_class(text, SEVERITY))
    return Scored(_mean("accuracy", [a == b for a, b in zip(given, truth, strict=True)]), faults)


def _multilabel(answers: Sequence[Answered]) -> Scored:
    given: list[Sequence[int | None] | None] = []
    truth: list[Sequence[int | None]] = []
    faults: list[Fault | Unread | None] = []
    for one in answers:
        due, wrong = read_labels(one.truth, len(one.conditions))
        if due is None:
            raise _unreadable(one, f"a digit of each condition; {wrong} is at fault")
        said, fault = read_labels(one.text, len(one.conditions))
        given.append(None if said is None else _of_all(one.conditions, said))
        truth.append(_of_all(one.conditions, due))
        faults.append(fault)
    return Scored(label_counts(given, truth).figures, faults)


def _of_all(conditions: Sequence[str], digits: Sequence[int]) -> list[int | None]:
    """A digit of each of FINDINGS; ``None`` of those that were not asked about."""
    found = dict(zip(conditions, digits, strict=True))
    return [found.get(name) for name in FINDINGS]


def _rec(answers: Sequence[Answered]) -> Scored:
    given, truth, faults = _read(answers, read_box)
    shares = [0.0 if a is None else iou(a, b) for a, b in zip(given, truth, strict=True)]
    mean, recall = _mean("IoU", shares), _mean("R@0.5", [is_found(share) for share in shares])
    return Scored(lambda weights: {**mean(weights), **recall(weights)}, faults)


def _named(answers: Sequence[Answered]) -> Scored:
    """Accuracy of an object's name, or of yes and no."""
    for one in answers:
        if not words(one.truth):
            raise _unreadable(one, "a name")
    right, faults = zip(*(closed_is_right(one.text, one.truth) for one in answers), strict=True)
    return Scored(_mean("accuracy", right), faults)


def _verify(answers: Sequence[Answered]) -> Scored:
    for one in answers:
        if words(one.truth) not in (("yes",), ("no",)):
            raise _unreadable(one, "yes or no")
    return _named(answers)


def _items(answers: Sequence[Answered]) -> Scored:
    """A list of names: BLEU-1 as in Table 2, and beside it whether the set is the right one, and its F1."""
    counts = bleu_counts([one.text for one in answers], [one.truth for one in answers])
    given, truth = [read_items(one.text) for one in answers], [read_items(one.truth) for one in answers]
    shared = [2 * len(a & b) / (len(a) + len(b)) for a, b in zip(given, truth, strict=True)]
    accuracy, f1 = _mean("accuracy", [share == 1 for share in shared]), _mean("F1", shared)

    def figures(weights: NDArray[np.float64]) -> dict[str, float]:
        return {"BLEU-1": counts.corpus(weights)["BLEU-1"], **accuracy(weights), **f1(weights)}

    return Scored(figures, [None if own else "empty" for own in given])


_TASKS: Mapping[Task, Callable[[Sequence[Answered]], Scored]] = {
    "calculate-cpar": _calculate,
    "calculate-ctr": _calculate,
    "caption": _caption,
    "cls-multiclass": _multiclass,
    "cls-multilabel": _multilabel,
    "rec": _rec,
    "reg": _named,
    "vqa-verify": _verify,
    "vqa-choose": _items,
    "vqa-query": _items,
}


def _read(
    answers: Sequence[Answered], reader: Callable[[str], tuple[_T | None, Fault | None]]
) -> tuple[list[_T | None], list[_T], list[Fault | None]]:
    """What was said, what is true, and why what was said could not be read, one an answer."""
    given, truth, faults = [], [], []
    for one in answers:
        due, wrong = reader(one.truth)
        if due is None:
            raise _unreadable(one, f"as the prompt asks for it; {wrong} is at fault")
        said, fault = reader(one.text)
        given.append(said)
        truth.append(due)
        faults.append(fault)
    return given, truth, faults


def _unreadable(one: Answered, expected: str) -> InputError:
    return InputError(
        f"The truth of a {one.task} question cannot be read.",
        expected=expected,
        got=f"{one.id}: {one.truth!r}",
    )


def _mean(name: str, values: Sequence[float]) -> Figures:
    own = np.array(values, dtype=float)
    return lambda weights: {name: weighted_mean(own, weights)}
