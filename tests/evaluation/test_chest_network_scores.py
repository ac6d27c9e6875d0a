"""Scores of the chest networks against what is worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pictures

from sagittal.evaluation.chest.organs import (
    LUNGS,
    MEDIASTINUM,
    TrueFilm,
    covid_films,
    dice_figures,
    organ_rows,
)
from sagittal.evaluation.chest.readings import (
    KnownFilm,
    Read,
    calibration_error,
    finding_figures,
    mean_auroc,
    operating_points,
    other_figures,
    rates,
    youden,
)
from sagittal.io.films.names import FINDINGS
from sagittal.io.raster import picture_geometry
from sagittal.measure.chest import Outcome
from sagittal.models.chest.findings import FilmReading
from sagittal.models.chest.segmenter import LABELS, ChestMasks
from sagittal.study import Image, Mask


class Fixed:
    """Draws the same on every film: heart and right lung, no left lung."""

    def segment(self, image, projection="unknown"):
        values = np.zeros(image.shape, np.uint8)
        values[4:8, 6:10] = 1
        values[0:4, 0:10] = 3
        return ChestMasks(
            Mask(values, image.geometry, LABELS), {"heart": 0.9, "right lung": 0.9},
            {"left lung": "it is not there"}, projection,
        )  # fmt: skip


def test_lungs_are_one_and_a_heart_is_compared_with_what_there_is():
    image = Image(np.zeros((16, 10, 1), np.uint8), picture_geometry(16, 10), "cxr", "film")
    lungs, outline = np.zeros((16, 10), bool), np.zeros((16, 10), bool)
    lungs[0:4], lungs[10:14] = True, True
    outline[4:8, 2:10] = True
    rows, films = organ_rows(Fixed(), [TrueFilm(image, "p", {LUNGS: lungs, MEDIASTINUM: outline})])
    found = {organ: figure.value for organ, figure in dice_figures(rows).items()}
    # 40 drawn, 80 true, 40 of both; 16 drawn, 32 true, 16 of both.
    assert found == {LUNGS: pytest.approx(2 * 40 / 120), MEDIASTINUM: pytest.approx(2 * 16 / 48)}
    assert films[0].outcome is Outcome.NO_LUNGS and films[0].ctr_error is None


def test_crops_are_placed_by_their_table(tmp_path):
    folder = tmp_path / "cxr_covid_masks"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    Pictures.fromarray(np.zeros((20, 30), np.uint8)).save(folder / "images" / "a&b.png")
    crop = np.zeros((4, 6, 4), np.uint8)
    crop[..., 3] = 255
    crop[1:3, 2:5, 0] = 255
    Pictures.fromarray(crop).save(folder / "masks" / "m.png")
    columns = "Class,Filename,Mask,Top,Left,Width,Height"
    row = "COVID-19 Left Lung,a&amp;b.png,masks/m.png,10,20,6,4"
    other = "COVID-19 Airways,a&amp;b.png,masks/none.png,0,0,1,1"
    (folder / "structure.csv").write_text(f"{columns}\n{row}\n{other}\n")
    (folder / "metadata.csv").write_text("patientid,filename,view\n7,a&b.png,AP Supine\n")
    [film] = covid_films(tmp_path)
    assert film.patient == "7" and film.projection == "AP" and set(film.organs) == {"left lung"}
    expected = np.zeros((30, 20), bool)
    expected[22:25, 11:13] = True
    assert np.array_equal(film.organs["left lung"], expected)


def test_youden_lies_between_the_probabilities_that_it_tells_apart():
    chances = np.array([0.1, 0.2, 0.4, 0.6, 0.9])
    truth = np.array([False, False, True, False, True])
    # From 0.3 on: sensitivity 1, specificity 2/3. From 0.75 on: 1/2 and 1. The first is larger.
    assert youden(chances, truth) == pytest.approx(0.3)
    assert youden(np.array([0.5, 0.5]), np.array([True, False])) == pytest.approx(0.25)


def reading(chance: float, *, ctr: float = 0.5, box=(0.0, 0.0, 10.0, 10.0)) -> FilmReading:
    return FilmReading(
        dict.fromkeys(FINDINGS, chance), (0.1, 0.2, 0.6, 0.1), chance, 1 - chance, ctr, {"heart": box}
    )


def sample() -> Read:
    """Twenty films: a finding is there where its probability is above a half; Fracture is never known."""
    chances = [0.05 + 0.045 * n for n in range(20)]
    known = [
        KnownFilm(
            f"p{n % 10}",
            tuple(None if name == "Fracture" else p > 0.5 for name in FINDINGS),
            p > 0.5, p < 0.5,
            oedema=2 if n % 2 else 0, ctr=0.4 if n < 10 else None, boxes={"heart": (0, 0, 10, 20)},
        )
        for n, p in enumerate(chances)
    ]  # fmt: skip
    return Read(tuple(known), tuple(reading(p) for p in chances))


def test_figures_of_findings():
    own = sample()
    found = finding_figures(own)
    assert set(found) == set(FINDINGS) - {"Fracture"}
    count, films, figure = found["Edema"]
    assert (films, figure.value) == (20, 1.0) and count == sum(film.ap for film in own.known)
    assert mean_auroc(own).value == 1.0
    points = operating_points(own)
    assert "Fracture" not in points and 0.45 < points["Edema"] < 0.55
    assert rates(own, {"Edema": 0.0})["Edema"] == (1.0, 0.0)
    assert 0 < calibration_error(own) < 0.5


def test_rare_findings_have_no_operating_point():
    own = sample()
    rare = Read(own.known[:10], own.told[:10])
    assert operating_points(rare) == {} and "Edema" not in finding_figures(Read(own.known[:5], own.told[:5]))


def test_other_figures_leave_out_what_is_not_known():
    found = other_figures(sample())
    assert found["view, AUROC"].value == 1.0 and found["sex, AUROC"].value == 1.0
    assert found["oedema's grade, accuracy"].value == pytest.approx(0.5)
    assert found["cardiothoracic ratio, mean absolute error"].value == pytest.approx(0.1)
    assert found["boxes, mean IoU"].value == pytest.approx(0.5)
