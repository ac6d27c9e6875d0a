"""What the shipped mpLLM does: on the frozen world, real tumours, stray questions, and for a diagnosis."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sagittal.asking.mpllm import MpLLMAnswerer
from sagittal.errors import SagittalWarning
from sagittal.evaluation.frozen_world import TUMOURS, world_table
from sagittal.evaluation.mpllm.page import agreement_lines, calibration_lines
from sagittal.evaluation.mpllm.paper import TABLE_9
from sagittal.evaluation.mpllm.questions import (
    Answered,
    fixed_questions,
    load_answers,
    put_questions,
    save_answers,
)
from sagittal.evaluation.mpllm.real import RealAnswer, real_answers, real_lines
from sagittal.evaluation.mpllm.runs import FITTING, Ground, digest
from sagittal.files import write_text
from sagittal.language.grammar import Pool
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.models.mpllm.reading import read_answer
from sagittal.models.mpllm.tasks import decoded
from sagittal.models.vlm.chat import header_of, padded
from sagittal.score.descriptors import TASKS, Figure, Rated, accuracy, hits, scope_figures, write_answers
from sagittal.score.logistic import LogisticFit, describe_study
from sagittal.train.short_questions import Part, short_question
from sagittal.train.strays import strays
from sagittal.train.tumour_stream import AskedOfLabel, other_names, renamed
from sagittal.weights import find_checkpoint

WORLDS = ("gli", "met")
#: Studies whose labels are called by other names.
_NAMED_STUDIES = 40
_SHORT_SEED = 7407


def shipped_lines(model: str, ground: Ground, data: Path, pictures: Path) -> list[str]:
    """The page."""
    frozen = world_table(TUMOURS)["frozen"]
    lines = [
        f"`{model}` on the {frozen['found']['studies']} studies of the frozen simulated world (SHA-256 "
        f"{frozen['sha256'][:16]}…), whose heads no training saw; six questions of each label. A task counts "
        "where it is asked; regions one by one; 95 % intervals over 500 resamples of studies.",
        "",
    ]
    pools: dict[Pool, str] = {
        "train": "wordings of training's grammar, drawn anew",
        "withheld": "withheld phrases",
    }
    for pool, words in pools.items():
        answers = [a for world in WORLDS for a in shipped_answers(ground, world, pool)]
        lines += [f"## Frozen world, {words}", "", *_accuracy_lines(answers)]
        if pool == "train":
            lines += [*agreement_lines(answers), *calibration_lines(answers, pictures / "shipped.png")]
    lines += ["## Other names for the labels, short questions", "", *name_lines(ground)]
    lines += ["## The reader of words", "", *reader_lines(ground), ""]
    lines += ["## Stray questions", "", *stray_lines(ground), "## Glioma or metastasis (Table 9)", ""]
    lines += [*diagnosis_lines(ground), "## Real tumours", "", *_real(model, data, pictures)]
    return lines


def shipped_answers(ground: Ground, world: str, pool: Pool, split: str = "test") -> list[Answered]:
    """Answers of the shipped model about a bank; kept on disk."""
    path = ground.work / f"shipped-{digest(ground.model.state_dict())[:12]}-{split}-{world}-{pool}.jsonl"
    if path.exists():
        return load_answers(path)
    bank = ground.bank(split, world)
    asked = fixed_questions(bank, TumourWordings.load(), pool)
    features = ground.features(split, world, bank)
    answers = put_questions(
        ground.model, ground.chat, features, bank, asked, words=pool == "train" and split == "test"
    )
    save_answers(path, answers)
    return answers


def _accuracy_lines(answers: Sequence[Answered]) -> list[str]:
    truth = [a.rated("truth") for a in answers]
    lines = ["| | " + " | ".join((*TASKS, "mean")) + " |", "| --- " * 6 + "|"]
    for who in ("heads", "spoken"):
        if getattr(answers[0], who) is None:
            continue
        found = accuracy(hits(truth, [a.rated(who) for a in answers]))
        lines.append(f"| {who} | " + " | ".join(_share(found[t]) for t in (*TASKS, "mean")) + " |")
    scope = scope_figures(truth, [a.rated("heads") for a in answers])
    said = ", ".join(f"{name} {_share(figure)}" for name, figure in scope.items())
    return [*lines, "", f"{len(answers)} questions. Out of scope: {said}.", ""]


def name_lines(ground: Ground) -> list[str]:
    """Whether other words are known: the heads choose as they do for the protocol's wording and name."""
    bank = ground.bank("test", "gli")
    features = ground.features("test", "gli", bank)
    wide = [
        one
        for one in fixed_questions(bank, TumourWordings.load(), "train")
        if one.targets.kind == "in_scope" and one.study < _NAMED_STUDIES
    ]

    def chosen(asked: list[AskedOfLabel]) -> list[Rated]:
        made = put_questions(ground.model, ground.chat, features, bank, asked, words=False)
        return [answer.rated("heads") for answer in made]

    plain = chosen(wide)
    lines = [
        "| asked with | questions | same volume | same regions | same shape | same spread |",
        "| --- " * 6 + "|",
    ]
    for words, asked in _in_other_words(wide).items():
        found = hits(plain, chosen(asked)).figures()
        shares = " | ".join(f"{100 * found[task]:.1f} %" for task in TASKS)
        lines.append(f"| {words} | {len(asked)} | {shares} |")
    against = "Against the same tasks in the protocol's wordings with the paper's name; regions one by one."
    return [*lines, "", against, ""]


def _in_other_words(wide: Sequence[AskedOfLabel]) -> dict[str, list[AskedOfLabel]]:
    """The same questions with other names, and in a few words."""
    found: dict[str, list[AskedOfLabel]] = {}
    parts: dict[Part, str] = {"train": "seen in training", "test": "not seen in training"}
    for part, words in parts.items():
        found[f"names {words}"] = [renamed(one, _name(one, n, part)) for n, one in enumerate(wide)]
    for part, words in parts.items():
        rng = np.random.default_rng(_SHORT_SEED)
        found[f"a few words and such names, {words}"] = [
            replace(one, question=short_question(rng, one.targets.asked, _name(one, n, part), part))
            for n, one in enumerate(wide)
        ]
    return found


def _name(one: AskedOfLabel, number: int, part: Part) -> str:
    names = other_names(part)[one.targets.label]
    return names[number % len(names)]


def reader_lines(ground: Ground) -> list[str]:
    """How often the reader finds in the reference answers what they were made of."""
    pools: tuple[Pool, ...] = ("train", "withheld")
    asked = [
        one
        for world in WORLDS
        for pool in pools
        for one in fixed_questions(ground.bank("test", world), TumourWordings.load(), pool)
    ]
    right = sum(read_answer(one.answer, one.targets.asked) == one.truth for one in asked)
    share = 100 * right / len(asked)
    return [
        f"Of {len(asked)} reference answers, in both pools of wordings, the reader gives back the classes of "
        f"{right} ({share:.2f} %)."
    ]


@torch.no_grad()
def stray_lines(ground: Ground) -> list[str]:
    """How many questions that are none of the model's are declined: none of their words was trained on."""
    questions = strays("test").all()
    bank = ground.bank("test", "gli")
    features = ground.features("test", "gli", bank)
    missed = []
    for number, question in enumerate(questions):
        prompt = ground.model.prompt(
            padded([ground.chat.question(question)]),
            features.of([number % len(bank)]),
            header_of(ground.chat, 1),
        )
        [told] = decoded(ground.model.choose(prompt))
        if told.classes:
            missed.append(question)
    said = "; ".join(f"“{question}”" for question in missed) or "none"
    return [
        f"{len(questions) - len(missed)} of {len(questions)} are declined: other structures, languages, "
        f"instructions, noise, in words that training did not see. Answered all the same: {said}.",
        "",
    ]


def diagnosis_lines(ground: Ground) -> list[str]:
    """A logistic regression on the model's own classes tells gliomas from metastases."""
    sides = {}
    for split in (FITTING, "test"):
        rows, metastasis = [], []
        for world in WORLDS:
            by_study: dict[str, list[Answered]] = {}
            for answer in shipped_answers(ground, world, "train", split):
                by_study.setdefault(answer.study, []).append(answer)
            rows += [describe_study([a.rated("heads") for a in own]) for own in by_study.values()]
            metastasis += [world == "met"] * len(by_study)
        sides[split] = (np.array(rows), np.array(metastasis))
    fit = LogisticFit.of(*sides[FITTING])
    x, y = sides["test"]
    found = fit.scores(x, y)
    lines = ["| descriptors of | accuracy | AUROC |", "| --- | --- | --- |"]
    lines.append(f"| mpllm-small | {_share(found['accuracy'])} | {_share(found['auroc'])} |")
    lines += [f"| *paper: {name}* | *{a}* | *{b}* |" for name, (a, b) in TABLE_9.items()]
    return [
        *lines, "", f"{len(y)} test studies; classes of NETC, SNFH and ET that the heads chose, as features; "
        "fitted on 600 of the studies that the model was trained on.", "",
    ]  # fmt: skip


def _real(model: str, data: Path, out: Path) -> list[str]:
    answerer = MpLLMAnswerer.load(find_checkpoint(model))
    lines = []
    for final, title in (
        (True, "Final cases, which steered nothing."),
        (False, "Cases that may be looked at."),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SagittalWarning)
            found = list(real_answers(answerer, data, final=final))
        if found:
            lines += [title, "", *real_lines(found), _real_accuracy(found), ""]
        if found and final:
            raters = {"masks": [one.truth for one in found], "model": [one.given for one in found]}
            for who, answers in raters.items():
                write_text(out / f"{who}.jsonl", write_answers(answers))
            lines += [
                f"Both as answer files: [masks]({out.name}/masks.jsonl), [model]({out.name}/model.jsonl). "
                "`sagittal rate agreement` compares them with a reader's.",
                "",
            ]
    return lines or ["No real tumours are at hand.", ""]


def _real_accuracy(found: Sequence[RealAnswer]) -> str:
    figures = hits([one.truth for one in found], [one.given for one in found]).figures()
    return "Agreement with the masks: " + ", ".join(f"{t} {100 * figures[t]:.0f} %" for t in TASKS) + "."


def _share(figure: Figure) -> str:
    return f"{100 * figure.value:.1f} % ({100 * figure.low:.1f}–{100 * figure.high:.1f})"
