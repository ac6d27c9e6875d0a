"""Settings of a card whose adapter is ``bundle``: what a MONAI bundle leaves to its reader.

How its data lay, what its outputs are called on the card, and which of its parts, that are programs, these
settings stand for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sagittal.errors import FileFormatError
from sagittal.geometry import Triple
from sagittal.specialists.card import SpecialistCard

# How MONAI calls the ends of axes: its own choice without them is about to change.
_ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
_AXIS = {"L": "x", "R": "x", "P": "y", "A": "y", "I": "z", "S": "z"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Drawn(_Frozen):
    """One output of the network, and the label that it is drawn as."""

    output: str = Field(description="its name in the bundle's metadata")
    label: str = Field(description="its name on the card")


class Window(_Frozen):
    """The sliding window, where it differs from the bundle's."""

    most: Triple | None = Field(default=None, description="voxels along each axis that are looked at at once")
    overlap: float | None = Field(default=None, description="share of a window that the next one sees, too")
    mode: Literal["constant", "gaussian"] | None = Field(default=None, description="weights where they meet")
    padding_mode: Literal["constant", "replicate"] | None = Field(default=None, description="beyond a border")


class BundleSettings(_Frozen):
    """Settings of a card whose adapter is ``bundle``."""

    channels: tuple[str, ...] = Field(
        min_length=1,
        description="the bundle's names of its input channels, in the order of the card's images",
    )
    output: Literal["regions", "classes", "prompts"] = Field(
        description="a sigmoid for each region, a softmax over classes, or VISTA3D's class prompts"
    )
    draws: dict[str, tuple[Drawn, ...]] = Field(
        default_factory=dict,
        description="argument → what is drawn, later over earlier; outputs named as its labels when missing",
    )
    replaces: dict[Literal["preprocessing", "inferer", "postprocessing"], tuple[str, ...]] = Field(
        default_factory=dict, description="the bundle's programs, by _target_, that these settings stand for"
    )
    orientation: str | None = Field(
        default=None, description="of the arrays that the network was made with, if the bundle does not say"
    )
    spacing: tuple[float, float, float] | None = Field(
        default=None, description="their voxels in millimetres, if the bundle does not say"
    )
    crop: bool = Field(default=False, description="only the box around what is above 0 is looked at")
    resample: bool = Field(
        default=False, description="images on unlike grids are resampled onto the first; refused otherwise"
    )
    window: Window = Window()
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description="of the network")
    outputs_mb: int = Field(default=2_000, gt=0, description="memory of prompted outputs at a time")

    @field_validator("orientation")
    @classmethod
    def _names_three_axes(cls, value: str | None) -> str | None:
        if value is not None and sorted(_AXIS.get(end, "?") for end in value) != ["x", "y", "z"]:
            raise ValueError("an orientation names one of R or L, A or P, S or I each")
        return value

    def before(self) -> list[tuple[str, Mapping[str, Any]]]:
        """What is done before the bundle's own preparation: MONAI's transforms by name, and arguments."""
        steps: list[tuple[str, Mapping[str, Any]]] = []
        if self.orientation is not None:
            steps.append(("Orientationd", {"axcodes": self.orientation, "labels": _ENDS}))
        if self.spacing is not None:
            steps.append(("Spacingd", {"pixdim": self.spacing, "mode": "bilinear"}))
        if self.crop:
            steps.append(("CropForegroundd", {"allow_smaller": True}))
        return steps


def read_settings(card: SpecialistCard) -> BundleSettings:
    """The settings of a card.

    Raises:
        FileFormatError: they are not a bundle's, or do not fit the rest of the card.
    """
    try:
        settings = BundleSettings.model_validate(card.settings)
    except ValidationError as error:
        first = error.errors()[0]
        raise FileFormatError(
            "The card's settings are not a bundle's.", expected=", ".join(BundleSettings.model_fields),
            got=f"{card.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}",
        ) from error  # fmt: skip
    if not card.masks or len(settings.channels) != len(card.images):
        raise FileFormatError(
            "A bundle's card gives masks, and names a channel for each of its images.",
            expected=f"{len(card.images)} channels", got=f"{card.name}: {len(settings.channels)}",
        )  # fmt: skip
    return settings
