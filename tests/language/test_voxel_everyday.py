"""Questions as people type them: nothing that is asked gets lost, and odd ones are no question of ours."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pydantic import ValidationError

from sagittal.errors import ConfigError
from sagittal.language.voxel_everyday import (
    TypingConfig,
    around,
    as_typed,
    cut_places,
    foreign,
    made_up,
    odd_property,
    odd_request,
    odd_thing,
    words,
)

QUESTION = "What is the volume of the left hippocampus?"
NEVER = TypingConfig(**dict.fromkeys(TypingConfig.model_fields, 0.0))


def typed(seed: int, **chances: float) -> str:
    return as_typed(QUESTION, np.random.default_rng(seed), NEVER.model_copy(update=chances), frozenset())


def test_without_chances_nothing_changes():
    assert {typed(seed) for seed in range(20)} == {QUESTION}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_asked_stays(seed):
    # Everything at once but misspelling and shortening, which have tests of their own.
    text = typed(seed, before=1, after=1, dropped=1, fillers=1, strange=1, marks=1, spelling=1, typing=1)
    assert re.search(r"\bvolume\b", text)
    assert re.search(r"\bleft\b.*\bhippocampus\b", text)
    assert len(text) > len("volume left hippocampus")


def test_each_way_of_typing_does_what_it_says():
    assert typed(0, typing=1) == "what is the volume of the left hippocampus"
    assert typed(0, capitals=1) == QUESTION.upper()
    assert any(re.search(r"\b(vol|lt?|L)\b", typed(seed, short=1)) for seed in range(10))
    longer = [typed(seed, before=1) for seed in range(10)]
    assert all(text.endswith(QUESTION) and text != QUESTION for text in longer)
    assert all(typed(seed, after=1).startswith(QUESTION) for seed in range(10))
    assert all(len(typed(seed, dropped=1).split()) < len(QUESTION.split()) for seed in range(10))
    assert all(len(typed(seed, strange=1).split()) > len(QUESTION.split()) for seed in range(10))


def test_american_spelling_unless_that_is_kept_back():
    rng, config = np.random.default_rng(0), NEVER.model_copy(update={"spelling": 1.0})
    british = "Tumour and oedema in the grey matter?"
    assert as_typed(british, rng, config, frozenset()) == "Tumor and edema in the gray matter?"
    assert as_typed(british, rng, config, frozenset({"gray matter"})) == british


def test_a_seed_is_a_text():
    config = TypingConfig()
    first, again = (
        [as_typed(QUESTION, np.random.default_rng(s), config, frozenset()) for s in range(60)] for _ in "ab"
    )
    assert first == again
    assert len(set(first)) > 30


def test_odd_questions_are_filled_and_name_what_they_should():
    rng = np.random.default_rng(1)
    for _ in range(200):
        texts = [
            odd_property("left amygdala", rng),
            odd_thing("things", "brainstem", rng, frozenset()),
            odd_thing("organs", "brainstem", rng, frozenset()),
            odd_request(rng),
            foreign(rng),
        ]
        assert not any(re.search(r"[{}<>]", text) for text in texts), texts
        assert "left amygdala" in texts[0].lower()
    avoid = frozenset(w.lower() for w in words().organs[1:])
    asked = {odd_thing("organs", "brain", rng, avoid) for _ in range(60)}
    assert all(words().organs[0] in text.lower() for text in asked)


def test_made_up_words_are_words_of_letters():
    rng = np.random.default_rng(2)
    made = [made_up(rng) for _ in range(300)]
    assert all(re.fullmatch(r"[a-z ]+", word) for word in made)
    assert len(set(made)) > 250


def test_cuts_lie_inside_the_text_and_most_texts_have_none():
    rng = np.random.default_rng(3)
    drawn = [cut_places(QUESTION, rng) for _ in range(500)]
    assert 0.2 < np.mean([bool(cuts) for cuts in drawn]) < 0.4
    assert all(0 < c < len(QUESTION) for cuts in drawn for c in cuts)
    assert all(list(cuts) == sorted(set(cuts)) for cuts in drawn)
    assert cut_places("a", rng, share=1.0, each=1.0) == ()
    assert cut_places("abc", rng, share=1.0, each=1.0) == (1, 2)


def test_bad_input_is_an_error():
    with pytest.raises(ConfigError):
        around("no such root", np.random.default_rng(0))
    with pytest.raises(ValidationError):
        TypingConfig(typos=2)
