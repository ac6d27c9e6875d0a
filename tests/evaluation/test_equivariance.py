"""How a scan is stored: what looks at the world agrees with itself, what looks at the array does not."""

from __future__ import annotations

import numpy as np
import pytest
from test_evaluation_runs import Answerer, Toolbox, a_case, an_offer, half

from sagittal.evaluation.equivariance import ORIENTATIONS, agreement_lines, agreements
from sagittal.study import Image, Mask


def pair() -> list[Image]:
    first = a_case().images[0]
    return [first, Image(first.data * 2, first.geometry, "flair", "flair")]


class World(Toolbox):
    """Draws what lies to the patient's right and above."""

    def segment(self, features, structure, site):
        image = features.payload[0]
        at = image.geometry.to_world(np.moveaxis(np.indices(image.shape), 0, -1))
        centre = image.geometry.to_world((np.array(image.shape) - 1) / 2)
        data = ((at - centre)[..., [0, 2]] > 0).all(axis=-1).astype(np.uint8)
        return Mask(data, image.geometry, {1: structure}, structure, image.session)


class Array(Toolbox):
    """Draws the first half of the array."""

    def segment(self, features, structure, site):
        return half(structure, geometry=features.payload[0].geometry)


def asked(toolbox):
    class Model(Answerer):
        def session(self, question, volumes):
            return super().session(question, volumes)[0], toolbox()

    return list(agreements(an_offer(Model()), pair(), ("brain",)))


def test_every_change_is_asked_about():
    found = asked(World)
    assert [a.change for a in found] == [
        *(f"axes towards {o}" for o in ORIENTATIONS),
        "images in reverse order",
    ]
    assert {a.dice for a in found} == {1.0}
    assert all(a.volume_difference_ml == pytest.approx(0) for a in found)
    for axis in range(3):
        # Each axis of RAS is flipped somewhere, and goes elsewhere somewhere.
        assert any(
            o[axis] in "LPI" and "RAS".index({"L": "R", "P": "A", "I": "S"}[o[axis]]) == axis
            for o in ORIENTATIONS
        )
        assert any(o[axis] not in ("RL", "AP", "SI")[axis] for o in ORIENTATIONS)


def test_what_depends_on_the_array_shows():
    found = {a.change: a for a in asked(Array)}
    assert found["axes towards LAS"].dice == 0
    assert found["axes towards RPS"].dice == 1
    assert 0 < found["axes towards ARS"].dice < 1
    lines = agreement_lines(list(found.values()))
    assert len(lines) == 2 + len(found) and "| axes towards LAS | 0.0000 |" in lines[2]
