"""Intensities and contrast against numpy and scipy on the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from solids import ORIENTATIONS, affine_of, blobs, ellipsoid, image_of, mask_of, rotated, stored_as

from sagittal.errors import GeometryError, InputError
from sagittal.measure.block import block_of
from sagittal.measure.intensity import CONTRAST_SD, intensity, relative_intensity, surroundings, values_in


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8])
def test_mean_sd_median_and_snr_equal_numpy(dtype):
    inside = blobs(1)
    data = np.random.default_rng(0).normal(100, 20, inside.shape).clip(0, 255).astype(dtype)
    found = intensity(image_of(data), block_of(mask_of(inside), "l1"))
    values = data[inside].astype(np.float64)
    assert found.mean == pytest.approx(values.mean()) and found.sd == pytest.approx(values.std())
    assert found.median == np.median(values) and found.snr == pytest.approx(values.mean() / values.std())


def test_image_and_mask_may_store_one_grid_in_any_two_ways():
    inside, affine = blobs(2, shape=(8, 7, 6)), rotated((1, 2, 3), 12)
    data = np.arange(inside.size, dtype=float).reshape(inside.shape)
    block = block_of(mask_of(*stored_as(inside, affine, "PIR")), "l1")
    for codes in ORIENTATIONS:
        values = values_in(image_of(*stored_as(data, affine, codes)), block)
        assert np.array_equal(np.sort(values), np.sort(data[inside]))
        assert np.array_equal(values, values_in(image_of(data, affine), block))


def test_a_constant_label_has_no_signal_to_noise_ratio():
    inside = ellipsoid((3, 3, 3))
    found = intensity(image_of(np.full(inside.shape, 7.0)), block_of(mask_of(inside), "l1"))
    assert (found.mean, found.sd, found.snr) == (7, 0, None) and "same intensity" in found.undefined


def test_a_far_from_zero_mean_costs_the_deviation_no_digits():
    inside = ellipsoid((3, 3, 3))
    data = (1e6 + np.random.default_rng(0).normal(0, 1, inside.shape)).astype(np.float32)
    found = intensity(image_of(data), block_of(mask_of(inside), "l1"))
    assert found.sd == pytest.approx(data[inside].astype(float).std(), rel=1e-9)


def test_other_grids_colour_and_nan_are_refused():
    inside = ellipsoid((3, 3, 3))
    block = block_of(mask_of(inside), "l1")
    with pytest.raises(GeometryError, match="own grid"):
        intensity(image_of(np.zeros(inside.shape), affine_of((1, 1, 2))), block)
    with pytest.raises(InputError, match="grey"):
        intensity(image_of(np.zeros((*inside.shape, 3), np.uint8)), block)
    data = np.zeros(inside.shape)
    data[0, 0, 0] = np.nan
    assert intensity(image_of(data), block).mean == 0
    data[tuple(n // 2 for n in inside.shape)] = np.nan
    with pytest.raises(InputError, match="finite"):
        intensity(image_of(data), block)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 1.5, 3)])
def test_the_shell_equals_distances_on_the_full_volume(spacing):
    inside = ellipsoid((5, 6, 7), spacing, margin=5)
    data = inside.astype(np.uint8)
    data[:3] = 2
    brain = np.ones(inside.shape, np.uint8)
    brain[:, :4] = 0
    affine = affine_of(spacing)
    mask = mask_of(data, affine)
    shell = surroundings(mask, "l1", mask_of(*stored_as(brain, affine, "PSL")), shell_mm=4)
    away = ndimage.distance_transform_edt(data != 1, sampling=spacing)
    assert np.array_equal(shell.data != 0, (away <= 4) & (data == 0) & (brain != 0))
    assert shell.labels == {1: "4 mm around l1"}


def test_a_label_without_surroundings_says_so():
    mask = mask_of(np.ones((4, 4, 4), bool))
    with pytest.raises(InputError, match="no surroundings"):
        surroundings(mask, "l1")


@pytest.mark.parametrize(
    ("shift", "word"),
    [
        (CONTRAST_SD, "hyperintense"), (CONTRAST_SD - 1e-9, "isointense"), (0, "isointense"),
        (-CONTRAST_SD + 1e-9, "isointense"), (-CONTRAST_SD, "hypointense"),
    ],
)  # fmt: skip
def test_words_change_exactly_at_the_threshold(shift, word):
    data = np.zeros((2, 4, 4))
    data[0, ::2], data[0, 1::2] = -1, 1
    data[1] = shift
    place = np.ones((2, 4, 4), np.uint8)
    place[1] = 2
    mask = mask_of(place)
    found = relative_intensity(image_of(data), block_of(mask, "l2"), block_of(mask, "l1"), "there")
    assert (found.reference_mean, found.reference_sd) == (0, 1)
    assert found.word == word and found.difference_sd == pytest.approx(shift)


def test_a_constant_reference_has_no_scale_but_still_a_word():
    data = np.zeros((2, 4, 4))
    place = np.ones((2, 4, 4), np.uint8)
    place[1] = 2
    mask = mask_of(place)
    for level, word in ((0.1, "hyperintense"), (0, "isointense"), (-0.1, "hypointense")):
        data[1] = level
        found = relative_intensity(image_of(data), block_of(mask, "l2"), block_of(mask, "l1"), "there")
        assert (found.word, found.difference_sd) == (word, None)
