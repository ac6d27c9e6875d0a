"""From phantoms to answers: banks, features, questions, a batch learnt by heart, answers on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.errors import LayoutError
from sagittal.evaluation.mpllm.questions import fixed_questions, load_answers, put_questions, save_answers
from sagittal.evaluation.mpllm.tables import agreement_of_words, calibration, scored
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.language.wording import TYPES
from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.mpllm.reading import read_answer
from sagittal.models.mpllm.tasks import encoded, truth_of
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.nn.vit import ViT, ViTConfig
from sagittal.simulate import HeadSet, preset
from sagittal.train.mpllm import MpLLMTraining, freeze_encoder
from sagittal.train.short_questions import short_question
from sagittal.train.strays import strays
from sagittal.train.tumour_bank import BankPlan, TumourBank, make_bank
from sagittal.train.tumour_stream import (
    Asker,
    FeatureStore,
    StreamConfig,
    TumourStream,
    other_names,
    renamed,
)
from sagittal.train.voxel_labels import (
    LESION_CELL,
    LESIONS,
    VoxelLabels,
    VoxelLabelTraining,
    cell_shares,
    exposures,
    pooled_places,
)

SIZE = (8, 28, 24)
ENCODER = ViTConfig(size=SIZE, patch=(4, 14, 12), width=16, layers=1, heads=2, feed_forward=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bank")
    world = preset("gli").model_copy(update={"shape": (48, 56, 44), "spacing": (4.0, 4.0, 4.0)})
    make_bank(out, BankPlan(world, HeadSet.phantoms(), 5, 3, SIZE))
    return out


@pytest.fixture(scope="module")
def bank(folder: Path) -> TumourBank:
    return TumourBank([folder])


@pytest.fixture(scope="module")
def chat() -> OwnChat:
    wordings, rng = TumourWordings.load(), np.random.default_rng(0)
    texts = [t for _ in range(60) for t in (lambda w: (w.question, w.answer))(
        wordings.sample("in_scope", ("volume", "region"), rng))]  # fmt: skip
    return OwnChat(Tokenizer.train(texts, 400, CHAT_TOKENS))


def model(chat: OwnChat, **changes: object) -> VLM:
    torch.manual_seed(0)
    whole = mpllm_config("tiny", chat.tokenizer.size)
    return VLM(whole.model_copy(update={"encoder": ENCODER, "pooling": 1, **changes}))


def stream(bank: TumourBank, chat: OwnChat, made: VLM, path: Path, **changes: object) -> TumourStream:
    features = FeatureStore.make(made, bank, path / "features.pt")
    config = StreamConfig(**{"batch": 4, **changes})  # type: ignore[arg-type]
    return TumourStream(bank, features, chat, TumourWordings.load(), 7, told=True, config=config)


def test_a_bank_holds_what_is_true(bank: TumourBank) -> None:
    study = bank.load(0)
    assert study.images.shape == (4, *SIZE)
    assert study.maps.shape == SIZE
    assert study.regions.max() <= len(REGIONS)
    present = {label["label"] for label in study.labels if label["volume"] != "N/A"}
    assert bool(present) == bool(study.lesions.any())
    assert [label["label"] for label in study.labels] == ["NETC", "SNFH", "ET", "RC"]


def test_a_bank_is_kept_and_may_be_made_in_parts(folder: Path, tmp_path: Path) -> None:
    world = preset("gli").model_copy(update={"shape": (48, 56, 44), "spacing": (4.0, 4.0, 4.0)})
    plan = BankPlan(world, HeadSet.phantoms(), 5, 3, SIZE)
    for part in (1, 0):
        make_bank(tmp_path, plan, part=(part, 2))
    for name in ("images.npy", "maps.npy", "facts.json"):
        assert (tmp_path / "0000" / name).read_bytes() == (folder / "0000" / name).read_bytes()
    with pytest.raises(LayoutError, match="no studies"):
        TumourBank([tmp_path / "nowhere"])


def test_shares_of_cells_against_a_literal_count() -> None:
    codes = np.random.default_rng(0).integers(LESIONS, size=(4, 28, 24)).astype(np.uint8)
    patch = (4, 14, 12)
    shares = cell_shares(codes, LESIONS, patch, LESION_CELL)
    assert shares.shape == (1, 2, 2, 168, LESIONS)
    for j in range(2):
        for k in range(2):
            cell = 0
            for z in range(4):
                for y in range(0, 14, 2):
                    for x in range(0, 12, 2):
                        own = codes[z, 14 * j + y : 14 * j + y + 2, 12 * k + x : 12 * k + x + 2]
                        expected = np.bincount(own.ravel(), minlength=LESIONS) / 4
                        np.testing.assert_allclose(shares[0, j, k, cell], expected)
                        cell += 1


def test_pooled_places_against_a_literal_count() -> None:
    rng = np.random.default_rng(2)
    lesions = (rng.random((8, 28, 24)) < 0.02) * rng.integers(1, LESIONS, (8, 28, 24))
    regions = rng.integers(1 + len(REGIONS), size=(8, 28, 24))
    cell = (4, 14, 12)
    places, amounts = pooled_places(lesions.astype(np.uint8), regions.astype(np.uint8), cell)
    token = 0
    for z in (0, 4):
        for y in (0, 14):
            for x in (0, 12):
                own = (slice(z, z + 4), slice(y, y + 14), slice(x, x + 12))
                for label in range(1, LESIONS):
                    assert amounts[token, label - 1] == pytest.approx((lesions[own] == label).mean())
                    for region in range(1, 1 + len(REGIONS)):
                        there = ((lesions[own] == label) & (regions[own] == region)).any()
                        assert places[token, label - 1, region - 1] == there
                token += 1


def test_the_encoder_learns_a_batch_by_heart(bank: TumourBank) -> None:
    torch.manual_seed(1)
    module = VoxelLabels(ViT(ENCODER))
    training = VoxelLabelTraining(module, bank, bank, studies=2, seed=3)
    batch = training.batch(0)
    assert batch.images.shape == (8, 1, *SIZE)
    optimiser = torch.optim.Adam(module.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        loss = module.losses(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.4 * losses[0]
    with torch.no_grad():
        assert np.isfinite(training.scores()["score"])


def test_exposures_keep_zero_and_the_order() -> None:
    curves = exposures(np.random.default_rng(0), 50)
    assert (curves[:, 0] == 0).all()
    assert (np.diff(curves[:, 1:]) >= 0).all()
    assert curves.max() <= 1
    assert (curves[:, 1:] > 0).all()


def test_batches_follow_from_their_number(bank: TumourBank, chat: OwnChat, tmp_path: Path) -> None:
    made = model(chat)
    first = stream(bank, chat, made, tmp_path, missing=0.5)
    again = stream(bank, chat, made, tmp_path, missing=0.5)
    again.batch(3)
    for number in (9, 0):
        a, b = first.batch(number), again.batch(number)
        assert torch.equal(a[0].question.ids, b[0].question.ids)
        assert torch.equal(a[0].features.present, b[0].features.present)
        assert all(torch.equal(a[1][task], b[1][task]) for task in a[1])
    there = torch.cat([first.batch(n)[0].features.present for n in range(12)])
    assert there.any(dim=1).all()
    assert 0.2 < (~there.all(dim=1)).float().mean() < 0.8


def test_each_label_is_asked_the_protocols_questions(bank: TumourBank) -> None:
    asker, rng = Asker(TumourWordings.load()), np.random.default_rng(0)
    facts = bank.facts(0)["labels"][1]
    drawn = [asker.ask(rng, 0, facts) for _ in range(600)]
    kinds = [one.targets.kind for one in drawn]
    assert kinds.count("in_scope") == pytest.approx(400, abs=50)
    assert kinds.count("out_of_scope") == pytest.approx(100, abs=35)
    given = Asker(TumourWordings.load(), region_given=True).ask(rng, 0, facts)
    assert ", ".join(given.targets.regions) in given.question


def test_labels_have_other_names_in_questions_alone(bank: TumourBank, chat: OwnChat, tmp_path: Path) -> None:
    asker, rng = Asker(TumourWordings.load()), np.random.default_rng(0)
    facts = bank.facts(0)["labels"][2]
    asked = asker.ask(rng, 0, facts)
    made = renamed(asked, "enhancing rim")
    assert "enhancing rim" in made.question
    assert "Enhancing Tissue" not in made.question
    assert (made.answer, made.truth) == (asked.answer, asked.truth)
    for label in ("NETC", "SNFH", "ET", "RC"):
        assert not set(other_names("train")[label]) & set(other_names("test")[label])
    drawn = stream(bank, chat, model(chat), tmp_path, renamed=1.0, stray=0.2)._draw(0)
    questions = [one for batch in drawn for one in batch]
    assert not any("Enhancing Tissue" in one.question for one in questions)
    strays = [one for one in questions if not one.truth.classes and one.answer in _declined()]
    assert 0 < len(strays) < len(questions) / 2


def test_words_may_be_told_and_say_what_another_study_has(
    bank: TumourBank, chat: OwnChat, tmp_path: Path
) -> None:
    made = stream(bank, chat, model(chat), tmp_path, other=0.5, untold=1.0)
    both = [one for number in range(4) for batch in made._draw(number) for one in batch]
    other = [one for one in both if one.other is not None]
    assert len(other) / len(both) == pytest.approx(0.5, abs=0.15)
    assert any(one.other != one.truth for one in other)
    for one in other:
        own = bank.facts(one.study)["labels"]
        facts = next(f for f in own if f["label"] == one.targets.label)
        assert one.truth == truth_of(facts, one.targets.asked, beyond=one.targets.out_of_scope)
        assert read_answer(one.answer, one.targets.asked) == one.other
    turn, targets = made.turn(
        other[:1] + [one for one in both if one.other is None][:1], np.random.default_rng(0)
    )
    told = torch.cat(list(encoded([other[0].other]).values()), dim=-1)[0]
    assert torch.equal(turn.chosen, torch.stack([told, torch.zeros_like(told)]))
    assert all(torch.equal(v[0], encoded([other[0].truth])[k][0]) for k, v in targets.items())


def test_short_questions_ask_the_same(bank: TumourBank, chat: OwnChat, tmp_path: Path) -> None:
    made = stream(bank, chat, model(chat), tmp_path, short=1.0, renamed=1.0)
    asked = [one for batch in made._draw(0) for one in batch if one.targets.kind == "in_scope"]
    assert asked
    for one in asked:
        assert len(one.question.split()) <= 8 + 6 * len(one.targets.asked)
        assert "{" not in one.question
        assert any(name in one.question for name in other_names("train")[one.targets.label])
        assert read_answer(one.answer, one.targets.asked) == one.truth
    rng = np.random.default_rng(0)
    drawn = {
        part: {short_question(rng, tasks, "ET", part) for tasks in TYPES for _ in range(60)}
        for part in ("train", "test")
    }
    assert not drawn["train"] & drawn["test"]
    assert len(drawn["train"]) > 300
    assert not drawn["test"] & set(strays("test").all())


def _declined() -> set[str]:
    return set(strays("train").answers)


def test_a_batch_is_learnt_by_heart_and_answered(bank: TumourBank, chat: OwnChat, tmp_path: Path) -> None:
    made = model(chat)
    freeze_encoder(made)
    training = MpLLMTraining(made, stream(bank, chat, made, tmp_path, untold=0.0), stream(
        bank, chat, made, tmp_path), checks=1, half=False)  # fmt: skip
    optimiser = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 5e-3)
    losses = []
    for _ in range(60):
        found = training.loss(0)
        torch.testing.assert_close(
            found["loss"], sum(v for k, v in found.items() if k != "loss"), msg="Eq. 2 is a plain sum"
        )
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
        losses.append(float(found["loss"].detach()))
    assert losses[-1] < 0.4 * losses[0]
    assert {"score", "val words", "volume right"} <= set(training.scores())


@pytest.mark.parametrize("heads", [True, False])
def test_answers_come_back_from_their_file(
    bank: TumourBank, chat: OwnChat, tmp_path: Path, heads: bool
) -> None:
    made = model(chat, **({} if heads else {"heads": (), "told": False})).eval()
    features = FeatureStore.make(made, bank, tmp_path / "features.pt")
    asked = fixed_questions(bank, TumourWordings.load(), "withheld")
    assert len(asked) == 6 * 4 * len(bank)
    assert [one.question for one in fixed_questions(bank, TumourWordings.load(), "withheld")] == [
        one.question for one in asked
    ]
    answers = put_questions(made, chat, features, bank, asked[:16], words=True, batch=6)
    save_answers(tmp_path / "answers.jsonl", answers)
    assert load_answers(tmp_path / "answers.jsonl") == answers
    assert [one.question for one in answers] == [one.question for one in asked[:16]]
    assert len({one.id for one in answers}) == 16
    figures = scored([answers]).figures()
    assert 0 <= figures["mean"].value <= 1
    if heads:
        assert 0 <= agreement_of_words(answers)["scope"] <= 1
        assert calibration(answers)["region"].count > 0
        assert sum(answers[0].probabilities["volume"].values()) == pytest.approx(1, abs=1e-3)
