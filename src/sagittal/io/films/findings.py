"""Names of findings: each set's own → common ones (``tables/findings.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from sagittal.errors import ConfigError


@cache
def _table() -> Mapping[str, Any]:
    # Here, since it takes a moment and most commands need none of it.
    import yaml

    text = resources.files(__package__).joinpath("tables/findings.yaml").read_text(encoding="utf-8")
    table: Mapping[str, Any] = yaml.safe_load(text)
    return table


def common_findings() -> tuple[str, ...]:
    """Every name that labels and signs of statements have."""
    return tuple(_table()["common"])


def findings_of(name: str) -> dict[str, str]:
    """The findings of a set of labels: published name → common one.

    Raises:
        ConfigError: there is no such set.
    """
    sets = _table()["sets"]
    if name not in sets:
        raise ConfigError("There is no such set of labels.", expected=", ".join(sets), got=name)
    return dict(sets[name])
