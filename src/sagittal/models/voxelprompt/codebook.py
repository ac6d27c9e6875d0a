"""Fixed φ for every name: what lets eyes and language learn apart before they learn together.

Each name gets a vector of signs, drawn once from its own hash. The language model first learns to emit these
vectors; the vision networks begin with them and learn better ones (:mod:`sagittal.train.vision_losses`); then
both go on together, with no vector but the language model's own (the paper trains jointly from the start,
§4.3; the result has the same form, and no table at run time).

A structure's side has channels of its own, so that "left" means one thing for all structures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from sagittal.errors import ConfigError

#: Before SiLU: far enough from 0 that the two signs differ, near enough to be learnt fast.
_STRENGTH = 2.0
# Any two of them differ in four channels.
_SIDES = {"": (1, 1, 1, -1, -1, -1), "left": (1, -1, -1, 1, 1, -1), "right": (-1, 1, -1, 1, -1, 1)}
_FEWEST = 8
# Of 20,000 tried, the first with which all bases that our label maps know differ in seven channels or more.
_SALT = 52


def structure_codes(names: Sequence[str], channels: int = 32) -> Tensor:
    """φ of structures, as ``segment`` names them: (names, channels).

    Raises:
        ConfigError: fewer than eight channels.
    """
    return functional.silu(structure_inputs(names, channels))


def structure_inputs(names: Sequence[str], channels: int = 32) -> Tensor:
    """The same before SiLU: what states are projected to."""
    return torch.stack([_code("structure", name, channels) for name in names])


def image_codes(kinds: Sequence[str], channels: int = 32) -> Tensor:
    """φ of images of these kinds, as ``encode`` takes them: (kinds, channels).

    Raises:
        ConfigError: fewer than eight channels.
    """
    return functional.silu(image_inputs(kinds, channels))


def image_inputs(kinds: Sequence[str], channels: int = 32) -> Tensor:
    """The same before SiLU."""
    return torch.stack([_code("image", kind, channels) for kind in kinds])


@cache
def _code(sort: str, name: str, channels: int) -> Tensor:
    if channels < _FEWEST:
        raise ConfigError("φ has too few channels to name things.", expected=_FEWEST, got=channels)
    first, _, rest = name.partition(" ")
    side, base = (first, rest) if rest and first in _SIDES else ("", name)
    own = channels - len(_SIDES[""])
    digest = hashlib.shake_256(f"{_SALT} {sort} {base}".encode()).digest(own)
    signs = [1 if byte & 1 else -1 for byte in digest] + list(_SIDES[side])
    return _STRENGTH * torch.tensor(signs, dtype=torch.float32)
