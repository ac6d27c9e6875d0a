"""Places that are pointed at: how they are written, what they cover, and every way to get them wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from sagittal.asking.pointing import MOST_REGIONS, View, view_of
from sagittal.asking.regions import parse_region
from sagittal.errors import FileFormatError, GeometryError, InputError, LabelError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.io.nifti import write_mask
from sagittal.io.raster import picture_geometry
from sagittal.study import Image, Mask, Region

SHAPE = (30, 34, 28)


def volume(kind: str = "t1", codes: str = "LAS", name: str = "") -> Image:
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-30, -50, -60)
    data = np.random.default_rng(1).random(SHAPE).astype(np.float32)
    return Image(data, Geometry(SHAPE, affine), kind, name or f"{kind}.nii.gz").reorient(codes)


def picture(width: int = 20, height: int = 12) -> dict[str, Image]:
    data = np.random.default_rng(2).integers(0, 255, (width, height, 1)).astype(np.uint8)
    return {"photo": Image(data, picture_geometry(width, height), "photo", "skin.png")}


def seen(volumes: dict[str, Image], *regions: str | Region, slice: str | None = None) -> View:
    found = view_of(volumes, regions, slice)
    assert found is not None
    return found


def covered(view: View, number: int = 0) -> set[tuple[int, int]]:
    return {(int(x), int(y)) for x, y in np.argwhere(view.regions[number].inside)}


# -- what they cover ---------------------------------------------------------------------------------


def test_pixels_of_a_picture() -> None:
    view = seen(picture(), "point:3,4", "box:5,6,7,6", " box: 0, 0, 19, 11 ")
    assert covered(view) == {(3, 4)}
    assert covered(view, 1) == {(5, 6), (6, 6), (7, 6)}
    assert view.regions[2].inside.all()
    assert view.regions[1].region == Region("box", "skin.png", coordinates=((5, 6, 0), (7, 6, 0)))
    assert view.words == "skin.png, 3 regions"


@pytest.mark.parametrize("codes", ["RAS", "LAS", "LPS", "SPL", "AIR"])
def test_pixels_of_a_slice_are_those_that_are_shown(codes: str) -> None:
    image = volume(codes=codes)
    view = seen({"t1": image}, "point:4,9", "box:1,2,3,5", slice="axial:6")
    assert (view.slice.plane, view.slice.index, covered(view)) == ("axial", 6, {(4, 9)})
    # From the upper left corner, which is the patient's right and front.
    ras = image.reorient("RAS")
    [voxel] = view.regions[0].region.coordinates
    assert np.allclose(image.geometry.to_world(voxel), ras.geometry.to_world((29 - 4, 33 - 9, 6)))
    assert len(covered(view, 1)) == 3 * 4 and (3, 5) in covered(view, 1)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "IAR"])
def test_millimetres_say_which_slice(codes: str) -> None:
    image = volume(codes=codes)
    for plane, index, at in (("axial", 20, (7, 11)), ("coronal", 11, (7, 20)), ("sagittal", 7, (11, 20))):
        # A little off the middle of voxel (7, 11, 20).
        view = seen({"t1": image}, "point:mm:-15.2,-16.1,21", slice=None if plane == "axial" else plane)
        assert (view.slice.plane, view.slice.index) == (plane, index)
        width, height = view.slice.size
        assert covered(view) == {(width - 1 - at[0], height - 1 - at[1])}
    box = seen({"t1": image}, "box:mm:-16,-17,16,-12,-14,24")
    assert box.slice.index == 20 and len(covered(box)) == 3 * 2
    assert box.regions[0].region.space == "mm"
    # Both corners in one voxel: that voxel; a box may be named in any slice that it reaches into.
    assert len(covered(seen({"t1": image}, "box:mm:-16.2,-17,20,-15.8,-17,20"))) == 1
    assert seen({"t1": image}, "box:mm:-16,-17,16,-12,-14,24", slice="axial:21").slice.index == 21


def test_an_oblique_volume() -> None:
    turn = np.deg2rad(20)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    image = Image(volume(codes="RAS").data, Geometry(SHAPE, affine), "t1", "t1")
    world = image.geometry.to_world((15, 17, 9))
    text = ",".join(f"{n:.3f}" for n in world)
    assert covered(seen({"t1": image}, f"point:mm:{text}")) == {(14, 16)}
    low, high = world - np.array([3, 2, 0]), world + np.array([3, 2, 0])
    numbers = ",".join(f"{n:.3f}" for n in (*low, *high))
    view = seen({"t1": image}, f"box:mm:{numbers}")
    # Seven by five millimetres of pixels of one, give or take the border.
    assert 25 <= len(covered(view)) <= 45 and (14, 16) in covered(view)


def test_drawn_masks(tmp_path: Path) -> None:
    image = volume(codes="SPL")
    drawn = np.zeros(SHAPE, np.uint8)
    drawn[3:6, 4:9, 12], drawn[4, 5, 13] = 1, 2
    other = Mask(drawn, volume(codes="RAS").geometry, {1: "a", 2: "b"}, "drawn.nii.gz")
    write_mask(tmp_path / "drawn.nii.gz", other)
    view = seen({"t1": image}, f"mask:{tmp_path / 'drawn.nii.gz'}")
    assert (view.slice.plane, view.slice.index, len(covered(view))) == ("axial", 12, 15)
    region = view.regions[0].region
    assert region.mask is not None and region.mask.geometry.same_grid(image.geometry)
    assert len(covered(seen({"t1": image}, f"mask:{tmp_path / 'drawn.nii.gz'}", slice="axial:13"))) == 1
    assert seen({"t1": image}, f"mask:{tmp_path / 'drawn.nii.gz'}", slice="sagittal").slice.index == 4
    shown = np.zeros((34, 30), np.uint8)
    shown[2, 5:8] = 255
    Pictures.fromarray(shown).save(tmp_path / "shown.png")
    view = seen({"t1": image}, f"t1=mask:{tmp_path / 'shown.png'}", slice="axial:3")
    assert covered(view) == {(5, 2), (6, 2), (7, 2)}
    assert len(covered(seen(picture(30, 34), f"mask:{tmp_path / 'shown.png'}"))) == 3


def test_regions_as_nouns() -> None:
    image = volume()
    given = Region("points", "t1", "mm", ((-15.0, -16.0, 20.0),))
    assert seen({"t1": image}, given).slice.index == 20
    voxel = Region("box", "t1.nii.gz", "voxel", ((1, 2, 3), (4, 5, 3)))
    assert len(covered(seen({"t1": image}, voxel))) == 4 * 4
    two = Region("points", "skin.png", coordinates=((1, 2, 0), (3, 4, 0)))
    assert covered(seen(picture(), two)) == {(1, 2), (3, 4)}
    assert seen(picture(), two).regions[0].region.to_json()["coordinates"] == [[1, 2, 0], [3, 4, 0]]


def test_one_of_several_images_is_named() -> None:
    two = {"t1": volume("t1"), "flair": volume("flair")}
    assert seen(two, "flair=point:mm:0,0,0").slice.image.kind == "flair"
    assert seen(two, "t1.nii.gz=point:mm:0,0,0").slice.image.kind == "t1"
    assert seen(two, "point:mm:0,0,0", slice="t1=axial").slice.image.kind == "t1"
    assert seen(two, slice="flair=coronal:3").slice.name == "coronal:3"
    assert view_of(two) is None
    with pytest.raises(InputError, match="on one image"):
        view_of(two, ["t1=point:mm:0,0,0", "flair=point:mm:0,0,0"])
    with pytest.raises(InputError, match="is not said") as error:
        view_of(two, ["point:mm:0,0,0"])
    assert "t1=point:X,Y" in str(error.value)
    with pytest.raises(InputError, match="no image of this name") as error:
        view_of(two, ["t2=point:mm:0,0,0"])
    assert "flair (flair.nii.gz)" in str(error.value)


# -- how they can be wrong ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "point", "point:", "point:1", "point:1,2,3", "point:1.5,2", "point:nan,1", "point:1,inf",
     "box:1,2,3", "box:1,2,3,x", "point:mm:1,2", "point:mm:nan,0,0", "point:mm:1e999,0,0",
     "point:mm:0,0,-inf", "mask:",
     "mask:a\0b", "circle:1,2,3", "=point:1,2", "t1:point:1,2", "point:١,٢",
     "point:" + "9" * 5_000 + ",1", "point:1,2;point:3,4", "point:0x10,2", "box:mm:1,2,3,4,5",
     "x" * 100_000, "point:1\x1b[2J,2"],
)  # fmt: skip
def test_regions_that_are_not_written_so(text: str) -> None:
    with pytest.raises(InputError, match="not written in this way") as error:
        parse_region(text)
    assert "box:X0,Y0,X1,Y1" in str(error.value) and len(str(error.value)) < 1_000
    assert "\x1b" not in str(error.value)


def test_a_path_may_look_like_anything() -> None:
    found = parse_region("mask:/a b/t1=point:1,2.nii.gz")
    assert (found.image, found.file) == (None, Path("/a b/t1=point:1,2.nii.gz"))
    assert parse_region("flair=mask:x.png").image == "flair"
    assert parse_region("a=b.nii.gz=point:1,2").image == "a=b.nii.gz"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("point:20,3", "x from 0 to 19 and y from 0 to 11"),
        ("point:-1,3", "reaches outside"),
        ("box:15,3,25,8", "reaches outside"),
        ("box:30,3,35,8", "reaches outside"),
        ("box:9,3,5,8", "exchanged"),
        ("box:5,8,9,3", "exchanged"),
        ("point:mm:1,2,3", "does not state the size of its pixels"),
    ],
)
def test_places_that_a_picture_does_not_have(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        view_of(picture(), [text])


def test_a_picture_without_millimetres_says_so() -> None:
    with pytest.raises(SpacingUnknownError, match="pixels"):
        view_of(picture(), ["box:mm:1,2,3,4,5,6"])
    with pytest.raises(InputError, match="A picture has no slices"):
        view_of(picture(), ["point:1,2"], "axial:0")


@pytest.mark.parametrize(
    ("regions", "slice", "words"),
    [
        (["point:mm:500,0,0"], None, "outside the image"),
        (["point:mm:0,0,1e90"], None, "outside the image"),
        (["box:mm:0,0,0,400,1,1"], None, "outside the image"),
        (["point:3,4"], None, "Which slice"),
        ([], "axial", "Which slice"),
        ([], "axial:28", "outside the image"),
        (["point:mm:0,0,0", "point:mm:0,0,9"], None, "in one slice"),
        (["point:mm:0,0,0"], "axial:3", "in one slice"),
        (["point:30,3"], "axial:3", "reaches outside axial slice 3"),
        (["point:mm:0,0,0"] * (MOST_REGIONS + 1), None, "too many regions"),
        ([Region("points", "t1", "voxel", ((0, 0, 99),))], None, "outside the image"),
        ([Region("points", "t2", "voxel", ((0, 0, 9),))], None, "no image of this name"),
    ],
)
def test_places_that_a_volume_does_not_have(regions, slice, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        view_of({"t1": volume()}, regions, slice)
    assert error.value.expected is not None and error.value.got is not None
    if words == "Which slice":
        assert "--slice axial:13" in str(error.value)


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    def png(name: str, pixels: np.ndarray) -> str:
        Pictures.fromarray(pixels).save(tmp_path / name)
        return f"mask:{tmp_path / name}"

    ones = np.ones((12, 20), np.uint8)
    assert view_of(picture(), [png("right.png", ones)]) is not None
    colour = np.random.default_rng(0).integers(0, 255, (12, 20, 3)).astype(np.uint8)
    off = Mask(np.ones((20, 12, 3), np.uint8), Geometry((20, 12, 3), np.eye(4)), {1: "x"})
    write_mask(tmp_path / "volume.nii.gz", off)
    (tmp_path / "text.txt").write_text("mask")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    for spec, kind, words in (
        (png("other.png", ones[:, :10]), GeometryError, "20×12 pixels"),
        (png("empty.png", ones * 0), InputError, "marks nothing anywhere"),
        (png("colour.png", colour), LabelError, "colour picture"),
        (f"mask:{tmp_path / 'volume.nii.gz'}", GeometryError, "does not fit"),
        (f"mask:{tmp_path / 'text.txt'}", FileFormatError, "not a mask that is read"),
        (f"mask:{tmp_path / 'broken.png'}", FileFormatError, "damaged"),
        (f"mask:{tmp_path / 'absent.png'}", InputError, "no such file"),
        (f"mask:{tmp_path}", FileFormatError, "not a mask"),
    ):
        with pytest.raises(kind, match=words):
            view_of(picture(), [spec])
    part = np.zeros(SHAPE, np.uint8)
    part[3, 4, 12] = 1
    write_mask(tmp_path / "part.nii.gz", Mask(part, volume(codes="RAS").geometry, {1: "x"}))
    with pytest.raises(InputError, match="marks nothing in axial slice 3"):
        view_of({"t1": volume()}, [f"mask:{tmp_path / 'part.nii.gz'}"], "axial:3")
    with pytest.raises(InputError, match="Which slice"):
        view_of({"t1": volume()}, [png("shown.png", np.ones((34, 30), np.uint8))])
