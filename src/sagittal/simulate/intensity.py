"""What every tissue looks like in every image of one study: a small table, drawn once a study.

Named sequences follow physics (:mod:`sagittal.simulate.sequences`) on jittered tissue properties. Random
images (domain randomisation, Billot et al. 2023, SynthSeg) give every tissue any intensity and any texture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sagittal.simulate import sequences as seq
from sagittal.simulate.config import Contrast
from sagittal.simulate.draws import Draws
from sagittal.simulate.tissues import tissues

#: sd of the logarithm of each property between people (healthy) and between lesions.
_SPREAD = {
    "pd": (0.015, 0.02), "t1": (0.04, 0.10), "t2": (0.04, 0.12), "t2s": (0.08, 0.15),
    "adc": (0.04, 0.10), "uptake": (0.25, 0.35),
}  # fmt: skip
#: Least rise of 1/T1 in enhancing tumour, 1/s.
_LEAST_UPTAKE = 1.0
#: A random image keeps lesion and white matter at least this far apart (0…1).
_RANDOM_GAP = 0.15


@dataclass(frozen=True)
class Look:
    """Appearance of one study.

    Attributes:
        kinds: kind of each image (:data:`sagittal.study.KINDS`); ``mr`` for random ones.
        signal: (C, classes) float64: mean signal of each tissue class; MR: white matter near 1; ADC:
            10⁻⁶ mm²/s; CT: HU.
        texture: (C, classes) float64: sd of the fine texture in the image's own unit.
        scale: (C,) what noise and bias are measured against: the white matter's signal (CT and ADC: fixed).
        facts: protocols, for the study's facts.
    """

    kinds: tuple[str, ...]
    signal: NDArray[np.float64]
    texture: NDArray[np.float64]
    scale: NDArray[np.float64]
    facts: dict[str, Any]

    def rows(self, classes: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Signal and texture of the given classes: two (classes, C) float32 tensors."""
        signal = torch.tensor(self.signal[:, classes].T.copy(), dtype=torch.float32, device=device)
        texture = torch.tensor(self.texture[:, classes].T.copy(), dtype=torch.float32, device=device)
        return signal, texture


def draw_properties(config: Contrast, draws: Draws, fluid_necrosis: bool = True) -> seq.Properties:
    """Physical properties of every tissue class for one person, jittered about the table."""
    table = tissues()
    values = {name: table.values[:, k].copy() for k, name in enumerate(table.columns)}
    lesion = np.arange(len(table.names)) >= table.healthy
    for name, (healthy_sd, lesion_sd) in _SPREAD.items():
        sd = np.where(lesion, lesion_sd, healthy_sd) * config.jitter
        values[name] *= np.exp(draws.rows(len(sd)).numpy() * sd)
    # What is called enhancing enhances visibly.
    row = table.index("enhancing_tumour")
    values["uptake"][row] = max(values["uptake"][row], _LEAST_UPTAKE)
    values["hu"] += draws.rows(len(lesion)).numpy() * 1.5 * config.jitter
    if fluid_necrosis:
        # Necrosis ranges from debris like solid tumour to fluid.
        a, b = table.index("nonenhancing_tumour"), table.index("cavity")
        share = draws.uniform(-0.25, 0.75) * config.jitter
        row = table.index("necrosis")
        for name in ("t1", "t2", "adc"):
            end = b if share > 0 else a
            values[name][row] *= (values[name][end] / values[name][row]) ** abs(share)
    return values


def draw_look(kinds: tuple[str, ...], config: Contrast, draws: Draws) -> Look:
    """Draw the appearance of one study.

    Args:
        kinds: sequences wanted, in order.
        config: how much it varies.
        draws: the study's randomness.
    """
    low_field = draws.chance(0.4)
    properties = seq.at_field(draw_properties(config, draws), low_field)
    protocol, t1 = seq.t1_weighting(draws, low_field)
    facts: dict[str, Any] = {"field_t": 1.5 if low_field else 3.0, "t1": protocol}
    made_kinds, signals, textures, scales = [], [], [], []
    white = tissues().index("white_matter")
    for kind in kinds:
        if draws.chance(config.random):
            signal, texture, scale = _random_signal(draws)
            made_kinds.append("mr")
        else:
            signal = _named_signal(kind, properties, t1, draws)
            scale = {"adc": 800.0, "ct": 30.0}.get(kind, float(signal[white]))
            if kind not in ("adc", "ct"):
                signal, scale = signal / scale, 1.0
            share = properties["texture"] if kind != "ct" else np.zeros_like(signal)
            texture = share * draws.uniform(0.6, 1.5) * np.maximum(np.abs(signal), 0.3 * scale)
            if kind == "ct":
                texture = np.where(signal > 100, 0.25 * signal, 1.2)
            made_kinds.append(kind)
        signals.append(signal)
        textures.append(texture)
        scales.append(scale)
    return Look(tuple(made_kinds), np.array(signals), np.array(textures), np.array(scales), facts)


def _named_signal(kind: str, p: seq.Properties, t1: Any, draws: Draws) -> NDArray[np.float64]:
    if kind == "t1":
        return t1(p)
    if kind == "t1c":
        return t1(seq.with_contrast(p, draws.uniform(0.75, 1.25)))
    if kind in ("adc", "ct"):
        return p["hu" if kind == "ct" else "adc"].copy()
    makers = {
        "t2": seq.t2_signal, "pd": seq.pd_signal, "flair": seq.flair_signal,
        "dwi": seq.dwi_signal, "gre": seq.gre_signal,
    }  # fmt: skip
    signal = makers[kind](draws)(p)
    if kind == "dwi":
        # Echo-planar imaging suppresses fat, or the head would be doubled.
        signal[[tissues().index("fat"), tissues().index("marrow")]] *= draws.uniform(0.03, 0.25)
    return signal


def _random_signal(draws: Draws) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Any mean in 0.02…1 and any texture for every class; lesions differ from white matter."""
    table = tissues()
    count = len(table.names)
    signal = np.array([draws.uniform(0.02, 1.0) for _ in range(count)])
    texture = np.array([draws.uniform(0.0, 0.06) for _ in range(count)])
    white = signal[table.index("white_matter")]
    for row in range(table.healthy, count):
        while abs(signal[row] - white) < _RANDOM_GAP:
            signal[row] = draws.uniform(0.02, 1.0)
    signal[0] = texture[0] = 0.0
    return signal, texture, 0.6
