"""Real labelled tumours: the classes that a model chooses beside those computed from the reference masks.

The masks are described as :mod:`sagittal.measure` does, on their own grid of 1 mm and with LPBA40's regions;
the model learnt classes of simulated masks on a grid of 2 mm, whose regions come from the head's own anatomy
and take in the white matter. Both differ, and no case is left out for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sagittal.asking.mpllm import MpLLMAnswerer
from sagittal.io.labels import load_labels
from sagittal.language.wording import CANONICAL, TASKS
from sagittal.measure.atlas import Atlas, load_atlas_files
from sagittal.measure.classes import Thresholds
from sagittal.measure.describe import describe
from sagittal.measure.region_table import load_region_table
from sagittal.models.mpllm.tasks import truth_of
from sagittal.models.vlm.volumes import brain_of
from sagittal.score.cases import Case
from sagittal.score.descriptors import Rated, Told
from sagittal.score.reals import real_cases
from sagittal.study import Mask


@dataclass(frozen=True)
class RealAnswer:
    """One label of a real case.

    Attributes:
        case, source: whose, and whose labels.
        sequences: that were given.
        truth, given: what the masks say, and what the model does.
        text: the model's words.
        warnings: that came with them.
    """

    case: str
    source: str
    sequences: tuple[str, ...]
    truth: Rated
    given: Rated
    text: str
    warnings: tuple[str, ...]


def lpba40(data: Path) -> Atlas:
    """LPBA40 in SRI24 space, as it lies among the labelled data."""
    folder = data / "sri24_lpba40"
    table = load_region_table("lpba40")
    return load_atlas_files(
        "lpba40", folder / table.volume, folder / table.labels, table, space="SRI24", licence="CC BY-SA"
    )


def real_answers(answerer: MpLLMAnswerer, data: str | Path, *, final: bool) -> Iterator[RealAnswer]:
    """Ask the model everything about each label of each real tumour.

    Args:
        answerer: the model.
        data: folder of the labelled scans.
        final: the test cases instead of those that may be looked at while choosing.
    """
    atlas = lpba40(Path(data))
    for case in real_cases(data, final=final):
        if "whole tumour" in case.truth:
            yield from _case(answerer, case, atlas)


def _case(answerer: MpLLMAnswerer, case: Case, atlas: Atlas) -> Iterator[RealAnswer]:
    mask = reference_labels(case.truth)
    first = case.images[0]
    brain = Mask(brain_of(first).view(np.uint8), first.geometry, {1: "brain"}, "brain")
    described = describe(mask, brain=brain, atlas=atlas)
    labels = load_labels("brats2023")
    question, _ = CANONICAL[TASKS]
    volumes = {image.kind: image for image in case.images}
    looked = answerer.look(volumes)
    for name, found in described.labels.items():
        facts: Mapping[str, Any] = {
            "volume": found.volume_class, "regions": found.region_words(Thresholds()) or ("undecided",),
            "shape": found.shape_class or "undecided", "spread": found.spread_class or "undecided",
        }  # fmt: skip
        outcome = answerer.answer(question.replace("{label}", labels.long(name)), looked)
        said = {
            task: tuple(value) if isinstance(value := field.value, list) else (str(value),)
            for task, field in outcome.fields.items()
            if task in TASKS
        }
        whole = (f"{case.name}/{name}", case.name, name, TASKS)
        yield RealAnswer(
            case.name, case.source, tuple(volumes), Rated(*whole, truth_of(facts, TASKS, beyond=False)),
            Rated(*whole, Told(said)), outcome.text, outcome.warnings,
        )  # fmt: skip


def reference_labels(truth: Mapping[str, Mask]) -> Mask:
    """The three labels of BraTS from a case's overlapping parts.

    Raises:
        KeyError: a part is missing.
    """
    core, oedema, enhancing = (
        truth[name].data != 0 for name in ("tumour core", "oedema", "enhancing tumour")
    )
    data = np.zeros(core.shape, np.uint8)
    data[oedema], data[core], data[enhancing] = 2, 1, 3
    return Mask(data, truth["whole tumour"].geometry, load_labels("brats2023").names, "reference")


def real_lines(answers: list[RealAnswer]) -> list[str]:
    """A row a label: computed from the mask, and chosen by the model."""
    lines = [
        "| case | labels by | sequences | label | | volume | region | shape | spread |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in answers:
        first = (one.case, one.source.split(", ")[1], ", ".join(one.sequences), one.truth.label)
        lines.append(_row(*first, "mask", *_cells(one.truth.told)))
        lines.append(_row("", "", "", "", "model", *_cells(one.given.told)))
    return [*lines, ""]


def _cells(told: Told) -> list[str]:
    return [", ".join(told.classes.get(task, ("–",))) for task in TASKS]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
