"""Settings of the mpLLM data sets (§3.2.1, §4.1): which labels, which atlas, which words.

AAL gives eight regions in MNI152 space; LPBA40 in SRI24 space gives the same and the brainstem.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sagittal.errors import ConfigError
from sagittal.measure.classes import Thresholds


class TumourPreset(BaseModel):
    """What one of the paper's data sets is made of; nothing in it depends on a study."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="the preset's name")
    title: str = Field(description="the challenge whose studies the paper used")
    labels: str = Field(description="table of the label map's values: a preset of sagittal.io.labels")
    sequences: tuple[str, ...] = Field(
        default=("t1", "t1c", "t2", "flair"),
        description="kinds of image that a question is asked of, in order",
    )
    atlas: str = Field(description="atlas that regions are taken from, by the name of its region table")
    thresholds: Thresholds = Field(default=Thresholds(), description="where classes end")
    test_wordings: Literal["withheld", "train"] = Field(
        default="withheld",
        description="pool that test patients' wordings come from: kept back from training, or the same",
    )


PRESETS: Mapping[str, TumourPreset] = {
    preset.name: preset
    for preset in (
        TumourPreset(
            name="gli",
            title="BraTS-GLI 2024: adult glioma after treatment",
            labels="gli",
            atlas="aal2",
        ),
        TumourPreset(
            name="met",
            title="BraTS-MET 2024: brain metastases",
            labels="brats2023",
            atlas="lpba40",
        ),
        TumourPreset(
            name="goat",
            title="BraTS-GoAT 2024: generalisability across tumours",
            labels="brats2023",
            atlas="lpba40",
        ),
    )
}


def preset_of(name: str) -> TumourPreset:
    """The preset of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError("There is no such preset.", expected=", ".join(PRESETS), got=name)
    return PRESETS[name]
