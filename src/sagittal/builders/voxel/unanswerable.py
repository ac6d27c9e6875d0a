"""Questions that cannot be answered from what is given, and the reason that the program abstains with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sagittal.builders.voxel.behaviour import PAIRS
from sagittal.builders.voxel.programs import abstention
from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.statistics import OF_ONE_KIND
from sagittal.builders.voxel.structures import Structure
from sagittal.language.voxel_wordings import Phrase

#: Reason → the words of the abstention; {kind} is what answers call the missing sequence.
REASONS: dict[str, str] = {
    "missing_sequence": "No {kind} image was given.",
    "which_sequence": "Several images were given, and the question names none of them.",
    "missing_session": "Only one session was given.",
    "other_organ": "Only scans of the head are measured here.",
    "unknown_structure": "This structure cannot be segmented here.",
    "not_measured": "This property cannot be measured here.",
    "treatment": "Images are measured here; advice on treatment is a matter for the treating physician.",
    "prognosis": "Images are measured here; what will happen cannot be told from them.",
    "diagnosis": "Images are measured here; a diagnosis is a matter for a physician.",
    "off_topic": "This question is not about what the images show.",
    "not_understood": "The question was not understood; please ask in English.",
}
#: Tasks that are asked of what nobody here can segment: in which form, and whether images can be named.
_OF_ONE = (
    "segment", "volume", "height", "width", "depth", "box", "diameter", "presence", "count", "side",
    "largest_volume", "share_brain", "share_icv",
)  # fmt: skip
_OF_TWO = ("difference", "ratio", "larger")
_INTENSITIES = ("mean", "sd", "snr")
_OVER_TIME = ("change", "change_diameter")
# The same among all tasks, beyond those of the core.
_MORE_OF_ONE = (
    "surface", "sphericity", "largest_share", "remove", "extract", "crop", "location", "territory",
    "tentorium",
)  # fmt: skip
_MORE_OF_TWO = ("distance", "share_of")
_MORE_INTENSITIES = ("median", "lowest", "highest", "brightness")
_MORE_OVER_TIME = ("course", "series", "growth_rate", "new", "vanished")
# Tasks that need certain kinds of image, and say so by their names.
_KINDS_NEEDED: dict[str, tuple[str, ...]] = {
    **{task: (kind,) for task, kind in OF_ONE_KIND.items()},
    **{pair.name: pair.kinds for pair in PAIRS},
}


@dataclass(frozen=True)
class Unanswerable:
    """One reason not to answer, when it can arise, and a question with it."""

    reason: str
    applies: Callable[[Situation], bool]
    ask: Callable[[Situation], Question | None]


def _abstain(reason: str, kind: str = "") -> tuple[str, ...]:
    return abstention(REASONS[reason].format(kind=kind))


def _names(s: Situation, core: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """Tasks of the core, with more of them where all tasks are asked."""
    return (*core, *more) if s.config.tasks == "all" else tuple(core)


def _intensity(s: Situation) -> str:
    return f"ask {s.choose(_names(s, _INTENSITIES, _MORE_INTENSITIES))} seq"


def _frame(
    s: Situation, phrases: Sequence[Phrase], programs: tuple[str, ...], about: tuple[str, ...]
) -> Question:
    """Any question about one thing, in the words of the tasks."""
    way = s.choose(("one", "one", "one", "two", "change", "intensity"))
    slots: dict[str, Sequence[Phrase]] = {"a": phrases}
    if way == "two":
        other = s.structure(s.last)
        slots["b"] = other.phrases if other is not None else phrases
        if s.chance(0.5):
            slots["a"], slots["b"] = slots["b"], slots["a"]
        return Question(f"ask {s.choose(_names(s, _OF_TWO, _MORE_OF_TWO))}", slots, programs, about)
    if way == "change" and s.several:
        return Question(f"ask {s.choose(_names(s, ['change'], _MORE_OVER_TIME))}", slots, programs, about)
    kinds = s.named_kinds(s.last)
    if way == "intensity" and kinds:
        slots["seq"] = s.table.sequences[s.choose(kinds)].phrases
        return Question(_intensity(s), slots, programs, about)
    if s.chance(s.config.scan_named):
        slots["scan"] = s.table.scans["any"]
        return Question(f"ask_on {s.choose(_names(s, _OF_ONE, _MORE_OF_ONE))}", slots, programs, about)
    return Question(f"ask {s.choose(_names(s, _OF_ONE, _MORE_OF_ONE))}", slots, programs, about)


def _unknown_structure(s: Situation) -> Question | None:
    unknown = s.table.unknown(s.config.maps)
    base = s.choose(list(dict.fromkeys(x.base for x in unknown)))
    structure = s.choose([x for x in unknown if x.base == base])
    return _frame(s, structure.phrases, _abstain("unknown_structure"), (structure.name,))


def _other_organ(s: Situation) -> Question | None:
    return _frame(s, s.table.organs, _abstain("other_organ"), ())


def _missing_kind(s: Situation) -> Question | None:
    """A task that says by its name which image it needs; it is told the first that is missing."""
    lacking = {
        task: next(k for k in kinds if k not in s.given.kinds)
        for task, kinds in _KINDS_NEEDED.items()
        if not set(kinds) <= s.given.kinds
    }
    structure = s.structure(s.last, "both" if s.chance(0.3) else "pathology")
    if structure is None or not lacking:
        return None
    task = s.choose(list(lacking))
    programs = _abstain("missing_sequence", s.table.sequences[lacking[task]].name)
    return Question(f"ask {task}", {"a": structure.phrases}, programs, (structure.name,))


def _missing_sequence(s: Situation) -> Question | None:
    if s.config.tasks == "all" and s.chance(0.3):
        return _missing_kind(s)
    unseen = [x for x in s.table.known(s.config.maps) if not s.seen(x)]
    if unseen and s.chance(0.4):
        structure = s.choose(unseen)
        names = " or ".join(s.table.sequences[k].name for k in structure.needs)
        root = f"ask {s.choose(_names(s, _OF_ONE, _MORE_OF_ONE))}"
        return Question(
            root, {"a": structure.phrases}, _abstain("missing_sequence", names), (structure.name,)
        )
    visible = s.structure(s.last)
    if visible is None:
        return None
    kind = s.choose(s.absent_kinds)
    programs = _abstain("missing_sequence", s.table.sequences[kind].name)
    slots: dict[str, Sequence[Phrase]] = {"a": visible.phrases}
    if s.chance(0.5):
        slots["seq"] = s.table.sequences[kind].phrases
        return Question(
            _intensity(s),
            slots,
            programs,
            (visible.name,),
        )
    slots["scan"] = s.table.scans_of(kind)
    return Question(f"ask_on {s.choose(_names(s, _OF_ONE, _MORE_OF_ONE))}", slots, programs, (visible.name,))


def _which_sequence(s: Situation) -> Question | None:
    structure = s.structure(s.last)
    if structure is None:
        return None
    root = f"ask {s.choose(_names(s, _INTENSITIES, _MORE_INTENSITIES[:3]))} any"
    return Question(root, {"a": structure.phrases}, _abstain("which_sequence"), (structure.name,))


def _missing_session(s: Situation) -> Question | None:
    structure = s.structure(s.last)
    if structure is None:
        return None
    slots: dict[str, Sequence[Phrase]] = {"a": structure.phrases}
    programs, about = _abstain("missing_session"), (structure.name,)
    if s.chance(0.6):
        name = s.choose(_names(s, _OVER_TIME, _MORE_OVER_TIME))
        return Question(f"ask {name}", slots, programs, about)
    slots["scan"] = s.table.scans["first"]
    return Question(f"ask_on {s.choose(_names(s, _OF_ONE, _MORE_OF_ONE))}", slots, programs, about)


def _about(reason: str, *, any_structure: bool = False) -> Callable[[Situation], Question]:
    """A question of a kind of its own; it may speak of a pathology, or of any structure."""

    def ask(s: Situation) -> Question:
        known: list[Structure] = [x for x in s.table.known(s.config.maps) if any_structure or x.is_pathology]
        structure = s.choose(known)
        return Question(reason, {"a": structure.phrases}, _abstain(reason), ())

    return ask


def _always(s: Situation) -> bool:
    return True


UNANSWERABLE: tuple[Unanswerable, ...] = (
    Unanswerable("missing_sequence", lambda s: bool(s.absent_kinds), _missing_sequence),
    Unanswerable("which_sequence", lambda s: len(s.last.names) > 1, _which_sequence),
    Unanswerable("missing_session", lambda s: not s.several, _missing_session),
    Unanswerable("other_organ", _always, _other_organ),
    Unanswerable("unknown_structure", _always, _unknown_structure),
    Unanswerable("not_measured", _always, _about("not_measured", any_structure=True)),
    *(
        Unanswerable(reason, _always, _about(reason))
        for reason in ("treatment", "prognosis", "diagnosis", "off_topic", "not_understood")
    ),
)
