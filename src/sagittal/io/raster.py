"""Pictures (PNG, JPEG, TIFF, GIF, BMP) ↔ :class:`Image` and :class:`Mask`.

A voxel index is the pixel that a person would name: ``data[x, y, 0]``, x to the right and y down. As a
frontal film is viewed, x runs to the patient's left and y towards the feet; that is nominal, and says
nothing about a picture that is not such a film. The size of a pixel is not known unless it is given:
the resolution tags of a picture speak of paper, not of patients.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, GeometryError, LabelError, SagittalWarning
from sagittal.files import atomic_path, storage_errors
from sagittal.geometry import Geometry
from sagittal.io.labels import LabelTable
from sagittal.io.mask_values import require_finite, table_beside, to_labels, with_names, write_table_beside
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

#: Endings of files that this module reads.
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".bmp")
#: Largest picture that is decoded, in pixels as its header claims.
MAX_PIXELS = 1 << 26
_FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "BMP")
# What Pillow is known to raise on damaged files, besides OSError.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    zlib.error,
)
_ORIENTATION, _BITS, _SAMPLES = 274, 258, 277


def picture_geometry(width: int, height: int, spacing: float | Sequence[float] | None = None) -> Geometry:
    """The grid of a picture: x to the patient's left, y to the feet, depth to the back.

    Args:
        spacing: millimetres between pixels, one number or (x, y); ``None`` when not known.

    Raises:
        GeometryError: a spacing that is not positive and finite.
    """
    if spacing is None:
        sx = sy = 1.0
    else:
        pair = np.broadcast_to(np.asarray(spacing, dtype=np.float64), (2,))
        if not (np.isfinite(pair).all() and (pair > 0).all()):
            raise GeometryError("A pixel spacing is one or two positive numbers of millimetres.", got=spacing)
        sx, sy = float(pair[0]), float(pair[1])
    affine = np.array([[-sx, 0, 0, 0], [0, 0, -1.0, 0], [0, -sy, 0, 0], [0, 0, 0, 1]])
    return Geometry((width, height, 1), affine, spacing is not None, slice_axis=2)


def read_picture(
    path: str | Path,
    *,
    kind: str = "unknown",
    name: str | None = None,
    spacing: float | Sequence[float] | None = None,
    session: str = "",
    acquired: date | None = None,
) -> Image:
    """A picture as an image one voxel deep.

    EXIF orientation is applied. Palettes, CMYK and 1-bit pictures become plain intensities (no colour
    profile is applied); a colour picture whose channels are equal becomes grey. Transparency is laid
    over black, with a warning where there is any.

    Args:
        kind, name, session, acquired: as in :class:`Image`; ``name`` is the file's when not given.
        spacing: as for :func:`picture_geometry`.

    Returns:
        ``data[x, y, 0]``, or ``data[x, y, 0, channel]`` for colour; uint8, uint16, int32 or float32.

    Raises:
        FileFormatError: not a picture, damaged, too large, or several pages.
        StorageError: it cannot be opened.
    """
    path = Path(path)
    with _picture(path) as picture:
        if _deep_colour_tiff(picture):
            pixels = _deep_tiff(path)
        else:
            _warn_if_reduced(picture, path)
            pixels = _intensities(picture, path)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    require_finite(pixels, path)
    data = np.swapaxes(pixels, 0, 1)[:, :, None]
    geometry = picture_geometry(data.shape[0], data.shape[1], spacing)
    return Image(data, geometry, kind, path.name if name is None else name, acquired, session)


def read_picture_mask(
    path: str | Path,
    labels: LabelTable | None = None,
    *,
    name: str | None = None,
    spacing: float | Sequence[float] | None = None,
    session: str = "",
) -> Mask:
    """A picture whose pixel values (or palette indices) are labels.

    A mask of 0 and 255 alone is the usual way to store one structure: 255 becomes 1, unless the table
    names 255.

    Args:
        labels: as for :func:`sagittal.io.nifti.read_mask`.
        name, spacing, session: as for :func:`read_picture`.

    Raises:
        LabelError: a colour picture, or values that the table does not name.
        FileFormatError, StorageError: as for :func:`read_picture`.
    """
    path = Path(path)
    with _picture(path) as picture:
        upright = _upright(picture)
        # The index of a palette is the label; its colour is only for looking at.
        pixels = np.array(upright) if upright.mode in ("P", "1") else _intensities(picture, path)
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3:
        raise LabelError(
            f"{path.name} is a colour picture, not a label map.",
            expected="grey values or a palette",
            got=f"{pixels.shape[2]} channels",
            remedy="store label values as grey levels",
        )
    labels = labels or table_beside(path)
    values = to_labels(pixels, path.name)
    if not (labels and 255 in labels.names) and np.isin(values, (0, 255)).all():
        values = (values > 0).view(np.uint8)
    data = np.swapaxes(values, 0, 1)[:, :, None]
    geometry = picture_geometry(data.shape[0], data.shape[1], spacing)
    return with_names(Mask(data, geometry, {}, path.name if name is None else name, session), labels)


def write_picture(path: str | Path, image: Image) -> None:
    """Write an image of one slice in 8 bits, grey or colour, as PNG; its pixel spacing is not kept.

    Raises:
        GeometryError: the image is more than one voxel deep.
        FileFormatError: not 8 bits, or another ending.
        StorageError: it cannot be written.
    """
    from PIL import Image as Pictures

    path = Path(path)
    if path.suffix.lower() != ".png" or image.data.dtype != np.uint8:
        raise FileFormatError(
            "A picture is written as PNG in 8 bits.", got=f"{path.name}, {image.data.dtype}"
        )
    if not image.geometry.is_2d:
        raise GeometryError("Only an image of one slice is a picture.", got=image.shape, remedy="write NIfTI")
    pixels = np.ascontiguousarray(np.swapaxes(image.data[:, :, 0], 0, 1))
    with atomic_path(path, keep_suffix=".png") as temporary:
        Pictures.fromarray(pixels).save(temporary, format="PNG")


def write_picture_mask(path: str | Path, mask: Mask) -> None:
    """Write a mask of one slice as a grey PNG of label values (8 or 16 bits), its table beside it.

    Raises:
        GeometryError: the mask is more than one voxel deep.
        LabelError: a value without a name, or above 65535.
        StorageError: it cannot be written.
    """
    from PIL import Image as Pictures

    path = Path(path)
    mask.check_labels()
    values = to_labels(mask.data, mask.name or "The mask")
    if path.suffix.lower() != ".png":
        raise FileFormatError("A mask is written as PNG, which keeps its values.", got=path.name)
    if not mask.geometry.is_2d:
        raise GeometryError("Only a mask of one slice is a picture.", got=mask.shape, remedy="write NIfTI")
    if values.dtype.itemsize > 2:
        raise LabelError("A PNG holds label values up to 65535.", got=int(values.max()), remedy="write NIfTI")
    pixels = np.ascontiguousarray(values[:, :, 0].T)
    with atomic_path(path, keep_suffix=".png") as temporary:
        Pictures.fromarray(pixels).save(temporary, format="PNG")
    write_table_beside(path, mask)


def picture_size(path: str | Path) -> tuple[int, int]:
    """Width and height of a picture file, from its head alone; a turn that the file asks for is not made.

    Raises:
        FileFormatError: no picture, or a damaged or too large one.
        StorageError: the file cannot be read.
    """
    with _picture(Path(path)) as picture:
        return picture.size


# -- reading -------------------------------------------------------------------------------------


@contextmanager
def _picture(path: Path) -> Iterator[Picture]:
    """An opened, undecoded picture whose claimed size has been checked; damage while it is read is named."""
    from PIL import Image as Pictures

    too_large = (Pictures.DecompressionBombError, Pictures.DecompressionBombWarning)
    with storage_errors(path), path.open("rb") as handle, warnings.catch_warnings():
        # Pillow has a limit of its own, above ours; its word is ours.
        warnings.simplefilter("error", Pictures.DecompressionBombWarning)
        try:
            picture = Pictures.open(handle, formats=_FORMATS)
            _check_claims(picture, path)
            yield picture
        except too_large as error:
            raise _too_large(path, str(error)) from error
        except _DAMAGE as error:
            raise FileFormatError(
                f"{path.name} is not a picture that can be read, or it is damaged.",
                expected=", ".join(_FORMATS),
                got=str(error),
                remedy="fetch or write the file again",
            ) from error


def _check_claims(picture: Picture, path: Path) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _too_large(path, f"{width}×{height}")
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        # A photograph's MPO carries previews after its one picture; other pages are pictures of their own.
        raise FileFormatError(
            f"{path.name} holds several pictures.",
            expected="one",
            got=getattr(picture, "n_frames", 1),
            remedy="split it, and give the one you mean",
        )


def _too_large(path: Path, claim: str) -> FileFormatError:
    return FileFormatError(
        f"{path.name} claims more pixels than are decoded.",
        expected=f"at most {MAX_PIXELS}",
        got=claim,
        remedy="crop it or make it smaller",
    )


def _upright(picture: Picture) -> Picture:
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture)


def _intensities(picture: Picture, path: Path) -> NDArray[Any]:
    """(rows, columns) or (rows, columns, 3) values of a picture of any mode."""
    picture = _upright(picture)
    if picture.mode in ("I;16", "I;16L", "I;16B", "I", "F", "L"):
        pixels = np.array(picture)
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if picture.mode == "1":
        return np.array(picture.convert("L"))
    if picture.has_transparency_data:
        return _over_black(np.array(picture.convert("RGBA")), path)
    return np.array(picture.convert("RGB"))


def _over_black(pixels: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
    alpha = pixels[..., 3:]
    if (alpha == 255).all():
        return pixels[..., :3]
    warnings.warn(
        f"{path.name} is partly transparent; it is read as laid over black.", SagittalWarning, stacklevel=4
    )
    return np.rint(pixels[..., :3] * (alpha / np.float32(255))).astype(np.uint8)


def _warn_if_reduced(picture: Picture, path: Path) -> None:
    if picture.format != "PNG" or picture.mode not in ("LA", "RGB", "RGBA"):
        return
    with path.open("rb") as handle:
        depth = handle.read(25)[24:]
    if depth == b"\x10":
        warnings.warn(
            f"{path.name} has 16 bits a colour; its colours are read at 8 bits.",
            SagittalWarning,
            stacklevel=3,
        )


def _deep_colour_tiff(picture: Picture) -> bool:
    tags = getattr(picture, "tag_v2", {})
    bits = tags.get(_BITS, (1,))
    deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8
    return picture.format == "TIFF" and deep and tags.get(_SAMPLES, 1) > 1


def _deep_tiff(path: Path) -> NDArray[Any]:
    """Colour of more than 8 bits, which Pillow would reduce."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            if page.axes != "YXS" or page.shape[2] != 3 or page.tags.valueof(_ORIENTATION, 1) != 1:
                raise FileFormatError(
                    f"{path.name} is a kind of TIFF that is not read.",
                    expected="rows × columns × RGB, upright",
                    got=f"axes {page.axes}, shape {page.shape}",
                    remedy="save it as a plain RGB TIFF or PNG",
                )
            return np.asarray(page.asarray())
    except tifffile.TiffFileError as error:
        raise FileFormatError(f"{path.name} is damaged.", got=str(error)) from error
