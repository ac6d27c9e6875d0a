"""What was found about a segmentation: the ``describe`` contract, and the same as measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagittal.answer import Measurement
from sagittal.geometry import WORLD_AXES
from sagittal.measure.classes import Thresholds, region_names
from sagittal.measure.diameters import Diameters
from sagittal.measure.intensity import Intensity

DESCRIBE_SCHEMA = "sagittal.describe/1"

#: Plain values of the contract, in its order: key → (unit, method).
_VALUES: Mapping[str, tuple[str, str]] = {
    "voxels": ("", "voxels of the label"),
    "volume_ml": ("mL", "voxels × voxel volume"),
    "brain_percent": ("%", "label volume ÷ brain volume"),
    "volume_class": ("", "class of the percentage of the brain"),
    "components": ("", "26-connected components"),
    "core_share": ("", "largest component ÷ label, by volume"),
    "spread_class": ("", "components and share of the core"),
    "surface_mm2": ("mm²", "marching cubes at level 0.5, summed over components"),
    "sphericity": ("", "π^(1/3) (6V)^(2/3) ÷ A; of the core, or the mean over components"),
    "compactness": ("1/mm", "A ÷ V; of the core, or the mean over components"),
    "elongation": ("", "√(λ1/λ2) of voxel coordinates; of the core, or the mean over components"),
    "flatness": ("", "√(λ3/λ2) of voxel coordinates; of the core, or the mean over components"),
    "solidity": ("", "V ÷ volume of the convex hull of voxel corners; of the core, or the mean"),
    "shape_class": ("", "rules on volume, sphericity and elongation"),
    "covered_share": ("", "share of the label inside any region of the atlas"),
}


@dataclass
class LabelDescription:
    """All about one label. Fields follow the ``describe`` contract; ``None`` has a reason in ``undefined``.

    Attributes:
        name, label: the label's name and value.
        diameters: in-plane diameters with their end points (the contract carries the lengths).
        intensity: by image; ``None`` for an image that could not be measured.
        undefined: key → why the value is ``None``; ``intensity.NAME`` for one image.
    """

    name: str
    label: int
    voxels: int = 0
    volume_ml: float | None = None
    brain_percent: float | None = None
    volume_class: str | None = None
    components: int = 0
    core_share: float | None = None
    spread_class: str | None = None
    surface_mm2: float | None = None
    sphericity: float | None = None
    compactness: float | None = None
    elongation: float | None = None
    flatness: float | None = None
    solidity: float | None = None
    shape_class: str | None = None
    extent_mm: dict[str, float] | None = None
    diameters: Diameters | None = None
    centroid_ras_mm: tuple[float, ...] | None = None
    regions: dict[str, float] | None = None
    covered_share: float | None = None
    intensity: dict[str, Intensity | None] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)

    def region_words(self, thresholds: Thresholds | None = None) -> tuple[str, ...] | None:
        """The regions to name; ``("N/A",)`` for an absent label, ``None`` where regions are not known."""
        if self.voxels == 0:
            return ("N/A",)
        return None if self.regions is None else tuple(region_names(self.regions, thresholds))

    def to_json(self) -> dict[str, Any]:
        """The contract's form."""
        out: dict[str, Any] = {"label": self.label}
        out.update({key: getattr(self, key) for key in _VALUES if key != "covered_share"})
        out["extent_mm"] = self.extent_mm
        out["diameters_mm"] = None
        if self.diameters is not None:
            out["diameters_mm"] = {
                "longest": self.diameters.longest_mm,
                "perpendicular": self.diameters.perpendicular_mm,
                "plane": self.diameters.plane,
                "slice": self.diameters.slice,
            }
        out["centroid_ras_mm"] = list(self.centroid_ras_mm) if self.centroid_ras_mm is not None else None
        out["regions"] = self.regions
        out["covered_share"] = self.covered_share
        out["intensity"] = {image: _intensity_json(found) for image, found in self.intensity.items()}
        out["undefined"] = dict(self.undefined)
        for image, found in self.intensity.items():
            if found is not None and found.undefined:
                out["undefined"][f"intensity.{image}.snr"] = found.undefined
        if self.voxels == 0:
            out["intensity"] = None
        return out

    def measurements(self) -> list[Measurement]:
        """Every value as a measurement with unit and method."""
        out = [self._measurement(key, getattr(self, key), *how) for key, how in _VALUES.items()]
        for axis in WORLD_AXES:
            value = self.extent_mm[axis] if self.extent_mm is not None else None
            out.append(self._measurement("extent_mm", value, "mm", "outer voxel faces", f"extent_{axis}"))
        for which in ("longest", "perpendicular"):
            value = getattr(self.diameters, f"{which}_mm") if self.diameters is not None else None
            method = f"{which} in-plane diameter of one piece, outline midway between voxels"
            out.append(self._measurement("diameters_mm", value, "mm", method, f"{which}_diameter"))
        for region, share in (self.regions or {}).items():
            out.append(
                self._measurement("regions", share, "", "share of the label's voxels", f"share_in_{region}")
            )
        for image, found in self.intensity.items():
            for key in ("mean", "sd", "median", "snr"):
                value = getattr(found, key) if found is not None else None
                reason = found.undefined if found is not None else self.undefined[f"intensity.{image}"]
                out.append(
                    Measurement(
                        f"{image}_{key}", value, "", self.name, f"{key} over the label's voxels",
                        undefined=None if value is not None else reason,
                    )
                )  # fmt: skip
        return out

    def _measurement(
        self, key: str, value: float | int | str | None, unit: str, method: str, name: str = ""
    ) -> Measurement:
        # A unit belongs to the measurement, not to its name.
        called = name or key.removesuffix("_ml").removesuffix("_mm2")
        return Measurement(
            called, value, unit, self.name, method, undefined=self.undefined[key] if value is None else None
        )


@dataclass(frozen=True)
class Description:
    """A whole segmentation, described.

    Attributes:
        brain_ml: the brain's volume; ``None`` with ``brain_undefined`` saying why.
        brain_source: what the brain was taken from.
        atlas: name and template space, when one was used.
        labels: by name, those without a voxel included.
        warnings: what the reader must know.
    """

    brain_ml: float | None
    brain_source: str
    brain_undefined: str | None
    atlas: tuple[str, str] | None
    labels: Mapping[str, LabelDescription]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The ``describe`` contract."""
        undefined = {"brain_ml": self.brain_undefined} if self.brain_ml is None else {}
        if self.atlas is None:
            undefined["atlas"] = "no atlas was given"
        return {
            "schema": DESCRIBE_SCHEMA,
            "brain_ml": self.brain_ml,
            "atlas": {"name": self.atlas[0], "space": self.atlas[1]} if self.atlas else None,
            "labels": {name: label.to_json() for name, label in self.labels.items()},
            "warnings": list(self.warnings),
            "undefined": undefined,
        }

    def measurements(self) -> list[Measurement]:
        """Every value of every label as a measurement with unit and method."""
        method = f"non-zero voxels of {self.brain_source}" if self.brain_source else "brain voxels"
        brain = Measurement("volume", self.brain_ml, "mL", "brain", method, undefined=self.brain_undefined)
        return [brain, *(m for label in self.labels.values() for m in label.measurements())]


def _intensity_json(found: Intensity | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {"mean": found.mean, "sd": found.sd, "median": found.median, "snr": found.snr}
