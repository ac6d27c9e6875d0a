"""Functions that pick pieces, as programs call them, on the toy's boxes: spacing 1 × 2 × 3 mm."""

from __future__ import annotations

import pytest
from toy_agent import Script, ToyToolbox, ask, toy_volumes

from sagittal.agent.host import Host
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.targeting import TARGETS

# Two pieces: 8 voxels on the left, low and in front; 16 on the right, high.
LESION = 'f = encode(flair)\nm = segment(f, "scattered lesion")\nb = segment(f, "brain")\n'
TUMOUR = 't = segment(f, "whole tumour")\n'
EMPTY = 'e = segment(f, "nothing")\n'
SMALL, LARGE = 8 * 6 / 1000, 16 * 6 / 1000


def volume_of(piece: str, before: str = ""):
    outcome, script = ask(LESION + before + f"x = volume({piece})")
    assert script.heard[0].error is None, script.heard[0].text
    return outcome.measurements[-1]


def refused(piece: str) -> str:
    _, script = ask(LESION + f"x = volume({piece})")
    assert script.heard[0].error is not None
    return script.heard[0].text


@pytest.mark.parametrize(
    ("piece", "ml", "of"),
    [
        ("largest(m)", LARGE, "largest piece of scattered lesion"),
        ("smallest(m)", SMALL, "smallest piece of scattered lesion"),
        ("ranked(m, 2)", SMALL, "piece number 2 by size of scattered lesion"),
        ("ranked(m, 3)", 0, "piece number 3 by size of scattered lesion"),
        ("left_pieces(m, b)", SMALL, "pieces of scattered lesion on the left"),
        ("right_pieces(m, b)", LARGE, "pieces of scattered lesion on the right"),
        ("pieces_in(m, b)", SMALL + LARGE, "pieces of scattered lesion in brain"),
        ("pieces_in(m, t)", 0, "pieces of scattered lesion in whole tumour"),
        ("pieces_near(m, t)", SMALL + LARGE, "pieces of scattered lesion within 10 mm of whole tumour"),
        ("nearest(m, t)", SMALL, "piece of scattered lesion nearest to whole tumour"),
        ("new_pieces(t, m)", SMALL + LARGE, "new pieces of scattered lesion"),
        ("vanished_pieces(m, t)", SMALL + LARGE, "vanished pieces of scattered lesion"),
        ("nearest(m, e)", 0, "piece of scattered lesion nearest to nothing"),
        ("largest(left_pieces(e, b))", 0, "largest piece of pieces of nothing on the left"),
    ],
)
def test_pieces(piece, ml, of):
    found = volume_of(piece, TUMOUR + EMPTY)
    assert found.value == pytest.approx(ml)
    assert found.of == of


def test_distance():
    outcome, _ = ask(LESION + TUMOUR + EMPTY + "x = distance(m, t)\ny = distance(m, e)\nz = distance(t, t)")
    near, undefined, same = outcome.measurements
    # (2, 2, 2) to (2, 4, 2): two voxels of 2 mm.
    assert (near.value, near.unit, near.of) == (pytest.approx(4), "mm", "scattered lesion, whole tumour")
    assert undefined.value is None and undefined.undefined == "the mask of nothing is empty"
    assert same.value == 0


@pytest.mark.parametrize("rank", ["0", "-1", "1.5", "volume(m)"])
def test_a_rank_is_a_whole_number(rank):
    assert "whole number from 1" in refused(f"ranked(m, {rank})")


class Coarser(ToyToolbox):
    """Draws the tumour and the brain on a grid of their own: half the resolution, other directions."""

    def segment(self, features, structure, site):
        mask = super().segment(features, structure, site)
        if structure == "scattered lesion":
            return mask
        return mask.resample_to(mask.geometry.with_spacing((2, 2, 3))).reorient("LPI")


def test_other_masks_may_lie_on_other_grids():
    for line, expected in {
        "x = distance(m, t)": 4,
        "x = volume(pieces_in(m, b))": SMALL + LARGE,
        "x = volume(nearest(m, t))": SMALL,
        "x = volume(new_pieces(t, m))": SMALL + LARGE,
    }.items():
        script = Script(LESION + TUMOUR + line)
        found = converse(script, Host(STANDARD, Coarser()), toy_volumes()).measurements[-1].value
        assert script.heard[0].error is None and found == pytest.approx(expected), line


def test_every_target_is_in_the_library():
    assert set(TARGETS) <= set(STANDARD)
    assert all(function.returns in ("Mask", "number") for function in TARGETS.values())
