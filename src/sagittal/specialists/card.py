"""What a specialist says of itself: the words that a language model reads, and what a caller checks.

A card is a YAML file. It is read before any code of the specialist is: listing, choosing and refusing need
nothing else. Names and arguments are what a trigger ``<NAME(argument)>`` may hold (VILA-M3 §3.2).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors
from sagittal.study import KINDS, Image, Study

SCHEMA: Literal["sagittal.specialist/1"] = "sagittal.specialist/1"
_LARGEST = 256 << 10

# One or two digits after a letter are part of a name; others are a number in the words of an answer.
_NAME = re.compile(r"[A-Z](?:[A-Za-z_]|(?<=[A-Za-z])[0-9]|(?<=[A-Za-z][0-9])[0-9])*")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or keyword.iskeyword(value):
        raise ValueError(
            "a name has a capital, then letters, underscores, and one or two digits after a letter"
        )
    return value


#: A name is a function's of the agent's programs, too, whose own begin with small letters.
Name = Annotated[str, Field(max_length=32), AfterValidator(_name)]
#: Nothing that opens or closes a trigger, nothing that a prompt could be bent by.
Argument = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,/+'-]{0,59}$")]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\n\r<>]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cost(_Frozen):
    """What a call takes, on two CPU cores: told to the user, and memory is made room for by it."""

    seconds: float = Field(gt=0, le=3_600, description="of a typical call, once loaded")
    memory_mb: int = Field(gt=0, le=1 << 20, description="at its peak, libraries included")


class Weights(_Frozen):
    """A file that the specialist reads, and what it must be."""

    file: str = Field(min_length=1, max_length=300, description="path below the folder or the package")
    package: str | None = Field(
        default=None, description="distribution that brings it; without, it lies in the specialist's folder"
    )
    sha256: Sha256 | None = Field(
        default=None, description="of its content; needed where the file is a program, such as TorchScript"
    )


class Needs(_Frozen):
    """What has to be there beside Sagittal."""

    packages: tuple[str, ...] = Field(default=(), description="distributions, as a registry calls them")
    weights: tuple[Weights, ...] = ()
    how: Line | None = Field(default=None, description="how to get what is missing")


class SpecialistCard(_Frozen):
    """A specialist's card.

    Example:
        ::

            schema: sagittal.specialist/1
            name: DeepBET
            summary: outlines the brain on a T1-weighted scan of the head
            images: [[t1]]
            looks_at: volume
            arguments: {brain: the brain without skull and scalp}
            masks: {brain: [brain]}
            licence: MIT
            source: https://…
            cost: {seconds: 3, memory_mb: 2000}
            adapter: deepbet
    """

    schema_: Literal["sagittal.specialist/1"] = Field(alias="schema")
    name: Name
    summary: Line = Field(description="what it does, in words that end a sentence beginning with its name")
    images: tuple[tuple[str, ...], ...] = Field(
        min_length=1, max_length=8, description="images it takes; each is of one of these kinds"
    )
    every: bool = Field(default=False, description="all images of these kinds are taken, not one of them")
    looks_at: Literal["volume", "picture"] = Field(description="whole volumes, or one picture or slice")
    arguments: dict[Argument, Line] = Field(min_length=1, max_length=512, description="argument → what it is")
    masks: dict[Argument, tuple[Line, ...]] = Field(
        default_factory=dict, description="argument → labels of the mask that it gives"
    )
    classes: dict[Line, float] = Field(
        default_factory=dict, description="class → operating point: the probability from which it is a yes"
    )
    exclusive: bool = Field(default=False, description="one class at a time: the likeliest is the yes")
    licence: Line
    source: Line = Field(description="paper or page")
    limits: tuple[Line, ...] = Field(default=(), description="what it cannot do")
    cost: Cost
    needs: Needs = Needs()
    adapter: str | None = Field(
        default=None, description="of ours, by name, that runs it; a package of its own has an entry point"
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="of the adapter")

    @field_validator("images")
    @classmethod
    def _kinds_are_known(cls, value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        for kinds in value:
            strange = [kind for kind in kinds if kind not in KINDS]
            if strange or not kinds:
                raise ValueError(f"kinds of image are {', '.join(KINDS)}; not {strange or 'nothing'}")
        return value

    @model_validator(mode="after")
    def _gives_one_thing(self) -> Self:
        if bool(self.masks) == bool(self.classes):
            raise ValueError("a specialist gives masks or classes: one of the two is named")
        if self.masks and set(self.masks) != set(self.arguments):
            raise ValueError("each argument has its masks")
        if (self.looks_at == "picture" or self.every) and len(self.images) > 1:
            raise ValueError("one picture, or every image of some kinds, is one entry of images")
        if any(not 0 < point < 1 for point in self.classes.values()):
            raise ValueError("an operating point lies between 0 and 1")
        return self

    # -- for the language model ----------------------------------------------------------------

    def words(self) -> str:
        """The card as a language model reads it: what it does, and what each trigger is for.

        A trigger stands whole behind its argument, so that whoever names the argument can go on with it.
        """
        takes = " and ".join((", " if self.every else " or ").join(kinds) for kinds in self.images)
        lines = [
            f"{argument}: {trigger}" if argument == what else f"{what} = {argument}: {trigger}"
            for (argument, what), trigger in zip(self.arguments.items(), self.triggers(), strict=True)
        ]
        return "\n".join([f"{self.name}: {self.summary}. Takes {takes}.", *lines])

    @property
    def labels(self) -> list[str]:
        """Every label that its masks may have, in the order of the card."""
        return list(dict.fromkeys(label for labels in self.masks.values() for label in labels))

    def triggers(self) -> list[str]:
        """Every trigger that calls it."""
        return [f"<{self.name}({argument})>" for argument in self.arguments]

    # -- for the caller ------------------------------------------------------------------------

    def chosen(self, study: Study) -> tuple[Image, ...] | str:
        """The images of a study that it takes, in the card's order; or why it cannot be asked.

        Args:
            study: one visit; of several images of a kind the first is taken.
        """
        if len(study.sessions) > 1:
            return "it looks at one visit at a time"
        left, found = list(study.images), []
        for kinds in self.images:
            fit = [i for kind in kinds for i in left if i.kind == kind]
            # A slice that is looked at stands beside the volume that it is of.
            fit = [i for i in fit if (min(i.shape) == 1) == (self.looks_at == "picture")] or fit
            if not fit:
                there = ", ".join(dict.fromkeys(i.kind for i in study.images)) or "no image"
                return f"it needs {' or '.join(KINDS[k] for k in kinds)}; given: {there}"
            taken = fit if self.every else fit[:1]
            left = [i for i in left if i is not taken[0]]
            found += taken
        return self._wrong_depth(found) or tuple(found)

    def _wrong_depth(self, images: Sequence[Image]) -> str | None:
        flat = [image for image in images if min(image.shape) == 1]
        if self.looks_at == "volume" and flat:
            return "it looks at whole volumes, not at one slice"
        if self.looks_at == "picture" and not flat:
            return "it looks at one picture or slice, not at a volume"
        return None

    def positive(self, probabilities: Mapping[str, float]) -> dict[str, bool]:
        """Yes or no of each class at the operating points, or the likeliest alone."""
        if self.exclusive:
            best = max(probabilities, key=lambda name: probabilities[name])
            return {name: name == best for name in probabilities}
        return {name: p >= self.classes[name] for name, p in probabilities.items()}


def read_card(path: str | Path) -> SpecialistCard:
    """A card from its file. Nothing of the specialist's is executed.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is no card; says what does not fit.
    """
    path = Path(path)
    with storage_errors(path):
        size = path.stat().st_size
        text = path.read_bytes()[:_LARGEST].decode("utf-8", errors="replace")
    if size > _LARGEST:
        raise FileFormatError("This is too large for a specialist's card.", expected=_LARGEST, got=size)
    return card_from_text(text, str(path))


def card_from_text(text: str, name: str) -> SpecialistCard:
    """As :func:`read_card`, of a card's text; ``name`` stands for it in errors."""
    import yaml

    try:
        return SpecialistCard.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError) as error:
        raise FileFormatError("A specialist's card is YAML.", got=f"{name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the card"
        raise FileFormatError(
            "This is no specialist's card.", got=f"{name}: {where}: {first['msg']}",
            remedy="see docs/specialists.md for what a card holds",
        ) from error  # fmt: skip
