"""Pictures: every mode, upright, bounded, with no invented pixel size."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pictures

from sagittal.errors import (
    FileFormatError,
    GeometryError,
    LabelError,
    SagittalWarning,
    SpacingUnknownError,
    StorageError,
)
from sagittal.geometry import Geometry
from sagittal.io.labels import load_labels
from sagittal.io.raster import MAX_PIXELS, read_picture, read_picture_mask, write_picture_mask
from sagittal.study import Mask

ROWS = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOUR = np.random.default_rng(0).integers(0, 255, (3, 4, 3)).astype(np.uint8)


def test_a_voxel_index_is_the_pixel_that_a_person_would_name(tmp_path: Path) -> None:
    Pictures.fromarray(ROWS).save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png", kind="cxr")
    assert image.data.shape == (4, 3, 1) and image.data.dtype == np.uint8
    picture = Pictures.open(tmp_path / "a.png")
    assert all(image.data[x, y, 0] == picture.getpixel((x, y)) for x in range(4) for y in range(3))
    assert image.geometry.orientation == "LIP" and image.geometry.slice_axis == 2 and image.geometry.is_2d
    assert np.linalg.det(image.geometry.affine) > 0
    with pytest.raises(SpacingUnknownError):
        image.geometry.require_spacing("A width")


def test_resolution_tags_are_not_a_spacing_and_a_given_one_is(tmp_path: Path) -> None:
    Pictures.fromarray(ROWS).save(tmp_path / "a.tif", dpi=(300, 300))
    assert not read_picture(tmp_path / "a.tif").geometry.spacing_known
    given = read_picture(tmp_path / "a.tif", spacing=(0.2, 0.3)).geometry
    assert given.spacing_known and given.spacing == (0.2, 0.3, 1.0)
    assert read_picture(tmp_path / "a.tif", spacing=0.2).geometry.spacing[:2] == (0.2, 0.2)
    for bad in (0, -1, np.nan, (1, 0)):
        with pytest.raises(GeometryError):
            read_picture(tmp_path / "a.tif", spacing=bad)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("png", np.uint8), ("tif", np.uint8), ("bmp", np.uint8), ("png", np.uint16), ("tif", np.uint16)],
)
def test_grey_of_8_and_16_bits(suffix: str, dtype: type, tmp_path: Path) -> None:
    pixels = (ROWS.astype(dtype) * (1 if dtype is np.uint8 else 257)).astype(dtype)
    Pictures.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    image = read_picture(tmp_path / f"a.{suffix}")
    assert image.data.dtype == dtype and np.array_equal(image.data[:, :, 0].T, pixels)


def test_big_endian_16_bit_tiff_float_tiff_and_deep_colour(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "b.tif", (ROWS.astype(">u2") * 99), byteorder=">")
    assert np.array_equal(read_picture(tmp_path / "b.tif").data[:, :, 0].T, ROWS.astype("u2") * 99)
    tifffile.imwrite(tmp_path / "f.tif", ROWS.astype(np.float32) / 7)
    assert np.array_equal(read_picture(tmp_path / "f.tif").data[:, :, 0].T, ROWS.astype(np.float32) / 7)
    broken = ROWS.astype(np.float32)
    broken[0, 0] = np.nan
    tifffile.imwrite(tmp_path / "n.tif", broken)
    with pytest.raises(FileFormatError, match="1 of 12"):
        read_picture(tmp_path / "n.tif")
    deep = COLOUR.astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "d.tif", deep, photometric="rgb")
    image = read_picture(tmp_path / "d.tif")
    assert image.data.dtype == np.uint16 and np.array_equal(image.data[:, :, 0], deep.swapaxes(0, 1))


def test_colour_and_modes_that_become_colour(tmp_path: Path) -> None:
    rgb = Pictures.fromarray(COLOUR)
    rgb.save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png")
    assert image.channels == 3 and np.array_equal(image.data[:, :, 0], COLOUR.swapaxes(0, 1))
    rgb.quantize(200).save(tmp_path / "p.png")
    assert np.array_equal(read_picture(tmp_path / "p.png").data, image.data)
    rgb.convert("CMYK").save(tmp_path / "c.tif")
    assert np.abs(read_picture(tmp_path / "c.tif").data.astype(int) - image.data).max() <= 1
    Pictures.fromarray(COLOUR).convert("1").save(tmp_path / "b.png")
    assert set(np.unique(read_picture(tmp_path / "b.png").data)) <= {0, 255}


def test_equal_channels_are_grey(tmp_path: Path) -> None:
    Pictures.fromarray(ROWS).convert("RGB").save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png")
    assert image.channels == 1 and np.array_equal(image.data[:, :, 0].T, ROWS)


def test_transparency_is_laid_over_black_and_said(tmp_path: Path) -> None:
    alpha = np.full((3, 4, 1), 255, np.uint8)
    Pictures.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "o.png")
    assert np.array_equal(read_picture(tmp_path / "o.png").data[:, :, 0], COLOUR.swapaxes(0, 1))
    alpha[0, 0], alpha[1, 1] = 0, 128
    Pictures.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "t.png")
    with pytest.warns(SagittalWarning, match="over black"):
        data = read_picture(tmp_path / "t.png").data
    assert not data[0, 0].any() and np.array_equal(data[2, 2, 0], COLOUR[2, 2])
    np.testing.assert_allclose(data[1, 1, 0], COLOUR[1, 1] * (128 / 255), atol=0.5)


@pytest.mark.parametrize("code", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_exif_orientation_is_applied(code: int, suffix: str, tmp_path: Path) -> None:
    # What the eye should see: bright upper left, dim upper right, dark below.
    seen = np.zeros((16, 24), np.uint8)
    seen[:8, :8], seen[:8, 16:] = 250, 120
    stored = {  # how a camera turned by `code` stores it (EXIF 2.3, tag 0x0112)
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.T,
        6: seen.T[::-1],
        7: seen.T[::-1, ::-1],
        8: seen.T[:, ::-1],
    }[code]
    exif = Pictures.Exif()
    exif[274] = code
    Pictures.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{suffix}", exif=exif)
    data = read_picture(tmp_path / f"a.{suffix}").data[:, :, 0].T
    assert data.shape == seen.shape and np.abs(data.astype(int) - seen).max() < 12


def test_16_bit_colour_png_is_said_to_be_reduced(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + np.full((4, 3), 0x1234, ">u2").tobytes() for _ in range(3))
    write_png(tmp_path / "a.png", 4, 3, 16, 2, rows)
    with pytest.warns(SagittalWarning, match="16 bits"):
        assert read_picture(tmp_path / "a.png").data.dtype == np.uint8


def write_png(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


# -- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", [3, 255, 256, 65535])
def test_masks_round_trip(top: int, tmp_path: Path) -> None:
    data = np.zeros((5, 4, 1), np.uint16)
    data[1, 2, 0], data[3, 3, 0] = 2, top
    mask = Mask(data, Geometry((5, 4, 1), np.eye(4)), {2: "a", top: "b"}, "m")
    write_picture_mask(tmp_path / "m.png", mask)
    again = read_picture_mask(tmp_path / "m.png")
    assert np.array_equal(again.data, data) and dict(again.labels) == {2: "a", top: "b"}
    assert Pictures.open(tmp_path / "m.png").getpixel((3, 3)) == top
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.labels.json", "m.png"]


def test_black_and_white_is_one_structure_unless_its_table_names_255(tmp_path: Path) -> None:
    pixels = np.array([[0, 255], [255, 0]], np.uint8)
    Pictures.fromarray(pixels).save(tmp_path / "m.png")
    assert read_picture_mask(tmp_path / "m.png", load_labels("binary")).values() == [1]
    (tmp_path / "t.csv").write_text("255,lung")
    assert read_picture_mask(tmp_path / "m.png", load_labels(tmp_path / "t.csv")).values() == [255]
    pixels[0, 0] = 128
    Pictures.fromarray(pixels).save(tmp_path / "m.png")
    assert read_picture_mask(tmp_path / "m.png").values() == [128, 255]
    Pictures.fromarray(pixels > 0).save(tmp_path / "one.png")
    assert read_picture_mask(tmp_path / "one.png", load_labels("binary")).values() == [1]


def test_palette_indices_are_labels_and_colours_are_not(tmp_path: Path) -> None:
    indexed = Pictures.fromarray(np.array([[0, 1], [2, 2]], np.uint8)).convert("L")
    indexed.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    indexed.save(tmp_path / "p.png")
    assert read_picture_mask(tmp_path / "p.png").values() == [1, 2]
    Pictures.fromarray(COLOUR).save(tmp_path / "c.png")
    with pytest.raises(LabelError, match="colour"):
        read_picture_mask(tmp_path / "c.png")


def test_what_a_png_cannot_hold(tmp_path: Path) -> None:
    deep = Mask(np.ones((2, 2, 2), np.uint8), Geometry((2, 2, 2), np.eye(4)), {1: "a"})
    with pytest.raises(GeometryError, match="one slice"):
        write_picture_mask(tmp_path / "m.png", deep)
    large = Mask(np.full((2, 2, 1), 65536, np.uint32), Geometry((2, 2, 1), np.eye(4)), {65536: "a"})
    with pytest.raises(LabelError, match="65535"):
        write_picture_mask(tmp_path / "m.png", large)
    with pytest.raises(FileFormatError, match="PNG"):
        write_picture_mask(tmp_path / "m.jpg", large)
    assert list(tmp_path.iterdir()) == []


# -- hostile -------------------------------------------------------------------------------------


def test_hostile_pictures(tmp_path: Path) -> None:
    Pictures.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype("u1")).save(
        tmp_path / "g.png"
    )
    good = (tmp_path / "g.png").read_bytes()
    Pictures.fromarray(COLOUR).save(tmp_path / "g.jpg")
    jpeg = (tmp_path / "g.jpg").read_bytes()
    bad = {
        "empty.png": b"",
        "text.png": b"not a picture\n" * 9,
        "cut.png": good[: len(good) // 2],
        "head.png": good[:20],
        "flip.png": good[:200] + bytes([good[200] ^ 255]) + good[201:],
        "cut.jpg": jpeg[:-200],
        "gif.png": b"GIF89a" + bytes(30),
        "тест.tif": b"II*\0" + bytes(3),
        "loop.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    }
    for name, blob in bad.items():
        (tmp_path / name).write_bytes(blob)
        for reader in (read_picture, read_picture_mask):
            with pytest.raises(FileFormatError, match=r"picture|damaged") as caught:
                reader(tmp_path / name)
            assert name in str(caught.value)
    for name in ("absent.png", "."):
        with pytest.raises(StorageError):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("side", [1 << 13, (1 << 13) + 1, 1 << 20])
def test_size_is_judged_by_the_claim_before_decoding(side: int, tmp_path: Path) -> None:
    write_png(tmp_path / "b.png", side, 1 << 13, 8, 0, b"")
    word = "claims more pixels" if side * (1 << 13) > MAX_PIXELS else "damaged"
    with pytest.raises(FileFormatError, match=word):
        read_picture(tmp_path / "b.png")


def test_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Pictures.fromarray(ROWS), Pictures.fromarray(ROWS)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(FileFormatError, match="several pictures"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.shared_data
def test_real_pictures(shared_data: Path) -> None:
    film = read_picture(next(iter(sorted((shared_data / "cxr_nih" / "images").glob("*.jpg")))), kind="cxr")
    assert film.channels == 1 and film.shape == (448, 448, 1) and not film.geometry.spacing_known
    fundus = read_picture(shared_data / "fundus_drive" / "test" / "images" / "02_test.tif", kind="photo")
    assert fundus.channels == 3 and fundus.shape == (565, 584, 1)


def test_a_gif_of_one_frame_is_read_and_an_animated_one_refused(tmp_path: Path) -> None:
    pixels = np.zeros((6, 9), np.uint8)
    pixels[2, 5] = 255
    frames = [Pictures.fromarray(pixels), Pictures.fromarray(255 - pixels)]
    frames[0].save(tmp_path / "mask.gif")
    mask = read_picture_mask(tmp_path / "mask.gif")
    assert np.argwhere(mask.data).tolist() == [[5, 2, 0]]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(FileFormatError, match="several pictures"):
        read_picture(tmp_path / "film.gif")
