"""What may be wanted of a thing, and in which styles of question, by its kind.

A style and an intent make a root of the grammar, such as ``size organ``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from sagittal.language.specialist_things import Thing

Intent = Literal[
    "segment", "presence", "size", "side", "location", "describe", "compare", "count", "classify"
]
INTENTS: tuple[Intent, ...] = get_args(Intent)
#: Kind of a thing → intent → styles of question, each as likely as the next.
_STYLES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "organ": {
        "segment": ("thing",),
        "size": ("thing", "organ"),
        "location": ("organ",),
        "describe": ("organ",),
        "compare": ("organ",),
        "presence": ("organ",),
    },
    "shadow": {
        "segment": ("thing",),
        "size": ("outline", "organ"),
        "location": ("organ",),
        "describe": ("organ",),
        "compare": ("organ",),
    },
    "pathology": {
        "segment": ("thing",),
        "presence": ("pathology",),
        "size": ("thing", "thing", "pathology"),
        "side": ("pathology", "pathology", "half"),
        "location": ("pathology",),
        "describe": ("pathology", "pathology", "pathology", "shape"),
        "count": ("pathology",),
    },
    "finding": {
        "segment": ("thing",),
        "presence": ("pathology", "pathology", "finding"),
        "size": ("finding",),
        "side": ("pathology", "pathology", "half"),
        "location": ("pathology",),
        "describe": ("pathology",),
        "count": ("pathology",),
    },
    "whole": {},
}
#: When an intent makes sense of a thing at all.
_APPLIES: Mapping[str, Callable[[Thing], bool]] = {
    "presence": lambda thing: thing.kind not in ("organ", "shadow") or thing.removable,
    "compare": lambda thing: thing.paired and any(not p.plural for p in thing.phrases),
    "count": lambda thing: any(p.plural and not p.withheld for p in thing.phrases),
}


def common_styles(intent: Intent, thing: Thing) -> tuple[str, ...]:
    """Styles that things of its kind share, a likelier one several times; none where the intent is no fit."""
    fits = _APPLIES.get(intent)
    if intent in thing.without or (fits is not None and not fits(thing)):
        return ()
    styles = _STYLES[thing.kind].get(intent, ())
    return tuple(s for s in styles if s not in thing.without and (s != "half" or thing.half))
