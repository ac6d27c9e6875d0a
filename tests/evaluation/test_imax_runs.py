"""Runs of IMAX's comparison on a made-up pool: every arm and connector, resumed, and the Fisher violins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from chest_pool import pool
from sagittal.errors import IntegrityError
from sagittal.evaluation.imax import fisher, runs, variants
from sagittal.evaluation.imax.page import comparison_lines
from sagittal.evaluation.imax.runs import Comparison, answers_of
from sagittal.evaluation.imax.variants import CONNECTORS, EPOCHS, SEEDS, Stage, loop_of
from sagittal.io.films.names import FINDINGS
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.imax import imax_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.config import VLMConfig
from sagittal.models.vlm.model import VLM
from sagittal.train import film_answers, imax_stage
from sagittal.train.imax_stage import BATCH, Ground, begun
from sagittal.train.loop import LoopConfig


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """Six steps of training of tiny models, and answers of a few tokens."""

    def short(stage: Stage, entries: int, pool: str = "") -> LoopConfig:
        return LoopConfig(steps=6, warm_up=1, mean_over=1, save_every=6, score_every=6, report_every=6)

    def tiny(size: str, vocabulary: int, *, lora: bool = True) -> VLMConfig:
        return imax_config("tiny", vocabulary, lora=lora)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "imax_config", tiny)
        patch.setattr(imax_stage, "imax_config", tiny)
        patch.setattr(runs, "loop_of", short)
        patch.setattr(fisher, "loop_of", short)
        patch.setattr(film_answers, "LONGEST", 6)
        patch.setattr(runs, "TEST_FILMS", {"simulated": 3})
        patch.setattr(fisher, "GROUPS", 1)
        yield


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory, patched: None) -> Comparison:
    folder = tmp_path_factory.mktemp("imax")
    pool(folder / "pool", 80)
    words = [text for one in FINDINGS for text in (one, "the film shows no heart and <12><34>")]
    chat = OwnChat(Tokenizer.train(words, 330, CHAT_TOKENS))
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", chat.size, lora=False))
    parts = (dict(part.state_dict()) for part in (model.language, model.encoder))
    ground = Ground(folder, folder / "features", chat, *parts)
    return Comparison("simulated", ground, folder / "pool", ("pool",), folder / "work")


def silent(line: str) -> None:
    pass


def test_seeds_draw_their_films_and_share_the_test(on: Comparison) -> None:
    first, second = ({one.study for one in on.examples(seed, "imax")} for seed in SEEDS[:2])
    assert first != second
    tests = [(on.sets(seed) / "chosen.json").read_text("utf-8") for seed in SEEDS[:2]]
    assert json.loads(tests[0])["sets"]["test"]["films"] == json.loads(tests[1])["sets"]["test"]["films"]
    held = {one.patient for one in on.test}
    for arm in ("imax", "dmax"):
        assert not held & {one.patient for seed in SEEDS[:2] for one in on.examples(seed, arm)}


def test_every_stage_passes_over_its_entries() -> None:
    for stage, epochs in EPOCHS.items():
        assert loop_of(stage, 800).steps == round(epochs * 800 / BATCH)
        assert loop_of(stage, 800).warm_up == loop_of(stage, 800).steps // 10
    assert loop_of("longer", 800, "real").steps == round(7 * 800 / BATCH)
    assert loop_of("longer", 800, "simulated").steps == round(9 * 800 / BATCH)


def test_an_arm_is_asked_once(on: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = answers_of(on, "mlp", "pseudo", SEEDS[0], silent)
    assert [one.id for one in answers] == [one.id for one in on.test]
    assert {one.conditions for one in answers} == {answers[0].conditions}
    folder = on.work / f"mlp-{SEEDS[0]}-pseudo"
    assert (folder / "pretrain" / "last.pt").exists() and (folder / "finetune" / "last.pt").exists()
    monkeypatch.setattr(runs, "trained", None)
    assert answers_of(on, "mlp", "pseudo", SEEDS[0], silent) == answers


def test_a_folder_of_another_run_is_refused(on: Comparison) -> None:
    answers_of(on, "mlp", "dmax", SEEDS[0], silent)
    path = on.work / f"mlp-{SEEDS[0]}-dmax" / "manifest.json"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"arm": "dmax"', '"arm": "imax"'), "utf-8")
    with pytest.raises(IntegrityError, match="another run"):
        answers_of(on, "mlp", "dmax", SEEDS[0], silent)
    path.write_text(text, "utf-8")


@pytest.mark.parametrize("connector", [name for name in CONNECTORS if name != "mlp"])
def test_every_connector_learns_and_answers(on: Comparison, connector: str) -> None:
    assert len(answers_of(on, connector, "imax", SEEDS[0], silent)) == len(on.test)


def test_experts_begin_as_the_dense_model(on: Comparison) -> None:
    torch.manual_seed(0)
    dense = begun(on.ground, CONNECTORS["mlp"].config(on.ground.chat.size)).eval()
    experts = begun(on.ground, CONNECTORS["feed-forward"].config(on.ground.chat.size)).eval()
    experts.projector.load_state_dict(dense.projector.state_dict())
    stream = on.stream(dense, on.test, 0)
    with torch.no_grad():
        one, other = (model(stream.turn([0, 1])).logits for model in (dense, experts))
    assert torch.allclose(one, other, atol=1e-4)


def test_violins_go_forwards_and_are_kept(on: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fisher.violins(on, SEEDS[0], silent)
    assert [(one.arm, one.moment, one.common) for one in found] == [
        (arm, moment, common)
        for arm in ("dmax", "imax")
        for moment, common in (
            ("initial", False), ("early", False), ("mid", False), ("late", False), ("late", True)
        )
    ]  # fmt: skip
    for one in found:
        assert len(one.entropy) == len(one.rho) == 1
        assert 0 <= one.entropy[0] <= np.log(32) and 0 < one.rho[0] <= 1
        # Two linear layers of the connector; embeddings, two blocks of seven matrices and two norms, a norm.
        assert one.layers == 2 + 1 + 2 * 9 + 1
    # As Figure 5 has it: the models of one moment differ, so do the samples.
    assert len({one.entropy for one in found}) == len(found)
    monkeypatch.setattr(fisher, "batched_gradients", None)
    assert fisher.violins(on, SEEDS[0], silent) == found


def test_the_likelihood_is_the_sum_over_the_answer(on: Comparison) -> None:
    model = begun(on.ground).eval()
    stream = on.stream(model, on.test, 0)
    turn = stream.turn([0])
    with torch.no_grad():
        logits: Tensor = model(turn).logits[0].log_softmax(dim=-1)
        found, _ = fisher._likelihoods(model, stream)([0, 1])
    ids = turn.answer.ids[0].tolist()
    assert float(found) == pytest.approx(
        sum(float(logits[n, token]) for n, token in enumerate(ids)), rel=1e-4
    )


def test_the_page(on: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("sacrebleu", "rouge_score", "nltk"):
        pytest.importorskip(module)
    few = {"simulated": {"mlp": ("dmax", "imax", "pseudo", "longer"), "linear": ("dmax", "imax")}}
    monkeypatch.setattr("sagittal.evaluation.imax.page.RUNS", few)
    monkeypatch.setattr("sagittal.evaluation.imax.page.SEEDS", SEEDS[:1])
    monkeypatch.setattr("sagittal.evaluation.imax.page.seeds_of", lambda connector: SEEDS[:1])
    text = "\n".join(comparison_lines([on], tmp_path, silent))
    for piece in ("IMAX over DMAX: Δ", "Answers that could not be read", "linear projection", "Figure 5"):
        assert piece in text
    assert (tmp_path / "fisher.png").stat().st_size > 10_000
