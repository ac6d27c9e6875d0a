"""What of a case is looked at: one slice, with the places on it that the asker points at.

All regions of a question lie on one image and in one slice. The slice is named, or it is the picture itself,
or it follows from the first region: of a point its own, of a box the middle one, of a volume's mask the one
that shows most of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sagittal.agent.text import plain
from sagittal.asking.regions import (
    RegionSpec,
    drawn_region,
    indices_along,
    on_image,
    parse_region,
    pixel_region,
    pixels_inside,
    read_mask_of,
    world_region,
)
from sagittal.asking.slices import (
    Plane,
    Slice,
    SliceName,
    parse_slice,
    slice_of,
    slices_in,
    whole_picture,
)
from sagittal.draw.overlay import busiest_point
from sagittal.errors import InputError
from sagittal.study import Image, Mask, Region

#: The plane of a slice that nobody named.
DEFAULT_PLANE = "axial"
#: Regions of one question.
MOST_REGIONS = 16


@dataclass(frozen=True, eq=False)
class Pointed:
    """A place that the asker points at.

    Attributes:
        region: on the image.
        inside: the pixels of the slice that it covers, at least one.
    """

    region: Region
    inside: Plane


@dataclass(frozen=True, eq=False)
class View:
    """What is looked at, and where.

    Attributes:
        slice: of one image.
        regions: in the order given; none where nothing is pointed at.
    """

    slice: Slice
    regions: tuple[Pointed, ...] = ()

    @property
    def words(self) -> str:
        """For people: what is looked at."""
        count = len(self.regions)
        places = "" if not count else f", {count} region{'s' if count > 1 else ''}"
        where = "" if self.slice.is_whole else f"{self.slice.words} of "
        return f"{where}{self.slice.image.name}{places}"


def view_of(
    volumes: Mapping[str, Image], regions: Sequence[str | Region] = (), slice: str | None = None
) -> View | None:
    """Find out what is to be looked at.

    Args:
        volumes: the images, by the names that tables show.
        regions: as they are written (:mod:`sagittal.asking.regions`), or as regions.
        slice: as it is written (:mod:`sagittal.asking.slices`).

    Returns:
        ``None`` where nothing is named, and the images are not a single picture.

    Raises:
        InputError: what is named is not there, not in one slice, or does not say which slice is meant.
    """
    if len(regions) > MOST_REGIONS:
        raise InputError("These are too many regions.", expected=f"at most {MOST_REGIONS}", got=len(regions))
    given = [parse_region(one) if isinstance(one, str) else one for one in regions]
    named = parse_slice(slice) if slice is not None else None
    if not given and named is None:
        first = next(iter(volumes.values()))
        alone = whole_picture(first) if len(volumes) == 1 else None
        return None if alone is None else View(alone)
    image = _one_image(volumes, [one.image for one in given], named)
    settled = [_settled(one, image) for one in given]
    at = _slice(image, settled, named)
    found = [_on(one, at) for one in settled]
    _require_one_slice(found, at)
    return View(at, tuple(Pointed(region, pixels_inside(region, at)) for region in found))


# -- which image ---------------------------------------------------------------------------------


def _one_image(volumes: Mapping[str, Image], names: Sequence[str | None], named: SliceName | None) -> Image:
    said = [name for name in (*names, named.image if named else None) if name]
    known = {**{image.name: image for image in volumes.values()}, **volumes}
    for name in said:
        if name not in known:
            raise InputError(
                "There is no image of this name.",
                expected=_listed(volumes),
                got=plain(name, 80),
                remedy="put the image's name before the region: t1=point:X,Y",
            )
    images = {id(known[name]): known[name] for name in said}
    if len(images) > 1:
        raise InputError(
            "All regions of a question lie on one image.",
            expected="one image",
            got=", ".join(plain(name, 80) for name in dict.fromkeys(said)),
            remedy="ask about one image at a time",
        )
    if not images and len(volumes) > 1:
        first = next(iter(volumes))
        raise InputError(
            "Which of the images is meant is not said.",
            expected=_listed(volumes),
            got="no name",
            remedy=f"put it first: --region {first}=point:X,Y, or --slice {first}=axial:90",
        )
    return next(iter(images.values()), next(iter(volumes.values())))


def _listed(volumes: Mapping[str, Image]) -> str:
    return ", ".join(f"{name} ({image.name})" for name, image in volumes.items())


# -- which slice ---------------------------------------------------------------------------------

#: A region whose slice is still open: pixels of it, or a mask that may be as large as it is shown.
_Open = RegionSpec | Mask | Region


def _settled(given: RegionSpec | Region, image: Image) -> _Open:
    """What of a region can be settled before the slice is known; files are read once."""
    if isinstance(given, Region):
        return given.mask if given.mask is not None else replace(given, image=image.name)
    if given.file is not None:
        return read_mask_of(given.file)
    return world_region(given, image) if given.in_mm else given


def _slice(image: Image, regions: Sequence[_Open], named: SliceName | None) -> Slice:
    """The slice that is named, or that follows from the first region."""
    picture = whole_picture(image)
    if picture is not None and named is not None:
        raise InputError(
            "A picture has no slices.",
            expected="a region alone",
            got=f"{named.plane} slice of {image.name}",
            remedy="leave --slice out",
        )
    if picture is not None:
        return picture
    plane = named.plane if named is not None else DEFAULT_PLANE
    if named is not None and named.index is not None:
        return slice_of(image, plane, named.index)
    index = _followed(image, plane, regions[0]) if regions else None
    if index is None:
        last = slices_in(image, plane) - 1
        raise InputError(
            f"Which slice of {image.name} is meant is not said.",
            expected=f"{plane}:0 to {plane}:{last}, a place in millimetres, or a volume's mask",
            got="pixels without a slice" if regions else f"{plane} without a number",
            remedy=f"name it: --slice {plane}:{last // 2}",
        )
    return slice_of(image, plane, index)


def _followed(image: Image, plane: str, first: _Open) -> int | None:
    """The slice that a region lies in; ``None`` where it does not say."""
    if isinstance(first, Region):
        low, high = indices_along(first, slice_of(image, plane, 0))
        return (low + high) // 2
    mask = on_image(first, image) if isinstance(first, Mask) else None
    return None if mask is None else busiest_point(mask)[plane]


def _on(region: _Open, at: Slice) -> Region:
    if isinstance(region, Region):
        return region
    return drawn_region(region, at) if isinstance(region, Mask) else pixel_region(region, at)


def _require_one_slice(regions: Sequence[Region], at: Slice) -> None:
    """Refuse points and boxes that do not reach into the slice; masks were cut by it already."""
    for number, region in enumerate(regions, start=1):
        low, high = indices_along(region, at)
        if not low <= at.index <= high:
            raise InputError(
                "All regions of a question lie in one slice.",
                expected=f"{at.name} of {at.image.name}",
                got=f"region {number} in {at.plane}:{low}" + (f" to {at.plane}:{high}" if high > low else ""),
                remedy="ask about one slice at a time",
            )
