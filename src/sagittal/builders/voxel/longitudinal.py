"""Visits compared: a series of any length, growth a month, signal, and pieces that came or went (§4.1)."""

from __future__ import annotations

from collections.abc import Sequence

from sagittal.builders.voxel.programs import Programs, Thing, encode_call, program, said, two_visits
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, followed, worded

# Variables of visits, in time order.
_LETTERS = "abcdefghijkl"
_REFERENCE = "cerebral white matter"


def series(visits: Sequence[Sequence[str]], a: Thing) -> Programs:
    """Volumes at every visit.

    Args:
        visits: variables of each visit, in time order: two to twelve.
        a: the structure.
    """
    letters = _LETTERS[: len(visits)]
    pairs = list(zip(letters, visits, strict=True))
    plan = program(*(f"f{v} = {encode_call(names)}" for v, names in pairs), *(f"read(f{v})" for v in letters))
    middle = [f'm{v} = segment(f{v}, "{a.name}")' for v in letters]
    middle += [f"v{v} = volume(m{v})" for v in letters]
    middle += [f"p = percentage_change(va, v{letters[-1]})"]
    middle += [f"read(v{v})" for v in letters] + ["read(p)"]
    listed = ", ".join(f"{{v{v}}}" for v in letters)
    words = f"The volumes of the {a.name} from the first to the last visit: {listed}; the change: {{p}}."
    return plan, program(*middle), said(words)


def growth_rate(before: Sequence[str], after: Sequence[str], a: Thing) -> Programs:
    """Growth a month, from the dates of the two visits."""
    plan, lines = two_visits(before, after, a)
    lines += [f"d = days({before[0]}, {after[0]})", "r = growth_rate(va, vb, d)"]
    middle = program(*lines, "read(r)", "read(va)", "read(vb)")
    return plan, middle, said(f"The growth rate of the {a.name}, from {{va}} to {{vb}}: {{r}}.")


def change_signal(before: Sequence[str], after: Sequence[str], a: Thing, kind: str) -> Programs:
    """Change of a signal relative to white matter's: intensities of MR have no unit that two visits share.

    Args:
        before, after: variables of the visits, the named sequence first.
        a: the structure, with what is found at each visit.
        kind: what the sequence is called.
    """
    plan = program(f"fa = {encode_call(before)}", f"fb = {encode_call(after)}", "read(fa)", "read(fb)")
    middle: list[str] = []
    for v, names in (("a", before), ("b", after)):
        middle += [
            f'm{v} = segment(f{v}, "{a.name}")',
            f'n{v} = segment(f{v}, "{_REFERENCE}")',
            f"i{v} = mean({names[0]}, m{v})",
            f"w{v} = mean({names[0]}, n{v})",
            f"r{v} = ratio(i{v}, w{v})",
        ]
    middle += ["p = percentage_change(ra, rb)", "read(ra)", "read(rb)", "read(p)"]
    if all(a.found):
        words = f"The signal of the {a.name} in {kind}, relative to {_REFERENCE}, was {{ra}} and is {{rb}}: "
        last = said(words + "a change of {p}.")
    else:
        last = said(f"The {a.name} {a.was} not found at both visits.")
    return plan, program(*middle), last


def turnover(before: Sequence[str], after: Sequence[str], a: Thing, *, new: bool) -> Programs:
    """Pieces that came between two visits, or that went."""
    function, word = ("new_pieces", "New") if new else ("vanished_pieces", "Vanished")
    plan, lines = two_visits(before, after, a)
    # Volumes of the whole are not asked for.
    lines = [line for line in lines if "volume" not in line]
    lines += [f"g = {function}(ma, mb)", "c = components(g)", "v = volume(g)", "read(c)", "read(v)"]
    last = said(f"{word} pieces of the {a.name}: {{c}}, with a volume of {{v}} in all.")
    return plan, program(*lines), last


def _ask_series(s: Situation) -> Question | None:
    structure, visits = followed(s), s.given.visits
    if structure is None or not all(s.truth.knows(structure, v.session) for v in visits):
        return None
    made = series([v.names for v in visits], s.thing(structure, *visits))
    return worded("series", None, {"a": structure}, made)


def _ask_growth_rate(s: Situation) -> Question | None:
    structure, before, after = followed(s), s.given.visits[0], s.given.visits[-1]
    if structure is None:
        return None
    made = growth_rate(before.names, after.names, s.thing(structure, before, after))
    return worded("growth_rate", None, {"a": structure}, made)


def _shared_kinds(s: Situation) -> list[str]:
    return [k for k in s.named_kinds(s.given.visits[0]) if k in s.named_kinds(s.last)]


def _signal_applies(s: Situation) -> bool:
    reference = s.table[_REFERENCE]
    ends = s.given.visits[0], s.last
    return s.several and bool(_shared_kinds(s)) and all(s.truth.found(reference, v.session) for v in ends)


def _ask_change_signal(s: Situation) -> Question | None:
    structure, before, after = followed(s), s.given.visits[0], s.given.visits[-1]
    if structure is None or structure.name == _REFERENCE:
        return None
    kind = s.choose(_shared_kinds(s))
    sequence = s.table.sequences[kind]
    made = change_signal(
        s.encoded(before, kind),
        s.encoded(after, kind),
        s.thing(structure, before, after),
        sequence.name,
    )
    question = worded("change_signal", None, {"a": structure}, made)
    slots = {**question.slots, "seq": sequence.phrases}
    return Question("ask change_signal seq", slots, question.programs, question.structures)


def _turnover(name: str, *, new: bool) -> Task:
    def ask(s: Situation) -> Question | None:
        structure, before, after = followed(s), s.given.visits[0], s.given.visits[-1]
        if structure is None or not structure.is_pathology:
            return None
        made = turnover(before.names, after.names, s.thing(structure, before, after), new=new)
        return worded(name, None, {"a": structure}, made)

    return Task(name, 2.0, lambda s: s.several, ask)


LONGITUDINAL: tuple[Task, ...] = (
    Task("series", 2.0, lambda s: 1 < len(s.given.visits) <= len(_LETTERS), _ask_series),
    Task("growth_rate", 2.0, lambda s: s.several, _ask_growth_rate),
    Task("change_signal", 1.5, _signal_applies, _ask_change_signal),
    _turnover("new", new=True),
    _turnover("vanished", new=False),
)
