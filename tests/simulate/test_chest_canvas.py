"""The plane of a film: places there and back, outlines, bodies and tubes against analytic truths."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.simulate.chest.canvas import Canvas, closed, course

TURNED = Canvas(200, 1.5, (12.0, 90.0), np.deg2rad(17))


def circle(at: tuple[float, float], radius: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return closed(np.stack([at[0] + radius * np.cos(angle), at[1] + radius * np.sin(angle)], axis=1), 400)


@pytest.mark.parametrize("canvas", [TURNED, Canvas(64, 5.0, (0, 120))])
def test_places_come_back(canvas: Canvas) -> None:
    rows, columns = np.indices((canvas.edge, canvas.edge)).reshape(2, -1)
    np.testing.assert_allclose(canvas.pixels(canvas.places), np.stack([rows, columns], axis=1), atol=1e-9)


def test_left_is_right_and_down_is_down() -> None:
    plain = Canvas(64, 5.0, (0.0, 120.0))
    assert plain.x[0, -1] > 0 > plain.x[0, 0] and plain.y[-1, 0] > plain.y[0, 0]
    # Turned clockwise as it is shown: what was to the right goes down.
    row, column = TURNED.pixels([(60.0, 90.0)])[0]
    middle = (TURNED.edge - 1) / 2
    assert row > middle and column > middle


@pytest.mark.parametrize("radius", [20.0, 55.0])
def test_a_circle_has_its_area(radius: float) -> None:
    inside = TURNED.fill(circle((20, 80), radius))
    assert inside.sum() * TURNED.mm**2 == pytest.approx(np.pi * radius**2, rel=0.02)
    assert TURNED.x[inside].mean() == pytest.approx(20, abs=0.5)
    assert TURNED.y[inside].mean() == pytest.approx(80, abs=0.5)


def test_a_ball_is_as_deep_as_a_ball() -> None:
    radius = 50.0
    inside = TURNED.fill(circle((0, 90), radius))
    far = np.hypot(TURNED.x, TURNED.y - 90)
    wanted = np.sqrt(np.clip(1 - (far / radius) ** 2, 0, 1))
    inner = far < radius - 3
    np.testing.assert_allclose(TURNED.bulge(inside, radius)[inner], wanted[inner], atol=0.06)
    assert (TURNED.bulge(inside, radius)[~inside] == 0).all()
    assert (TURNED.bulge(np.zeros_like(inside), radius) == 0).all()


def test_what_goes_on_beyond_the_film_has_no_border_there() -> None:
    assert (TURNED.bulge(np.ones((200, 200), bool), 10.0) == 1).all()
    lower = np.zeros((200, 200), bool)
    lower[100:] = True
    assert (TURNED.bulge(lower, 10.0)[110:] == 1).all() and 0 < TURNED.bulge(lower, 10.0)[100, 0] < 0.6


def test_a_straight_tube_has_its_chord() -> None:
    line = np.stack([np.linspace(-60, 60, 400), np.full(400, 90.0)], axis=1)
    found = TURNED.tubes(line, np.full(400, 8.0))
    middle = np.abs(TURNED.x) < 50
    wanted = 2 * np.sqrt(np.clip(64 - (TURNED.y - 90) ** 2, 0, None))
    np.testing.assert_allclose(found[middle], wanted[middle], atol=0.3)
    assert (found[np.abs(TURNED.y - 90) > 8] == 0).all()


def test_a_tube_beside_the_film_is_not_there() -> None:
    assert (TURNED.tubes(np.array([(900.0, 900.0), (910.0, 900.0)]), np.array([4.0, 4.0])) == 0).all()


def test_courses_go_through_their_points() -> None:
    points = np.array([(0.0, 0.0), (10.0, 4.0), (20.0, -3.0), (31.0, 8.0)])
    found = course(points, 400)
    assert found[0] == pytest.approx(points[0]) and found[-1] == pytest.approx(points[-1])
    for point in points:
        assert np.hypot(*(found - point).T).min() < 0.1
