"""Prompts of VoxelPrompt's tasks: many, filled, in honest pools, each of one task, and as people type."""

from __future__ import annotations

import re
import time
from collections import defaultdict

import numpy as np
import pytest

from sagittal.errors import ConfigError
from sagittal.language.grammar import Grammar
from sagittal.language.grammar_source import read_source
from sagittal.language.voxel_wordings import GRAMMAR_FOLDER, Phrase, VoxelWordings, corrupt, held_back

WORDINGS = VoxelWordings.load()
SLOTS = {
    "a": [Phrase("hippocampus"), Phrase("left thalamus"), Phrase("oedema"), Phrase("tumours", plural=True),
          Phrase("WMH", plural=True), Phrase("HC", withheld=True)],
    "b": [Phrase("brainstem"), Phrase("lateral ventricle"), Phrase("LV", withheld=True)],
    "seq": [Phrase("FLAIR"), Phrase("T1"), Phrase("dark-fluid T2", withheld=True)],
    "scan": [Phrase("on this scan"), Phrase("here"), Phrase("at baseline", withheld=True)],
    "lobe": [Phrase("right frontal lobe"), Phrase("occipital lobes", plural=True),
             Phrase("L temporal lobe", withheld=True)],
}  # fmt: skip
ONE = {
    "a": [Phrase("hippocampus")],
    "b": [Phrase("thalamus")],
    "seq": [Phrase("FLAIR")],
    "scan": [Phrase("here")],
    "lobe": [Phrase("right frontal lobe")],
}


def normal(text: str) -> str:
    return re.sub(r"\W+", " ", text.lower()).strip()


@pytest.mark.parametrize("root", WORDINGS.roots)
def test_each_root_has_a_thousand_different_prompts_to_train_on(root):
    rng = np.random.default_rng(1)
    texts: set[str] = set()
    for _ in range(8000):
        texts.add(normal(WORDINGS.sample(root, SLOTS, rng, "train").text))
        if len(texts) >= 1000:
            return
    # "In this image" forms are a second root of their task, whose first root must do alone.
    assert root.startswith("ask_on")
    assert len(texts) > 150


@pytest.mark.parametrize("root", WORDINGS.roots)
def test_prompts_are_filled_clean_and_of_their_pool(root):
    rng = np.random.default_rng(2)
    for pool in ("train", "withheld", "all"):
        for _ in range(60):
            prompt = WORDINGS.sample(root, SLOTS, rng, pool)
            assert pool == "all" or prompt.withheld == (pool == "withheld")
            assert not re.search(r"[{}<>|]|  | [,.?!]|\.\.|\?\?", prompt.text), prompt
            assert prompt.text[-1] in ".?!"
            assert len(prompt.text) < 240
            assert not re.search(r"\b(the the|a the|any the|the a|of of|on on the side)\b", prompt.text), (
                prompt
            )
            assert not re.search(r"\ba [aeio]", prompt.text.lower()), prompt
            for slot, phrase in prompt.phrases.items():
                assert phrase in SLOTS[slot]
                assert phrase.text.lower() in prompt.text.lower()


def test_train_uses_no_withheld_phrase_and_withheld_all_that_there_are():
    rng = np.random.default_rng(3)
    train = [WORDINGS.sample("ask_on volume", SLOTS, rng, "train") for _ in range(500)]
    assert not any(p.withheld for prompt in train for p in prompt.phrases.values())
    withheld = [WORDINGS.sample("ask_on volume", SLOTS, rng, "withheld") for _ in range(800)]
    by_phrase = [p.text for w in withheld for p in w.phrases.values() if p.withheld]
    assert {"HC", "at baseline"} <= set(by_phrase)
    # Some are withheld for their template alone.
    assert any(not any(p.withheld for p in w.phrases.values()) for w in withheld)


def test_pools_share_no_text():
    rng = np.random.default_rng(4)
    for root in WORDINGS.roots:
        texts = {
            pool: {normal(WORDINGS.sample(root, SLOTS, rng, pool).text) for _ in range(400)}
            for pool in ("train", "withheld")
        }
        assert texts["train"] & texts["withheld"] == set(), root


def test_a_prompt_belongs_to_one_task():
    rng = np.random.default_rng(5)
    owners: dict[str, set[str]] = defaultdict(set)
    for root in WORDINGS.roots:
        task = root.removeprefix("ask ").removeprefix("ask_on ")
        for _ in range(700):
            owners[normal(WORDINGS.sample(root, ONE, rng, "all").text)].add(task)
    assert {text: tasks for text, tasks in owners.items() if len(tasks) > 1} == {}


def test_no_symbol_says_one_thing_twice():
    """Alternatives that differ in marks and capitals alone would put one text into both pools."""
    for definition in read_source(sorted(GRAMMAR_FOLDER.glob("*.yaml"))).definitions.values():
        texts = [normal(str(a.text)) for a in definition.alternatives]
        assert len(texts) == len(set(texts)), definition.name


def test_verbs_follow_the_first_structure():
    rng = np.random.default_rng(6)
    one = {**SLOTS, "a": [Phrase("thalamus")]}
    many = {**SLOTS, "a": [Phrase("thalami", plural=True)]}
    texts = {
        key: " ".join(WORDINGS.sample("ask volume", slots, rng).text for _ in range(600))
        for key, slots in (("one", one), ("many", many))
    }
    assert re.search(r"how (big|large) is the thalamus", texts["one"], re.I)
    assert re.search(r"how (big|large) are the thalami", texts["many"], re.I)
    assert not re.search(
        r"how (big|large) (are the thalamus|is the thalami)\b", " ".join(texts.values()), re.I
    )


def test_questions_commands_and_key_words_all_occur():
    rng = np.random.default_rng(7)
    texts = [WORDINGS.sample("ask volume", ONE, rng, "train").text for _ in range(2000)]
    assert 0.2 < np.mean([t.endswith("?") for t in texts]) < 0.7
    assert any(len(t.split()) <= 2 for t in texts)
    assert any(" was " in t for t in texts)
    assert any(t.startswith("Please") for t in texts)


def test_errors_say_what_is_missing():
    rng = np.random.default_rng(8)
    with pytest.raises(ConfigError):
        WORDINGS.sample("ask volume", {}, rng)
    with pytest.raises(ConfigError):
        WORDINGS.sample("ask volume", {"a": [Phrase("x", withheld=True)]}, rng, "train")
    with pytest.raises(ConfigError):
        WORDINGS.sample("ask temperature", SLOTS, rng)


def test_a_tenth_of_the_synonyms_is_held_back():
    words = [f"word {i}" for i in range(30)]
    kept = held_back(words, "owner")
    assert len(kept) == 3
    assert held_back(list(reversed(words)), "owner") == kept
    assert held_back(words, "another") != kept
    assert held_back(words[:2], "owner") == frozenset()
    assert len(held_back(words[:3], "owner")) == 1


def edits(a: str, b: str) -> int:
    """Damerau–Levenshtein distance (adjacent swaps count one), by the table."""
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = int(a[i - 1] != b[j - 1])
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + cost)
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


def test_corruption_is_seeded_small_and_leaves_sides_alone():
    text = "Please measure the volume of the left hippocampus on the first FLAIR scan."
    seen = set()
    for seed in range(200):
        spoilt = corrupt(text, np.random.default_rng(seed), typing=0.0, typos=1.0)
        assert spoilt == corrupt(text, np.random.default_rng(seed), typing=0.0, typos=1.0)
        assert edits(text, spoilt) <= 2
        assert " left " in spoilt
        assert " first " in spoilt
        assert " FLAIR " in spoilt
        seen.add(spoilt)
    assert len(seen) > 60
    assert corrupt(text, np.random.default_rng(0), typing=0.0, typos=0.0) == text
    plain = corrupt(text, np.random.default_rng(0), typing=1.0, typos=0.0)
    assert plain == text.lower().rstrip(".")
    assert corrupt("", np.random.default_rng(0), typing=1.0, typos=1.0) == ""


def test_corruption_happens_as_often_as_it_should():
    text = "Segment the hippocampus."
    rng = np.random.default_rng(0)
    spoilt = [corrupt(text, rng) for _ in range(2000)]
    assert abs(np.mean([t == t.lower() for t in spoilt]) - 0.4) < 0.05
    assert abs(np.mean([t[-1] != "." for t in spoilt]) - 0.4) < 0.05
    assert abs(np.mean([normal(t) != normal(text) for t in spoilt]) - 0.15) < 0.04


def test_the_files_make_one_grammar_and_prompts_come_fast():
    assert Grammar(sorted(GRAMMAR_FOLDER.glob("*.yaml"))).roots == WORDINGS.roots
    rng = np.random.default_rng(0)
    started = time.process_time()
    for _ in range(1000):
        WORDINGS.sample("ask volume", SLOTS, rng, "train")
    assert time.process_time() - started < 1.0
