"""What VILA-M3's small models begin with: weights that others learnt, and what of them learns on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hub_words import hub_tokenizer
from sagittal.builders.consultation_bank import CaseRecord
from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.shown import Shown
from sagittal.errors import InputError
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.language import make_language
from sagittal.models.vlm.storage import load_vlm
from sagittal.specialists.registry import specialists
from sagittal.train.mpllm import freeze_encoder
from sagittal.train.talks import SeenPictures, TalkStream, TalkTraining
from sagittal.train.vila_m3_start import adapted, begun, unlearnt
from sagittal.weights import find_checkpoint


def encoder_weights(model) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.encoder.parameters()])


def test_without_a_decoder_that_copies_nothing_begins(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"recipes/vila_m3\.py copy"):
        begun(tmp_path / "last.pt")


def test_the_encoder_is_medplibs_and_all_else_is_new() -> None:
    seeing, chat, _ = load_vlm(find_checkpoint("medplib-small"))
    config = vila_m3_config("small", chat.size)
    torch.manual_seed(0)
    first, second = unlearnt(config), unlearnt(config)
    assert torch.equal(encoder_weights(first), encoder_weights(seeing))
    assert torch.equal(encoder_weights(second), encoder_weights(seeing))
    one, other = (next(model.projector.parameters()) for model in (first, second))
    assert not torch.equal(one, other)


def test_a_pretrained_language_model_learns_by_adapters_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = hub_tokenizer()
    torch.manual_seed(0)
    language = make_language({
        "model_type": "llama", "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 8_192,
    })  # fmt: skip
    before = {name: value.clone() for name, value in language.state_dict().items()}
    monkeypatch.setattr("sagittal.train.vila_m3_start.open_language", lambda name: (language, tokenizer))
    model, chat = adapted("any")
    freeze_encoder(model)
    case = CaseRecord(
        name="c",
        patient="p",
        split="train",
        source="s",
        licence="l",
        kinds=("t1",),
        looks_at="volume",
        calls=(),
    )
    shown = Shown([(case, 0, ())], {"brain": [0], "film": [0], "ct": [0]})
    cards = {name: entry.card for name, entry in specialists().entries.items()}
    squares = np.zeros((1, 3, 192, 192), np.uint8)
    stream = TalkStream(TalkMaker(shown, cards, 1, 2), SeenPictures.by(model, squares), chat)
    training = TalkTraining(model, stream, stream)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-2)
    losses = []
    for _ in range(4):
        loss = training.loss(0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning and all("lora_" in name or name.startswith("projector.") for name in learning)
    assert any("lora_" in name for name in learning)
    after = {name.replace(".base_layer", ""): value for name, value in model.state_dict().items()}
    for name, value in before.items():
        assert torch.equal(after[f"language.base_model.model.{name}"], value), name
