"""Our two networks of chest films as specialists: loaded when they are first asked, once a process.

:class:`ChestOrgans` draws heart and lungs and measures on them; :class:`ChestReader` tells findings. Both
take one film of any size and bit depth, grey or colour; what cannot be a film is refused, and a film on which
nothing is found is an outcome, not an invented mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from sagittal.errors import InputError, LabelError
from sagittal.io.films.names import Finding
from sagittal.io.run_lengths import Runs
from sagittal.measure.chest import ChestMeasures, Projection
from sagittal.models.chest.findings import ChestFindings, FilmReading, Ground, open_chest_findings
from sagittal.models.chest.segmenter import ORGANS, ChestMasks, ChestSegmenter, open_chest_segmenter
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.merging import merged
from sagittal.study import Image, Mask, Study
from sagittal.weights import find_checkpoint

SEGMENTER, FINDINGS_READER = "chest-segmenter", "chest-findings"


class ChestOrgans:
    """A vision function (:mod:`sagittal.score.segmentation`) that draws heart and lungs on a film.

    Args:
        model: a checkpoint's name or folder.
    """

    def __init__(self, model: str = SEGMENTER) -> None:
        self._folder = find_checkpoint(model)

    @property
    def segmenter(self) -> ChestSegmenter:
        """The network, loaded when it is first asked for."""
        return _segmenter(self._folder.resolve())

    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """Masks on the film's own grid; one that was not located has no voxel.

        Raises:
            InputError: there is not one film.
            LabelError: a structure that is not drawn.
        """
        strange = [name for name in structures if name not in ORGANS]
        if strange:
            raise LabelError("The segmenter does not draw this.", expected=", ".join(ORGANS), got=strange)
        if len(images) != 1:
            raise InputError("The segmenter takes one film.", expected=1, got=len(images))
        found = self.segmenter.segment(images[0])
        return {name: found.of(name) for name in structures}

    def masks(self, image: Image, projection: Projection = "unknown") -> ChestMasks:
        """All organs at once, and why one was not located; see :meth:`ChestSegmenter.segment`."""
        return self.segmenter.segment(image, projection)

    def quarter_turns(self, image: Image) -> int:
        """Anticlockwise ones that make the film stand upright; see :meth:`ChestSegmenter.quarter_turns`."""
        return self.segmenter.quarter_turns(image)

    def runs(self, image: Image, projection: Projection = "unknown") -> dict[str, Runs]:
        """The organs that were located, as :mod:`sagittal.measure.chest` takes them."""
        return self.masks(image, projection).runs()

    def measures(self, image: Image, projection: Projection = "unknown") -> ChestMeasures:
        """Ratios, widths and areas, or the outcome that says why there are none."""
        return self.masks(image, projection).measures()


class ChestReader:
    """Tells ten findings, oedema's grade, view and sex of a film.

    Args:
        model: a checkpoint's name or folder.
    """

    def __init__(self, model: str = FINDINGS_READER) -> None:
        self._folder = find_checkpoint(model)

    @property
    def network(self) -> ChestFindings:
        """The network, loaded when it is first asked for."""
        return _reader(self._folder.resolve())

    def __call__(self, images: Sequence[Image]) -> FilmReading:
        """Read one film.

        Raises:
            InputError: there is not one film.
        """
        if len(images) != 1:
            raise InputError("The reader takes one film.", expected=1, got=len(images))
        return self.network.read(images[0])

    def there(self, reading: FilmReading, ground: Ground = "simulated") -> dict[Finding, bool]:
        """Yes or no, of each finding that has an operating point on such films."""
        return self.network.there(reading, ground)


class _Organs:
    """Heart and lungs as a specialist."""

    def __init__(self, masks: Mapping[str, tuple[str, ...]]) -> None:
        self._masks, self._organs = masks, ChestOrgans()

    def accepts(self, study: Study) -> str | None:
        """Whether the film stands upright."""
        if self._organs.quarter_turns(study.images[0]):
            return "the film does not stand upright"
        return None

    def run(self, study: Study, argument: str) -> Mask:
        """A label map of the organs that were located."""
        [film] = study.images
        return merged(self._organs(study.images, self._masks[argument]), film)


class _Findings:
    """Findings as a specialist."""

    def __init__(self, classes: Iterable[str]) -> None:
        self._classes, self._reader = tuple(classes), ChestReader()

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond its card."""
        return None

    def run(self, study: Study, argument: str) -> dict[str, float]:
        """Probability of each finding."""
        reading = self._reader(study.images)
        return {name: reading.findings[name] for name in self._classes}  # type: ignore[index]


def open_organs(card: SpecialistCard, folder: Path) -> _Organs:
    """Heart and lungs, by the checkpoint that ships."""
    return _Organs(card.masks)


def open_findings(card: SpecialistCard, folder: Path) -> _Findings:
    """Findings, by the checkpoint that ships."""
    return _Findings(card.classes)


@cache
def _segmenter(folder: Path) -> ChestSegmenter:
    return open_chest_segmenter(folder)


@cache
def _reader(folder: Path) -> ChestFindings:
    return open_chest_findings(folder)
