"""One run of MedPLIB's comparison: train what a table asks for, put the frozen questions, keep the marks.

``WORK/NAME-SEED`` holds a run; one that is there is not made again, one that was cut off goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sagittal.evaluation.medplib.asked import grounding_questions, region_questions, spoken_questions
from sagittal.evaluation.medplib.scores import dices, is_right
from sagittal.evaluation.medplib.shipped import MASKS, SHORT, Asked
from sagittal.evaluation.medplib.variants import LOOPS, UNET_LOOP, VARIANTS
from sagittal.evaluation.mpllm.runs import digest
from sagittal.evaluation.runs import settle
from sagittal.files import versions, write_text
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.vlm.model import VLM
from sagittal.train.medplib_stage import Ground, ended, has_ended, run_stage, with_experts_of
from sagittal.train.picture_bank import MarkedPicture, bank_hash
from sagittal.train.picture_questions import Kind
from sagittal.train.stages import StageName

Say = Callable[[str], None]
#: What is scored → (patient, mark from 0 to 1) of each answer.
Marks = dict[str, list[tuple[str, float]]]
#: One in so many of the frozen world's slices is asked about.
EVERY = 3
_ORDER: tuple[StageName, ...] = ("alignment", "recognition", "grounding")


@dataclass(frozen=True, eq=False)
class Comparison:
    """What all runs stand on.

    Attributes:
        ground: pictures to learn from, and words.
        before: a model before its first stage: gives the frozen encoders, and the mask decoder that all
            begin with.
        decoder: weights of the pretrained language model.
        test: pictures of the frozen world.
        work: folder of the runs.
    """

    ground: Ground
    before: VLM
    decoder: dict[str, Tensor]
    test: tuple[MarkedPicture, ...]
    work: Path

    @property
    def words(self) -> int:
        """Tokens of the vocabulary."""
        return self.ground.speech.chat.size

    @cached_property
    def made_of(self) -> dict[str, str]:
        """Hashes of what every run depends on: pictures, and the weights that all begin with."""
        assert self.before.pixels is not None, "it draws"
        return {
            "learning": bank_hash(self.ground.learning.pictures),
            "test": bank_hash(self.test[::EVERY]),
            "encoder": digest(self.before.encoder.state_dict()),
            "pixels": digest(self.before.pixels.state_dict()),
            "decoder": digest(self.decoder),
        }


def stage_marks(on: Comparison, name: StageName, seed: int, say: Say, *, coordinates: bool = False) -> Marks:
    """Marks of the dense model at the end of one of the first three stages."""
    folder = on.work / _folder(name, seed, coordinates)

    def run() -> Marks:
        model = _dense(on)
        model.load_state_dict(_until(on, name, seed, say, coordinates))
        return marks(on, model.eval(), coordinates=coordinates)

    settle_run(on, folder, name, seed)
    return kept(folder, run)


def variant_marks(on: Comparison, name: str, seed: int, say: Say) -> Marks:
    """Marks of a configuration of the last stage."""
    experts, folder = VARIANTS[name].experts, on.work / f"{name}-{seed}"

    def run() -> Marks:
        recognition, grounding = (_until(on, stage, seed, say) for stage in ("recognition", "grounding"))
        if experts is None:
            model = _dense(on)
            model.load_state_dict(grounding)
        else:
            torch.manual_seed(seed)
            model = with_experts_of(recognition, grounding, on.words, experts)
        run_stage(model, "adaption", on.ground, LOOPS["adaption"], folder, seed, say=say)
        return marks(on, model.eval())

    settle_run(on, folder, "adaption", seed, None if experts is None else experts.model_dump(mode="json"))
    return kept(folder, run)


def variant_asked(on: Comparison, name: str, seed: int) -> Asked:
    """A trained configuration of the last stage that has experts, with the pictures that are asked about."""
    experts = VARIANTS[name].experts
    assert experts is not None, "it has experts"
    model = VLM(medplib_config("small", on.words, experts=experts)).eval()
    model.load_state_dict(ended(on.work / f"{name}-{seed}", "adaption", LOOPS["adaption"], on.words, experts))
    return Asked.of(model, on.ground.speech, on.test[::EVERY], on.ground.features)


def _until(
    on: Comparison, name: StageName, seed: int, say: Say, coordinates: bool = False
) -> dict[str, Tensor]:
    """The weights at the end of a stage, all before it run where they were not."""
    folder = on.work / _folder(name, seed, coordinates)
    settle_run(on, folder, name, seed)
    if not has_ended(folder, LOOPS[name]):
        torch.manual_seed(seed)
        model = _dense(on)
        if name == "alignment":
            assert model.pixels is not None and on.before.pixels is not None, "both draw"
            model.encoder.load_state_dict(on.before.encoder.state_dict())
            model.pixels.load_state_dict(on.before.pixels.state_dict())
            model.language.load_state_dict(on.decoder)
        else:
            model.load_state_dict(_until(on, _ORDER[_ORDER.index(name) - 1], seed, say))
        run_stage(model, name, on.ground, LOOPS[name], folder, seed, coordinates=coordinates, say=say)
    return ended(folder, name, LOOPS[name], on.words)


def _dense(on: Comparison) -> VLM:
    return VLM(medplib_config("small", on.words)).train()


def _folder(name: StageName, seed: int, coordinates: bool) -> str:
    return f"{'coordinates' if coordinates else name}-{seed}"


def settle_run(on: Comparison, folder: Path, what: str, seed: int, experts: object = None) -> None:
    """Make sure that a run's folder is of this run.

    Raises:
        IntegrityError: it holds another one.
    """
    wanted: dict[str, Any] = {
        "schema": "sagittal.medplib-run/1", "run": what, "seed": seed, "experts": experts, **on.made_of,
        "loops": {**{name: asdict(loop) for name, loop in LOOPS.items()}, "unet": asdict(UNET_LOOP)},
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip
    settle(folder / "manifest.json", wanted)


def kept(folder: Path, run: Callable[[], Marks]) -> Marks:
    """Marks of a run, made where they are not there."""
    path = folder / "marks.json"
    if not path.exists():
        write_text(path, json.dumps(run()))
    found = json.loads(path.read_text(encoding="utf-8"))
    return {name: [(patient, mark) for patient, mark in own] for name, own in found.items()}


def marks(on: Comparison, model: VLM, *, coordinates: bool = False) -> Marks:
    """The frozen questions, answered and marked."""
    asked = Asked.of(model, on.ground.speech, on.test[::EVERY], on.ground.features, coordinates=coordinates)

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
