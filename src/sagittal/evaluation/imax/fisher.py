"""The spectrum of the Fisher information while DMAX and IMAX are learnt (IMAX §4.2.2, Figure 5).

Checkpoints are the end of the warm-up, before which adapters and new connectors tell nothing, a third and two
thirds of the way, and the end. Each model is looked at on samples of what it learns from, as in the paper;
and at the end on samples that neither learnt from, for a spectrum is the samples' as much as the model's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from sagittal.evaluation.imax.runs import Comparison, Say
from sagittal.evaluation.imax.variants import loop_of
from sagittal.evaluation.runs import settle
from sagittal.example import Example
from sagittal.files import write_json
from sagittal.models.vlm.chat import real_targets
from sagittal.models.vlm.model import VLM
from sagittal.score.fisher import SAMPLES, Chosen, choose_parameters, spectra
from sagittal.score.fisher_batches import batched_gradients
from sagittal.train.film_stream import FilmStream
from sagittal.train.imax_stage import run_stage

Arm = Literal["dmax", "imax"]
Moment = Literal["initial", "early", "mid", "late"]
MOMENTS: tuple[Moment, ...] = ("initial", "early", "mid", "late")
ARMS: tuple[Arm, ...] = ("dmax", "imax")
#: Matrices of a violin (§4.2.2).
GROUPS = 50
#: Of the drawing of samples and of parameters.
SEED = 450
#: Samples whose gradients are taken together: more of them would be padded further.
_BATCH = 4


@dataclass(frozen=True)
class Violin:
    """Spectra of one model on groups of samples.

    Attributes:
        arm, moment: of the model.
        common: whether the samples are of the test, the same for both arms.
        entropy, rho: of each group.
        layers: that a number was taken of.
        seconds: that the gradients took.
    """

    arm: Arm
    moment: Moment
    common: bool
    entropy: tuple[float, ...]
    rho: tuple[float, ...]
    layers: int
    seconds: float


def violins(on: Comparison, seed: int, say: Say) -> list[Violin]:
    """All violins of a seed; those that are on disk are not made again.

    Args:
        on: what the runs stand on.
        seed: of the runs.
        say: told of each violin.
    """
    found = []
    for arm in ARMS:
        for moment in MOMENTS:
            for common in (False, True) if moment == "late" else (False,):
                found.append(_violin(on, arm, moment, common, seed))
                say(f"Fisher: {arm}, {moment}{', common samples' if common else ''}")
    return found


def _violin(on: Comparison, arm: Arm, moment: Moment, common: bool, seed: int) -> Violin:
    folder = on.work / f"fisher-{seed}-{arm}"
    examples = on.examples(seed, arm)
    what = {"schema": "sagittal.fisher/1", "arm": arm, "seed": seed, "drawn": SEED, **on.made_of}
    settle(folder / "manifest.json", what)
    path = folder / f"{moment}{'-common' if common else ''}.json"
    if not path.exists():
        model = _at(on, arm, moment, examples, folder, seed)
        stream = on.stream(model, on.test if common else examples, seed)
        begun = time.monotonic()
        chosen = choose_parameters(model, SEED)
        own = spectra(_gradients(model, stream, chosen))
        write_json(
            path,
            {
                "entropy": [one.entropy for one in own], "rho": [one.rho for one in own],
                "chosen": [one.to_json() for one in chosen], "seconds": round(time.monotonic() - begun, 1),
            },
        )  # fmt: skip
    kept = json.loads(path.read_text("utf-8"))
    entropy, rho = tuple(kept["entropy"]), tuple(kept["rho"])
    return Violin(arm, moment, common, entropy, rho, len(kept["chosen"]), kept["seconds"])


def _at(
    on: Comparison, arm: Arm, moment: Moment, examples: Sequence[Example], folder: Path, seed: int
) -> VLM:
    """The model at a moment of its training; earlier moments come first, for a run goes forwards."""
    config = loop_of(arm, len(examples))
    ends = {
        "initial": config.warm_up, "early": config.steps // 3, "mid": 2 * config.steps // 3,
        "late": config.steps,
    }  # fmt: skip
    model = on.model("mlp", seed)
    streams = on.stream(model, examples, seed), on.stream(model, on.test, seed)
    run_stage(model, *streams, config, folder, end=ends[moment])
    return model.eval()


def _gradients(model: VLM, stream: FilmStream, chosen: Sequence[Chosen]) -> NDArray[np.float64]:
    """(samples, layers) of samples that are drawn; a group of a spectrum is some that follow each other."""
    held = stream.films.entries
    count = GROUPS * SAMPLES
    drawn = np.random.default_rng(SEED).choice(len(held), count, replace=len(held) < count)
    # Answers of one length go together: padding would cost more than a batch saves.
    order = sorted(range(count), key=lambda n: len(held[drawn[n]].answer) + len(held[drawn[n]].prompt))
    batches = [[int(drawn[n]) for n in order[start : start + _BATCH]] for start in range(0, count, _BATCH)]
    found = np.empty((count, len(chosen)))
    found[order] = batched_gradients(model, _likelihoods(model, stream), batches, chosen)
    return found


def _likelihoods(model: VLM, stream: FilmStream) -> Callable[[list[int]], Tensor]:
    """Summed over each answer's tokens (NOTES), not averaged."""

    def of(entries: list[int]) -> Tensor:
        turn = stream.turn(entries)
        logits = model(turn).logits.float().transpose(1, 2)
        return -functional.cross_entropy(logits, real_targets(turn.answer), reduction="none").sum(dim=1)

    return of


def draw_violins(found: Sequence[Violin], path: Path) -> None:
    """Violins with box plots of spectral entropy and ρ; PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from sagittal.files import atomic_path

    colours = {"dmax": "#c17c2f", "imax": "#3b6ea5"}
    places = [*((moment, False) for moment in MOMENTS), ("late", True)]
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(12, 4), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, name in zip(figure.subplots(1, 2), ("entropy", "rho"), strict=True):
            for one in found:
                at = places.index((one.moment, one.common)) + (-0.2 if one.arm == "dmax" else 0.2)
                values = one.entropy if name == "entropy" else one.rho
                parts = axes.violinplot([values], [at], widths=0.36, showextrema=False)
                for body in parts["bodies"]:
                    body.set_facecolor(colours[one.arm])
                axes.boxplot([values], positions=[at], widths=0.1, manage_ticks=False, showfliers=False)
            for arm, colour in colours.items():
                axes.plot([], [], color=colour, lw=6, alpha=0.4, label=arm.upper())
            axes.set_xticks(range(len(places)), [*MOMENTS, "late, common\nsamples"])
            axes.set_ylabel("spectral entropy, nats" if name == "entropy" else "share of the largest ρ")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, keep_suffix=".png") as temporary:
            figure.savefig(temporary, dpi=100, metadata={"Software": None})
