"""One stage of MedPLIB's training, as recipes and comparisons run it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sagittal.errors import InputError
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.experts import load_experts
from sagittal.models.vlm.model import VLM
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.medplib import MedPLIBTraining
from sagittal.train.medplib_set import PictureSet, stream
from sagittal.train.stages import StageName, enter, medplib_stages


@dataclass(frozen=True)
class Ground:
    """What all stages stand on.

    Attributes:
        learning, validation: pictures.
        speech: words as tokens.
        features: folder that keeps what the encoders see.
    """

    learning: PictureSet
    validation: PictureSet
    speech: Speech
    features: Path


def run_stage(
    model: VLM, name: StageName, ground: Ground, config: LoopConfig, out: Path, seed: int, *,
    coordinates: bool = False, minutes: float = math.inf, say: Callable[[str], None] = lambda line: None,
) -> bool:  # fmt: skip
    """Train a stage, or go on with it; the model ends with the running mean of its weights.

    Args:
        model: at the beginning of the stage.
        name: of the stage.
        ground: pictures and words.
        config: how.
        out: folder of the run.
        seed: of the questions.
        coordinates: whether regions are told in words (Table 1's baseline).
        minutes: after which to stop.
        say: called with each line of the curve.

    Returns:
        Whether the stage has ended.
    """
    stage = medplib_stages().stages[name]
    enter(stage, model)
    made = {
        split: stream(
            own, model, ground.speech, stage, own_seed, ground.features, drawn="bce" in stage.losses,
            coordinates=coordinates,
        )
        for split, own, own_seed in (("learning", ground.learning, seed), ("held", ground.validation, 1))
    }  # fmt: skip
    training = MedPLIBTraining(model, made["learning"], made["held"], medplib_stages().weights)
    loop = Loop(model, config, training.loss, out, scores=training.scores, say=say, hidden=_matrices(model))
    done = loop.run(minutes=minutes)
    loop.use_mean()
    return done.step >= config.steps


def _matrices(model: VLM) -> list[nn.Parameter]:
    """The matrices between the language model's layers, which Muon trains."""
    return [
        p
        for name, p in model.language.named_parameters()
        if p.ndim == 2 and p.requires_grad and ".layers." in name and ".router." not in name
    ]


def has_ended(folder: Path, config: LoopConfig) -> bool:
    """Whether a stage's last step was taken."""
    path = folder / "last.pt"
    return path.exists() and _steps(torch.load(path, weights_only=True)) >= config.steps


def _steps(state: Mapping[str, Any]) -> int:
    return int(state["progress"]["step"])


def ended(
    folder: Path, name: StageName, config: LoopConfig, vocabulary: int, experts: ExpertsConfig | None = None
) -> dict[str, Tensor]:
    """The weights that a stage ended with.

    Raises:
        InputError: it has not ended.
    """
    state = torch.load(folder / "last.pt", weights_only=True)
    if _steps(state) < config.steps:
        raise InputError(
            f"The stage {name} has not ended.", expected=f"{config.steps} steps",
            got=_steps(state), remedy="run it again: it goes on",
        )  # fmt: skip
    model = VLM(medplib_config("small", vocabulary, experts=experts))
    enter(medplib_stages().stages[name], model)
    use_mean(state, model)
    return dict(model.state_dict())


def with_experts_of(
    recognition: Mapping[str, Tensor],
    grounding: Mapping[str, Tensor],
    vocabulary: int,
    experts: ExpertsConfig,
) -> VLM:  # fmt: skip
    """The last stage's model: an expert each of the second and third; all else is the third's (Figure 3)."""
    model = VLM(medplib_config("small", vocabulary, experts=experts)).train()
    load_experts(model, grounding, (recognition, grounding))
    return model
