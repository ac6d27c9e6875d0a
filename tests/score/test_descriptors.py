"""Two raters on the same questions: counted by hand, with spread over studies, from files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sagittal.errors import FileFormatError, InputError
from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.score.descriptors import (
    Rated,
    Told,
    accuracy,
    by_label,
    difference,
    hits,
    read_answers,
    scope_figures,
    write_answers,
)

ALL = ("volume", "region", "shape", "spread")


def rated(id: str, study: str = "s1", label: str = "ET", asked=ALL, beyond=False, **classes) -> Rated:
    plain = {task: (words,) if isinstance(words, str) else words for task, words in classes.items()}
    return Rated(id, study, label, tuple(asked), Told(plain, beyond))


TRUTH = [
    rated("a", volume="<1%", region=("frontal", "insula"), shape="round", spread="single lesion"),
    rated("b", "s2", "RC", asked=("volume",), volume="1-5%"),
    rated("c", "s2", "ET", asked=("region",), region="N/A"),
]
GIVEN = [
    rated("a", volume="1-5%", region=("frontal",), shape="round", spread="single lesion"),
    rated("b", "s2", "RC", asked=("volume",), volume="1-5%"),
    rated("c", "s2", "ET", asked=("region",), region=("frontal",)),
]


def test_counted_by_hand() -> None:
    found = hits(TRUTH, GIVEN).figures()
    assert found["volume"] == 0.5
    # One of nine regions is wrong in each of two questions.
    assert found["region"] == pytest.approx(1 - 1 / len(REGIONS))
    assert found["shape"] == found["spread"] == 1
    assert found["mean"] == pytest.approx(np.mean([found[task] for task in ALL]))


def test_it_is_symmetric_and_perfect_with_itself() -> None:
    assert hits(TRUTH, GIVEN).figures() == hits(GIVEN, TRUTH).figures()
    assert set(hits(TRUTH, TRUTH).figures().values()) == {1.0}


def test_a_task_that_nothing_was_said_of_is_wrong() -> None:
    silent = [Rated(one.id, one.study, one.label, one.asked, Told({})) for one in TRUTH]
    assert set(hits(TRUTH, silent).figures().values()) == {0.0}


def test_questions_are_paired_by_id_not_by_order() -> None:
    assert hits(TRUTH, GIVEN[::-1]).figures() == hits(TRUTH, GIVEN).figures()
    assert hits(TRUTH, GIVEN[1:]).figures()["volume"] == 1


def test_findings_apart() -> None:
    found = by_label(hits(TRUTH, GIVEN))
    assert found["RC"].figures()["volume"] == 1
    assert found["ET"].figures()["volume"] == 0


def many(rng: np.random.Generator, right: float, studies: int = 60) -> tuple[list[Rated], list[Rated]]:
    truth, given = [], []
    for study in range(studies):
        # A study's questions are right or wrong together.
        good = rng.random() < right
        for n in range(5):
            one = rated(f"{study}/{n}", f"s{study}", asked=("volume",), volume="<1%")
            truth.append(one)
            given.append(one if good else rated(one.id, one.study, asked=("volume",), volume="N/A"))
    return truth, given


def test_spread_is_that_of_studies() -> None:
    figure = accuracy(hits(*many(np.random.default_rng(0), 0.7)))["volume"]
    p = figure.value
    # Sixty independent studies, not three hundred questions.
    assert figure.sd == pytest.approx(np.sqrt(p * (1 - p) / 60), rel=0.15)
    assert figure.low < p < figure.high


def test_a_difference_is_paired() -> None:
    truth, given = many(np.random.default_rng(1), 0.5)
    same = difference([hits(truth, given)], [hits(truth, given)])["mean"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    better = difference([hits(truth, truth)], [hits(truth, given)])["volume"]
    assert better.low > 0


def test_scope_over_positives_and_negatives() -> None:
    truth = [rated(str(n), f"s{n}", beyond=n < 4) for n in range(10)]
    given = [rated(str(n), f"s{n}", beyond=n in (0, 1, 2, 7)) for n in range(10)]
    found = scope_figures(truth, given)
    assert found["precision"].value == 0.75
    assert found["recall"].value == 0.75
    assert found["accuracy"].value == 0.8


def test_files(tmp_path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(write_answers(TRUTH), encoding="utf-8")
    assert read_answers(path) == TRUTH


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "no answer"),
        ('{"id": "a"}', "no answer"),
        (json.dumps(TRUTH[0].to_json()) + "\n" + json.dumps(TRUTH[0].to_json()), "twice"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, line: str, words: str) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(line, encoding="utf-8")
    with pytest.raises(FileFormatError, match=words):
        read_answers(path)


def test_raters_of_other_questions_are_refused() -> None:
    with pytest.raises(InputError, match="no question in common"):
        hits(TRUTH, [rated("z")])
    with pytest.raises(InputError, match="different things"):
        hits(TRUTH, [rated("a", label="RC")])
