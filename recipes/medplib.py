"""The shipped MedPLIB, in its four stages.

    python recipes/medplib_data.py --heads HEADS --out runs/medplib/data
    python recipes/medplib_encoders.py points --real DATA
    (closer, pixels, masks, sharper, finer: the same way)
    python recipes/medplib.py before --real DATA --ship FOLDER
    python recipes/medplib.py alignment --real DATA
    python recipes/medplib.py recognition --real DATA
    python recipes/medplib.py grounding --real DATA
    python recipes/medplib.py adaption --real DATA
    python recipes/medplib.py ship --real DATA --ship FOLDER

What learns in each stage, by which losses and from which questions, stands in
``sagittal/train/tables/medplib_stages.yaml``. Each goes on from the one before, and where it was stopped; in
the last, two experts are filled from the second and the third. About an hour on one core in all.
``before`` writes the model before its first stage, which ``sagittal reproduce medplib`` begins with.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import get_args

import torch
from torch import nn

from sagittal.evaluation.medplib.asked import grounding_questions
from sagittal.evaluation.medplib.real import real_sets
from sagittal.evaluation.medplib.scores import by_class
from sagittal.evaluation.medplib.shipped import MASKS, Asked
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import save_vlm
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.runtime import keep_memory
from sagittal.train.class_masks import ClassMasks
from sagittal.train.loop import LoopConfig, use_mean
from sagittal.train.medplib_set import learning_set, validation_set
from sagittal.train.medplib_stage import Ground, ended, run_stage, with_experts_of
from sagittal.train.mpllm import rounded
from sagittal.train.picture_labels import PointLabels
from sagittal.train.stages import StageName
from sagittal.weights import find_checkpoint

SEED = 20263
STAGES: tuple[StageName, ...] = get_args(StageName)
LOOPS: Mapping[StageName, LoopConfig] = {
    "alignment": LoopConfig(
        steps=120, rate=1.5e-3, warm_up=20, mean_over=30, save_every=40, score_every=120
    ),
    "recognition": LoopConfig(
        steps=1_700, rate=1e-3, hidden_rate=4e-3, warm_up=50, decay=0.02, mean_over=120, save_every=100,
        score_every=600,
    ),
    "grounding": LoopConfig(
        steps=700, rate=1.5e-3, hidden_rate=3e-3, warm_up=50, decay=0.02, mean_over=120, save_every=100,
        score_every=350,
    ),
    "adaption": LoopConfig(
        steps=600, rate=8e-4, hidden_rate=2e-3, warm_up=50, decay=0.02, mean_over=120, save_every=100,
        score_every=350,
    ),
}  # fmt: skip
#: Room for every token: what is over capacity, by position, is always words, since pictures come first.
EXPERTS = ExpertsConfig(capacity=2.0, scale="one")


def main() -> None:
    """One of the stages, or the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("before", *STAGES, "ship"))
    parser.add_argument("--data", type=Path, default=Path("runs/medplib/data"))
    parser.add_argument("--real", type=Path, required=True, help="folder of the real scans and films")
    parser.add_argument("--decoder", default="decoder-small", help="name or folder of the checkpoint")
    parser.add_argument("--out", type=Path, default=Path("runs/medplib"))
    parser.add_argument("--ship", type=Path, help="folder that receives the checkpoint")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_flush_denormal(True)
    keep_memory()
    if given.step == "before":
        decoder, tokenizer = load_decoder(find_checkpoint(given.decoder))
        save_vlm(
            given.ship, _begun(given, "alignment", decoder, tokenizer.size), OwnChat(tokenizer), card(()),
            task="medplib",
        )  # fmt: skip
    elif given.step == "ship":
        _ship(given)
    else:
        _train(given, given.step)


def _train(given: argparse.Namespace, name: StageName) -> None:
    decoder, tokenizer = load_decoder(find_checkpoint(given.decoder))
    ground = Ground(
        learning_set(given.data, given.real), validation_set(given.data, given.real),
        Speech.of(OwnChat(tokenizer)),
        given.out / "features",
    )  # fmt: skip
    run_stage(
        _begun(given, name, decoder, tokenizer.size), name, ground, LOOPS[name], given.out / name,
        given.seed + STAGES.index(name), minutes=given.minutes, say=_say,
    )  # fmt: skip


def _begun(given: argparse.Namespace, name: StageName, decoder: nn.Module, words: int) -> VLM:
    """The model at the beginning of a stage."""
    if name == "adaption":
        before = [_ended(given.out, stage, words) for stage in ("recognition", "grounding")]
        return with_experts_of(*before, words, EXPERTS)
    model = VLM(medplib_config("small", words)).train()
    if name != "alignment":
        model.load_state_dict(_ended(given.out, STAGES[STAGES.index(name) - 1], words))
        return model
    model.language.load_state_dict(decoder.state_dict())
    assert model.pixels is not None, "it draws"
    _look(given.out / "closer", "at_point.2.bias", lambda codes: PointLabels(model, codes - 1), model.encoder)
    model.pixels.frequencies.requires_grad_(False)
    _look(given.out / "finer", "prompts.weight", partial(ClassMasks, model.pixels), model.pixels.encoder)
    return model


def _ended(out: Path, name: StageName, words: int) -> dict[str, torch.Tensor]:
    return ended(out / name, name, LOOPS[name], words, EXPERTS if name == "adaption" else None)


def _look(folder: Path, counted: str, made: Callable[[int], nn.Module], encoder: nn.Module) -> None:
    """An encoder as it was made before the stages, and as it ships."""
    state = torch.load(folder / "last.pt", weights_only=True)
    use_mean(state, made(len(state["module"][counted])))
    rounded(encoder)


def _ship(given: argparse.Namespace) -> None:
    _, tokenizer = load_decoder(find_checkpoint(given.decoder))
    model = VLM(medplib_config("small", tokenizer.size, experts=EXPERTS)).eval()
    model.load_state_dict(_ended(given.out, "adaption", tokenizer.size))
    chat = OwnChat(tokenizer)
    scores = tuple(real_scores(model, Speech.of(chat), given.real, given.out / "features"))
    save_vlm(given.ship, model, chat, card(scores), task="medplib")


def real_scores(model: VLM, speech: Speech, data: Path, features: Path) -> Iterator[Score]:
    """Mean Dice of each patient of the held-out real sets."""
    for real in real_sets(data):
        asked = Asked.of(model, speech, real.pictures, features)
        requests = [one for one in grounding_questions(asked.pictures) if not one.absent]
        found = by_class(asked.put(requests, MASKS), asked.pictures)
        every = [pair for own in found.values() for pair in own]
        what = next(iter(found)) if len(found) == 1 else f"masks of {len(found)} classes"
        for patient in dict.fromkeys(patient for _, patient in every):
            own = [dice for dice, whose in every if whose == patient]
            yield Score(
                data=f"real: {real.name}, {real.source}", metric="Dice", of=what, case=patient,
                value=round(sum(own) / len(own), 3),
            )  # fmt: skip


def card(scores: tuple[Score, ...]) -> Card:
    """What to know about the model."""
    return Card(
        name="medplib-small",
        summary="Says what lies where you point and draws what you ask for in pictures and slices (MedPLIB).",
        licence="Apache-2.0",
        data=(
            "10,800 slices of brain MR, simulated from seven people's head label maps (heads 01-07; Billot "
            "et al., SynthSeg, Apache-2.0)",
            "one CT scan with TotalSegmentator's labels (Wasserthal et al., Apache-2.0)",
            "58 chest films of the Montgomery set with lung masks (US National Library of Medicine)",
            "VQA-RAD's questions about 208 images (Lau et al. 2018, CC0)",
            "questions from this project's grammar",
        ),
        recipe=f"recipes/medplib_data.py, medplib_encoders.py, medplib.py, seed {SEED}",
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "brain MR was learnt from simulated scans alone, CT from one patient, of films their lungs alone",
            "one picture, or one slice of a volume; small structures are drawn coarsely",
            "English; a class that it does not know is called by the name of one that it knows",
        ),
        accepts=Accepts(
            kinds=("t1", "t1c", "t2", "flair", "mr", "ct", "cxr", "photo", "unknown"),
            most_volumes=1,
            regions=True,
            pictures=True,
        ),
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
