"""The world: determinism, truth of facts, contrast of every label, mirror images."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from sagittal.errors import ConfigError, GeometryError, InputError, LabelError
from sagittal.geometry import Geometry
from sagittal.simulate import HeadSet, SimulatedStudy, WorldConfig, make_head, preset, simulate
from sagittal.simulate.config import PRESETS, Artefacts, Contrast, Deformation
from sagittal.simulate.phantom import phantom_labels
from sagittal.simulate.tissues import structures, tissues
from sagittal.study import Mask

Worlds = Callable[..., list[SimulatedStudy]]
STILL = Deformation(rotation_deg=0, scaling=0, shear=0, translation_mm=0, elastic_mm=0, fine_mm=0, flip=0)
TISSUE = Artefacts(bias=0, thick_slices=0)
CLEAN = Artefacts(bias=0, noise=0, blur_mm=0, thick_slices=0, gamma=0)


def _mask(made: SimulatedStudy, name: str, session: str = "") -> Mask:
    return next(m for m in made.study.masks if m.name == name and m.session == session)


def _same(a: SimulatedStudy, b: SimulatedStudy) -> bool:
    pixels = zip(a.study.images + a.study.masks, b.study.images + b.study.masks, strict=True)
    return a.facts == b.facts and all(np.array_equal(x.data, y.data) for x, y in pixels)


def test_a_study_depends_on_its_index_alone(worlds: Worlds, phantoms: HeadSet) -> None:
    config = preset("gli").model_copy(update={"shape": (52, 60, 50), "spacing": (3.5, 3.5, 3.5)})
    together = worlds("gli", 4)
    for index in (3, 1):
        [alone] = simulate(config, HeadSet.phantoms(2, 3.0), [index], seed=5)
        assert _same(alone, together[index])
    [other] = simulate(config, phantoms, [3], seed=6)
    assert not _same(other, together[3])


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_facts_count_the_voxels_of_the_masks(worlds: Worlds, name: str) -> None:
    for made in worlds(name, 4):
        json.dumps(made.facts, allow_nan=False)
        for image in made.study.images:
            assert np.isfinite(image.data).all()
            assert image.data.dtype == np.float32
        for session in made.facts["sessions"]:
            if not session["labels"]:
                assert all(m.name == "anatomy" for m in made.study.masks)
                continue
            mask = _mask(made, "lesions", session["session"])
            for label, truth in session["labels"].items():
                voxels = int((mask.data == mask.value_of(label)).sum())
                assert truth["voxels"] == voxels
                assert truth["volume_ml"] == pytest.approx(voxels * mask.geometry.voxel_volume / 1000)
            lesions = session["lesions"]
            assert sum(one["voxels"] for one in lesions) == int((mask.data > 0).sum())
            if len(lesions) == 1 and lesions[0]["voxels"]:
                centre = mask.geometry.to_world(np.argwhere(mask.data > 0).mean(axis=0))
                assert np.allclose(lesions[0]["centroid_ras_mm"], centre, atol=1e-3)


def test_tumours_lie_inside_the_brain(worlds: Worlds) -> None:
    table = structures()
    brain = {int(table.values[i]) for i in np.flatnonzero(table.parenchyma)}
    for made in worlds("pre", 24, artefacts=TISSUE):
        lesions, anatomy = _mask(made, "lesions").data, _mask(made, "anatomy").data
        assert (lesions > 0).any()
        assert np.isin(anatomy[lesions > 0], list(brain)).all()
        for image in made.study.images:
            assert (image.data[lesions > 0] != 0).mean() > 0.999


def _contrast(
    worlds: Worlds, world: str, label: str, kind: str, reference: str = "white", least: int = 12
) -> np.ndarray:
    """Mean of a label over mean of normal white matter (or a structure), in every study that has both."""
    ratios = []
    # Tissue is compared here, so what mixes it (thick slices) or shades it (bias) is left out.
    for made in worlds(world, 24, artefacts=TISSUE):
        lesions, anatomy = _mask(made, "lesions"), _mask(made, "anatomy").data
        inside = lesions.data == lesions.value_of(label)
        values = (2, 41) if reference == "white" else (4, 43)
        normal = np.isin(anatomy, values) & (lesions.data == 0)
        if inside.sum() >= least and normal.sum() >= least:
            image = made.study.image(kind).data
            ratios.append(image[inside].mean() / image[normal].mean())
    assert len(ratios) >= 8
    return np.array(ratios)


def test_enhancing_tumour_is_brighter_than_white_matter_after_contrast(worlds: Worlds) -> None:
    ratios = np.concatenate([_contrast(worlds, w, "ET", "t1c") for w in ("pre", "gli")])
    assert len(ratios) >= 20
    assert (ratios > 1).mean() >= 0.95
    assert (_contrast(worlds, "pre", "ET", "t1") < 1).mean() >= 0.8


def test_swelling_is_bright_on_flair_and_t2(worlds: Worlds) -> None:
    for kind in ("flair", "t2"):
        ratios = np.concatenate([_contrast(worlds, w, "SNFH", kind) for w in ("pre", "gli")])
        assert len(ratios) >= 20
        assert (ratios > 1.1).mean() >= 0.95


def test_cavities_look_like_fluid(worlds: Worlds) -> None:
    ratios = _contrast(worlds, "gli", "RC", "t2", reference="ventricle")
    assert 0.75 < np.median(ratios) < 1.45
    assert (_contrast(worlds, "gli", "RC", "t2") > 1.3).mean() >= 0.95
    # On T1 fluid is near black, and a ratio to it says little: it is far below white matter.
    assert (_contrast(worlds, "gli", "RC", "t1") < 0.75).mean() >= 0.95
    assert (_contrast(worlds, "gli", "RC", "flair") < 1.2).mean() >= 0.7


def test_healthy_tissues_keep_their_order() -> None:
    from sagittal.simulate.draws import Draws
    from sagittal.simulate.intensity import draw_look

    table = tissues()
    white, grey, fluid = (table.index(n) for n in ("white_matter", "cortex", "ventricle"))
    looks = [
        draw_look(("t1", "t2", "flair", "ct"), Contrast(), Draws(1, k, torch.device("cpu")))
        for k in range(60)
    ]
    t1, t2, flair, ct = np.stack([look.signal for look in looks]).transpose(1, 2, 0)
    assert ((t1[white] > t1[grey]) & (t1[grey] > t1[fluid])).all()
    assert ((t2[white] < t2[grey]) & (t2[grey] < t2[fluid])).all()
    assert ((flair[fluid] < flair[white]) & (flair[white] < flair[grey])).all()
    assert ((ct[fluid] < ct[white]) & (ct[white] < ct[grey])).mean() > 0.95


def test_a_mirror_image_swaps_the_sides(phantoms: HeadSet) -> None:
    base = WorldConfig(
        pathology="healthy", sequences=("t1",), shape=(52, 60, 50), spacing=(3.5, 3.5, 3.5), skull_strip=0,
        artefacts=CLEAN, contrast=Contrast(vessels=False), deformation=STILL,
    )  # fmt: skip
    flipped = base.model_copy(update={"deformation": STILL.model_copy(update={"flip": 1.0})})
    [plain], [mirror] = (simulate(c, phantoms, [0], 3) for c in (base, flipped))
    assert mirror.facts["flipped"]
    assert not plain.facts["flipped"]
    for made in (plain, mirror):
        anatomy = _mask(made, "anatomy")
        for left, right in ((2, 41), (17, 53), (8, 47)):
            x = [
                anatomy.geometry.to_world(np.argwhere(anatomy.data == v))[:, 0].mean() for v in (left, right)
            ]
            # World x grows towards the patient's right.
            assert x[0] < 0 < x[1]
    a, b = (_mask(m, "anatomy") for m in (plain, mirror))
    swap = dict(zip(structures().values, structures().values[structures().mirror], strict=True))
    swapped = np.vectorize(swap.get)(a.data[::-1])
    assert (swapped == b.data).mean() > 0.99


@pytest.mark.parametrize("orientation", ["LPS", "AIR"])
def test_orientation_changes_the_array_and_not_the_world(phantoms: HeadSet, orientation: str) -> None:
    base = WorldConfig(pathology="healthy", sequences=("t1",), shape=(40, 48, 40), spacing=(4, 4, 5),
                       artefacts=CLEAN, deformation=STILL, skull_strip=0)  # fmt: skip
    [plain] = simulate(base, phantoms, [1], 0)
    [turned] = simulate(base.model_copy(update={"orientation": orientation}), phantoms, [1], 0)
    assert turned.study.images[0].geometry.orientation == orientation
    back = _mask(turned, "anatomy").reorient("RAS")
    assert back.geometry.same_grid(plain.study.images[0].geometry)
    assert (back.data == _mask(plain, "anatomy").data).mean() > 0.995


def test_still_head_gives_back_its_own_labels() -> None:
    labels = phantom_labels(4.0)
    geometry = Geometry(labels.shape, np.diag([4.0, 4.0, 4.0, 1.0]))
    mask = Mask(labels.astype(np.uint16), geometry, {int(v): str(v) for v in np.unique(labels) if v})
    head = make_head(mask, "own")
    table = structures()
    values = table.values[head.labels.numpy()]
    for value in (2, 41, 10, 49, 16):
        assert (values == value).sum() == (labels == value).sum()
    assert head.labels[0].max() == 0
    assert (head.depth[head.labels == table.index(2)] < 0).all()


def test_growth_is_what_the_facts_say(worlds: Worlds) -> None:
    checked = 0
    for made in worlds("growth", 16, spacing=(2.5, 2.5, 2.5), shape=(72, 84, 70)):
        early, late = made.facts["sessions"]
        for course in late["growth"]:
            sizes = []
            for facts in (early, late):
                mine = [one for one in facts["lesions"] if one["number"] == course["lesion"]]
                sizes.append(
                    sum(v for one in mine for k, v in one["by_label"].items() if k in ("ET", "NETC"))
                )
            if course["course"] == "new":
                assert sizes[0] == 0
                assert sizes[1] > 0
            elif course["ratio"] and len(late["lesions"]) == 1 and min(sizes) > 1.0:
                assert sizes[1] / sizes[0] == pytest.approx(course["ratio"], rel=0.02)
                checked += 1
    assert checked >= 4


def test_restriction_and_enhancement_show_in_the_images(worlds: Worlds) -> None:
    for made in worlds("restriction", 16):
        [session] = made.facts["sessions"]
        [one] = session["lesions"]
        if session["restricts_diffusion"]:
            assert one["signal"]["adc"]["ratio"] < 0.9
            assert one["signal"]["dwi"]["ratio"] > 1.2
        elif one["tissue"] == "shine_through":
            assert one["signal"]["adc"]["ratio"] > 1.1
    for made in worlds("enhancement", 16):
        [session] = made.facts["sessions"]
        [one] = session["lesions"]
        gain = one["signal"]["t1c"]["ratio"] / one["signal"]["t1"]["ratio"]
        assert gain > 1.4 if session["enhances"] else gain < 1.4


def test_random_contrast_is_called_mr_and_differs_between_studies(phantoms: HeadSet) -> None:
    config = preset("lesion").model_copy(
        update={"contrast": Contrast(random=1.0), "shape": (40, 46, 40), "spacing": (4.5, 4.5, 4.5)}
    )
    made = simulate(config, phantoms, range(2), 0)
    assert {i.kind for m in made for i in m.study.images} == {"mr"}


def test_ct_keeps_hounsfield_units(phantoms: HeadSet) -> None:
    config = WorldConfig(pathology="healthy", sequences=("ct",), skull_strip=0, shape=(52, 60, 50),
                         spacing=(3.5, 3.5, 3.5))  # fmt: skip
    [made] = simulate(config, phantoms, [0], 0)
    anatomy, image = _mask(made, "anatomy").data, made.study.images[0].data
    assert 20 < np.median(image[np.isin(anatomy, (2, 41))]) < 40
    assert -1 < np.median(image[np.isin(anatomy, (4, 43))]) < 20
    assert np.median(image[anatomy == 0]) < -900


def test_bad_settings_are_refused(phantoms: HeadSet) -> None:
    with pytest.raises(ConfigError):
        WorldConfig(sequences=("t1", "sound"))
    with pytest.raises(ConfigError):
        preset("nowhere")
    with pytest.raises(ConfigError):
        simulate(preset("gli"), phantoms, [-1], 0)
    with pytest.raises(GeometryError):
        simulate(WorldConfig(orientation="XYZ"), phantoms, [0], 0)


def test_strange_heads_are_refused() -> None:
    geometry = Geometry((8, 8, 8), np.eye(4))
    odd = np.full((8, 8, 8), 999, dtype=np.uint16)
    with pytest.raises(LabelError, match="FreeSurfer"):
        make_head(Mask(odd, geometry, {999: "odd"}), "odd")
    half = np.full((8, 8, 8), 2, dtype=np.uint16)
    with pytest.raises(InputError, match="white matter"):
        make_head(Mask(half, geometry, {2: "left"}), "half")
