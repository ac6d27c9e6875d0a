"""What is known of a film → training entries of IMAX's seven tasks: a prompt and its right answer each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sagittal.builders.chest import prompts
from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.questions import published_entries, question_entries
from sagittal.builders.tumour_questions import generator_for
from sagittal.io.films.names import FINDINGS, SEVERITY
from sagittal.score.chest_tasks import Task
from sagittal.score.strict import LARGEST_RATIO, write_box

_DIGITS = 4
#: So many of the ten conditions must be known of a film to ask about them: the NIH's labels have eight.
LEAST_CONDITIONS = 8


class EntryConfig(BaseModel):
    """How many entries a film gives; calculation, report and classification give what there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rec: int = Field(default=1, ge=0, le=8, description="structures whose box is asked for")
    reg: int = Field(default=1, ge=0, le=8, description="boxes whose structure is asked for")
    questions: int = Field(default=3, ge=0, le=48, description="questions in words, of each kind in turn")


@dataclass(frozen=True)
class Entry:
    """A prompt and its answer.

    Attributes:
        task: what is asked.
        prompt, answer: words.
        targets: what a scorer or a reader may want besides.
    """

    task: Task
    prompt: str
    answer: str
    targets: dict[str, Any] = field(default_factory=dict)


def entries_of(film: FilmFacts, config: EntryConfig, seed: int) -> list[Entry]:
    """All entries of a film, in a fixed order; draws follow from seed and film alone."""
    rng = generator_for(seed, film.name, "entries")
    return [
        *_calculations(film), *_report(film), *_classes(film), *_places(film, config, rng),
        *_questions(film, config, rng),
    ]  # fmt: skip


def _calculations(film: FilmFacts) -> Iterator[Entry]:
    tasks: tuple[tuple[Task, float | None], ...] = (
        ("calculate-cpar", film.cpar),
        ("calculate-ctr", film.ctr),
    )
    for task, value in tasks:
        if value is not None and value <= LARGEST_RATIO:
            number = round(value, _DIGITS)
            yield Entry(
                task, prompts.calculate_prompt(task, film.heart), f"{number:.{_DIGITS}f}", {"value": number}
            )


def _report(film: FilmFacts) -> Iterator[Entry]:
    if film.report:
        yield Entry("caption", prompts.caption_prompt(), film.report)


def _classes(film: FilmFacts) -> Iterator[Entry]:
    if film.oedema is not None:
        name = SEVERITY[film.oedema]
        yield Entry("cls-multiclass", prompts.multiclass_prompt(), name, {"class": film.oedema})
    known = [name for name in FINDINGS if name in film.labels]
    if len(known) >= LEAST_CONDITIONS:
        digits = [int(film.labels[name]) for name in known]
        answer = ",".join(map(str, digits))
        targets = {"labels": digits, "conditions": known}
        yield Entry("cls-multilabel", prompts.multilabel_prompt(known), answer, targets)


def _places(film: FilmFacts, config: EntryConfig, rng: np.random.Generator) -> Iterator[Entry]:
    names = sorted(film.boxes)
    for name in _some(names, config.rec, rng):
        box = film.boxes[name]
        prompt = prompts.rec_prompt(name, int(rng.integers(1 << 16)))
        yield Entry("rec", prompt, write_box(box), {"of": name, "box": list(box)})
    for name in _some(names, config.reg, rng):
        box = film.boxes[name]
        prompt = prompts.reg_prompt(box, int(rng.integers(1 << 16)))
        yield Entry("reg", prompt, name, {"of": name, "box": list(box)})


def _questions(film: FilmFacts, config: EntryConfig, rng: np.random.Generator) -> Iterator[Entry]:
    # Where a film has published questions, those are asked, as in the paper.
    asked = published_entries(film) or question_entries(film, config.questions, rng)
    for one in asked:
        yield Entry(one.task, prompts.vqa_prompt(one.question), one.answer, one.targets)


def _some(names: list[str], most: int, rng: np.random.Generator) -> list[str]:
    return [names[int(n)] for n in rng.permutation(len(names))[:most]]
