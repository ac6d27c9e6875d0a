"""How conversations are drawn: one small frozen model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class VoxelTasksConfig(BaseModel):
    """Which tasks, shares and chances; every chance is of one conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: Literal["core", "all"] = Field(
        default="core", description="`all`: also those that no shipped model has learnt yet"
    )
    unanswerable: float = Field(
        default=0.25, ge=0, le=1, description="share of questions that cannot be answered"
    )
    pathology: float = Field(
        default=0.5, ge=0, le=1, description="share of pathologies where a task takes anatomy, too"
    )
    absent: float = Field(
        default=0.2, ge=0, le=1, description="chance to ask for a pathology that is not there"
    )
    absent_anatomy: float = Field(
        default=0.03, ge=0, le=1, description="chance to ask for a structure that is out of view"
    )
    fewer_images: float = Field(
        default=0.4, ge=0, le=1, description="chance that only some of the sequences are given"
    )
    one_session: float = Field(
        default=0.25, ge=0, le=1, description="chance that one session of several is given"
    )
    scan_named: float = Field(
        default=0.4, ge=0, le=1, description="chance that the prompt says on which images"
    )
    typing: float = Field(
        default=0.4, ge=0, le=1, description="chance each of lower case and of no final mark"
    )
    typos: float = Field(default=0.15, ge=0, le=1, description="chance of misspelt words")
    maps: tuple[str, ...] = Field(
        default=("freesurfer",),
        description="label presets of the heads' anatomy; `dk` adds the cortex's parcels",
    )
