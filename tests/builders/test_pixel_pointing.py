"""Pointing at an instance: a point or a box is given only where it can mean nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.builders.pixel_qa.items import absent_names
from sagittal.builders.pixel_qa.places import measured
from sagittal.builders.pixel_qa.pointing import pointed_at, ways_of
from sagittal.builders.pixel_qa.records import Instance

SIZE = (24, 20)


def box(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[x1 : x2 + 1, y1 : y2 + 1] = True
    return mask


def instances(*given: tuple[str, np.ndarray]) -> list[Instance]:
    names = [name for name, _ in given]
    found = measured([mask for _, mask in given], names)
    return [
        Instance(name=name, mask=str(n), **vars(own))
        for n, (name, own) in enumerate(zip(names, found, strict=True))
    ]


def test_a_box_means_what_fills_half_of_it() -> None:
    for filled, ways in ((12, ["mask", "points", "box"]), (11, ["mask", "points"])):
        mask = np.zeros(SIZE, bool)
        # A box of 6 × 4 whose corners are marked; the rest from the left.
        mask[3, 5] = mask[8, 8] = True
        for x, y in [(x, y) for x in range(3, 9) for y in range(5, 9)]:
            if mask.sum() < filled:
                mask[x, y] = True
        assert mask.sum() == filled
        assert ways_of(instances(("a", mask)), 0) == ways


def test_a_box_that_is_another_class_s_too_is_not_given() -> None:
    ring = box(2, 2, 12, 12) & ~box(6, 6, 8, 8)
    for name, ways in (("b", ["mask", "points"]), ("a", ["mask", "points", "box"])):
        # The same box, the same pixels but for the hole: of its own class that is no other answer.
        found = instances(("a", ring), (name, box(2, 2, 12, 12) & ~box(7, 7, 7, 7)))
        own = ways_of(found, 0)
        assert ("box" in own) == (name == "a") and set(own) <= set(ways)


def test_what_is_covered_by_another_class_has_no_point() -> None:
    found = instances(("a", box(2, 2, 5, 5)), ("b", box(0, 0, 9, 9)))
    assert ways_of(found, 0) == ["mask", "box"]
    rng = np.random.default_rng(0)
    region, way = pointed_at(found, 0, box(2, 2, 5, 5), "points", rng)
    assert way == "mask" and np.array_equal(region, box(2, 2, 5, 5))


@pytest.mark.parametrize("way", ["mask", "points", "box"])
def test_what_is_pointed_at_lies_where_it_should(way: str) -> None:
    mask = box(3, 4, 9, 8) | box(5, 9, 6, 12)
    found = instances(("a", mask), ("b", box(15, 1, 20, 18)))
    points: set[tuple[int, int]] = set()
    for seed in range(80):
        region, given = pointed_at(found, 0, mask, way, np.random.default_rng(seed))
        again, _ = pointed_at(found, 0, mask, way, np.random.default_rng(seed))
        assert given == way and region.shape == SIZE and np.array_equal(region, again)
        if way == "points":
            [(x, y)] = np.argwhere(region).tolist()
            assert mask[x, y]
            points.add((x, y))
        else:
            np.testing.assert_array_equal(region, mask if way == "mask" else box(3, 4, 9, 12))
    # The deepest half of the time, any other else; columns are not taken for rows.
    assert way != "points" or (found[0].point in points and len(points) > 15)


def test_parts_and_wholes_of_a_present_name_are_not_absent() -> None:
    others = ["kidney", "left kidney", "kidney tumour", "Kidney", "liver", "white matter lesion", "white"]
    assert absent_names(["left kidney"], others) == ["kidney tumour", "liver", "white matter lesion", "white"]
    assert absent_names(["white matter"], others) == [
        "kidney", "left kidney", "kidney tumour", "Kidney", "liver"
    ]  # fmt: skip
    assert absent_names([], ["liver"]) == ["liver"] and absent_names(["liver"], []) == []
