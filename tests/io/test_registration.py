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
GRID = Geometry((90, 100, 84), np.array([[2.0, 0, 0, -90], [0, 2, 0, -100], [0, 0, 2, -80], [0, 0, 0, 1]]))

SMALL = GRID.with_spacing((8, 8, 8))


def head(grid: Geometry, from_world: np.ndarray, tissues: tuple[float, float, float, float]) -> np.ndarray:
    """A head without symmetry, drawn analytically: ``from_world`` takes this grid's world to the head's."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    world = grid.to_world(index)
    x, y, z = np.moveaxis(world @ from_world[:3, :3].T + from_world[:3, 3], -1, 0)
    skull, brain, left, right = tissues
    folds = np.cos(x / 9 + 1) * np.cos(y / 11) * np.cos(z / 8 - 1)
    out = np.zeros(grid.shape)
    for value, centre, radii in (
        (skull, (0, 0, 0), (70, 85, 68)),
        (brain + (right - brain) * (folds > 0.2), (0, 2, 4), (62, 76, 60)),
        (left, (-22, 15, 10), (12, 26, 14)),
        (right, (26, -18, -4), (15, 14, 22)),
        (left, (4, -45, 18), (10, 9, 12)),
    ):
        level = sum(((p - c) / r) ** 2 for p, c, r in zip((x, y, z), centre, radii, strict=True))
        # Edges some millimetres wide, as a scanner draws them.
        inside = 1 / (1 + np.exp((np.sqrt(level) - 1) * min(radii) / 1.5))
        out = out * (1 - inside) + value * inside
    return out.astype(np.float32)


def rigid(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    a, b, c = np.deg2rad(angles)
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = rz @ ry @ rx, shift
    return out


# Points on the brain's surface: its six poles, and eight between them.
_SIGNS = [
    (x, y, z)
    for x in (-1, 0, 1)
    for y in (-1, 0, 1)
    for z in (-1, 0, 1)
    if abs(x) + abs(y) + abs(z) in (1, 3)
]
SURFACE = np.array([np.append(np.array(s) / np.linalg.norm(s) * (62, 76, 60), 1) for s in _SIGNS])


def error_mm(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm((SURFACE @ (found - truth).T)[:, :3], axis=1).max())


def pair(truth: np.ndarray, grid: Geometry = GRID, codes: str = "RAS") -> tuple[Image, Image]:
    """A fixed head, and a moving one whose world point p is the fixed world's ``truth @ p``."""
    fixed = Image(head(grid, np.eye(4), (0.4, 1.0, 0.2, 0.7)), grid, "t1", "fixed")
    moving = Image(head(grid, truth, (0.9, 0.5, 1.0, 0.1)), grid, "t2", "moving")
    return fixed, moving.reorient(codes)


@needs_simpleitk
@pytest.mark.parametrize(
    ("angles", "shift", "codes"), [((5, -4, 8), (6, -9, 4), "RAS"), ((-3, 7, -2), (-12, 5, 8), "PIL")]
)
def test_a_known_rigid_transform_is_found_within_half_a_millimetre(
    angles: tuple, shift: tuple, codes: str
) -> None:
    truth = rigid(angles, shift)
    fixed, moving = pair(truth, codes=codes)
    found = register(moving, fixed, seed=0)
    assert error_mm(found.matrix, truth) < 0.5
    np.testing.assert_allclose(found.matrix[:3, :3] @ found.matrix[:3, :3].T, np.eye(3), atol=1e-6)


@needs_simpleitk
def test_a_known_affine_transform_is_found_and_equal_input_gives_equal_output() -> None:
    truth = rigid((3, -2, 4), (4, -5, 3)) @ np.diag([1.06, 0.95, 1.03, 1])
    fixed, moving = pair(truth, GRID.with_spacing((4, 4, 4)))
    found = register(moving, fixed, kind="affine", seed=1)
    assert error_mm(found.matrix, truth) < 1.5
    only_rigid = register(moving, fixed, kind="rigid", seed=1)
    assert error_mm(only_rigid.matrix, truth) > 1.5
    assert np.array_equal(only_rigid.matrix, register(moving, fixed, kind="rigid", seed=1).matrix)


@needs_simpleitk
def test_images_that_cannot_be_registered_are_refused() -> None:
    fixed, moving = pair(np.eye(4), SMALL)
    flat = Image(np.ones(SMALL.shape, np.float32), SMALL)
    with pytest.raises(InputError, match="contrast"):
        register(flat, fixed)
    film = Image(np.eye(9, dtype=np.float32)[:, :, None], Geometry((9, 9, 1), np.eye(4), spacing_known=False))
    with pytest.raises(SpacingUnknownError):
        register(film, fixed)
    slab = moving.crop((0, 0, 0), (*moving.shape[:2], 1))
    with pytest.raises(GeometryError, match="Only volumes"):
        register(slab, fixed)
    sheared = SMALL.affine.copy()
    sheared[0, 2] = 1.0
    with pytest.raises(GeometryError, match="sheared"):
        register(Image(moving.data, Geometry(SMALL.shape, sheared)), fixed)
    with pytest.raises(ConfigError, match="rigid or affine"):
        register(moving, fixed, kind="elastic")


def test_without_simpleitk_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    fixed, moving = pair(np.eye(4), SMALL)
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
