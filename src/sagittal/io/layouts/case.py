"""One case of a data set: which files make up a study."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sagittal.errors import GeometryError, LayoutError
from sagittal.geometry import Geometry
from sagittal.io.labels import LabelTable
from sagittal.io.nifti import read_image, read_mask
from sagittal.study import Image, Mask, Study


@dataclass(frozen=True)
class CaseFiles:
    """The files of one study. Finding a case reads no pixels.

    Attributes:
        name: identifier of the study.
        patient: identifier of the patient, which splits go by.
        root: the data set's folder.
        images: ``(kind, path)`` of each image, the path relative to ``root`` with forward slashes.
        mask: path of the segmentation relative to ``root``, or ``None``.
        session: identifier of the visit, or empty.
        labels: the table that the layout itself gives for the mask, if it does.
    """

    name: str
    patient: str
    root: Path
    images: tuple[tuple[str, str], ...]
    mask: str | None = None
    session: str = ""
    labels: LabelTable | None = field(default=None, compare=False)

    def path(self, relative: str) -> Path:
        """The full path of one of this case's files."""
        return self.root / relative


def load_case(case: CaseFiles, labels: LabelTable | None = None, *, resample: bool = False) -> Study:
    """Read a case's files.

    Args:
        case: from :func:`sagittal.io.layouts.find_cases` or :func:`sagittal.io.layouts.case_from_files`.
        labels: what the mask's values mean; the layout's own table when not given.
        resample: bring images onto the mask's grid (the first image's when there is no mask), linearly,
            where they lie on another. The mask itself is never resampled.

    Returns:
        A study whose images and mask lie on one grid.

    Raises:
        GeometryError: grids differ and ``resample`` is off.
        InputError: a file that cannot be read, see :mod:`sagittal.io.nifti`.
    """
    images = [
        read_image(case.path(path), kind=kind, name=path, session=case.session) for kind, path in case.images
    ]
    masks: tuple[Mask, ...] = ()
    if case.mask is not None:
        table = labels or case.labels
        masks = (read_mask(case.path(case.mask), table, name=case.mask, session=case.session),)
    grid = masks[0].geometry if masks else images[0].geometry
    images = [_on_grid(image, grid, case.name, resample=resample) for image in images]
    return Study(case.name, case.patient, tuple(images), masks)


def _on_grid(image: Image, grid: Geometry, case: str, *, resample: bool) -> Image:
    if image.geometry.same_grid(grid):
        return image
    if resample:
        return image.resample_to(grid)
    raise GeometryError(
        f"The files of {case} do not lie on one grid: {image.name} lies elsewhere.",
        expected=grid.describe(),
        got=image.geometry.describe(),
        remedy="resample on reading (--resample), or check that the files belong together",
    )


def require_file(path: Path, what: str) -> None:
    """Refuse a path that has an image's name and is not a file.

    Raises:
        LayoutError: it is a folder, a broken link, or something else.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a broken link" if path.is_symlink() else "not there"
        raise LayoutError(
            f"{what} should be a file.", expected=path.name, got=kind, remedy=f"look at {path.parent}"
        )


def relative(path: Path, root: Path) -> str:
    """``path`` relative to ``root``, with forward slashes."""
    return path.relative_to(root).as_posix()
