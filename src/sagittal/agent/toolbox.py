"""The seam to the vision networks: what encode, read and segment need from a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sagittal.study import Image, Mask


@dataclass(frozen=True)
class CallSite:
    """Where in the conversation a call stands.

    Attributes:
        step: index of the line among the conversation's steps.
        line: line of the program.
        index: which call of the program it is, in the order of its text. What a language model
            attaches to its calls (φ, one vector per volume argument) is found by it.
    """

    step: int
    line: int
    index: int


@dataclass(frozen=True, eq=False)
class Features:
    """Encoded volumes (VoxelPrompt §3, the set ℰ).

    Attributes:
        name: which volumes, for the trace.
        payload: whatever the model needs to read from them and to segment.
        nbytes: memory that the payload holds.
    """

    name: str
    payload: Any
    nbytes: int


@dataclass(frozen=True, eq=False)
class Reading:
    """Something that the agent asked to see.

    Attributes:
        text: as words, for the trace and for models without eyes.
        payload: embeddings of encoded volumes (ε°), for the model that can take them in.
    """

    text: str
    payload: Any = None


class Toolbox(Protocol):
    """A model's eyes. Errors are :class:`sagittal.errors.InputError` where the agent should hear of them."""

    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        """Encode one or more volumes together."""

    def read(self, features: Features, site: CallSite) -> Reading:
        """What the agent takes in of encoded volumes."""

    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        """The mask of one structure, one label called ``structure``, on the grid of a given volume."""
