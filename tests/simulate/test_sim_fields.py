"""Smooth fields, travel times and the deformation: analytic truths and slow references."""

import math

import numpy as np
import pytest
import torch

from sagittal.geometry import Geometry
from sagittal.simulate.config import Deformation
from sagittal.simulate.deform import MIN_JACOBIAN, draw_affine, draw_pose, positions, push
from sagittal.simulate.draws import Draws
from sagittal.simulate.fields import blur_axis, raise_field, smooth_noise, spline_basis
from sagittal.simulate.growth import threshold_for, travel
from sagittal.simulate.heads import HeadSet


def test_splines_reproduce_straight_lines_and_sum_to_one() -> None:
    basis = spline_basis(41, 2.0, 7.0, unit_variance=False)
    knots = (torch.arange(basis.shape[1]) - 1) * 7.0
    assert torch.allclose(basis.sum(dim=1), torch.ones(41), atol=1e-6)
    assert torch.allclose(basis @ knots, torch.arange(41) * 2.0, atol=1e-4)


def test_raised_field_equals_the_literal_triple_sum() -> None:
    bases = [spline_basis(n, 1.0, 3.0, unit_variance=False) for n in (5, 6, 4)]
    size = [b.shape[1] for b in bases]
    coefficients = torch.randn(2, *size, generator=torch.Generator().manual_seed(1))
    literal = torch.einsum("xa,yb,zc,nabc->nxyz", *bases, coefficients)
    assert torch.allclose(raise_field(coefficients, bases), literal, atol=1e-5)


def test_noise_has_unit_variance_whatever_its_scale() -> None:
    generator = torch.Generator().manual_seed(0)
    for knot in (3.0, 6.0):
        field = smooth_noise((60, 60, 60), (2.0, 2.0, 2.0), knot, generator)
        assert abs(float(field.var()) - 1) < 0.1


def test_blur_keeps_a_constant_and_matches_scipy() -> None:
    from scipy.ndimage import gaussian_filter1d

    image = torch.randn(1, 9, 12, 7, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(blur_axis(torch.ones(1, 5, 5, 5), 2, 0.8), torch.ones(1, 5, 5, 5), atol=1e-6)
    reference = gaussian_filter1d(image.numpy(), 1.2, axis=2, mode="nearest", radius=3)
    assert np.allclose(blur_axis(image, 2, 1.2).numpy(), reference, atol=1e-5)


def test_travel_is_a_distance_in_open_space() -> None:
    start = torch.full((31, 31, 31), 99.0)
    start[15, 15, 15] = 0
    time = travel(torch.ones(31, 31, 31), start, (1.0, 1.0, 1.0), 99.0)
    grid = torch.stack(torch.meshgrid(*[torch.arange(31.0) - 15] * 3, indexing="ij"))
    distance = grid.norm(dim=0)
    inside = (distance > 0) & (distance < 14)
    # A 26-neighbour chamfer is exact along its moves and at most 13 % too long between them.
    assert torch.allclose(time[15, 15, 16:], torch.arange(1.0, 16.0))
    ratio = time[inside] / distance[inside]
    assert float(ratio.min()) > 0.999
    assert float(ratio.max()) < 1.13


def test_travel_goes_round_a_wall_and_waits_in_slow_tissue() -> None:
    speed = torch.ones(11, 11, 1)
    speed[5, :10] = 0
    speed[:, 10] = 0.5
    start = torch.full((11, 11, 1), 50.0)
    start[0, 0] = 0
    time = travel(speed, start, (2.0, 2.0, 2.0), 50.0)
    assert float(time[5, 3, 0]) == 50.0
    assert float(time[10, 0, 0]) > 2 * math.hypot(5, 10) * 1.5


def test_travel_matches_dijkstra() -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra

    speed = torch.rand(5, 6, 4, generator=torch.Generator().manual_seed(3)) + 0.2
    start = torch.full((5, 6, 4), 80.0)
    start[1, 2, 0] = 0
    got = travel(speed, start, (1.0, 2.0, 1.5), 80.0)
    index = np.arange(120).reshape(5, 6, 4)
    cost = 1 / speed.numpy()
    rows, columns, weights = [], [], []
    for a in np.ndindex(5, 6, 4):
        for step in np.ndindex(3, 3, 3):
            b = tuple(np.array(a) + np.array(step) - 1)
            if a != b and all(0 <= i < n for i, n in zip(b, (5, 6, 4), strict=True)):
                rows.append(index[a])
                columns.append(index[b])
                weights.append(np.linalg.norm((np.array(step) - 1) * (1.0, 2.0, 1.5)) * cost[b])
    graph = coo_matrix((weights, (rows, columns)), shape=(120, 120)).tocsr()
    wanted = dijkstra(graph, indices=index[1, 2, 0]).reshape(5, 6, 4)
    assert np.allclose(got.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("voxels", [1, 37, 500])
def test_threshold_gives_the_wanted_count(voxels: int) -> None:
    time = torch.rand(10, 10, 10, generator=torch.Generator().manual_seed(4))
    allowed = time > 0.1
    edge = threshold_for(time, allowed, voxels)
    assert int(((time < edge) & allowed).sum()) == voxels


def _jacobian(field: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    slopes = np.stack(np.gradient(field, axis=(1, 2, 3)), axis=1)
    return np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1))) / np.linalg.det(matrix)


@pytest.mark.parametrize("orientation", ["RAS", "PIL"])
def test_deformation_never_folds_even_when_asked_for_too_much(orientation: str) -> None:
    head = HeadSet.phantoms(1, 4.0).head(0)
    geometry, _, _ = Geometry((40, 46, 36), np.diag([4.0, 4.0, 4.0, 1.0])).reoriented(orientation)
    for seed in range(2):
        wild = Deformation(elastic_mm=40, fine_mm=12)
        pose = draw_pose(wild, geometry, Draws(seed, 0, torch.device("cpu")), 1400.0)
        field = positions(pose, geometry, head).numpy().astype(float)
        scale = (head.to_voxel @ pose.affine @ geometry.affine)[:3, :3]
        assert _jacobian(field, scale).min() > 0.5 * MIN_JACOBIAN


def test_mass_effect_keeps_the_map_invertible_and_the_centre_in_place() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(40.0)] * 3, indexing="ij"))
    field = torch.tensor(grid, dtype=torch.float32)
    push(field, (20, 20, 20), 12.0, 0.4, (1.0, 1.0, 1.0))
    moved = field.numpy().astype(float)
    assert np.allclose(moved[:, 20, 20, 20], 20)
    assert _jacobian(moved, np.eye(3)).min() > 0.1
    # Tissue is pushed away: what lies at 26 now lay nearer to the centre.
    assert moved[0, 26, 20, 20] < 25
    assert np.allclose(moved[:, 0, 0, 0], 0, atol=0.01)


@pytest.mark.parametrize("brain_ml", [1000.0, 1400.0, 1790.0, 2400.0])
def test_no_head_is_scaled_beyond_the_largest_brain(brain_ml: float) -> None:
    config = Deformation(scaling=0.2)
    sizes = []
    for seed in range(40):
        affine = draw_affine(config, Draws(seed, 0, torch.device("cpu")), brain_ml)
        unlimited = draw_affine(
            config.model_copy(update={"largest_brain_ml": 1e9}), Draws(seed, 0, torch.device("cpu")), brain_ml
        )
        # The shears change a volume by less than one percent at most.
        size = brain_ml / abs(np.linalg.det(affine[:3, :3]))
        free = brain_ml / abs(np.linalg.det(unlimited[:3, :3]))
        assert size == pytest.approx(min(free, config.largest_brain_ml), rel=0.02)
        sizes.append(size)
    assert max(sizes) <= config.largest_brain_ml * 1.02
