"""Pictures of mpLLM: how alike the router treats prompts (Figure 3), and what its probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.files import atomic_path
from sagittal.io.labels import load_labels
from sagittal.language.wording import CANONICAL
from sagittal.models.decoding import GrowingContext
from sagittal.models.vlm.chat import Chat, padded
from sagittal.models.vlm.model import VLM
from sagittal.nn.projector import HierarchicalProjector
from sagittal.score.calibration import Reliability


def canonical_prompts(labels: str = "gli") -> list[tuple[str, str]]:
    """The template prompts of Figure 3: finding and question, fifteen of each finding."""
    table = load_labels(labels)
    return [
        (name, question.replace("{label}", table.long(name)))
        for name in table.names.values()
        for question, _ in CANONICAL.values()
    ]


@torch.no_grad()
def router_weights(model: VLM, chat: Chat, prompts: Sequence[str]) -> NDArray[np.float64]:
    """(prompts, blocks) of the high-level router: it reads the question alone, no image.

    Raises:
        TypeError: the model's projector has no router.
    """
    if not isinstance(model.projector, HierarchicalProjector):
        raise TypeError("only a mixture of experts has a router")
    context = GrowingContext(model.language)
    piece = padded([chat.question(prompt) for prompt in prompts])
    embed = model.language.get_input_embeddings()  # type: ignore[operator]
    context.append_embeddings(embed(piece.ids), piece.real)
    return model.projector.high(context.last_state)[:, 0].softmax(-1).double().numpy()


def correlations(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(prompts, prompts) correlation of the weight vectors."""
    return np.asarray(np.corrcoef(weights))


def within_and_between(found: NDArray[np.float64], findings: Sequence[str]) -> dict[str, float]:
    """Mean correlation of two prompts about one finding, and of two about different ones."""
    names = np.array(findings)
    same = names[:, None] == names[None]
    off = ~np.eye(len(names), dtype=bool)
    return {"within": float(found[same & off].mean()), "between": float(found[~same].mean())}


def draw_heatmap(found: NDArray[np.float64], findings: Sequence[str], path: str | Path) -> None:
    """Figure 3: prompts by finding, coloured by the correlation of their weights."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.4, 4.6), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(found, vmin=-1, vmax=1, cmap="RdBu_r")
    names = list(dict.fromkeys(findings))
    each = len(findings) // len(names)
    middle = [each * (n + 0.5) - 0.5 for n in range(len(names))]
    axes.set_xticks(middle, names)
    axes.set_yticks(middle, names)
    for n in range(1, len(names)):
        axes.axhline(each * n - 0.5, color="black", lw=0.8)
        axes.axvline(each * n - 0.5, color="black", lw=0.8)
    figure.colorbar(shown, label="correlation of router weights")
    _save(figure, path)


def draw_reliability(found: Mapping[str, Reliability], path: str | Path) -> None:
    """Accuracy against confidence, a panel a task; the size of a dot says how many answers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4 * len(found), 2.7), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(found), sharey=True))
    for axes, (task, own) in zip(panels, found.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="grey", lw=0.8)
        size = [120 * (b.count / own.count) ** 0.5 for b in own.bins]
        axes.scatter([b.confidence for b in own.bins], [b.accuracy for b in own.bins], size)
        axes.set_title(f"{task}: error {own.error:.3f}", fontsize=9)
        axes.set_xlabel("confidence", fontsize=8)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
    panels[0].set_ylabel("accuracy", fontsize=8)
    _save(figure, path)


def _save(figure: object, path: str | Path) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)  # type: ignore[attr-defined]
