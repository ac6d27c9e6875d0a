"""Where tokens go: which share of image and text tokens each expert takes (Figures 5, 12, 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.evaluation.medplib.asked import grounding_questions, region_questions
from sagittal.evaluation.medplib.shipped import Asked
from sagittal.files import atomic_path
from sagittal.models.vlm.experts import routes_of
from sagittal.runtime import autocast
from sagittal.train.picture_questions import Question

#: Questions of each kind.
_QUESTIONS = 128
_BATCH = 32
_KINDS = ("image", "text")


def routing_lines(asked: Asked, out: Path) -> list[str]:
    """The table and the picture, of questions about regions and of requests for masks."""
    if asked.model.config.experts is None:
        return ["This model has no experts.", ""]
    sets = {
        "a region is pointed at": region_questions(asked.pictures),
        "masks are asked for": [q for q in grounding_questions(asked.pictures) if not q.absent],
    }
    found = {words: token_shares(asked, _spread(own)) for words, own in sets.items()}
    draw_shares(found, out / "routing.png")
    lines = ["| tokens | where | " + " | ".join(f"layer {n + 1}" for n in range(_layers(found))) + " |"]
    lines.append("| --- " * (2 + _layers(found)) + "|")
    for words, own in found.items():
        for kind in _KINDS:
            cells = " | ".join(f"{100 * layer[0]:.0f} / {100 * layer[1]:.0f} %" for layer in own[kind])
            lines.append(f"| {kind} | {words} | {cells} |")
    return [
        *lines, "", "Expert of recognition / expert of grounding; what lacks to 100 % was over capacity.",
        "", f"![Shares]({out.name}/routing.png)", "",
    ]  # fmt: skip


def _layers(found: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> int:
    return len(next(iter(found.values()))["image"])


def _spread(questions: Sequence[Question]) -> list[Question]:
    index = np.unique(np.linspace(0, len(questions) - 1, _QUESTIONS).astype(int))
    return [questions[n] for n in index.tolist()]


@torch.no_grad()
def token_shares(asked: Asked, questions: Sequence[Question]) -> dict[str, NDArray[np.float64]]:
    """Kind of token → (layers, experts) share that each expert takes, answers read along.

    Args:
        asked: a model with experts.
        questions: about its pictures.
    """
    experts = asked.model.config.experts
    assert experts is not None, "there are experts"
    counts: dict[str, NDArray[np.float64]] = {}
    totals = dict.fromkeys(_KINDS, 0)
    for start in range(0, len(questions), _BATCH):
        turn = asked.turns(questions[start : start + _BATCH]).turn
        with routes_of(asked.model.language) as routes, autocast():
            asked.model(turn)
        images = turn.features.tokens.shape[2]
        real = torch.cat([turn.question.real, turn.header.real, turn.answer.real], dim=1)
        for kind, here in (("image", slice(0, images)), ("text", slice(images, None))):
            mask = torch.ones(len(real), images, dtype=torch.bool) if kind == "image" else real
            own = np.stack(
                [[int((layer[:, here][mask] == n).sum()) for n in range(experts.count)] for layer in routes]
            )
            counts[kind] = counts.get(kind, 0) + own
            totals[kind] += int(mask.sum())
    return {kind: counts[kind] / totals[kind] for kind in _KINDS}


def draw_shares(found: Mapping[str, Mapping[str, NDArray[np.float64]]], path: Path) -> None:
    """A panel a kind of question: bars of both experts for each layer and kind of token."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(found), 3), layout="constrained")
    for axes, (words, own) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        places = np.arange(_layers(found))
        for at, kind in enumerate(_KINDS):
            bottom = np.zeros(len(places))
            for expert, shade in enumerate(("#3b6ea5", "#e08a3c")):
                share = own[kind][:, expert]
                name = f"{('recognition', 'grounding')[expert]}, {kind}"
                axes.bar(
                    places + 0.4 * at - 0.2, share, 0.36, bottom, color=shade, alpha=1 - 0.4 * at, label=name
                )
                bottom += share
        axes.set_xticks(places, [f"layer {n + 1}" for n in places], fontsize=8)
        axes.set_title(words, fontsize=9)
        axes.set_ylim(0, 1.02)
    axes.legend(fontsize=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def over_capacity(asked: Asked) -> NDArray[np.float64]:
    """(layers,) share of the words' tokens that no expert has room for, answers read along.

    Training reads answers along. A token that is generated always has room, so that a model that learnt with
    its words over capacity speaks through feed-forwards that it did not learn with.

    Args:
        asked: a model with experts.
    """
    questions = [*region_questions(asked.pictures), *grounding_questions(asked.pictures)]
    shares = token_shares(asked, _spread([one for one in questions if not one.absent]))
    found: NDArray[np.float64] = 1 - shares["text"].sum(axis=1)
    return found


def over_capacity_lines(
    found: Mapping[str, Sequence[NDArray[np.float64]]], seeds: Sequence[int]
) -> list[str]:
    """A table.

    Args:
        found: words of a variant → :func:`over_capacity` of each seed.
        seeds: of the runs.
    """
    heads = [f"seed {seed}, layers 1 to {len(next(iter(found.values()))[0])}" for seed in seeds]
    lines = [
        "## Words over capacity", "",
        "Share of the words' tokens that no expert had room for when answers were read along, as in "
        "training, in per cent. What is generated always has room: a model whose words were over capacity "
        "speaks through feed-forwards that it did not learn with, which is where the first lines of Table 4 "
        "lose.",
        "", "| | " + " | ".join(heads) + " |", "| --- " * (1 + len(heads)) + "|",
    ]  # fmt: skip
    for words, own in found.items():
        cells = (", ".join(f"{100 * value:.0f}" for value in layers) for layers in own)
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return [*lines, ""]
