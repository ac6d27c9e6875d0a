"""Each threshold on both sides: just below, exactly at, just above."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sagittal.measure.classes import (
    SHAPE_CLASSES,
    SPREAD_CLASSES,
    VOLUME_CLASSES,
    Thresholds,
    region_names,
    shape_class,
    spread_class,
    volume_class,
)

TINY = 1e-9


@pytest.mark.parametrize(
    ("border", "below", "above"),
    [
        (1, "<1%", "1-5%"), (5, "1-5%", "5-10%"), (10, "5-10%", "10-25%"), (25, "10-25%", "25-50%"),
        (50, "25-50%", "50-75%"), (75, "50-75%", ">75%"),
    ],
)  # fmt: skip
def test_volume_classes_are_closed_on_the_left(border, below, above):
    assert volume_class(border - TINY) == below
    assert volume_class(border) == above == volume_class(border + TINY)


def test_volume_class_is_total_and_na_is_for_no_voxel_only():
    assert volume_class(0) == "N/A" and volume_class(1e-12) == "<1%" and volume_class(400) == ">75%"


def test_a_focus_is_smaller_than_a_tenth_of_a_millilitre_whatever_its_form():
    for sphericity, elongation in ((0.9, 1.0), (0.1, 9.0), (None, None)):
        assert shape_class(0.1 - TINY, sphericity, elongation) == "focus"
        assert shape_class(0.1, sphericity, elongation) != "focus"
    assert shape_class(0, None, None) == "N/A"


@pytest.mark.parametrize(
    ("sphericity", "elongation", "expected"),
    [
        (0.80, 1.4, "round"), (0.80 + TINY, 1.0, "round"),
        # Just past one border of "round": not sphere-like enough and not stretched, or the reverse.
        (0.80 - TINY, 1.4, "irregular"), (0.80, 1.4 + TINY, "irregular"),
        (0.80 - TINY, 1.4 + TINY, "oval"), (0.50, 1.4 + TINY, "oval"), (0.50, 3.0, "oval"),
        (0.50 - TINY, 3.0, "irregular"), (0.50 - TINY, 1.2, "irregular"), (0.6, 1.4, "irregular"),
        (0.6, 3.0 + TINY, "elongated"), (0.9, 3.0 + TINY, "elongated"), (0.2, 3.0 + TINY, "elongated"),
        (0.9, 3.0, "irregular"),
    ],
)  # fmt: skip
def test_shape_rules_in_printed_order(sphericity, elongation, expected):
    assert shape_class(1.0, sphericity, elongation) == expected


def test_a_shape_without_its_metrics_has_no_class():
    assert shape_class(1.0, 0.5, None) is None and shape_class(1.0, None, 2.0) is None


def test_spread_classes():
    assert spread_class(0, None) == "N/A"
    assert spread_class(1, 1.0) == "single lesion"
    assert spread_class(2, 0.85) == "core with satellite lesions" == spread_class(9, 0.85 + TINY)
    assert spread_class(2, 0.85 - TINY) == "scattered lesions"


def test_regions_are_named_from_the_least_share_on():
    shares = {"frontal": 0.6, "limbic": 0.1, "insula": 0.0}
    assert region_names(shares) == ["frontal", "limbic"]
    assert region_names(shares, Thresholds(min_share=0.1)) == ["frontal", "limbic"]
    assert region_names(shares, Thresholds(min_share=0.1 + TINY)) == ["frontal"]
    assert region_names(shares, Thresholds(min_share=0.7)) == ["unlocalised"]
    assert region_names({}) == ["unlocalised"]
    assert region_names({}, Thresholds.published()) == ["N/A"]


def test_other_thresholds_move_the_borders():
    t = Thresholds(focus_ml=0.5, round_sphericity=0.7, elongated_elongation=2.0, spread_core_share=0.5,
                   volume_percent=(2, 5, 10, 25, 50, 75))  # fmt: skip
    assert shape_class(0.4, 0.9, 1, t) == "focus" and shape_class(1, 0.7, 1, t) == "round"
    assert shape_class(1, 0.6, 2.1, t) == "elongated" and spread_class(2, 0.5, t).startswith("core")
    assert volume_class(1.5, t) == "<1%"


@pytest.mark.parametrize("bad", [{"volume_percent": (1, 5)}, {"volume_percent": (5, 1, 10, 25, 50, 75)},
                                 {"min_share": 2}, {"focus_ml": 0}, {"nonsense": 1}])  # fmt: skip
def test_impossible_thresholds_are_refused(bad):
    with pytest.raises(ValidationError):
        Thresholds(**bad)


def test_thresholds_are_frozen_and_class_lists_hold_every_outcome():
    with pytest.raises(ValidationError):
        Thresholds().focus_ml = 2
    assert len(VOLUME_CLASSES) == 8 and len(SHAPE_CLASSES) == 6 and len(SPREAD_CLASSES) == 4
