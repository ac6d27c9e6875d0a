"""Label maps → labelled studies with known truth.

Needs torch (the ``models`` extra); nothing in the light core imports this package.

    >>> from sagittal.simulate import HeadSet, preset, simulate
    >>> [made] = simulate(preset("gli"), HeadSet.phantoms(), [0], seed=0)  # doctest: +SKIP
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    from sagittal.errors import MissingExtraError

    raise MissingExtraError("Simulating studies", "models") from error

from sagittal.simulate.bank import Bank, make_bank
from sagittal.simulate.config import PRESETS, Artefacts, Contrast, Deformation, WorldConfig, preset
from sagittal.simulate.folder import with_spacing, write_studies
from sagittal.simulate.heads import Head, HeadSet, make_head
from sagittal.simulate.world import SimulatedStudy, output_grid, simulate

__all__ = [
    "PRESETS",
    "Artefacts",
    "Bank",
    "Contrast",
    "Deformation",
    "Head",
    "HeadSet",
    "SimulatedStudy",
    "WorldConfig",
    "make_bank",
    "make_head",
    "output_grid",
    "preset",
    "simulate",
    "with_spacing",
    "write_studies",
]
