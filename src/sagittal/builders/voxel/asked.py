"""What a question asks, in the table's own words: the first line of every first program.

    asked = "ratio: brainstem, oedema; FLAIR"

The agent writes what it understood before it decides what to do, so that each later line, and the choice to
abstain, can look back at it; whoever asked sees at once when the question was misread.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagittal.agent.loop import ASKED
from sagittal.builders.voxel.situation import Question
from sagittal.builders.voxel.structures import StructureTable
from sagittal.language.voxel_wordings import Phrase

_WORDS = {
    "segment": "mask",
    "snr": "signal-to-noise ratio",
    "sd": "standard deviation",
    "count": "number of pieces",
    "share_brain": "share of brain",
    "share_icv": "share of intracranial volume",
    "largest_volume": "volume of largest piece",
    "largest_diameter": "diameter of largest piece",
    "largest_side": "side of largest piece",
    "larger": "which is larger",
    "parts": "parts of tumour",
    "target smallest": "volume of smallest piece",
    "target second": "volume of second largest piece",
    "target left": "volume of pieces on the left",
    "target right": "volume of pieces on the right",
    "target near": "volume of pieces near",
    "target nearest": "volume of piece nearest to",
    "target bright": "volume of hyperintense pieces",
    "target dark": "volume of hypointense pieces",
    "target lobe": "volume of pieces in",
    "remove": "image without",
    "extract": "image of nothing but",
    "crop": "image cropped to",
    "median": "median intensity",
    "lowest": "lowest intensity",
    "highest": "highest intensity",
    "hounsfield": "Hounsfield units",
    "adc": "diffusion coefficient",
    "surface": "surface area",
    "share_of": "share of first in second",
    "largest_share": "share of largest piece",
    "series": "volume at every visit",
    "growth_rate": "growth over time",
    "change_signal": "change of signal",
    "new": "new pieces",
    "vanished": "vanished pieces",
    "territory": "arterial territory",
    "tentorium": "above or below tentorium",
    "diffusion": "diffusion restriction",
    "enhancement": "contrast uptake",
    "course": "course over time",
    "change": "change of volume",
    "change_diameter": "change of diameter",
}
# What cannot be answered whatever the images: nothing else of it is needed.
_BEYOND = {
    "other_organ": "other organ",
    "unknown_structure": "unknown structure",
    "not_measured": "other property",
    "treatment": "advice on treatment",
    "prognosis": "prognosis",
    "diagnosis": "diagnosis",
    "off_topic": "something else",
    "not_understood": "not understood",
}
_VISITS = {"any": "", "first": "first session", "last": "last session"}


def asked(question: Question, reason: str, table: StructureTable) -> str:
    """The question as ``task: things; where``, parts that it does not name left out.

    Args:
        question: of a task, or of a reason not to answer.
        reason: the latter; empty for a task.
        table: whose words it is put in.
    """
    if reason in _BEYOND:
        return _BEYOND[reason]
    _, task, *which = question.root.split()
    text = _WORDS.get(" ".join([task, *which]), _WORDS.get(task, task))
    # The parts of a tumour are all meant, and none is named.
    if task != "parts":
        text += f": {', '.join(question.structures)}"
    where = _where(question.slots.get("scan"), table) or _sequence(question.slots.get("seq"), table)
    return f"{text}; {where}" if where else text


def with_asked(programs: Sequence[str], text: str) -> tuple[str, ...]:
    """Programs whose first says what was asked."""
    return (f'{ASKED} = "{text}"\n{programs[0]}', *programs[1:])


def _where(phrases: Sequence[Phrase] | None, table: StructureTable) -> str:
    if phrases is None:
        return ""
    for name, words in _VISITS.items():
        if phrases == table.scans[name]:
            return words
    return next(q.name for q in table.sequences.values() if phrases == table.scans_of(q.kind))


def _sequence(phrases: Sequence[Phrase] | None, table: StructureTable) -> str:
    return next((q.name for q in table.sequences.values() if phrases == q.phrases), "")
