"""One run of a comparison: train a configuration, put the frozen questions to it, keep what it answers.

``WORK/WORLD-VARIANT-SEED/answers.jsonl``; a run that is there is not made again, one that was cut off goes
on. What the frozen encoder makes of the studies is made once and shared by all runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from sagittal.evaluation.mpllm.pictures import canonical_prompts, router_weights
from sagittal.evaluation.mpllm.questions import (
    Answered,
    fixed_questions,
    load_answers,
    put_questions,
    save_answers,
)
from sagittal.evaluation.mpllm.variants import LOOP, VARIANTS, Variant, World
from sagittal.evaluation.runs import settle
from sagittal.files import versions, write_text
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import load_vlm
from sagittal.nn.projector import HierarchicalProjector
from sagittal.train.loop import Loop
from sagittal.train.mpllm import MpLLMTraining, freeze_encoder, hidden_matrices
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import FeatureStore, StreamConfig, TumourStream
from sagittal.weights import find_checkpoint

Say = Callable[[str], None]
#: The part of the training studies that Table 9's regression is fitted on, and how many blocks it has.
FITTING, FITTING_BLOCKS = "fitting", 15
#: The high-level router's weights for the template prompts, in a run's folder.
ROUTER = "router.json"


@dataclass(frozen=True, eq=False)
class Ground:
    """What all runs of a comparison stand on.

    Attributes:
        model: gives the frozen encoder, and its config.
        decoder: weights of the pretrained decoder.
        chat: words to tokens.
        data: folder of the banks: ``training``, ``validation`` and ``test``, a folder a world in each.
        work: folder of the runs.
    """

    model: VLM
    decoder: dict[str, torch.Tensor]
    chat: OwnChat
    data: Path
    work: Path

    def bank(self, split: str, world: str) -> TumourBank:
        """The studies of a split and world; of ``fitting`` the first of those that were trained on."""
        if split == FITTING:
            return TumourBank([self.data / "training" / world], FITTING_BLOCKS)
        return TumourBank([self.data / split / world])

    def features(self, split: str, world: str, bank: TumourBank) -> FeatureStore:
        """What the frozen encoder makes of them."""
        own = digest(self.model.encoder.state_dict())[:12]
        return FeatureStore.make(self.model, bank, self.work / "features" / f"{own}-{split}-{world}.pt")


def ground_of(model: str, data: str | Path, work: str | Path) -> Ground:
    """The ground of a shipped model: its frozen encoder, and the decoder that it began with.

    Args:
        model: name or folder of an mpLLM.
        data, work: folders of the banks and of the runs.

    Raises:
        InputError: a checkpoint is not at hand.
        IntegrityError, FileFormatError, ConfigError, StorageError: from reading it.
    """
    decoder, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    made, _, _ = load_vlm(find_checkpoint(model), task="mpllm")
    return Ground(made, decoder.state_dict(), OwnChat(tokenizer), Path(data), Path(work))


def digest(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 over weights."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode())
        found.update(state[name].detach().float().contiguous().numpy().tobytes())
    return found.hexdigest()


def run_variant(
    ground: Ground,
    world: World,
    name: str,
    seed: int,
    say: Say = lambda line: None,
) -> list[Answered]:
    """Train a variant and ask it.

    Args:
        ground: what it stands on.
        world, name, seed: which run.
        say: told of the training's lines.

    Raises:
        IntegrityError: the folder holds another run.
    """
    variant = VARIANTS[name]
    folder = ground.work / f"{world}-{name}-{seed}"
    config = variant.config(ground.chat.tokenizer.size)
    what: dict[str, Any] = {
        "schema": "sagittal.mpllm-run/1", "world": world, "variant": name, "seed": seed,
        "config": config.model_dump(mode="json"), "loop": asdict(LOOP),
        "encoder": digest(ground.model.encoder.state_dict()), "decoder": digest(ground.decoder),
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip
    settle(folder / "manifest.json", what)
    path = folder / "answers.jsonl"
    if path.exists():
        return load_answers(path)
    torch.manual_seed(seed)
    model = VLM(config).train()
    model.encoder.load_state_dict(ground.model.encoder.state_dict())
    model.language.load_state_dict(ground.decoder)
    freeze_encoder(model)
    loop = Loop(
        model, LOOP, _training(ground, model, world, seed, variant.region_given).loss, folder, say=say,
        hidden=hidden_matrices(model),
    )  # fmt: skip
    loop.run()
    loop.use_mean()
    answers = _ask(ground, model, world, variant)
    if isinstance(model.projector, HierarchicalProjector):
        prompts = [prompt for _, prompt in canonical_prompts()]
        weights = router_weights(model.eval(), ground.chat, prompts)
        write_text(folder / ROUTER, json.dumps(weights.round(6).tolist()))
    save_answers(path, answers)
    return answers


def _training(ground: Ground, model: VLM, world: World, seed: int, region_given: bool) -> MpLLMTraining:
    streams = []
    for split, config in (
        ("training", StreamConfig(region_given=region_given)),
        ("validation", StreamConfig(batch=64, pool="withheld", region_given=region_given)),
    ):
        bank = ground.bank(split, world)
        features = ground.features(split, world, bank)
        wordings = TumourWordings.load()
        streams.append(TumourStream(bank, features, ground.chat, wordings, seed, told=False, config=config))
    return MpLLMTraining(model, streams[0], streams[1])


def _ask(ground: Ground, model: VLM, world: World, variant: Variant) -> list[Answered]:
    bank = ground.bank("test", world)
    asked = fixed_questions(bank, TumourWordings.load(), "train", region_given=variant.region_given)
    features = ground.features("test", world, bank)
    return put_questions(model, ground.chat, features, bank, asked, words=variant.spoken)
