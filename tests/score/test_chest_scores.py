"""Table 2 of a small set: counted by hand, resampled by patient, compared, and with bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sagittal.errors import InputError
from sagittal.score.chest import LOWER, METRICS, gain, score_answers
from sagittal.score.chest_tasks import Answered, Task
from sagittal.score.gain import average_gain

NOTHING = ",".join("0" * 10)
FIRST = "1" + NOTHING[1:]

# Task, answer, truth; two patients take turns.
ASKED: list[tuple[Task, str, str]] = [
    ("calculate-cpar", "0.40", "0.45"), ("calculate-cpar", "0.40 or so", "0.45"),
    ("calculate-ctr", "0.5", "0.49"), ("calculate-ctr", "0.52.", "0.49"),
    ("caption", "The lungs are clear.", "The lungs are clear."), ("caption", "", "Small effusion."),
    ("cls-multiclass", "2", "2"), ("cls-multiclass", "alveolar edema", "2"),
    ("cls-multilabel", FIRST, FIRST), ("cls-multilabel", "1,0,0", NOTHING),
    ("rec", "<0><0><100><100>", "<0><0><100><200>"), ("rec", "<0><0><100>", "<0><0><100><200>"),
    ("reg", "Left lung.", "left lung"), ("reg", "lung", "left lung"),
    ("vqa-verify", "Yes", "yes"), ("vqa-verify", "perhaps", "no"),
    ("vqa-choose", "edema", "edema"), ("vqa-choose", "edema", "pneumonia"),
    ("vqa-query", "right lung, left lung", "left lung, right lung"),
    ("vqa-query", "left lung", "left lung, heart"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def extra() -> None:
    for module in ("sacrebleu", "rouge_score", "nltk"):
        pytest.importorskip(module)


def answered() -> list[Answered]:
    return [Answered(f"{n:02}", f"p{n % 2}", *asked) for n, asked in enumerate(ASKED)]


def test_counted_by_hand() -> None:
    found = {name: figure.value for name, figure in score_answers(answered()).figures().items()}
    assert found == pytest.approx(
        found
        | {
            "calculate-cpar MAE": 5, "calculate-cpar RMSE": 5, "calculate-cpar capped MAE": 52.5,
            "calculate-cpar unread": 0.5,
            "calculate-ctr MAE": 2, "calculate-ctr RMSE": np.sqrt(5), "calculate-ctr unread": 0,
            "caption ROUGE-1": 0.5, "caption METEOR": 0.5 * (1 - 0.5 / 64), "caption unread": 0.5,
            "cls-multiclass accuracy": 0.5, "cls-multiclass unread": 0,
            # One hit; ten digits falsely said by the answer that is too short.
            "cls-multilabel micro F1": 2 / 12, "cls-multilabel macro F1": (2 / 3) / 10,
            "cls-multilabel unread": 0.5,
            "rec IoU": 0.25, "rec R@0.5": 0.5, "rec unread": 0.5,
            "reg accuracy": 0.5, "vqa-verify accuracy": 0.5, "vqa-verify unread": 0.5,
            "vqa-choose BLEU-1": 0.5, "vqa-choose accuracy": 0.5, "vqa-choose F1": 0.5,
            # Five of five words, the comma among them, and two of two; the second is three words short.
            "vqa-query BLEU-1": np.exp(1 - 9 / 7), "vqa-query accuracy": 0.5, "vqa-query F1": (1 + 2 / 3) / 2,
        }
    )  # fmt: skip
    assert set(METRICS) <= set(found)


def test_failures_are_counted_by_reason() -> None:
    assert score_answers(answered()).unread() == {
        "calculate-cpar": {"form": 1}, "caption": {"empty": 1}, "cls-multilabel": {"length": 1},
        "rec": {"form": 1}, "vqa-verify": {"none": 1},
    }  # fmt: skip


def test_references_are_right() -> None:
    scores = score_answers([replace(one, text=one.truth) for one in answered()])
    for name, figure in scores.figures().items():
        wrong = name.endswith("unread") or "MAE" in name or "RMSE" in name
        assert figure.value == pytest.approx(0 if wrong else 1, abs=0.05), name
    assert scores.unread() == {}


def test_silence_is_wrong_everywhere() -> None:
    found = score_answers([replace(one, text="") for one in answered()]).figures()
    for name, figure in found.items():
        if name in LOWER:
            assert np.isnan(figure.value)
        elif name.endswith("capped MAE"):
            assert figure.value == 100
        else:
            assert figure.value == float(name.endswith("unread")), name


def test_order_does_not_matter() -> None:
    first, again = (score_answers(one).figures() for one in (answered(), answered()[::-1]))
    assert repr(first) == repr(again)


def many(share: float, patients: int = 40, seed: int = 0) -> list[Answered]:
    """Patients whose answers are right together."""
    rng = np.random.default_rng(seed)
    answers = []
    for patient in range(patients):
        right = bool(rng.random() < share)
        for n in range(5):
            answers.append(
                Answered(
                    f"v{patient:02}/{n}", f"p{patient:02}", "vqa-verify", "yes" if right else "no", "yes"
                )
            )
            error = 0.01 if right else 0.05
            answers.append(
                Answered(f"c{patient:02}/{n}", f"p{patient:02}", "calculate-ctr", f"{0.5 + error:.2f}", "0.5")
            )
    return answers


def test_patients_are_resampled_together() -> None:
    figure = score_answers(many(0.7)).figures()["vqa-verify accuracy"]
    p = figure.value
    # Forty independent patients, not two hundred questions.
    assert figure.sd == pytest.approx(np.sqrt(p * (1 - p) / 40), rel=0.15)
    assert figure.low < p < figure.high


def test_a_gain_is_over_the_same_questions_and_patients() -> None:
    better, worse = score_answers(many(0.9, seed=1)), score_answers(many(0.5))
    whole, figure = gain(better, worse)
    values = [
        {name: f.value for name, f in one.figures().items() if name in METRICS} for one in (better, worse)
    ]
    assert whole == average_gain(*values, LOWER) and whole.metrics == 3
    assert figure.value == pytest.approx(whole.percent) and figure.low < figure.value < figure.high
    same, none = gain(worse, worse)
    assert (same.percent, none.value, none.low, none.high) == (0, 0, 0, 0)
    with pytest.raises(InputError, match="same questions"):
        gain(better, score_answers(many(0.5)[1:]))
    with pytest.raises(InputError, match="same questions"):
        gain(better, score_answers([replace(one, patient="x") for one in many(0.5)]))


def test_there_is_no_gain_over_a_model_that_says_nothing() -> None:
    silent = score_answers([replace(one, text="") for one in answered()])
    with pytest.raises(InputError, match="over nothing"):
        gain(score_answers(answered()), silent)


@pytest.mark.parametrize(
    ("task", "truth"),
    [
        ("calculate-ctr", "unable to locate heart"), ("cls-multiclass", "4"), ("cls-multilabel", "1,0"),
        ("rec", "<0><0><0><0>"), ("reg", "."), ("vqa-verify", "maybe"),
    ],
)  # fmt: skip
def test_a_truth_that_is_none_is_refused(task: Task, truth: str) -> None:
    with pytest.raises(InputError, match="cannot be read") as error:
        score_answers([Answered("q7", "p", task, "0", truth)])
    assert "q7" in str(error.value.got)


def test_hostile_input() -> None:
    with pytest.raises(InputError, match="no answer"):
        score_answers([])
    with pytest.raises(InputError, match="twice"):
        score_answers([*answered(), answered()[0]])
    with pytest.raises(InputError, match="needs words"):
        score_answers([Answered("q", "p", "caption", "clear", "")])


def test_digits_stand_for_the_conditions_that_were_asked() -> None:
    few = ("Nodule", "Edema", "Pneumonia")
    answers = [
        Answered("a", "p", "cls-multilabel", "1,0,0", "1,0,1", few),
        Answered("b", "q", "cls-multilabel", NOTHING, FIRST),
        # Ten digits where three were asked for cannot be read.
        Answered("c", "r", "cls-multilabel", NOTHING, "0,0,1", few),
    ]
    scores = score_answers(answers)
    found = {name: figure.value for name, figure in scores.figures().items()}
    # Said: nodule, rightly. Missed: pneumonia twice, the first condition once; two falsely said by the third.
    assert found["cls-multilabel micro F1"] == pytest.approx(2 / (2 + 5))
    assert scores.unread() == {"cls-multilabel": {"length": 1}}
    with pytest.raises(InputError, match="a digit of each"):
        score_answers([Answered("a", "p", "cls-multilabel", "1", FIRST, few)])
