"""While a program is written, its lists of images hold images that there are, each once."""

from __future__ import annotations

import itertools

import pytest

from sagittal.language.tokenizer import EOS, MOD, PHI, Tokenizer
from sagittal.models.voxelprompt.naming import KnownImages, fits

NAMES = ("t1", "t1_b", "t1c", "flair")
TEXTS = ['asked = "mask: brain"\nf = encode(t1, t1_b, t1c, flair)\nread(f)', "f = encode(flair, t1)\n"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, 320)


@pytest.mark.parametrize("count", range(1, 5))
def test_every_list_of_names_can_be_written_letter_by_letter(count):
    for names in itertools.permutations(NAMES, count):
        text = ", ".join(names) + ")"
        assert all(fits(text[:n], NAMES) for n in range(len(text) + 1)), text


@pytest.mark.parametrize(
    "text",
    ["t2", "t1, t1, ", "t1,t1c", "t1, t1)", ")", "t1, )", "fl)", "t1_c", "x, t1", " t1", "t1 ", "t1,, "],
)
def test_anything_else_cannot(text):
    assert not fits(text, NAMES)


def test_what_has_begun_may_go_on():
    assert fits("t1)\nread(f)", NAMES) and fits("t1, t1_", NAMES) and not fits("t1c, t1_)", NAMES)


def follow(tokenizer, images, text, marks=()):
    """The texts of tokens that may follow ``text``, marks after the pieces in ``marks``."""
    special = {tokenizer.special(name): name for name in (MOD, PHI, EOS)}
    allowed = images(0, [*tokenizer.encode(text), *(tokenizer.special(m) for m in marks)])
    return None if allowed is None else {special.get(n) or tokenizer.decode([n]) for n in allowed}


def test_tokens_within_a_list_are_those_that_fit(tokenizer):
    images = KnownImages(tokenizer, ("t1", "flair"))
    assert follow(tokenizer, images, "f = enc") is None
    first = follow(tokenizer, images, "f = encode(")
    assert {"t", "f"} <= first and not first & {MOD, EOS, ")", "x", ","}
    after = follow(tokenizer, images, "f = encode(t1")
    assert {MOD, ",", ")"} <= after and "_" not in after and EOS not in after
    assert {",", ")"} <= follow(tokenizer, images, "f = encode(t1", (MOD, PHI))
    last = follow(tokenizer, images, "f = encode(t1, flair")
    assert ")" in last and "," not in last
    assert follow(tokenizer, images, "f = encode(t1, flair)") is None


def test_text_of_earlier_calls_counts(tokenizer):
    images = KnownImages(tokenizer, ("t1", "flair"))
    images.text = "f = encode(t1"
    assert "t" not in follow(tokenizer, images, ", ") and "f" in follow(tokenizer, images, ", ")


def test_what_a_program_made_can_be_encoded(tokenizer):
    images = KnownImages(tokenizer, ("t1",))
    assert "e" not in follow(tokenizer, images, "f = encode(")
    assert "e" not in follow(tokenizer, images, 'e = "text"\nf = encode(')
    assert "e" in follow(tokenizer, images, "e = mask_out(t1, m)\nf = encode(")
    images.ended("e = mask_out(t1, m)")
    assert "e" in follow(tokenizer, images, "f = encode(") and images.text == ""


def test_a_list_that_is_wrong_already_is_left_to_the_interpreter(tokenizer):
    assert follow(tokenizer, KnownImages(tokenizer, ("t1",)), "f = encode(zzz") is None
