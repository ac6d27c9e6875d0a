"""Tells findings on a chest film, oedema's grade, view and sex, and roughly where heart and lungs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sagittal.errors import ConfigError, FileFormatError, SagittalError
from sagittal.io.films.names import FINDINGS, Finding
from sagittal.models.checkpoint import Accepts, Card, Score, open_checkpoint, save_checkpoint
from sagittal.models.chest.films import FILMS, prepared
from sagittal.models.chest.network import ENCODER, FindingsNetwork
from sagittal.models.chest.segmenter import ORGANS
from sagittal.models.medplib.pictures import Frame
from sagittal.nn.vit import ViT, ViTConfig
from sagittal.runtime import autocast
from sagittal.study import Image

KIND = "chest-findings"
#: Where an operating point was chosen.
Ground = Literal["simulated", "real"]


class FindingsConfig(BaseModel):
    """Sizes, and from which probability on a finding is said to be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: ViTConfig = ENCODER
    points: dict[Ground, dict[Finding, float]] = Field(
        default_factory=dict,
        description="operating points, by what they were chosen on (Youden's, on validation films); of real "
        "films those findings alone whose labels there were enough of",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        encoder = self.encoder
        if encoder.channels != 1 or len(encoder.size) != 2 or encoder.size[0] != encoder.size[1]:
            raise ConfigError(
                "Films are grey squares.", expected="one channel, two equal sides",
                got=f"{encoder.channels} channels, {encoder.size}",
            )  # fmt: skip
        if any(not 0 <= p <= 1 for own in self.points.values() for p in own.values()):
            raise ConfigError("An operating point is a probability.", got=self.points)
        return self

    def point(self, finding: Finding, ground: Ground = "simulated") -> float:
        """From which probability on a finding is there.

        Raises:
            ConfigError: no point was chosen for this finding on these films.
        """
        known = self.points.get(ground, {})
        if finding not in known:
            raise ConfigError(
                f"There is no operating point for {finding} on {ground} films.",
                expected=", ".join(known) or "none was chosen",
                got=finding,
            )
        return known[finding]


@dataclass(frozen=True)
class FilmReading:
    """What the network tells of one film.

    Attributes:
        findings: finding → probability, as calibrated as the card says.
        oedema: probabilities of grades 0 to 3.
        ap: probability of an AP film, against PA.
        female: probability.
        ctr: the cardiothoracic ratio, estimated; not measured on masks.
        boxes: organ → left, top, right, bottom in pixels of the film, estimated; not of masks.
    """

    findings: Mapping[Finding, float]
    oedema: tuple[float, ...]
    ap: float
    female: float
    ctr: float
    boxes: Mapping[str, tuple[float, float, float, float]]


class ChestFindings:
    """The network and what surrounds it.

    Args:
        network: in evaluation mode.
        config: sizes and operating points.
    """

    def __init__(self, network: FindingsNetwork, config: FindingsConfig) -> None:
        self.network, self.config = network, config

    @property
    def encoder(self) -> ViT:
        """The trunk, as a language model takes it."""
        return self.network.encoder

    @torch.inference_mode()
    def read(self, image: Image) -> FilmReading:
        """Look at a film.

        Raises:
            InputError: no film: see :func:`sagittal.models.chest.films.upright`.
        """
        square, frame = prepared(image, self.config.encoder.size[0])
        with autocast():
            told = self.network(square[None])
        findings = told.findings[0].sigmoid().tolist()
        boxes = {
            organ: _on_film(tuple(box), frame, self.config.encoder.size[0])
            for organ, box in zip(ORGANS, told.boxes[0].tolist(), strict=True)
        }
        return FilmReading(
            findings=dict(zip(FINDINGS, findings, strict=True)),
            oedema=tuple(told.oedema[0].softmax(dim=0).tolist()),
            ap=float(told.ap[0].sigmoid()), female=float(told.female[0].sigmoid()), ctr=float(told.ctr[0]),
            boxes=boxes,
        )  # fmt: skip

    def there(self, reading: FilmReading, ground: Ground = "simulated") -> dict[Finding, bool]:
        """Yes or no, of each finding that has an operating point on such films."""
        return {
            finding: reading.findings[finding] >= point
            for finding, point in self.config.points.get(ground, {}).items()
        }


def _on_film(box: tuple[float, ...], frame: Frame, edge: int) -> tuple[float, float, float, float]:
    """From shares of the square to pixels of the film, kept within it."""
    found = []
    for number, share in enumerate(box):
        axis = number % 2
        first, last = frame.inner[axis], frame.inner[axis + 2]
        start, end = frame.box[axis], frame.box[axis + 2]
        place = start + (share * edge - first) / (last - first) * (end - start)
        found.append(float(np.clip(place, 0, frame.size[axis])))
    left, top, right, bottom = found
    return left, top, right, bottom


def save_chest_findings(
    folder: str | Path, network: FindingsNetwork, config: FindingsConfig, *, card: Card
) -> Path:
    """Write a checkpoint; see :func:`sagittal.models.checkpoint.save_checkpoint`."""
    return save_checkpoint(folder, network, kind=KIND, config=config.model_dump(mode="json"), card=card)


def open_chest_findings(folder: str | Path) -> ChestFindings:
    """Read a checkpoint.

    Raises:
        IntegrityError, FileFormatError, ConfigError, StorageError: as for
            :func:`sagittal.models.checkpoint.open_checkpoint`.
    """
    checkpoint = open_checkpoint(folder, kind=KIND)
    try:
        config = FindingsConfig.model_validate(checkpoint.config)
    except (ValidationError, SagittalError) as error:
        raise FileFormatError("The checkpoint's config is damaged.", got=error) from error
    checkpoint.check_size(lambda: FindingsNetwork(config.encoder))
    network = FindingsNetwork(config.encoder)
    checkpoint.load_into(network)
    return ChestFindings(network.eval(), config)


def findings_card(scores: tuple[Score, ...], recipe: str) -> Card:
    """What to know about the shipped one."""
    return Card(
        name="chest-findings",
        summary="Tells ten findings on a chest film, oedema's grade, view and sex; an encoder of films.",
        licence="Apache-2.0",
        data=(
            "simulated chest films with known findings (this project's world)",
            "703 films of ChestX-ray14 with text-mined labels (Wang et al. 2017; NIH Clinical Center)",
            "organs of those films as chest-segmenter draws them",
        ),
        recipe=recipe,
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "labels of the real films were mined from reports; Lung Opacity and Fracture have none, and of "
            "Pneumothorax, Nodule and Consolidation there are fewer than twenty",
            "the looks of simulated findings were judged by eye alone",
            "its boxes and ratio are estimates; chest-segmenter measures them",
        ),
        accepts=Accepts(kinds=FILMS, most_volumes=1, most_sessions=1, regions=False, pictures=True),
    )
