"""One split by patient, which every recipe reads and training enforces.

A patient's split follows from the patient's identifier alone: a hash, so that it never changes when
patients are added, and every study of a patient falls on the same side (images of one patient on
both sides are a leak). Material whose split was settled by hand is in ``splits.yaml``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from sagittal.errors import ConfigError, InputError

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
#: mpLLM §4.1: 80 %, 10 %, 10 %.
DEFAULT_SHARES: Mapping[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
# Changing this moves patients between splits: never do it once a figure has been published.
_SALT = "sagittal.splits/1"


def split_of(patient: str, *, dataset: str = "", shares: Mapping[Split, float] = DEFAULT_SHARES) -> Split:
    """The split of a patient.

    Args:
        patient: identifier, the same for every study of the patient.
        dataset: name of a data set in ``splits.yaml`` whose patients were settled by hand;
            empty for the hash.
        shares: shares of train, validation and test; must sum to one.

    Raises:
        ConfigError: the data set is unknown, or the shares do not sum to one.
        InputError: the data set's table does not know the patient.
    """
    if dataset:
        return _settled(patient, dataset)
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise ConfigError("The shares of a split sum to one.", got=dict(shares))
    digest = hashlib.sha256(f"{_SALT}:{patient}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    reached = 0.0
    for name in SPLITS:
        reached += shares.get(name, 0.0)
        if position < reached:
            return name
    return SPLITS[-1]


def require_split(patients: Iterable[tuple[str, str]], wanted: Split) -> None:
    """Refuse to go on when a patient of another split is among ``(patient, split)`` pairs.

    Raises:
        InputError: naming the first strangers.
    """
    strangers = sorted({f"{p} ({s})" for p, s in patients if s != wanted})
    if strangers:
        raise InputError(
            f"Only patients of the {wanted} split may be used here.",
            got=", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else ""),
            remedy="read the examples with the split that the recipe names",
        )


@lru_cache(maxsize=1)
def _tables() -> Mapping[str, Mapping[str, Split]]:
    import yaml

    text = files("sagittal").joinpath("splits.yaml").read_text(encoding="utf-8")
    made: dict[str, dict[str, Split]] = {}
    for dataset, by_split in yaml.safe_load(text).items():
        table: dict[str, Split] = {}
        for split in SPLITS:
            for patient in by_split.get(split, []):
                if patient in table:
                    raise ConfigError("A patient stands in two splits.", got=f"{dataset}: {patient}")
                table[patient] = split
        made[dataset] = table
    return made


def _settled(patient: str, dataset: str) -> Split:
    tables = _tables()
    if dataset not in tables:
        raise ConfigError("The data set has no settled split.", expected=", ".join(tables), got=dataset)
    if patient not in tables[dataset]:
        raise InputError(
            f"The settled split of {dataset} does not know this patient.",
            expected=", ".join(tables[dataset]),
            got=patient,
        )
    return tables[dataset][patient]
