"""Nearest points against a table of all distances, in processes that keep denormal numbers and in others."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sagittal.measure.points import Points


@pytest.mark.parametrize("seed", range(3))
def test_against_all_distances(seed):
    rng = np.random.default_rng(seed)
    known, asked = rng.uniform(-200, 200, (60, 3)), rng.uniform(-200, 200, (90, 3))
    table = np.linalg.norm(asked[:, None] - known[None], axis=-1)
    np.testing.assert_allclose(Points(known).distances(asked), table.min(axis=1), atol=1e-6)


def test_whole_voxels_are_whole_numbers():
    grid = np.argwhere(np.ones((5, 6, 7))) - 3.0
    assert set(Points(grid).distances(grid + np.array([7.0, 0.0, 0.0]))) == {3.0, 4.0, 5.0, 6.0, 7.0}


def test_a_process_that_flushes_denormal_numbers_lives():
    """A plain tree over these points ends it: it splits at 0."""
    program = (
        "import numpy as np, torch\n"
        "from sagittal.measure.points import Points\n"
        "assert torch.set_flush_denormal(True)\n"
        "flat = np.array([[x, y, 0.0] for x in range(-60, 60) for y in range(-60, 60)])\n"
        "flat[:7200, 0] = 0.0\n"
        "assert Points(flat).distances(np.array([[0.0, 0.0, 3.0]]))[0] == 3.0\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
