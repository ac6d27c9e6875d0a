"""Draws heart and lungs on frontal chest films, and says so where it finds none.

A film is brought into a square (:mod:`sagittal.models.chest.films`); what the network draws there is cleaned
and brought back onto the film's own pixels. Of each organ the largest piece is kept, and others that are
nearly as large. An organ that is smaller than a stated share of the square, or that the network is not sure
of, was not located; a heart without a lung is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sagittal.errors import FileFormatError, SagittalError
from sagittal.geometry import Geometry
from sagittal.io.run_lengths import UPRIGHT, Runs, runs_of
from sagittal.measure.chest import ChestMeasures, Projection, measure_chest
from sagittal.models.checkpoint import Accepts, Card, Score, open_checkpoint, save_checkpoint
from sagittal.models.chest.films import FILMS, prepared
from sagittal.models.medplib.pictures import Frame
from sagittal.nn.flat_unet import FlatUNet, FlatUNetConfig
from sagittal.runtime import autocast
from sagittal.study import Image, Mask

KIND = "chest-segmenter"
#: What is drawn: the network's classes after "none", and the values of masks.
ORGANS = ("heart", "left lung", "right lung")
LABELS: Mapping[int, str] = dict(enumerate(ORGANS, start=1))
# Not drawn, whatever the other classes say.
_NEVER = -30.0


class SegmenterConfig(BaseModel):
    """Sizes, and what counts as found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edge: int = Field(default=256, ge=32, le=1_024, description="of the square")
    network: FlatUNetConfig = FlatUNetConfig()
    least_share: float = Field(
        default=0.012, ge=0, le=1, description="of the square: a smaller organ was not located"
    )
    least_certainty: float = Field(
        default=0.75, ge=0, le=1, description="mean probability within an organ; below, it was not located"
    )
    piece: float = Field(
        default=0.25, gt=0, le=1, description="share of an organ's largest piece that another one must have"
    )


#: A turned film is one of which the network is surer by that when it is turned back. Of 104 real films the
#: least difference between upright and upside down was 0.057.
_SURER = 0.03


@dataclass(frozen=True, eq=False)
class ChestMasks:
    """What was drawn on a film.

    Attributes:
        mask: on the film's own grid, values of :data:`LABELS`; organs that were not located are left out.
        certainty: organ → mean probability within it, of those that were located.
        missing: organ → why it was not located.
        projection: how the film was taken, as declared.
    """

    mask: Mask
    certainty: Mapping[str, float]
    missing: Mapping[str, str]
    projection: Projection

    def of(self, organ: str) -> Mask:
        """One organ's mask; without a voxel where it was not located."""
        return self.mask.of(organ)

    def runs(self) -> dict[str, Runs]:
        """The organs that were located, as :mod:`sagittal.measure.chest` takes them."""
        lying = self.mask.reorient(UPRIGHT)
        return {organ: runs_of(lying, organ) for organ in self.certainty}

    def measures(self) -> ChestMeasures:
        """Ratios, widths and areas, or the outcome that says why there are none."""
        return measure_chest(self.runs(), projection=self.projection)


class ChestSegmenter:
    """The network and what surrounds it.

    Args:
        network: in evaluation mode.
        config: sizes and thresholds.
    """

    def __init__(self, network: FlatUNet, config: SegmenterConfig) -> None:
        self.network, self.config = network, config

    @torch.inference_mode()
    def segment(self, image: Image, projection: Projection = "unknown") -> ChestMasks:
        """Draw heart and lungs.

        Args:
            image: a film.
            projection: how it was taken. On a lateral film, which is none that the network knows, nothing is
                drawn; that a film is lateral is not found out.

        Raises:
            InputError: no film: see :func:`sagittal.models.chest.films.upright`.
        """
        square, frame = prepared(image, self.config.edge)
        if projection == "lateral":
            blank = np.zeros(image.shape, np.uint8)
            mask = Mask(blank, image.geometry, LABELS, KIND, image.session)
            return ChestMasks(mask, {}, dict.fromkeys(ORGANS, "the film is lateral"), projection)
        with autocast():
            logits = self.network(square[None])[0]
        chances = logits.float().softmax(dim=0).numpy()
        drawn, certainty, missing = found_organs(chances, self.config)
        mask = _on_film(drawn, chances, frame, image)
        return ChestMasks(mask, certainty, missing, projection)

    @torch.inference_mode()
    def quarter_turns(self, image: Image) -> int:
        """Quarter turns, anticlockwise, that make a film stand upright: 0 where it does, or where none does.

        The way is told by how sure the network is of what it draws: it knows upright films alone.

        Raises:
            InputError: as :meth:`segment`.
        """
        square, _ = prepared(image, self.config.edge)
        with autocast():
            logits = self.network(torch.stack([torch.rot90(square, turn, (1, 2)) for turn in range(4)]))
        sure = []
        for chances in logits.float().softmax(dim=1).numpy():
            _, certainty, _ = found_organs(chances, self.config)
            sure.append(sum(certainty.values()) / len(ORGANS))
        best = int(np.argmax(sure))
        return best if sure[best] > sure[0] + _SURER else 0


def found_organs(
    chances: NDArray[np.float32], config: SegmenterConfig
) -> tuple[NDArray[np.uint8], dict[str, float], dict[str, str]]:
    """What is kept of a square.

    Args:
        chances: (1 + organs, h, w) probabilities, "none" first.
        config: what counts as found.

    Returns:
        (h, w) values of :data:`LABELS`; certainty of each organ that was located; why others were not.
    """
    likely = chances.argmax(axis=0)
    drawn = np.zeros(likely.shape, np.uint8)
    certainty, missing = {}, {}
    for value, organ in LABELS.items():
        own = _cleaned(likely == value, config.piece)
        sure = float(chances[value][own].mean()) if own.any() else 0.0
        share = np.count_nonzero(own) / own.size
        if share < config.least_share:
            missing[organ] = f"it covers {share:.1%} of the film, less than {config.least_share:.1%}"
        elif sure < config.least_certainty:
            missing[organ] = f"the network is {sure:.0%} sure, less than {config.least_certainty:.0%}"
        else:
            certainty[organ] = sure
            drawn[own & (drawn == 0)] = value
    if "heart" in certainty and len(certainty) == 1:
        missing["heart"] = "there is no lung beside it"
        certainty.clear()
        drawn[:] = 0
    return drawn, certainty, missing


def _cleaned(own: NDArray[np.bool_], piece: float) -> NDArray[np.bool_]:
    """The largest piece and those of at least ``piece`` of it, without holes."""
    from scipy.ndimage import binary_fill_holes, label

    parts, count = label(own)
    if count == 0:
        return own
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept = sizes >= max(1.0, piece * sizes.max())
    filled: NDArray[np.bool_] = binary_fill_holes(kept[parts])
    return filled


def _on_film(drawn: NDArray[np.uint8], chances: NDArray[np.float32], frame: Frame, image: Image) -> Mask:
    """The square's organs on the film's own pixels.

    Borders lie where an organ's log-odds against everything else cross zero between pixels of the square, so
    that they are smooth on a film of any size.
    """
    upright, _, _ = image.geometry.reoriented(UPRIGHT)
    values = np.zeros(upright.shape, np.uint8)
    odds = np.log(np.clip(chances, 1e-6, 1)) - np.log(np.clip(1 - chances, 1e-6, 1))
    for value in LABELS:
        own = drawn == value
        if own.any():
            # What was taken away is never drawn, what was filled in is.
            field = np.where(own, np.maximum(odds[value], 0.05), np.minimum(odds[value], -0.05))
            near = _beside(own)
            field = np.where(own | near, field, _NEVER)
            inside = frame.back(torch.from_numpy(field.astype(np.float32))) > 0
            values[:, :, 0][inside & (values[:, :, 0] == 0)] = value
    return _lying_as(Mask(values, upright, LABELS, KIND, image.session), image.geometry)


def _beside(own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    found: NDArray[np.bool_] = binary_dilation(own, iterations=2)
    return found


def _lying_as(mask: Mask, geometry: Geometry) -> Mask:
    """A mask in the film's own order of axes."""
    turned = mask.reorient(geometry.orientation)
    return replace(turned, data=np.ascontiguousarray(turned.data), geometry=geometry)


def save_chest_segmenter(
    folder: str | Path, network: FlatUNet, config: SegmenterConfig, *, card: Card
) -> Path:
    """Write a checkpoint; see :func:`sagittal.models.checkpoint.save_checkpoint`."""
    return save_checkpoint(folder, network, kind=KIND, config=config.model_dump(mode="json"), card=card)


def open_chest_segmenter(folder: str | Path) -> ChestSegmenter:
    """Read a checkpoint.

    Raises:
        IntegrityError, FileFormatError, ConfigError, StorageError: as for
            :func:`sagittal.models.checkpoint.open_checkpoint`.
    """
    checkpoint = open_checkpoint(folder, kind=KIND)
    try:
        config = SegmenterConfig.model_validate(checkpoint.config)
    except (ValidationError, SagittalError) as error:
        raise FileFormatError("The checkpoint's config is damaged.", got=error) from error
    checkpoint.check_size(lambda: FlatUNet(config.network))
    network = FlatUNet(config.network)
    checkpoint.load_into(network)
    return ChestSegmenter(network.eval(), config)


def segmenter_card(scores: tuple[Score, ...], recipe: str) -> Card:
    """What to know about the shipped one."""
    return Card(
        name="chest-segmenter",
        summary="Draws heart, left lung and right lung on frontal chest films, on the film's own pixels.",
        licence="Apache-2.0",
        data=(
            "simulated chest films with known organs (this project's world)",
            "58 films of the Montgomery set with lung masks (US National Library of Medicine)",
            "135 pictures of heads and bellies of VQA-RAD, as ones that show no chest (Lau et al. 2018, CC0)",
        ),
        recipe=recipe,
        scores=scores,
        limits=(
            "medical research software, not a medical device: never for diagnosis or treatment",
            "the heart was learnt from simulated films alone; no real film with a heart's outline was",
            "frontal films of adults; a lateral film is not found out, it must be declared",
            "a mirrored film is not found out: sides are those of the film as it is shown",
        ),
        accepts=Accepts(kinds=FILMS, most_volumes=1, most_sessions=1, regions=False, pictures=True),
    )
