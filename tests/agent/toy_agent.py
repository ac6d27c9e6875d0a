"""A small world for the agent's tests: two scans, known masks, a planner that reads from a list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from sagittal.agent.budget import Budget
from sagittal.agent.host import Host
from sagittal.agent.loop import Feedback, Outcome, converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.toolbox import CallSite, Features, Reading
from sagittal.agent.transport import Transport
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

SHAPE = (16, 20, 12)
GEOMETRY = Geometry(SHAPE, np.diag([1.0, 2.0, 3.0, 1.0]))
#: Boxes of the toy's structures, first and last index + 1; the left of the head is a small x.
STRUCTURES = {
    "whole tumour": [((1, 4, 2), (5, 10, 6))],
    "scattered lesion": [((1, 1, 1), (3, 3, 3)), ((8, 8, 8), (12, 10, 10))],
    "brain": [((0, 0, 0), (16, 20, 12))],
    "nothing": [],
}


def boxes_to_data(boxes: Iterable[tuple[tuple[int, ...], tuple[int, ...]]]) -> np.ndarray:
    data = np.zeros(SHAPE, np.uint8)
    for start, stop in boxes:
        data[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = 1
    return data


def toy_mask(structure: str, grow: int = 0) -> Mask:
    boxes = [(a, (b[0] + grow, b[1], b[2])) for a, b in STRUCTURES[structure]]
    return Mask(boxes_to_data(boxes), GEOMETRY, {1: structure})


def toy_image(name: str = "flair", kind: str = "flair") -> Image:
    data = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE) % 97 + 1
    return Image(data, GEOMETRY, kind, name)


class ToyToolbox:
    """Knows the structures above; in a volume called ``after`` each is one voxel wider."""

    def __init__(self) -> None:
        self.sites: list[tuple[str, CallSite]] = []

    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        self.sites.append(("encode", site))
        return Features(", ".join(v.name for v in volumes), tuple(volumes), 1000)

    def read(self, features: Features, site: CallSite) -> Reading:
        self.sites.append(("read", site))
        return Reading(f"{len(features.payload)} volumes", features.payload)

    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        self.sites.append(("segment", site))
        if structure not in STRUCTURES:
            from sagittal.errors import LabelError

            raise LabelError("The structure is not known.", expected=", ".join(STRUCTURES), got=structure)
        return toy_mask(structure, grow=int(features.payload[0].name == "after"))


class Script:
    """A planner with a fixed list of programs; remembers the feedback that it got."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.heard: list[Feedback] = []

    def next_program(self, feedback: Feedback | None) -> str | None:
        if feedback is not None:
            self.heard.append(feedback)
        return self.programs.pop(0) if self.programs else None


def toy_volumes() -> dict[str, Image]:
    return {name: toy_image(name) for name in ("flair", "t1", "before", "after")}


def toy_host(budget: Budget | None = None) -> Host:
    return Host(STANDARD, ToyToolbox(), budget)


def ask(
    *programs: str, transport: Transport | None = None, host: Host | None = None
) -> tuple[Outcome, Script]:
    script = Script(*programs)
    outcome = converse(script, host or toy_host(), toy_volumes(), transport=transport)
    return outcome, script


#: "How much did the tumour grow?", as VoxelPrompt's Figure 2 has it.
GROWTH = (
    "fa = encode(before)\nfb = encode(after)\nread(fa)\nread(fb)",
    'ta = segment(fa, "whole tumour")\ntb = segment(fb, "whole tumour")\n'
    "va = volume(ta)\nvb = volume(tb)\ng = percentage_change(va, vb)\nread(va)\nread(vb)\nread(g)",
    'd = vb - va\nword = "grown" if vb > va else "shrunk"\n'
    'say(f"The whole tumour has {word} from {va} to {vb}, by {d} ({g}).")\nstop()',
)
