"""Functions about behaviour as programs call them: what they take, refuse and leave undefined."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from toy_agent import GEOMETRY, SHAPE, Script, ToyToolbox, boxes_to_data, toy_image

from sagittal.agent.host import Host
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.study import Image

LESION = boxes_to_data([((1, 4, 2), (5, 10, 6))]) != 0
TISSUE = 100 + 4 * np.random.default_rng(1).standard_normal(SHAPE)
MASKS = 'f = encode(flair)\nm = segment(f, "whole tumour")\nb = segment(f, "brain")\n' + (
    'e = segment(f, "nothing")\n'
)


def volumes() -> dict[str, Image]:
    def lesion_of(value: float, kind: str) -> Image:
        return Image(np.where(LESION, value, TISSUE).astype(np.float32), GEOMETRY, kind, kind)

    dated = {
        name: replace(toy_image(name), acquired=when)
        for name, when in (("before", date(2024, 1, 1)), ("after", date(2024, 3, 1)))
    }
    return {
        "flair": toy_image(),
        "dwi": lesion_of(150, "dwi"),
        "adc": lesion_of(50, "adc"),
        "t1": lesion_of(90, "t1"),
        "t1c": lesion_of(160, "t1c"),
        **dated,
    }


def ask(lines: str):
    given = volumes()
    script = Script(MASKS + lines)
    outcome = converse(script, Host(STANDARD, ToyToolbox()), given)
    return outcome.measurements, script.heard[0]


def measured(lines: str):
    found, heard = ask(lines)
    assert heard.error is None, heard.text
    return found[-1]


def test_words():
    assert measured("x = diffusion(dwi, adc, m, b)").value == "restricted"
    assert measured("x = enhancement(t1, t1c, m, b)").value == "enhancing"
    assert measured("x = diffusion(dwi, adc, e, b)").undefined == "the mask is empty"
    assert measured("x = enhancement(t1, t1c, e, b)").value is None


def test_time_and_course():
    growth = 'fa = encode(before)\nfb = encode(after)\nva = volume(segment(fa, "whole tumour"))\n'
    growth += 'vb = volume(segment(fb, "whole tumour"))\n'
    # In "after" everything is one voxel wider: from 4 to 5, by a quarter.
    assert measured(growth + "x = course(va, vb)").value == "growing"
    assert measured(growth + "x = course(va, va)").value == "stable"
    time = measured(growth + "t = days(before, after)")
    assert (time.value, time.unit) == (60, "day")
    _, heard = ask(growth + "t = days(before, after)\nr = (vb - va) / t\nread(r)")
    assert heard.error is None and "mL/day" in heard.text
    assert measured("t = days(flair, after)").undefined == "a date is not known"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = diffusion(adc, dwi, m, b)", "expected dwi"),
        ("x = enhancement(t1c, t1, m, b)", "expected t1"),
        ("x = course(width(m), width(m))", "two volumes"),
        ("x = course(volume(m), volume(b))", "of one thing"),
        ("x = course(1, 2)", "two volumes"),
        ("x = days(after, before)", "lies before"),
    ],
)
def test_refused(line, expected):
    _, heard = ask(line)
    assert heard.error is not None and expected in heard.text
