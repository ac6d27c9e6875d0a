"""Programs against programs: rates by hand."""

from __future__ import annotations

import pytest

from sagittal.errors import InputError
from sagittal.score.programs import WrittenPrograms, by_kind, program_scores

TRUE = ("f = encode(t1)\nread(f)", 'm = segment(f, "brain")', "stop()")
NO = ('abstain("No.")',)


def talk(wanted, written, cluster="a", kind="volume", codes=()):
    return WrittenPrograms(wanted, written, cluster, kind, codes)


TALKS = [
    talk(TRUE, TRUE, "a", codes=(True, True)),
    talk(TRUE, (TRUE[0], 'm = segment(f, "dura")'), "a", codes=(True, False)),
    talk(TRUE, NO, "b", "height"),
    talk(NO, NO, "b", "treatment"),
    talk(NO, ('abstain("Yes.")',), "c", "treatment"),
    talk(NO, TRUE[:1], "c", "off_topic"),
]


def test_rates_are_counts():
    found = program_scores(TALKS)
    counts = {name: (rate.count, rate.total) for name, rate in found.items()}
    assert counts == {
        "exact": (2, 6),
        "answerable exact": (1, 3),
        "abstain precision": (2, 3),
        "abstain recall": (2, 3),
        "reason": (1, 2),
        "codes": (3, 4),
    }
    for rate in found.values():
        assert rate.interval[0] <= rate.value <= rate.interval[1]


def test_a_program_too_few_is_not_exact():
    assert not talk(TRUE, TRUE[:2]).exact
    assert talk(TRUE, TRUE).exact
    assert not talk(TRUE, ()).abstained


def test_one_patient_has_wilsons_interval_and_more_have_a_wider_one_than_their_questions():
    one = program_scores([talk(TRUE, TRUE)] * 8 + [talk(TRUE, NO)] * 8)["exact"]
    assert one.interval == pytest.approx((0.28, 0.72), abs=0.01)
    by_patient = [talk(TRUE, TRUE if p < 5 else NO, str(p)) for p in range(10) for _ in range(20)]
    rate = program_scores(by_patient)["exact"]
    assert rate.value == 0.5
    # Ten patients of one sort each, not two hundred questions.
    assert rate.interval[1] - rate.interval[0] > 0.4


def test_the_worst_kind_comes_first_and_what_is_not_there_is_left_out():
    assert next(iter(by_kind(TALKS))) in ("height", "off_topic")
    assert by_kind(TALKS)["treatment"].value == 0.5
    found = program_scores([talk(TRUE, TRUE)])
    assert set(found) == {"exact", "answerable exact"}
    with pytest.raises(InputError):
        program_scores([])
