"""Targeting by description: the volume of those pieces of a pathology that are meant (§4.1, Figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sagittal.builders.voxel.programs import Programs, Thing, encoded_and_read, program
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, pathologies, worded


@dataclass(frozen=True)
class Target:
    """A description.

    Attributes:
        name: in the grammar's roots.
        lines: make the mask ``g`` of the pieces that are meant from ``m``; {b} is another structure or a
            lobe, {seq} the variable of a named sequence.
        words: how answers call them; {a}, {b} structures, {kind} what the sequence is called.
        many: whether more than one piece may be meant.
        other: whether it names another structure.
        sequence: whether it names a sequence.
        lobe: whether it names a lobe.
    """

    name: str
    lines: tuple[str, ...]
    words: str
    many: bool = True
    other: bool = False
    sequence: bool = False
    lobe: bool = False


_BRAIN = 'b = segment(f, "brain")'
_OTHER = 'o = segment(f, "{b}")'
TARGETS = (
    Target("smallest", ("g = smallest(m)",), "smallest piece of the {a}", many=False),
    Target("second", ("g = ranked(m, 2)",), "second largest piece of the {a}", many=False),
    Target("left", (_BRAIN, "g = left_pieces(m, b)"), "pieces of the {a} on the left"),
    Target("right", (_BRAIN, "g = right_pieces(m, b)"), "pieces of the {a} on the right"),
    Target("near", (_OTHER, "g = pieces_near(m, o)"), "pieces of the {a} near the {b}", other=True),
    Target(
        "nearest",
        (_OTHER, "g = nearest(m, o)"),
        "piece of the {a} nearest to the {b}",
        many=False,
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
    Target(
        "lobe",
        (
            'c = segment(f, "cerebrum")',
            'd = segment(f, "cerebellum")',
            'e = segment(f, "brainstem")',
            'g = pieces_in_lobe(m, c, d, e, "{b}")',
        ),
        "pieces of the {a} in the {b}",
        lobe=True,
    ),
)
# By proportion alone; the insula is too narrow for a piece to lie in it by half.
_LOBES = ("frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe")
# Everything is near these.
_ALL_OVER = frozenset(
    ("brain", "cerebrum", "intracranial cavity", "cerebral cortex", "cerebral white matter")
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
    there = f"The volume of the {called} is {{v}}" + (" (pieces: {c})." if spec.many else ".")
    gone = f"No {called} {'were' if spec.many else 'was'} found."
    last = program(f'words = f"{there}" if c > 0 else "{gone}"', "say(words)", "stop()")
    return encoded_and_read(encoded), middle, last


def _task(spec: Target) -> Task:
    def applies(s: Situation) -> bool:
        anatomy = {x.name for x in s.anatomy(s.last, found=True)}
        needed = "brain" if _BRAIN in spec.lines else "cerebrum" if spec.lobe else ""
        shown = needed in anatomy if needed else bool(anatomy)
        return shown and (not spec.sequence or bool(s.named_kinds(s.last))) and bool(pathologies(s))

    return Task(f"target_{spec.name}", 0.8, applies, lambda s: _ask(s, spec))


def _ask(s: Situation, spec: Target) -> Question | None:
    visit, words, kind = (s.last, None, "") if spec.sequence else s.where()
    pathology = s.structure(visit, "pathology")
    if pathology is None:
        return None
    things = {"a": pathology}
    if spec.other:
        beside = s.structure(visit, "anatomy")
        if beside is None or beside.base in _ALL_OVER:
            return None
        things["b"] = beside
    if spec.lobe:
        lobe = s.choose(_LOBES)
        things["lobe"] = s.table[s.choose((lobe, f"left {lobe}", f"right {lobe}"))]
    other = things.get("b") or things.get("lobe")
    named = {"b": other.name} if other is not None else {}
    if spec.sequence:
        kind = s.choose(s.named_kinds(visit))
        variable = s.given.of_kind(kind, visit)
        assert variable is not None
        named = {"sequence": variable, "kind": s.table.sequences[kind].name}
    made = target(spec, s.encoded(visit, kind), s.thing(pathology, visit), **named)
    question = worded(f"target {spec.name}", words, things, made)
    if not spec.sequence:
        return question
    return replace(question, slots={**question.slots, "seq": s.table.sequences[kind].phrases})


TARGETING: tuple[Task, ...] = tuple(_task(spec) for spec in TARGETS)
