"""The nouns that come in: images, masks, regions, and the study that holds them.

No bare array crosses a module's border: pixels travel with their :class:`~sagittal.geometry.Geometry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import ConfigError, GeometryError, InputError, LabelError
from sagittal.geometry import Geometry, Triple
from sagittal.resampling import resample

#: What an image shows, by its short name.
KINDS: Mapping[str, str] = {
    "t1": "T1-weighted MR",
    "t1c": "T1-weighted MR after contrast",
    "t2": "T2-weighted MR",
    "flair": "fluid-attenuated T2-weighted MR (FLAIR)",
    "pd": "proton-density MR",
    "dwi": "diffusion-weighted MR",
    "adc": "apparent diffusion coefficient map",
    "gre": "gradient-echo / susceptibility-weighted MR",
    "mr": "MR of an unstated sequence",
    "ct": "CT (Hounsfield units)",
    "cxr": "chest radiograph",
    "photo": "photograph or other colour picture",
    "unknown": "image of an unstated kind",
}


@dataclass(frozen=True, eq=False)
class _OnGrid:
    """Pixels on a grid: the part that images and masks share."""

    data: NDArray[Any]
    geometry: Geometry

    @property
    def shape(self) -> Triple:
        """Voxels along each array axis, channels left out."""
        return self.geometry.shape

    def _with(self, data: NDArray[Any], geometry: Geometry) -> Self:
        return replace(self, data=data, geometry=geometry)

    def reorient(self, codes: str = "RAS") -> Self:
        """The same voxels with the array's axes pointing towards ``codes``; a view, nothing is resampled."""
        geometry, order, flips = self.geometry.reoriented(codes)
        data = np.transpose(self.data, (*order, *range(3, self.data.ndim)))
        return self._with(np.flip(data, flips) if flips else data, geometry)

    def crop(self, start: Sequence[int], stop: Sequence[int]) -> Self:
        """Voxels ``start`` (included) to ``stop`` (excluded).

        Raises:
            GeometryError: the box is empty or reaches outside the grid.
        """
        if any(not 0 <= a < b <= n for a, b, n in zip(start, stop, self.shape, strict=True)):
            raise GeometryError(
                "The box to crop must lie inside the grid and hold at least one voxel.",
                expected=f"0 ≤ start < stop ≤ {self.shape}",
                got=f"{tuple(start)} to {tuple(stop)}",
            )
        index = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        return self._with(self.data[index], self.geometry.cropped(start, stop))

    def pad(self, before: Sequence[int], after: Sequence[int], fill: float = 0) -> Self:
        """``before`` and ``after`` more voxels on each axis, holding ``fill``."""
        width = [(int(a), int(b)) for a, b in zip(before, after, strict=True)]
        stop = [n + b for n, (_, b) in zip(self.shape, width, strict=True)]
        geometry = self.geometry.cropped([-a for a, _ in width], stop)
        width += [(0, 0)] * (self.data.ndim - 3)
        return self._with(np.pad(self.data, width, constant_values=fill), geometry)


@dataclass(frozen=True, eq=False)
class Image(_OnGrid):
    """A scan or picture.

    Attributes:
        data: intensities, ``geometry.shape``, or with a trailing axis of colour channels.
        geometry: where the voxels lie.
        kind: one of :data:`KINDS`.
        name: the file or series it came from.
        acquired: date of acquisition, when known.
        session: identifier of the visit, when known; sessions without dates keep their sorted order.
    """

    kind: str = "unknown"
    name: str = ""
    acquired: date | None = None
    session: str = ""

    def __post_init__(self) -> None:
        _check_shape(self.data, self.geometry, channels=True)
        if self.data.dtype.kind not in "uifb":
            raise InputError("An image holds real numbers.", got=f"{self.name}: {self.data.dtype}")
        if self.kind not in KINDS:
            raise ConfigError("The kind of image is not known.", expected=", ".join(KINDS), got=self.kind)

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return 1 if self.data.ndim == 3 else self.data.shape[3]

    def resample_to(self, target: Geometry, *, order: int = 1, fill: float = 0) -> Image:
        """This image at the voxel centres of ``target``, linearly by default."""
        return self._with(resample(self.data, self.geometry, target, order=order, fill=fill), target)

    def to_json(self) -> dict[str, Any]:
        """All but the pixels."""
        return {
            "kind": self.kind,
            "name": self.name,
            "acquired": self.acquired.isoformat() if self.acquired else None,
            "session": self.session,
            "geometry": self.geometry.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], data: NDArray[Any]) -> Image:
        """Inverse of :meth:`to_json`, given the pixels."""
        acquired = date.fromisoformat(value["acquired"]) if value["acquired"] else None
        geometry = Geometry.from_json(value["geometry"])
        return cls(data, geometry, value["kind"], value["name"], acquired, value["session"])


@dataclass(frozen=True, eq=False)
class Mask(_OnGrid):
    """A label map: whole numbers on a grid, with a name for each. 0 is background.

    Attributes:
        data: unsigned integers, ``geometry.shape``.
        labels: value → name; every value in ``data`` but 0 must have one (checked where files are
            read and by :meth:`check_labels`, not on every derived mask).
        name: the file or method it came from.
        session: identifier of the visit, as in :class:`Image`.
    """

    labels: Mapping[int, str] = field(default_factory=dict)
    name: str = ""
    session: str = ""

    def __post_init__(self) -> None:
        _check_shape(self.data, self.geometry, channels=False)
        if self.data.dtype == np.bool_:
            object.__setattr__(self, "data", self.data.view(np.uint8))
        if self.data.dtype.kind not in "ui":
            raise LabelError("A mask holds whole numbers.", got=f"{self.name}: {self.data.dtype}")
        names = list(self.labels.values())
        if len(set(names)) != len(names) or 0 in self.labels:
            raise LabelError("Label names must differ, and 0 is background.", got=dict(self.labels))

    def values(self) -> list[int]:
        """Label values that are present, 0 left out, ascending."""
        if self.data.size and int(self.data.min()) >= 0 and int(self.data.max()) < 1 << 16:
            present = np.flatnonzero(np.bincount(self.data.ravel(order="K").astype(np.uint16, copy=False)))
        else:
            present = np.unique(self.data)
        return [int(v) for v in present if v != 0]

    def check_labels(self) -> None:
        """Raise :class:`LabelError` when a value that is present has no name."""
        strange = [v for v in self.values() if v not in self.labels]
        if strange:
            table = ", ".join(f"{v} {n}" for v, n in self.labels.items())
            raise LabelError(
                f"{self.name or 'The mask'} holds label values that its table does not name.",
                expected=table or "a table of labels",
                got=strange,
                remedy="name the right table with --labels (a preset or a file)",
            )

    def value_of(self, name: str) -> int:
        """The value that stands for ``name``.

        Raises:
            LabelError: there is no such name.
        """
        for value, known in self.labels.items():
            if known == name:
                return value
        raise LabelError("There is no such label.", expected=", ".join(self.labels.values()), got=name)

    def of(self, name: str) -> Mask:
        """The binary mask of one label: value 1 where it is."""
        binary = (self.data == self.value_of(name)).view(np.uint8)
        return replace(self, data=binary, labels={1: name})

    def resample_to(self, target: Geometry) -> Mask:
        """This mask at the voxel centres of ``target``, nearest neighbour."""
        return self._with(resample(self.data, self.geometry, target, order=0), target)

    def on_grid(self, target: Geometry) -> Mask:
        """This mask on ``target``: its axes turned where that is enough, nearest neighbour otherwise."""
        if self.geometry.same_grid(target):
            return self
        turned = self.reorient(target.orientation)
        return turned if turned.geometry.same_grid(target) else self.resample_to(target)

    def to_json(self) -> dict[str, Any]:
        """All but the voxels."""
        return {
            "labels": {str(v): n for v, n in self.labels.items()},
            "name": self.name,
            "session": self.session,
            "geometry": self.geometry.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], data: NDArray[Any]) -> Mask:
        """Inverse of :meth:`to_json`, given the voxels."""
        labels = {int(v): n for v, n in value["labels"].items()}
        return cls(data, Geometry.from_json(value["geometry"]), labels, value["name"], value["session"])


@dataclass(frozen=True)
class Region:
    """A place that the asker points at, on one named image.

    Attributes:
        kind: ``points``, ``box`` (two opposite corners) or ``mask`` (free form).
        image: name of the image it was drawn on.
        space: ``voxel`` (indices of that image; on a picture x then y) or ``mm`` (RAS).
        coordinates: (x, y, z) of each point, or of the box's two corners; empty for a mask.
        mask: the drawn mask, for kind ``mask``.
    """

    kind: Literal["points", "box", "mask"]
    image: str
    space: Literal["voxel", "mm"] = "voxel"
    coordinates: tuple[tuple[float, float, float], ...] = ()
    mask: Mask | None = None

    def __post_init__(self) -> None:
        count = len(self.coordinates)
        right = {"points": count >= 1, "box": count == 2, "mask": count == 0 and self.mask is not None}
        if not right.get(self.kind, False) or (self.kind != "mask" and self.mask is not None):
            raise InputError(
                "A region is one or more points, a box of two corners, or a drawn mask.",
                got=f"{self.kind} with {count} coordinates",
            )
        if not np.isfinite(np.array(self.coordinates, dtype=float)).all():
            raise InputError("A region's coordinates must be finite numbers.", got=self.coordinates)

    def to_json(self) -> dict[str, Any]:
        """All but a drawn mask's voxels."""
        return {
            "kind": self.kind,
            "image": self.image,
            "space": self.space,
            "coordinates": [list(c) for c in self.coordinates],
            "mask": self.mask.to_json() if self.mask else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], mask_data: NDArray[Any] | None = None) -> Region:
        """Inverse of :meth:`to_json`, given a drawn mask's voxels."""
        mask = None
        if value["mask"] is not None and mask_data is not None:
            mask = Mask.from_json(value["mask"], mask_data)
        points = tuple((float(x), float(y), float(z)) for x, y, z in value["coordinates"])
        return cls(value["kind"], value["image"], value["space"], points, mask)


@dataclass(frozen=True)
class Session:
    """The images and masks of one visit."""

    name: str
    acquired: date | None
    images: tuple[Image, ...]
    masks: tuple[Mask, ...]


@dataclass(frozen=True)
class Study:
    """Everything given about one patient: images and masks of one or several sessions.

    Attributes:
        name: identifier of the study (a folder's name, say).
        patient: identifier of the patient; splits go by it.
        images, masks: in the order given.
    """

    name: str
    patient: str
    images: tuple[Image, ...] = ()
    masks: tuple[Mask, ...] = ()

    def image(self, kind: str) -> Image:
        """The one image of a kind.

        Raises:
            InputError: there is none, or more than one.
        """
        found = [i for i in self.images if i.kind == kind]
        if len(found) != 1:
            have = ", ".join(i.kind for i in self.images) or "no images"
            raise InputError(f"One {kind} image is needed in {self.name}.", expected=f"one {kind}", got=have)
        return found[0]

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions in time order: by date where every session has one, else by identifier."""
        names = sorted({i.session for i in self.images} | {m.session for m in self.masks})
        made = [self._session(name) for name in names]
        if all(s.acquired for s in made):
            made.sort(key=lambda s: (s.acquired or date.min, s.name))
        return tuple(made)

    def _session(self, name: str) -> Session:
        images = tuple(i for i in self.images if i.session == name)
        dates = [i.acquired for i in images if i.acquired]
        masks = tuple(m for m in self.masks if m.session == name)
        return Session(name, min(dates) if dates else None, images, masks)

    def to_json(self) -> dict[str, Any]:
        """All but the pixels."""
        return {
            "name": self.name,
            "patient": self.patient,
            "images": [i.to_json() for i in self.images],
            "masks": [m.to_json() for m in self.masks],
        }

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], images: Iterable[NDArray[Any]], masks: Iterable[NDArray[Any]]
    ) -> Study:
        """Inverse of :meth:`to_json`, given the pixels in the same order."""
        return cls(
            value["name"],
            value["patient"],
            tuple(Image.from_json(v, d) for v, d in zip(value["images"], images, strict=True)),
            tuple(Mask.from_json(v, d) for v, d in zip(value["masks"], masks, strict=True)),
        )


def _check_shape(data: NDArray[Any], geometry: Geometry, *, channels: bool) -> None:
    allowed = (3, 4) if channels else (3,)
    if data.ndim not in allowed or data.shape[:3] != geometry.shape:
        raise GeometryError(
            "The array does not fit its grid.",
            expected=f"shape {geometry.shape}" + (" (and colour channels)" if channels else ""),
            got=f"shape {data.shape}",
        )
