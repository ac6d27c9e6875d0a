"""One record for training and for evaluation, whatever the protocol that made it.

A :class:`Message` is a list of typed parts, so that text, images, regions, masks, boxes, programs,
calls and their results all travel the same way. Pixels stay in their files: an example names them by
path relative to its data root, with their SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sagittal.splits import Split

EXAMPLE_SCHEMA = "sagittal.example/1"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRef(_Record):
    """A file that an example needs: path relative to the data root, and the hash of its bytes."""

    path: str
    sha256: Sha256

    @field_validator("path")
    @classmethod
    def _relative(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not value or path.is_absolute() or ".." in path.parts or "\\" in value:
            raise ValueError("must be relative to the data root, with forward slashes and without '..'")
        return value


class ImageRef(FileRef):
    """An image of the example's study; its ``kind`` is one of :data:`sagittal.study.KINDS`."""

    kind: str
    session: str = ""


class TextPart(_Record):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ImagePart(_Record):
    """The example's image number ``image``; one slice of it when ``slice`` is given."""

    type: Literal["image"] = "image"
    image: int = Field(ge=0)
    slice: int | None = Field(default=None, ge=0)


class RegionPart(_Record):
    """A place pointed at: a :class:`sagittal.study.Region` as JSON, a drawn mask by file."""

    type: Literal["region"] = "region"
    region: dict[str, Any]
    mask: FileRef | None = None

    @classmethod
    def drawn(cls, image: str, mask: FileRef) -> Self:
        """A region that a mask's file shows, on an image of that path."""
        empty: dict[str, Any] = {"space": "voxel", "coordinates": [], "mask": None}
        return cls(region={"kind": "mask", "image": image, **empty}, mask=mask)


class MaskPart(_Record):
    """A mask as content: one label of a file."""

    type: Literal["mask"] = "mask"
    mask: FileRef
    label: int = Field(ge=1)
    name: str


class BoxPart(_Record):
    """A rectangle in integers 0–1000 of the original image: x1, y1, x2, y2."""

    type: Literal["box"] = "box"
    box: tuple[int, int, int, int]
    name: str = ""


class ProgramPart(_Record):
    """A step of the agent's program."""

    type: Literal["program"] = "program"
    program: str


class CallPart(_Record):
    """A call of a specialist."""

    type: Literal["call"] = "call"
    specialist: str
    argument: str = ""


class ResultPart(_Record):
    """What a program step or a specialist gave back, as words."""

    type: Literal["result"] = "result"
    result: str


Part = Annotated[
    TextPart | ImagePart | RegionPart | MaskPart | BoxPart | ProgramPart | CallPart | ResultPart,
    Field(discriminator="type"),
]


class Message(_Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: tuple[Part, ...] = Field(min_length=1)

    @property
    def text(self) -> str:
        """The turn's words, other parts left out."""
        return "".join(p.text for p in self.parts if isinstance(p, TextPart))


class Example(_Record):
    """A question with everything around it.

    Attributes:
        id: unique within a data set, the same on every run.
        patient, study: splits go by patient; the study groups resamples.
        images: files that the messages' image parts count into.
        source, licence: where the images came from and on which terms.
        split: of the patient, by :mod:`sagittal.splits`.
        task: tag of the task (``volume+shape``, ``segmentation``, …).
        messages: the conversation, the last turn being the reference answer.
        targets: what a scorer or a head needs: classes, numbers, names of labels.
        confidence: of a pseudo-label, 0–1; ``None`` for a true label.
    """

    id: str = Field(min_length=1)
    patient: str = Field(min_length=1)
    study: str = Field(min_length=1)
    images: tuple[ImageRef, ...] = ()
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    split: Split
    task: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    targets: dict[str, Any] = Field(default_factory=dict)
    confidence: float | None = Field(default=None, ge=0, le=1)

    @model_validator(mode="after")
    def _parts_point_at_images(self) -> Example:
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, ImagePart) and part.image >= len(self.images):
                    raise ValueError(f"image part {part.image} of {self.id}: only {len(self.images)} images")
        return self

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Example:
        """Inverse of :meth:`to_json`; pydantic's ``ValidationError`` says what does not fit."""
        return cls.model_validate(value)
