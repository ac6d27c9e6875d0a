"""The page of the compared trainings: balance, epochs, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sagittal.evaluation.vila_m3.variants import BALANCED, COUNTS, MIXED, SEEDS, SIZES, WARM_UP
from sagittal.files import atomic_path
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.power_law import SizeLaw, fit_size_law

#: Variant and seed → what :func:`training_runs.run_variant` found.
Found = Mapping[tuple[str, int], Mapping[str, Any]]
#: Table 10.
PAPER = SizeLaw(0.78, 1.09, 1.50e8, 3.92e2)
_REGIONS = ("film", "brain")


def training_lines(found: Found, picture: Path) -> list[str]:
    """Every section; the curves of sizes are drawn into ``picture``."""
    law = size_law(found)
    draw_sizes(found, law, picture)
    shares = ", ".join(f"{name} {count} × {BALANCED[name]}" for name, count in COUNTS.items())
    return [
        f"Batches of a category × how often a balanced epoch has them: {shares}. Losses are of all words "
        "that are learnt, in nats a token, on other patients' studies and pairs that no training read; "
        f"right: first replies with the right call, or none where none is due. Means over seeds {SEEDS[0]} "
        f"and {SEEDS[1]}, 95 % intervals over resampled batches or questions, the same for all trainings. "
        "Simulated heads and slices, simulated and real films. Medical research software, not a device.",
        "", "## Balance (Fig. 5)", "", *_table(found, ("unbalanced", "longer", "balanced")),
        *gain_lines(found, "balanced", ("unbalanced", "longer")),
        "The paper finds about 4 % over all metrics for its 3B model; its balanced training takes more "
        "steps, too, and has no other training of as many steps beside it.",
        "", "## Epochs (Figs 4, 11)", "", *_table(found, ("one", "balanced", "three")),
        *gain_lines(found, "three", ("balanced", "one")),
        "## Sizes (Fig. 6, Table 10)", "", *_size_lines(found, law, picture),
    ]  # fmt: skip


def _table(found: Found, names: Sequence[str]) -> list[str]:
    columns = [*(f"loss, {name}" for name in COUNTS), *(f"right, {name}" for name in _REGIONS)]
    lines = [f"| training | steps | {' | '.join(columns)} |", f"| --- | --- |{' --- |' * len(columns)}"]
    for name in names:
        cells = [
            *(_figure(_values(found, name, "words", key)) for key in COUNTS),
            *(_figure(_values(found, name, "right", key)) for key in _REGIONS),
        ]
        told = " | ".join(figure.text() for figure in cells)
        lines.append(f"| {MIXED[name].words} | {MIXED[name].steps:,} | {told} |")
    return [*lines, ""]


def gain_lines(found: Found, better: str, others: Sequence[str]) -> list[str]:
    """By how much a training's losses and shares of right replies are above those of others."""
    lines = []
    for other in others:
        told = []
        for key in COUNTS:
            figure = _figure(_values(found, better, "words", key) - _values(found, other, "words", key))
            told.append(f"loss, {key} {_signed(figure)}")
        for key in _REGIONS:
            figure = _figure(_values(found, better, "right", key) - _values(found, other, "right", key))
            told.append(f"right, {key} {_signed(figure)}")
        lines += [f"*{MIXED[better].words}* against *{MIXED[other].words}*: {'; '.join(told)}.", ""]
    return lines


def _signed(figure: Figure) -> str:
    return f"{figure.value:+.3f} ({figure.low:+.3f} to {figure.high:+.3f})"


def _values(found: Found, name: str, what: str, key: str) -> np.ndarray:
    """(items,) means over the seeds that there are."""
    return np.mean([found[name, seed][what][key] for seed in SEEDS if (name, seed) in found], axis=0)


def _figure(values: np.ndarray) -> Figure:
    def mean(weights: np.ndarray) -> dict[str, float]:
        return {"mean": float((values * weights).sum() / weights.sum())}

    return resampled(mean, np.arange(len(values)).astype(str))["mean"]


def size_law(found: Found) -> SizeLaw | None:
    """The law of the sizes' curves, after the warm-up."""
    points = [
        (found[name, SEEDS[0]]["parameters"], step, loss)
        for name in SIZES
        for step, loss in found[name, SEEDS[0]]["curve"]
        if step > WARM_UP
    ]
    return fit_size_law(*zip(*points, strict=True))


def _size_lines(found: Found, law: SizeLaw | None, picture: Path) -> list[str]:
    lines = [
        f"Each begins unlearnt, but for the encoder, and learns the balanced mixture for one epoch, seed "
        f"{SEEDS[0]} alone. Parameters are those of the language model without its embeddings.",
        "",
        f"| language model | parameters | {' | '.join(f'loss, {name}' for name in COUNTS)} |",
        f"| --- | --- |{' --- |' * len(COUNTS)}",
    ]
    for name, variant in SIZES.items():
        told = " | ".join(_figure(_values(found, name, "words", key)).text() for key in COUNTS)
        lines.append(f"| {variant.words} | {found[name, SEEDS[0]]['parameters']:,} | {told} |")
    lines += [
        "", "L(N, S) = (N_c / N)^α_N + (S_c / S)^α_S of the training's loss, means over 20 steps, after the "
        f"first {WARM_UP}:", "",
        "| | α_N | α_S | N_c | S_c | relative error of the fit |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    if law is not None:
        lines.append(f"| here | {_law_cells(law)} | {law.error:.3f} |")
    lines.append(f"| the paper (3B to 40B) | {_law_cells(PAPER)} | – |")
    return [
        *lines,
        "",
        f"![Loss by step of each size, and the law]({picture.parent.name}/{picture.name})",
        "",
    ]


def _law_cells(law: SizeLaw) -> str:
    return f"{law.alpha_n:.2f} | {law.alpha_s:.2f} | {law.n_c:.3g} | {law.s_c:.3g}"


def draw_sizes(found: Found, law: SizeLaw | None, path: Path) -> None:
    """Loss by step of each size, and the law as dashes; PNG.

    Raises:
        StorageError: the file cannot be written.
    """
    import matplotlib.style
    from matplotlib.figure import Figure as Canvas

    with matplotlib.style.context("default"):
        figure = Canvas(figsize=(6.4, 4), layout="constrained")
        axes = figure.subplots()
        for number, name in enumerate(SIZES):
            one = found[name, SEEDS[0]]
            steps, losses = np.array(one["curve"]).T
            [drawn] = axes.plot(steps, losses, lw=1, label=f"{one['parameters'] / 1e6:.2g} M parameters")
            if law is not None:
                after = steps[steps > WARM_UP]
                label = "the law" if number == 0 else None
                axes.plot(
                    after, law.loss(one["parameters"], after), "--", color=drawn.get_color(), label=label
                )
        axes.set(xscale="log", yscale="log", xlabel="steps", ylabel="loss of all words, nats a token")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, keep_suffix=".png") as temporary:
            figure.savefig(temporary, dpi=110, metadata={"Software": None})
