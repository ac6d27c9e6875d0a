"""A small atlas store and a small built set that several test modules read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tumour_cases
from tumour_cases import BuiltSet

from sagittal.builders.tumour_set import build_tumour_set


@pytest.fixture(scope="session")
def atlas_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """$SAGITTAL_HOME with the test atlas in it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGITTAL_HOME", str(home))
        tumour_cases.install_atlas(tmp_path_factory.mktemp("atlas"))
        yield home


@pytest.fixture(scope="session")
def built_set(atlas_store: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltSet:
    """Eight studies of four patients, in shards of three, of preset gli."""
    images, folder = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("built") / "vqa"
    tumour_cases.make_cases(images, 8)
    build_tumour_set(
        images,
        folder,
        layout="brats",
        preset="gli",
        atlas=tumour_cases.ATLAS_NAME,
        seed=3,
        studies_per_shard=3,
    )
    return BuiltSet(images, folder)
