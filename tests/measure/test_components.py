"""Blocks and connected components against scipy on the whole volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from solids import ORIENTATIONS, affine_of, blobs, mask_of, stored_as

from sagittal.errors import LabelError
from sagittal.geometry import Geometry
from sagittal.measure import block as block_module
from sagittal.measure.block import block_of, cut_block, label_boxes
from sagittal.measure.components import find_components, label_touching
from sagittal.study import Mask


@pytest.mark.parametrize("seed", range(4))
def test_components_equal_scipy_on_the_full_volume(seed):
    inside = blobs(seed)
    affine = affine_of((0.9, 1.1, 2.5), (-10, 4, 7))
    labelled, count = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    index = np.arange(1, count + 1)
    expected = sorted(
        (int(n), *np.round(affine[:3, :3] @ np.array(c) + affine[:3, 3], 6))
        for n, c in zip(
            ndimage.sum_labels(inside, labelled, index),
            ndimage.center_of_mass(inside, labelled, index),
            strict=True,
        )
    )
    found = find_components(block_of(mask_of(inside, affine), "l1"))
    got = sorted((int(n), *np.round(c, 6)) for n, c in zip(found.voxels, found.centroids, strict=True))
    assert len(found) == count > 10
    assert got == expected
    assert found.core_share == max(n for n, *_ in expected) / inside.sum()


def test_boxes_and_members_put_the_label_together_again():
    inside = blobs(5)
    block = block_of(mask_of(inside), "l1")
    found = find_components(block)
    again = np.zeros(block.inside.shape, dtype=int)
    for i, (start, stop) in enumerate(found.boxes):
        member = found.member(i)
        assert member.any(axis=(1, 2))[[0, -1]].all() and member.any(axis=(0, 1))[[0, -1]].all()
        again[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] += member
    assert np.array_equal(again == 1, block.inside) and again.max() == 1


def test_corner_contact_joins_and_a_gap_of_one_voxel_parts():
    joined = np.zeros((6, 6, 6), bool)
    joined[1, 1, 1] = joined[2, 2, 2] = True
    assert len(find_components(block_of(mask_of(joined), "l1"))) == 1
    parted = np.zeros((6, 6, 6), bool)
    parted[1, 1, 1] = parted[1, 1, 3] = True
    assert len(find_components(block_of(mask_of(parted), "l1"))) == 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 3, 3), (1, 5, 7), (7, 7, 1), (4, 6, 2), (5, 4, 3)])
def test_small_odd_arrays_full_of_components_are_labelled(shape):
    dots = np.zeros(shape, bool)
    dots[::2, ::2, ::2] = True
    assert label_touching(dots)[1] == dots.sum()
    rng = np.random.default_rng(0)
    for _ in range(20):
        noise = rng.random(shape) < 0.4
        labels, count = label_touching(noise)
        expected, n = ndimage.label(noise, structure=np.ones((3, 3, 3)))
        assert count == n and labels.shape == shape
        assert len(np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1).T) == n + (not noise.all())


def test_ties_for_the_core_do_not_depend_on_how_the_array_is_stored():
    inside = np.zeros((12, 12, 12), bool)
    for x, y, z in ((9, 1, 1), (1, 9, 9), (1, 2, 9), (5, 5, 5)):
        inside[x, y, z] = inside[x + 1, y, z] = True
    affine = affine_of((1, 2, 3), (5, 6, 7))
    chosen = set()
    for codes in ORIENTATIONS:
        found = find_components(block_of(mask_of(*stored_as(inside, affine, codes)), "l1"))
        chosen.add(tuple(np.round(found.centroids[found.core], 6)))
    # Leftmost first, then hindmost, then lowest.
    assert chosen == {(6.5, 10.0, 34.0)}


def test_moments_are_exact_whatever_the_chunk(monkeypatch):
    inside = blobs(9)
    whole = find_components(block_of(mask_of(inside), "l1"))
    monkeypatch.setattr(block_module, "_CHUNK", 1)
    small = find_components(block_of(mask_of(inside), "l1"))
    for a, b in ((whole.voxels, small.voxels), (whole.first, small.first), (whole.second, small.second)):
        assert np.array_equal(a, b)
    i, j, k = np.nonzero(whole.labels == 1)
    assert whole.second[0].tolist() == [
        (a * b).sum() for a, b in ((i, i), (i, j), (i, k), (j, j), (j, k), (k, k))
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64])
@pytest.mark.parametrize("codes", ["RAS", "SPL", "LIA"])
def test_label_boxes_equal_numpy(dtype, codes):
    rng = np.random.default_rng(1)
    data = rng.choice([0, 0, 0, 3, 7, 100], size=(9, 8, 7)).astype(dtype)
    data[:, :3] = 0
    mask = mask_of(*stored_as(data, np.eye(4), codes))
    boxes = label_boxes(mask)
    assert sorted(boxes) == [3, 7, 100]
    for value, box in boxes.items():
        where = np.argwhere(mask.data == value)
        assert [s.start for s in box] == where.min(axis=0).tolist()
        assert [s.stop for s in box] == (where.max(axis=0) + 1).tolist()
        assert cut_block(mask, value, box).voxels == cut_block(mask, value).voxels == len(where)


def test_huge_label_values_need_no_huge_table():
    data = np.zeros((4, 4, 4), np.uint32)
    data[1, 2, 3], data[0, 0, 0] = 4_000_000_000, 70_000
    boxes = label_boxes(mask_of(data))
    assert boxes[4_000_000_000] == (slice(1, 2), slice(2, 3), slice(3, 4))
    assert boxes[70_000] == (slice(0, 1), slice(0, 1), slice(0, 1))
    full = label_boxes(mask_of(np.full((2, 2, 2), 70_000, np.uint32)))
    assert list(full) == [70_000]


def test_bad_labels_are_refused():
    data = np.zeros((3, 3, 3), np.int16)
    data[0, 0, 0] = -1
    with pytest.raises(LabelError, match="not negative"):
        label_boxes(Mask(data, Geometry((3, 3, 3), np.eye(4)), {}))
    empty = mask_of(np.zeros((3, 3, 3), bool))
    with pytest.raises(LabelError, match="no voxel"):
        block_of(empty, "l1")
    assert label_boxes(empty) == {}


def test_a_block_knows_its_place_in_the_masks_own_array():
    inside = np.zeros((7, 8, 9), bool)
    inside[2:4, 5, 1:6] = True
    affine = affine_of((1, 2, 3), (5, 6, 7))
    world = affine[:3, :3] @ np.argwhere(inside).mean(axis=0) + affine[:3, 3]
    for codes in ORIENTATIONS:
        mask = mask_of(*stored_as(inside, affine, codes))
        block = block_of(mask, "l1")
        assert block.inside.shape == (2, 1, 5)
        assert np.allclose(block.centroid, world)
        for index in ((0, 0, 0), (1, 0, 4)):
            own = block.own_index(index)
            assert mask.data[own] == 1
            assert np.allclose(mask.geometry.to_world(own), block.geometry.to_world(index))
