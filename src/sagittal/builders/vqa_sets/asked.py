"""What every set's reader gives: one question, still by the published names of its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: closed and open by the set's own word; choice among given options; grounding is answered by a mask.
Kind = Literal["closed", "open", "choice", "grounding"]


@dataclass(frozen=True)
class Drawn:
    """A picture of a mask inside a turn: a region pointed at, or the answer.

    Attributes:
        role: what it is there for.
        path: of its file, below the folder of the images.
        name: of what it shows, where its file says.
    """

    role: Literal["region", "mask"]
    path: str
    name: str = ""


@dataclass(frozen=True)
class Turn:
    """One turn: words and drawn masks in their order."""

    role: Literal["user", "assistant"]
    pieces: tuple[str | Drawn, ...]


@dataclass(frozen=True)
class Asked:
    """One question of a set.

    Attributes:
        id: as published where that is known to be unique, else from file and number of the record.
        image: path of the image, below the folder of the images.
        patient: the finest grouping known to keep a patient's images together; the image where none is.
        case: a second grouping: patients that share a case are one patient. Empty for none.
        kind: how it is scored.
        turns: question and answer; several of each in a conversation.
        published_split: as the files say, ``None`` where they do not.
        modality, question_type, body_part: in the set's own words, ``None`` where it has none.
        image_kind: of :data:`sagittal.study.KINDS`.
        language: code of ISO 639-1.
        options: letter → words of a choice; empty otherwise.
        label: letter of the right one.
        further: other published fields worth keeping.
    """

    id: str
    image: str
    patient: str
    kind: Kind
    turns: tuple[Turn, ...]
    published_split: str | None
    case: str = ""
    modality: str | None = None
    question_type: str | None = None
    body_part: str | None = None
    image_kind: str = "unknown"
    language: str = "en"
    options: Mapping[str, str] = field(default_factory=dict)
    label: str | None = None
    further: Mapping[str, str] = field(default_factory=dict)

    def drawn(self) -> list[Drawn]:
        """All the masks of its turns."""
        return [piece for turn in self.turns for piece in turn.pieces if isinstance(piece, Drawn)]


def pair(question: str, answer: str) -> tuple[Turn, Turn]:
    """A question and its answer, both words."""
    return Turn("user", (question,)), Turn("assistant", (answer,))


_KINDS = {
    "ct": "ct", "mr": "mr", "mri": "mr", "dermoscopy": "photo", "endoscopy": "photo", "fundus": "photo",
    # A PET shown over a CT is neither.
    "pet": "unknown", "histopathology": "photo", "microscopy": "photo", "pathology": "photo",
    "photography": "photo",
}  # fmt: skip


def kind_of(modality: str | None, body_part: str | None = None) -> str:
    """The kind of image that a set's own words name; ``unknown`` where they leave it open.

    A radiograph is a chest radiograph only where the set says that it shows the chest.
    """
    if modality is None:
        return "unknown"
    words = re.findall("[a-z]+", modality.lower())
    if "ray" in words or "xray" in words:
        chest = {"chest", "lung"} & set(re.findall("[a-z]+", (body_part or "").lower()))
        return "cxr" if chest else "unknown"
    found = {_KINDS[word] for word in words if word in _KINDS}
    return found.pop() if len(found) == 1 else "unknown"
