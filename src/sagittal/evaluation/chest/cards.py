"""Scores of the two networks as their cards have them; simulated and real films apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sagittal.evaluation.chest.organs import (
    TrueFilm,
    covid_films,
    dice_figures,
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
    """Mean Dice of each organ of each set; the lowest and highest film."""
    for name, films in organ_sets(data, bank):
        rows, _ = organ_rows(segmenter, films)
        for organ, figure in dice_figures(rows).items():
            own = [row.dice for row in rows if row.organ == organ]
            yield _score(name, "Dice", organ, figure.value, len(own), (min(own), max(own)))


def findings_scores(read: Mapping[str, Read]) -> Iterator[Score]:
    """AUROC of each finding on each set, and their mean."""
    for name, own in read.items():
        for finding, (_, films, figure) in finding_figures(own).items():
            yield _score(name, "AUROC", finding, figure.value, films)
        yield _score(name, "AUROC", "mean of the findings", mean_auroc(own).value, len(own.known))


def _score(
    data: str, metric: str, of: str, value: float, cases: int, ends: tuple[float, float] | None = None
) -> Score:
    low, high = (None, None) if ends is None else (round(ends[0], 3), round(ends[1], 3))
    return Score(
        data=data, metric=metric, of=of, value=round(value, 3), case="", cases=cases, low=low, high=high
    )
