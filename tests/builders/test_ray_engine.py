"""The same builds on a local Ray: the same bytes, the same errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import tumour_cases
from toy_builder import ToyBuilder, bytes_of, make_cases
from tumour_cases import BuiltSet

from sagittal.builders.engine import run
from sagittal.builders.tumour_set import build_tumour_set
from sagittal.errors import InputError, MissingExtraError

# Ray's own worker start-up warns of its own doings.
pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def ray(atlas_store: Path) -> Iterator[None]:
    """A Ray of two cores whose workers find the atlas store and this folder's modules."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    assert ray.is_initialized()  # a build does not end a Ray that it did not start
    ray.shutdown()


@pytest.mark.usefixtures("ray")
def test_a_whole_set_has_the_same_bytes(built_set: BuiltSet, tmp_path: Path) -> None:
    build_tumour_set(
        built_set.images,
        tmp_path / "out",
        layout="brats",
        preset="gli",
        atlas=tumour_cases.ATLAS_NAME,
        seed=3,
        workers=2,
        engine="ray",
        studies_per_shard=3,
    )
    assert bytes_of(tmp_path / "out") == bytes_of(built_set.folder)


@pytest.mark.usefixtures("ray")
def test_errors_keep_type_and_words_and_a_build_goes_on_with_another_engine(tmp_path: Path) -> None:
    names = make_cases(tmp_path / "in", 4)
    bad = tmp_path / "in" / f"{names[2]}.txt"
    good = bad.read_text()
    builder = ToyBuilder(tmp_path / "in")
    for text, kind in (
        ("input error", InputError),
        ("extra", MissingExtraError),
        ("zero", ZeroDivisionError),
    ):
        bad.write_text(text)
        with pytest.raises(kind) as caught:
            run(builder, names, tmp_path / "out", workers=2, engine="ray", studies_per_shard=2)
        if isinstance(caught.value, InputError):
            assert caught.value.message.startswith(f"{names[2]}: ")
    bad.write_text(good)
    assert [p.name for p in (tmp_path / "out" / "shards").glob("*.json")] == ["part-000000.json"]
    run(builder, names, tmp_path / "out", workers=2, engine="ray", studies_per_shard=2)
    run(builder, names, tmp_path / "local", studies_per_shard=2)
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "local")
