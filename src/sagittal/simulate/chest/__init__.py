"""Simulated chest films with known truth (IMAX's world)."""

from sagittal.simulate.chest.config import ChestConfig
from sagittal.simulate.chest.world import ORGANS, SimulatedFilm, simulate_films

__all__ = [
    "ORGANS",
    "ChestConfig",
    "SimulatedFilm",
    "simulate_films",
]
