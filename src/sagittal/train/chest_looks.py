"""Films seen anew: turned, scaled and moved, and as other apparatus would have shown them.

What a network learns on simulated films is of use on real ones only where the looks of films vary more in
training than between hospitals: exposure, processing, resolution, grain, borders, letters, large shadows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sagittal.models.chest.films import stretched

Rng = np.random.Generator


@dataclass(frozen=True)
class LookConfig:
    """How strongly films are changed.

    Attributes:
        turn: degrees, ± at most.
        scale: logarithm of the scale: shrunk, enlarged at most.
        move: share of the side, ± at most.
        strength: 0 leaves looks as they are, 1 is what a segmenter stands.
        shadows: whether large shadows are laid over films; not where shadows are what is to be told.
        inverted: chance of black for white.
    """

    turn: float = 9.0
    scale: tuple[float, float] = (-0.3, 0.25)
    move: float = 0.1
    strength: float = 1.0
    shadows: bool = True
    inverted: float = 0.04


def maps(count: int, config: LookConfig, rng: Rng) -> Tensor:
    """(count, 2, 3) affine maps for :func:`turned`; sides are stretched by 6 % at most."""
    angle = np.deg2rad(rng.uniform(-config.turn, config.turn, count))
    # The map goes from the new picture to the old: a large one shows more.
    scale = np.exp(-rng.uniform(*config.scale, (count, 1, 1)))
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(-1, 2, 2)
    sides = np.exp(rng.uniform(-0.06, 0.06, (count, 2, 1)))
    shift = rng.uniform(-2 * config.move, 2 * config.move, (count, 2, 1))
    return torch.from_numpy(np.concatenate([turn * scale * sides, shift], axis=2)).float()


def turned(pictures: Tensor, theta: Tensor, edge: int, mode: str = "bilinear") -> Tensor:
    """(B, C, S, S) float → (B, C, edge, edge), 0 beyond the pictures."""
    grid = functional.affine_grid(theta, [len(pictures), 1, edge, edge], align_corners=False)
    found: Tensor = functional.grid_sample(pictures, grid, mode=mode, align_corners=False)
    return found


def looks(pictures: Tensor, config: LookConfig, rng: Rng) -> tuple[Tensor, Tensor]:
    """Films as other apparatus would have shown them.

    Args:
        pictures: (B, h, w) in [0, 1].
        config: how strongly.
        rng: decides.

    Returns:
        The films, stretched as networks take them, and (B, h, w) bool: what borders do not hide.
    """
    made, shown = zip(*(_look(picture, config, rng) for picture in pictures), strict=True)
    films = stretched(torch.stack(made))
    inverted = torch.from_numpy(rng.random(len(films)) < config.inverted)[:, None, None]
    return torch.where(inverted, 1 - films, films), torch.stack(shown)


def _look(picture: Tensor, config: LookConfig, rng: Rng) -> tuple[Tensor, Tensor]:
    force = config.strength
    for chance, change in _CHANGES:
        if rng.random() < chance * force:
            picture = change(picture, force, rng).clamp(0, 1)
    if config.shadows:
        for _ in range(rng.integers(0, 4)):
            picture = _shadow(picture, rng).clamp(0, 1)
    if rng.random() < 0.5:
        picture = _letters(picture, rng)
    if rng.random() < 0.25:
        return _bordered(picture, rng)
    return picture, torch.ones_like(picture, dtype=torch.bool)


def _curve(picture: Tensor, force: float, rng: Rng) -> Tensor:
    low, high = rng.uniform(-0.15, 0.15) * force, 1 + rng.uniform(-0.2, 0.1) * force
    gamma = float(np.exp(rng.uniform(-0.7, 0.7) * force))
    return ((picture - low) / (high - low)).clamp(0, 1) ** gamma


def _local(picture: Tensor, force: float, rng: Rng) -> Tensor:
    """Contrast of small things raised or lowered, as films are processed."""
    coarse = _smooth(picture, int(rng.choice([8, 16, 32])))
    return picture + float(rng.uniform(-0.5, 1.4)) * force * (picture - coarse)


def _veil(picture: Tensor, force: float, rng: Rng) -> Tensor:
    """Uneven light over the whole film: scatter, a table, a grid that is tilted."""
    cells = int(rng.integers(2, 6))
    field = _enlarged(torch.from_numpy(rng.normal(size=(cells, cells))).float(), picture.shape)
    if rng.random() < 0.5:
        return picture + 0.12 * force * field
    return picture * torch.exp(0.22 * force * field)


def _shadow(picture: Tensor, rng: Rng) -> Tensor:
    """A large blurred spot, brighter as a rule: fluid, consolidation, a breast, a hand."""
    height, width = picture.shape
    y = torch.linspace(0, 1, height)[:, None] - float(rng.uniform(0.1, 0.95))
    x = torch.linspace(0, 1, width) - float(rng.uniform(0.1, 0.9))
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    far = (along / rng.uniform(0.05, 0.3)) ** 2 + (across / rng.uniform(0.05, 0.2)) ** 2
    spot = torch.sigmoid((1 - far) * float(rng.uniform(1, 6)))
    return picture + float(rng.uniform(-0.12, 0.4)) * spot.float()


def _blurred(picture: Tensor, force: float, rng: Rng) -> Tensor:
    for _ in range(int(rng.integers(1, 4))):
        around = functional.pad(picture[None, None], (1, 1, 1, 1), mode="replicate")
        picture = functional.avg_pool2d(around, 3, stride=1)[0, 0]
    return picture


def _coarse(picture: Tensor, force: float, rng: Rng) -> Tensor:
    share = float(rng.uniform(0.25, 0.7))
    size = [max(8, round(n * share)) for n in picture.shape]
    small = functional.interpolate(picture[None, None], size=size, mode="bilinear", antialias=True)
    return _enlarged(small[0, 0], picture.shape)


def _grain(picture: Tensor, force: float, rng: Rng) -> Tensor:
    noise = torch.from_numpy(rng.standard_normal(picture.shape, dtype=np.float32))
    if rng.random() < 0.4:
        noise = 2 * _smooth(noise, 2)
    return picture + float(rng.uniform(0.01, 0.06)) * force * noise


_Change = Callable[[Tensor, float, Rng], Tensor]
#: Chance at full strength, and what is done; in this order.
_CHANGES: tuple[tuple[float, _Change], ...] = (
    (0.8, _curve), (0.5, _local), (0.6, _veil), (0.25, _blurred), (0.25, _coarse), (0.4, _grain),
)  # fmt: skip


def _letters(picture: Tensor, rng: Rng) -> Tensor:
    """Marks of the side, names, dates: small patterns of blocks, white on the film or black on white."""
    picture = picture.clone()
    height, width = picture.shape
    for _ in range(rng.integers(1, 4)):
        rows, columns = 5, int(rng.choice([4, 9, 19, 29]))
        marks = torch.from_numpy(rng.random((rows, columns)) < 0.55)
        size = int(rng.integers(1, 4)) if columns > 4 else int(rng.integers(2, 5))
        marks = marks.repeat_interleave(size, 0).repeat_interleave(size, 1)[: height // 2, : width // 2]
        # Near the borders, as a rule above.
        top = int(rng.beta(0.5, 1.5) * (height - marks.shape[0]))
        left = int(rng.beta(0.4, 0.4) * (width - marks.shape[1]))
        place = picture[top : top + marks.shape[0], left : left + marks.shape[1]]
        ink, ground = (1.0, None) if rng.random() < 0.7 else (0.0, 1.0)
        if ground is not None:
            place.fill_(ground)
        place[marks] = ink
    return picture


def _bordered(picture: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """Collimated: what lies beyond is of one shade."""
    height, width = picture.shape
    top, bottom = (round(height * share) for share in rng.uniform(0, 0.09, 2))
    left, right = (round(width * share) for share in rng.uniform(0, 0.09, 2))
    shown = torch.zeros_like(picture, dtype=torch.bool)
    shown[top : height - bottom, left : width - right] = True
    shade = 0.0 if rng.random() < 0.75 else float(rng.uniform(0, 1))
    return torch.where(shown, picture, shade), shown


def _smooth(picture: Tensor, cell: int) -> Tensor:
    """Means over cells, interpolated."""
    return _enlarged(functional.avg_pool2d(picture[None, None], cell)[0, 0], picture.shape)


def _enlarged(small: Tensor, size: torch.Size) -> Tensor:
    found: Tensor = functional.interpolate(
        small[None, None], size=tuple(size), mode="bilinear", align_corners=False
    )
    return found[0, 0]
