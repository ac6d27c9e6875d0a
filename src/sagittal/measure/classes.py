"""Words for numbers: volume, shape and spread classes (mpLLM, §3.2.1 and appendix A).

All thresholds are in :class:`Thresholds`; its defaults are the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

NOT_PRESENT = "N/A"
VOLUME_CLASSES = (NOT_PRESENT, "<1%", "1-5%", "5-10%", "10-25%", "25-50%", "50-75%", ">75%")
SHAPE_CLASSES = (NOT_PRESENT, "focus", "round", "oval", "elongated", "irregular")
SPREAD_CLASSES = (NOT_PRESENT, "single lesion", "core with satellite lesions", "scattered lesions")
UNLOCALISED = "unlocalised"


class Thresholds(BaseModel):
    """Where one class ends and the next begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    volume_percent: tuple[float, ...] = Field(
        default=(1, 5, 10, 25, 50, 75),
        description="borders between volume classes, in percent of the brain; closed on the left",
    )
    focus_ml: float = Field(default=0.1, gt=0, description="a label smaller than this (in ml) is a focus")
    round_sphericity: float = Field(default=0.80, description="least sphericity of a round label")
    round_elongation: float = Field(default=1.4, description="greatest elongation of a round label")
    oval_sphericity: float = Field(default=0.50, description="least sphericity of an oval label")
    elongated_elongation: float = Field(
        default=3.0, description="greatest elongation of an oval label; above it a label is elongated"
    )
    metrics_core_share: float = Field(
        default=0.7, ge=0, le=1, description="least share of the core for its metrics to stand for the label"
    )
    spread_core_share: float = Field(
        default=0.85, ge=0, le=1, description="least share of the core to speak of satellites around it"
    )
    min_share: float = Field(
        default=0.0, ge=0, le=1, description="least share of a label's voxels for a region to be named"
    )
    unlocalised: str = Field(
        default=UNLOCALISED,
        description="word for a label that lies outside every region; the paper's own form is N/A",
    )

    @field_validator("volume_percent")
    @classmethod
    def _six_ascending(cls, borders: tuple[float, ...]) -> tuple[float, ...]:
        if len(borders) != len(VOLUME_CLASSES) - 2 or list(borders) != sorted(set(borders)):
            raise ValueError("six ascending percentages are needed")
        return borders

    @classmethod
    def published(cls) -> Thresholds:
        """The paper's own form: a label outside every region is ``N/A``, as if it were not there."""
        return cls(unlocalised=NOT_PRESENT)


def volume_class(percent: float, thresholds: Thresholds | None = None) -> str:
    """Class of a label's volume in percent of the brain; closed on the left.

    ``N/A`` only for 0, a label without a voxel. ``>75%`` (75 included) makes the published list total.
    """
    borders = (thresholds or Thresholds()).volume_percent
    if percent == 0:
        return NOT_PRESENT
    return VOLUME_CLASSES[1 + sum(percent >= border for border in borders)]


def shape_class(
    volume_ml: float,
    sphericity: float | None,
    elongation: float | None,
    thresholds: Thresholds | None = None,
) -> str | None:
    """Class of a label's shape; rules in printed order.

    Args:
        volume_ml: the label's total volume.
        sphericity, elongation: the aggregated metrics.
        thresholds: where classes end.

    Returns:
        The class; ``N/A`` for an empty label; ``None`` when a rule needs a metric that is undefined.
    """
    t = thresholds or Thresholds()
    if volume_ml == 0:
        return NOT_PRESENT
    if volume_ml < t.focus_ml:
        return "focus"
    if sphericity is None or elongation is None:
        return None
    if sphericity >= t.round_sphericity and elongation <= t.round_elongation:
        return "round"
    oval = t.oval_sphericity <= sphericity < t.round_sphericity
    if oval and t.round_elongation < elongation <= t.elongated_elongation:
        return "oval"
    return "elongated" if elongation > t.elongated_elongation else "irregular"


def spread_class(components: int, core_share: float | None, thresholds: Thresholds | None = None) -> str:
    """Class of a label's spread, from its number of components and the core's share of the volume."""
    t = thresholds or Thresholds()
    if components == 0 or core_share is None:
        return NOT_PRESENT
    if components == 1:
        return "single lesion"
    return "core with satellite lesions" if core_share >= t.spread_core_share else "scattered lesions"


def region_names(shares: dict[str, float], thresholds: Thresholds | None = None) -> Sequence[str]:
    """Regions to name for a label that is present: those with a share > 0 and ≥ ``min_share``.

    Returns:
        Their names in the order given; the single word for "outside every region" when there is none.
    """
    t = thresholds or Thresholds()
    named = [name for name, share in shares.items() if share > 0 and share >= t.min_share]
    return named or [t.unlocalised]
