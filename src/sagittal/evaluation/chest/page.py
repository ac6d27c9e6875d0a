"""The page of results of the two networks of chest films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sagittal.evaluation.chest.cards import NIH, SIMULATED, organ_sets
from sagittal.evaluation.chest.organs import dice_figures, mean_figure, organ_rows, rejections
from sagittal.evaluation.chest.readings import (
    Read,
    calibration_error,
    finding_figures,
    mean_auroc,
    other_figures,
    patch_figures,
    rates,
    read_bank,
    read_nih,
)
from sagittal.io.films.names import Finding
from sagittal.models.chest.findings import ChestFindings
from sagittal.models.chest.segmenter import ChestSegmenter
from sagittal.score.descriptors import Figure
from sagittal.train.chest_bank import FilmBank
from sagittal.train.chest_films import nih_films
from sagittal.train.chest_reading import simulated_films


def organ_lines(segmenters: Mapping[str, ChestSegmenter], data: Path, bank: FilmBank) -> list[str]:
    """Tables of drawn organs: a column a segmenter, the one that ships first."""
    lines = [
        f"| films | organ | {' | '.join(segmenters)} | lowest film of the first |",
        "| --- " * (3 + len(segmenters)) + "|",
    ]
    ends, ratios = [], []
    for name, films in organ_sets(data, bank):
        kept = list(films)
        found = {word: organ_rows(own, kept) for word, own in segmenters.items()}
        [first, *_] = found.values()
        figures = {word: dice_figures(rows) for word, (rows, _) in found.items()}
        for organ in dice_figures(first[0]):
            values = [row.dice for row in first[0] if row.organ == organ]
            cells = " | ".join(_figure(own[organ]) for own in figures.values())
            lines.append(f"| {name} ({len(values)}) | {organ} | {cells} | {min(values):.3f} |")
        counts = Counter(row.outcome.value for row in first[1])
        ends.append(f"| {name} | {', '.join(f'{word} {n}' for word, n in counts.most_common())} |")
        errors = [(abs(row.ctr_error), row.patient) for row in first[1] if row.ctr_error is not None]
        if errors:
            figure = mean_figure([e for e, _ in errors], [p for _, p in errors])
            ratios.append(f"Cardiothoracic ratio, {name}: mean absolute error {_figure(figure)}.")
    lines += ["", "How measuring on the drawn masks ended, of the first:", ""]
    lines += ["| films | outcomes |", "| --- | --- |", *ends, "", *ratios, ""]
    if (data / "vqa_rad").is_dir():
        [own, *_] = segmenters.values()
        empty, count = rejections(own, data, ("validation", "test"))
        lines += [
            f"Pictures of heads and bellies that were held out: nothing drawn on {empty} of {count}.",
            "",
        ]
    return lines


def finding_lines(model: ChestFindings, data: Path, bank: FilmBank) -> list[str]:
    """Tables of findings: simulated and real films apart."""
    lines = _read_lines(SIMULATED, read_bank(model, bank), model.config.points.get("simulated", {}))
    patches = patch_figures(model, simulated_films(bank, range(len(bank))))
    told = "; ".join(f"{name} {value:.3f}" for name, value in patches.items())
    lines += [
        "What the tokens hold: AUROC of one linear map from a patch's token to whether the finding shows in "
        f"the patch, or most of it is the organ, over all patches: {told}.",
        "",
    ]
    if (data / "cxr_nih").is_dir():
        read = read_nih(model, nih_films(data, "test"))
        lines += _read_lines(NIH, read, model.config.points.get("real", {}))
    return lines


def _read_lines(name: str, read: Read, points: Mapping[Finding, float]) -> list[str]:
    patients = len(np.unique(read.patients))
    at = rates(read, points)
    lines = [
        f"### {name[0].upper()}{name[1:]}",
        "",
        f"{len(read.known)} films of {patients} patients. Mean AUROC {_figure(mean_auroc(read))}; expected "
        f"calibration error of the probabilities {calibration_error(read):.3f}.",
        "",
        "| finding | films with it | AUROC | operating point | sensitivity | specificity |",
        "| --- " * 6 + "|",
    ]
    for finding, (count, films, figure) in finding_figures(read).items():
        cells = [f"{points[finding]:.3f}", *(_rate(rate) for rate in at[finding])] if finding in at else []
        cells = cells or ["none: too few on validation", "–", "–"]
        lines.append(f"| {finding} | {count} of {films} | {_figure(figure)} | {' | '.join(cells)} |")
    others = [f"{what} {_figure(figure)}" for what, figure in other_figures(read).items()]
    return [*lines, "", f"Besides: {'; '.join(others)}.", ""]


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"


def _rate(rate: float) -> str:
    return "–" if np.isnan(rate) else f"{rate:.2f}"


def words_of_organs(bank: FilmBank, steps: Sequence[str]) -> list[str]:
    """What the tables of organs say."""
    return [
        f"Simulated films: {len(bank)}, SHA-256 {bank.sha256()[:16]}…, seed and number by "
        "`train/tables/chest_banks.yaml`, settled before training. Mean Dice on the film's own pixels with "
        "its 95 % interval over resampled patients (500 draws). "
        f"Columns: {'; '.join(steps)}. A film that the network draws nothing on counts with Dice 0.",
        "",
    ]
