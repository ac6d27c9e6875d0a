"""Sagittal answers questions about medical images and shows its work.

Medical research software, not a medical device: nothing it prints is a diagnosis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sagittal.asking import ask as ask

__version__ = "0.1.0"
__all__ = ["__version__", "ask"]


def __getattr__(name: str) -> object:
    # Importing the package costs nothing; the first use of ``sagittal.ask`` imports what it needs.
    if name == "ask":
        from sagittal.asking import ask

        return ask
    raise AttributeError(f"module 'sagittal' has no attribute {name!r}")
