"""Intensities beyond mean and spread: median, range, Hounsfield units, diffusivity, brightness (§4.1)."""

from __future__ import annotations

from sagittal.builders.voxel.situation import Question, Situation
from sagittal.builders.voxel.tasks import Task, in_image, intensity_task

#: Tasks that say themselves in which kind of image they measure.
OF_ONE_KIND = {"hounsfield": "ct", "adc": "adc"}


def _of_kind(name: str, kind: str) -> Task:
    def ask(s: Situation) -> Question | None:
        structure, variable = s.structure(s.last), s.given.of_kind(kind, s.last)
        return None if structure is None or variable is None else in_image(name, s, structure, variable)

    return Task(name, 1.5, lambda s: s.given.of_kind(kind, s.last) is not None, ask)


STATISTICS: tuple[Task, ...] = (
    *(intensity_task(name, 0.5) for name in ("median", "lowest", "highest")),
    intensity_task("brightness", 1.2, unnamed=False, kinds="pathology"),
    *(_of_kind(name, kind) for name, kind in OF_ONE_KIND.items()),
)
