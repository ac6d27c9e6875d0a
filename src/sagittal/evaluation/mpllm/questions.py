"""Fixed questions about a bank of tumour studies, put to a vision-language model; its answers on disk.

The questions are the protocol's own (mpLLM §3.2.1): six of each label of each study, with wordings drawn
anew from one of the grammar's pools. A file of JSON lines holds them with what heads and words said, so that
every table is made without a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sagittal.builders.tumour_questions import draw_wordings, generator_for
from sagittal.builders.tumour_vqa import targets_of
from sagittal.files import write_text
from sagittal.language.grammar import Pool
from sagittal.language.wording import Wordings
from sagittal.models.mpllm.reading import read_answer
from sagittal.models.mpllm.tasks import decoded
from sagittal.models.vlm.chat import Chat, header_of, padded
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Prompt
from sagittal.runtime import autocast
from sagittal.score.descriptors import Rated, Told
from sagittal.train.tumour_bank import TumourBank
from sagittal.train.tumour_stream import AskedOfLabel, FeatureStore, asked_of

#: Of the fixed questions' wordings.
SEED = 7403
_LONGEST = 160
_RATERS = ("truth", "heads", "spoken")


@dataclass(frozen=True)
class Answered:
    """One question with everything that was said.

    Attributes:
        id, study, label: of the question.
        kind: in scope, partly, or wholly out of it.
        asked: its tasks.
        truth: what is true.
        heads: what the heads chose; ``None`` of a model without.
        probabilities: head → class → probability; empty of a model without heads.
        question: its words.
        text: the model's words; ``None`` where it was not let speak.
        spoken: what the words say, read back.
    """

    id: str
    study: str
    label: str
    kind: str
    asked: tuple[str, ...]
    truth: Told
    heads: Told | None
    probabilities: Mapping[str, Mapping[str, float]]
    question: str
    text: str | None
    spoken: Told | None

    def rated(self, who: str) -> Rated:
        """What one rater says: ``truth``, ``heads`` or ``spoken``."""
        told: Told = getattr(self, who)
        return Rated(self.id, self.study, self.label, self.asked, told)


def fixed_questions(
    bank: TumourBank, wordings: Wordings, pool: Pool, *, region_given: bool = False
) -> list[AskedOfLabel]:
    """The questions of a bank, always the same."""
    found = []
    for study in range(len(bank)):
        facts = bank.facts(study)
        for label in facts["labels"]:
            rng = generator_for(SEED, facts["name"], label["label"])
            found += [
                asked_of(study, targets_of(wording, label), region_given=region_given)
                for wording in draw_wordings(rng, wordings, pool)
            ]
    return found


@torch.no_grad()
def put_questions(
    model: VLM,
    chat: Chat,
    features: FeatureStore,
    bank: TumourBank,
    asked: Sequence[AskedOfLabel],
    *,
    words: bool,
    batch: int = 64,
) -> list[Answered]:
    """Ask a model everything.

    Args:
        model, chat: what answers.
        features: of the bank's studies.
        bank: gives the studies' names.
        asked: questions.
        words: whether the model speaks, too; heads alone answer much faster.
        batch: questions at a time.
    """
    model.eval()
    order = sorted(range(len(asked)), key=lambda n: len(asked[n].question))
    found: dict[int, Answered] = {}
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        own = [asked[n] for n in chosen]
        question = padded([chat.question(one.question) for one in own])
        with autocast():
            prompt = model.prompt(
                question, features.of([one.study for one in own]), header_of(chat, len(own))
            )
            texts = _speak(model, chat, prompt) if words else [None] * len(own)
        for n, answered in zip(chosen, _answered(model, prompt, bank, own, chosen, texts), strict=True):
            found[n] = answered
    return [found[n] for n in range(len(asked))]


def _speak(model: VLM, chat: Chat, prompt: Prompt) -> list[str | None]:
    model.hear(prompt)
    rows = prompt.context.generate(max_tokens=_LONGEST, stop={chat.end})
    return [chat.decode(row) for row in rows]


def _answered(
    model: VLM, prompt: Prompt, bank: TumourBank, asked: Sequence[AskedOfLabel], numbers: Sequence[int],
    texts: Sequence[str | None],
) -> Iterator[Answered]:  # fmt: skip
    chosen: list[Told | None] = [None] * len(asked)
    if model.heads is not None:
        chosen = list(decoded(model.choose(prompt)))
    probabilities = model.probabilities(prompt)
    for row, one in enumerate(asked):
        text, targets = texts[row], one.targets
        name = bank.facts(one.study)["name"]
        yield Answered(
            f"{name}/{targets.label}/{numbers[row]}", name, targets.label, targets.kind, targets.asked,
            one.truth, chosen[row], probabilities[row], one.question, text,
            None if text is None else read_answer(text, targets.asked),
        )  # fmt: skip


def save_answers(path: str | Path, answers: Sequence[Answered]) -> None:
    """Write answers as JSON lines, whole or not at all."""
    write_text(path, "".join(json.dumps(_plain(one), allow_nan=False) + "\n" for one in answers))


def load_answers(path: str | Path) -> list[Answered]:
    """Inverse of :func:`save_answers`."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [_from_plain(json.loads(line)) for line in lines]


def _plain(one: Answered) -> dict[str, Any]:
    told = {who: None if (own := getattr(one, who)) is None else own.to_json() for who in _RATERS}
    return {
        "id": one.id, "study": one.study, "label": one.label, "kind": one.kind, "asked": list(one.asked),
        **told, "probabilities": {t: dict(p) for t, p in one.probabilities.items()}, "question": one.question,
        "text": one.text,
    }  # fmt: skip


def _from_plain(value: Mapping[str, Any]) -> Answered:
    told = {who: None if value[who] is None else Told.from_json(value[who]) for who in _RATERS}
    same = {
        name: value[name] for name in ("id", "study", "label", "kind", "probabilities", "question", "text")
    }
    return Answered(**same, **told, asked=tuple(value["asked"]))  # type: ignore[arg-type]
