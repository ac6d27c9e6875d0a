"""Measuring functions against what is known of the toy's boxes: spacing 1 × 2 × 3 mm."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import marching_cubes, mesh_surface_area
from toy_agent import GEOMETRY, SHAPE, STRUCTURES, Script, ToyToolbox, ask, toy_image, toy_mask

from sagittal.agent.host import Host
from sagittal.agent.intensities import INTENSITIES
from sagittal.agent.library import Library
from sagittal.agent.loop import converse
from sagittal.agent.measuring import MEASURES
from sagittal.agent.speaking import VISION
from sagittal.agent.targeting import TARGETS
from sagittal.agent.toolbox import Features
from sagittal.geometry import Geometry
from sagittal.study import Image, Mask

LIBRARY = Library(VISION, MEASURES, INTENSITIES, TARGETS)
TUMOUR = 'f = encode(flair)\nm = segment(f, "whole tumour")\nb = segment(f, "brain")\n'
LESION = 'f = encode(flair)\nm = segment(f, "scattered lesion")\nb = segment(f, "brain")\n'
EMPTY = 'f = encode(flair)\nm = segment(f, "nothing")\nb = segment(f, "brain")\n'


def last(source: str):
    outcome, script = ask(source)
    assert script.heard[0].error is None, script.heard[0].text
    return outcome.measurements[-1]


def value(source: str):
    return last(source).value


def test_size():
    # 4 × 6 × 4 voxels of 6 mm³.
    assert value(TUMOUR + "x = volume(m)") == pytest.approx(96 * 6 / 1000)
    assert value(TUMOUR + "x = width(m)") == pytest.approx(4)
    assert value(TUMOUR + "x = depth(m)") == pytest.approx(12)
    assert value(TUMOUR + "x = height(m)") == pytest.approx(12)
    assert value(TUMOUR + "x = box(m)") == "4.0 × 12.0 × 12.0"
    assert value(TUMOUR + "x = components(m)") == 1
    assert value(LESION + "x = components(m)") == 2
    # Its pieces have 2 × 2 × 2 and 4 × 2 × 2 voxels.
    assert value(LESION + "x = volume(largest(m))") == pytest.approx(16 * 6 / 1000)


def test_place():
    assert value(TUMOUR + "x = side(m, b)") == "left"
    # 16 of its 24 voxels lie within 5 mm of the plane, the others to its left.
    assert value(LESION + "x = side(m, b)") == "midline"
    assert value(TUMOUR + "x = share(m, b)") == pytest.approx(100 * 96 / np.prod(SHAPE))


def test_intensity():
    inside = toy_image().data[toy_mask("whole tumour").data != 0].astype(np.float64)
    assert value(TUMOUR + "x = mean(flair, m)") == pytest.approx(inside.mean())
    assert value(TUMOUR + "x = sd(flair, m)") == pytest.approx(inside.std())
    assert value(TUMOUR + "x = snr(flair, m)") == pytest.approx(inside.mean() / inside.std())
    assert last(TUMOUR + "x = mean(flair, m)").unit == ""
    assert last(TUMOUR + "x = mean(flair, m)").name == "mean intensity in flair"


def test_range_of_intensity():
    inside = toy_image().data[toy_mask("whole tumour").data != 0].astype(np.float64)
    assert value(TUMOUR + "x = median(flair, m)") == pytest.approx(np.median(inside))
    assert value(TUMOUR + "x = lowest(flair, m)") == inside.min()
    assert value(TUMOUR + "x = highest(flair, m)") == inside.max()
    assert last(EMPTY + "x = highest(flair, m)").undefined == "the mask is empty"


def test_surface_and_sphericity():
    verts, faces, _, _ = marching_cubes(np.pad(toy_mask("whole tumour").data, 1), 0.5, spacing=(1, 2, 3))
    area = mesh_surface_area(verts, faces)
    assert value(TUMOUR + "x = surface(m)") == pytest.approx(area, rel=1e-5)
    volume = 96 * 6
    phi = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area
    assert value(TUMOUR + "x = sphericity(m)") == pytest.approx(phi, rel=1e-5)
    # Of two pieces the larger one's shape, and the area of both.
    assert value(LESION + "x = sphericity(m)") == value(LESION + "x = sphericity(largest(m))")
    assert value(LESION + "x = surface(m)") > value(LESION + "x = surface(largest(m))")
    assert last(EMPTY + "x = surface(m)").undefined == "the mask is empty"


def test_contrast_tells_bright_from_dark():
    data = np.full(SHAPE, 10, np.float32) + np.indices(SHAPE).sum(axis=0) % 2
    inside = toy_mask("whole tumour").data != 0
    for step, word in ((9, "hyperintense"), (0, "isointense"), (-9, "hypointense")):
        image = Image(np.where(inside, data + step, data), GEOMETRY, "ct", "scan")
        script = Script(
            'f = encode(scan)\nm = segment(f, "whole tumour")\nb = segment(f, "brain")\n'
            "x = contrast(scan, m, b)\ny = mean(scan, m)\nz = snr(scan, m)"
        )
        outcome = converse(script, Host(LIBRARY, ToyToolbox()), {"scan": image})
        contrast, mean, snr = outcome.measurements
        assert contrast.value == word
        assert (mean.unit, snr.unit) == ("HU", "")


def test_numbers_from_numbers():
    two = TUMOUR + 'n = segment(encode(after), "whole tumour")\nv = volume(m)\nw = volume(n)\n'
    assert value(two + "x = percentage_change(v, w)") == pytest.approx(25)
    assert value(two + "x = ratio(w, v)") == pytest.approx(1.25)
    assert value(two + "x = difference(w, v)") == pytest.approx(24 * 6 / 1000)
    assert last(two + "x = difference(w, v)").unit == "mL"
    assert value(two + "x = asymmetry(w, v)") == pytest.approx(0.25 / 1.125)


def test_change_is_of_one_thing():
    _, script = ask(TUMOUR + "x = percentage_change(volume(m), volume(b))")
    assert "same of" in script.heard[0].text
    _, script = ask(TUMOUR + "x = ratio(volume(m), width(m))")
    assert script.heard[0].error.code == "call"
    assert "one unit" in script.heard[0].text


def test_an_empty_mask_has_a_volume_of_0_and_no_extent():
    assert value(EMPTY + "x = volume(m)") == 0
    assert value(EMPTY + "x = components(m)") == 0
    assert value(EMPTY + "x = share(m, b)") == 0
    assert value(EMPTY + "x = volume(largest(m))") == 0
    for call in ("width(m)", "box(m)", "diameter(m)", "side(m, b)", "mean(flair, m)", "snr(flair, m)"):
        found = last(EMPTY + f"x = {call}")
        assert found.value is None, call
        assert found.undefined == "the mask is empty"
    # Undefined goes on through functions, with its reason, and is told by arithmetic.
    found = last(EMPTY + "x = ratio(width(m), width(b))")
    assert (found.value, found.undefined) == (None, "the mask is empty")
    found = last(EMPTY + "x = ratio(volume(b), volume(m))")
    assert found.undefined == "the divisor is 0"
    found = last(EMPTY + "x = percentage_change(volume(m), volume(m))")
    assert found.undefined == "the earlier value is 0"
    found = last(EMPTY + "x = asymmetry(volume(m), volume(m))")
    assert found.undefined == "both sides are 0"
    found = last(EMPTY + "x = difference(width(m), width(b))")
    assert found.undefined == "the mask is empty"
    _, script = ask(EMPTY + "x = width(m) + width(m)")
    assert script.heard[0].error.code == "undefined"
    _, script = ask(EMPTY + "x = crop(flair, m)")
    assert script.heard[0].error.code == "call"


def test_the_visit_stands_in_the_method():
    class Visits(ToyToolbox):
        def segment(self, features: Features, structure: str, site) -> Mask:
            return Mask(toy_mask(structure).data, GEOMETRY, {1: structure}, session="visit two")

    script = Script('x = volume(segment(encode(flair), "brain"))')
    outcome = converse(script, Host(LIBRARY, Visits()), {"flair": toy_image()})
    assert outcome.measurements[0].method == "voxels × voxel volume, session visit two"


ORDERS = ("RAS", "LPI", "SRA", "AIL")


@pytest.mark.parametrize("image_order", ORDERS)
@pytest.mark.parametrize("mask_order", ORDERS)
def test_volumes_follow_the_affine_and_not_the_order_of_the_array(image_order, mask_order):
    class Turned(ToyToolbox):
        def segment(self, features: Features, structure: str, site) -> Mask:
            return toy_mask(structure).reorient(mask_order)

    plain = toy_image()
    program = (
        'f = encode(flair)\nm = segment(f, "scattered lesion")\nl = largest(m)\n'
        "c = crop(flair, l)\ne = extract(flair, l)\no = mask_out(flair, l)\nx = mean(flair, l)\ny = volume(l)"
    )
    script = Script(program)
    host = Host(LIBRARY, Turned())
    outcome = converse(script, host, {"flair": plain.reorient(image_order)})
    assert script.heard[0].error is None, script.heard[0].text
    (start, stop) = STRUCTURES["scattered lesion"][1]
    where = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    inside = np.zeros(SHAPE, bool)
    inside[where] = True
    turned = {name: image.reorient("RAS") for name, image in outcome.volumes.items()}
    np.testing.assert_array_equal(turned["c"].data, plain.data[where])
    np.testing.assert_allclose(turned["c"].geometry.affine, GEOMETRY.cropped(start, stop).affine)
    np.testing.assert_array_equal(turned["e"].data, np.where(inside, plain.data, 0))
    np.testing.assert_array_equal(turned["o"].data, np.where(inside, 0, plain.data))
    np.testing.assert_array_equal(outcome.masks["l"].reorient("RAS").data, inside)
    assert outcome.volumes["c"].geometry.orientation == image_order
    assert not np.shares_memory(outcome.volumes["c"].data, plain.data)
    assert outcome.masks["l"].geometry.same_grid(toy_mask("brain").reorient(mask_order).geometry)
    assert outcome.measurements[0].value == pytest.approx(plain.data[where].mean(dtype=float))


def test_removed_parts_become_air():
    image = Image(toy_image().data.astype(np.int16) - 1000, GEOMETRY, "ct", "head")
    script = Script('m = segment(encode(scan), "whole tumour")\no = mask_out(scan, m)')
    outcome = converse(script, Host(LIBRARY, ToyToolbox()), {"scan": image})
    out = outcome.volumes["o"]
    assert out.data.dtype == np.int16
    assert set(np.unique(out.data[toy_mask("whole tumour").data != 0])) == {image.data.min()}
    assert out.name == "head without whole tumour"


def test_grids_that_differ_are_told():
    other = Image(np.ones((5, 5, 5), np.float32), Geometry((5, 5, 5), np.eye(4)), "t1", "t1")
    for call in ("crop(t1, m)", "extract(t1, m)", "mean(t1, m)"):
        script = Script(f'm = segment(encode(t1), "brain")\nx = {call}')
        converse(script, Host(LIBRARY, ToyToolbox()), {"t1": other})
        assert script.heard[0].error.code == "call", call
        assert "5×5×5" in script.heard[0].text


def test_unknown_spacing_refuses_millimetres():
    unknown = Geometry(SHAPE, np.eye(4), spacing_known=False)

    class Picture(ToyToolbox):
        def segment(self, features: Features, structure: str, site) -> Mask:
            return Mask(toy_mask(structure).data, unknown, {1: structure})

    script = Script('m = segment(encode(t1), "brain")\nx = volume(m)')
    converse(script, Host(LIBRARY, Picture()), {"t1": toy_image()})
    assert "spacing" in script.heard[0].text
