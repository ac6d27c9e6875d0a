"""Known transforms are found again, whatever the contrast and the order of the arrays."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest

from sagittal.errors import ConfigError, GeometryError, InputError, MissingExtraError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.io.registration import Registration, register
from sagittal.study import Image, Mask

needs_simpleitk = pytest.mark.skipif(
    importlib.util.find_spec("SimpleITK") is None, reason="the extra `registration` is not installed"
)
GRID = Geometry((60, 66, 56), np.array([[3.0, 0, 0, -90], [0, 3, 0, -100], [0, 0, 3, -80], [0, 0, 0, 1]]))


def head(grid: Geometry, from_world: np.ndarray, tissues: tuple[float, float, float, float]) -> np.ndarray:
    """A head without symmetry, drawn analytically: ``from_world`` takes this grid's world to the head's."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    world = grid.to_world(index)
    x, y, z = np.moveaxis(world @ from_world[:3, :3].T + from_world[:3, 3], -1, 0)
    skull, brain, left, right = tissues
    out = np.zeros(grid.shape, np.float32)
    for value, centre, radii in (
        (skull, (0, 0, 0), (70, 85, 68)),
        (brain, (0, 2, 4), (62, 76, 60)),
        (left, (-22, 15, 10), (12, 26, 14)),
        (right, (26, -18, -4), (15, 14, 22)),
        (left, (4, -45, 18), (10, 9, 12)),
    ):
        level = sum(((p - c) / r) ** 2 for p, c, r in zip((x, y, z), centre, radii, strict=True))
        out[level < 1] = value
    return out


def rigid(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    a, b, c = np.deg2rad(angles)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rz @ ry @ rx, shift
    return out


CORNERS = np.array([(x, y, z, 1) for x in (-60, 60) for y in (-75, 75) for z in (-60, 60)], dtype=float)


def error_mm(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm((CORNERS @ (found - truth).T)[:, :3], axis=1).max())


def pair(truth: np.ndarray, grid: Geometry = GRID) -> tuple[Image, Image]:
    """A fixed head, and a moving one whose world point p is the fixed world's ``truth @ p``."""
    fixed = Image(head(GRID, np.eye(4), (0.4, 1.0, 0.2, 0.7)), GRID, "t1", "fixed")
    moving = Image(head(grid, truth, (0.9, 0.5, 1.0, 0.1)), grid, "t2", "moving")
    return fixed, moving


@needs_simpleitk
@pytest.mark.parametrize(
    ("angles", "shift"), [((0, 0, 0), (0, 0, 0)), ((5, -4, 8), (6, -9, 4)), ((-3, 7, -2), (-12, 5, 8))]
)
def test_a_known_rigid_transform_is_found_within_half_a_millimetre(angles: tuple, shift: tuple) -> None:
    truth = rigid(angles, shift)
    fixed, moving = pair(truth)
    found = register(moving, fixed, seed=3)
    assert error_mm(found.matrix, truth) < 0.5
    np.testing.assert_allclose(found.matrix[:3, :3] @ found.matrix[:3, :3].T, np.eye(3), atol=1e-6)


@needs_simpleitk
def test_the_order_of_the_array_does_not_matter_and_equal_input_gives_equal_output() -> None:
    truth = rigid((4, 3, -5), (5, 6, -7))
    fixed, moving = pair(truth, GRID.reoriented("PIL")[0])
    found = register(moving, fixed, seed=1)
    assert error_mm(found.matrix, truth) < 0.5
    assert np.array_equal(found.matrix, register(moving, fixed, seed=1).matrix)


@needs_simpleitk
def test_a_known_affine_transform_is_found() -> None:
    truth = rigid((3, -2, 4), (4, -5, 3)) @ np.diag([1.06, 0.95, 1.03, 1])
    fixed, moving = pair(truth)
    assert error_mm(register(moving, fixed, kind="affine").matrix, truth) < 1.0
    assert error_mm(register(moving, fixed, kind="rigid").matrix, truth) > 1.0


@needs_simpleitk
def test_images_that_share_nothing_are_refused() -> None:
    fixed, moving = pair(np.eye(4))
    flat = Image(np.ones(GRID.shape, np.float32), GRID)
    with pytest.raises(InputError, match="contrast"):
        register(flat, fixed)
    film = Image(np.eye(9, dtype=np.float32)[:, :, None], Geometry((9, 9, 1), np.eye(4), spacing_known=False))
    with pytest.raises(SpacingUnknownError):
        register(film, fixed)
    slab = moving.crop((0, 0, 0), (60, 66, 1))
    with pytest.raises(GeometryError, match="Only volumes"):
        register(slab, fixed)
    sheared = GRID.affine.copy()
    sheared[0, 2] = 1.0
    with pytest.raises(GeometryError, match="sheared"):
        register(Image(moving.data, Geometry(GRID.shape, sheared)), fixed)
    with pytest.raises(ConfigError, match="rigid or affine"):
        register(moving, fixed, kind="elastic")


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    fixed, moving = pair(np.eye(4))
    with pytest.raises(MissingExtraError, match=r"sagittal\[registration\]"):
        register(moving, fixed)


def test_applying_moves_the_grid_and_no_voxel_and_the_record_round_trips() -> None:
    truth = rigid((10, 0, 0), (1, 2, 3))
    record = Registration(truth, "rigid", "a", "b", 0.5, 12, "done", 0, "test")
    data = np.ones((2, 3, 4), np.uint8)
    mask = Mask(data, Geometry((2, 3, 4), np.diag([1.0, 2, 3, 1])), {1: "x"})
    moved = record.apply(mask)
    assert moved.data is data and moved.labels == {1: "x"}
    point = np.array([1, 2, 3])
    expected = (truth @ np.append(mask.geometry.to_world(point), 1))[:3]
    np.testing.assert_allclose(moved.geometry.to_world(point), expected)
    again = Registration.from_json(json.loads(json.dumps(record.to_json())))
    assert np.array_equal(again.matrix, truth) and again.to_json() == record.to_json()
