"""Where a pathology lies: lobe or part of the brain, arterial territory, above or below the tentorium (§4.1).

Lobes and territories are proportions of the cerebrum (:mod:`sagittal.measure.places`), not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program, said
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, pathologies, worded


@dataclass(frozen=True)
class Place:
    """A way to say where something lies.

    Attributes:
        name: of the task.
        anatomy: variable → structure that the function needs, in the order of its arguments.
        function: of the library: (mask, anatomy…) → word.
        words: the answer; {a} is the structure.
    """

    name: str
    anatomy: dict[str, str]
    function: str
    words: str


_BRAIN = {"c": "cerebrum", "d": "cerebellum", "e": "brainstem"}
PLACES = (
    Place(
        "location", {**_BRAIN, "h": "lateral ventricle", "k": "fourth ventricle"}, "location",
        "The location of the {a}: {{w}}.",
    ),
    Place("territory", {"c": "cerebrum"}, "territory", "The arterial territory of the {a}: {{w}}."),
    Place("tentorium", _BRAIN, "tentorium", "With regard to the tentorium the {a} is {{w}}."),
)  # fmt: skip


def place(spec: Place, encoded: Sequence[str], a: Thing) -> Programs:
    """The programs that say where something lies."""
    lines = [f'm = segment(f, "{a.name}")']
    lines += [f'{v} = segment(f, "{name}")' for v, name in spec.anatomy.items()]
    lines += [f"w = {spec.function}(m, {', '.join(spec.anatomy)})", "read(w)"]
    last = said(spec.words.format(a=a.name) if a.found[0] else a.missing())
    return encoded_and_read(encoded), program(*lines), last


def _task(spec: Place, weight: float) -> Task:
    def applies(s: Situation) -> bool:
        anatomy = {x.name for x in s.anatomy(s.last, found=True)}
        # A ventricle may be out of view; without the cerebrum there is no frame.
        return "cerebrum" in anatomy and bool(pathologies(s))

    def ask(s: Situation) -> Question | None:
        visit, words, kind = s.where()
        structure = s.structure(visit, "pathology")
        if structure is None or not all(
            s.truth.knows(s.table[x], visit.session) for x in spec.anatomy.values()
        ):
            return None
        made = place(spec, s.encoded(visit, kind), s.thing(structure, visit))
        return worded(spec.name, words, {"a": structure}, made)

    return Task(spec.name, weight, applies, ask)


PLACING: tuple[Task, ...] = tuple(_task(spec, w) for spec, w in zip(PLACES, (1.5, 1.0, 0.8), strict=True))
