"""From the words of an answer to classes: to score a model without heads, and to hold words against heads.

The paper trains a classifier for this; the classes stand in an answer word for word, so that looking for them
does as well on every reference answer (``docs/results/mpllm.md``). What a text says is taken
literally: a class that it does not name is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.measure.classes import NOT_PRESENT, SHAPE_CLASSES, SPREAD_CLASSES, UNLOCALISED, VOLUME_CLASSES
from sagittal.score.descriptors import Told

_WORDS = {
    "volume": VOLUME_CLASSES[1:],
    "region": (*REGIONS, UNLOCALISED),
    "shape": SHAPE_CLASSES[1:],
    "spread": SPREAD_CLASSES[1:],
}
# How an answer says that it cannot say something.
_BEYOND = re.compile(
    r"\b(cannot|can't|can not|could not be|unable|not able|not enough information|no statement|no information"
    r"|do not have the information|beyond|outside|does not (extend|cover)|not available|no answer"
    r"|not give an answer|leave the answer|refer you|more than i can)\b",
    re.IGNORECASE,
)


def read_answer(text: str, asked: Sequence[str]) -> Told:
    """What an answer says of the tasks that were asked.

    Args:
        text: the answer.
        asked: tasks of the question. Where the answer says that something is not there (``N/A``), it says so
            of each of them that it names no class of.

    Returns:
        Tasks without a class in the text are left out. Of several classes of one task that can have but one,
        the first counts.
    """
    classes: dict[str, tuple[str, ...]] = {}
    absent = re.search(r"(?<!\w)n/a(?!\w)", text, re.IGNORECASE) is not None
    for task in asked:
        found = tuple(dict.fromkeys(match.group(0).lower() for match in _pattern(task).finditer(text)))
        if found:
            classes[task] = _in_order(found) if task == "region" else found[:1]
        elif absent:
            classes[task] = (NOT_PRESENT,)
    return Told(classes, _BEYOND.search(text) is not None)


@cache
def _pattern(task: str) -> re.Pattern[str]:
    # The longest first, so that "1-5%" is not found in "<1-5%"; no digit, sign or letter may touch a class.
    words = sorted(_WORDS[task], key=len, reverse=True)
    return re.compile(rf"(?<![\w<>.-])(?:{'|'.join(re.escape(word) for word in words)})(?!\w)", re.IGNORECASE)


def _in_order(found: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for word in _WORDS["region"] if word in found)
