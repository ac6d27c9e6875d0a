"""Images as results: a structure removed, cut out alone, or the field of view cropped around it (§4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program, said
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, worded


@dataclass(frozen=True)
class Edit:
    """What becomes of an image.

    Attributes:
        name: of the task.
        function: of the library: (image, mask) → image.
        measure: the line that measures what the answer states, ``x``.
        words: the answer; {a} is the structure, {image} what the image is called.
    """

    name: str
    function: str
    measure: str
    words: str


EDITS = (
    Edit("remove", "mask_out", "x = volume(m)", "{image} without the {a} is ready; {{x}} were removed."),
    Edit("extract", "extract", "x = volume(m)", "{image} with the {a} alone is ready; {{x}} were kept."),
    Edit("crop", "crop", "x = box(m)", "{image} cropped to the {a} is ready; the box around it: {{x}}."),
)


def edit(spec: Edit, encoded: list[str], a: Thing, called: str) -> Programs:
    """The programs of one edit, of the first image that is encoded; the result stays in ``edited``."""
    middle = program(f'm = segment(f, "{a.name}")', spec.measure, "read(x)")
    if not a.found[0]:
        return encoded_and_read(encoded), middle, said(a.missing())
    last = said(spec.words.format(a=a.name, image=called))
    return encoded_and_read(encoded), middle, program(f"edited = {spec.function}({encoded[0]}, m)", last)


def _task(spec: Edit) -> Task:
    def ask(s: Situation) -> Question | None:
        visit, words, kind = s.where()
        structure = s.structure(visit)
        if structure is None:
            return None
        encoded = s.encoded(visit, kind)
        sequence = s.table.sequences.get(s.given.volumes[encoded[0]].kind)
        called = f"The {sequence.name} image" if sequence else "The image"
        return worded(
            spec.name, words, {"a": structure}, edit(spec, encoded, s.thing(structure, visit), called)
        )

    return Task(spec.name, 1.2, lambda s: bool(s.anatomy(s.last, found=True)), ask)


EDITING: tuple[Task, ...] = tuple(_task(spec) for spec in EDITS)
