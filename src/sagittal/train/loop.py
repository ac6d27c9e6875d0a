"""The one training loop: optimiser, schedule, running mean of the weights, exact resume, several processes.

Data are a function of a batch's number, so that a run that was cut off goes on as if nothing had happened:
weights, optimiser, running mean and random states are saved together. Several processes take different
batches of one step and average their gradients; the result is that of one process with as many
accumulations.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate.utils import reduce
from torch import Tensor, nn

from sagittal.errors import ConfigError, IntegrityError
from sagittal.files import atomic_path
from sagittal.runtime import trim_memory
from sagittal.train.curve import Curve
from sagittal.train.muon import Muon
from sagittal.train.processes import (
    of_main,
    require_same_file,
    require_same_precision,
    require_shared_device,
    training_processes,
)

#: From a batch's number to its loss and whatever else is to be written into the curve.
BatchLoss = Callable[[int], Mapping[str, Tensor]]
#: Scores of the module with the running mean of its weights; ``score`` decides which is kept as best. Of
#: several processes, all are asked and the main one's count.
Scores = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class LoopConfig:
    """How to train.

    Attributes:
        steps: optimiser steps in all.
        rate: largest learning rate of AdamW.
        hidden_rate: of Muon, for the matrices that a loop is told are hidden ones.
        schedule: ``cosine``, or ``plateau``: half the rate after ``patience`` scores without a better one.
        warm_up: steps over which the rate rises.
        last_rate: share of ``rate`` at the end of the cosine.
        patience: see ``schedule``.
        betas: of AdamW.
        decay: weight decay, of matrices and kernels alone; 0 is plain Adam.
        clip: largest norm of the gradient.
        accumulate: batches a step, over all processes.
        mean_over: steps over which the running mean of the weights reaches back.
        save_every, score_every, report_every: in steps.
    """

    steps: int
    rate: float = 1e-3
    hidden_rate: float = 3e-3
    schedule: Literal["cosine", "plateau"] = "cosine"
    warm_up: int = 100
    last_rate: float = 0.02
    patience: int = 5
    betas: tuple[float, float] = (0.9, 0.98)
    decay: float = 0.01
    clip: float = 1.0
    accumulate: int = 1
    mean_over: int = 200
    save_every: int = 100
    score_every: int = 500
    report_every: int = 20

    def share_at(self, step: int) -> float:
        """What share of the largest rates a step takes, from 0, before any halving."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        if self.schedule == "plateau":
            return 1.0
        done = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.last_rate + (1 - self.last_rate) * cosine


@dataclass
class Progress:
    """Where a run is.

    Attributes:
        step: steps taken.
        best: best score so far; not finite before the first.
        stale: scores since the last better one, or the last halving.
        halvings: of the rate.
        sums: of the terms since the last report: name → [sum, batches].
    """

    step: int = 0
    best: float = -math.inf
    stale: int = 0
    halvings: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Count one more value of a term."""
        own = self.sums.setdefault(name, [0.0, 0.0])
        own[0] += value
        own[1] += 1


class Loop:
    """Trains the parameters of a module that want gradients.

    Args:
        module: what is trained and saved.
        config: how.
        loss: of a batch, by its number: batches are counted through steps and accumulation. ``loss`` is
            what is minimised; everything else is averaged into the curve.
        out: folder for ``last.pt``, ``best.pt`` and the curve.
        scores: asked now and then, with the running mean of the weights in place.
        say: called with each line of the curve.
        hidden: matrices between a network's layers, which Muon trains: their updates are made orthogonal.
            Everything else is AdamW's.

    Raises:
        ConfigError: nothing wants a gradient, the batches of a step do not divide among the processes, or
            these cannot share what lies where the weights do.
    """

    def __init__(
        self,
        module: nn.Module,
        config: LoopConfig,
        loss: BatchLoss,
        out: str | Path,
        *,
        scores: Scores | None = None,
        say: Callable[[str], None] = lambda line: None,
        hidden: Iterable[nn.Parameter] = (),
    ) -> None:
        self.module, self.config, self.loss, self.scores, self.say = module, config, loss, scores, say
        self.out = Path(out)
        self.weights = [p for p in module.parameters() if p.requires_grad]
        if not self.weights:
            raise ConfigError("Nothing is to be trained.", expected="a parameter that wants a gradient")
        self.processes = training_processes(self.weights[0].device)
        if self.processes.num_processes > 1:
            require_shared_device(self.weights[0].device)
        if config.accumulate % self.processes.num_processes:
            raise ConfigError(
                "Each process takes as many batches of a step.",
                expected=f"accumulations in multiples of {self.processes.num_processes}",
                got=config.accumulate,
            )
        self.mean = [p.detach().clone() for p in self.weights]
        self.optimisers = _optimisers(self.weights, list(hidden), config)
        self.progress, self.curve = Progress(), Curve(self.out)

    def run(self, *, minutes: float = math.inf, end: int | None = None) -> Progress:
        """Train to the last step, or for some minutes; goes on from ``last.pt`` where there is one.

        Args:
            minutes: after which to stop.
            end: the step to stop at when it comes before the last of the schedule.

        Raises:
            ConfigError: the processes take products in different precisions.
            IntegrityError: ``last.pt`` is of a run with another config or with other frozen weights, the
                processes do not find the same one, or the loss is no number.
            StorageError: the folder cannot be written.
        """
        self._resume()
        until = time.monotonic() + 60 * minutes
        config, progress = self.config, self.progress
        last = config.steps if end is None else min(end, config.steps)
        while progress.step < last and not self._is_time_up(until):
            self._step()
            done = progress.step
            if done % config.report_every == 0:
                self._report({})
                # Kept memory falls into pieces where batches are of many sizes: up to 100 MB a step.
                trim_memory()
            if self.scores is not None and (done % config.score_every == 0 or done == last):
                self._score(self.scores)
            if done % config.save_every == 0:
                self._save()
        self._save()
        return progress

    def use_mean(self) -> None:
        """Put the running mean in the place of the weights, to keep or to save them."""
        with torch.no_grad():
            torch._foreach_copy_([p.detach() for p in self.weights], self.mean)

    def _is_time_up(self, until: float) -> bool:
        """Whether any process's time is up: a process that stopped alone would leave the others waiting."""
        up = time.monotonic() >= until
        if self.processes.num_processes == 1:
            return up
        return bool(reduce(torch.tensor(float(up), device=self.processes.device), reduction="sum") > 0)

    def _share(self) -> float:
        return self.config.share_at(self.progress.step) / 2**self.progress.halvings

    def _step(self) -> None:
        progress, count = self.progress, self.config.accumulate
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["initial_lr"] * self._share()
            optimiser.zero_grad(set_to_none=True)
        for part in range(self.processes.process_index, count, self.processes.num_processes):
            terms = self.loss(progress.step * count + part)
            if not torch.isfinite(terms["loss"]):
                raise IntegrityError("The loss is no number.", got=f"step {progress.step}")
            (terms["loss"] / count).backward()
            for name, value in terms.items():
                progress.add(name, float(value.detach()))
        self._share_gradients()
        progress.add("norm", float(nn.utils.clip_grad_norm_(self.weights, self.config.clip)))
        for optimiser in self.optimisers:
            optimiser.step()
        progress.step += 1
        # At first the mean follows at once; later it reaches back.
        pace = 1 / min(self.config.mean_over, progress.step)
        with torch.no_grad():
            torch._foreach_lerp_(self.mean, [p.detach() for p in self.weights], pace)

    def _share_gradients(self) -> None:
        if self.processes.num_processes == 1:
            return
        for weight in self.weights:
            # Each process may have met other parts of the model.
            own = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = reduce(own, reduction="sum")

    def _report(self, more: Mapping[str, float]) -> None:
        """Means of the main process's batches since the last report."""
        means = {name: total / count for name, (total, count) in self.progress.sums.items()}
        self.progress.sums.clear()
        if self.processes.is_main_process:
            self.say(
                self.curve.write(
                    self.progress.step, {"rate": self.config.rate * self._share(), **means, **more}
                )
            )

    def _score(self, scores: Scores) -> None:
        training, progress = self.module.training, self.progress
        own = [p.detach().clone() for p in self.weights]
        with torch.no_grad():
            self.use_mean()
            self.module.eval()
            # Scores that differ between processes would part their rates, and leave some waiting for a best.
            found = of_main(dict(scores()))
            progress.stale += 1
            if found["score"] > progress.best:
                progress.best, progress.stale = found["score"], 0
                self._write("best.pt", {"module": self.module.state_dict(), "scores": found})
            torch._foreach_copy_([p.detach() for p in self.weights], own)
        self.module.train(training)
        self._report(found)
        if self.config.schedule == "plateau" and progress.stale >= self.config.patience:
            progress.halvings, progress.stale = progress.halvings + 1, 0

    def _save(self) -> None:
        state: dict[str, Any] = {
            "config": _plain(self.config),
            "module": self.module.state_dict(),
            "mean": self.mean,
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "progress": asdict(self.progress),
            "random": torch.get_rng_state(),
        }
        self._write("last.pt", state)

    def _write(self, name: str, state: dict[str, Any]) -> None:
        if self.processes.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
            with atomic_path(self.out / name) as temporary:
                torch.save(state, temporary)
        self.processes.wait_for_everyone()

    def _resume(self) -> None:
        path = self.out / "last.pt"
        if self.processes.num_processes > 1:
            require_same_precision(self.weights[0].device)
            require_same_file(path)
        if not path.exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["config"] != _plain(self.config):
            raise IntegrityError(
                "The folder holds a run with other settings.",
                expected=_plain(self.config),
                got=state["config"],
                remedy="name a new folder, or use the same settings",
            )
        self._require_same_frozen(state["module"])
        use_mean(state, self.module)
        self.mean = [p.detach().clone() for p in self.weights]
        self.module.load_state_dict(state["module"])
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        self.progress = Progress(**state["progress"])
        torch.set_rng_state(state["random"])
        if self.processes.is_main_process:
            self.curve.forget_after(self.progress.step)

    def _require_same_frozen(self, there: Mapping[str, Tensor]) -> None:
        """What does not learn tells whether a run began with what it would go on with."""
        for name, own in self.module.named_parameters():
            if not own.requires_grad and not torch.equal(there[name], own.detach().cpu()):
                raise IntegrityError(
                    "The folder holds a run that began with other weights.",
                    expected=f"{name} as it is in the module",
                    got=self.out / "last.pt",
                    remedy="name a new folder, or begin with the same weights",
                )


def _optimisers(
    weights: Sequence[nn.Parameter], hidden: Sequence[nn.Parameter], config: LoopConfig
) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon where there are hidden matrices; ``initial_lr`` is each group's largest rate."""
    others = {id(p) for p in hidden}
    rest = [p for p in weights if id(p) not in others]
    decays = ((config.decay, [p for p in rest if p.ndim > 1]), (0.0, [p for p in rest if p.ndim <= 1]))
    groups = [{"params": own, "weight_decay": decay} for decay, own in decays if own]
    made: list[torch.optim.Optimizer] = []
    if groups:
        made.append(torch.optim.AdamW(groups, config.rate, config.betas))
    if hidden:
        made.append(Muon(hidden, config.hidden_rate, config.decay))
    for optimiser in made:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return made


def mean_terms(batches: Iterable[Mapping[str, Tensor]]) -> dict[str, float]:
    """Terms of some batches as scores: ``val NAME``, their means, and ``score``, minus that of the loss."""
    found: dict[str, list[float]] = {}
    for terms in batches:
        for name, value in terms.items():
            found.setdefault(f"val {name}", []).append(float(value.detach()))
    means = {name: sum(values) / len(values) for name, values in found.items()}
    return {**means, "score": -means["val loss"]}


def use_mean(state: Mapping[str, Any], module: nn.Module) -> None:
    """Load the running mean of a saved run's weights into a module of the same make."""
    module.load_state_dict(state["module"])
    weights = [p for p in module.parameters() if p.requires_grad]
    with torch.no_grad():
        for weight, mean in zip(weights, state["mean"], strict=True):
            weight.copy_(mean)


def _plain(config: LoopConfig) -> dict[str, Any]:
    """As it comes back from a file."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(config).items()}
