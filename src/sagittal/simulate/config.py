"""Settings of the simulated world: small frozen models, one field one meaning, and named presets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from sagittal.errors import ConfigError

Pathology = Literal[
    "healthy", "gli", "pre", "met", "goat", "wmh", "lesion", "growth", "restriction", "enhancement", "places"
]
#: Sequences that a profile exists for, in the words of :data:`sagittal.study.KINDS`.
SEQUENCES = ("t1", "t1c", "t2", "flair", "pd", "dwi", "adc", "gre", "ct")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Deformation(_Frozen):
    """How a head is posed and bent before it is sampled. Angles, lengths: uniform within ± the value."""

    rotation_deg: float = Field(default=15.0, ge=0, le=180, description="about each axis, degrees")
    scaling: float = Field(default=0.10, ge=0, lt=0.5, description="of each axis, share")
    largest_brain_ml: float = Field(
        default=1800.0, gt=0, description="a head scaled beyond this brain is brought back to it"
    )
    shear: float = Field(default=0.05, ge=0, lt=0.5, description="each of six shears")
    translation_mm: float = Field(default=8.0, ge=0, description="along each axis")
    elastic_mm: float = Field(default=5.0, ge=0, description="largest sd of the coarse smooth displacement")
    elastic_knot_mm: float = Field(default=36.0, gt=0, description="scale of the coarse displacement")
    fine_mm: float = Field(default=1.6, ge=0, description="largest sd of the fine displacement")
    fine_knot_mm: float = Field(default=16.0, gt=0, description="scale of the fine displacement")
    flip: float = Field(
        default=0.5, ge=0, le=1, description="chance of a mirror image, left and right labels swapped"
    )


class Contrast(_Frozen):
    """How tissues look."""

    random: float = Field(
        default=0.0, ge=0, le=1, description="chance that an image has random tissue intensities"
    )
    jitter: float = Field(
        default=1.0, ge=0, le=3, description="spread of tissue properties, 1 = as between people"
    )
    vessels: bool = Field(default=True, description="draw small veins, which enhance after contrast")


class Artefacts(_Frozen):
    """How scanners and processing spoil an image; each is drawn anew for every image."""

    bias: float = Field(default=0.30, ge=0, description="largest sd of the log bias field")
    noise: float = Field(
        default=0.05, ge=0, description="largest noise sd, share of the white matter's signal"
    )
    blur_mm: float = Field(default=1.0, ge=0, description="largest sd of the point-spread function")
    thick_slices: float = Field(
        default=0.35, ge=0, le=1, description="chance of thick slices, resampled to the grid"
    )
    thickest_mm: float = Field(default=6.0, gt=0, description="thickest slice")
    gamma: float = Field(
        default=0.15, ge=0, lt=1, description="sd of the log exponent of a power-law contrast change"
    )
    crop: float = Field(
        default=0.0, ge=0, le=1, description="chance that a side of the field of view is cut off"
    )


class WorldConfig(_Frozen):
    """One simulated world: a grid, the sequences, the pathology, and how much everything varies.

    A study is a function of the config, the set of heads, the seed and its index, and of nothing else.
    """

    pathology: Pathology = Field(default="gli", description="what is wrong with the brain")
    sequences: tuple[str, ...] = Field(
        default=("t1", "t1c", "t2", "flair"), description="images of a study, in order"
    )
    shape: tuple[int, int, int] = Field(default=(96, 112, 88), description="voxels along right, front, head")
    spacing: tuple[float, float, float] = Field(
        default=(2.0, 2.0, 2.0), description="mm along right, front, head"
    )
    orientation: str = Field(default="RAS", description="where the array's axes point")
    skull_strip: float = Field(default=1.0, ge=0, le=1, description="chance that only the brain is left")
    strip_error_mm: float = Field(
        default=1.5, ge=0, description="largest sd of the brain mask's error at its border"
    )
    healthy_share: float = Field(
        default=0.0, ge=0, le=1, description="chance that a study has no lesion after all"
    )
    anatomy: bool = Field(default=True, description="give the map of structures")
    deformation: Deformation = Deformation()
    contrast: Contrast = Contrast()
    artefacts: Artefacts = Artefacts()

    @field_validator("sequences")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        strange = [s for s in value if s not in SEQUENCES]
        if strange or not value or len(set(value)) != len(value):
            raise ConfigError(
                "Sequences must be known, and each named once.", expected=", ".join(SEQUENCES), got=value
            )
        return value

    @field_validator("shape", "spacing")
    @classmethod
    def _positive(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < v < 4096 for v in value):
            raise ConfigError("Shape and spacing must be positive.", got=value)
        return value


#: Worlds by name. ``gli``: glioma after treatment, four labels; ``pre``: glioma before treatment;
#: ``met``: metastases; ``goat``: tumours of several kinds; ``growth``: two sessions; ``places``: one lesion
#: in one of ten named places.
PRESETS: dict[str, WorldConfig] = {
    "gli": WorldConfig(),
    "pre": WorldConfig(pathology="pre"),
    "met": WorldConfig(pathology="met"),
    "goat": WorldConfig(pathology="goat"),
    "wmh": WorldConfig(pathology="wmh", sequences=("t1", "flair"), skull_strip=0.5),
    "lesion": WorldConfig(pathology="lesion", sequences=("t1", "t2", "flair"), contrast=Contrast(random=0.5)),
    "healthy": WorldConfig(pathology="healthy", sequences=("t1", "t2", "flair"), skull_strip=0.5),
    "growth": WorldConfig(pathology="growth", sequences=("t1c", "flair")),
    "restriction": WorldConfig(pathology="restriction", sequences=("dwi", "adc")),
    "enhancement": WorldConfig(pathology="enhancement", sequences=("t1", "t1c")),
    "places": WorldConfig(
        pathology="places", sequences=("t1", "t2", "flair"), skull_strip=0.5, contrast=Contrast(random=0.5)
    ),
}


def preset(name: str) -> WorldConfig:
    """A world by name.

    Raises:
        ConfigError: there is no such preset.
    """
    if name not in PRESETS:
        raise ConfigError("There is no such simulated world.", expected=", ".join(PRESETS), got=name)
    return PRESETS[name]
