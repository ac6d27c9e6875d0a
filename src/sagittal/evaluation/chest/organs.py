"""How well heart and lungs are drawn, through the whole path that a user's film takes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sagittal.draw.slices import in_eight_bits
from sagittal.errors import LayoutError
from sagittal.files import storage_errors
from sagittal.io.raster import read_picture
from sagittal.measure.chest import Outcome, Projection
from sagittal.models.chest.segmenter import ORGANS, ChestMasks, ChestSegmenter
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.intervals import weighted_mean
from sagittal.score.overlap import dice
from sagittal.splits import Split
from sagittal.study import Image
from sagittal.train.chest_bank import FilmBank
from sagittal.train.chest_films import other_images
from sagittal.train.real_pictures import film_pictures

#: Both lungs as one, and what a film of the cardiomediastinum is compared with.
LUNGS, MEDIASTINUM = "lungs", "heart, against the outline of the cardiomediastinum"
#: Of the COVID-19 segmentations, whose lungs reach behind the heart; ours end at its border.
WHOLE_LUNGS = "lungs, against outlines that reach behind the heart"
_COVID = {"COVID-19 Left Lung": "left lung", "COVID-19 Right Lung": "right lung",
          "COVID-19 Cardiomediastinum": MEDIASTINUM}  # fmt: skip
_MARKED = 127


@dataclass(frozen=True, eq=False)
class TrueFilm:
    """A film and what is known of its organs.

    Attributes:
        image: as it comes from its file.
        patient: whose.
        organs: of ORGANS, :data:`LUNGS` or :data:`MEDIASTINUM` → (W, H) bool.
        projection: as stated.
        ctr: true ratio, where it is known.
    """

    image: Image
    patient: str
    organs: Mapping[str, NDArray[np.bool_]]
    projection: Projection = "unknown"
    ctr: float | None = None


@dataclass(frozen=True)
class OrganRow:
    """One organ of one film."""

    film: str
    patient: str
    organ: str
    dice: float


@dataclass(frozen=True)
class FilmRow:
    """One film: how its measurement ended, and its ratio beside the true one, where both are known."""

    film: str
    patient: str
    outcome: Outcome
    ctr_error: float | None


def simulated_test(bank: FilmBank) -> Iterator[TrueFilm]:
    """Films of a bank, every organ known."""
    for number, facts in enumerate(bank.facts):
        codes = bank.organ(number).T
        organs = {organ: codes == value for value, organ in enumerate(ORGANS, start=1)}
        lungs = organs["left lung"] | organs["right lung"]
        yield TrueFilm(bank.image(number), facts.name, {LUNGS: lungs, **organs}, facts.view, facts.ctr)


def lung_films(data: Path, source: str, split: Split | None) -> Iterator[TrueFilm]:
    """Films of Montgomery or Shenzhen, as they are stored, with both lungs as one."""
    for picture in film_pictures(data, "montgomery" if source == "montgomery" else "shenzhen", split):
        yield TrueFilm(picture.image, picture.facts.patient, {LUNGS: picture.marks > 0}, "PA")


def covid_films(data: Path) -> Iterator[TrueFilm]:
    """Films of the COVID-19 segmentations (General Blockchain): crops of masks, placed by their table.

    Lungs are marked behind the heart there, too. Where all three outlines are known, a lung here is what lies
    outside of the cardiomediastinum, and :data:`WHOLE_LUNGS` is as marked.

    Raises:
        LayoutError: a mask that the table names is missing.
    """
    folder = data / "cxr_covid_masks"
    rows, about = _table(folder / "structure.csv"), _table(folder / "metadata.csv")
    facts = {unescape(row["filename"]): row for row in about}
    by_film: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["Class"] in _COVID:
            by_film.setdefault(unescape(row["Filename"]), []).append(row)
    for name, own in sorted(by_film.items()):
        path = folder / "images" / name
        if path.is_file():
            image = read_picture(path, kind="cxr")
            organs = {_COVID[row["Class"]]: _placed(folder / row["Mask"], row, image) for row in own}
            if len(organs) == len(_COVID):
                organs[WHOLE_LUNGS] = organs["left lung"] | organs["right lung"]
                for side in ("left lung", "right lung"):
                    organs[side] = organs[side] & ~organs[MEDIASTINUM]
                organs[LUNGS] = organs["left lung"] | organs["right lung"]
            view = facts[name]["view"]
            yield TrueFilm(image, facts[name]["patientid"], organs, "AP" if view.startswith("AP") else "PA")


def _table(path: Path) -> list[dict[str, str]]:
    with storage_errors(path), path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _placed(path: Path, row: Mapping[str, str], image: Image) -> NDArray[np.bool_]:
    if not path.is_file():
        raise LayoutError("A mask is missing.", expected=path, got="no such file")
    crop = read_picture(path).data[:, :, 0]
    inside = (crop if crop.ndim == 2 else crop[..., 0]) > _MARKED
    left, top = int(row["Left"]), int(row["Top"])
    found = np.zeros(image.shape[:2], bool)
    found[left : left + inside.shape[0], top : top + inside.shape[1]] = inside
    return found


def organ_rows(segmenter: ChestSegmenter, films: Iterable[TrueFilm]) -> tuple[list[OrganRow], list[FilmRow]]:
    """Draw every film and compare."""
    organs, measured = [], []
    for film in films:
        found = segmenter.segment(film.image, film.projection)
        for organ, truth in film.organs.items():
            drawn = _drawn(found, organ)
            organs.append(OrganRow(film.image.name, film.patient, organ, dice(drawn, truth)))
        made = found.measures()
        error = None if made.ctr is None or film.ctr is None else made.ctr - film.ctr
        measured.append(FilmRow(film.image.name, film.patient, made.outcome, error))
    return organs, measured


def _drawn(found: ChestMasks, organ: str) -> NDArray[np.bool_]:
    if organ in (LUNGS, WHOLE_LUNGS):
        return _drawn(found, "left lung") | _drawn(found, "right lung")
    return found.of("heart" if organ == MEDIASTINUM else organ).data[:, :, 0] > 0


def dice_figures(rows: Sequence[OrganRow]) -> dict[str, Figure]:
    """Mean Dice of each organ, its interval over patients."""
    found = {}
    for organ in dict.fromkeys(row.organ for row in rows):
        own = [row for row in rows if row.organ == organ]
        found[organ] = mean_figure([row.dice for row in own], [row.patient for row in own])
    return found


def mean_figure(values: Sequence[float], patients: Sequence[str]) -> Figure:
    """A mean with its interval over resampled patients."""
    own = np.array(values, float)
    return resampled(lambda weights: {"mean": weighted_mean(own, weights)}, np.array(patients))["mean"]


def rejections(segmenter: ChestSegmenter, data: Path, splits: Sequence[Split]) -> tuple[int, int]:
    """Pictures of heads and bellies on which no organ was drawn, of how many."""
    empty = count = 0
    for split in splits:
        for image in other_images(data, split):
            count += 1
            empty += not segmenter.segment(in_eight_bits(image)).certainty
    return empty, count
