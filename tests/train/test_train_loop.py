"""The training loop: one process or two, cut off or not, the same weights."""

from __future__ import annotations

import itertools
import json
import math
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from sagittal.errors import ConfigError, IntegrityError
from sagittal.train.loop import Loop, LoopConfig, use_mean

CONFIG = LoopConfig(
    steps=12, rate=0.05, warm_up=3, accumulate=2, mean_over=4, save_every=5, score_every=4, report_every=2
)


def toy(out: Path, config: LoopConfig = CONFIG, *, muon: bool = False, **more: object) -> Loop:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 1))

    def loss(number: int) -> dict[str, torch.Tensor]:
        data = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        error = (module(data)[:, 0] - data.sum(dim=1)).square().mean()
        return {"loss": error, "root": error.sqrt()}

    hidden = [module[0].weight] if muon else []
    return Loop(module, config, loss, out, hidden=hidden, **more)  # type: ignore[arg-type, list-item]


def weights(loop: Loop) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in loop.weights])


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("at", "muon"), [(1, False), (5, False), (7, False), (10, False), (7, True)])
def test_a_run_that_was_killed_ends_in_the_same_bytes(tmp_path: Path, at: int, muon: bool) -> None:
    whole = toy(tmp_path / "whole", muon=muon)
    whole.run()
    first = toy(tmp_path / "cut", muon=muon)
    inner = first.loss

    def dies(number: int) -> dict[str, torch.Tensor]:
        if number == 2 * at + 1:
            raise KilledError
        return dict(inner(number))

    first.loss = dies
    with pytest.raises(KilledError):
        first.run()
    again = toy(tmp_path / "cut", muon=muon)
    again.run()
    assert torch.equal(weights(whole), weights(again))
    assert all(torch.equal(a, b) for a, b in zip(whole.mean, again.mean, strict=True))
    texts = [(tmp_path / name / "curve.jsonl").read_text() for name in ("whole", "cut")]
    assert texts[0] == texts[1]


def test_a_run_may_be_ended_early_and_gone_on_with(tmp_path: Path) -> None:
    whole, parts = toy(tmp_path / "whole"), tmp_path / "parts"
    whole.run()
    assert toy(parts).run(end=5).step == 5
    again = toy(parts)
    assert again.run(end=99).step == CONFIG.steps
    assert torch.equal(weights(whole), weights(again))


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    toy(tmp_path).run()
    before = (tmp_path / "curve.jsonl").read_bytes()
    again = toy(tmp_path)
    assert again.run().step == CONFIG.steps
    assert (tmp_path / "curve.jsonl").read_bytes() == before


def test_other_settings_are_refused(tmp_path: Path) -> None:
    toy(tmp_path).run()
    with pytest.raises(IntegrityError, match="other settings"):
        toy(tmp_path, LoopConfig(**{**vars(CONFIG), "rate": 0.01})).run()


def test_a_run_that_began_with_other_weights_is_refused(tmp_path: Path) -> None:
    def frozen(shift: float, end: int) -> None:
        loop = toy(tmp_path)
        loop.module[0].requires_grad_(False).weight += shift
        again = Loop(loop.module, CONFIG, loop.loss, tmp_path)
        again.run(end=end)

    frozen(0.5, 4)
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(IntegrityError, match="other weights"):
        frozen(0.25, 8)
    assert (tmp_path / "last.pt").read_bytes() == before
    frozen(0.5, 8)
    assert (tmp_path / "last.pt").read_bytes() != before


def test_the_mean_is_the_literal_one(tmp_path: Path) -> None:
    loop = toy(tmp_path)
    seen: list[torch.Tensor] = []
    step = loop._step

    def watched() -> None:
        step()
        seen.append(weights(loop))

    loop._step = watched  # type: ignore[method-assign]
    loop.run()
    mean = torch.zeros_like(seen[0])
    for number, one in enumerate(seen, start=1):
        mean += (one - mean) / min(CONFIG.mean_over, number)
    found = torch.cat([m.flatten() for m in loop.mean])
    torch.testing.assert_close(found, mean)
    fresh = toy(tmp_path / "other").module
    use_mean(torch.load(tmp_path / "last.pt", weights_only=True), fresh)
    torch.testing.assert_close(torch.cat([p.detach().flatten() for p in fresh.parameters()]), mean)


def test_the_rate_rises_and_falls_as_stated() -> None:
    rates = [CONFIG.rate * CONFIG.share_at(n) for n in range(CONFIG.steps + 1)]
    assert rates[:3] == pytest.approx([0.05 / 3, 0.1 / 3, 0.05])
    assert rates[3] == pytest.approx(0.05)
    assert all(a >= b for a, b in itertools.pairwise(rates[3:]))
    assert rates[-1] == pytest.approx(0.05 * CONFIG.last_rate)
    assert LoopConfig(steps=9, schedule="plateau", warm_up=0).share_at(8) == 1.0


def test_hidden_matrices_turn_by_as_much_in_every_direction(tmp_path: Path) -> None:
    """Muon's update is a multiple of an orthogonal matrix; its size is as if each entry were 0.2 rates."""
    config = LoopConfig(steps=1, rate=0.05, hidden_rate=0.01, warm_up=0, decay=0.0)
    loop = toy(tmp_path, config, muon=True)
    before = loop.weights[0].detach().clone()
    loop.run()
    turned = torch.linalg.svdvals(loop.weights[0].detach() - before)
    assert turned.numpy() == pytest.approx(0.01 * 0.2 * math.sqrt(4), rel=0.35)


def test_a_plateau_halves_the_rate(tmp_path: Path) -> None:
    given = iter([0.5, 0.6, 0.6, 0.6, 0.7, 0.1])
    config = LoopConfig(
        steps=12, schedule="plateau", patience=2, warm_up=0, rate=0.01, score_every=2, report_every=99
    )
    loop = toy(tmp_path, config, scores=lambda: {"score": next(given)})
    loop.run()
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["rate"] for line in lines] == [0.01, 0.01, 0.01, 0.01, 0.005, 0.005]
    assert loop.progress.best == 0.7
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    assert best["scores"] == {"score": 0.7}


def test_scores_see_the_mean_and_training_goes_on_with_the_weights(tmp_path: Path) -> None:
    plain = toy(tmp_path / "plain")
    plain.run()
    loop = toy(tmp_path / "scored")
    found: list[torch.Tensor] = []

    def scores() -> dict[str, float]:
        assert not loop.module.training
        found.append(weights(loop))
        assert torch.equal(found[-1], torch.cat([m.flatten() for m in loop.mean]))
        return {"score": float(len(found))}

    loop.scores = scores
    loop.run()
    assert len(found) == 3
    assert torch.equal(weights(plain), weights(loop))


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    loop = toy(tmp_path)
    loop.loss = lambda number: {"loss": loop.weights[0].sum() * math.nan}
    with pytest.raises(IntegrityError, match="no number"):
        loop.run()
    assert not (tmp_path / "last.pt").exists()


def test_nothing_to_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing"):
        Loop(nn.Linear(1, 1).requires_grad_(False), CONFIG, lambda n: {}, tmp_path)


def test_the_curve_has_the_means_of_the_terms(tmp_path: Path) -> None:
    loop = toy(tmp_path)
    seen: list[float] = []
    inner = loop.loss

    def watched(number: int) -> dict[str, torch.Tensor]:
        terms = dict(inner(number))
        seen.append(float(terms["root"].detach()))
        return terms

    loop.loss = watched
    loop.run()
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 8, 10, 12]
    for number, line in enumerate(lines):
        assert line["root"] == pytest.approx(sum(seen[4 * number : 4 * number + 4]) / 4, rel=1e-4)
    events = list((tmp_path / "events").iterdir())
    assert events and events[0].stat().st_size > 0


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """No dropout here: each process has random numbers of its own."""
    _launched(tmp_path / "one", [], 1)
    _launched(tmp_path / "two", ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"])
    _require_same(tmp_path / "one", tmp_path / "two")


def test_two_machines_train_as_one(tmp_path: Path) -> None:
    """As docs/scaling.md tells, both of them this one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1"]
    # What one of them says is told even where the other hangs.
    with ThreadPoolExecutor(2) as machines:
        ended = list(machines.map(
            lambda number: _run(
                tmp_path / "both", [*launch, f"--master-port={port}", f"--node-rank={number}"]
            ),
            range(2),
        ))  # fmt: skip
    said = "\n\n".join(f"machine {n}: {one.stderr[-3000:]}" for n, one in enumerate(ended))
    assert [one.returncode for one in ended] == [0, 0], said
    _launched(tmp_path / "one", [], 1)
    _require_same(tmp_path / "one", tmp_path / "both")


def _launched(out: Path, launch: list[str], processes: int = 2) -> None:
    done = _run(out, launch, processes)
    assert done.returncode == 0, done.stderr[-3000:]


def _run(out: Path, launch: list[str], processes: int = 2) -> subprocess.CompletedProcess[str]:
    """``two_processes.py``, which ends by itself after 150 seconds."""
    program = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, *launch, str(program), str(out), str(processes)]
    return subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)


def _require_same(one: Path, other: Path) -> None:
    first, second = (torch.load(out / "last.pt", weights_only=True)["module"] for out in (one, other))
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-5, atol=1e-6)
