"""Cross-task pseudo-labels (IMAX §4.2.2, Figure 4, II): a model trained on DMAX answers what its films lack.

Of each film, the tasks of the seven that it has no entry of are put to the model, in prompts that training
has for other films. An answer that is not in the form of its task is dropped and counted; the others become
examples with the model's confidence. Boxes to be named are those that the model itself gave.

``part-000000.jsonl`` holds the examples of a fixed number of films; a part appears when it is whole, so that
the work can be stopped and goes on.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from sagittal.builders.chest.prompts import SEVEN, reg_prompt
from sagittal.builders.tumour_questions import generator_for
from sagittal.errors import InputError
from sagittal.example import Example, Message, TextPart
from sagittal.files import sha256_json, write_text
from sagittal.io.films.names import FINDINGS
from sagittal.models.film_boxes import out_of_square
from sagittal.models.vlm.model import VLM
from sagittal.score.chest_tasks import Answered, Task, score_task
from sagittal.score.strict import read_box, write_box
from sagittal.simulate.bank import check_manifest, settle_manifest
from sagittal.train.film_answers import Spoken, speak
from sagittal.train.film_set import FilmEntry, only
from sagittal.train.film_stream import FilmStream
from sagittal.train.picture_features import encoder_hash

FILMS_PER_PART = 128
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(eq=False)
class PseudoLabels:
    """The labelling of a set's films.

    Attributes:
        model: trained on the set, in evaluation mode.
        stream: the set's films and entries.
        examples: those that the entries were made of.
        seed: of the choice of prompts.
    """

    model: VLM
    stream: FilmStream
    examples: Sequence[Example]
    seed: int

    def __post_init__(self) -> None:
        self._known: dict[int, set[str]] = defaultdict(set)
        self._entries_of: dict[int, list[FilmEntry]] = defaultdict(list)
        self._first: dict[int, Example] = {}
        prompts: dict[Task, set[tuple[str, tuple[str, ...]]]] = {task: set() for task in TASKS}
        by_id = {example.id: example for example in self.examples}
        for entry in self.stream.films.entries:
            example = by_id.get(entry.id)
            if example is None:
                raise InputError("An entry has no example.", expected="those it was made of", got=entry.id)
            self._known[entry.film].add(SEVEN[entry.task])
            self._entries_of[entry.film].append(entry)
            self._first.setdefault(entry.film, example)
            prompts[entry.task].add((entry.prompt, entry.conditions))
        self._prompts = {task: sorted(own) for task, own in prompts.items()}

    def write(self, out: str | Path, say: Callable[[str], None] = lambda line: None) -> None:
        """Make the parts that are not there.

        Args:
            out: folder.
            say: called with a line after each part.

        Raises:
            IntegrityError: the folder holds labels by another model, or of other films.
            StorageError: it cannot be written.
        """
        out = Path(out)
        wanted = {
            "schema": "sagittal.pseudo-labels/1", "seed": self.seed, "model": encoder_hash(self.model),
            "entries": sha256_json([entry.id for entry in self.stream.films.entries]),
        }  # fmt: skip
        out.mkdir(parents=True, exist_ok=True)
        check_manifest(out, wanted)
        settle_manifest(out, wanted)
        films = range(len(self.stream.films.names))
        for part, start in enumerate(range(0, len(films), FILMS_PER_PART)):
            path = out / f"part-{part:06d}.jsonl"
            if not path.exists():
                made, asked = self._labelled(films[start : start + FILMS_PER_PART])
                write_text(path, "".join(json.dumps(one.to_json(), sort_keys=True) + "\n" for one in made))
                say(f"films {start} to {start + FILMS_PER_PART}: {len(made)} of {asked} answers kept")

    def _labelled(self, films: Sequence[int]) -> tuple[list[Example], int]:
        """Examples of some films, and how many questions were put."""
        first = [entry for film in films for entry in self._lacking(film)]
        said = self._said(first)
        boxes = {entry.film: one.text for entry, one in zip(first, said, strict=True) if entry.task == "rec"}
        second = [entry for film in films for entry in self._to_name(film, boxes.get(film))]
        entries, answers = [*first, *second], [*said, *self._said(second)]
        made = [self._example(entry, one) for entry, one in zip(entries, answers, strict=True)]
        kept = [one for one in made if one is not None]
        return sorted(kept, key=lambda one: one.id), len(entries)

    def _said(self, entries: list[FilmEntry]) -> list[Spoken]:
        if not entries:
            return []
        own = replace(self.stream, films=only(self.stream.films, entries))
        return speak(self.model, own, sure=True)

    def _lacking(self, film: int) -> Iterator[FilmEntry]:
        """Questions of the tasks that a film lacks, naming apart."""
        rng, known = self._rng(film), self._known[film]
        for task in TASKS:
            prompts = self._prompts[task]
            if SEVEN[task] not in known and task != "reg" and prompts:
                yield self._asked(film, task, *prompts[int(rng.integers(len(prompts)))])

    def _to_name(self, film: int, box: str | None) -> Iterator[FilmEntry]:
        """The question what a box holds: the one that the model gave, or that the film's own entry has."""
        if "REG" in self._known[film] or not self._prompts["reg"]:
            return
        own = next((e.answer for e in self._entries_of[film] if e.task == "rec"), box)
        corners = read_box(own)[0] if own is not None else None
        if corners is not None:
            yield self._asked(film, "reg", reg_prompt(corners, int(self._rng(film).integers(1 << 16))))

    def _asked(self, film: int, task: Task, prompt: str, conditions: tuple[str, ...] = FINDINGS) -> FilmEntry:
        model = self._first[film]
        return FilmEntry(
            f"{model.study}/pseudo-{task}", model.patient, film, task, prompt, "", "", conditions=conditions
        )

    def _example(self, entry: FilmEntry, said: Spoken) -> Example | None:
        """An answer as an example; ``None`` where it has not the form of its task."""
        if not _has_form(entry, said.text):
            return None
        prompt, answer, targets = entry.prompt, said.text, dict[str, Any]()
        if entry.task in ("rec", "reg"):
            told = answer if entry.task == "rec" else prompt[prompt.index("<") : prompt.rindex(">") + 1]
            seen, _ = read_box(told)
            assert seen is not None, "it has the form of a box"
            box = out_of_square(seen, self.stream.films.frames[entry.film])
            if box[0] >= box[2] or box[1] >= box[3]:
                return None
            prompt, answer = (text.replace(write_box(seen), write_box(box)) for text in (prompt, answer))
            targets["box"] = list(box)
        if entry.task == "cls-multilabel":
            targets["conditions"] = list(entry.conditions)
        like = self._first[entry.film]
        asked = Message(role="user", parts=(like.messages[0].parts[0], TextPart(text=prompt)))
        return like.model_copy(
            update={
                "id": entry.id,
                "task": entry.task,
                "messages": (asked, Message(role="assistant", parts=(TextPart(text=answer),))),
                "targets": {"answer": answer, **targets},
                "confidence": said.confidence,
            }
        )

    def _rng(self, film: int) -> np.random.Generator:
        return generator_for(self.seed, self.stream.films.names[film], "pseudo-labels")


def _has_form(entry: FilmEntry, text: str) -> bool:
    """Whether an answer can be read as its task's answers are."""
    if not text:
        return False
    try:
        score_task(entry.task, [Answered(entry.id, entry.patient, entry.task, text, text, entry.conditions)])
    except InputError:
        return False
    return True


def read_pseudo(out: str | Path) -> Iterable[Example]:
    """The examples of a folder of parts, in order."""
    for path in sorted(Path(out).glob("part-*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            yield Example.from_json(json.loads(line))
