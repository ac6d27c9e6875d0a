"""Scans in, masks out: nothing outside the head counts, no orientation counts, thick slices stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import torch

from sagittal.errors import GeometryError, InputError, SpacingUnknownError
from sagittal.geometry import Geometry
from sagittal.models.voxelprompt import PreparationConfig, acquisition_words, prepare
from sagittal.study import Image, Mask

SHAPE = (60, 72, 50)
TILT = 0.1
ROTATION = np.array([[np.cos(TILT), -np.sin(TILT), 0], [np.sin(TILT), np.cos(TILT), 0], [0, 0, 1]])


def grid(shape=SHAPE, spacing=(3.0, 3.0, 3.0), *, tilted=False, **more) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = (ROTATION if tilted else np.eye(3)) * np.array(spacing)
    affine[:3, 3] = -np.array(shape) * spacing / 2
    return Geometry(shape, affine, **more)


def ellipsoid(geometry: Geometry, radii_mm, centre_mm=(0, 0, 0)) -> np.ndarray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    at = geometry.to_world(index)
    return ((at - np.array(centre_mm)) ** 2 / np.array(radii_mm) ** 2).sum(axis=-1) <= 1


def head_scan(geometry: Geometry | None = None, *, stripped=False, kind="t1", seed=0) -> Image:
    geometry = geometry or grid()
    rng = np.random.default_rng(seed)
    radii = (45, 55, 50) if stripped else (65, 80, 60)
    head, core = ellipsoid(geometry, radii), ellipsoid(geometry, (20, 20, 20))
    noise = rng.normal(0, 8, geometry.shape)
    data = np.where(head, 200 + 100 * core + noise, 0 if stripped else np.abs(noise))
    return Image(data.astype(np.float32), geometry, kind, f"{kind}.nii")


def tumour(geometry: Geometry) -> Mask:
    data = ellipsoid(geometry, (18, 12, 15), (15, -10, 8)).astype(np.uint8)
    return Mask(data, geometry, {1: "tumour"})


def dice(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a != 0, b != 0
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def through(image: Image, mask: Mask, **config: object) -> Mask:
    """A mask to the networks' grid and back, as if they had drawn it."""
    [volume] = prepare([image], PreparationConfig(**config))
    share = torch.from_numpy(volume.frame.to_grid(mask))
    return volume.frame.restore(share - 0.5, "tumour")


@pytest.mark.parametrize("stripped", [False, True])
def test_intensities_span_zero_to_one_inside_the_head(stripped):
    [volume] = prepare([head_scan(stripped=stripped)])
    assert volume.data.dtype == np.float32 and volume.data.shape == volume.frame.grid.shape
    assert volume.data.min() == 0 and volume.data.max() == 1
    core = ellipsoid(volume.frame.grid, (15, 15, 15))
    assert volume.data[core].mean() > 0.8
    around = ellipsoid(volume.frame.grid, (40, 50, 45)) & ~ellipsoid(volume.frame.grid, (25, 25, 25))
    assert 0.05 < volume.data[around].mean() < 0.4


@pytest.mark.parametrize("stripped", [False, True])
def test_voxels_outside_the_head_decide_nothing(stripped):
    image = head_scan(stripped=stripped)
    wider = image.pad((20, 6, 11), (9, 17, 3))
    [plain], [padded] = prepare([image]), prepare([wider])
    inside = padded.image.geometry.to_voxel(plain.frame.grid.to_world((0, 0, 0))) - padded.frame.start
    at = tuple(slice(round(a), round(a) + n) for a, n in zip(inside, plain.data.shape, strict=True))
    head = ellipsoid(plain.frame.grid, (45, 55, 50))
    # Where the background is noise, a few voxels at the rim may go either way.
    assert np.abs(padded.data[at][head] - plain.data[head]).max() <= (0 if stripped else 2e-3)


def test_background_of_a_stripped_scan_is_zero_wherever_its_zero_lies():
    image = head_scan(stripped=True)
    brain = image.data != 0
    z_scored = np.where(brain, (image.data - image.data[brain].mean()) / 40, 0)
    [volume] = prepare([replace(image, data=z_scored.astype(np.float32))])
    [plain] = prepare([image])
    assert np.allclose(volume.data, plain.data, atol=1e-3)


def test_the_crop_keeps_twenty_millimetres_around_the_head():
    geometry = grid((110, 110, 110))
    [volume] = prepare([head_scan(geometry)])
    low, high = volume.frame.cropped.corners().min(axis=0), volume.frame.cropped.corners().max(axis=0)
    radii = np.array([65, 80, 60])
    for margin in (-low - radii, high - radii):
        assert (margin >= 20 - 3).all() and (margin <= 20 + 3 + 3).all()
    [wide] = prepare([head_scan(geometry)], PreparationConfig(margin_mm=0))
    assert np.prod(wide.data.shape) < np.prod(volume.data.shape)
    [given] = prepare([head_scan(grid((50, 60, 44)))])
    assert (given.frame.start, given.data.shape) == ((0, 0, 0), (50, 60, 44))


def test_a_body_below_and_noise_do_not_hide_the_head():
    image = head_scan()
    image.data[2:5, 2:5, 2:5] = 400  # a marker beside the head
    [volume] = prepare([image], PreparationConfig(margin_mm=0))
    assert min(volume.frame.start) > 2


@pytest.mark.parametrize("working_mm", [None, 5.0])
@pytest.mark.parametrize("codes", ["LPS", "SRA", "PIR", "AIL"])
def test_flips_and_axis_swaps_give_the_same_volume_and_the_same_mask(codes, working_mm):
    image = head_scan(grid(tilted=True))
    mask = tumour(image.geometry)
    [plain] = prepare([image], PreparationConfig(working_mm=working_mm))
    [other] = prepare([image.reorient(codes)], PreparationConfig(working_mm=working_mm))
    assert np.array_equal(plain.data, other.data)
    assert plain.frame.grid.same_grid(other.frame.grid)
    back = through(image.reorient(codes), mask.reorient(codes), working_mm=working_mm)
    assert back.geometry == image.reorient(codes).geometry
    straight = through(image, mask, working_mm=working_mm)
    assert np.array_equal(back.reorient("RAS").data, straight.data)


@pytest.mark.parametrize("tilted", [False, True])
@pytest.mark.parametrize(("working_mm", "least"), [(None, 1.0), (4.5, 0.93), (6.0, 0.90)])
def test_a_mask_goes_there_and_back(working_mm, least, tilted):
    image = head_scan(grid(tilted=tilted))
    mask = tumour(image.geometry)
    back = through(image, mask, working_mm=working_mm)
    assert back.geometry == image.geometry and back.labels == {1: "tumour"}
    found = dice(back.data, mask.data)
    assert found >= least, found
    centre = [image.geometry.to_world(np.argwhere(m.data)).mean(axis=0) for m in (mask, back)]
    # Half a voxel of 3 mm would show.
    assert np.abs(centre[0] - centre[1]).max() < 0.3


def test_targets_are_shares_of_coarse_voxels():
    image = head_scan()
    mask = tumour(image.geometry)
    [volume] = prepare([image], PreparationConfig(working_mm=6.0))
    share = volume.frame.to_grid(mask)
    assert share.shape == volume.data.shape and ((share > 0) & (share < 1)).any()
    ml = share.sum() * volume.frame.grid.voxel_volume
    assert ml == pytest.approx(mask.data.sum() * image.geometry.voxel_volume, rel=0.02)
    with pytest.raises(GeometryError):
        volume.frame.to_grid(tumour(grid((60, 72, 51))))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("between", "thick"), [(6.0, False), (6.1, True)])
def test_the_slice_axis_of_a_thick_scan_is_never_touched(axis, between, thick):
    spacing, shape = [3.0] * 3, [40, 40, 40]
    spacing[axis], shape[axis] = between, 24
    image = head_scan(grid(tuple(shape), tuple(spacing), slice_axis=axis))
    [volume] = prepare([image], PreparationConfig(working_mm=9.0))
    wanted = [9.0, 9.0, 9.0]
    wanted[axis] = between if thick else 9.0
    assert volume.frame.grid.spacing == pytest.approx(wanted)
    assert volume.frame.grid.slice_axis == axis
    if thick:
        assert volume.frame.grid.shape[axis] == volume.frame.cropped.shape[axis]


def test_a_coarser_scan_than_the_working_resolution_keeps_its_own():
    [volume] = prepare([head_scan()], PreparationConfig(working_mm=2.0))
    assert volume.frame.native and volume.frame.grid.spacing == pytest.approx((3, 3, 3))


def test_volumes_on_one_grid_keep_one_grid():
    first = head_scan()
    second = head_scan(stripped=True, kind="flair")
    third = head_scan(grid((40, 50, 30), (4.0, 4.0, 5.0)), kind="t2")
    volumes = prepare([first, second.reorient("LPI"), third])
    assert volumes[0].frame.grid.same_grid(volumes[1].frame.grid)
    assert not volumes[0].frame.grid.same_grid(volumes[2].frame.grid)
    assert [v.image.kind for v in volumes] == ["t1", "flair", "t2"]
    alone = prepare([second])[0]
    assert alone.frame.grid.shape < volumes[1].frame.grid.shape


def test_hounsfield_units_are_windowed():
    geometry = grid()
    head = ellipsoid(geometry, (65, 80, 60))
    data = np.where(head, 40, -1000).astype(np.int16)
    data[30, 36, 25] = 2000
    [volume] = prepare([Image(data, geometry, "ct")])
    values = {-1000: 0.0, 40: 140 / 300, 2000: 1.0}
    stop = np.array(volume.frame.start) + volume.data.shape
    part = data[tuple(slice(a, b) for a, b in zip(volume.frame.start, stop, strict=True))]
    for hu, expected in values.items():
        assert np.allclose(volume.data[part == hu], expected)


def test_what_cannot_be_prepared_is_refused():
    geometry = grid((8, 8, 8))
    with pytest.raises(InputError, match="No head"):
        prepare([Image(np.zeros((8, 8, 8)), geometry, "t1")])
    with pytest.raises(InputError, match="No head"):
        prepare([Image(np.full((8, 8, 8), np.nan), geometry, "t1")])
    with pytest.raises(InputError, match="one channel"):
        prepare([Image(np.zeros((8, 8, 8, 3)), geometry, "t1")])
    with pytest.raises(SpacingUnknownError):
        prepare([Image(np.ones((8, 8, 8)), replace(geometry, spacing_known=False), "t1")])


def test_a_scan_with_holes_in_its_numbers_is_prepared():
    image = head_scan()
    image.data[30, 36, 25] = np.nan
    image.data[31, 36, 25] = np.inf
    [volume] = prepare([image])
    assert np.isfinite(volume.data).all()
    assert volume.data[tuple(np.array([31, 36, 25]) - volume.frame.start)] > 0.999


def test_acquisition_words():
    early = replace(head_scan(), session="a", acquired=date(2020, 5, 1))
    thick = grid((40, 40, 20), (1.0, 0.9, 5.0))
    late = replace(head_scan(thick, kind="flair"), session="b", acquired=date(2021, 1, 2))
    words = acquisition_words({"late": late.reorient("SRA"), "early": early})
    assert words == {
        "late": "late = flair, session 2 of 2, 2021-01-02, 0.9×1×5 mm, axial slices",
        "early": "early = t1, session 1 of 2, 2020-05-01, 3×3×3 mm, 3D",
    }
    undated = acquisition_words({"x": replace(early, session="b", acquired=None), "y": early})
    assert "session 2 of 2, 3×3×3" in undated["x"] and "session 1 of 2" in undated["y"]


@pytest.mark.parametrize("orientation", ["RAS", "LIA", "PSR"])
def test_a_neck_is_cut_off_below_the_tallest_head(orientation: str) -> None:
    """A column of 300 mm: what lies more than 190 mm below its top is left out, whatever the array's axes."""
    grid = Geometry((60, 60, 170), np.diag([2.0, 2.0, 2.0, 1.0]))
    data = np.zeros(grid.shape, np.float32)
    data[20:40, 20:40, 10:160] = 100 + np.arange(150, dtype=np.float32)
    image = Image(data, grid, "t1", "column").reorient(orientation)
    for tallest, margin in ((190.0, 6.0), (120.0, 20.0)):
        [made] = prepare([image], PreparationConfig(tallest_mm=tallest, margin_mm=margin))
        low, high = (made.frame.grid.to_world((0, 0, z))[2] for z in (0, made.data.shape[2] - 1))
        assert high == pytest.approx(2 * 159 + margin)
        assert high - low == pytest.approx(tallest + margin - 2)
    [whole] = prepare([image], PreparationConfig(tallest_mm=300.0, margin_mm=0.0))
    assert whole.data.shape[2] == 150
