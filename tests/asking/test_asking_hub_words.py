"""A MedPLIB with a pretrained model's words: kept, loaded, pointed at; refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from picture_world import CARD, film

from hub_words import hub_tokenizer
from sagittal.asking import ask
from sagittal.asking.medplib import MedPLIBAnswerer
from sagittal.asking.models import Offer
from sagittal.errors import ConfigError
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.medplib.words import Speech, add_places
from sagittal.models.vlm.chat import HubChat
from sagittal.models.vlm.config import LoRAConfig, VLMConfig
from sagittal.models.vlm.language import config_of, make_language
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import save_vlm


def made(**changes: object) -> tuple[VLM, HubChat]:
    """A tiny MedPLIB around a language model that knew nothing of places."""
    config = medplib_config("tiny", 300)
    tokenizer = hub_tokenizer()
    torch.manual_seed(0)
    language = make_language({**config.language, "vocab_size": len(tokenizer)})
    add_places(tokenizer, language)
    chat = HubChat(tokenizer)
    speech = Speech.of(chat)
    own = config.model_dump(mode="json") | {
        "language": config_of(language),
        "pointing": {"slot": speech.slot},
        "drawing": {**config.drawing.model_dump(mode="json"), "segment": speech.segment},
        **changes,
    }
    return VLM(VLMConfig.model_validate(own), language).eval(), chat


def test_it_is_kept_loaded_and_pointed_at(tmp_path: Path) -> None:
    model, chat = made()
    folder = save_vlm(tmp_path / "looker", model, chat, CARD, task="medplib", precision="float32")
    loaded = MedPLIBAnswerer.load(folder)
    assert loaded.speech.chat.size == chat.size and loaded.speech.segment == Speech.of(chat).segment
    answer = ask(
        film(tmp_path), "What is this?", model=Offer("looker", CARD, lambda: loaded, speaks=True),
        regions=["point:20,20"],
    )  # fmt: skip
    assert answer.steps


def test_a_config_with_other_tokens_for_places_is_refused(tmp_path: Path) -> None:
    model, chat = made(pointing={"slot": 5})
    save_vlm(tmp_path / "looker", model, chat, CARD, task="medplib")
    with pytest.raises(ConfigError, match="all the parts"):
        MedPLIBAnswerer.load(tmp_path / "looker")


def test_a_vocabulary_that_grew_is_not_left_out(tmp_path: Path) -> None:
    model, chat = made(lora=LoRAConfig(r=2, alpha=2).model_dump(mode="json"))
    with pytest.raises(ConfigError, match="left out"):
        save_vlm(tmp_path / "looker", model, chat, CARD, task="medplib", base="somewhere")
    assert not (tmp_path / "looker").exists()
