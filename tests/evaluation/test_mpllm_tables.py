"""Tables, pictures and variants of mpLLM from answers that were made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.evaluation.mpllm.learning import learning_lines
from sagittal.evaluation.mpllm.paper import BY_FINDING, BY_TASK, MEANS, TABLE_1
from sagittal.evaluation.mpllm.pictures import (
    canonical_prompts,
    correlations,
    draw_heatmap,
    draw_reliability,
    router_weights,
    within_and_between,
)
from sagittal.evaluation.mpllm.questions import Answered
from sagittal.evaluation.mpllm.real import reference_labels
from sagittal.evaluation.mpllm.tables import (
    agreement_of_words,
    calibration,
    finding_table,
    mean_table,
    scope_table,
    table_1,
    task_table,
)
from sagittal.evaluation.mpllm.variants import RUNS, SEEDS, VARIANTS, all_runs
from sagittal.geometry import Geometry
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.mpllm.tasks import HEADS
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.score.descriptors import TASKS, Told
from sagittal.study import Mask
from sagittal.train.curve import Curve

ALL = Told({"volume": ("<1%",), "region": ("frontal",), "shape": ("round",), "spread": ("single lesion",)})
WRONG = Told({"volume": ("1-5%",), "region": ("insula",), "shape": ("oval",), "spread": ("N/A",)})


def answers(right: float, seed: int, heads: bool = True, words: bool = True) -> list[Answered]:
    rng = np.random.default_rng(seed)
    made = []
    for study in range(12):
        for label in ("NETC", "SNFH", "ET", "RC"):
            said = ALL if rng.random() < right else WRONG
            sure = {head.name: dict.fromkeys(head.classes, 0.0) for head in HEADS}
            for task in TASKS:
                sure[task][said.classes[task][0]] = 0.9
            made.append(
                Answered(
                    f"{study}/{label}", f"s{study}", label, "in_scope", TASKS, ALL, said if heads else None,
                    sure if heads else {}, "?", "words" if words else None, said if words else None,
                )
            )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def runs():
    return {
        world: {
            name: [
                answers(0.9 if name == "full" else 0.4, seed, VARIANTS[name].heads, VARIANTS[name].spoken)
                for seed in SEEDS
            ]
            for name in names
        }
        for world, names in RUNS.items()
    }


def test_table_1_has_ours_and_the_papers(runs) -> None:
    lines = table_1(runs)
    assert sum("(its words)" in line for line in lines) == 5
    assert any("paper, BraTS-GLI: mpLLM" in line and "65.3" in line for line in lines)
    full = next(line for line in lines if line.startswith(f"| {VARIANTS['full'].words} |"))
    value = float(full.split("|")[-3].split("±")[0])
    expected = np.mean([[a.heads == ALL for a in run] for run in runs["gli"]["full"]])
    # Wrong answers have seven of nine regions right.
    assert value == pytest.approx(100 * (expected * (1 - 7 / 36) + 7 / 36), abs=0.06)


@pytest.mark.parametrize("number", MEANS)
def test_means_are_compared_with_the_full_model(runs, number: str) -> None:
    lines = mean_table(number, runs["gli"])
    others = [line for line in lines[2:] if line and VARIANTS["full"].words not in line]
    assert others
    for line in others:
        low = float(line.split("|")[3].split("(")[1].split(" to ")[0])
        assert low > 0


def test_tables_by_task_finding_and_scope(runs) -> None:
    assert len(task_table(runs["gli"])) == 2 + 2 * len(BY_TASK) + 1
    assert len(finding_table(runs["gli"])) == 2 + 2 * len(BY_FINDING) + 1
    assert len(scope_table(runs)) == 2 + sum(map(len, RUNS.values())) + 1


def test_how_fast_they_learn(tmp_path: Path) -> None:
    for name in RUNS["gli"]:
        for seed in SEEDS:
            curve = Curve(tmp_path / f"gli-{name}-{seed}")
            for step in range(20, 401, 20):
                heads = dict.fromkeys(TASKS, seed + 0.01 * step) if VARIANTS[name].heads else {}
                curve.write(step, {"loss": 1.0, **heads})
    lines = learning_lines(tmp_path)
    assert len(lines) == 2 + sum(VARIANTS[name].heads for name in RUNS["gli"]) + 1
    cells = [float(cell) for cell in lines[2].split("|")[2:-1]]
    assert cells == pytest.approx([11.5 + 0.9] * 4 + [11.5 + 3.7] * 4)


def test_words_and_heads() -> None:
    assert set(agreement_of_words(answers(0.5, 1)).values()) == {1.0}
    found = calibration(answers(0.9, 2))
    assert set(found) == set(TASKS)
    right = np.mean([a.heads == ALL for a in answers(0.9, 2)])
    assert found["volume"].error == pytest.approx(abs(0.9 - right))


def test_every_run_is_there_once() -> None:
    found = all_runs()
    assert len(found) == len(set(found)) == len(SEEDS) * sum(map(len, RUNS.values())) == 30
    assert {name for table in MEANS.values() for name in table} <= set(RUNS["gli"])
    assert set(TABLE_1) == set(RUNS)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_in_what_it_says_alone(name: str) -> None:
    with torch.device("meta"):
        model = VLM(VARIANTS[name].config(300))
        full = VLM(VARIANTS["full"].config(300))
    assert (model.heads is None) == (name == "words-alone")
    assert model.tell is None
    same = {n: p.shape for n, p in full.named_parameters() if n.startswith(("encoder", "language"))}
    own = {n: p.shape for n, p in model.named_parameters() if n.startswith(("encoder", "language"))}
    assert own == same


def test_the_router_reads_sixty_prompts(tmp_path: Path) -> None:
    prompts = canonical_prompts()
    assert len(prompts) == 60
    assert len({prompt for _, prompt in prompts}) == 60
    chat = OwnChat(Tokenizer.train([p for _, p in prompts], 400, CHAT_TOKENS))
    torch.manual_seed(0)
    model = VLM(mpllm_config("tiny", chat.tokenizer.size)).eval()
    weights = router_weights(model, chat, [p for _, p in prompts])
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    alone = router_weights(model, chat, [prompts[7][1]])
    np.testing.assert_allclose(weights[7], alone[0], rtol=1e-4)
    findings = [finding for finding, _ in prompts]
    draw_heatmap(correlations(weights), findings, tmp_path / "heat.png")
    draw_reliability(calibration(answers(0.9, 2)), tmp_path / "sure.png")
    assert (tmp_path / "heat.png").read_bytes()[:4] == (tmp_path / "sure.png").read_bytes()[:4] == b"\x89PNG"


def test_alike_within_and_between() -> None:
    found = np.array([[1, 0.8, 0.1], [0.8, 1, 0.3], [0.1, 0.3, 1]])
    assert within_and_between(found, ["a", "a", "b"]) == pytest.approx({"within": 0.8, "between": 0.2})


def test_reference_labels_do_not_overlap() -> None:
    geometry = Geometry((4, 1, 1), np.eye(4))

    def mask(*values: int) -> Mask:
        return Mask(np.array(values, np.uint8).reshape(4, 1, 1), geometry, {1: "x"})

    truth = {
        "whole tumour": mask(1, 1, 1, 0), "tumour core": mask(0, 1, 1, 0),
        "enhancing tumour": mask(0, 0, 1, 0),
        "oedema": mask(1, 0, 0, 0),
    }  # fmt: skip
    made = reference_labels(truth)
    assert [made.labels.get(int(v), "") for v in made.data.ravel()] == ["SNFH", "NETC", "ET", ""]
