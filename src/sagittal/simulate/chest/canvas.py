"""The plane of a film: outlines filled, bodies bulged, tubes laid, in millimetres of the patient.

Millimetres are x to the patient's left (to the right of the film), 0 in the midline, and y downwards, 0 at
the first rib. Planes are (rows, columns).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import splev, splprep
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree
from skimage.draw import polygon2mask

Plane = NDArray[np.float64]
Points = NDArray[np.float64]
Inside = NDArray[np.bool_]


@dataclass(frozen=True)
class Canvas:
    """A square film.

    Attributes:
        edge: pixels of a side.
        mm: of a pixel.
        middle: millimetres that lie in the film's middle.
        angle: radians by which the patient is turned in the plane.
    """

    edge: int
    mm: float
    middle: tuple[float, float]
    angle: float = 0.0

    @cached_property
    def _turn(self) -> NDArray[np.float64]:
        c, s = np.cos(self.angle), np.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    @cached_property
    def places(self) -> Points:
        """(edge², 2) millimetres of the pixels' middles, row by row."""
        own = (np.arange(self.edge) + 0.5 - self.edge / 2) * self.mm
        columns, rows = np.meshgrid(own, own)
        return np.stack([columns.ravel(), rows.ravel()], axis=1) @ self._turn + np.array(self.middle)

    @cached_property
    def x(self) -> Plane:
        """Millimetres to the patient's left."""
        return self.places[:, 0].reshape(self.edge, self.edge)

    @cached_property
    def y(self) -> Plane:
        """Millimetres downwards."""
        return self.places[:, 1].reshape(self.edge, self.edge)

    def pixels(self, points: ArrayLike) -> Points:
        """(n, 2) millimetres → (n, 2) row and column, the first pixel's middle being 0."""
        own = (np.asarray(points, float) - np.array(self.middle)) @ self._turn.T / self.mm
        return own[:, ::-1] + (self.edge - 1) / 2

    def fill(self, outline: Points) -> Inside:
        """What a closed outline holds."""
        found: Inside = polygon2mask((self.edge, self.edge), self.pixels(outline))
        return found

    def bulge(self, inside: Inside, reach: float) -> Plane:
        """From 0 at the border to 1 at ``reach`` millimetres within, as a round body's depth grows."""
        if inside.all() or not inside.any():
            # No border: nothing, or all of it deep within.
            return inside.astype(float)
        # To the border between two pixels, not to the next pixel's middle; the film's own end is none.
        far = np.clip(distance_transform_edt(inside) - 0.5, 0, None) * self.mm
        share = np.clip(far / reach, 0, 1)
        return np.where(inside, np.sqrt(1 - (1 - share) ** 2), 0.0)

    def tubes(self, points: Points, radii: NDArray[np.float64]) -> Plane:
        """Millimetres of chord through tubes along points with a radius each."""
        most = float(radii.max())
        low, high = points.min(axis=0) - most, points.max(axis=0) + most
        near = np.flatnonzero(((self.places >= low) & (self.places <= high)).all(axis=1))
        chord = np.zeros(self.edge**2)
        if len(near):
            distance, index = cKDTree(points).query(self.places[near], distance_upper_bound=most)
            hit = np.isfinite(distance)
            radius = radii[index[hit]]
            chord[near[hit]] = 2 * np.sqrt(np.clip(radius**2 - distance[hit] ** 2, 0, None))
        return chord.reshape(self.edge, self.edge)

    def noise(self, mm: float, rng: np.random.Generator) -> Plane:
        """Smooth noise of mean 0 and spread 1, so many millimetres coarse."""
        own = self.blurred(rng.standard_normal((self.edge, self.edge)), mm)
        return own / max(float(own.std()), 1e-9)

    def blurred(self, plane: Plane, mm: float) -> Plane:
        """Smoothed by a Gaussian of so many millimetres."""
        found: Plane = gaussian_filter(plane, mm / self.mm)
        return found


def closed(points: ArrayLike, count: int = 200) -> Points:
    """A smooth closed outline through points."""
    own = np.asarray(points, float)
    tck, _ = splprep(np.vstack([own, own[:1]]).T, s=0, per=True)
    return np.stack(splev(np.linspace(0, 1, count, endpoint=False), tck), axis=1)


def course(points: ArrayLike, count: int = 80) -> Points:
    """A smooth course through points."""
    own = np.asarray(points, float)
    tck, _ = splprep(own.T, s=0, k=min(3, len(own) - 1))
    return np.stack(splev(np.linspace(0, 1, count), tck), axis=1)
