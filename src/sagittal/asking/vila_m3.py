"""VILA-M3 as a model that can be asked: it calls specialists on demand and answers with what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from sagittal.agent.library import Library
from sagittal.agent.loop import Planner
from sagittal.asking.pointing import View
from sagittal.asking.vila_m3_voice import VilaM3
from sagittal.draw.overlay import NORMAL
from sagittal.errors import InputError
from sagittal.models.vlm.storage import load_vlm
from sagittal.runtime import runtime
from sagittal.specialists.consulting import ConsultingPlanner
from sagittal.specialists.functions import specialist_library
from sagittal.specialists.looking import Look, first_look
from sagittal.specialists.pool import shared_pool
from sagittal.specialists.process import Program
from sagittal.specialists.prompting import asked
from sagittal.specialists.registry import specialists as known_specialists
from sagittal.study import Image, Study

#: The variable that holds a slice which is looked at, beside the volume that it is of.
_SLICE = "slice_looked_at"


@dataclass(frozen=True, eq=False)
class VilaM3Answerer:
    """A loaded model."""

    loaded: VilaM3

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint onto the best device there is.

        Raises:
            IntegrityError, FileFormatError, StorageError: the checkpoint is damaged.
        """
        chosen = runtime()
        model, chat, _ = load_vlm(folder, task="vila-m3")
        return cls(VilaM3(model.to(chosen.device), chat, chosen))

    def check(self, images: Sequence[Image]) -> None:
        """Nothing: what does not suit a specialist is told by it."""

    def consultation(
        self,
        question: str,
        volumes: Mapping[str, Image],
        view: View | None,
        specialists: Sequence[str] | None,
    ) -> tuple[Planner, Library, Mapping[str, Image]]:
        """See :class:`sagittal.asking.models.Consultant`."""
        if view is not None and view.regions:
            raise InputError("This model cannot be pointed at a place.", remedy="ask without --region")
        images, look = _looked_at(volumes, view)
        study = Study("asked", "", tuple(images.values()))
        programs = _suitable(_programs(specialists), study, named=bool(specialists))
        flat = look.image.geometry.is_2d or view is not None
        words = asked(question, [image.kind for image in volumes.values()], pictures=flat)
        cards = {name: program.card for name, program in programs.items()}
        alone = specialists is not None and not specialists
        voice = self.loaded.converse(words, look.pixels(), list(cards.values()), alone=alone)
        planner = ConsultingPlanner(voice, images, cards, look.plane)
        return planner, specialist_library(programs, study, shared_pool()), images


def _looked_at(volumes: Mapping[str, Image], view: View | None) -> tuple[dict[str, Image], Look]:
    """The images, a slice that is named among them, and what the language model sees."""
    images = dict(volumes)
    if view is None or view.slice.is_whole:
        return images, first_look(list(volumes.values()))
    own = view.slice
    upright, normal = own.image.reorient("RAS"), NORMAL[own.plane]
    start, stop = [0, 0, 0], list(upright.shape)
    start[normal], stop[normal] = own.index, own.index + 1
    # A name of its own: what is drawn on it goes by that.
    images[_SLICE] = replace(upright.crop(start, stop), name=f"{own.image.name}, {own.plane} {own.index}")
    return images, Look(own.image, own.plane, own.index)


def _programs(names: Sequence[str] | None) -> dict[str, Program]:
    known = known_specialists()
    if names is None:
        return {name: entry.program for name, entry in known.ready().items()}
    return {name: known.runnable(name).program for name in names}


def _suitable(programs: Mapping[str, Program], study: Study, *, named: bool) -> dict[str, Program]:
    """Those that these images suit: others are not shown, so that they cannot be called.

    Raises:
        InputError: the user named one that they do not suit.
    """
    chosen = {name: program.card.chosen(study) for name, program in programs.items()}
    for name, images in chosen.items():
        if named and isinstance(images, str):
            raise InputError(f"{name} does not suit these images.", got=images, remedy="leave it out")
    return {name: p for name, p in programs.items() if not isinstance(chosen[name], str)}
