"""How well findings are told: ranking, calibration and operating points, simulated and real films apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sagittal.evaluation.chest.organs import mean_figure
from sagittal.io.films.names import FINDINGS, Finding
from sagittal.models.chest.findings import ChestFindings, FilmReading
from sagittal.models.chest.segmenter import ORGANS
from sagittal.score.boxes import iou
from sagittal.score.calibration import reliability
from sagittal.score.descriptors import Figure, resampled
from sagittal.score.logistic import auroc
from sagittal.study import Image
from sagittal.train.chest_bank import FilmBank
from sagittal.train.chest_films import NihFilm
from sagittal.train.chest_looks import turned
from sagittal.train.chest_reading import FilmSet, patch_truth, told_of

#: An operating point is chosen from at least so many films that have the finding, and as many without.
FEWEST = 8
#: Left, top, right, bottom of a box.
Pixels = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class KnownFilm:
    """What is known of a film that was read; ``None`` where it is not."""

    patient: str
    findings: tuple[bool | None, ...]
    ap: bool
    female: bool
    oedema: int | None = None
    ctr: float | None = None
    boxes: Mapping[str, Pixels] | None = None


@dataclass(frozen=True, eq=False)
class Read:
    """Films that were read: what is known, and what was told."""

    known: tuple[KnownFilm, ...]
    told: tuple[FilmReading, ...]

    @property
    def patients(self) -> NDArray[np.str_]:
        """(n,) of each film."""
        return np.array([film.patient for film in self.known])

    def finding(self, name: Finding) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
        """Probabilities, truths and patients of the films where a finding is known."""
        place = FINDINGS.index(name)
        there = [n for n, film in enumerate(self.known) if film.findings[place] is not None]
        chances = np.array([self.told[n].findings[name] for n in there], float)
        truth = np.array([bool(self.known[n].findings[place]) for n in there], bool)
        return chances, truth, self.patients[there]


def read_bank(model: ChestFindings, bank: FilmBank) -> Read:
    """Read the films of a bank."""
    known = []
    for number, facts in enumerate(bank.facts):
        codes = bank.organ(number)
        boxes = {
            organ: _box(codes == value)
            for value, organ in enumerate(ORGANS, start=1)
            if (codes == value).any()
        }
        known.append(
            KnownFilm(
                facts.name, facts.labels, facts.view == "AP", facts.female, facts.oedema, facts.ctr, boxes
            )
        )
    return _read(model, known, (bank.image(number) for number in range(len(bank))))


def _box(inside: NDArray[np.bool_]) -> Pixels:
    rows, columns = np.nonzero(inside)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _overlap(told: Mapping[str, tuple[float, float, float, float]], truth: Mapping[str, Pixels]) -> float:
    """Mean IoU of boxes, to whole pixels; one that has no area overlaps nothing."""
    shares = []
    for organ, box in truth.items():
        left, top, right, bottom = (round(v) for v in told[organ])
        shares.append(iou((left, top, right, bottom), box) if left < right and top < bottom else 0.0)
    return float(np.mean(shares))


def read_nih(model: ChestFindings, films: Sequence[NihFilm]) -> Read:
    """Read films of the NIH's."""
    known = [KnownFilm(film.patient, film.labels, film.view == "AP", film.female) for film in films]
    return _read(model, known, (film.image() for film in films))


def _read(model: ChestFindings, known: Sequence[KnownFilm], images: Iterable[Image]) -> Read:
    return Read(tuple(known), tuple(model.read(image) for image in images))


def finding_figures(read: Read) -> dict[Finding, tuple[int, int, Figure]]:
    """Of each finding that is there on some film and not on others: films with it, films, AUROC."""
    found = {}
    for name in FINDINGS:
        chances, truth, patients = read.finding(name)
        if 0 < truth.sum() < len(truth):
            found[name] = (int(truth.sum()), len(truth), auroc_figure(chances, truth, patients))
    return found


def auroc_figure(
    chances: NDArray[np.float64], truth: NDArray[np.bool_], patients: NDArray[np.str_]
) -> Figure:
    """AUROC with its interval over resampled patients."""
    return resampled(lambda weights: {"auroc": auroc(chances, truth, weights)}, patients)["auroc"]


def mean_auroc(read: Read) -> Figure:
    """Mean over the findings that are told apart on these films, its interval over resampled patients."""
    parts = []
    patients = read.patients
    for name in FINDINGS:
        place = FINDINGS.index(name)
        known = np.array([film.findings[place] is not None for film in read.known])
        truth = np.array([bool(film.findings[place]) for film in read.known])
        if 0 < truth[known].sum() < known.sum():
            parts.append((np.array([told.findings[name] for told in read.told]), truth, known))

    def mean(weights: NDArray[np.float64]) -> dict[str, float]:
        own = [auroc(chances, truth, weights * known) for chances, truth, known in parts]
        return {"mean": float(np.nanmean(own))}

    return resampled(mean, patients)["mean"]


def operating_points(read: Read) -> dict[Finding, float]:
    """Youden's: the probability with the largest sensitivity + specificity; rarer findings are left out."""
    found = {}
    for name in FINDINGS:
        chances, truth, _ = read.finding(name)
        if min(int(truth.sum()), int((~truth).sum())) >= FEWEST:
            found[name] = youden(chances, truth)
    return found


def youden(chances: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """The threshold (at least so much is a yes) of the largest sensitivity + specificity.

    It lies midway between two probabilities that occur, so that rounding does not move a film across.
    """
    values = np.unique(chances)
    middles = np.concatenate([[values[0] / 2], (values[1:] + values[:-1]) / 2, [(values[-1] + 1) / 2]])
    gains = [float((chances[truth] >= point).mean() - (chances[~truth] >= point).mean()) for point in middles]
    return float(middles[int(np.argmax(gains))])


def rates(read: Read, points: Mapping[Finding, float]) -> dict[Finding, tuple[float, float]]:
    """Sensitivity and specificity of each finding at its operating point; not a number without films."""
    found = {}
    for name, point in points.items():
        chances, truth, _ = read.finding(name)
        said = chances >= point
        found[name] = (_share(said[truth]), _share(~said[~truth]))
    return found


def _share(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def calibration_error(read: Read) -> float:
    """Expected calibration error of the probability that a finding is there, over all that is known."""
    parts = [read.finding(name)[:2] for name in FINDINGS]
    return reliability(np.concatenate([c for c, _ in parts]), np.concatenate([t for _, t in parts])).error


def patch_figures(model: ChestFindings, films: FilmSet) -> dict[str, float]:
    """What each patch's token tells by one linear map, over all patches of simulated films.

    Args:
        model: whose tokens.
        films: in their own squares.

    Returns:
        AUROC of whether a finding shows in a patch, and of whether most of a patch is an organ.
    """
    told = told_of(model.network, films)
    edge, patch = model.config.encoder.size[0], model.config.encoder.patch[0]
    still = torch.eye(2, 3).expand(len(films), 2, 3)
    planes = torch.stack([films.codes.float(), films.bits.float()], dim=1)
    small = torch.cat([
        turned(planes[own], still[own], edge, "nearest") for own in torch.arange(len(films)).split(32)
    ]).round().int()  # fmt: skip
    parts = [
        patch_truth(small[own, 0], small[own, 1], patch)[1:] for own in torch.arange(len(films)).split(32)
    ]
    organs, places = (torch.cat(own) for own in zip(*parts, strict=True))
    found = {}
    for truth, said, names in (
        (places > 0, told["places"], FINDINGS),
        (organs > 0.5, told["organs"], ORGANS),
    ):
        for place, name in enumerate(names):
            found[name] = auroc(
                said[..., place].double().flatten().numpy(), truth[..., place].flatten().numpy()
            )
    return found


def other_figures(read: Read) -> dict[str, Figure]:
    """Grade of oedema, view, sex, ratio and boxes, where they are known."""
    patients = read.patients
    sides = {
        "view, AUROC": ([told.ap for told in read.told], [film.ap for film in read.known]),
        "sex, AUROC": ([told.female for told in read.told], [film.female for film in read.known]),
    }
    found = {
        name: auroc_figure(np.array(chances), np.array(truth, bool), patients)
        for name, (chances, truth) in sides.items()
    }
    both = list(zip(read.known, read.told, strict=True))
    means: dict[str, list[float]] = {
        "oedema's grade, accuracy": [
            np.nan if film.oedema is None else float(int(np.argmax(told.oedema)) == film.oedema)
            for film, told in both
        ],
        "cardiothoracic ratio, mean absolute error": [
            np.nan if film.ctr is None else abs(told.ctr - film.ctr) for film, told in both
        ],
        "boxes, mean IoU": [
            np.nan if not film.boxes else _overlap(told.boxes, film.boxes)
            for film, told in both
        ],
    }  # fmt: skip
    for name, values in means.items():
        own = np.array(values, float)
        if not np.isnan(own).all():
            kept = ~np.isnan(own)
            found[name] = mean_figure(own[kept].tolist(), patients[kept].tolist())
    return found
