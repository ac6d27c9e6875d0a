"""Regions from a head's own anatomy: structures by value, lobes by proportion, nothing for fluid."""

from __future__ import annotations

import numpy as np
import pytest

from sagittal.errors import LabelError
from sagittal.geometry import Geometry
from sagittal.measure.anatomy_atlas import REGIONS, anatomy_atlas
from sagittal.measure.describe import describe
from sagittal.measure.proportions import LOBES, frame_of, lobes_at
from sagittal.study import Mask

SHAPE = (60, 80, 50)
NAMES = {
    2: "Left-Cerebral-White-Matter", 3: "Left-Cerebral-Cortex", 4: "Left-Lateral-Ventricle",
    10: "Left-Thalamus", 16: "Brain-Stem", 17: "Left-Hippocampus", 8: "Left-Cerebellum-Cortex",
}  # fmt: skip


def anatomy(orientation: str = "RAS") -> Mask:
    data = np.zeros(SHAPE, np.uint8)
    data[5:55, 5:75, 15:45] = 2
    data[5:8, 5:75, 15:45] = 3
    data[25:30, 30:50, 28:36] = 4
    data[30:34, 35:45, 24:30] = 10
    data[12:16, 35:45, 20:24] = 17
    data[26:34, 36:44, 2:15] = 16
    data[15:45, 10:30, 3:15] = 8
    geometry = Geometry(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))
    mask = Mask(data, geometry, {v: NAMES[v] for v in np.unique(data) if v}, "anatomy")
    return mask.reorient(orientation)


def region_at(mask: Mask, values: tuple[int, ...]) -> set[str]:
    codes = anatomy_atlas(mask).mask.data[np.isin(mask.data, values)]
    return {REGIONS[code - 1] if code else "" for code in np.unique(codes)}


def test_structures_go_to_their_regions() -> None:
    made = anatomy()
    assert region_at(made, (10,)) == {"subcortical"}
    assert region_at(made, (17,)) == {"limbic"}
    assert region_at(made, (16,)) == {"brainstem"}
    assert region_at(made, (8,)) == {"cerebellum"}
    assert region_at(made, (0, 4)) == {""}


def test_hemispheres_go_to_lobes_by_proportion() -> None:
    made = anatomy()
    cerebrum = np.isin(made.data, (2, 3, 10, 17))
    frame = frame_of(Mask(cerebrum.view(np.uint8), made.geometry, {1: "cerebrum"}))
    place = np.argwhere(np.isin(made.data, (2, 3)))
    lobes = lobes_at(frame, made.geometry.to_world(place))
    codes = anatomy_atlas(made).mask.data[tuple(place.T)]
    words = np.array([name.removesuffix(" lobe") for name in LOBES])
    assert (np.array(REGIONS)[codes - 1] == words[lobes]).all()
    assert len(np.unique(codes)) == 5


@pytest.mark.parametrize("orientation", ["LPS", "ASR", "IPL"])
def test_the_order_of_the_axes_changes_nothing(orientation: str) -> None:
    there = anatomy_atlas(anatomy(orientation)).mask.reorient("RAS")
    assert (there.data == anatomy_atlas(anatomy()).mask.data).all()


def test_a_label_is_described_by_it_without_a_warning() -> None:
    made = anatomy()
    lesion = np.zeros(SHAPE, np.uint8)
    lesion[31:33, 36:40, 25:28] = 1
    found = describe(Mask(lesion, made.geometry, {1: "ET"}), atlas=anatomy_atlas(made))
    assert found.labels["ET"].regions == {"subcortical": 1.0}
    assert not [warning for warning in found.warnings if "atlas" in warning]


def test_a_map_without_hemispheres_is_refused() -> None:
    made = anatomy()
    data = np.where(made.data == 16, made.data, 0)
    with pytest.raises(LabelError, match="no hemisphere"):
        anatomy_atlas(Mask(data, made.geometry, {16: "Brain-Stem"}))
