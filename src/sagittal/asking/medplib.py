"""MedPLIB as a model that can be asked: regions of a picture in, words and masks out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sagittal.agent.loop import Outcome
from sagittal.answer import Step
from sagittal.asking.medplib_outcome import Spoken, outcome_of
from sagittal.asking.pointing import View
from sagittal.asking.slices import Slice
from sagittal.errors import ConfigError, InputError
from sagittal.language.tokenizer import SEGMENT
from sagittal.models.medplib.pictures import Frame, frame_of, squared
from sagittal.models.medplib.words import Speech
from sagittal.models.vlm.chat import padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Regions, Tokens
from sagittal.models.vlm.storage import load_vlm
from sagittal.runtime import Runtime, one_thread, runtime
from sagittal.study import Image

# Tokens of an answer.
_LONGEST = 256


@dataclass(frozen=True, eq=False)
class MedPLIBAnswerer:
    """A loaded MedPLIB.

    Attributes:
        name: of the model, for the trace.
        model: in evaluation mode, on the runtime's device.
        speech: the one that it was trained with.
        runtime: device and precision.
    """

    name: str
    model: VLM
    speech: Speech
    runtime: Runtime

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint onto the best device there is.

        Raises:
            IntegrityError, FileFormatError, StorageError: the checkpoint is damaged.
            ConfigError: it cannot be pointed at places, draws no masks, or lacks tokens for either.
        """
        chosen = runtime()
        model, chat, card = load_vlm(folder, task="medplib")
        config = model.config
        slot, segment = config.pointing and config.pointing.slot, config.drawing and config.drawing.segment
        speech = Speech.of(chat)
        if (slot, segment) != (speech.slot, speech.segment):
            raise ConfigError(
                "This checkpoint does not have all the parts of a MedPLIB.",
                expected=f"its tokenizer's tokens for regions and masks in the config, {speech.slot} and "
                f"{speech.segment}",
                got=f"{folder}: {slot} and {segment}",
            )
        return cls(card.name, model.to(chosen.device), speech, chosen)

    def check(self, images: Sequence[Image]) -> None:
        """Nothing: any picture can be looked at."""

    def reply_about(self, question: str, view: View) -> Outcome:
        """Look at the picture and the places on it, speak, and draw.

        Raises:
            InputError: the slice is empty.
        """
        return outcome_of(question, view, self.say(question, view))

    def say(self, question: str, view: View) -> Spoken:
        """Generate the answer's words and its masks' logits.

        Raises:
            InputError: the slice is empty.
        """
        begun = time.perf_counter()
        config, picture = self.model.config, view.slice.picture
        assert config.drawing is not None, "checked where it was loaded"
        _require_something(view.slice)
        inside = [region.inside for region in view.regions]
        seen = frame_of(picture, config.encoder.size[0], inside)
        drawn = frame_of(picture, config.drawing.pixels.size)
        asked = self._tokens(self.speech.question(question, len(view.regions)))
        device = self.runtime.device
        with torch.no_grad(), self.runtime.autocast():
            there = torch.ones(1, 1, dtype=torch.bool, device=device)
            features = self.model.look(self._pixels(picture, seen)[:, None], there)
            assert self.model.pixels is not None, "a model that draws has pixels"
            pixels = self.model.pixels.look(self._pixels(picture, drawn))
            with one_thread():
                header = self._tokens(self.speech.header)
                prompt = self.model.prompt(asked, features, header, self._regions(view, seen))
                said = self.model.say(prompt, end=self.speech.end, most=_LONGEST, pixels=pixels)
        assert said.masks is not None, "pixels were given"
        [tokens] = said.tokens
        pieces = self.speech.pieces(tokens)
        words = "".join(piece if isinstance(piece, str) else SEGMENT for piece in pieces)
        step = Step("model", self.name, _seen(view, seen, drawn), words, time.perf_counter() - begun)
        return Spoken(pieces, tokens[-1:] == [self.speech.end], said.masks.logits.float().cpu(), drawn, step)

    def _tokens(self, ids: Sequence[int]) -> Tokens:
        return padded([ids]).to(self.runtime.device)

    def _pixels(self, picture: Image, frame: Frame) -> Tensor:
        """(1, 3, edge, edge) in [0, 1]."""
        return squared(picture, frame)[None].to(self.runtime.device).float() / 255

    def _regions(self, view: View, frame: Frame) -> Regions | None:
        if not view.regions:
            return None
        masks = torch.stack([frame.place(one.inside) for one in view.regions])
        return Regions(masks.to(self.runtime.device), torch.zeros(len(masks), dtype=torch.long))


def _require_something(at: Slice) -> None:
    pixels = at.picture.data
    if (pixels == pixels[:1, :1]).all():
        raise InputError(
            "There is nothing to be seen in this slice: all its pixels are equal.",
            expected="a slice that shows something",
            got=f"{at.name or 'the picture'} of {at.image.name}",
            remedy="name another slice",
        )


def _seen(view: View, seen: Frame, drawn: Frame) -> dict[str, Any]:
    """What went in, for the trace: image, slice, regions, where the picture lies in the encoders' squares."""
    return {
        "image": view.slice.image.name,
        "slice": view.slice.name or None,
        "regions": [
            {**one.region.to_json(), "pixels": int(np.count_nonzero(one.inside))} for one in view.regions
        ],
        "frames": {
            name: {"edge": f.edge, "shown": list(f.box), "at": list(f.inner)}
            for name, f in (("encoder", seen), ("pixels", drawn))
        },
    }
