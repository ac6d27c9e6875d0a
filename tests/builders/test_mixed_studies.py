"""Thick, oblique and unlike grids in one study: every task's programs run, and answer as on one grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from voxel_cases import made

from sagittal.builders.voxel.truth import Truth
from sagittal.builders.voxel_tasks import ALL_TASKS, VoxelTasksConfig, build_conversation, with_truth
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.resampling import resample
from sagittal.study import Image, Study

CONFIG = VoxelTasksConfig(tasks="all", unanswerable=0)


def thick(image: Image, angle: float = 0.15, factor: int = 3) -> Image:
    """The scan as 2D slices, tilted about the left–right axis."""
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shape = (image.shape[0], image.shape[1], -(-image.shape[2] // factor))
    grid = Geometry(shape, turn @ image.geometry.affine @ np.diag([1, 1, factor, 1.0]))
    return replace(image, data=resample(image.data, image.geometry, grid, order=1), geometry=grid)


def mixed(world: str) -> Study:
    """A study whose every second image is thick; in a study of two visits that is one of each visit."""
    study = made(world).study
    return replace(
        study, images=tuple(thick(image) if n % 2 else image for n, image in enumerate(study.images))
    )


@pytest.mark.parametrize("world", ["gli", "growth", "restriction"])
def test_every_task_runs_on_unlike_grids(world):
    study, facts = mixed(world), made(world).facts
    assert len({image.shape for image in study.images}) > 1
    truth = Truth(study, facts)
    seen = set()
    for task in ALL_TASKS:
        try:
            drawn = build_conversation(
                study, facts, np.random.default_rng(4), config=CONFIG, truth=truth, task=task.name
            )
        except InputError:
            continue
        found = with_truth(drawn, truth)
        assert not any(f.error for f in found.feedback), (drawn.programs, found.feedback)
        assert found.outcome.warnings == () and found.outcome.text
        # Masks lie on the grid of the first image that was encoded for them.
        for call in drawn.segments:
            first = drawn.volumes[call.volumes[0]]
            assert any(m.geometry.same_grid(first.geometry) for m in found.outcome.masks.values())
        seen.add(task.name)
    assert len(seen) > 40


def test_a_volume_is_the_same_whichever_grid_it_is_counted_on():
    study, facts = mixed("gli"), made("gli").facts
    truth = Truth(study, facts)
    brain = truth.table["brain"]
    volumes = []
    for image in study.images:
        mask = truth.mask(brain, image)
        volumes.append(np.count_nonzero(mask.data) * mask.geometry.voxel_volume / 1000)
    assert np.ptp(volumes) / np.mean(volumes) < 0.05
