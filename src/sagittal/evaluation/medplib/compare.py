"""One run of MedPLIB's comparison: train what a table asks for, put the frozen questions, keep the marks.

``WORK/NAME-SEED`` holds a run; one that is there is not made again, one that was cut off goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sagittal.evaluation.medplib.asked import grounding_questions, region_questions, spoken_questions
from sagittal.evaluation.medplib.scores import dices, is_right
from sagittal.evaluation.medplib.shipped import MASKS, SHORT, Asked
from sagittal.evaluation.medplib.variants import LOOPS, VARIANTS
from sagittal.evaluation.mpllm.runs import digest
from sagittal.evaluation.runs import settle
from sagittal.files import versions, write_text
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.model import VLM
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.train.medplib_stage import Ground, ended, run_stage, with_experts_of
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_questions import Kind
from sagittal.train.stages import StageName

Say = Callable[[str], None]
#: What is scored → (patient, mark from 0 to 1) of each answer.
Marks = dict[str, list[tuple[str, float]]]
#: One in so many of the frozen world's slices is asked about.
EVERY = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """What all runs stand on.

    Attributes:
        ground: pictures to learn from, and words.
        shipped: gives the frozen encoders and the mask decoder that all begin with.
        decoder: weights of the pretrained language model.
        test: pictures of the frozen world.
        work: folder of the runs.
    """

    ground: Ground
    shipped: VLM
    decoder: dict[str, Tensor]
    test: tuple[MarkedPicture, ...]
    work: Path

    @property
    def words(self) -> int:
        """Tokens of the vocabulary."""
        return self.ground.tokenizer.size


def stage_marks(on: Comparison, name: StageName, seed: int, say: Say, *, coordinates: bool = False) -> Marks:
    """Marks of the dense model at the end of one of the first three stages."""
    state = _until(on, name, seed, say, coordinates)
    model = VLM(medplib_config("small", on.words)).eval()
    model.load_state_dict(state)
    folder = on.work / _folder(name, seed, coordinates)
    return kept(folder, lambda: marks(on, model, coordinates=coordinates))


def variant_marks(on: Comparison, name: str, seed: int, say: Say) -> Marks:
    """Marks of a configuration of the last stage."""
    experts, folder = VARIANTS[name].experts, on.work / f"{name}-{seed}"
    before = [_until(on, stage, seed, say) for stage in ("recognition", "grounding")]
    if experts is None:
        model = VLM(medplib_config("small", on.words)).train()
        model.load_state_dict(before[-1])
    else:
        torch.manual_seed(seed)
        model = with_experts_of(before[0], before[1], on.words, experts)
    _settle(on, folder, "adaption", seed, experts)

    def run() -> Marks:
        run_stage(model, "adaption", on.ground, LOOPS["adaption"], folder, seed, say=say)
        return marks(on, model.eval())

    return kept(folder, run)


def _until(
    on: Comparison, name: StageName, seed: int, say: Say, coordinates: bool = False
) -> dict[str, Tensor]:
    """The weights at the end of a stage, all before it run where they were not."""
    folder = on.work / _folder(name, seed, coordinates)
    order: tuple[StageName, ...] = ("alignment", "recognition", "grounding")
    _settle(on, folder, name, seed, None)
    model = VLM(medplib_config("small", on.words)).train()
    if name == "alignment":
        torch.manual_seed(seed)
        model = VLM(medplib_config("small", on.words)).train()
        model.encoder.load_state_dict(on.shipped.encoder.state_dict())
        assert model.pixels is not None and on.shipped.pixels is not None, "both draw"
        model.pixels.load_state_dict(on.shipped.pixels.state_dict())
        model.language.load_state_dict(on.decoder)
    else:
        before = order[order.index(name) - 1]
        model.load_state_dict(_until(on, before, seed, say))
    run_stage(model, name, on.ground, LOOPS[name], folder, seed, coordinates=coordinates, say=say)
    return ended(folder, name, LOOPS[name], on.words)


def _folder(name: StageName, seed: int, coordinates: bool) -> str:
    return f"{'coordinates' if coordinates else name}-{seed}"


def _settle(on: Comparison, folder: Path, stage: StageName, seed: int, experts: ExpertsConfig | None) -> None:
    what: dict[str, Any] = {
        "schema": "sagittal.medplib-run/1", "stage": stage, "seed": seed,
        "experts": None if experts is None else experts.model_dump(mode="json"),
        "loops": {name: asdict(loop) for name, loop in LOOPS.items()},
        "shipped": digest(on.shipped.encoder.state_dict()), "decoder": digest(on.decoder),
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip
    settle(folder / "manifest.json", what)


def kept(folder: Path, run: Callable[[], Marks]) -> Marks:
    """Marks of a run, made where they are not there."""
    path = folder / "marks.json"
    if not path.exists():
        write_text(path, json.dumps(run()))
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: [(patient, mark) for patient, mark in own] for name, own in found.items()}


def marks(on: Comparison, model: VLM, *, coordinates: bool = False) -> Marks:
    """The frozen questions, answered and marked."""
    asked = Asked.of(
        model, on.ground.tokenizer, on.test[::EVERY], on.ground.features, coordinates=coordinates
    )

    def patient(number: int) -> str:
        return asked.pictures[number].facts.patient

    found: Marks = {
        "region": [
            (patient(one.question.picture), float(is_right(one)))
            for one in asked.put(region_questions(asked.pictures), SHORT)
        ]
    }
    requests = [one for one in grounding_questions(asked.pictures) if not one.absent]
    given = asked.put(requests, MASKS)
    for name, own in (("mask", given), ("single", [one for one in given if len(one.question.masks) == 1])):
        found[name] = [
            (patient(one.question.picture), value)
            for one in own
            for _, value in dices(one, asked.pictures[one.question.picture])
        ]
    kinds: tuple[Kind, ...] = ("closed", "choice", "open")
    for kind in kinds:
        found[kind] = [
            (patient(one.question.picture), float(one.text == one.question.answer[0]))
            for one in asked.put(spoken_questions(asked.pictures, kind), SHORT)
        ]
    return found
