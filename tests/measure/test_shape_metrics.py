"""Surface and shape: the literal appendix, analytic solids, degenerate components, all orientations."""

from __future__ import annotations

import numpy as np
import pytest
from literal_measures import component_metrics, label_metrics, mesh_area
from solids import ORIENTATIONS, affine_of, blobs, ellipsoid, mask_of, rotated, stored_as

from sagittal.measure import surface as surface_module
from sagittal.measure.block import block_of
from sagittal.measure.components import find_components
from sagittal.measure.hull import hull_volumes
from sagittal.measure.shape import METRICS, aggregate, component_shapes
from sagittal.measure.surface import surface_areas

SHEARED = np.array([[1.0, 0.2, 0.1, 3], [0, 1.3, -0.3, 4], [0, 0, 2.0, 5], [0, 0, 0, 1]])
GRIDS = {
    "1 mm": np.eye(4),
    "anisotropic": affine_of((0.7, 0.9, 3.0), (10, -4, 2)),
    "oblique": rotated((0.8, 1.2, 2.0), 25),
    "sheared": SHEARED,
}


def shapes_of(inside, affine=None):
    components = find_components(block_of(mask_of(inside, affine), "l1"))
    return components, component_shapes(components)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_component_equals_the_literal_appendix(seed, grid):
    inside, affine = blobs(seed), GRIDS[grid]
    components, shapes = shapes_of(inside, affine)
    literal = label_metrics(inside, affine[:3, :3])
    assert literal["components"] == len(components) > 10
    order = np.argsort([m["surface"] for m in literal["every"]])
    for metric in METRICS:
        expected = np.array([m[metric] for m in literal["every"]])[order]
        got = shapes.values[metric][np.argsort(shapes.surface_mm2)]
        # Sorted by surface, equal surfaces may swap: compare as sets of rows then.
        np.testing.assert_allclose(np.sort(got), np.sort(expected), rtol=2e-6)
    np.testing.assert_allclose(
        np.sort(shapes.surface_mm2), np.sort([m["surface"] for m in literal["every"]]), rtol=1e-6
    )
    whole = aggregate(shapes, components)
    for metric in METRICS:
        assert whole.values[metric] == pytest.approx(literal[metric], rel=2e-6)


@pytest.mark.parametrize("seed", range(6))
def test_areas_equal_the_mesh_of_noise_where_every_way_to_fill_a_cube_occurs(seed):
    rng = np.random.default_rng(seed)
    inside = rng.random((14, 13, 12)) < rng.uniform(0.1, 0.9)
    components = find_components(block_of(mask_of(inside), "l1"))
    for area, index in zip(surface_areas(components), range(len(components)), strict=True):
        assert area == pytest.approx(mesh_area(components.labels == index + 1, np.eye(3)), rel=1e-6)


def test_a_cube_never_holds_two_components_so_areas_add_up_to_the_whole_mesh():
    inside = blobs(3)
    components = find_components(block_of(mask_of(inside), "l1"))
    assert surface_areas(components).sum() == pytest.approx(mesh_area(inside, np.eye(3)), rel=1e-6)


def test_areas_do_not_depend_on_the_chunk(monkeypatch):
    components = find_components(block_of(mask_of(blobs(4), GRIDS["anisotropic"]), "l1"))
    whole = surface_areas(components)
    for chunk in (1, 3000):
        monkeypatch.setattr(surface_module, "_CHUNK", chunk)
        assert np.array_equal(surface_areas(components), whole)


def test_a_surface_closes_at_the_border_of_the_image():
    full = np.ones((5, 4, 3), bool)
    inner = np.pad(full, 2)
    assert shapes_of(full)[1].surface_mm2 == pytest.approx(shapes_of(inner)[1].surface_mm2)


# Solids fine enough that sampling at voxel centres itself errs by less than 1 %.
@pytest.mark.parametrize("spacing", [(1, 1, 1), (1, 1, 2.5), (0.5, 0.8, 1.2)])
@pytest.mark.parametrize("radii", [(20, 20, 20), (32, 23, 17), (14, 26, 26)])
def test_ellipsoids_have_their_volume_axes_and_a_convex_solidity(radii, spacing):
    inside = ellipsoid(radii, spacing)
    components, shapes = shapes_of(inside, affine_of(spacing))
    assert components.volumes_mm3[0] == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.01)
    # A solid ellipsoid's variance along an axis of length r is r² / 5.
    expected = np.sort(np.array(radii, float) ** 2 / 5)[::-1]
    np.testing.assert_allclose(shapes.eigenvalues[0], expected, rtol=0.02)
    one, two, three = expected
    assert shapes.values["elongation"][0] == pytest.approx(np.sqrt(one / two), rel=0.02)
    assert shapes.values["flatness"][0] == pytest.approx(np.sqrt(three / two), rel=0.02)
    assert 0.8 < shapes.values["solidity"][0] <= 1


def test_a_ball_of_fifteen_voxels_has_the_sphericity_of_the_papers_formula():
    _, shapes = shapes_of(ellipsoid((15, 15, 15)))
    assert 0.90 <= shapes.values["sphericity"][0] <= 0.93
    assert shapes.values["elongation"][0] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (2, 1, 4)])
def test_boxes_are_exact(spacing):
    inside = np.pad(np.ones((12, 8, 5), bool), 2)
    components, shapes = shapes_of(inside, affine_of(spacing))
    a, b, c = np.array((12, 8, 5)) * spacing
    assert components.volumes_mm3[0] == pytest.approx(a * b * c)
    assert shapes.values["solidity"][0] == 1
    # Marching cubes cuts edges and corners, so a little below the box's own surface.
    assert 0.9 < shapes.surface_mm2[0] / (2 * (a * b + b * c + a * c)) < 1
    variances = sorted(
        ((n * n - 1) / 12 * s * s for n, s in zip((12, 8, 5), spacing, strict=True)), reverse=True
    )
    np.testing.assert_allclose(shapes.eigenvalues[0], variances)


def test_a_shell_has_the_surface_of_both_sides_and_a_low_solidity():
    inside = ellipsoid((14, 14, 14), margin=3)
    hole = ellipsoid((9, 9, 9), margin=8)
    _, shell = shapes_of(inside & ~hole)
    outer, inner = shapes_of(inside)[1].surface_mm2[0], shapes_of(hole)[1].surface_mm2[0]
    assert shell.surface_mm2[0] == pytest.approx(outer + inner)
    solid = shapes_of(inside)[1].values["solidity"][0]
    assert shell.values["solidity"][0] == pytest.approx(solid * (inside & ~hole).sum() / inside.sum())


@pytest.mark.parametrize(
    ("size", "elongation", "flatness"),
    [((1, 1, 1), None, None), ((5, 1, 1), None, None), ((6, 3, 1), np.sqrt(35 / 8), 0.0)],
)
@pytest.mark.parametrize("grid", GRIDS)
def test_degenerate_components_have_defined_values_or_a_reason(size, elongation, flatness, grid):
    components, shapes = shapes_of(np.pad(np.ones(size, bool), 1), GRIDS[grid])
    value, reason = shapes.value(0, "elongation")
    if elongation is None:
        assert value is None and ("one line" in reason or "single voxel" in reason)
    elif grid == "1 mm":
        assert value == pytest.approx(elongation)
    assert shapes.value(0, "flatness")[0] == flatness
    for metric in ("sphericity", "compactness", "solidity"):
        assert shapes.value(0, metric)[0] > 0
    assert shapes.values["solidity"][0] == 1
    assert (shapes.eigenvalues[0] >= 0).all() and np.isfinite(shapes.eigenvalues).all()
    whole = aggregate(shapes, components)
    assert (whole.values["elongation"] is None) == ("elongation" in whole.undefined)


def test_a_diagonal_line_is_a_line_and_a_diagonal_plane_is_a_plane():
    line = np.zeros((9, 9, 9), bool)
    line[np.arange(7) + 1, np.arange(7) + 1, np.arange(7) + 1] = True
    for affine in GRIDS.values():
        _, shapes = shapes_of(line, affine)
        assert shapes.rank[0] == 1 and shapes.value(0, "elongation") == (
            None, "all voxels of the component lie on one line",
        )  # fmt: skip
    plane = np.zeros((9, 9, 9), bool)
    for i in range(6):
        plane[1:5, i + 1, i + 1] = True
    _, shapes = shapes_of(plane, GRIDS["oblique"])
    assert shapes.rank[0] == 2 and shapes.values["flatness"][0] == 0


def test_solidity_is_one_sixth_exact_and_never_above_one():
    rng = np.random.default_rng(0)
    for _ in range(40):
        inside = rng.random((4, 4, 4)) < 0.6
        components = find_components(block_of(mask_of(inside), "l1"))
        hulls = hull_volumes(components, np.arange(len(components)))
        assert (components.voxels <= hulls).all()
        np.testing.assert_array_equal(np.round(hulls * 6), hulls * 6)


@pytest.mark.parametrize("grid", ["anisotropic", "oblique"])
def test_shapes_are_the_same_in_all_48_orientations(grid):
    inside, affine = blobs(11, shape=(16, 14, 12)), GRIDS[grid]
    reference = None
    for codes in ORIENTATIONS:
        components, shapes = shapes_of(*stored_as(inside, affine, codes))
        row = np.concatenate(
            [shapes.surface_mm2, shapes.eigenvalues.ravel(), components.centroids.ravel()]
            + [shapes.values[m] for m in METRICS]
        )
        reference = row if reference is None else reference
        np.testing.assert_allclose(row, reference, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("satellite", "from_core"), [(41, True), (42, True), (43, False)])
def test_the_core_speaks_for_the_label_from_seventy_percent_on(satellite, from_core):
    inside = np.zeros((60, 12, 12), bool)
    inside[1:15, 1:8, 1] = True  # 98 voxels; 98 / (98 + 42) is 0.7
    inside[17 : 17 + satellite // 2, 5:7, 5] = True
    inside[17 + satellite // 2, 5, 5] = bool(satellite % 2)
    components, shapes = shapes_of(inside)
    assert sorted(components.voxels.tolist()) == [satellite, 98]
    assert aggregate(shapes, components).from_core == from_core
    expected = shapes.values["solidity"][components.core] if from_core else shapes.values["solidity"].mean()
    assert aggregate(shapes, components).values["solidity"] == pytest.approx(expected)


def test_the_mean_leaves_out_components_without_a_value_and_says_so():
    inside = np.zeros((20, 20, 20), bool)
    inside[1:4, 1:5, 1:6] = True
    inside[10:14, 10:13, 10:15] = True
    inside[18, 18, 18] = True
    components, shapes = shapes_of(inside)
    whole = aggregate(shapes, components)
    assert not whole.from_core
    assert whole.values["elongation"] == pytest.approx(np.nanmean(shapes.values["elongation"]))
    assert whole.values["sphericity"] == pytest.approx(shapes.values["sphericity"].mean())
    assert "2 of 3 components" in whole.notes["elongation"] and "sphericity" not in whole.notes
    dots = np.zeros((9, 9, 9), bool)
    dots[1, 1, 1] = dots[5, 5, 5] = True
    components, shapes = shapes_of(dots)
    whole = aggregate(shapes, components)
    assert whole.values["elongation"] is None and "every component" in whole.undefined["elongation"]


def test_a_component_alone_or_among_others_has_the_same_shape():
    inside = blobs(21)
    components, shapes = shapes_of(inside)
    for index in (components.core, 0, len(components) - 1):
        alone = component_metrics(components.labels == index + 1, np.eye(3))
        only = component_shapes(components, [index])
        for metric in METRICS:
            np.testing.assert_allclose(only.values[metric][0], shapes.values[metric][index])
            np.testing.assert_allclose(only.values[metric][0], alone[metric], rtol=2e-6)
