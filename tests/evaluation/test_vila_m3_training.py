"""The compared trainings: what is settled about them, one of them run, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sagittal.evaluation.vila_m3.training_runs as module
from sagittal.builders.consultation_bank import CaseRecord
from sagittal.builders.specialist_qa.shown import Shown
from sagittal.errors import InputError, IntegrityError
from sagittal.evaluation.vila_m3.training_page import gain_lines, training_lines
from sagittal.evaluation.vila_m3.training_runs import REGIONS, Ground, run_variant
from sagittal.evaluation.vila_m3.variants import BALANCED, COUNTS, MIXED, RUNS, SIZES, VARIANTS
from sagittal.models.vlm.decoder import load_decoder
from sagittal.score.power_law import SizeLaw
from sagittal.specialists.registry import specialists
from sagittal.train.shown_pictures import Pictures
from sagittal.train.talk_mixture import TEXT
from sagittal.weights import find_checkpoint


def test_what_is_compared_differs_in_what_it_says():
    sums = {name: COUNTS[name] * BALANCED[name] for name in COUNTS}
    assert max(sums.values()) < 1.25 * min(sums.values())
    epoch = sum(sums.values())
    assert MIXED["longer"].steps == MIXED["balanced"].steps == 2 * epoch
    assert (MIXED["one"].steps, MIXED["three"].steps) == (epoch, 3 * epoch)
    assert MIXED["unbalanced"].steps == 2 * sum(COUNTS.values())
    whole = VARIANTS["192x4"].config(2048)
    assert whole == MIXED["balanced"].config(2048)


def a_case(kind, looks_at):
    return CaseRecord(
        name=kind, patient=kind, split="train", source="s", licence="l", kinds=(kind,), looks_at=looks_at,
        calls=(),
    )  # fmt: skip


def ground(tmp_path: Path) -> Ground:
    cases = [a_case("t1", "volume"), a_case("cxr", "picture")]
    shown = Shown([(case, n, ()) for n, case in enumerate(cases)], {"brain": [0], "film": [1]})
    squares = np.random.default_rng(0).integers(0, 255, (2, 3, 192, 192), dtype=np.uint8)
    pictures = Pictures(shown, squares)
    texts = [[("Is it red?", "No.")] * 2] * COUNTS[TEXT]
    cards = {name: entry.card for name, entry in specialists().entries.items()}
    return Ground(
        tmp_path / "made", {"train": pictures, "validation": pictures},
        {"train": texts, "validation": texts[:2]}, cards, tmp_path / "work",
    )  # fmt: skip


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD", 1)
    monkeypatch.setattr(module, "TALKS", 2)
    for name, steps in (("one", 2), ("64x2", 21)):
        monkeypatch.setitem(VARIANTS, name, replace(VARIANTS[name], steps=steps))


def copied(tmp_path: Path) -> None:
    language, _ = load_decoder(find_checkpoint("decoder-small"))
    path = tmp_path / "made" / "copy" / "last.pt"
    path.parent.mkdir(parents=True)
    mean = [p.detach().clone() for p in language.parameters()]
    torch.save({"module": language.state_dict(), "mean": mean}, path)


def test_a_training_is_made_once_and_measured(tmp_path: Path, short: None) -> None:
    own = ground(tmp_path)
    with pytest.raises(InputError, match="copy"):
        run_variant(own, "one", 11)
    copied(tmp_path)
    found = run_variant(own, "64x2", 11)
    assert set(found["words"]) == set(COUNTS) and set(found["right"]) == set(REGIONS)
    assert len(found["words"][TEXT]) == 2 and len(found["words"]["film"]) == 1
    assert all(len(right) == 2 and set(right) <= {0, 1} for right in found["right"].values())
    # Two layers of width 64: queries, keys, values, outputs; three of the feed-forward; the norms.
    assert found["parameters"] == 2 * (4 * 64**2 + 3 * 64 * 170 + 2 * 64) + 64
    assert [step for step, _ in found["curve"]] == [20] and found["curve"][0][1] > 1
    before = (tmp_path / "work" / "64x2-11" / "last.pt").stat().st_mtime_ns
    assert run_variant(own, "64x2", 11) == found
    assert (tmp_path / "work" / "64x2-11" / "last.pt").stat().st_mtime_ns == before
    other = replace(own, work=tmp_path / "other")
    assert run_variant(other, "64x2", 11) == found
    VARIANTS["64x2"] = replace(VARIANTS["64x2"], steps=22)
    with pytest.raises(IntegrityError, match="another run"):
        run_variant(own, "64x2", 11)


def made_up(name: str, seed: int):
    rng = np.random.default_rng(seed)
    better = {"balanced": 0.5, "three": 0.25}.get(name, 0.75)
    size = {"64x2": 1e5, "128x3": 6e5, "192x4": 1.8e6, "288x5": 5e6}.get(name, 1.8e6)
    law = SizeLaw(0.3, 1.0, 1e4, 100.0)
    return {
        "words": {key: (better + 0.01 * rng.standard_normal(12)).tolist() for key in COUNTS},
        "right": {key: [1, 0, 1, 1] for key in REGIONS},
        "parameters": int(size),
        "curve": [[step, float(law.loss(size, step))] for step in range(20, 400, 20)],
    }


def test_the_page(tmp_path: Path) -> None:
    found = {(name, seed): made_up(name, seed) for name, seed in RUNS}
    page = "\n".join(training_lines(found, tmp_path / "vila_m3" / "sizes.png"))
    for name, variant in {**MIXED, **SIZES}.items():
        assert f"| {variant.words} |" in page, name
    assert "| here | 0.30 | 1.00 | 1e+04 | 100 | 0.000 |" in page
    assert "![Loss by step of each size, and the law](vila_m3/sizes.png)" in page
    assert (tmp_path / "vila_m3" / "sizes.png").read_bytes().startswith(b"\x89PNG")
    [balance, _] = gain_lines(found, "balanced", ("unbalanced",))
    assert "loss, film -0.2" in balance and "right, brain +0.000 (+0.000 to +0.000)" in balance
