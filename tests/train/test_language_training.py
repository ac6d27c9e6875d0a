"""Words to learn from: the pool, the stream, the tokenizer, and a tiny model that learns a batch by heart."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.builders.voxel_tasks import REASONS
from sagittal.errors import FileFormatError, InputError, IntegrityError, StorageError
from sagittal.language.tokenizer import MOD, Tokenizer
from sagittal.language.voxel_wordings import Phrase, Prompt
from sagittal.models.voxelprompt import Scribe, VoxelPrompt, VoxelPromptConfig
from sagittal.models.voxelprompt.conversation import NO_TARGET
from sagittal.models.voxelprompt.scaffold import slots
from sagittal.simulate import HeadSet
from sagittal.train.alignment import align
from sagittal.train.language import LanguageTraining, LanguageTrainingConfig
from sagittal.train.language_check import check
from sagittal.train.language_pool import Item, PoolConfig, make_pool, read_pool
from sagittal.train.language_stream import (
    LanguageStream,
    conversation,
    grid,
    known_phrases,
    reserved,
    withheld_phrases,
)
from sagittal.train.language_tokenizer import train_tokenizer
from sagittal.train.language_writing import write_programs

CONFIG = PoolConfig(groups=5, each=16, spacing_mm=7.0, worlds=("gli", "growth", "wmh"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pool(tmp_path_factory.mktemp("language") / "pool", HeadSet.phantoms(1, 5.0), CONFIG, 4)


@pytest.fixture(scope="module")
def items(folder: Path) -> tuple[Item, ...]:
    return read_pool(folder)


@pytest.fixture(scope="module")
def tokenizer(items: tuple[Item, ...]) -> Tokenizer:
    return train_tokenizer(items, 0, size=512, count=300)


@pytest.fixture
def stream(items: tuple[Item, ...], tokenizer: Tokenizer) -> LanguageStream:
    return LanguageStream(items, Scribe(tokenizer), 7)


def test_the_pool_holds_what_was_asked_for(items):
    assert Counter(item.group for item in items) == dict.fromkeys(range(5), 16)
    assert {item.group for item in items if item.for_tests} == {0}
    for item in items:
        assert len(item.feedback) == len(item.programs) - 1
        assert bool(item.reason) == ("abstain(" in item.programs[0])
        assert not item.reason or item.reason in REASONS
        names = [image.name for image in item.images]
        assert len(set(names)) == len(names)
        used = set(re.findall(r"encode\(([^)]*)\)", "\n".join(item.programs)))
        assert {name for group in used for name in group.split(", ")} <= set(names)
    assert any(max(image.visit for image in item.images) > 0 for item in items)


def test_the_same_seed_makes_the_same_pool(folder, items, tmp_path):
    small = CONFIG.model_copy(update={"groups": 2})
    again = make_pool(tmp_path / "again", HeadSet.phantoms(1, 5.0), small, 4)
    assert read_pool(again) == tuple(item for item in items if item.group < 2)
    with pytest.raises(StorageError):
        make_pool(folder, HeadSet.phantoms(1, 5.0), small, 4)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", IntegrityError),
        ("{}\n", FileFormatError),
        ("[1]\n", FileFormatError),
        ('{"slots": {"a": 99999}, "images": []}\n', FileFormatError),
        ("not json\n", FileFormatError),
    ],
)
def test_a_damaged_pool_is_an_error(folder, tmp_path, text, error):
    (tmp_path / "phrases.json").write_text((folder / "phrases.json").read_text())
    (tmp_path / "conversations.jsonl").write_text(text)
    with pytest.raises(error):
        read_pool(tmp_path)


def test_a_pool_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(StorageError):
        read_pool(tmp_path / "nowhere")


# -- the stream ----------------------------------------------------------------------------------


def texts(scripts):
    return [script.conversation.question for script in scripts]


@pytest.fixture(scope="module")
def told(items, tokenizer):
    """What 900 conversations of training are about, from a pool where all that it looks for is rare."""
    [first, *_] = (i for i in items if i.task == "volume" and not i.for_tests)
    plain = replace(first, root="ask volume", slots={"a": [Phrase(w) for w in "abcd"]}, structures=("pons",))
    usual = replace(plain, structures=("brain",), slots={"a": [Phrase("brain")]})
    pair = replace(
        plain, task="ratio", root="ask ratio", structures=("pons", "brain"),
        slots={"a": [Phrase("x")], "b": [Phrase("y")]},
    )  # fmt: skip
    stream = LanguageStream([plain] * 98 + [usual, pair], Scribe(tokenizer), 3)
    drawn = [stream._draw(stream.train, "train", np.random.default_rng(n)) for n in range(900)]
    return [d.item.structures for d in drawn]


@pytest.mark.parametrize(
    ("structures", "share"), [(("brain",), 0.1), (("pons", "brain"), 0.9 * 0.2), (("pons",), 0.9 * 0.8)]
)
def test_pairs_and_what_is_asked_most_come_at_least_so_often(told, structures, share):
    found = told.count(structures) / len(told)
    assert found == pytest.approx(share, abs=4 * (share * (1 - share) / len(told)) ** 0.5)


def test_half_of_the_questions_are_whole_sentences(items, tokenizer, monkeypatch):
    stream, said = LanguageStream(items, Scribe(tokenizer), 3), []
    for name in ("sample", "spoken"):
        monkeypatch.setattr(
            stream._wordings, name,
            lambda *given, name=name: said.append(name) or Prompt("what size", False, {}),
        )  # fmt: skip
    item = next(i for i in items if i.task == "volume")
    for n in range(400):
        stream._question(item, "train", np.random.default_rng(n))
    assert said.count("spoken") / len(said) == pytest.approx(0.5, abs=0.1)
    for kind, name in (("clean", "sample"), ("withheld", "sample"), ("spoken", "spoken")):
        said.clear()
        monkeypatch.setattr("sagittal.train.language_stream.reserved", lambda _: True)
        stream._question(item, kind, np.random.default_rng(0))
        assert set(said) == {name}


def test_first_names_come_more_often_than_the_others(items, tokenizer, monkeypatch):
    stream, offered = LanguageStream(items, Scribe(tokenizer), 3), []

    def sample(root, slots, *rest):
        offered.append(len(slots["a"]))
        return Prompt("what size", False, {})

    for name in ("sample", "spoken"):
        monkeypatch.setattr(stream._wordings, name, sample)
    item = replace(next(i for i in items if i.task == "volume"), slots={"a": [Phrase(w) for w in "abcd"]})
    for n in range(400):
        stream._question(item, "train", np.random.default_rng(n))
    assert set(offered) == {2, 4} and offered.count(2) / len(offered) == pytest.approx(0.3, abs=0.1)


def test_a_batch_is_a_function_of_its_number(items, tokenizer, stream):
    # A run that was cut off asks for a later batch first.
    later = texts(stream.batch(9, 4))
    first = texts(stream.batch(0, 4))
    other = LanguageStream(items, Scribe(tokenizer), 7)
    assert texts(other.batch(0, 4)) == first
    assert texts(other.batch(9, 4)) == later
    assert first != later
    assert texts(LanguageStream(items, Scribe(tokenizer), 8).batch(0, 4)) != first


def test_first_lines_are_the_beginning_of_a_conversation(items, tokenizer):
    stream = LanguageStream(items, Scribe(tokenizer), 7, first_lines=0.5)
    scripts = [script for number in range(30) for script in stream.batch(number, 4)]
    cut = [s for s in scripts if "\n" not in s.conversation.steps[0].program]
    assert 0.35 < len(cut) / len(scripts) < 0.65
    lines = {item.programs[0].split("\n")[0] for item in items if not item.for_tests}
    for script in cut:
        [step], [chunk], [_] = script.conversation.steps, script.chunks, script.conversation.scans
        assert step.program in lines
        learnt = [t for t in chunk.targets if t != NO_TARGET]
        # To the last letter, and not that the program would end there.
        assert tokenizer.decode(learnt) == step.program and chunk.targets[-1] == chunk.ids[-1]
    whole = LanguageStream(items, Scribe(tokenizer), 7, first_lines=0.5).validation("typed", 20)
    assert all("\n" in d.script.conversation.steps[0].program for d in whole)


def test_texts_do_not_repeat_and_programs_stay_those_of_the_pool(items, stream):
    scripts = [script for number in range(40) for script in stream.batch(number, 5)]
    longer = [text for text in texts(scripts) if len(text) > 25]
    assert len(set(longer)) > 0.98 * len(longer)
    known = {item.programs for item in items if not item.for_tests}
    for script in scripts:
        assert tuple(step.program for step in script.conversation.steps) in known
        assert all(scan.data is None for scan in script.conversation.scans)


def test_batches_of_a_block_hold_conversations_of_like_length(stream):
    lengths = [[sum(len(c.ids) for c in s.chunks) for s in stream.batch(number, 6)] for number in range(8)]
    spread = np.mean([max(own) - min(own) for own in lengths])
    assert spread < (max(map(max, lengths)) - min(map(min, lengths))) / 2


def test_validation_shares_neither_patients_nor_words_with_training(items, stream):
    trained = {script.conversation.question for number in range(30) for script in stream.batch(number, 5)}
    for kind in ("clean", "typed", "withheld"):
        drawn = stream.validation(kind, 40)
        assert {d.item.group for d in drawn} == {0}
        assert not {d.script.conversation.question for d in drawn} & trained
        assert all(d.script.conversation.cuts == () for d in drawn)
        again = stream.validation(kind, 40)
        assert [d.script.conversation.question for d in again] == [
            d.script.conversation.question for d in drawn
        ]
    assert all(reserved(d.script.conversation.question) for d in stream.validation("clean", 40))


def test_a_twentieth_of_all_wordings_is_reserved_whatever_their_case_and_marks():
    share = np.mean([reserved(f"question number {n}") for n in range(4000)])
    assert 0.03 < share < 0.07
    for n in range(50):
        assert reserved(f"What about {n}?") == reserved(f"what about {n}")


def test_nothing_withheld_is_drawn(items, stream):
    # Of two words or more: a single one may turn up in another sense.
    kept = [phrase for phrase in withheld_phrases() if " " in phrase]
    assert len(kept) > 50
    assert withheld_phrases() < known_phrases()
    for number in range(40):
        for script in stream.batch(number, 5):
            words = script.conversation
            if "abstain(" in words.steps[0].program:
                continue
            found = [p for p in kept if f" {p} " in f" {words.question.lower()} "]
            # A longer phrase may hold a shorter one that is withheld elsewhere.
            known = [p for p in known_phrases() - withheld_phrases() if p in words.question.lower()]
            assert not [p for p in found if not any(p in longer for longer in known)], words.question


def test_grids_are_of_all_sorts_and_words_follow_them(items):
    rng = np.random.default_rng(0)
    grids = [grid(rng) for _ in range(200)]
    assert len({g.orientation for g in grids}) > 10
    assert {g.slice_axis for g in grids} == {0, 1, 2}
    item = next(i for i in items if len(i.images) > 1)
    lines = {s.words for _ in range(30) for s in conversation(item, "How?", (), rng).scans}
    assert any("slices" in line for line in lines)
    assert any("3D" in line for line in lines)
    dated = [line for line in lines if re.search(r"\d{4}-\d\d-\d\d", line)]
    assert 0.2 < len(dated) / len(lines) < 0.8
    for given, scan in zip(item.images, conversation(item, "How?", (), rng).scans, strict=True):
        assert scan.words.startswith(f"{given.name} = {given.kind}, session {given.visit + 1} of ")
        assert scan.kind == given.kind


# -- tokenizer, learning, writing ----------------------------------------------------------------


def test_the_tokenizer_is_a_function_of_pool_and_seed(items, tokenizer):
    assert train_tokenizer(items, 0, size=512, count=300).to_json() == tokenizer.to_json()
    assert tokenizer.size == 512
    for text in ("segment the hipocampus", "Größe? 海马", " f = encode(t1)\nread(f)"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.fixture(scope="module")
def learnt(items, tokenizer) -> tuple[LanguageTraining, list]:
    """A tiny model that knows one batch by heart."""
    torch.manual_seed(0)
    model = VoxelPrompt(VoxelPromptConfig.preset("tiny", vocabulary=tokenizer.size)).train()
    stream = LanguageStream(items, Scribe(tokenizer), 1)
    drawn = sorted(
        (s for n in range(8) for s in stream.batch(n, 4)), key=lambda s: len(s.joined().chunks[0].ids)
    )
    answered = [s for s in drawn if len(s.chunks) > 1][:2]
    refused = [s for s in drawn if len(s.chunks) == 1][:2]
    scripts = [*answered, *refused]
    training = LanguageTraining(model, stream, LanguageTrainingConfig(batch=4, validation=6, half=False))
    optimiser = torch.optim.Adam(training.module.parameters(), 3e-3)
    for _ in range(250):
        losses = model(scripts, codes=True)
        optimiser.zero_grad()
        (losses.total + 3 * losses.codes).backward()
        optimiser.step()
    model.eval()
    return training, scripts


def test_a_batch_is_learnt_by_heart_programs_and_codes(learnt, tokenizer):
    training, scripts = learnt
    checks = check(training.model, tokenizer, scripts)
    assert [c.exact for c in checks] == [True] * 4
    assert [c.abstains for c in checks] == [False, False, True, True]
    assert all(all(c.codes) for c in checks)
    assert [len(c.codes) > 0 for c in checks] == [True, True, False, False]


def test_exact_by_teacher_forcing_is_what_greedy_decoding_writes(learnt, tokenizer):
    training, scripts = learnt
    model = training.model
    written = write_programs(model, tokenizer, scripts)
    for script, own in zip(scripts, written, strict=True):
        assert own == tuple(step.program for step in script.conversation.steps)
    # Conversations that it does not know: both ways agree there, too, and in batches of any size.
    new = [d.script for d in training.stream.validation("clean", 10)]
    found = write_programs(model, tokenizer, new, size=3)
    assert found == write_programs(model, tokenizer, new, size=10)
    checks = check(model, tokenizer, new, size=4)
    begins = tokenizer.decode(tokenizer.encode("abstain")[:1])
    followed = 0
    for script, own, one in zip(
        [*new, *scripts], [*found, *written], [*checks, *check(model, tokenizer, scripts)], strict=True
    ):
        true = tuple(step.program for step in script.conversation.steps)
        assert (own == true) == one.exact
        first, _, rest = own[0].partition("\n")
        # Only where the line before it is the true one do both ways go on from the same words.
        if first == true[0].partition("\n")[0]:
            # A small tokenizer cuts the word: how it begins is what counts.
            assert rest.startswith(begins) == one.abstains
            followed += 1
    assert followed >= len(scripts)


def test_a_program_with_a_mark_too_few_is_not_the_true_one(learnt, tokenizer):
    training, scripts = learnt
    mod = tokenizer.special(MOD)
    chunk = scripts[0].chunks[0]
    place = chunk.ids.index(mod)
    # As if the truth had one mark less.
    ids = [*chunk.ids[:place], *chunk.ids[place + 2 :]]
    targets = [*chunk.targets[:place], *chunk.targets[place + 2 :]]
    changed = replace(scripts[0], chunks=(replace(chunk, ids=ids, targets=targets),))
    (written,) = write_programs(training.model, tokenizer, [changed])
    assert MOD in written[0]


def test_each_token_counts_alike_whatever_the_conversation(learnt):
    training, _ = learnt
    model, size = training.model, training.config.batch
    with torch.no_grad():
        found = training.loss(5)
        total, tokens = 0.0, 0
        for script in training.stream.batch(5, size):
            count = sum(t != NO_TARGET for chunk in script.chunks for t in chunk.targets)
            total += float(model([script]).text[0]) * count
            tokens += count
    assert float(found["text"]) == pytest.approx(total / tokens, rel=1e-4)
    assert float(found["loss"] - found["codes"]) == pytest.approx(total / (72 * size), rel=1e-4)


def test_loss_and_scores_name_their_terms(learnt):
    training, _ = learnt
    terms = training.loss(3)
    assert set(terms) == {"loss", "text", "exact", "codes"}
    scores = training.scores()
    # What is withheld chooses nothing.
    assert scores["score"] == pytest.approx((scores["clean exact"] + scores["typed exact"]) / 2)
    for kind in ("clean", "typed", "withheld"):
        for name in ("exact", "answerable exact", "codes", "abstain precision", "abstain recall"):
            assert 0 <= scores[f"{kind} {name}"] <= 1
    # Vision is left alone.
    learning = {id(p) for p in training.module.parameters()}
    assert not learning & {id(p) for p in training.model.encoder.parameters()}
    assert json.dumps(scores)


def test_other_codes_are_learnt_by_solving_one_layer(learnt):
    training, scripts = learnt
    model = copy.deepcopy(training.model)
    names = {
        name for script in scripts for name in slots(script.joined(), script.joined().chunks[0], 16).names
    }
    generator = torch.Generator().manual_seed(0)
    wanted = {name: 2 * torch.randn(16, generator=generator) for name in sorted(names)}
    error = align(model, scripts, wanted)
    assert error < 0.1
    before = model.state_dict()
    # Once more changes nothing, and names that are not wanted do not matter.
    assert align(model, scripts, wanted, size=1) == pytest.approx(error, rel=0.05)
    assert all(torch.equal(before[k], v) for k, v in training.model.state_dict().items() if "to_phi" not in k)
    with pytest.raises(InputError, match="No script"):
        align(model, scripts, {"no such name": torch.zeros(16)})
