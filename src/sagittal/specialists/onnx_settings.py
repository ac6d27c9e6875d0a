"""What a card says of an ONNX network: how its input is made, and what its output stands for."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sagittal.errors import FileFormatError
from sagittal.specialists.card import Line, SpecialistCard

#: An output that stands for nothing.
BACKGROUND = "background"
_LARGEST_INPUT = 1 << 28

Edge = Annotated[int, Field(ge=1, le=4_096)]
Millimetres = Annotated[float, Field(gt=0, le=100)]


class OnnxSettings(BaseModel):
    """``settings`` of a card whose adapter is ``onnx``.

    A picture goes in as a radiologist sees it, whatever the order of its array, rows from the top and columns
    from the left. A volume goes in with its axes turned to ``orientation``; each image of the card is a
    channel, on the first one's box. What comes out lies where what went in lay.

    Example:
        ::

            settings:
              file: models/tumour.onnx
              layout: NCDHW
              size: [128, 128, 128]
              spacing: [1.5, 1.5, 1.5]
              values: z-score
              outputs: [background, tumour]
              activation: softmax
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(description="the network: one of the files that the card's needs name")
    layout: Literal["NCHW", "NHWC", "NCDHW", "NDHWC"] = Field(
        description="axes of input and output: N the one study, C channels, H rows and W columns of a"
        " picture, or D, H and W, the three axes of a volume"
    )
    size: tuple[Edge, ...] = Field(description="of the input: rows and columns, or the three axes in order")
    orientation: str = Field(default="RAS", description="where a volume's axes point in the network")
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = Field(
        default=None,
        description="of a volume's voxels in the network, which sees a box of this spacing and size around"
        " its middle; without it, the whole volume is brought to the size, each axis by itself",
    )
    channels: int = Field(default=1, ge=1, le=8, description="of the input; a picture has 1, or 3 of colour")
    resize: Literal["nearest", "linear", "cubic"] = Field(default="linear", description="how, to the size")
    values: Literal["unit", "z-score", "as is"] = Field(
        description="unit: 0 to 1, of the 8 bits that are shown of the image (its 1st to 99th percentile,"
        " where it is deeper); z-score: mean 0 and deviation 1 of the image; as is: its own, such as"
        " Hounsfield units"
    )
    mean: tuple[float, ...] = Field(default=(0.0,), description="taken from these, for all channels or each")
    std: tuple[float, ...] = Field(default=(1.0,), description="and this divides them")
    activation: Literal["softmax", "sigmoid", "none"] = Field(
        description="what turns outputs into probabilities; none where the network does it itself"
    )
    outputs: tuple[Line, ...] = Field(
        min_length=1, max_length=255,
        description=f"what the output's channels stand for, in order: classes or labels of the card, or"
        f" {BACKGROUND} in a mask",
    )  # fmt: skip
    threshold: float = Field(
        default=0.5, gt=0, lt=1,
        description=f"probability from which a voxel is a label's, where no output is {BACKGROUND}",
    )  # fmt: skip
    output: str | None = Field(default=None, description="which output of the network, where it has several")

    @property
    def is_flat(self) -> bool:
        """Whether the network looks at pictures."""
        return "D" not in self.layout

    @property
    def channel_axis(self) -> int:
        """Of input and output."""
        return self.layout.index("C")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """In the order of the layout."""
        return self._shape(self.channels)

    @property
    def mask_shape(self) -> tuple[int, ...]:
        """Of a segmentation, in the order of the layout."""
        return self._shape(len(self.outputs))

    def _shape(self, channels: int) -> tuple[int, ...]:
        shape = [1, *self.size]
        shape.insert(self.channel_axis, channels)
        return tuple(shape)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        axes = 2 if self.is_flat else 3
        if len(self.size) != axes or prod(self.input_shape) > _LARGEST_INPUT:
            raise ValueError(f"size: {axes} numbers for {self.layout}, {_LARGEST_INPUT} values at most")
        if sorted(min(pair) for pair in map(_pair_of, self.orientation)) != ["A", "I", "L"]:
            raise ValueError("orientation: one of R or L, A or P and S or I each")
        if self.is_flat and (self.spacing is not None or self.orientation != "RAS"):
            raise ValueError("spacing and orientation are a volume's; a picture is seen as it is shown")
        if self.is_flat and self.channels not in (1, 3):
            raise ValueError("channels: a picture is grey or of three colours")
        if {len(self.mean), len(self.std)} - {1, self.channels} or min(self.std) <= 0:
            raise ValueError("mean and std: one number or one a channel; std is positive")
        if len(set(self.outputs)) < len(self.outputs):
            raise ValueError("outputs: names differ")
        if self.activation == "softmax" and len(self.outputs) < 2:
            raise ValueError("activation: softmax of one output is always 1")
        return self


def _pair_of(letter: str) -> str:
    """``RL``, ``AP`` or ``SI``, by one of its ends."""
    return next((pair for pair in ("RL", "AP", "SI") if letter in pair), "?")


def onnx_settings(card: SpecialistCard) -> OnnxSettings:
    """The settings of a card, once they were found to fit it.

    Raises:
        FileFormatError: they do not; says what.
    """
    try:
        settings = OnnxSettings.model_validate(card.settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("settings", *first["loc"])))
        raise _unfit(card, f"{where}: {first['msg']}") from error
    if settings.is_flat != (card.looks_at == "picture"):
        raise _unfit(card, f"layout {settings.layout}, and it looks at one {card.looks_at}")
    if not settings.is_flat and settings.channels != len(card.images):
        raise _unfit(card, f"{settings.channels} channels, and {len(card.images)} images")
    if settings.file not in {weights.file for weights in card.needs.weights}:
        raise _unfit(card, f"needs.weights do not name {settings.file}")
    if card.every:
        raise _unfit(card, "a network has so many channels, and it takes every image")
    named, outputs = set(card.classes) or set(card.labels), set(settings.outputs)
    if card.classes and outputs != named:
        raise _unfit(card, f"outputs that are no classes, or the other way: {sorted(outputs ^ named)}")
    if card.masks and outputs - {BACKGROUND} != named - {BACKGROUND}:
        raise _unfit(card, f"outputs that no mask holds, or the other way: {sorted(outputs ^ named)}")
    return settings


def _unfit(card: SpecialistCard, what: str) -> FileFormatError:
    return FileFormatError(
        f"The settings of {card.name}'s card do not describe an ONNX network.", got=what,
        remedy="see docs/specialists.md for what they hold",
    )  # fmt: skip
