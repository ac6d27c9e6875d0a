"""The nouns that go out: measurements, steps and the answer that holds them.

Everything ends in an :class:`Answer`: command line, server, page, writers and scorers consume it.
Every number carries its unit, its method and the step that made it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sagittal.errors import SagittalError

ANSWER_SCHEMA = "sagittal.answer/1"
RESEARCH_USE_ONLY = "Medical research software, not a medical device: not for diagnosis or treatment."


@dataclass(frozen=True)
class Measurement:
    """One number or class with everything a reader needs to trust it.

    Attributes:
        name: what was measured (``volume``, ``sphericity``, …).
        value: the number or class; ``None`` when it is undefined.
        unit: ``mL``, ``mm``, ``%``, … ; empty for pure numbers and classes.
        of: what it was measured on (a label, a structure).
        method: how, in a few words.
        step: index into the answer's steps; ``None`` outside an answer.
        undefined: why the value is ``None``.
    """

    name: str
    value: float | int | str | None
    unit: str
    of: str
    method: str
    step: int | None = None
    undefined: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise SagittalError(
                "A measurement is a finite number, or undefined with a reason.",
                got=f"{self.name} of {self.of} = {self.value}",
            )
        if (self.value is None) != (self.undefined is not None):
            raise SagittalError(
                "An undefined measurement, and only that, carries a reason.", got=f"{self.name} of {self.of}"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measurement:
        """Inverse of :meth:`to_json`."""
        return cls(**value)


@dataclass(frozen=True)
class Step:
    """One thing that was done on the way to the answer.

    Attributes:
        kind: ``program`` (a line of the agent's program), ``specialist`` (a plug-in model) or ``model``.
        name: the function, specialist or model.
        input, output: what went in and what came out, as JSON values.
        seconds: how long it took.
    """

    kind: Literal["program", "specialist", "model"]
    name: str
    input: Any
    output: Any
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The contract's form: the kind is the key of the name."""
        return {self.kind: self.name, "input": self.input, "output": self.output, "seconds": self.seconds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Step:
        """Inverse of :meth:`to_json`."""
        kinds: tuple[Literal["program", "specialist", "model"], ...] = ("program", "specialist", "model")
        kind = next(k for k in kinds if k in value)
        return cls(kind, value[kind], value["input"], value["output"], value["seconds"])


@dataclass(frozen=True)
class FieldValue:
    """A task's class beside its probability (a model's head), for instance ``shape``: ``round``."""

    value: str | list[str] | float | None
    probability: float | None = None


@dataclass(frozen=True)
class MaskFile:
    """A mask that belongs to the answer, written on the input's own grid."""

    name: str
    file: str
    volume_ml: float | None


@dataclass(frozen=True)
class VolumeFile:
    """An image that was made on the way to the answer, such as a scan without its skull."""

    name: str
    file: str


@dataclass(frozen=True)
class Box:
    """A rectangle on a 2D image, in its own pixels: opposite corners, x then y."""

    name: str
    image: str
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class Line:
    """A drawn line, such as a diameter: two end points in RAS millimetres, or pixels of a 2D image."""

    name: str
    image: str
    start: tuple[float, ...]
    end: tuple[float, ...]
    space: Literal["voxel", "mm"] = "mm"


@dataclass(frozen=True)
class Answer:
    """What Sagittal says, and why.

    Attributes:
        question: as it was asked.
        text: the answer in words.
        abstained, reason: whether nothing was answered, and why.
        measurements, fields, masks, volumes, boxes, lines: what the words rest on, or ask for.
        steps: what was done, in order.
        images: names of the images that were used.
        warnings: what the reader must know (a mismatch of spaces, an unknown spacing).
        model, version, seconds: what answered, and how long it took.
    """

    question: str
    text: str
    abstained: bool = False
    reason: str | None = None
    measurements: tuple[Measurement, ...] = ()
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    masks: tuple[MaskFile, ...] = ()
    volumes: tuple[VolumeFile, ...] = ()
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    steps: tuple[Step, ...] = ()
    images: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    model: str = ""
    version: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.abstained and not self.reason:
            raise SagittalError("An abstention says why.", got=self.question)
        for m in self.measurements:
            if m.step is None or not 0 <= m.step < len(self.steps):
                raise SagittalError(
                    "Every measurement in an answer names the step that made it.",
                    expected=f"a step from 0 to {len(self.steps) - 1}",
                    got=f"{m.name} of {m.of}: {m.step}",
                )

    def to_json(self) -> dict[str, Any]:
        """``answer.json``, as DESIGN's contract has it."""
        return {
            "schema": ANSWER_SCHEMA,
            "question": self.question,
            "text": self.text,
            "abstained": self.abstained,
            "reason": self.reason,
            "measurements": [m.to_json() for m in self.measurements],
            "fields": {task: asdict(value) for task, value in self.fields.items()},
            "masks": [asdict(m) for m in self.masks],
            "volumes": [asdict(v) for v in self.volumes],
            "boxes": [{**asdict(b), "corners": list(b.corners)} for b in self.boxes],
            "lines": [{**asdict(ln), "start": list(ln.start), "end": list(ln.end)} for ln in self.lines],
            "steps": [s.to_json() for s in self.steps],
            "images": list(self.images),
            "warnings": list(self.warnings),
            "model": self.model,
            "version": self.version,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Answer:
        """Inverse of :meth:`to_json`."""
        return cls(
            question=value["question"],
            text=value["text"],
            abstained=value["abstained"],
            reason=value["reason"],
            measurements=tuple(Measurement.from_json(m) for m in value["measurements"]),
            fields={task: FieldValue(**v) for task, v in value["fields"].items()},
            masks=tuple(MaskFile(**m) for m in value["masks"]),
            # Answers of before there were any do not have the key.
            volumes=tuple(VolumeFile(**v) for v in value.get("volumes", ())),
            boxes=tuple(Box(b["name"], b["image"], tuple(b["corners"])) for b in value["boxes"]),
            lines=tuple(
                Line(ln["name"], ln["image"], tuple(ln["start"]), tuple(ln["end"]), ln["space"])
                for ln in value["lines"]
            ),
            steps=tuple(Step.from_json(s) for s in value["steps"]),
            images=tuple(value["images"]),
            warnings=tuple(value["warnings"]),
            model=value["model"],
            version=value["version"],
            seconds=value["seconds"],
        )
