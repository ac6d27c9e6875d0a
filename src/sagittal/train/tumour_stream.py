"""Questions about simulated tumour studies without end, as batches for a model (mpLLM §3.2.1).

Every label of every study is asked about as often as any other. A question is one of the protocol's six: four
in scope, one partly and one wholly out of it; its wording is drawn anew each time. A batch follows from its
number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.builders.tumour_questions import IN_SCOPE, QUESTIONS, covering_sets
from sagittal.builders.tumour_targets import TumourTargets
from sagittal.builders.tumour_vqa import targets_of, worded
from sagittal.files import atomic_path
from sagittal.language.grammar import Pool
from sagittal.language.wording import TYPES, Wordings
from sagittal.models.mpllm.tasks import encoded, truth_of
from sagittal.models.vlm.chat import Chat, header_of, padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Turn
from sagittal.runtime import autocast
from sagittal.score.descriptors import Told
from sagittal.train.packaged import packaged_table
from sagittal.train.short_questions import short_question
from sagittal.train.strays import Strays, strays
from sagittal.train.tumour_bank import TumourBank

#: Batches that are drawn together and sorted by length, so that little of them is padding.
_TOGETHER = 8


@dataclass(frozen=True, eq=False)
class Asked:
    """One question with its answer.

    Attributes:
        study: its number in the bank.
        question, answer: the words.
        truth: what the heads should say.
        other: what the words are told and say instead, where they are not to say the truth.
    """

    study: int
    question: str
    answer: str
    truth: Told
    other: Told | None = field(default=None, kw_only=True)


@dataclass(frozen=True, eq=False)
class AskedOfLabel(Asked):
    """A question of the protocol.

    Attributes:
        targets: what is true, and the wording.
    """

    targets: TumourTargets


@dataclass(frozen=True)
class Asker:
    """Draws one of the six questions that the protocol asks of a label.

    Attributes:
        wordings: where questions come from.
        pool: of them.
        region_given: whether a question also says in which regions the label lies (Table 7).
    """

    wordings: Wordings
    pool: Pool = "train"
    region_given: bool = False

    def ask(self, rng: np.random.Generator, study: int, facts: Mapping[str, Any]) -> AskedOfLabel:
        """A question about a label of a study."""
        kind = int(rng.integers(QUESTIONS))
        if kind < IN_SCOPE:
            types = covering_sets()[int(rng.integers(len(covering_sets())))]
            wording = self.wordings.sample("in_scope", types[kind], rng, self.pool)
        elif kind == IN_SCOPE:
            tasks = TYPES[int(rng.integers(len(TYPES)))]
            wording = self.wordings.sample("partly_out_of_scope", tasks, rng, self.pool)
        else:
            wording = self.wordings.sample("out_of_scope", (), rng, self.pool)
        return asked_of(study, targets_of(wording, facts), region_given=self.region_given)


class FeatureStore:
    """What a frozen encoder makes of a bank's studies, kept in memory in half precision.

    Args:
        tokens: (studies, M, N, d).
        cls: (studies, M, d).
    """

    def __init__(self, tokens: Tensor, cls: Tensor) -> None:
        self.tokens, self.cls = tokens, cls

    @classmethod
    def make(cls, model: VLM, bank: TumourBank, path: str | Path) -> FeatureStore:
        """Features of all studies; read from a file where they were made before."""
        path = Path(path)
        if not path.exists():
            parts = [_looked(model, bank, number) for number in range(len(bank))]
            made = {
                "tokens": torch.cat([part.tokens for part in parts]).half(),
                "cls": torch.cat([part.cls for part in parts]).half(),
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                torch.save(made, temporary)
        made = torch.load(path, weights_only=True)
        return cls(made["tokens"], made["cls"])

    def of(self, studies: Sequence[int], present: Tensor | None = None) -> Features:
        """Features of some studies, all images there when ``present`` is ``None``."""
        index = torch.tensor(studies)
        tokens = self.tokens[index].float()
        there = torch.ones(tokens.shape[:2], dtype=torch.bool) if present is None else present
        return Features(tokens, self.cls[index].float(), there)


@torch.no_grad()
def _looked(model: VLM, bank: TumourBank, number: int) -> Features:
    # A ViT computes alike in training and evaluation: the model is left in the mode that it is in.
    images = torch.from_numpy(bank.load(number).images.astype(np.float32) / 255)[None]
    with autocast():
        return model.look(images, images.new_ones(1, images.shape[1]))


@dataclass(frozen=True)
class StreamConfig:
    """How questions are drawn.

    Attributes:
        batch: questions of a batch.
        pool: of wordings.
        missing: share of questions that are asked with one to three sequences missing.
        untold: share of answers whose words are not told what the heads chose, where they are told at all.
        stray: share of questions that are none of the protocol's.
        renamed: share of questions that call the label by another name than the paper's.
        short: share of the questions in scope that are asked in a few words.
        other: share of answers that tell what is true of another patient, as the words are told then: so they
            learn to say what the heads choose, and not what they see themselves.
        region_given: whether the question also says in which regions the label lies (Table 7).
    """

    batch: int = 32
    pool: Pool = "train"
    missing: float = 0.0
    untold: float = 0.3
    stray: float = 0.0
    renamed: float = 0.0
    short: float = 0.0
    other: float = 0.0
    region_given: bool = False


@dataclass(eq=False)
class TumourStream:
    """Batches of questions.

    Attributes:
        bank: studies.
        features: of the same studies.
        chat: words to tokens.
        wordings: where questions come from.
        seed: of every draw.
        told: whether the model's words are told what its heads chose.
        config: how.
        strays: where questions come from that are none of the protocol's.
    """

    bank: TumourBank
    features: FeatureStore
    chat: Chat
    wordings: Wordings
    seed: int
    told: bool
    config: StreamConfig = field(default_factory=StreamConfig)
    strays: Strays = field(default_factory=lambda: strays("train"))

    def __post_init__(self) -> None:
        self._labels = [
            (study, label) for study in range(len(self.bank)) for label in self.bank.facts(study)["labels"]
        ]
        self._by_label: dict[str, list[Mapping[str, Any]]] = {}
        for _, facts in self._labels:
            self._by_label.setdefault(facts["label"], []).append(facts)
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def batch(self, number: int) -> tuple[Turn, dict[str, Tensor]]:
        """The batch of a number: a turn, and the heads' targets."""
        batches = self._drawn(number // _TOGETHER)
        rng = np.random.default_rng([self.seed, 1, number])
        return self.turn(batches[number % _TOGETHER], rng)

    def turn(self, asked: Sequence[Asked], rng: np.random.Generator) -> tuple[Turn, dict[str, Tensor]]:
        """Questions as a turn, for training."""
        targets = encoded([one.truth for one in asked])
        chosen = None
        if self.told:
            chosen = torch.cat(list(encoded([one.other or one.truth for one in asked]).values()), dim=-1)
            same = np.array([one.other is None for one in asked])
            chosen[torch.from_numpy(same & (rng.random(len(asked)) < self.config.untold))] = 0
        present = torch.from_numpy(_there(rng, len(asked), self.features.cls.shape[1], self.config.missing))
        turn = Turn(
            padded([self.chat.question(one.question) for one in asked]),
            self.features.of([one.study for one in asked], present),
            header_of(self.chat, len(asked)),
            padded([self.chat.answer(one.answer) for one in asked]),
            chosen,
        )
        return turn, targets

    def _draw(self, block: int) -> list[list[Asked]]:
        """Some batches, the questions of each about equally long."""
        rng = np.random.default_rng([self.seed, 0, block])
        asker, labels = Asker(self.wordings, self.config.pool, self.config.region_given), self._labels
        places = rng.integers(len(labels), size=_TOGETHER * self.config.batch)
        drawn = [self._ask(rng, asker, *labels[int(place)]) for place in places]
        drawn.sort(key=lambda one: len(one.question) + len(one.answer))
        batches = [drawn[n * self.config.batch : (n + 1) * self.config.batch] for n in range(_TOGETHER)]
        return [batches[n] for n in rng.permutation(_TOGETHER)]

    def _ask(self, rng: np.random.Generator, asker: Asker, study: int, facts: Mapping[str, Any]) -> Asked:
        if self.config.stray and rng.random() < self.config.stray:
            return Asked(study, *self.strays.draw(rng), Told({}, True))
        asked = asker.ask(rng, study, facts)
        targets = asked.targets
        if self.config.short and targets.kind == "in_scope" and rng.random() < self.config.short:
            asked = replace(asked, question=short_question(rng, targets.asked, targets.label_text))
        if self.config.renamed and rng.random() < self.config.renamed:
            names = other_names("train")[targets.label]
            asked = renamed(asked, names[int(rng.integers(len(names)))])
        if self.config.other and rng.random() < self.config.other:
            others = self._by_label[targets.label]
            asked = said_of(asked, others[int(rng.integers(len(others)))])
        return asked


def asked_of(study: int, targets: TumourTargets, *, region_given: bool = False) -> AskedOfLabel:
    """A question in words, with its answer."""
    question, answer = worded(targets.open_wording(), targets.label_text, targets.classes())
    if region_given:
        question = f"{region_hint(targets)} {question}"
    truth = truth_of(targets.classes(), targets.asked, beyond=targets.out_of_scope)
    return AskedOfLabel(study, question, answer, truth, targets)


def said_of(asked: AskedOfLabel, facts: Mapping[str, Any]) -> AskedOfLabel:
    """The same question, answered with what is true of the same label of another study."""
    other = asked_of(asked.study, targets_of(asked.targets.open_wording(), facts))
    return replace(asked, answer=other.answer, other=other.truth)


def renamed(asked: AskedOfLabel, name: str) -> AskedOfLabel:
    """The same question with another name for its label; the answer keeps the paper's."""
    return replace(asked, question=asked.question.replace(asked.targets.label_text, name))


@cache
def other_names(part: Literal["train", "test"]) -> Mapping[str, tuple[str, ...]]:
    """Label → what people call it, beside the paper's name."""
    return {label: tuple(names[part]) for label, names in packaged_table("label_names").items()}


def region_hint(targets: TumourTargets) -> str:
    """The region as it is appended to a prompt (§4.5, Table 7)."""
    return f"Regions of {targets.label_text}: {', '.join(targets.regions)}."


def _there(rng: np.random.Generator, rows: int, modalities: int, missing: float) -> NDArray[np.bool_]:
    """(rows, modalities): which images are there, at least one in each row."""
    there = np.ones((rows, modalities), dtype=bool)
    for row in range(rows):
        if rng.random() < missing:
            gone = rng.permutation(modalities)[: int(rng.integers(1, modalities))]
            there[row, gone] = False
    return there
