"""Shape, distance, and what share one thing has of another (§4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program, said
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.structures import Structure
from sagittal.builders.voxel.tasks import Task, measure_task, two_structures, worded

#: A whole, and the parts of it that people ask for.
PARTS_OF = {
    "whole tumour": ("enhancing tumour", "tumour core", "oedema", "non-enhancing core"),
    "tumour core": ("enhancing tumour", "non-enhancing core"),
    "cerebrum": ("cerebral white matter", "cerebral cortex", "lateral ventricle", "lesion", "whole tumour"),
    "cerebral white matter": ("white matter hyperintensities",),
    "ventricular system": ("lateral ventricle", "third ventricle", "fourth ventricle"),
}


def _two_masks(encoded: Sequence[str], a: Thing, b: Thing, line: str, words: str) -> Programs:
    """One number ``n`` of two masks ``ma`` and ``mb``; {a} and {b} in the words are the structures."""
    middle = program(f'ma = segment(f, "{a.name}")', f'mb = segment(f, "{b.name}")', line, "read(n)")
    missing = " ".join(thing.missing() for thing in (a, b) if not thing.found[0])
    return encoded_and_read(encoded), middle, said(missing or words.format(a=a.name, b=b.name))


def _ask_distance(s: Situation) -> Question | None:
    visit, words, kind = s.where()
    pair = two_structures(s, visit)
    if pair is None:
        return None
    a, b = pair
    made = _two_masks(
        s.encoded(visit, kind), s.thing(a, visit), s.thing(b, visit),
        "n = distance(ma, mb)", "The shortest distance between the {a} and the {b} is {{n}}.",
    )  # fmt: skip
    return worded("distance", words, {"a": a, "b": b}, made)


def _ask_share_of(s: Situation) -> Question | None:
    visit, words, kind = s.where()
    pairs = [(s.table[part], s.table[whole]) for whole, parts in PARTS_OF.items() for part in parts]
    settled = [pair for pair in pairs if all(_can_ask(s, x, visit.session) for x in pair)]
    # Absent ones come along, but seldom, as everywhere.
    there = [pair for pair in settled if all(s.truth.found(x, visit.session) for x in pair)]
    among = settled if s.chance(s.config.absent) else there
    if not among:
        return None
    a, b = s.choose(among)
    made = _two_masks(
        s.encoded(visit, kind), s.thing(a, visit), s.thing(b, visit),
        "n = share(ma, mb)", "The {a} is {{n}} of the volume of the {b}.",
    )  # fmt: skip
    return worded("share_of", words, {"a": a, "b": b}, made)


def _can_ask(s: Situation, structure: Structure, session: str) -> bool:
    return s.seen(structure) and s.truth.knows(structure, session)


def _has_anatomy(s: Situation) -> bool:
    return bool(s.anatomy(s.last, found=True))


MORPHOLOGY: tuple[Task, ...] = (
    measure_task("surface", "both", 0.8),
    measure_task("sphericity", "both", 0.8),
    measure_task("largest_share", "pathology", 0.7),
    Task("distance", 1.0, _has_anatomy, _ask_distance),
    Task("share_of", 1.0, _has_anatomy, _ask_share_of),
)
