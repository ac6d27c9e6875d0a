"""MedPLIB's tables: means over seeds, paired differences, dashes where nothing was asked."""

from __future__ import annotations

import pytest

from sagittal.evaluation.medplib.tables import comparison_lines
from sagittal.evaluation.medplib.variants import SEEDS, VARIANTS

WHAT = ("region", "mask", "single", "closed", "choice", "open")


def marks(value: float, what: tuple[str, ...] = WHAT) -> dict[str, list[tuple[str, float]]]:
    """A mean of ``value`` in every patient."""
    return {name: [(f"p{n // 2}", value + (0.1 if n % 2 else -0.1)) for n in range(12)] for name in what}


def runs() -> dict[str, list[dict[str, list[tuple[str, float]]]]]:
    values = {"recognition": 0.5, "coordinates": 0.3, "grounding": 0.4, **dict.fromkeys(VARIANTS, 0.6)}
    values["dense"] = 0.4
    found = {name: [marks(value), marks(value + 0.2)] for name, value in values.items()}
    found["unet"] = [marks(0.3, ("single",)) for _ in SEEDS]
    return found


def row(lines: list[str], head: str) -> list[str]:
    [found] = [line for line in lines if line.startswith(f"| {head} |")]
    return [cell.strip() for cell in found.strip("|").split("|")[1:]]


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return comparison_lines(runs(), 30)


def test_a_cell_is_the_mean_of_the_seeds_and_how_far_they_are_apart(lines: list[str]) -> None:
    # 0.5 and 0.7, alike in every patient: no spread over patients.
    assert row(lines, "region as a vector (stage II)")[0] == "60.0 (60.0 to 60.0), apart 20.0"
    assert row(lines, "region as coordinates in the words")[0].startswith("40.0")


def test_the_unet_is_compared_by_masks_of_one_class_alone(lines: list[str]) -> None:
    [found] = [line for line in lines if line.startswith("| text-conditioned U-Net")]
    assert found.count("|") == 3 and "30.0 (30.0 to 30.0), apart 0.0" in found


def test_differences_are_paired(lines: list[str]) -> None:
    at = lines.index("Differences from the first line, in points, question by question:")
    found = {line.split("|")[1].strip(): line for line in lines[at + 4 :] if line.startswith("| ")}
    assert set(found) == {v.words for n, v in VARIANTS.items() if n != "full"}
    assert found[VARIANTS["dense"].words].count("-20.0 (-20.0 to -20.0)") == 2
    assert found[VARIANTS["top-2"].words].count("0.0 (0.0 to 0.0)") == 2
