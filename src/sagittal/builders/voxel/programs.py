"""Program texts: each task step by step, exactly as the agent is to write it (VoxelPrompt §4.1).

A task plans in three programs: encode and read the images; segment, measure and read the numbers; say the
answer, which depends on what was read. A sequence that the question names is encoded first, so masks come
on its grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Programs = tuple[str, ...]
# In an f-string of ours: the field of the program's own template.
_WORD = "{word}"


@dataclass(frozen=True)
class Thing:
    """A structure in a program.

    Attributes:
        name: what ``segment`` takes.
        many: whether the name is a plural.
        found: whether the truth has any of it, at each visit that the program looks at.
    """

    name: str
    many: bool
    found: tuple[bool, ...] = (True,)

    @property
    def was(self) -> str:
        """The verb that follows the name."""
        return "were" if self.many else "was"

    def missing(self) -> str:
        """The sentence for a structure that is not there."""
        return f"No {self.name} {self.was} found."


@dataclass(frozen=True)
class Measure:
    """One number or word of one mask: its variable, its lines, and how it is said."""

    variable: str
    lines: tuple[str, ...]
    words: str


#: {a} is the structure, {seq} the variable of a named sequence, {kind} what that is called.
MEASURES: dict[str, Measure] = {
    "segment": Measure("v", ("v = volume(m)",), "The mask of the {a} is ready; its volume is {{v}}."),
    "volume": Measure("v", ("v = volume(m)",), "The volume of the {a} is {{v}}."),
    "presence": Measure("v", ("v = volume(m)",), "Yes: the {a} {was} found, with a volume of {{v}}."),
    "height": Measure("h", ("h = height(m)",), "The height of the {a} is {{h}}."),
    "width": Measure("w", ("w = width(m)",), "The width of the {a} is {{w}}."),
    "depth": Measure("d", ("d = depth(m)",), "The depth of the {a} is {{d}}."),
    "box": Measure("x", ("x = box(m)",), "The box around the {a} measures {{x}} in width, depth and height."),
    "diameter": Measure("d", ("d = diameter(m)",), "The longest diameter of the {a} is {{d}}."),
    "mean": Measure("i", ("i = mean({seq}, m)",), "The mean intensity of the {a} in {kind} is {{i}}."),
    "sd": Measure(
        "i", ("i = sd({seq}, m)",), "The standard deviation of intensity of the {a} in {kind} is {{i}}."
    ),
    "median": Measure("i", ("i = median({seq}, m)",), "The median intensity of the {a} in {kind} is {{i}}."),
    "lowest": Measure("i", ("i = lowest({seq}, m)",), "The lowest intensity of the {a} in {kind} is {{i}}."),
    "highest": Measure(
        "i", ("i = highest({seq}, m)",), "The highest intensity of the {a} in {kind} is {{i}}."
    ),
    "brightness": Measure(
        "w", ('b = segment(f, "brain")', "w = contrast({seq}, m, b)"), "The {a} is {{w}} in {kind}."
    ),
    "hounsfield": Measure("i", ("i = mean({seq}, m)",), "The mean density of the {a} is {{i}}."),
    "adc": Measure("i", ("i = diffusivity({seq}, m)",), "The mean diffusivity of the {a} is {{i}}."),
    "snr": Measure("i", ("i = snr({seq}, m)",), "The signal-to-noise ratio of the {a} in {kind} is {{i}}."),
    "surface": Measure("s", ("s = surface(m)",), "The surface area of the {a} is {{s}}."),
    "sphericity": Measure("s", ("s = sphericity(m)",), "The sphericity of the {a} is {{s}}."),
    "largest_share": Measure(
        "p", ("g = largest(m)", "p = share(g, m)"), "The largest piece holds {{p}} of the {a}."
    ),
    "count": Measure("c", ("c = components(m)",), "The number of separate pieces of the {a} is {{c}}."),
    "side": Measure("s", ('b = segment(f, "brain")', "s = side(m, b)"), "The side of the {a} is {{s}}."),
    "share_brain": Measure(
        "p", ('b = segment(f, "brain")', "p = share(m, b)"), "The {a} is {{p}} of the volume of the brain."
    ),
    "share_icv": Measure(
        "p",
        ('b = segment(f, "intracranial cavity")', "p = share(m, b)"),
        "The {a} is {{p}} of the intracranial volume.",
    ),
    "largest_volume": Measure(
        "v", ("g = largest(m)", "v = volume(g)"), "The volume of the largest piece of the {a} is {{v}}."
    ),
    "largest_diameter": Measure(
        "d",
        ("g = largest(m)", "d = diameter(g)"),
        "The longest diameter of the largest piece of the {a} is {{d}}.",
    ),
    "largest_side": Measure(
        "s",
        ("g = largest(m)", 'b = segment(f, "brain")', "s = side(g, b)"),
        "The side of the largest piece of the {a} is {{s}}.",
    ),
}


def measure(task: str, encoded: Sequence[str], a: Thing, *, sequence: str = "", kind: str = "") -> Programs:
    """One measurement of one structure.

    Args:
        task: a key of :data:`MEASURES`.
        encoded: variables of the images to encode, a named sequence first.
        a: the structure.
        sequence: variable of the named sequence, for intensities.
        kind: what answers call that sequence.
    """
    spec = MEASURES[task]
    lines = [line.format(seq=sequence) for line in spec.lines]
    middle = program(f'm = segment(f, "{a.name}")', *lines, f"read({spec.variable})")
    words = spec.words.format(a=a.name, was=a.was, kind=kind)
    if a.many:
        words = words.replace(f"The {a.name} is ", f"The {a.name} are ").replace("; its", "; their")
    return encoded_and_read(encoded), middle, (said(words) if a.found[0] else said(a.missing()))


def compare(task: str, encoded: Sequence[str], a: Thing, b: Thing) -> Programs:
    """Two structures against each other by volume: ``difference``, ``ratio`` or ``larger``."""
    extra = {"difference": "d = difference(va, vb)", "ratio": "r = ratio(va, vb)"}.get(task)
    middle = [*_two(a, b), *([extra] if extra else []), "read(va)", "read(vb)"]
    middle += [f"read({extra[0]})"] if extra else []
    if not (a.found[0] and b.found[0]):
        last = _missing_of_two(a, b)
    elif task == "difference":
        words = f"The volume of the {a.name} is {{va}}, that of the {b.name} {{vb}}: a difference of {{d}}."
        last = said(words)
    elif task == "ratio":
        last = said(f"The volume of the {a.name} is {{va}}, that of the {b.name} {{vb}}: a ratio of {{r}}.")
    else:
        last = program(
            'word = "larger than" if va > vb else "smaller than" if va < vb else "the same as"',
            f'say(f"The volume of the {a.name}, {{va}}, is {_WORD} that of the {b.name}, {{vb}}.")',
            "stop()",
        )
    return encoded_and_read(encoded), program(*middle), last


def asymmetry(encoded: Sequence[str], left: Thing, right: Thing) -> Programs:
    """The two sides of a paired structure."""
    middle = [*_two(left, right), "i = asymmetry(va, vb)", "read(va)", "read(vb)", "read(i)"]
    if not (left.found[0] and right.found[0]):
        last = _missing_of_two(left, right)
    else:
        words = f"The volume of the {left.name} is {{va}}, that of the {right.name} {{vb}}: "
        last = said(words + "an asymmetry index of {i}.")
    return encoded_and_read(encoded), program(*middle), last


def change(before: Sequence[str], after: Sequence[str], a: Thing, *, by: str = "volume") -> Programs:
    """One structure at two visits.

    Args:
        before, after: variables of the earlier and the later visit.
        a: the structure; ``found`` holds both visits.
        by: ``volume`` or ``diameter``.
    """
    noun = {"volume": "volume", "diameter": "longest diameter"}[by]
    plan, middle = two_visits(before, after, a, by)
    middle += ["read(va)", "read(vb)"]
    earlier, later = a.found
    if earlier and later:
        words = f"The {noun} of the {a.name} was {{va}} and is {{vb}}: it {_WORD}, a change of {{d}} ({{p}})."
        last = program(
            "d = vb - va",
            "p = percentage_change(va, vb)",
            'word = "has increased" if d > 0 else "has decreased" if d < 0 else "has not changed"',
            f'say(f"{words}")',
            "stop()",
        )
    elif later:
        last = said(f"The {a.name} {a.was} not there before; the {noun} is now {{vb}}.")
    elif earlier:
        last = said(
            f"The {a.name} {a.was} there before, with a {noun} of {{va}}, and can no longer be found."
        )
    else:
        last = said(f"No {a.name} {a.was} found at either visit.")
    return plan, program(*middle), last


def two_visits(
    before: Sequence[str], after: Sequence[str], a: Thing, by: str = "volume"
) -> tuple[str, list[str]]:
    """The first program about two visits, and the lines that measure a structure at each: va and vb."""
    plan = program(f"fa = {encode_call(before)}", f"fb = {encode_call(after)}", "read(fa)", "read(fb)")
    segmented = [f'ma = segment(fa, "{a.name}")', f'mb = segment(fb, "{a.name}")']
    return plan, [*segmented, f"va = {by}(ma)", f"vb = {by}(mb)"]


#: Parts of a tumour that are listed together, by variable.
PARTS = {"wt": "whole tumour", "tc": "tumour core", "et": "enhancing tumour", "ed": "oedema"}


def parts(encoded: Sequence[str], *, found: bool) -> Programs:
    """A tumour and its parts."""
    lines = [f'm{v} = segment(f, "{name}")' for v, name in PARTS.items()]
    lines += [f"{v} = volume(m{v})" for v in PARTS] + [f"read({v})" for v in PARTS]
    listed = [f"{name} {{{v}}}" for v, name in PARTS.items()]
    words = f"The volumes are: {', '.join(listed)}." if found else "No whole tumour was found."
    return encoded_and_read(encoded), program(*lines), said(words)


def abstention(reason: str) -> Programs:
    """Nothing but the reason."""
    return (f'abstain("{reason}")',)


def program(*lines: str) -> str:
    """One program of these lines."""
    return "\n".join(lines)


def encode_call(names: Sequence[str]) -> str:
    """The call that encodes these images."""
    return f"encode({', '.join(names)})"


def encoded_and_read(names: Sequence[str]) -> str:
    """The first program of every task about one visit."""
    return program(f"f = {encode_call(names)}", "read(f)")


def _two(a: Thing, b: Thing) -> list[str]:
    return [
        f'ma = segment(f, "{a.name}")',
        f'mb = segment(f, "{b.name}")',
        "va = volume(ma)",
        "vb = volume(mb)",
    ]


def _missing_of_two(a: Thing, b: Thing) -> str:
    gone = [(thing, v) for thing, v in ((a, "va"), (b, "vb")) if not thing.found[0]]
    if len(gone) == 2:
        return said(f"Neither the {a.name} nor the {b.name} can be found.")
    there, variable = (b, "vb") if gone[0][0] is a else (a, "va")
    return said(f"{gone[0][0].missing()} The volume of the {there.name} is {{{variable}}}.")


def said(words: str) -> str:
    """The last program: these words, with the values of variables in braces."""
    template = "f" if "{" in words else ""
    return program(f'say({template}"{words}")', "stop()")
