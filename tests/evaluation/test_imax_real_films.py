"""Real films as statements: what is known of them and nothing more, sides as they lie."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from sagittal.evaluation.imax.real_films import LUNGS, NIH, write_real_statements
from sagittal.io.films.names import FINDINGS
from sagittal.io.films.sources import open_source
from sagittal.io.films.statement import MaskRow
from sagittal.io.raster import picture_geometry
from sagittal.io.run_lengths import parse_runs
from sagittal.models.chest.segmenter import LABELS, ChestMasks
from sagittal.study import Image, Mask

#: Width and height of the films; x1, y1, x2, y2 of what is marked on them, both ends within.
SIZE = (90, 60)
MARKED = {"right lung": (8, 10, 35, 50), "left lung": (50, 12, 80, 48)}
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


class Drawer:
    """Draws a rectangle for a heart."""

    def segment(self, image: Image, projection: str) -> ChestMasks:
        plane = np.zeros(image.shape, np.uint8)
        plane[20:40, 30:50] = 1
        return ChestMasks(Mask(plane, image.geometry, LABELS, "chest"), {"heart": 0.9}, {}, "PA")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / NIH / "images").mkdir(parents=True)
    rows = ["00000007_000.png,Edema|Effusion,0,7,50,F,AP,2500,1667,0.17,0.17",
            "00000009_001.png,No Finding,1,9,60,M,PA,2500,1667,0.17,0.17"]  # fmt: skip
    (tmp_path / NIH / "labels.csv").write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    for row in rows:
        pixels = rng.integers(60, 220, SIZE[::-1]).astype(np.uint8)
        Pictures.fromarray(pixels).save(tmp_path / NIH / "images" / row.split(",")[0].replace("png", "jpg"))
    for folder in ("cxr", "masks"):
        (tmp_path / LUNGS / folder).mkdir(parents=True)
    for name, boxes in (("MCUCXR_0001_0", MARKED), ("CHNCXR_0002_1", {"one": (8, 10, 80, 50)})):
        pixels = rng.integers(60, 220, SIZE[::-1]).astype(np.uint8)
        Pictures.fromarray(pixels).save(tmp_path / LUNGS / "cxr" / f"{name}.png")
        mask = np.zeros(SIZE[::-1], np.uint8)
        for x1, y1, x2, y2 in boxes.values():
            mask[y1 : y2 + 1, x1 : x2 + 1] = 255
        Pictures.fromarray(mask).save(tmp_path / LUNGS / "masks" / f"{name}.png")
    return tmp_path


def test_what_is_known_is_stated_and_nothing_more(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = tmp_path / "statements"
    write_real_statements(data, out, Drawer(), said.append)  # type: ignore[arg-type]
    assert said == ["nih: 2 films", "lungs: 1 films"]
    source = open_source("statements", out)
    lungs, *nih = source.statements(Counter())
    assert [one.patient for one in nih] == ["7", "9"]
    assert (lungs.patient, lungs.view, lungs.labels, lungs.report) == ("MCUCXR_0001", "PA", {}, None)
    grid = picture_geometry(*SIZE)
    found = {}
    for one in (lungs, *nih):
        assert isinstance(one.masks, MaskRow)
        masks = source.masks(one.masks)
        assert masks.size == SIZE
        assert (data / one.collection / one.file).is_file()
        found[one.image] = {name: parse_runs(text, grid) for name, text in masks.runs.items()}
    for name, (x1, y1, x2, y2) in MARKED.items():
        columns, rows, _ = np.nonzero(found["MCUCXR_0001_0"][name].to_mask(name).data)
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == (x1, y1, x2, y2)
    for one in nih:
        assert set(found[one.image]) == {"heart"}
        # What the originals measured is not true of the small copies at hand.
        assert one.size is None and one.spacing_mm is None
        assert sum(name in one.labels for name in FINDINGS) == 8
    assert nih[0].labels["Edema"] and nih[0].labels["Pleural Effusion"] and not nih[1].labels["Edema"]


def test_statements_are_made_once(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "statements"
    write_real_statements(data, out, Drawer())  # type: ignore[arg-type]
    before = (out / "nih.jsonl").stat().st_mtime_ns
    said: list[str] = []
    write_real_statements(data, out, Drawer(), said.append)  # type: ignore[arg-type]
    assert said == [] and (out / "nih.jsonl").stat().st_mtime_ns == before
