"""MeCoVQA: conversations over slices of SA-Med2D-20M, with regions to ask about and masks to answer with.

The form is the one that MedPLIB's published reader takes (``datasets/LazySupervisedDataset.py`` of its
repository): ``image``, ``conversations`` of ``from`` (human, gpt) and ``value``; in a human turn ``<image>``
and ``<region>PATH</region>``, in an answer ``<SEG>`` with one ``<mask>PATH</mask>``; paths count from the
images' folder; ``answer_type`` is there in places. The files themselves were not at hand: their names are not
verified, so every JSON file of the folder is read, and the split is "train" or "test" where a file's name
says one of the words.

SA-Med2D-20M names its files MODALITY--DATASET--CASE--SLICE, a mask's with class and instance after that:
those fields are that data set's metadata. A case of a data set is a patient, whatever the modality.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any, Literal

from sagittal.builders.vqa_sets.asked import Asked, Drawn, Kind, Turn, kind_of
from sagittal.builders.vqa_sets.records import Record

#: Reasons for leaving a record out.
NO_MASK = "<SEG> and masks do not pair"
NO_WORDS = "a turn without words"

_TAG = re.compile(r"<(region|mask)>(.*?)</\1>", re.DOTALL)
_SPEAKERS = {"user": "human", "assistant": "gpt"}


def read_mecovqa(record: Record) -> Asked | str:
    """A conversation of MeCoVQA, its last answer being the reference."""
    spoken = record.values.get("conversations")
    if not isinstance(spoken, list) or len(spoken) < 2 or len(spoken) % 2:
        record.refuse("`conversations` is no list of questions and answers", repr(spoken)[:80])
    turns = []
    for number, said in enumerate(spoken):
        turn = _turn(record, said, "assistant" if number % 2 else "user")
        if isinstance(turn, str):
            return turn
        turns.append(turn)
    image = record.path(record.words("image"))
    named = PurePosixPath(image).stem.split("--")
    # The number after the modality tells sub-kinds apart.
    modality = re.sub(r"_\d+$", "", named[0]) if len(named) >= 4 else None
    split = [part for part in ("train", "test") if part in record.stem.lower()]
    return Asked(
        id=f"{record.file}/{record.number}",
        image=image,
        patient="--".join(named[1:3]) if len(named) >= 4 else image,
        kind=_kind(record, turns),
        turns=tuple(turns),
        published_split=split[0] if len(split) == 1 else None,
        modality=modality,
        question_type=_question_type(turns),
        image_kind=kind_of(modality),
    )


def _turn(record: Record, said: Any, role: Literal["user", "assistant"]) -> Turn | str:
    if not isinstance(said, dict) or said.get("from") != _SPEAKERS[role]:
        record.refuse("`conversations` does not take turns, human first", repr(said)[:80])
    text = record.plain(said.get("value"), "value").replace("<image>", "").strip()
    if role == "user":
        if "<mask>" in text:
            record.refuse("a mask stands in a question", text[:80])
        pieces = _split(record, text)
    else:
        if "<region>" in text:
            record.refuse("a region stands in an answer", text[:80])
        masks = [path for _, path in _TAG.findall(text)]
        text = _TAG.sub("", text).strip()
        if text.count("<SEG>") != len(masks):
            return NO_MASK
        # The mask stands where the answer gives it, not where the file lists it.
        before, *after = text.split("<SEG>")
        pieces = [before]
        for path, rest in zip(masks, after, strict=True):
            pieces += [_drawn(record, "mask", path), rest]
    pieces = [piece for piece in pieces if isinstance(piece, Drawn) or piece.strip()]
    if not pieces or (role == "user" and not any(isinstance(piece, str) for piece in pieces)):
        return NO_WORDS
    return Turn(role, tuple(pieces))


def _split(record: Record, text: str) -> list[str | Drawn]:
    """Words and regions in their order."""
    pieces: list[str | Drawn] = []
    end = 0
    for tag in _TAG.finditer(text):
        pieces += [text[end : tag.start()], _drawn(record, "region", tag[2])]
        end = tag.end()
    return [*pieces, text[end:]]


def _drawn(record: Record, role: Literal["region", "mask"], path: str) -> Drawn:
    fields = PurePosixPath(path).stem.split("--")
    # …--CLASS_INSTANCE: the class is a number of SA-Med2D-20M's own table.
    name = fields[-1].rsplit("_", 1)[0] if len(fields) >= 5 else ""
    return Drawn(role, record.path(path.strip()), name)


def _kind(record: Record, turns: list[Turn]) -> Kind:
    if any(isinstance(piece, Drawn) for piece in turns[-1].pieces):
        return "grounding"
    return "closed" if (record.maybe("answer_type") or "open").lower() in ("closed", "yes/no") else "open"


def _question_type(turns: list[Turn]) -> str:
    """MeCoVQA-G, -R or -C, by what the conversation holds."""
    roles = {piece.role for turn in turns for piece in turn.pieces if isinstance(piece, Drawn)}
    return "grounding" if "mask" in roles else "region" if "region" in roles else "complex"
