"""Conversations that need no specialist: about the picture itself, or about what an answer is known to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sagittal.builders.specialist_qa.questions import Questions
from sagittal.builders.specialist_qa.shown import Subject
from sagittal.builders.specialist_qa.talks import Talk, Turn
from sagittal.language.specialist_answers import DECLINED
from sagittal.language.specialist_wordings import KNOWLEDGE, PICTURE
from sagittal.specialists.prompting import asked
from sagittal.specialists.triggers import numbers_of
from sagittal.study import KINDS

#: Share of questions about a structure or a disease in general, beside the other kinds.
GENERAL = 0.2
#: Share of questions about no picture that come without one.
TEXT_ALONE = 0.25
_ORGAN = {"brain": "the head", "film": "the chest", "ct": "the trunk"}


def not_needed(subject: Subject, questions: Questions, imaged: str, rng: np.random.Generator) -> Talk:
    """Such a conversation, with what its images show."""
    kinds = subject.kinds(imaged, rng)
    wordings, pool = questions.wordings, questions.pool
    kind = KNOWLEDGE if rng.random() < GENERAL else None
    found = wordings.no_call(rng, pool, kind=kind, region=imaged, image=kinds[0])
    while numbers_of(found.answer or ""):
        # What no step computed cannot be said.
        found = wordings.no_call(rng, pool, kind=kind, region=imaged, image=kinds[0])
    answer = found.answer or _of_picture(found.kind, imaged, kinds)
    if questions.typing is not None and found.answer and rng.random() < TEXT_ALONE:
        return Talk((Turn(found.question, answer),), f"none/{found.kind}")
    # Choices stand on lines of their own; of a patient, only questions about a picture say something.
    question = (
        found.question
        if found.kind == "exam"
        else questions.typed(found.question, imaged if found.kind in PICTURE else None, rng)
    )
    words = asked(question, kinds, pictures=subject.flat(imaged))
    return Talk((Turn(words, answer, subject.picture(imaged, rng)),), f"none/{found.kind}")


def _of_picture(kind: str, imaged: str, kinds: Sequence[str]) -> str:
    """What follows from the kinds of image that are given, or why nothing does."""
    if kind == KNOWLEDGE:
        return f"{DECLINED} that is general knowledge, not what these images tell."
    if kind in ("modality", "sequence"):
        return f"The modality: {KINDS[kinds[0]]}."
    if kind == "contrast":
        return "Yes, contrast was given." if "t1c" in kinds else "Nothing says that contrast was given."
    if kind == "organ":
        return f"It shows {_ORGAN[imaged]}."
    if kind == "plane":
        return "It is a frontal film." if imaged == "film" else "An axial slice is shown."
    return f"{DECLINED} the file's header tells that, not the picture: sagittal info shows it."
