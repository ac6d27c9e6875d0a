"""Scores of the two networks as their cards have them; simulated and real films apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sagittal.evaluation.chest.organs import (
    LUNGS,
    MEDIASTINUM,
    TrueFilm,
    covid_films,
    lung_films,
    organ_rows,
    simulated_test,
)
from sagittal.evaluation.chest.readings import Read, finding_figures, mean_auroc
from sagittal.models.checkpoint import Score
from sagittal.models.chest.segmenter import ChestSegmenter
from sagittal.train.chest_bank import FilmBank

SIMULATED = "simulated films, held out"
MONTGOMERY = "real: films, Montgomery, patients that were held out"
SHENZHEN = "real: films, Shenzhen, another hospital, never trained on"
COVID = "real: films, COVID-19 segmentations, many hospitals, never trained on"
NIH = "real: films of the NIH's, text-mined labels, patients that were held out"


def organ_sets(data: Path, bank: FilmBank) -> Iterator[tuple[str, Iterator[TrueFilm]]]:
    """Every set that drawn organs are measured on, those at hand; nothing of them was trained on."""
    yield SIMULATED, simulated_test(bank)
    if (data / "cxr_lung_masks").is_dir():
        yield MONTGOMERY, lung_films(data, "montgomery", "test")
        yield SHENZHEN, lung_films(data, "shenzhen", None)
    if (data / "cxr_covid_masks").is_dir():
        yield COVID, covid_films(data)


def segmenter_scores(segmenter: ChestSegmenter, data: Path, bank: FilmBank) -> Iterator[Score]:
    """Dice of the organs of each patient of the real sets, and means over the simulated films."""
    for name, films in organ_sets(data, bank):
        rows, _ = organ_rows(segmenter, films)
        for organ in dict.fromkeys(row.organ for row in rows):
            own = [row for row in rows if row.organ == organ]
            if name == SIMULATED:
                dices = [row.dice for row in own]
                yield _score(name, "Dice", organ, dices, f"{len(own)} films")
            elif organ in (LUNGS, MEDIASTINUM):
                for patient in dict.fromkeys(row.patient for row in own):
                    dices = [row.dice for row in own if row.patient == patient]
                    yield _score(name, "Dice", organ, dices, patient)


def findings_scores(read: Mapping[str, Read]) -> Iterator[Score]:
    """AUROC of each finding on each set, and their mean: figures of a set, not of a film."""
    for name, own in read.items():
        for finding, (_, films, figure) in finding_figures(own).items():
            yield _figure_score(name, finding, figure.value, films)
        yield _figure_score(name, "mean of the findings", mean_auroc(own).value, len(own.known))


def _score(data: str, metric: str, of: str, values: Sequence[float], case: str) -> Score:
    several = len(values) > 1
    return Score(
        data=data, metric=metric, of=of, value=round(sum(values) / len(values), 3), case=case,
        cases=len(values), low=round(min(values), 3) if several else None,
        high=round(max(values), 3) if several else None,
    )  # fmt: skip


def _figure_score(data: str, of: str, value: float, films: int) -> Score:
    return Score(
        data=data, metric="AUROC", of=of, value=round(value, 3), case=f"{films} films", cases=films, low=None,
        high=None,
    )  # fmt: skip
