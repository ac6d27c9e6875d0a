"""Joint training of VoxelPrompt (Eq. 2): on simulated studies, or on a user's own labelled scans."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel_tasks import VoxelTasksConfig
from sagittal.errors import InputError
from sagittal.io.labels import LabelTable
from sagittal.io.layouts import CaseFiles, find_cases, load_case
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.checkpoint import Card
from sagittal.models.voxelprompt.conversation import Scribe, Script
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.runtime import Runtime
from sagittal.splits import split_of
from sagittal.study import Study
from sagittal.train.augment import augmented
from sagittal.train.joint import JointConfig, Lessons
from sagittal.train.loop import Loop, LoopConfig

#: §4.3: Adam at 1e-4, batches of one, ten accumulated, the rate halved on a plateau.
PAPER = LoopConfig(
    steps=100_000, rate=1e-4, schedule="plateau", warm_up=0, betas=(0.9, 0.999), decay=0.0, clip=math.inf,
    accumulate=10, mean_over=1, score_every=500,
)  # fmt: skip
#: From a trained model: few steps, gently.
FINE_TUNING = LoopConfig(
    steps=300, rate=2e-4, warm_up=20, accumulate=4, mean_over=50, score_every=50, save_every=25
)
# Lessons that the scores are over.
_VALIDATION = 12


@dataclass(frozen=True)
class JointTraining:
    """Loss and scores for :class:`~sagittal.train.loop.Loop`.

    Attributes:
        model: all of it learns.
        lessons: to learn from.
        held: whole lessons of other patients, for scores.
        runtime: device and precision.
    """

    model: VoxelPrompt
    lessons: Callable[[int], Script]
    held: Sequence[Script]
    runtime: Runtime

    def loss(self, number: int) -> Mapping[str, Tensor]:
        """Eq. 2 of one lesson."""
        script = self.lessons(number)
        with self._precision():
            losses = self.model([script])
        terms = {"loss": losses.total, "text": losses.text.mean()}
        dice = [m.dice_loss for m in losses.masks]
        return {**terms, "dice": torch.stack(dice).mean()} if dice else terms

    def scores(self) -> Mapping[str, float]:
        """Mean soft Dice of the masks that show anything, programs exactly right, and their mean."""
        overlaps, exact = [], []
        for script in self.held:
            with torch.no_grad(), self._precision():
                losses = self.model([script])
            exact.append(float(losses.exact.float().mean()))
            for drawn in losses.masks:
                target = script.conversation.masks[drawn.mask]
                if target is not None and bool(target.any()):
                    overlaps.append(1 - float(drawn.dice_loss))
        masks, programs = (float(np.mean(v)) if v else 0.0 for v in (overlaps, exact))
        return {"masks": masks, "programs": programs, "score": (masks + programs) / 2}

    def _precision(self) -> torch.autocast:
        return self.runtime.autocast()


def fine_tune(
    model: VoxelPrompt,
    tokenizer: Tokenizer,
    data: str | Path,
    out: str | Path,
    *,
    layout: str,
    labels: LabelTable | None,
    config: LoopConfig = FINE_TUNING,
    runtime: Runtime,
    seed: int = 0,
    minutes: float = math.inf,
    say: Callable[[str], None] = lambda line: None,
) -> VoxelPrompt | None:
    """Go on training with labelled scans; questions about them are made on the way.

    Patients of the committed split's validation part give the scores by which the best weights are kept;
    those of its test part are left alone.

    Args:
        model: trained, on ``runtime.device``.
        tokenizer: its own.
        data: folder of cases.
        out: of the run; one that was cut off goes on.
        layout, labels: as for ``sagittal build``.
        config: of the loop.
        runtime: device and precision.
        seed: of lessons and exposures.
        minutes: stop, to go on another time.
        say: called with each line of the curve.

    Returns:
        The model with the best weights (the last mean, where no patient is held out); ``None`` where the
        minutes ended before the steps.

    Raises:
        InputError: no patient of the training part, or masks without a structure that can be asked for.
        IntegrityError: ``out`` holds another run.
        LayoutError, StorageError: from reading.
    """
    cases = find_cases(data, layout, kinds=None) if layout == "brats" else find_cases(data, layout)
    parts = {
        part: [c for c in cases if split_of(c.patient) == part and c.mask] for part in ("train", "validation")
    }
    if not parts["train"]:
        raise InputError(
            "No labelled patient falls into the training part.",
            expected="a few labelled patients",
            got=f"{len(cases)} cases",
        )
    scribe = Scribe(tokenizer)
    # Nearly whole heads: what group normalisation learns from small patches misleads.
    settings = JointConfig(VoxelTasksConfig(unanswerable=0.1), model.config.preparation, patch=96)
    learnt = _lessons(parts["train"], labels, scribe, settings, seed, augment=True)
    held: list[Script] = []
    if parts["validation"]:
        whole = _lessons(
            parts["validation"], labels, scribe, replace(settings, patch=None), seed, augment=False
        )
        held = [whole(n) for n in range(_VALIDATION)]
    training = JointTraining(model.train(), learnt, held, runtime)
    loop = Loop(model, config, training.loss, out, scores=training.scores if held else None, say=say)
    if loop.run(minutes=minutes).step < config.steps:
        return None
    kept = Path(out) / "best.pt"
    if kept.exists():
        model.load_state_dict(torch.load(kept, map_location=runtime.device, weights_only=True)["module"])
    else:
        loop.use_mean()
    return model.eval()


def _lessons(
    cases: Sequence[CaseFiles], labels: LabelTable | None, scribe: Scribe, settings: JointConfig, seed: int,
    *, augment: bool,
) -> Lessons:  # fmt: skip
    def load(number: int, rng: np.random.Generator) -> tuple[Study, None]:
        study = named(load_case(cases[number], labels, resample=True))
        return (augmented(study, rng) if augment else study), None

    return Lessons(load, len(cases), scribe, settings, seed)


def named(study: Study) -> Study:
    """The study with its masks called what :class:`~sagittal.builders.voxel.truth.Truth` looks for.

    Raises:
        InputError: no mask holds a structure that can be asked for.
    """
    table = structure_table().structures.values()
    lesions = {label for entry in table for label in entry.labels}
    anatomy = {value for entry in table for value in entry.values}
    masks = []
    for mask in study.masks:
        if set(mask.labels.values()) & lesions:
            masks.append(replace(mask, name="lesions"))
        elif set(mask.labels) <= anatomy | {0}:
            masks.append(replace(mask, name="anatomy"))
    if not masks:
        raise InputError(
            "No mask holds a structure that can be asked for.",
            expected=f"labels called {', '.join(sorted(lesions))}, or FreeSurfer values",
            got=f"{study.name}: {[list(m.labels.values())[:6] for m in study.masks]}",
            remedy="say what the values mean with --labels",
        )
    return replace(study, masks=tuple(masks))


def tuned_card(card: Card, data: str | Path, steps: int, seed: int) -> Card:
    """The card of a model that went on from another: its scores no longer hold."""
    return card.model_copy(
        update={
            "name": f"{card.name}-tuned",
            "data": (*card.data, f"labelled scans of {Path(data).name}"),
            "recipe": f"{card.recipe}; then sagittal train voxelprompt, {steps} steps, seed {seed}",
            "scores": (),
        }
    )
