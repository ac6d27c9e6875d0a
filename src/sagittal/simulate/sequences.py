"""Signals of tissues in named sequences, from their physical properties.

Each study draws its own protocol (repetition, echo and inversion times, flip angle, b-value) within clinical
ranges, so contrast varies between studies as it does between hospitals while the order of tissues stays what
physics makes it. Formulas: Bernstein, King & Zhou, *Handbook of MRI Pulse Sequences* (2004), ch. 14 and 16.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sagittal.simulate.draws import Draws

Vector = NDArray[np.float64]
#: Tissue properties by name, one value a tissue class.
Properties = dict[str, Vector]
#: T1 at 1.5 T as a share of T1 at 3 T (fluid hardly changes).
_T1_AT_LOW_FIELD = 0.77
_CSF_T1 = 4000.0


def at_field(properties: Properties, low_field: bool) -> Properties:
    """Properties at 1.5 T instead of 3 T: shorter T1 in tissue, longer T2 and T2*."""
    if not low_field:
        return properties
    t1 = properties["t1"]
    solid = np.clip((3500 - t1) / 2500, 0, 1)
    return {
        **properties,
        "t1": t1 * (1 - (1 - _T1_AT_LOW_FIELD) * solid),
        "t2": properties["t2"] * 1.08,
        "t2s": properties["t2s"] * 1.35,
    }


def with_contrast(properties: Properties, dose: float) -> Properties:
    """Properties after gadolinium: 1/T1 rises by the tissue's uptake times ``dose`` (1 = usual)."""
    rate = 1000.0 / properties["t1"] + properties["uptake"] * dose
    return {**properties, "t1": 1000.0 / rate}


def t1_weighting(
    draws: Draws, low_field: bool
) -> tuple[dict[str, float | str], Callable[[Properties], Vector]]:
    """A T1-weighted protocol: inversion-prepared gradient echo, spoiled gradient echo, or spin echo.

    Returns:
        The protocol for the facts, and the function from properties to signal. Scans before and after
        contrast share it.
    """
    family = draws.choice({"mprage": 0.5, "spgr": 0.2, "se": 0.3})
    if family == "mprage":
        tr, ti = draws.uniform(1900, 2500), draws.uniform(850, 1100)
        if low_field:
            ti *= 0.92
        efficiency = draws.uniform(0.45, 0.75)
        facts: dict[str, float | str] = {"family": family, "tr": tr, "ti": ti}

        def signal(p: Properties) -> Vector:
            full = np.exp(-tr / p["t1"])
            recovered = 1 - (1 + efficiency) * np.exp(-ti / p["t1"]) / (1 + efficiency * full)
            return p["pd"] * np.maximum(recovered, 0.02) * np.exp(-3.5 / p["t2s"])

    elif family == "spgr":
        tr, angle = draws.uniform(8, 25), draws.uniform(15, 28)
        facts = {"family": family, "tr": tr, "flip": angle}

        def signal(p: Properties) -> Vector:
            e1, a = np.exp(-tr / p["t1"]), math.radians(angle)
            return p["pd"] * math.sin(a) * (1 - e1) / (1 - math.cos(a) * e1) * np.exp(-4.0 / p["t2s"])

    else:
        tr, te = draws.uniform(400, 650), draws.uniform(8, 14)
        facts = {"family": family, "tr": tr, "te": te}

        def signal(p: Properties) -> Vector:
            return p["pd"] * (1 - np.exp(-tr / p["t1"])) * np.exp(-te / p["t2"])

    return facts, signal


def t2_signal(draws: Draws) -> Callable[[Properties], Vector]:
    """Turbo spin echo, long TR and TE."""
    tr, te = draws.uniform(3500, 8000), draws.uniform(85, 125)
    return lambda p: p["pd"] * (1 - np.exp(-tr / p["t1"])) * np.exp(-te / p["t2"])


def pd_signal(draws: Draws) -> Callable[[Properties], Vector]:
    """Turbo spin echo, long TR and short TE."""
    tr, te = draws.uniform(2200, 3800), draws.uniform(10, 25)
    return lambda p: p["pd"] * (1 - np.exp(-tr / p["t1"])) * np.exp(-te / p["t2"])


def flair_signal(draws: Draws) -> Callable[[Properties], Vector]:
    """Inversion recovery that nulls fluid (nearly), long TE; magnitude signal."""
    tr, te = draws.uniform(7500, 11000), draws.uniform(95, 140)
    null = _CSF_T1 * (math.log(2) - math.log1p(math.exp(-tr / _CSF_T1)))
    ti = null * draws.uniform(0.95, 1.03)

    def signal(p: Properties) -> Vector:
        recovered = 1 - 2 * np.exp(-ti / p["t1"]) + np.exp(-tr / p["t1"])
        # The long echo train attenuates fluid less than its T2 says; flow voids stay dark.
        return p["pd"] * np.abs(recovered) * np.exp(-te / p["t2"])

    return signal


def dwi_signal(draws: Draws) -> Callable[[Properties], Vector]:
    """Trace-weighted echo-planar image at b ≈ 1000 s/mm²."""
    tr, te, b = draws.uniform(4000, 8000), draws.uniform(65, 95), draws.uniform(900, 1100)

    def signal(p: Properties) -> Vector:
        return p["pd"] * (1 - np.exp(-tr / p["t1"])) * np.exp(-te / p["t2"] - b * 1e-6 * p["adc"])

    return signal


def gre_signal(draws: Draws) -> Callable[[Properties], Vector]:
    """T2*-weighted gradient echo: blood and veins are dark."""
    tr, te, angle = draws.uniform(500, 800), draws.uniform(15, 25), math.radians(draws.uniform(15, 25))

    def signal(p: Properties) -> Vector:
        e1 = np.exp(-tr / p["t1"])
        return p["pd"] * math.sin(angle) * (1 - e1) / (1 - math.cos(angle) * e1) * np.exp(-te / p["t2s"])

    return signal
