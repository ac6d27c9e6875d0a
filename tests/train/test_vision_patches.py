"""Patches show what the study shows, and their truths are the study's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sagittal.builders.voxel.structures import structure_table
from sagittal.builders.voxel.truth import Truth
from sagittal.models.voxelprompt.preparation import prepare
from sagittal.train.patches import Patches, weakened
from sagittal.train.vision_set import VisionSet, VisionSets, leaves, pathologies

EVERYWHERE = (slice(None),) * 3


def test_prepared_studies_are_what_the_networks_see_at_run_time(studies: VisionSet) -> None:
    for number in range(len(studies)):
        made, kept = studies.banks.load(number), studies.load(number)
        for given, stored in zip(prepare(made.study.images, studies.config), kept.images, strict=True):
            assert np.abs(given.data - np.asarray(stored, np.float32) / 255).max() <= 0.5 / 255 + 1e-6
            assert kept.geometry.same_grid(given.frame.grid)


def test_targets_are_the_truth(studies: VisionSet) -> None:
    for number in range(len(studies)):
        made, kept = studies.banks.load(number), studies.load(number)
        truth = Truth(made.study, made.facts)
        frame = prepare(made.study.images, studies.config)[0].frame
        for name in kept.known:
            mask = truth.mask(structure_table()[name], made.study.images[0])
            assert np.array_equal(frame.to_grid(mask) > 0, kept.target(name, EVERYWHERE)), name


def test_a_number_gives_one_patch(studies: VisionSet) -> None:
    draw = Patches(studies, 3, 24, 3, asked=3)
    first, again, other = draw(5), draw(5), draw(6)
    assert first.asked == again.asked and first.kinds == again.kinds
    assert all(torch.equal(a, b) for a, b in zip(first.volumes, again.volumes, strict=True))
    assert not all(
        a.shape == b.shape and torch.equal(a, b) for a, b in zip(first.volumes, other.volumes, strict=False)
    )


@pytest.mark.parametrize("size", [8, 24, 64])
def test_patches_hold_together(studies: VisionSet, size: int) -> None:
    draw = Patches(studies, 0, size, 3, asked=3)
    table = structure_table()
    for number in range(40):
        patch = draw(number)
        shape = patch.leaf.shape
        assert all(n <= size for n in shape)
        assert all(v.shape == (1, *shape) for v in patch.volumes)
        assert all(float(v.min()) >= 0 and float(v.max()) <= 1 for v in patch.volumes)
        assert len(patch.kinds) == len(patch.volumes) == patch.grids.streams
        assert patch.targets.shape == (3, *shape)
        assert len(set(patch.asked)) == 3
        assert patch.lesions.shape == (len(pathologies()), *shape)
        values = torch.tensor(leaves())[patch.leaf]
        for name, target in zip(patch.asked, patch.targets, strict=True):
            entry = table[name]
            if entry.is_pathology:
                at = pathologies().index(name)
                assert bool(patch.settled[at]), "what is asked for is settled"
                assert torch.equal(target, patch.lesions[at])
                assert not entry.needs or set(entry.needs) & set(patch.kinds)
            else:
                assert torch.equal(target, torch.isin(values, torch.tensor(entry.values)))


def test_what_the_images_cannot_show_is_not_settled(studies: VisionSet) -> None:
    draw = Patches(studies, 1, 16, 3, asked=1)
    enhancing = pathologies().index("enhancing tumour")
    seen = set()
    for number in range(60):
        patch = draw(number)
        settled = bool(patch.settled[enhancing])
        seen.add(settled)
        assert not settled or "t1c" in patch.kinds
    assert seen == {True, False}


def test_the_background_of_stripped_scans_stays_nothing(studies: VisionSet) -> None:
    draw = Patches(studies, 2, 64, 3, asked=1)
    for number in range(20):
        patch = draw(number)
        for volume in patch.volumes:
            assert (volume == 0).any() or volume.min() > 0


def test_enhancement_is_weakened_where_it_is_and_nowhere_else() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0.3, 0.5, (12, 12, 12)).astype(np.float32)
    values[0] = 0
    enhancing = np.zeros(values.shape, bool)
    enhancing[4:8, 4:8, 4:8] = True
    values[enhancing] = 1.0
    spared = ~enhancing
    level = np.median(values[spared & (values > 0)])
    changed = weakened(values, enhancing, spared, 0.5)
    top = np.percentile(np.where(enhancing, level + 0.5 * (values - level), values)[values > 0], 99.5)
    assert (changed[0] == 0).all() and changed.max() == 1
    # What is spared is only brought to the new range; the rise above it is half of what it was.
    clear = spared & (values / top < 1)
    np.testing.assert_allclose(changed[clear], values[clear] / top, rtol=1e-5)
    np.testing.assert_allclose(changed[enhancing], min(1, (level + 0.5 * (1 - level)) / top), rtol=1e-5)
    assert weakened(values, ~spared & False, spared, 0.5) is values
    assert weakened(values, enhancing, spared & False, 0.5) is values


def test_sets_are_numbered_one_after_the_other(studies: VisionSet) -> None:
    both = VisionSets([studies, studies])
    assert len(both) == 2 * len(studies)
    for number in (0, len(studies) - 1, len(studies), len(both) - 1):
        found, wanted = both.load(number), studies.load(number % len(studies))
        assert found.kinds == wanted.kinds and np.array_equal(found.leaf, wanted.leaf)
