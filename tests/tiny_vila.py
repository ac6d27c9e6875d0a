"""A tiny VILA-M3 that was never trained and says all kinds of things."""

from __future__ import annotations

import torch

from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.models.vila_m3 import vila_m3_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.runtime import Runtime
from sagittal.weights import find_checkpoint


def tiny_vila(seed: int) -> VilaM3:
    _, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    chat = OwnChat(tokenizer)
    torch.manual_seed(seed)
    model = VLM(vila_m3_config("tiny", chat.size)).eval()
    # Loud enough that an untrained model does not say one thing only.
    with torch.no_grad():
        model.language.get_input_embeddings().weight.mul_(20)
    return VilaM3(model, chat, Runtime(torch.device("cpu"), torch.float32, False))
