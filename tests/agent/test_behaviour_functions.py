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
from sagittal.geometry import Geometry
from sagittal.resampling import resample
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


def test_images_of_one_visit_may_lie_on_two_grids():
    """The second image on slices three times as thick, oblique by a few degrees: the same words."""
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]]
    thick = Geometry((22, 24, 5), turn @ np.diag([1.0, 2.0, 9.0, 1.0]) + np.eye(4)[:, [0]] * [[0, 0, 0, -2]])
    for lines in ("x = diffusion(dwi, adc, m, b)", "x = enhancement(t1, t1c, m, b)"):
        given = volumes()
        for kind in ("adc", "t1c"):
            data = resample(given[kind].data, GEOMETRY, thick, order=1, fill=100)
            given[kind] = replace(given[kind], data=data, geometry=thick)
        found = converse(Script(MASKS + lines), Host(STANDARD, ToyToolbox()), given).measurements[-1]
        assert found.value == measured(lines).value in ("restricted", "enhancing")


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


def test_growth_a_month():
    growth = 'va = volume(segment(encode(before), "whole tumour"))\n'
    growth += 'vb = volume(segment(encode(after), "whole tumour"))\n'
    found = measured(growth + "r = growth_rate(va, vb, days(before, after))")
    # 4 × 6 × 4 voxels of 6 mm³ become 5 × 6 × 4 in 60 days.
    assert found.unit == "mL/month" and found.value == pytest.approx(24 * 6 / 1000 / 60 * 30.44)
    back = measured(growth + "r = growth_rate(vb, va, days(before, after))")
    assert back.value == pytest.approx(-found.value)
    unknown = measured(growth + "r = growth_rate(va, vb, days(flair, after))")
    assert unknown.value is None and unknown.undefined == "a date is not known"
    same = measured(growth + "r = growth_rate(va, vb, days(after, after))")
    assert same.undefined == "both visits are on one day"


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_diffusivity_whatever_the_map_is_stored_in(scale):
    values = np.where(LESION, 0.5, 0.8).astype(np.float32) * scale
    given = {**volumes(), "adc": Image(values, GEOMETRY, "adc", "adc")}
    script = Script(MASKS + "x = diffusivity(adc, m)")
    found = converse(script, Host(STANDARD, ToyToolbox()), given).measurements[-1]
    assert found.value == pytest.approx(0.5, rel=1e-6) and found.unit == "×10⁻³ mm²/s"


def test_a_picture_of_a_map_has_no_diffusivity():
    # Stretched to 0-255, the median says nothing of the unit.
    assert "cannot be told" in measured("x = diffusivity(adc, m)").undefined


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = diffusion(adc, dwi, m, b)", "expected dwi"),
        ("x = enhancement(t1c, t1, m, b)", "expected t1"),
        ("x = course(width(m), width(m))", "two volumes"),
        ("x = course(volume(m), volume(b))", "of one thing"),
        ("x = course(1, 2)", "two volumes"),
        ("x = days(after, before)", "lies before"),
        ("x = diffusivity(dwi, m)", "expected adc"),
        ("x = growth_rate(volume(m), volume(m), 3)", "two volumes in mL, then days"),
        ("x = growth_rate(volume(m), volume(b), days(before, after))", "of one thing"),
    ],
)
def test_refused(line, expected):
    _, heard = ask(line)
    assert heard.error is not None and expected in heard.text
