"""Numbers of names in words, and those that stay."""

from __future__ import annotations

import pytest

from sagittal.agent.text import loose_number
from sagittal.language.number_words import with_number_words


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("left rib 1", "left rib one"),
        ("right rib 12", "right rib twelve"),
        ("segment 0", "segment zero"),
        ("19 and 20", "nineteen and twenty"),
        ("part 42", "part forty-two"),
        ("class 99", "class ninety-nine"),
        ("vertebrae L5", "vertebrae L5"),
        ("T12", "T12"),
        ("class 100", "class 100"),
        ("0.5 mm", "0.5 mm"),
        ("heart", "heart"),
    ],
)
def test_loose_numbers_up_to_99_are_words(name, said):
    assert with_number_words(name) == said


def test_what_is_in_words_can_be_said():
    for number in range(100):
        assert loose_number(with_number_words(f"left rib {number}")) is None
