"""What could be asked next: up to three questions that the images and the answer allow.

The words are those of the grammar that the models learn from, so that what is proposed is understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest

from sagittal.agent.loop import ASKED, UNSURE
from sagittal.answer import Answer
from sagittal.builders.voxel.acquisition import Acquisition
from sagittal.builders.voxel.structures import Structure, StructureTable, structure_table

#: How many are proposed.
MOST = 3


@dataclass(frozen=True)
class Wording:
    """One kind of question.

    Attributes:
        root: of the grammar that makes it.
        text: its words; {a} is the structure.
        many: its words where the structure's name is a plural.
        measured: name of the measurement that answers it.
    """

    root: str
    text: str
    many: str
    measured: str


WORDINGS = {
    "volume": Wording(
        "ask volume", "What is the volume of the {a}?", "What is the volume of the {a}?", "volume"
    ),
    "diameter": Wording(
        "ask diameter",
        "What is the longest diameter of the {a}?",
        "What is the longest diameter of the {a}?",
        "longest diameter",
    ),
    "side": Wording("ask side", "Which side is the {a} on?", "Which side are the {a} on?", "side"),
    "count": Wording(
        "ask count",
        "How many pieces does the {a} have?",
        "How many pieces do the {a} have?",
        "components",
    ),
    "share": Wording(
        "ask share_brain",
        "What percentage of the brain does the {a} occupy?",
        "What percentage of the brain do the {a} occupy?",
        "share",
    ),
    "asymmetry": Wording(
        "ask asymmetry", "How asymmetric is the {a}?", "How asymmetric are the {a}?", "asymmetry"
    ),
    "change": Wording(
        "ask change",
        "How has the {a} changed between the two scans?",
        "How have the {a} changed between the two scans?",
        "relative change of volume",
    ),
}
_OF_PATHOLOGY = ("volume", "diameter", "side", "share", "count")
_OF_ANATOMY = ("volume", "asymmetry", "share")
#: What is proposed where nothing was found yet, the most asked for first.
_PATHOLOGIES = ("whole tumour", "enhancing tumour", "oedema", "lesion")
_ANATOMY = ("left hippocampus", "lateral ventricle", "right thalamus", "brain")


def suggest(given: Acquisition, answer: Answer) -> tuple[str, ...]:
    """Questions to ask next.

    Args:
        given: the images.
        answer: what was just said.

    Returns:
        At most :data:`MOST`, none of which was just asked or answered.
    """
    table = structure_table()
    focus = _focus(given, answer, table)
    groups = [
        _change(given, focus, table),
        _more(focus, table),
        _others(_PATHOLOGIES, given, focus, table),
        _others(_ANATOMY, given, focus, table),
    ]
    known = {(m.name, _base(m.of)) for m in answer.measurements}
    texts = [
        [_words(task, about) for task, about in group if (WORDINGS[task].measured, about.name) not in known]
        for group in groups
    ]
    # One of each group in turn, so that what is proposed differs.
    mixed = dict.fromkeys(text for text in chain.from_iterable(zip_longest(*texts)) if text is not None)
    asked = _bare(answer.question)
    return tuple(text for text in mixed if _bare(text) != asked)[:MOST]


def _words(task: str, about: Structure) -> str:
    wording = WORDINGS[task]
    return (wording.many if about.many else wording.text).format(a=about.name)


def _focus(given: Acquisition, answer: Answer, table: StructureTable) -> Structure | None:
    """The structure that the answer was about, or may have been; ``None`` where it found nothing."""
    empty = {m.of for m in answer.measurements if m.name == "volume" and not m.value}
    for measurement in answer.measurements:
        name = _base(measurement.of)
        if name in table.structures and measurement.of not in empty:
            return table[name]
    read = str(answer.fields[ASKED].value) if ASKED in answer.fields else ""
    # Asked back: what it may have been about is proposed in words that are understood.
    guessed = re.split("[:,;] ", read) if read.startswith(UNSURE) else []
    known = (table[name] for name in guessed if name in table.structures)
    return next((structure for structure in known if _seen(structure, given)), None)


def _base(of: str) -> str:
    return of.removeprefix("largest piece of ")


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _seen(structure: Structure, given: Acquisition) -> bool:
    return not structure.needs or bool(given.kinds & set(structure.needs))


_Proposals = Iterator[tuple[str, Structure]]


def _change(given: Acquisition, focus: Structure | None, table: StructureTable) -> _Proposals:
    if len(given.visits) == 2:
        yield "change", focus or table["whole tumour"]


def _more(focus: Structure | None, table: StructureTable) -> _Proposals:
    """More about what the answer was about."""
    if focus is None:
        return
    if focus.is_pathology:
        yield from ((task, focus) for task in _OF_PATHOLOGY)
        return
    for task in _OF_ANATOMY:
        if task == "asymmetry" and focus.paired:
            yield task, table[focus.base]
        elif task != "asymmetry" and focus.name not in ("brain", "intracranial cavity"):
            yield task, focus


def _others(
    names: tuple[str, ...], given: Acquisition, focus: Structure | None, table: StructureTable
) -> _Proposals:
    """Other structures that the images show."""
    about = focus.base if focus is not None else ""
    for name in names:
        structure = table[name]
        if structure.base != about and _seen(structure, given):
            yield "volume", structure
