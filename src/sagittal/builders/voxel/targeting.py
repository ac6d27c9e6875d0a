"""Targeting by description: the volume of those pieces of a pathology that are meant (§4.1, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, pathologies
from sagittal.language.voxel_wordings import Phrase


@dataclass(frozen=True)
class Target:
    """A description.

    Attributes:
        name: in the grammar's roots.
        lines: make the mask ``g`` of the pieces that are meant from ``m``; {b} is another structure, {seq}
            the variable of a named sequence.
        words: how answers call them; {a}, {b} structures, {kind} what the sequence is called.
        other: whether it names another structure.
        sequence: whether it names a sequence.
    """

    name: str
    lines: tuple[str, ...]
    words: str
    other: bool = False
    sequence: bool = False


_BRAIN = 'b = segment(f, "brain")'
TARGETS = (
    Target("smallest", ("g = smallest(m)",), "smallest piece of the {a}"),
    Target("second", ("g = ranked(m, 2)",), "second largest piece of the {a}"),
    Target("left", (_BRAIN, "g = left_pieces(m, b)"), "pieces of the {a} on the left"),
    Target("right", (_BRAIN, "g = right_pieces(m, b)"), "pieces of the {a} on the right"),
    Target(
        "near",
        ('o = segment(f, "{b}")', "g = pieces_near(m, o)"),
        "pieces of the {a} near the {b}",
        other=True,
    ),
    Target(
        "nearest",
        ('o = segment(f, "{b}")', "g = nearest(m, o)"),
        "piece of the {a} nearest to the {b}",
        other=True,
    ),
    Target(
        "bright",
        (_BRAIN, "g = bright_pieces({seq}, m, b)"),
        "pieces of the {a} that are hyperintense in {kind}",
        sequence=True,
    ),
    Target(
        "dark",
        (_BRAIN, "g = dark_pieces({seq}, m, b)"),
        "pieces of the {a} that are hypointense in {kind}",
        sequence=True,
    ),
)


def target(
    spec: Target, encoded: Sequence[str], a: Thing, *, b: str = "", sequence: str = "", kind: str = ""
) -> Programs:
    """The programs of one target.

    The answer is composed in the program: whether there is any such piece shows only when it runs.
    """
    lines = [line.format(b=b, seq=sequence) for line in spec.lines]
    middle = program(
        f'm = segment(f, "{a.name}")', *lines, "c = components(g)", "v = volume(g)", "read(c)", "read(v)"
    )
    called = spec.words.format(a=a.name, b=b, kind=kind)
    one = called.startswith(("smallest", "second", "piece of"))
    there = f"The volume of the {called} is {{v}}" + ("." if one else " (pieces: {c}).")
    last = program(
        f'words = f"{there}" if c > 0 else "No {called} {"was" if one else "were"} found."',
        "say(words)",
        "stop()",
    )
    return encoded_and_read(encoded), middle, last


def _task(spec: Target) -> Task:
    def applies(s: Situation) -> bool:
        anatomy = s.anatomy(s.last, found=True)
        brain = "brain" in {x.name for x in anatomy}
        named = bool(s.named_kinds(s.last)) if spec.sequence else True
        return named and bool(anatomy) and (brain or spec.other) and bool(pathologies(s))

    return Task(f"target_{spec.name}", 0.8, applies, lambda s: _ask(s, spec))


def _ask(s: Situation, spec: Target) -> Question | None:
    visit, words, kind = (s.last, None, "") if spec.sequence else s.where()
    pathology = s.structure(visit, "pathology")
    if pathology is None:
        return None
    slots: dict[str, Sequence[Phrase]] = {"a": pathology.phrases}
    names = [pathology.name]
    other, variable, called = "", "", ""
    if spec.other:
        beside = s.structure(visit, "anatomy")
        # Everything is near the whole.
        if beside is None or beside.base in _WHOLES:
            return None
        other, slots["b"] = beside.name, beside.phrases
        names.append(other)
    if spec.sequence:
        kind = s.choose(s.named_kinds(visit))
        found = s.given.of_kind(kind, visit)
        assert found is not None
        variable, called = found, s.table.sequences[kind].name
        slots["seq"] = s.table.sequences[kind].phrases
    if words is not None:
        slots["scan"] = words
    made = target(
        spec, s.encoded(visit, kind), s.thing(pathology, visit), b=other, sequence=variable, kind=called
    )
    root = f"{'ask' if words is None else 'ask_on'} target {spec.name}"
    return Question(root, slots, made, tuple(names))


_WHOLES = frozenset(("brain", "cerebrum", "intracranial cavity", "cerebral cortex", "cerebral white matter"))

TARGETING: tuple[Task, ...] = tuple(_task(spec) for spec in TARGETS)
