"""The tasks of the core: when each applies to a study, what it asks, and the programs that answer it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sagittal.builders.voxel import programs
from sagittal.builders.voxel.acquisition import Visit
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.structures import Structure
from sagittal.language.voxel_wordings import Phrase

#: What a measurement is taken against: a study whose maps do not have it cannot be asked.
_WHOLES = {
    "share_brain": "brain",
    "share_icv": "intracranial cavity",
    "side": "brain",
    "largest_side": "brain",
    "brightness": "brain",
}
_INTENSITIES = ("mean", "sd", "snr")
#: How the second of two sides is called after the first was named in full.
_OTHER_SIDE = {
    side: (
        Phrase(f"{side} one"),
        Phrase(side),
        Phrase(f"{side} side"),
        Phrase(f"one on the {side}", withheld=True),
    )
    for side in ("left", "right")
}


@dataclass(frozen=True)
class Task:
    """One kind of question.

    Attributes:
        name: as in the grammar's roots.
        weight: how often it is drawn, next to others that apply.
        applies: whether a study and the images given allow it.
        ask: draws a question; ``None`` when the draw led nowhere.
    """

    name: str
    weight: float
    applies: Callable[[Situation], bool]
    ask: Callable[[Situation], Question | None]


def measure_task(name: str, kinds: str, weight: float = 1.0) -> Task:
    """A measurement of one structure: any, or a pathology."""

    def applies(s: Situation) -> bool:
        return not _lacks_whole(name, s) and (kinds != "pathology" or bool(pathologies(s)))

    def ask(s: Situation) -> Question | None:
        visit, words, kind = s.where()
        structure = s.structure(visit, kinds)
        if structure is None or structure.name in (_WHOLES.get(name), "intracranial cavity"):
            return None
        encoded = s.encoded(visit, kind)
        made = programs.measure(name, encoded, s.thing(structure, visit))
        return worded(name, words, {"a": structure}, made)

    return Task(name, weight, applies, ask)


def pathologies(s: Situation) -> list[Structure]:
    """Those that can be asked for, there or not."""
    return s.pathologies(s.last, found=True) + s.pathologies(s.last, found=False)


def worded(
    name: str, words: Sequence[Phrase] | None, things: dict[str, Structure], made: programs.Programs
) -> Question:
    """What is asked: the grammar's root, with words for the images where a question names them."""
    slots: dict[str, Sequence[Phrase]] = {slot: thing.phrases for slot, thing in things.items()}
    if words is not None:
        slots["scan"] = words
    root = f"{'ask' if words is None else 'ask_on'} {name}"
    return Question(root, slots, made, tuple(t.name for t in things.values()))


def intensity_task(name: str, weight: float = 0.7, *, unnamed: bool = True, kinds: str = "both") -> Task:
    """An intensity of one structure in one image.

    Args:
        name: in the grammar's roots.
        weight: how often it is drawn.
        unnamed: whether the question may leave out the sequence where there is one image alone.
        kinds: of structure.
    """

    def applies(s: Situation) -> bool:
        if _lacks_whole(name, s) or (kinds == "pathology" and not pathologies(s)):
            return False
        return bool(s.named_kinds(s.last)) or (unnamed and len(s.last.names) == 1)

    def ask(s: Situation) -> Question | None:
        structure = s.structure(s.last, kinds)
        if structure is None or structure.name == _WHOLES.get(name):
            return None
        known = s.named_kinds(s.last)
        alone = unnamed and len(s.last.names) == 1 and (not known or s.chance(0.4))
        variable = s.last.names[0] if alone else s.given.of_kind(s.choose(known), s.last)
        assert variable is not None
        question = in_image(name, s, structure, variable)
        sequence = s.table.sequences.get(s.given.volumes[variable].kind)
        slots = {**question.slots, **({} if alone or sequence is None else {"seq": sequence.phrases})}
        return replace(question, root=f"ask {name} {'any' if alone else 'seq'}", slots=slots)

    return Task(name, weight, applies, ask)


def in_image(name: str, s: Situation, structure: Structure, variable: str) -> Question:
    """An intensity of a structure in the image of a variable of the last visit."""
    kind = s.given.volumes[variable].kind
    known = s.table.sequences.get(kind)
    made = programs.measure(
        name,
        s.encoded(s.last, kind),
        s.thing(structure, s.last),
        sequence=variable,
        kind=known.name if known else "the image",
    )
    return worded(name, None, {"a": structure}, made)


def _lacks_whole(name: str, s: Situation) -> bool:
    return name in _WHOLES and s.table[_WHOLES[name]] not in s.anatomy(s.last, found=True)


# -- two structures ------------------------------------------------------------------------------


def _compare(name: str) -> Task:
    def ask(s: Situation) -> Question | None:
        visit, words, kind = s.where()
        pair = _two_sides(s, visit) if s.chance(0.4) else two_structures(s, visit)
        if pair is None:
            return None
        a, b = pair
        made = programs.compare(name, s.encoded(visit, kind), s.thing(a, visit), s.thing(b, visit))
        question = worded(name, words, {"a": a, "b": b}, made)
        if a.base == b.base and s.chance(0.5):
            # "Is the left hippocampus smaller than the right one?"
            question = replace(question, slots={**question.slots, "b": _OTHER_SIDE[b.side]})
        return question

    return Task(name, 1.0, lambda s: bool(s.anatomy(s.last, found=True)), ask)


def _two_sides(s: Situation, visit: Visit) -> tuple[Structure, Structure] | None:
    paired = list(dict.fromkeys(x.base for x in s.anatomy(visit, found=True) if x.paired))
    if not paired:
        return None
    base = s.choose(paired)
    left, right = s.table[f"left {base}"], s.table[f"right {base}"]
    return (left, right) if s.chance(0.5) else (right, left)


def two_structures(s: Situation, visit: Visit) -> tuple[Structure, Structure] | None:
    a, b = s.structure(visit), s.structure(visit)
    return None if a is None or b is None or a.base == b.base else (a, b)


def _ask_asymmetry(s: Situation) -> Question | None:
    visit, words, kind = s.where()
    pair = _two_sides(s, visit)
    if pair is None:
        return None
    left, right = sorted(pair, key=lambda x: x.side)
    made = programs.asymmetry(s.encoded(visit, kind), s.thing(left, visit), s.thing(right, visit))
    whole = s.table[left.base]
    question = worded("asymmetry", words, {"a": whole}, made)
    # Both sides are meant already: "the asymmetry of the left and right hippocampus" says it twice.
    return replace(question, slots={**question.slots, "a": whole.plain})


# -- two visits, and a tumour's parts ------------------------------------------------------------


def followed(s: Situation) -> Structure | None:
    """A structure whose place both the first and the last visit settle."""
    both = s.given.visits[0], s.given.visits[-1]
    structure = s.structure(s.choose(both), "both" if s.chance(0.4) else "pathology")
    known = structure is not None and all(s.truth.knows(structure, v.session) for v in both)
    return structure if known else None


def _change(name: str, by: str) -> Task:
    def ask(s: Situation) -> Question | None:
        before, after = s.given.visits[0], s.given.visits[-1]
        structure = followed(s)
        if structure is None:
            return None
        made = programs.change(before.names, after.names, s.thing(structure, before, after), by=by)
        return worded(name, None, {"a": structure}, made)

    return Task(name, 4.0 if by == "volume" else 2.0, lambda s: s.several, ask)


def _ask_parts(s: Situation) -> Question | None:
    visit, words, kind = s.where()
    found = s.truth.found(s.table["whole tumour"], visit.session)
    if not found and not s.chance(s.config.absent):
        return None
    made = programs.parts(s.encoded(visit, kind), found=found)
    question = worded("parts", words, {}, made)
    return Question(question.root, question.slots, made, tuple(programs.PARTS.values()))


def _parts_apply(s: Situation) -> bool:
    names = programs.PARTS.values()
    return all(s.seen(s.table[n]) and s.truth.knows(s.table[n], s.last.session) for n in names)


TASKS: tuple[Task, ...] = (
    measure_task("segment", "both", 2.0),
    measure_task("volume", "both", 2.0),
    measure_task("height", "both"),
    measure_task("width", "both"),
    measure_task("depth", "both"),
    measure_task("box", "both"),
    measure_task("diameter", "both"),
    *(intensity_task(name) for name in _INTENSITIES),
    measure_task("presence", "pathology", 1.5),
    measure_task("count", "pathology"),
    measure_task("side", "pathology"),
    measure_task("largest_volume", "pathology"),
    measure_task("largest_diameter", "pathology", 0.7),
    measure_task("largest_side", "pathology", 0.7),
    measure_task("share_brain", "both", 0.7),
    measure_task("share_icv", "both", 0.7),
    *(_compare(name) for name in ("difference", "ratio", "larger")),
    Task("asymmetry", 1.0, lambda s: bool(s.anatomy(s.last, found=True)), _ask_asymmetry),
    Task("parts", 1.0, _parts_apply, _ask_parts),
    _change("change", "volume"),
    _change("change_diameter", "diameter"),
)
