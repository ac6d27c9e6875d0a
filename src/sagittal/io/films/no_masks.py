"""What a source without masks answers."""

from __future__ import annotations

from typing import NoReturn

from sagittal.errors import ConfigError


def refuse_masks(name: str) -> NoReturn:
    """Raise :class:`ConfigError`: there is nothing to read."""
    raise ConfigError(
        f"{name} has no masks.",
        expected="a source whose statements point at masks",
        remedy="ask the source that the statement came from",
    )
