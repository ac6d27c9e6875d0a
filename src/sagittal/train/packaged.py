"""The YAML tables that training ships with."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def packaged_table(name: str) -> Any:
    """A table of ``train/tables``, read once a process; it is not to be changed."""
    text = (files("sagittal.train") / "tables" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
