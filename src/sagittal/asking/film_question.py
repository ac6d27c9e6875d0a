"""A question about a chest film as a person puts it → one of IMAX's seven tasks, in the prompt of training.

A question that begins with a tag of the paper ("[rec] …") is taken at its word. Other words are read by
what they name: a ratio, a report, the grade of oedema, all ten conditions, the place of a structure, what a
box holds. Everything else is a question in words (VQA): to verify where it begins like a question of yes or
no, to choose where it offers alternatives, else open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagittal.builders.chest import prompts
from sagittal.errors import InputError
from sagittal.score.chest_tasks import Task
from sagittal.score.strict import Corners, read_box

#: Tags that a question may begin with.
TAGS = ("calculate", "caption", "cls", "rec", "reg", "vqa")
#: Structures whose place can be asked for, by the words that people use.
_PLACES = {
    "heart": r"heart|cardiac silhouette|cardiac shadow",
    "left lung": r"left lung|lung on the left",
    "right lung": r"right lung|lung on the right",
}
_WHERE = re.compile(r"\b(where|locat\w*|bounding box|box (?:of|around|for)|position)\b", re.IGNORECASE)
_BOX = re.compile(r"(?:<[0-9]{1,4}>){4}")
_RULES: tuple[tuple[str, Task], ...] = (
    (r"\bctr\b|cardio-?thoracic ratio", "calculate-ctr"),
    (r"\bcpar\b|cardio-?pulmonary (area )?ratio", "calculate-cpar"),
    (r"\breport\b|^describe\b|findings and impression|^caption\b", "caption"),
    (r"(grade|severity|category|degree|severe).*\bo?edema|\bo?edema.*(grade|severity|category)",
     "cls-multiclass"),
    (r"(all|each of the|the ten|10) (findings|conditions|labels)|which (conditions|labels)|multi-?label",
     "cls-multilabel"),
)  # fmt: skip
_YES_NO = re.compile(r"^(is|are|was|does|do|did|has|have|can|could|any)\b", re.IGNORECASE)
_ALTERNATIVES = re.compile(r"\b\w+ or (the )?\w+", re.IGNORECASE)


@dataclass(frozen=True)
class FilmQuestion:
    """What is asked.

    Attributes:
        task: of the seven.
        prompt: as the model is asked; a box in it is one of the film.
        box: that it asks about.
        structure: whose place it asks for; empty otherwise.
    """

    task: Task
    prompt: str
    box: Corners | None = None
    structure: str = ""


def read_film_question(question: str, box: Corners | None = None) -> FilmQuestion:
    """Which task a question is.

    Args:
        question: cleaned (:func:`sagittal.asking.question.clean_question`).
        box: that was pointed at, in thousandths of the film.

    Raises:
        InputError: a tag that is none of the paper's, or a question after a tag that its task cannot be.
    """
    found = re.match(r"\[(\w+)\]\s*", question)
    tag = found[1].lower() if found else ""
    if found and tag not in TAGS:
        raise InputError(
            "There is no such kind of question.",
            expected=", ".join(f"[{t}]" for t in TAGS),
            got=found[0].strip(),
        )
    words = question[found.end() :] if found else question
    written = _BOX.search(words)
    if box is None and written is not None:
        box = _checked(written[0])
    if box is not None and tag in ("", "reg"):
        return FilmQuestion("reg", prompts.reg_prompt(box, 0), box)
    return _by_tag(tag, words) if tag else _by_words(words)


def _by_words(words: str) -> FilmQuestion:
    for pattern, task in _RULES:
        if re.search(pattern, words, re.IGNORECASE):
            return FilmQuestion(task, _prompt(task))
    structure = _structure(words)
    if structure and _WHERE.search(words) and not _YES_NO.match(words):
        return FilmQuestion("rec", prompts.rec_prompt(structure, 0), structure=structure)
    return _in_words(words)


def _by_tag(tag: str, words: str) -> FilmQuestion:
    if tag == "vqa":
        return _in_words(words)
    if tag == "rec":
        structure = _structure(words)
        if not structure:
            raise _cannot(tag, words, f"the place of one of {', '.join(_PLACES)}")
        return FilmQuestion("rec", prompts.rec_prompt(structure, 0), structure=structure)
    if tag == "reg":
        raise _cannot(tag, words, "a box, <x1><y1><x2><y2> in thousandths of the film, or --region box:…")
    if tag == "caption":
        return FilmQuestion("caption", prompts.caption_prompt())
    tasks: dict[str, tuple[Task, ...]] = {
        "calculate": ("calculate-ctr", "calculate-cpar"), "cls": ("cls-multiclass", "cls-multilabel"),
    }  # fmt: skip
    for pattern, task in _RULES:
        if task in tasks[tag] and re.search(pattern, words, re.IGNORECASE):
            return FilmQuestion(task, _prompt(task))
    if tag == "cls" and re.search("presence|condition", words, re.IGNORECASE):
        return FilmQuestion("cls-multilabel", prompts.multilabel_prompt())
    raise _cannot(
        tag, words, {"calculate": "CTR or CPAR", "cls": "edema severity, or the ten conditions"}[tag]
    )


def _prompt(task: Task) -> str:
    if task in ("calculate-ctr", "calculate-cpar"):
        return prompts.calculate_prompt(task)
    if task == "caption":
        return prompts.caption_prompt()
    return prompts.multiclass_prompt() if task == "cls-multiclass" else prompts.multilabel_prompt()


def _in_words(words: str) -> FilmQuestion:
    task: Task = "vqa-query"
    if _ALTERNATIVES.search(words) and not re.match(r"^is there\b", words, re.IGNORECASE):
        task = "vqa-choose"
    elif _YES_NO.match(words):
        task = "vqa-verify"
    return FilmQuestion(task, prompts.vqa_prompt(words))


def _structure(words: str) -> str:
    named = [
        name for name, pattern in _PLACES.items() if re.search(rf"\b({pattern})\b", words, re.IGNORECASE)
    ]
    return named[0] if len(named) == 1 else ""


def _checked(text: str) -> Corners:
    box, fault = read_box(text)
    if box is None:
        raise InputError(
            "The box is none.",
            expected="<x1><y1><x2><y2>, 0 to 1000, x1 < x2 and y1 < y2",
            got=f"{text} ({fault})",
        )
    return box


def _cannot(tag: str, words: str, expected: str) -> InputError:
    return InputError(f"[{tag}] cannot ask this.", expected=expected, got=words or "nothing")
