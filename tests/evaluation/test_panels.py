"""Panels: each question with what it was read as, its answer, and its masks as a picture."""

from __future__ import annotations

from PIL import Image as Pictures

from sagittal.asking.models import Offer
from sagittal.builders.voxel.truth import OracleToolbox, Script, Truth
from sagittal.evaluation.frozen_world import TASKS, Place, places, world_table
from sagittal.evaluation.panels import PANELS, panel_lines
from sagittal.models.checkpoint import Accepts, Card
from sagittal.simulate import HeadSet, preset, simulate

SEGMENT = 'asked = "masks: lesion"\nf = encode(t1)\nm = segment(f, "lesion")\nsay("Here it is.")\nstop()'
DECLINE = 'asked = "prognosis"\nabstain("That cannot be seen.")'


class Told:
    """Writes the program that belongs to a question, and draws the truth."""

    def __init__(self, truth: Truth, programs) -> None:
        self.truth, self.programs = truth, programs

    def check(self, images) -> None:
        pass

    def session(self, question, volumes):
        return Script([self.programs[question]]), OracleToolbox(self.truth)


def test_the_studies_are_of_the_second_world():
    assert set(PANELS) <= {place.name for place in places(world_table(TASKS))}


def test_a_panel_says_what_was_answered_and_shows_what_was_drawn(tmp_path):
    config = preset("gli").model_copy(update={"shape": (44, 52, 42), "spacing": (4.0, 4.0, 4.0)})
    (made,) = simulate(config, HeadSet.phantoms(1, 4.0), [0], seed=5)
    accepts = Accepts(kinds=("t1", "t2", "flair", "t1c"), most_volumes=8, most_sessions=4)
    card = Card(name="toy", summary="s", licence="l", data=("d",), recipe="r", limits=("l",), accepts=accepts)
    told = Told(Truth(made.study, made.facts), {"Where?": SEGMENT, "How long?": DECLINE})
    place = Place("gli", 0, config, 5)
    lines = panel_lines(
        Offer("toy", card, lambda: told), [(place, made)], tmp_path / "pictures",
        {"gli/0": ("Where?", "How long?")},
    )  # fmt: skip
    assert lines[0] == "**gli/0: Where?** Read as: masks: lesion." and "> Here it is." in lines
    assert "![Where?](pictures/gli-0-1.png)" in lines
    assert lines[-4:] == [
        "**gli/0: How long?** Read as: prognosis.", "", "> That cannot be seen.", ""
    ]  # fmt: skip
    [picture] = (tmp_path / "pictures").iterdir()
    assert Pictures.open(picture).size[0] > 300
