"""Whole questions as people would put them: sound, for every task, and free of what is kept for tests."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sagittal.builders.voxel.structures import structure_table
from sagittal.errors import ConfigError
from sagittal.language.grammar_source import read_source
from sagittal.language.voxel_wordings import GRAMMAR_FOLDER, SPOKEN_FOLDER, Phrase, VoxelWordings
from sagittal.language.withholding import withheld_alternatives

WORDINGS = VoxelWordings.load()
SOURCE = read_source(sorted(SPOKEN_FOLDER.glob("*.yaml")))
SENTENCES = {name: [str(a.text) for a in d.alternatives] for name, d in SOURCE.definitions.items()}
VERBS = {"is", "was", "does", "has", "an"}
PAIRS = {"difference", "ratio", "larger", "distance", "share_of", "target near", "target nearest"}
DECLINED = {"treatment", "prognosis", "diagnosis"}
SLOTS = {
    "a": [Phrase("left thalamus"), Phrase("thalami", plural=True)], "b": [Phrase("putamen")],
    "seq": [Phrase("FLAIR")], "scan": [Phrase("on the last scan")], "lobe": [Phrase("insula")],
}  # fmt: skip


def wanted(root: str) -> set[str]:
    """Slots of a root's sentences."""
    if root in ("off_topic", "not_understood"):
        return set()
    task = root.removeprefix("ask_on ").removeprefix("ask ")
    slots = {"b"} if task in PAIRS else set()
    slots |= {"seq"} if task.endswith(" seq") or task in ("target bright", "target dark") else set()
    slots |= {"lobe"} if task == "target lobe" else set()
    slots |= {"a"} if task != "parts" else set()
    return slots | ({"scan"} if root.startswith("ask_on") else set())


def test_there_are_sentences_for_whatever_can_be_asked():
    assert set(SENTENCES) == set(WORDINGS.roots) == {str(r) for r in SOURCE.roots}
    assert min(map(len, SENTENCES.values())) >= 10 and sum(map(len, SENTENCES.values())) > 4_000


@pytest.mark.parametrize("root", sorted(SENTENCES))
def test_slots_are_those_of_the_task_each_once(root):
    for text in SENTENCES[root]:
        slots = [s for s in re.findall(r"\{(\w+)\}", text) if s not in VERBS]
        assert len(slots) == len(set(slots)), text
        assert set(slots) == wanted(root) or (root in DECLINED and not slots), text
    assert len(set(SENTENCES[root])) == len(SENTENCES[root])


def test_no_sentence_holds_what_the_grammar_keeps_for_tests():
    table, definitions = structure_table(), read_source(sorted(GRAMMAR_FOLDER.glob("*.yaml"))).definitions
    held = {
        text.lower()
        for definition in definitions.values()
        for text in withheld_alternatives(definition, is_template=False)
        if not set(text) & set("<{")
    }
    held |= {p.text.lower() for s in table.structures.values() for p in s.plain if p.withheld}
    held |= {p.text.lower() for q in table.sequences.values() for p in q.phrases if p.withheld}
    words = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, sorted(held)))})(?![a-z0-9])")
    for sentences in SENTENCES.values():
        for text in sentences:
            letters = re.sub(r"[^a-z0-9{}' -]", " ", text.lower())
            assert words.search(letters) is None, text


@pytest.mark.parametrize("root", sorted(SENTENCES))
def test_sentences_are_filled_and_a_tenth_is_withheld(root):
    rng = np.random.default_rng(3)
    for pool in ("train", "withheld"):
        for _ in range(10):
            found = WORDINGS.spoken(root, SLOTS, rng, pool)
            assert found.withheld == (pool == "withheld") and not set(found.text) & set("{}")
    texts = [{WORDINGS.spoken(root, {s: w[:1] for s, w in SLOTS.items()}, rng, pool).text
              for _ in range(300)} for pool in ("train", "withheld")]  # fmt: skip
    assert not texts[0] & texts[1]
    assert len(texts[1]) == pytest.approx(0.1 * len(SENTENCES[root]), abs=1)


def test_an_unknown_root_is_refused():
    with pytest.raises(ConfigError):
        WORDINGS.spoken("ask nothing", SLOTS, np.random.default_rng(0))
