"""mpLLM as a model that can be asked: classes with probabilities, words, and whether the two agree."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sagittal.agent.loop import Outcome
from sagittal.answer import FieldValue, Step
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.io.labels import load_labels
from sagittal.language.wording import CANONICAL, TASKS
from sagittal.models.mpllm.reading import read_answer
from sagittal.models.mpllm.tasks import BEYOND, SCOPE, decoded
from sagittal.models.vlm.chat import Chat, header_of, padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features
from sagittal.models.vlm.storage import load_vlm
from sagittal.models.vlm.volumes import PreparedVolumes, prepare_volumes
from sagittal.runtime import Runtime, one_thread, runtime
from sagittal.score.descriptors import Told
from sagittal.study import KINDS, Image

_LONGEST = 160
_SCOPE_WORDS = (
    "This asks for something that the model does not describe: it tells volume, region, shape and spread of "
    "the parts of a tumour (“What is the volume and shape of the enhancing tissue?”)."
)


@dataclass(frozen=True, eq=False)
class Looked:
    """What a model has seen of a study, for any number of questions.

    Attributes:
        images: by sequence.
        features: of them.
        grid: that they were sampled on.
        seconds: that it took.
    """

    images: Mapping[str, Image]
    features: Features
    grid: Geometry
    seconds: float


@dataclass(frozen=True, eq=False)
class MpLLMAnswerer:
    """A loaded mpLLM.

    Attributes:
        name: of the model, for the trace.
        model: in evaluation mode, on the runtime's device.
        chat: its words.
        runtime: device and precision.
    """

    name: str
    model: VLM
    chat: Chat
    runtime: Runtime

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint onto the best device there is.

        Raises:
            IntegrityError, FileFormatError, StorageError: the checkpoint is damaged.
        """
        chosen = runtime()
        model, chat, card = load_vlm(folder, task="mpllm")
        return cls(card.name, model.to(chosen.device), chat, chosen)

    def check(self, images: Sequence[Image]) -> None:
        """Refuse several images of one sequence, and scans that show more than the brain.

        Raises:
            InputError: saying which, and what to do.
        """
        by_kind = {kind: [i.name for i in images if i.kind == kind] for kind in self.model.config.images}
        for kind, names in by_kind.items():
            if len(names) > 1:
                raise InputError(
                    f"There are {len(names)} images of one sequence ({KINDS[kind]}).",
                    expected="one image a sequence",
                    got=", ".join(names),
                    remedy=f"name the one that is meant: {kind}=FILE",
                )
        if not any(by_kind.values()):
            raise InputError(
                "None of the images is of a sequence that this model knows.",
                expected=", ".join(KINDS[kind] for kind in self.model.config.images),
                got=", ".join(KINDS[image.kind] for image in images) or "no image",
            )

    def reply(self, question: str, volumes: Mapping[str, Image]) -> Outcome:
        """Look at all sequences at once, choose classes, and say them.

        Raises:
            InputError: an image is not skull-stripped.
        """
        return self.answer(question, self.look(volumes))

    def look(self, volumes: Mapping[str, Image]) -> Looked:
        """Prepare and encode the images of a study.

        Raises:
            InputError: an image is not skull-stripped.
        """
        begun = time.perf_counter()
        kinds = self.model.config.images
        given = {image.kind: image for image in volumes.values() if image.kind in kinds}
        prepared = self._prepare(given)
        with torch.no_grad(), self.runtime.autocast():
            features = self.model.look(*self._tensors(given, prepared))
        return Looked(given, features, prepared.grid, time.perf_counter() - begun)

    def answer(self, question: str, looked: Looked) -> Outcome:
        """Choose classes and say them; the answer's one step counts the looking, too."""
        begun = time.perf_counter() - looked.seconds
        with torch.no_grad(), self.runtime.autocast(), one_thread():
            asked, header = (
                piece.to(self.runtime.device)
                for piece in (padded([self.chat.question(question)]), header_of(self.chat, 1))
            )
            prompt = self.model.prompt(asked, looked.features, header)
            [probabilities] = self.model.probabilities(prompt)
            [told] = decoded(self.model.choose(prompt))
            self.model.hear(prompt)
            [row] = prompt.context.generate(max_tokens=_LONGEST, stop={self.chat.end})
        text, cut = self.chat.decode(row), row[-1:] != [self.chat.end]
        experts = [] if prompt.routing is None else [round(w, 4) for w in prompt.routing.high[0].tolist()]
        seen: dict[str, Any] = {
            "images": {kind: image.name for kind, image in looked.images.items()},
            "grid": looked.grid.describe(),
        }
        step = Step(
            "model", self.name, seen, {"probabilities": probabilities, "experts": experts, "words": text},
            time.perf_counter() - begun,
        )  # fmt: skip
        missing = sorted(set(self.model.config.images) - set(looked.images))
        outcome = self._outcome(told, probabilities, text, cut, step, missing)
        return replace(outcome, suggestions=_others(question))

    def _prepare(self, given: Mapping[str, Image]) -> PreparedVolumes:
        size = self.model.config.encoder.size
        return prepare_volumes(list(given.values()), (size[0], size[1], size[2]), self.model.config.volumes)

    def _tensors(self, given: Mapping[str, Image], prepared: PreparedVolumes) -> tuple[Tensor, Tensor]:
        """(1, M, D, H, W) volumes with zeros for what is missing, and (1, M) what is there."""
        kinds = self.model.config.images
        data = np.zeros((len(kinds), *prepared.data.shape[1:]), np.float32)
        for row, kind in enumerate(given):
            data[kinds.index(kind)] = prepared.data[row]
        present = torch.tensor([[kind in given for kind in kinds]])
        device = self.runtime.device
        return torch.from_numpy(data)[None].to(device), present.to(device)

    def _outcome(
        self, told: Told, probabilities: Mapping[str, Mapping[str, float]], text: str, cut: bool, step: Step,
        missing: Sequence[str],
    ) -> Outcome:  # fmt: skip
        fields = {task: _field(words, probabilities[task]) for task, words in told.classes.items()}
        fields["out-of-scope"] = FieldValue("yes" if told.beyond else "no", probabilities[SCOPE][BEYOND])
        warnings = list(_disagreements(told, read_answer(text, tuple(told.classes))))
        if cut:
            warnings.append("The words came to no end, and were cut.")
        if missing:
            words = ", ".join(KINDS[kind] for kind in missing)
            warnings.append(
                f"Without {words}: the answer rests on the other sequences alone, and is less sure."
            )
        abstained = not told.classes
        return Outcome(
            text=_SCOPE_WORDS if abstained else text,
            abstained=abstained,
            reason=_SCOPE_WORDS if abstained else None,
            measurements=(),
            masks={},
            volumes={},
            steps=(step,),
            programs=(),
            warnings=tuple(warnings),
            asked="" if abstained else f"{', '.join(told.classes)}: {_part(text)}",
            fields={} if abstained else fields,
        )


def _part(text: str) -> str:
    """The part of the tumour that the words speak of: whoever meant another one sees it here."""
    labels = load_labels("gli")
    named = [labels.long(name) for name in labels.names.values() if labels.long(name).lower() in text.lower()]
    return ", ".join(named) or "no part that is named"


def _others(question: str) -> tuple[str, ...]:
    """The paper's widest question, of each part that was not just asked about."""
    ask, _ = CANONICAL[TASKS]
    labels = load_labels("brats2023")
    names = [labels.long(name) for name in labels.names.values()]
    return tuple(
        ask.replace("{label}", name) for name in names if name.lower() not in question.lower()
    )  # fmt: skip


def _field(words: Sequence[str], probabilities: Mapping[str, float]) -> FieldValue:
    """A class with its probability; of several, the least likely one's."""
    values = [probabilities[word] for word in words]
    return FieldValue(list(words) if len(words) > 1 else words[0], min(values))


def _disagreements(heads: Told, words: Told) -> list[str]:
    """Where the words say another class than the heads, or none, in words."""
    found = []
    for task, chosen in heads.classes.items():
        said = words.classes.get(task, ())
        if set(said) != set(chosen):
            told = ", ".join(said) or "nothing"
            found.append(
                f"Words and classes disagree about the {task}: the words say {told}, "
                f"the classes {', '.join(chosen)}."
            )
    if heads.beyond != words.beyond:
        found.append(
            "Words and classes disagree about whether a part of the question is out of scope: "
            f"the classes say {'yes' if heads.beyond else 'no'}."
        )
    return found
