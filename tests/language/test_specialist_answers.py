"""Answers about specialists' results: what is told is said as it was told, and refusals are known as such."""

from __future__ import annotations

import pytest

from sagittal.language.specialist_answers import DECLINED, Drawn, abstention, declined, mask_answer


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (f"{DECLINED} it failed.", "it failed."),
        (declined("spleen"), "spleen: no specialist at hand can look for it here."),
        (DECLINED, ""),
        ("Yes: there is one.", None),
        ("The radiologist wrote No answer: why?", None),
        ("x" * 70 + f": {DECLINED} too long a name", None),
    ],
)
def test_a_refusal_is_one_whatever_it_names_first(reply, why):
    assert abstention(reply) == why


def test_units_and_levels_are_said_as_they_were_told():
    drawn = [Drawn("left lung", "blue", "812.4 mL"), Drawn("L5 vertebra", "green", "43.9 mL")]
    said = mask_answer("size", "lungs", drawn, ())
    assert said == "Size: the left lung measures 812.4 mL; the L5 vertebra measures 43.9 mL."
