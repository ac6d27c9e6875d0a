"""Heads that the world is built on: label maps of whole heads, or of bare brains that are given shells.

A head's frame is world space with the centre of the cerebrum at :data:`CEREBRUM_CENTRE`, where it lies in
MNI152 space, so that atlases fall roughly into place on simulated studies too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.errors import InputError, LayoutError, StorageError
from sagittal.files import sha256_bytes, sha256_file
from sagittal.geometry import Geometry
from sagittal.io.nifti import SUFFIXES, read_mask
from sagittal.simulate import shells
from sagittal.simulate.fields import smooth_noise
from sagittal.simulate.tissues import structures
from sagittal.study import Mask

#: Centre of the cerebrum's bounding box in MNI152 space (from the Desikan–Killiany map), RAS mm.
CEREBRUM_CENTRE = (0.0, -17.0, 15.5)
#: Air kept around the head, voxels.
MARGIN = 5
_CEREBRUM = (2, 3, 41, 42)
_NO_SIDE = 77


@dataclass(frozen=True, eq=False)
class Head:
    """One head, ready to be sampled.

    Attributes:
        name: identifier; goes into the facts.
        labels: (X, Y, Z) uint8 structure indices (:mod:`sagittal.simulate.tissues`), RAS, air all around.
        depth: (X, Y, Z) int8: signed distance to the brain's surface in half millimetres, negative inside.
        to_voxel: (4, 4) float64, world mm → voxel index.
        spacing: mm along each axis.
    """

    name: str
    labels: Tensor
    depth: Tensor
    to_voxel: NDArray[np.float64]
    spacing: tuple[float, float, float]

    def to(self, device: torch.device) -> Head:
        """The same head with its voxels on a device."""
        if self.labels.device == device:
            return self
        return Head(self.name, self.labels.to(device), self.depth.to(device), self.to_voxel, self.spacing)

    @cached_property
    def brain_ml(self) -> float:
        """Volume inside the brain's surface, CSF between and within included."""
        return int((self.depth < 0).sum()) * float(np.prod(self.spacing)) / 1000

    @cached_property
    def extent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World corners (low, high) of the box around the brain, mm."""
        inside = (self.depth < 0).cpu().numpy()
        box = [
            np.flatnonzero(inside.any(axis=tuple(b for b in range(3) if b != a)))[[0, -1]] for a in range(3)
        ]
        corners = np.array(box, dtype=float).T
        matrix = np.linalg.inv(self.to_voxel)
        low, high = corners @ matrix[:3, :3].T + matrix[:3, 3]
        return low, high


def make_head(mask: Mask, name: str) -> Head:
    """A label map → a head: RAS, cropped, dressed where it is bare, with dura and depth.

    Args:
        mask: FreeSurfer (aseg or aparc+aseg) values, whole head or brain only.
        name: identifier.

    Raises:
        LabelError: values that the table of structures does not know.
        InputError: there is no cerebral white matter on both sides.
    """
    mask = mask.reorient("RAS")
    spacing = np.asarray(mask.geometry.spacing)
    codes = np.asarray(mask.data)
    sideless = codes == _NO_SIDE
    table = structures()
    labels = _cropped(table.encode(codes, name), codes, sideless, spacing)
    if not all((labels == table.index(v)).any() for v in (2, 41)):
        raise InputError(
            "A head needs cerebral white matter on both sides (values 2 and 41).",
            got=f"{name} has not",
            remedy="give FreeSurfer aseg or aparc+aseg label maps",
        )
    brain = table.parenchyma | np.isin(table.tissue, _fluids_inside())
    inside = brain[labels]
    depth = shells.brain_depth(inside, spacing, closing_mm=6.0)
    skull_depth = shells.brain_depth(inside, spacing, closing_mm=20.0)
    bare = not np.isin(labels, table.indices("cortical_bone")).any()
    distance = shells.plane_distance(labels, shells.midline(labels), spacing)
    if bare:
        shells.add_shells(labels, skull_depth)
    else:
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        noise = smooth_noise(labels.shape, mask.geometry.spacing, 9.0, generator)[0].numpy()
        shells.split_soft_tissue(labels, skull_depth, noise)
    shells.add_membranes(labels, distance, spacing, bare)
    half_mm = np.clip(np.round(depth / shells.DEPTH_UNIT), -127, 127).astype(np.int8)
    return Head(
        name,
        torch.from_numpy(np.ascontiguousarray(labels)),
        torch.from_numpy(np.ascontiguousarray(half_mm)),
        _frame(labels, spacing),
        mask.geometry.spacing,
    )


def _fluids_inside() -> list[int]:
    from sagittal.simulate.tissues import tissues

    return [tissues().index(name) for name in ("ventricle", "choroid_plexus")]


def _cropped(
    labels: NDArray[np.uint8], codes: NDArray, sideless: NDArray[np.bool_], spacing: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """The box around the largest piece (specks outside the head left out), padded with air."""
    import cc3d

    table = structures()
    if sideless.any():
        # White-matter lesions without a side belong to the side of the midline that they lie on.
        right = shells.plane_distance(labels, shells.midline(labels), spacing) > 0
        labels[sideless & right] = table.index(41)
    head = cc3d.largest_k(labels != 0, k=1, connectivity=6) > 0
    labels = np.where(head, labels, 0).astype(np.uint8)
    index = [np.flatnonzero(head.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    labels = labels[tuple(slice(int(i[0]), int(i[-1]) + 1) for i in index)]
    # A bare brain needs room for its shells; air elsewhere keeps sampling from running off the edge.
    bare = not np.isin(labels, table.indices("cortical_bone")).any()
    room = [MARGIN + (int(np.ceil(18 / s)) if bare else 0) for s in spacing]
    return np.pad(labels, [(r, r) for r in room])


def _frame(labels: NDArray[np.uint8], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    table = structures()
    cerebrum = np.isin(labels, [*(table.index(v) for v in _CEREBRUM), *np.flatnonzero(table.values >= 1000)])
    ends = [
        np.flatnonzero(cerebrum.any(axis=tuple(b for b in range(3) if b != a)))[[0, -1]] for a in range(3)
    ]
    centre = np.array([e.mean() for e in ends])
    matrix = np.eye(4)
    matrix[:3, :3] = np.diag(1 / spacing)
    matrix[:3, 3] = centre - np.asarray(CEREBRUM_CENTRE) / spacing
    return matrix


class HeadSet:
    """Heads in a fixed order, read when first asked for and then kept in memory (about 20 MB each).

    Args:
        names: identifiers, one a head.
        makers: one function a head that reads and makes it.
        hashes: SHA-256 of what each was made from, for manifests.
        source: a line saying where they come from.
    """

    def __init__(
        self, names: Sequence[str], makers: Sequence[Callable[[], Head]], hashes: Sequence[str], source: str
    ) -> None:
        self.names = tuple(names)
        self.hashes = dict(zip(names, hashes, strict=True))
        self.source = source
        self._makers = tuple(makers)
        self._made: dict[tuple[int, torch.device], Head] = {}

    def __len__(self) -> int:
        return len(self.names)

    def head(self, index: int, device: torch.device | str = "cpu") -> Head:
        """The head at a place in the order, on a device."""
        device = torch.device(device)
        if (index, device) not in self._made:
            if device.type == "cpu":
                self._made[index, device] = self._makers[index]()
            else:
                self._made[index, device] = self.head(index).to(device)
        return self._made[index, device]

    def subset(self, indices: Sequence[int]) -> HeadSet:
        """The heads at some places, for splits: the order is that of ``indices``."""
        names = [self.names[i] for i in indices]
        makers = [self._makers[i] for i in indices]
        return HeadSet(names, makers, [self.hashes[n] for n in names], self.source)

    @classmethod
    def from_folder(cls, folder: str | Path) -> HeadSet:
        """Every NIfTI or MGH label map in a folder, in order of name.

        Raises:
            StorageError: there is no such folder.
            LayoutError: it holds no label map.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise StorageError("There is no such folder of heads.", got=folder, remedy="check the path")
        paths = sorted(p for p in folder.iterdir() if p.name.lower().endswith(SUFFIXES))
        if not paths:
            raise LayoutError(
                "The folder holds no label map.",
                expected=f"files ending in {', '.join(SUFFIXES)}",
                got=folder,
                remedy="name the folder that holds the label maps themselves",
            )
        names = [p.name.split(".")[0] for p in paths]
        return cls(names, [_reader(p, n) for p, n in zip(paths, names, strict=True)],
                   [sha256_file(p) for p in paths], f"label maps in {folder.name}")  # fmt: skip

    @classmethod
    def from_file(cls, path: str | Path) -> HeadSet:
        """One label map, say the Desikan–Killiany map of the atlas store."""
        path = Path(path)
        name = path.name.split(".")[0]
        return cls([name], [_reader(path, name)], [sha256_file(path)], path.name)

    @classmethod
    def default(cls) -> HeadSet:
        """The Desikan–Killiany map of the atlas store.

        Raises:
            StorageError: it was not added; the message says how.
        """
        from sagittal.measure.atlas_store import volume_path

        return cls.from_file(volume_path("dk"))

    @classmethod
    def phantoms(cls, count: int = 1, spacing: float = 2.0) -> HeadSet:
        """Heads made of ellipsoids (:mod:`sagittal.simulate.phantom`): need no file."""
        names = [f"phantom-{k}" for k in range(count)]
        makers = [_phantom_maker(k, spacing) for k in range(count)]
        hashes = [sha256_bytes(f"phantom {k} {spacing}".encode()) for k in range(count)]
        return cls(names, makers, hashes, "phantoms")


def _reader(path: Path, name: str) -> Callable[[], Head]:
    return lambda: make_head(read_mask(path), name)


def _phantom_maker(seed: int, spacing: float) -> Callable[[], Head]:
    from sagittal.simulate.phantom import phantom_labels

    def make() -> Head:
        labels = phantom_labels(spacing, seed=seed).astype(np.uint16)
        geometry = Geometry(labels.shape, np.diag([spacing, spacing, spacing, 1.0]))
        return make_head(
            Mask(labels, geometry, {int(v): str(v) for v in np.unique(labels) if v}), f"phantom-{seed}"
        )

    return make
