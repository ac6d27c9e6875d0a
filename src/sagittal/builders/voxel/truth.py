"""The truth of a study by the table of structures, and a toolbox that segments from it.

A task's own program, run over :class:`OracleToolbox` by the agent's own loop, gives the true answer, its
measurements and the feedback on the way: program, feedback and truth come from one run and cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.agent.host import Host
from sagittal.agent.loop import Feedback, Outcome, converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.toolbox import CallSite, Features, Reading
from sagittal.builders.voxel.structures import Structure, StructureTable, structure_table
from sagittal.errors import LabelError
from sagittal.study import Image, Mask, Study


class Truth:
    """Where everything of the table is in one study.

    Args:
        study: images, an anatomy map (a mask called ``anatomy``), lesion maps (``lesions``), by session.
        facts: of the simulated world; they say that a study without a lesion map has no lesion. ``None``
            for annotated real studies, whose missing maps say nothing.
        maps: label presets that the head's anatomy is labelled with.
        table: of structures.
    """

    def __init__(
        self,
        study: Study,
        facts: Mapping[str, Any] | None = None,
        maps: Sequence[str] = ("freesurfer",),
        table: StructureTable | None = None,
    ) -> None:
        self.study, self.maps = study, tuple(maps)
        self.table = table or structure_table()
        self.simulated = facts is not None
        #: Whether the images may show the brain alone; the skull's inside is then not to be seen.
        self.stripped = facts is None or bool(facts.get("stripped"))
        self._masks: dict[tuple[str, str], Mask] = {}
        self._counts: dict[int, NDArray[np.int64]] = {}
        self._settled: dict[tuple[str, bool], tuple[tuple[Structure, ...], tuple[Structure, ...]]] = {}

    def knows(self, structure: Structure, session: str) -> bool:
        """Whether the study's maps settle where a structure is, or that it is not there."""
        if not structure.known_in(self.maps) or (structure.whole_head and self.stripped):
            return False
        if not structure.is_pathology:
            return self._anatomy(session) is not None
        lesions = self._lesions(session)
        if lesions is None:
            return self.simulated
        names = set(lesions.labels.values())
        if names & set(structure.labels):
            return True
        # People mark what they look for; the simulated world marks everything that it made.
        return self.simulated and not names & set(structure.unsettled_by)

    def found(self, structure: Structure, session: str) -> bool:
        """Whether a structure that is known has any voxel."""
        return self.voxels(structure, session) > 0

    def settled(self, session: str, found: bool) -> tuple[tuple[Structure, ...], tuple[Structure, ...]]:
        """Anatomy and pathologies that are known of a session, and are there, or are not; listed once."""
        if (session, found) not in self._settled:
            known = [s for s in self.table.known(self.maps) if self.knows(s, session)]
            there = [s for s in known if self.found(s, session) == found]
            self._settled[session, found] = (
                tuple(s for s in there if not s.is_pathology),
                tuple(s for s in there if s.is_pathology),
            )
        return self._settled[session, found]

    def voxels(self, structure: Structure, session: str) -> int:
        """How many voxels a structure has on its map's grid; counted once a map."""
        mask, values = self._source(structure, session)
        if mask is None:
            return 0
        if id(mask) not in self._counts:
            self._counts[id(mask)] = np.bincount(mask.data.reshape(-1), minlength=1)
        counts = self._counts[id(mask)]
        return int(sum(counts[v] for v in values if v < len(counts)))

    def mask(self, structure: Structure, like: Image) -> Mask:
        """A structure's binary mask on the grid and of the session of an image.

        Raises:
            LabelError: the study does not settle where it is.
        """
        if not self.knows(structure, like.session):
            raise LabelError(
                "The structure is not known.",
                expected="one that the table and this study's label maps know",
                got=structure.name,
            )
        key = (structure.name, like.session)
        made = self._masks.get(key)
        if made is None or made.geometry is not like.geometry:
            made = self._masks[key] = self._made(structure, like)
        return made

    def _made(self, structure: Structure, like: Image) -> Mask:
        source, values = self._source(structure, like.session)
        if source is None:
            data = np.zeros(like.shape, np.uint8)
            return Mask(data, like.geometry, {1: structure.name}, "truth", like.session)
        top = int(source.data.max()) + 1
        chosen = np.zeros(max(top, 1), np.uint8)
        chosen[[v for v in values if v < top]] = 1
        binary = Mask(chosen[source.data], source.geometry, {1: structure.name}, "truth", like.session)
        return binary.on_grid(like.geometry)

    def _source(self, structure: Structure, session: str) -> tuple[Mask | None, tuple[int, ...]]:
        if not structure.is_pathology:
            return self._anatomy(session), structure.values
        lesions = self._lesions(session)
        if lesions is None:
            return None, ()
        return lesions, tuple(v for v, name in lesions.labels.items() if name in structure.labels)

    def _anatomy(self, session: str) -> Mask | None:
        # One head at every visit: a map without a session serves all.
        return self._by_name.get(("anatomy", session)) or self._by_name.get(("anatomy", ""))

    def _lesions(self, session: str) -> Mask | None:
        return self._by_name.get(("lesions", session))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Mask]:
        return {(mask.name, mask.session): mask for mask in self.study.masks}


class OracleToolbox:
    """A :class:`~sagittal.agent.toolbox.Toolbox` that encodes nothing and segments the truth.

    Masks come on the grid of the first volume that was encoded.
    """

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        """The volumes themselves."""
        return Features(", ".join(v.name or v.kind for v in volumes), tuple(volumes), 0)

    def read(self, features: Features, site: CallSite) -> Reading:
        """How many volumes there are; the payload names them, for the model that takes in ε° instead."""
        return encoding_reading(features.payload)

    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        """The true mask.

        Raises:
            LabelError: the table or the study's maps do not know the structure.
        """
        return self.truth.mask(self.truth.table[structure], features.payload[0])


def encoding_reading(volumes: Sequence[Image]) -> Reading:
    """What is read of encoded volumes: words for the trace, and one place an image for its ε°."""
    count = len(volumes)
    return Reading(
        f"{count} encoded image{'s' if count > 1 else ''}", tuple(v.name or v.kind for v in volumes)
    )


class Script:
    """A planner that follows a list of programs; it keeps the feedback that it got."""

    def __init__(self, programs: Sequence[str]) -> None:
        self._left = list(programs)
        self.heard: list[Feedback] = []

    def next_program(self, feedback: Feedback | None) -> str | None:
        """The next of the list."""
        if feedback is not None:
            self.heard.append(feedback)
        return self._left.pop(0) if self._left else None


def run_truth(
    programs: Sequence[str], volumes: Mapping[str, Image], truth: Truth
) -> tuple[Outcome, tuple[Feedback, ...]]:
    """Run programs over the truth: the true answer, and the feedback after all programs but the last."""
    script = Script(programs)
    outcome = converse(script, Host(STANDARD, OracleToolbox(truth)), volumes)
    return outcome, tuple(script.heard)
