"""Settings of the simulated chest world."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sagittal.errors import ConfigError
from sagittal.io.films.names import FINDINGS, Finding

#: Each has a chance of its own; oedema follows from its grade.
DRAWN: tuple[Finding, ...] = tuple(name for name in FINDINGS if name != "Edema")


class ChestConfig(BaseModel):
    """How films are made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edge: int = Field(default=256, ge=32, le=4_096, description="pixels of a side; films are square")
    field_mm: tuple[float, float] = Field(default=(275.0, 360.0), description="width of what a film shows")
    ap: float = Field(default=0.3, ge=0, le=1, description="chance of an AP film: wider heart, larger field")
    female: float = Field(default=0.5, ge=0, le=1, description="chance of a woman")
    ctr: tuple[float, float] = Field(
        default=(0.47, 0.07), description="mean and spread of the cardiothoracic ratio that is aimed at"
    )
    finding: float = Field(
        default=0.16, ge=0, le=1, description="chance of each finding that is drawn by itself"
    )
    oedema: tuple[float, float, float, float] = Field(
        default=(0.64, 0.12, 0.12, 0.12), description="chance of each grade of oedema"
    )
    device: float = Field(default=0.15, ge=0, le=1, description="chance of each device")
    rotation_deg: float = Field(default=4.0, ge=0, le=45, description="of the patient, ± at most")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not 200 <= self.field_mm[0] <= self.field_mm[1] <= 600:
            raise ConfigError("A film shows a chest.", expected="200 to 600 mm", got=self.field_mm)
        if abs(sum(self.oedema) - 1) > 1e-6 or min(self.oedema) < 0:
            raise ConfigError("Grades of oedema have chances that add up to 1.", got=self.oedema)
        return self
