"""Real masks of chest films, polygons and drawn lungs, against scans of their pixels."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import literal_chest as literal
import numpy as np
import pytest
from PIL import Image as Pictures
from scipy import ndimage

from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import Runs, parse_runs, runs_of
from sagittal.measure.chest import LUNGS, STRUCTURES, Outcome, measure_chest
from sagittal.study import Mask

pytestmark = pytest.mark.shared_data


def runs(planes: dict[str, np.ndarray]) -> dict[str, Runs]:
    """Through the published text and back."""
    out = {}
    geometry = picture_geometry(*next(iter(planes.values())).shape)
    for name, plane in planes.items():
        mask = Mask(plane[:, :, None], geometry, {1: name})
        out[name] = parse_runs(runs_of(mask, name).to_text(), geometry)
        assert np.array_equal(out[name].to_mask(name).data, mask.data)
    return out


def polygons(folder: Path) -> list[dict[str, np.ndarray]]:
    """Of every fourth film, structure → (W, H). A mask is a coloured crop; the table says where it lies."""
    films: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    with (folder / "structure.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            name = row["Template Name"].lower()
            if name in STRUCTURES:
                films[row["Image"]][name] = row
    return [{name: placed(folder, row) for name, row in films[key].items()} for key in sorted(films)[::4]]


def placed(folder: Path, row: dict[str, str]) -> np.ndarray:
    width, height = (int(n) for n in row["Resolution"].split("x"))
    x, y = int(row["Left"]), int(row["Top"])
    crop = np.array(Pictures.open(folder / row["Mask"]).convert("RGB")).any(axis=2).T
    plane = np.zeros((width, height), bool)
    plane[x : x + crop.shape[0], y : y + crop.shape[1]] = crop
    return plane


def test_polygons_of_lungs_and_cardiomediastinum(shared_data):
    measured = []
    for planes in polygons(shared_data / "cxr_covid_masks"):
        found = measure_chest(runs(planes), projection="PA")
        for name, plane in planes.items():
            assert found.found[name].pixels == literal.area(plane)
            assert found.found[name].box == literal.box(plane)
        if len(planes) < 3:
            assert found.outcome is Outcome.NO_LUNGS
            continue
        left, right = (planes[name] for name in LUNGS)
        extent, row, first, last = literal.lung_extent(left, right)
        wide = found.widest_lung_extent
        assert (wide.pixels, wide.row, wide.first, wide.last) == (extent, row, first, last)
        shadow = planes["cardiomediastinum"]
        assert found.ctr == literal.width(shadow) / extent
        assert found.cpar == literal.area(shadow) / (literal.area(left) + literal.area(right))
        # The table of "left" and "right" is the patient's.
        assert not any("mirrored" in warning for warning in found.warnings)
        assert found.measurements()[0].name == "cardiomediastinal_thoracic_ratio"
        measured.append(found.ctr)
    assert len(measured) >= 10
    assert min(measured) > 0.3 and max(measured) < 0.7


def test_drawn_lungs(shared_data):
    paths = sorted((shared_data / "cxr_lung_masks" / "masks").glob("*.png"))[::6]
    assert len(paths) >= 10
    for path in paths:
        inside = (np.array(Pictures.open(path)) > 127).T
        numbered, _ = ndimage.label(inside)
        largest = 1 + np.argsort(np.bincount(numbered.ravel())[1:])[-2:]
        right, left = sorted((numbered == n for n in largest), key=lambda plane: literal.box(plane)[0])
        found = measure_chest(runs({"left lung": left, "right lung": right}), projection="PA")
        assert found.outcome is Outcome.NO_HEART and not found.warnings
        wide = found.widest_lung_extent
        assert (wide.pixels, wide.row, wide.first, wide.last) == literal.lung_extent(left, right)
        for name, plane in (("left lung", left), ("right lung", right)):
            assert found.found[name].pixels == literal.area(plane)
            assert found.found[name].box == literal.box(plane)
        # At the level of the hemidiaphragms or not far above: in the lower half of the lungs.
        boxes = [shape.box for shape in found.found.values()]
        assert wide.row > np.mean([(y0 + y1) / 2 for _, y0, _, y1 in boxes])
