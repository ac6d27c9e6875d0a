"""How a lesion behaves from image to image: diffusion, contrast enhancement, course (§4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program, said, two_visits
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, followed, pathologies, worded


@dataclass(frozen=True)
class Pair:
    """Two kinds of image that show a behaviour together.

    Attributes:
        name: of the task, and of the library's function.
        kinds: of the images, in the order of the function's arguments.
        words: the answer; {a} is the structure.
    """

    name: str
    kinds: tuple[str, str]
    words: str


PAIRS = (
    Pair("diffusion", ("dwi", "adc"), "Diffusion in the {a}: {{w}}."),
    Pair("enhancement", ("t1", "t1c"), "Contrast uptake of the {a}: {{w}}."),
)


def pair(spec: Pair, images: Sequence[str], a: Thing, first: str, second: str) -> Programs:
    """A behaviour that two images of one visit show; masks lie on the grid of the first."""
    middle = program(
        f'm = segment(f, "{a.name}")',
        'b = segment(f, "brain")',
        f"w = {spec.name}({first}, {second}, m, b)",
        "read(w)",
    )
    last = said(spec.words.format(a=a.name) if a.found[0] else a.missing())
    return encoded_and_read(images), middle, last


def course(before: Sequence[str], after: Sequence[str], a: Thing) -> Programs:
    """Whether a structure grows, shrinks or is stable between two visits."""
    plan, lines = two_visits(before, after, a)
    middle = program(*lines, "w = course(va, vb)", "read(w)", "read(va)", "read(vb)")
    return plan, middle, said(f"The course of the {a.name} is: {{w}} (from {{va}} to {{vb}}).")


def _pair_task(spec: Pair) -> Task:
    def images(s: Situation) -> tuple[str, str] | None:
        first, second = (s.given.of_kind(kind, s.last) for kind in spec.kinds)
        return (first, second) if first is not None and second is not None else None

    def applies(s: Situation) -> bool:
        brain = "brain" in {x.name for x in s.anatomy(s.last, found=True)}
        return brain and images(s) is not None and bool(pathologies(s))

    def ask(s: Situation) -> Question | None:
        both, structure = images(s), s.structure(s.last, "pathology")
        if both is None or structure is None:
            return None
        made = pair(spec, s.encoded(s.last, spec.kinds[0]), s.thing(structure, s.last), *both)
        return worded(spec.name, None, {"a": structure}, made)

    return Task(spec.name, 1.5, applies, ask)


def _ask_course(s: Situation) -> Question | None:
    before, after = s.given.visits[0], s.given.visits[-1]
    structure = followed(s)
    if structure is None:
        return None
    made = course(before.names, after.names, s.thing(structure, before, after))
    return worded("course", None, {"a": structure}, made)


BEHAVIOUR: tuple[Task, ...] = (
    *(_pair_task(spec) for spec in PAIRS),
    Task("course", 2.0, lambda s: s.several, _ask_course),
)
