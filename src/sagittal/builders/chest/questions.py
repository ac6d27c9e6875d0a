"""Questions in words about a film: published ones as they are, ours from templates and rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np

from sagittal.builders.chest import film_rules, finding_rules
from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.question_cases import Case, Rule
from sagittal.score.chest_tasks import Task

Semantic = Literal["verify", "choose", "query"]
SEMANTICS: tuple[Semantic, ...] = get_args(Semantic)
#: What a question is about (MIMIC-Ext-MIMIC-CXR-VQA).
CONTENTS = ("presence", "anatomy", "attribute", "abnormality", "size", "plane", "gender")
#: The answer where nothing applies.
NONE = "none"
_TASKS: Mapping[Semantic, Task] = {"verify": "vqa-verify", "choose": "vqa-choose", "query": "vqa-query"}


@dataclass(frozen=True)
class Asked:
    """A question and its answer."""

    task: Task
    question: str
    answer: str
    targets: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Template:
    """A kind of question.

    Attributes:
        name: of the kind.
        semantic, content: types.
        rule: gives its cases.
        wordings: with slots open.
    """

    name: str
    semantic: Semantic
    content: str
    rule: Rule
    wordings: tuple[str, ...]


@cache
def templates() -> tuple[Template, ...]:
    """All kinds of questions, read once a process."""
    import yaml

    text = resources.files("sagittal.builders").joinpath("tables", "chest_questions.yaml").read_text("utf-8")
    rules = {**finding_rules.RULES, **film_rules.RULES}
    return tuple(
        Template(name, own["semantic"], own["content"], rules[own.get("rule", name)], tuple(own["wordings"]))
        for name, own in yaml.safe_load(text).items()
    )


def question_entries(film: FilmFacts, count: int, rng: np.random.Generator) -> list[Asked]:
    """Questions about a film, none twice: to verify, to choose, open, in turn; contents as varied as can be.

    Of a question to verify, yes and no are drawn alike where both can be.

    Args:
        film: what is known.
        count: how many; fewer where less is known.
        rng: decides every draw.
    """
    possible: dict[Semantic, dict[str, list[tuple[Template, list[Case]]]]] = {s: {} for s in SEMANTICS}
    for template in templates():
        cases = list(template.rule(film))
        if cases:
            possible[template.semantic].setdefault(template.content, []).append((template, cases))
    out: list[Asked] = []
    asked: set[tuple[str, tuple[str, ...]]] = set()
    met: list[str] = []
    for turn in range(count):
        by_content = possible[SEMANTICS[turn % len(SEMANTICS)]]
        fresh = [content for content in by_content if content not in met] or list(by_content)
        if not fresh:
            continue
        content = fresh[int(rng.integers(len(fresh)))]
        template, cases = by_content[content][int(rng.integers(len(by_content[content])))]
        case = _drawn(cases, template.semantic == "verify", rng)
        key = template.name, tuple(case.slots.values())
        if key in asked:
            continue
        asked.add(key)
        met.append(content)
        words = template.wordings[int(rng.integers(len(template.wordings)))].format(**case.slots)
        out.append(_asked(template.semantic, content, words, case.answers, template.name))
    return out


def _drawn(cases: Sequence[Case], verify: bool, rng: np.random.Generator) -> Case:
    if verify:
        answers = sorted({case.answers for case in cases})
        wanted = answers[int(rng.integers(len(answers)))]
        cases = [case for case in cases if case.answers == wanted]
    return cases[int(rng.integers(len(cases)))]


def published_entries(film: FilmFacts) -> list[Asked]:
    """The published questions about a film that can be scored: a question to verify has a yes or a no."""
    return list(_published(film))


def _published(film: FilmFacts) -> Iterator[Asked]:
    for one in film.questions:
        answers = tuple(answer.strip() for answer in one.answers if answer.strip())
        if one.semantic != "verify" or [a.lower() for a in answers] in (["yes"], ["no"]):
            yield _asked(one.semantic, one.content, one.question.strip(), answers, one.id)


def _asked(semantic: Semantic, content: str, words: str, answers: Sequence[str], template: str) -> Asked:
    answer = ", ".join(answers) or NONE
    return Asked(_TASKS[semantic], words, answer, {"content": content, "template": template})
