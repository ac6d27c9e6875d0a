"""The world of places: every class, in its place by the measure's own rule, compact, repeatable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import ndimage

from sagittal.measure.places import PLACES, Anatomy, location_of, location_shares, territory_of
from sagittal.measure.proportions import LOBES, TERRITORIES
from sagittal.simulate import HeadSet, SimulatedStudy, preset, simulate
from sagittal.simulate.draws import Draws
from sagittal.simulate.places import LARGEST_ML, OWN_SHARE, anatomy_of, place_lesion
from sagittal.simulate.scene import Scene
from sagittal.simulate.tissues import structures
from sagittal.study import Mask

Worlds = Callable[..., list[SimulatedStudy]]
#: On a grid this fine the fourth ventricle has voxels.
FINE = {"shape": (72, 84, 70), "spacing": (2.5, 2.5, 2.5)}
CEREBRUM = (2, 3, 10, 11, 12, 13, 17, 18, 26, 28, 41, 42, 49, 50, 51, 52, 53, 54, 58, 60)


@pytest.fixture(scope="module")
def made(worlds: Worlds) -> list[SimulatedStudy]:
    return worlds("places", 60, **FINE)


def anatomy_from(mask: Mask) -> Anatomy:
    """By FreeSurfer values, apart from the world's own table of tissues."""

    def of(*values: int) -> Mask:
        return Mask(np.isin(mask.data, values), mask.geometry, {1: "structure"})

    return Anatomy(of(*CEREBRUM), of(7, 8, 46, 47), of(16), of(4, 5, 43, 44, 31, 63), of(15))


def both_masks(study: SimulatedStudy) -> tuple[Mask, Mask]:
    anatomy, lesion = study.study.masks
    assert (anatomy.name, lesion.name) == ("anatomy", "lesions")
    return anatomy, lesion


def test_every_place_occurs_and_holds_its_lesion(made: list[SimulatedStudy]) -> None:
    seen = set()
    for study in made:
        [session] = study.facts["sessions"]
        place = session["place"]
        seen.add(place)
        anatomy, lesion = both_masks(study)
        assert lesion.labels == {1: "lesion"}
        assert lesion.data.any()
        found = anatomy_from(anatomy)
        shares = location_shares(lesion, found)
        assert location_of(lesion, found) == place, shares
        # Skull stripping takes no part of a lesion, but may take one of what it is told by.
        assert shares[place] > OWN_SHARE - 0.1
        if place in LOBES:
            assert session["territory"] == territory_of(lesion, found.cerebrum)
        else:
            assert session["territory"] is None
    assert seen == set(PLACES)


def test_lesions_are_compact_and_small_enough(made: list[SimulatedStudy]) -> None:
    for study in made:
        [session] = study.facts["sessions"]
        [one] = session["lesions"]
        _, lesion = both_masks(study)
        pieces, count = ndimage.label(lesion.data, np.ones((3, 3, 3)))
        largest = np.bincount(pieces.ravel())[1:].max()
        assert largest / one["voxels"] > 0.97, (session["place"], count)
        assert one["volume_ml"] <= LARGEST_ML * 1.02
        assert session["labels"]["lesion"]["voxels"] == one["voxels"]


def test_signals_are_bright_and_dark_and_alike(made: list[SimulatedStudy]) -> None:
    words, kinds, tissues = set(), set(), set()
    for study in made:
        [session] = study.facts["sessions"]
        [one] = session["lesions"]
        words |= {signal["word"] for signal in one["signal"].values()}
        kinds |= {image.kind for image in study.study.images}
        tissues.add(one.get("tissue"))
        assert ("tissue" in one) != ("fill" in one)
        assert ("tissue" in one) or session["place"] in (*LOBES, "brainstem", "cerebellum")
    assert words == {"hyperintense", "hypointense", "isointense"}
    assert kinds == {"t1", "t2", "flair", "mr"}
    assert len(tissues) > 5
    assert {session["territory"] for s in made for session in s.facts["sessions"]} == {*TERRITORIES, None}


def test_a_study_depends_on_its_index_alone(made: list[SimulatedStudy]) -> None:
    config = preset("places").model_copy(update=FINE)
    for index in (7, 2):
        [alone] = simulate(config, HeadSet.phantoms(2, 3.0), [index], seed=5)
        assert alone.facts == made[index].facts
        for a, b in zip(alone.study.masks, made[index].study.masks, strict=True):
            assert np.array_equal(a.data, b.data)


def test_the_order_of_the_array_changes_nothing(phantoms: HeadSet) -> None:
    still = {
        "deformation": preset("places").deformation.model_copy(update={"elastic_mm": 0.0, "fine_mm": 0.0})
    }
    for index in range(3):
        config = preset("places").model_copy(update={**FINE, **still, "orientation": "LPS"})
        [turned] = simulate(config, phantoms, [index], 9)
        anatomy, lesion = both_masks(turned)
        assert lesion.geometry.orientation == "LPS"
        assert location_of(lesion, anatomy_from(anatomy)) == turned.facts["sessions"][0]["place"]


def scene(healthy: SimulatedStudy, without: tuple[int, ...] = (), seed: int = 0) -> Scene:
    """A made head to put lesions into, some structures turned to white matter."""
    anatomy = healthy.study.masks[0]
    table = structures()
    labels = np.array(table.encode(np.asarray(anatomy.data), "test"))
    labels[np.isin(anatomy.data, without)] = table.index(2)
    depth = torch.where(torch.from_numpy(labels) > 0, -8.0, 8.0)
    draws = Draws(seed, 0, torch.device("cpu"))
    return Scene(anatomy.geometry, torch.from_numpy(labels), depth, draws)


def test_a_place_that_is_not_there_has_no_lesion(worlds: Worlds) -> None:
    healthy = worlds("healthy", 1, **FINE)[0]
    fluid = (4, 43, 5, 44, 15, 31, 63, 24)
    seen = set()
    for seed in range(60):
        found = place_lesion(scene(healthy, without=fluid, seed=seed), ("t1",))
        seen.add(found.extra["place"])
        assert (found.extra["place"] is None) == (not found.layers) == (not found.facts)
        assert found.extra["place"] or found.extra["territory"] is None
    assert seen == {None, *LOBES, "brainstem", "cerebellum"}


def test_the_anatomy_is_that_of_the_label_map(worlds: Worlds) -> None:
    healthy = worlds("healthy", 1, **FINE)[0]
    ours, theirs = anatomy_of(scene(healthy)), anatomy_from(healthy.study.masks[0])
    for name in ("cerebrum", "cerebellum", "brainstem", "lateral_ventricle", "fourth_ventricle"):
        assert np.array_equal(getattr(ours, name).data != 0, getattr(theirs, name).data != 0), name
        assert getattr(ours, name).data.any()


@pytest.mark.parametrize("place", ["lateral ventricle", "fourth ventricle", "cerebellopontine angle"])
def test_what_lies_in_fluid_is_marked_there(made: list[SimulatedStudy], place: str) -> None:
    inside = []
    for study in made:
        if study.facts["sessions"][0]["place"] == place:
            anatomy, lesion = both_masks(study)
            fluid = np.isin(anatomy.data, (4, 5, 14, 15, 24, 43, 44, 31, 63))
            inside.append(float(fluid[lesion.data > 0].mean()))
    assert len(inside) >= 2
    assert min(inside) > OWN_SHARE - 0.1
