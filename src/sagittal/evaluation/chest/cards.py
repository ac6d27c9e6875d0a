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
            yield Score(
                data=name, metric="Dice", of=organ, value=round(figure.value, 3), cases=len(own),
                low=round(min(own), 3), high=round(max(own), 3),
            )  # fmt: skip


def findings_scores(read: Mapping[str, Read]) -> Iterator[Score]:
    """AUROC of each finding on each set, and their mean."""
    for name, own in read.items():
        for finding, (_, films, figure) in finding_figures(own).items():
            yield Score(data=name, metric="AUROC", of=finding, value=round(figure.value, 3), cases=films)
        mean = mean_auroc(own)
        yield Score(
            data=name, metric="AUROC", of="mean of the findings", value=round(mean.value, 3),
            cases=len(own.known),
        )  # fmt: skip
