"""A small bank of simulated films, made once for the tests that need one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from sagittal.simulate.chest import ChestConfig
from sagittal.train.chest_bank import FilmBank, make_chest_bank

CONFIG = ChestConfig(edge=64, finding=0.6)
FILMS, SEED = 6, 7


@cache
def small_bank() -> FilmBank:
    """Six films of 64 pixels, many findings."""
    folder = Path(mkdtemp()) / "bank"
    make_chest_bank(folder, CONFIG, FILMS, SEED)
    return FilmBank.read(folder)
