"""One run of IMAX's training, as recipes and comparisons make it: from entries to weights, resumably."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from sagittal.errors import InputError
from sagittal.example import Example
from sagittal.models.chest.findings import open_chest_findings
from sagittal.models.imax import imax_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.config import VLMConfig
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.experts import load_experts
from sagittal.models.vlm.model import VLM
from sagittal.splits import require_split
from sagittal.train.film_features import FilmFeatures
from sagittal.train.film_set import film_set
from sagittal.train.film_stream import FilmStream
from sagittal.train.imax import IMAXTraining
from sagittal.train.loop import Loop, LoopConfig, use_mean
from sagittal.train.mpllm import freeze_encoder, hidden_matrices, rounded
from sagittal.weights import find_checkpoint

#: Entries of a batch: small ones teach more for their time, for they make more steps of the same entries.
BATCH = 8


@dataclass(frozen=True, eq=False)
class Ground:
    """What all runs stand on.

    Attributes:
        pictures: folder that the examples' paths count from.
        features: folder that keeps what the encoder sees.
        chat: words as tokens.
        decoder: weights of the pretrained language model.
        encoder: weights of the encoder of films.
    """

    pictures: Path
    features: Path
    chat: OwnChat
    decoder: Mapping[str, Tensor]
    encoder: Mapping[str, Tensor]

    @classmethod
    def of(cls, pictures: Path, features: Path, *, encoder: str, decoder: str = "decoder-small") -> Ground:
        """The ground of shipped parts, by name or folder of their checkpoints."""
        language, tokenizer = load_decoder(find_checkpoint(decoder))
        findings = open_chest_findings(find_checkpoint(encoder))
        return cls(
            pictures, features, OwnChat(tokenizer), dict(language.state_dict()),
            dict(findings.encoder.state_dict()),
        )  # fmt: skip


def begun(ground: Ground, config: VLMConfig | None = None) -> VLM:
    """A model before it learns: encoder and language model as they come, a new connector.

    Args:
        ground: gives the weights.
        config: of the model; IMAX's ``small`` without adapters when ``None``. Experts begin as copies of the
            language model's feed-forwards, adapters as nothing.
    """
    config = config or imax_config("small", ground.chat.size, lora=False)
    model = VLM(config.model_copy(update={"lora": None, "experts": None}))
    model.language.load_state_dict(dict(ground.decoder))
    model.encoder.load_state_dict(dict(ground.encoder))
    dense = model.state_dict()
    if config.lora is not None:
        model = VLM(config, language=model.language)
        model.encoder.load_state_dict(dict(ground.encoder))
    elif config.experts is not None:
        model = VLM(config)
        load_experts(model, dense, [dense] * config.experts.count)
    rounded(model.encoder)
    freeze_encoder(model)
    return model.train()


def stream_of(
    model: VLM, ground: Ground, examples: Iterable[Example], seed: int, batch: int = BATCH
) -> FilmStream:
    """Examples as batches."""
    films = film_set(examples, ground.pictures, model.config.encoder.size[0])
    return FilmStream(films, FilmFeatures.make(model, films, ground.features), ground.chat, seed, batch)


def run_stage(
    model: VLM, learning: FilmStream, held: FilmStream, config: LoopConfig, out: Path, *,
    minutes: float = math.inf, end: int | None = None, say: Callable[[str], None] = lambda line: None,
) -> bool:  # fmt: skip
    """Train, or go on; the model ends with the running mean of its weights.

    Args:
        model: at the beginning of the run.
        learning: entries of training patients.
        held: entries of others, to watch the loss by.
        config: how.
        out: folder of the run.
        minutes: after which to stop.
        end: step to stop at, where it comes before the last of the schedule.
        say: called with each line of the curve.

    Returns:
        Whether the run has ended.

    Raises:
        InputError: a patient on both sides.
    """
    both = {e.patient for e in learning.films.entries} & {e.patient for e in held.films.entries}
    if both:
        raise InputError(
            "Nobody is learnt from and watched at once.", expected="patients of two splits",
            got=", ".join(sorted(both)[:5]),
        )  # fmt: skip
    training = IMAXTraining(model, learning, held)
    # Muon is for whole matrices, not for the halves of an adapter.
    hidden = [] if model.config.lora else hidden_matrices(model)
    loop = Loop(model, config, training.loss, out, scores=training.scores, say=say, hidden=hidden)
    done = loop.run(minutes=minutes, end=end)
    loop.use_mean()
    return done.step >= config.steps


def ended(model: VLM, folder: Path, config: LoopConfig) -> VLM:
    """A model with the weights that a run ended with.

    Args:
        model: as at the beginning of the run.
        folder, config: of the run.

    Raises:
        InputError: the run has not ended.
    """
    path = folder / "last.pt"
    state = torch.load(path, weights_only=True) if path.exists() else {"progress": {"step": 0}}
    if state["progress"]["step"] < config.steps:
        raise InputError(
            "The run has not ended.", expected=f"{config.steps} steps",
            got=f"{folder}: {state['progress']['step']}", remedy="run it again: it goes on",
        )  # fmt: skip
    use_mean(state, model)
    return model


def only_training(examples: Iterable[Example]) -> list[Example]:
    """Examples to learn from.

    Raises:
        InputError: one of another split.
    """
    found = list(examples)
    require_split(((one.patient, one.split) for one in found), "train")
    return found
