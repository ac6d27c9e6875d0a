"""How a lesion behaves from image to image: constructed signals on both sides of each threshold."""

from __future__ import annotations

import numpy as np
import pytest
from solids import ORIENTATIONS, affine_of, image_of, mask_of, stored_as

from sagittal.errors import GeometryError, InputError, LabelError
from sagittal.measure.behaviour import (
    ENHANCING_SHARE,
    RISE,
    STABLE_PERCENT,
    course,
    diffusion,
    enhancement,
)

SHAPE = (24, 22, 20)
AFFINE = affine_of((1, 1, 2), (-12, -11, -20))
LESION = np.zeros(SHAPE, bool)
LESION[8:13, 7:12, 6:10] = True  # 100 voxels
BRAIN = np.ones(SHAPE, bool)
MASK = mask_of(LESION, AFFINE)
TISSUE = 100 + 4 * np.random.default_rng(1).standard_normal(SHAPE)


def shown(inside: float, kind: str):
    """Tissue of mean 100 and standard deviation 4, with a lesion of one value."""
    return image_of(np.where(LESION, inside, TISSUE).astype(np.float32), AFFINE, kind=kind)


def diffuses(dwi: float, adc: float) -> str:
    return diffusion(shown(dwi, "dwi"), shown(adc, "adc"), MASK, "l1", mask_of(BRAIN, AFFINE))


def test_diffusion():
    assert diffuses(150, 60) == "restricted"
    assert diffuses(150, 140) == "shine-through"
    assert diffuses(100, 60) == "not restricted"
    assert diffuses(60, 60) == "not restricted"
    # On both sides of the surroundings' median.
    assert diffuses(150, 98) == "restricted" and diffuses(150, 102) == "shine-through"


def test_fluid_beside_a_lesion_does_not_hide_its_restriction():
    fluid = np.zeros(SHAPE, bool)
    fluid[13:15] = True
    adc = np.where(LESION, 80, np.where(fluid, 400, TISSUE)).astype(np.float32)
    found = diffusion(shown(150, "dwi"), image_of(adc, AFFINE, kind="adc"), MASK, "l1")
    assert found == "restricted"


def after_contrast(risen: int, rise: float, exposure: float = 1.0):
    """T1 before and after: so many of the lesion's voxels rise by a share of the tissue's median."""
    flat = np.full(SHAPE, 100.0)
    after = flat.copy()
    after[tuple(np.argwhere(LESION)[:risen].T)] += 100 * rise
    return image_of(flat, AFFINE, kind="t1"), image_of(exposure * after, AFFINE, kind="t1c")


def test_enhancement_on_both_sides_of_its_thresholds():
    enough = round(ENHANCING_SHARE * LESION.sum())
    found = enhancement(*after_contrast(enough, RISE + 1e-6), MASK, "l1")
    assert found.word == "enhancing" and found.share == pytest.approx(ENHANCING_SHARE)
    assert found.rise == pytest.approx(ENHANCING_SHARE * RISE, abs=1e-6)
    assert enhancement(*after_contrast(enough - 1, 0.9), MASK, "l1").word == "not enhancing"
    assert enhancement(*after_contrast(100, RISE - 1e-6), MASK, "l1").word == "not enhancing"


@pytest.mark.parametrize("exposure", [0.25, 7.0])
def test_exposure_is_no_enhancement(exposure):
    assert enhancement(*after_contrast(0, 0, exposure), MASK, "l1").rise == pytest.approx(0)
    assert enhancement(*after_contrast(100, 0.5, exposure), MASK, "l1").word == "enhancing"


def test_nothing_to_compare_with():
    before, after = after_contrast(100, 0.5)
    with pytest.raises(InputError, match="surroundings"):
        enhancement(before, after, MASK, "l1", MASK)
    dark = image_of(np.where(LESION, 100.0, 0.0), AFFINE, kind="t1c")
    with pytest.raises(InputError, match="no signal"):
        enhancement(before, dark, MASK, "l1")
    with pytest.raises(LabelError):
        diffusion(before, after, MASK, "l2")
    with pytest.raises(GeometryError):
        enhancement(before, image_of(np.ones(SHAPE), affine_of((1, 1, 1))), MASK, "l1")


def test_the_order_of_the_array_does_not_matter():
    before, after = after_contrast(60, 0.4)
    expected = enhancement(before, after, MASK, "l1")
    for codes in ORIENTATIONS[::5]:
        turned = mask_of(*stored_as(LESION, AFFINE, codes))
        images = [image_of(*stored_as(i.data, AFFINE, codes), kind=i.kind) for i in (before, after)]
        found = enhancement(*images, turned, "l1")
        assert (found.rise, found.share) == pytest.approx((expected.rise, expected.share))


def test_course():
    assert course(0, 0) == "absent"
    assert course(0, 0.1) == "new"
    assert course(3.0, 0) == "vanished"
    edge = STABLE_PERCENT / 100
    assert course(10, 10 * (1 + edge) + 1e-9) == "growing"
    assert course(10, 10 * (1 + edge) - 1e-9) == "stable" == course(10, 10)
    assert course(10, 10 * (1 - edge) + 1e-9) == "stable"
    assert course(10, 10 * (1 - edge) - 1e-9) == "shrinking"
