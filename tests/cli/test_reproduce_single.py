"""Comparisons with single-task networks: what was not trained is named and left out."""

from __future__ import annotations

from sagittal.asking.models import Offer
from sagittal.cli.reproduce_single import target_section
from sagittal.models.checkpoint import Accepts, Card
from sagittal.train.single_task import TARGETS

CARD = Card(
    name="toy", summary="s", licence="l", data=("d",), recipe="r", limits=("l",),
    accepts=Accepts(kinds=("t1",), most_volumes=1, most_sessions=1),
)  # fmt: skip


def never() -> None:
    raise AssertionError("no model is needed")


def test_without_networks_nothing_is_asked(tmp_path):
    offer = Offer("toy", CARD, never)
    where = (tmp_path / "networks", tmp_path / "data", tmp_path / "work")
    assert target_section(offer, "0", *where) == [f"No network was trained for: {', '.join(TARGETS)}.", ""]
    assert not (tmp_path / "work").exists()
