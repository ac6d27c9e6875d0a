"""The networks of chest films that ship, as specialists, on films made up here."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.errors import InputError, LabelError
from sagittal.io.raster import picture_geometry
from sagittal.measure.chest import Outcome
from sagittal.simulate.chest import ChestConfig, simulate_films
from sagittal.specialists.chest import ChestOrgans, ChestReader
from sagittal.study import Image


@pytest.fixture(scope="module")
def film():
    [made] = simulate_films(ChestConfig(finding=0.0, device=0.0), [3], seed=990)
    return made


def test_the_shipped_segmenter_draws_and_measures(film):
    specialist = ChestOrgans()
    masks = specialist([film.image], ["heart", "right lung"])
    assert set(masks) == {"heart", "right lung"}
    for organ, mask in masks.items():
        drawn, truth = mask.data[:, :, 0] > 0, film.organs[organ]
        assert mask.geometry is film.image.geometry
        assert 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum()) > 0.85, organ
    made = specialist.measures(film.image, "PA")
    assert made.outcome is Outcome.MEASURED and 0.3 < made.ctr < 0.75
    assert set(specialist.runs(film.image)) == {"heart", "left lung", "right lung"}
    assert specialist.measures(film.image, "lateral").outcome is Outcome.NOT_FRONTAL


def test_a_film_of_other_sides_gives_masks_on_its_own_pixels(film):
    wide = np.pad(film.image.data, ((40, 60), (0, 0), (0, 0)))
    image = Image(wide, picture_geometry(*wide.shape[:2]), "cxr", "wide")
    found = ChestOrgans().masks(image, "PA")
    assert found.mask.shape == image.shape
    truth = np.pad(film.organs["right lung"], ((40, 60), (0, 0)))
    drawn = found.of("right lung").data[:, :, 0] > 0
    assert 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum()) > 0.85


@pytest.mark.parametrize("kind", ["blank", "noise", "slope"])
def test_what_shows_no_chest_has_no_organs(kind):
    rng = np.random.default_rng(0)
    data = {
        "blank": np.full((200, 150, 1), 90, np.uint8),
        "noise": rng.integers(0, 255, (200, 150, 1)).astype(np.uint8),
        "slope": np.broadcast_to(np.linspace(0, 65_535, 200).astype(np.uint16)[:, None, None], (200, 150, 1)),
    }[kind]
    image = Image(np.ascontiguousarray(data), picture_geometry(200, 150), "cxr", kind)
    found = ChestOrgans().masks(image, "PA")
    assert found.measures().outcome is Outcome.NEITHER and not found.mask.data.any()


def test_strange_questions_are_refused(film):
    specialist = ChestOrgans()
    with pytest.raises(LabelError, match="does not draw"):
        specialist([film.image], ["spleen"])
    with pytest.raises(InputError, match="one film"):
        specialist([film.image, film.image], ["heart"])
    with pytest.raises(InputError, match="one film"):
        ChestReader()([])


def test_the_shipped_reader_tells_all_findings(film):
    reader = ChestReader()
    reading = reader([film.image])
    assert set(reader.there(reading)) == set(reading.findings) and len(reading.findings) == 10
    assert reading == reader([film.image])
    x0, y0, x1, y1 = reading.boxes["right lung"]
    rows = np.argwhere(film.organs["right lung"])
    true = (*rows.min(axis=0), *(rows.max(axis=0) + 1))
    assert max(abs(a - b) for a, b in zip((x0, y0, x1, y1), true, strict=True)) < 0.15 * 256


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turned_films_are_told_by_the_shipped_network(turns: int) -> None:
    organs = ChestOrgans()
    for film in simulate_films(ChestConfig(edge=224), range(3), 77):
        turned = np.ascontiguousarray(np.rot90(film.image.data, turns, axes=(0, 1)))
        image = Image(turned, picture_geometry(*turned.shape[:2]), "cxr", "turned")
        # Axes are columns and rows: a turn of theirs is one clockwise on the screen.
        assert organs.quarter_turns(image) == turns


def test_what_is_no_chest_is_not_turned() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 180, 1)).astype(np.uint8)
    assert ChestOrgans().quarter_turns(Image(noise, picture_geometry(200, 180), "cxr", "noise")) == 0
