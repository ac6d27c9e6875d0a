"""The engine: same bytes whatever the workers, resuming after a kill, errors that name the case."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_builder import ToyBuilder, bytes_of, make_cases

from sagittal.builders.engine import run
from sagittal.builders.pools import ordered_map
from sagittal.builders.shards import read_examples
from sagittal.errors import (
    ConfigError,
    FileFormatError,
    InputError,
    IntegrityError,
    MissingExtraError,
    SagittalError,
    StorageError,
)

CASES = 10


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy")
    make_cases(root, CASES)
    return root


@pytest.fixture(scope="module")
def cases(data: Path) -> list[str]:
    return sorted(p.stem for p in data.glob("*.txt"))


@pytest.fixture(scope="module")
def reference(data: Path, cases: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "out"
    run(ToyBuilder(data), cases, out, studies_per_shard=3)
    return out


def test_manifest_counts_and_order(reference: Path, cases: list[str]) -> None:
    manifest = json.loads((reference / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["counts"]["studies"] == CASES
    assert manifest["counts"]["patients"] == CASES // 2
    assert manifest["counts"]["examples"] == 2 * CASES
    assert manifest["counts"]["by_task"] == {"task 0": CASES, "task 1": CASES}
    assert sum(manifest["counts"]["by_split"].values()) == 2 * CASES
    assert [shard["studies"] for shard in manifest["shards"]] == [3, 3, 3, 1]
    assert [e.id for e in read_examples(reference)] == [f"{c}/{n}" for c in sorted(cases) for n in range(2)]


def test_two_workers_and_shuffled_cases_give_the_same_bytes(
    data: Path, cases: list[str], reference: Path, tmp_path: Path
) -> None:
    shuffled = cases[:]
    random.Random(3).shuffle(shuffled)
    seen: list[tuple[int, int, str]] = []
    run(
        ToyBuilder(data),
        shuffled,
        tmp_path / "out",
        workers=2,
        studies_per_shard=3,
        progress=lambda *now: seen.append(now),
    )
    assert bytes_of(tmp_path / "out") == bytes_of(reference)
    assert seen == [(n, CASES, name) for n, name in enumerate(cases, start=1)]


def test_ray_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"sagittal\[ray\]"):
        list(ordered_map(abs, [1], workers=1, engine="ray"))


def test_killed_at_any_moment_and_resumed_ends_in_the_same_bytes(
    data: Path, cases: list[str], reference: Path, tmp_path: Path
) -> None:
    """Kill after a number of finished shards and a seeded moment more; the last time by Ctrl-C."""
    out, pids = tmp_path / "out", tmp_path / "pids"
    pids.mkdir()
    command = [
        sys.executable,
        str(Path(__file__).with_name("toy_builder.py")),
        str(data),
        str(out),
        str(pids),
    ]
    random_ = random.Random(11)
    ends = []
    for wanted, how in ((0, signal.SIGKILL), (1, signal.SIGKILL), (2, signal.SIGKILL), (3, signal.SIGINT)):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        _wait(lambda: process.poll() is not None or len(list(out.glob("shards/*.json"))) >= wanted)  # noqa: B023
        time.sleep(random_.uniform(0.0, 0.12))
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # as a terminal does: to the workers as well
        else:
            process.send_signal(how)
        ends.append(process.wait(timeout=30) == -how)
    assert sum(ends) >= 3
    _wait(lambda: not any(_alive(int(p.name)) for p in pids.iterdir()))  # workers die with their parent
    run(ToyBuilder(data), cases, out, studies_per_shard=3)
    assert bytes_of(out) == bytes_of(reference)


def test_interrupted_while_writing_leaves_no_trace(
    data: Path, cases: list[str], reference: Path, tmp_path: Path
) -> None:
    """The states that a kill can leave between two renames: shard without record, half-written files."""
    out = tmp_path / "out"
    run(ToyBuilder(data), cases, out, studies_per_shard=3)
    (out / "shards" / "part-000001.json").unlink()
    (out / "shards" / "part-000003.json").unlink()
    (out / "shards" / "part-000003.parquet").unlink()
    (out / "shards" / ".part-000003.parquet.123-0a1b2c3d.tmp").write_bytes(b"half")
    (out / ".manifest.json.123-0a1b2c3d.tmp").write_bytes(b"{")
    manifest = json.loads((out / "manifest.json").read_text())
    manifest = {k: v for k, v in manifest.items() if k not in ("shards", "counts")} | {"complete": False}
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SagittalError, match="not finished"):
        list(read_examples(out))
    run(ToyBuilder(data), cases, out, studies_per_shard=3)
    assert bytes_of(out) == bytes_of(reference)


def test_another_build_in_the_folder_is_refused(data: Path, cases: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(ToyBuilder(data), cases, out)
    before = bytes_of(out)
    with pytest.raises(ConfigError, match=r"(?s)another build.*expected: seed = 0.*got: +seed = 1"):
        run(ToyBuilder(data, seed=1), cases, out)
    with pytest.raises(ConfigError, match=r"cases\.count"):
        run(ToyBuilder(data), cases[:-1], out)
    with pytest.raises(ConfigError, match="studies_per_shard"):
        run(ToyBuilder(data), cases, out, studies_per_shard=2)
    assert bytes_of(out) == before


def test_foreign_folder_is_refused(data: Path, cases: list[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StorageError, match=r"(?s)something else.*thesis\.tex"):
        run(ToyBuilder(data), cases, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("manifest", [b"{", b"[1]", b'{"kind": "toy"}', b"\xff"])
def test_edited_manifest_is_refused(data: Path, cases: list[str], tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(manifest)
    with pytest.raises((ConfigError, FileFormatError)):
        run(ToyBuilder(data), cases, tmp_path)


def test_a_kept_shard_must_be_whole_and_its_inputs_unchanged(tmp_path: Path) -> None:
    names = make_cases(tmp_path / "in", 4)
    out = tmp_path / "out"
    builder = ToyBuilder(tmp_path / "in")
    run(builder, names, out, studies_per_shard=2)
    whole = bytes_of(out)

    shard = out / "shards" / "part-000001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"(?s)part-000001.*delete part-000001\.parquet"):
        run(builder, names, out, studies_per_shard=2)
    shard.unlink()
    shard.with_suffix(".json").unlink()
    run(builder, names, out, studies_per_shard=2)
    assert bytes_of(out) == whole

    (tmp_path / "in" / f"{names[0]}.txt").write_text("changed")
    with pytest.raises(IntegrityError, match=rf"(?s){names[0]}: input files changed.*{names[0]}\.txt"):
        run(builder, names, out, studies_per_shard=2)
    assert bytes_of(out) == whole


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("input error", InputError, r"(?s)p1-s002: The text is bad.*expected: good.*remedy: +mend it"),
        ("extra", MissingExtraError, r"(?s)p1-s002: Reading this needs.*sagittal\[dicom\]"),
        ("zero", ZeroDivisionError, "division by zero"),
        ("die", SagittalError, r"(?s)ended abruptly.*p\d-s00\d"),
    ],
)
def test_a_bad_case_is_named_and_finished_shards_stay(
    tmp_path: Path, text: str, kind: type[Exception], message: str
) -> None:
    names = make_cases(tmp_path / "in", 4)
    bad = tmp_path / "in" / f"{names[2]}.txt"
    good = bad.read_text()
    bad.write_text(text)
    out = tmp_path / "out"
    with pytest.raises(kind, match=message) as caught:
        run(ToyBuilder(tmp_path / "in"), names, out, studies_per_shard=1)
    if kind is ZeroDivisionError:
        assert caught.value.__notes__ == ["while building p1-s002"]
    if text != "die":
        assert {p.name for p in (out / "shards").glob("*.json")} == {"part-000000.json", "part-000001.json"}
        return
    bad.write_text(good)
    run(ToyBuilder(tmp_path / "in"), names, out, studies_per_shard=1)
    run(ToyBuilder(tmp_path / "in"), names, tmp_path / "fresh", studies_per_shard=1)
    assert bytes_of(out) == bytes_of(tmp_path / "fresh")


def test_an_error_that_does_not_pickle_still_ends_the_build(tmp_path: Path) -> None:
    names = make_cases(tmp_path / "in", 1)
    (tmp_path / "in" / f"{names[0]}.txt").write_text("validation")
    with pytest.raises(Exception, match=r"valid integer|pickle"):
        run(ToyBuilder(tmp_path / "in"), names, tmp_path / "out")


def test_workers_compute_with_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    names = make_cases(tmp_path / "in", 1)
    (tmp_path / "in" / f"{names[0]}.txt").write_text("threads")
    run(ToyBuilder(tmp_path / "in"), names, tmp_path / "out")
    answer = next(read_examples(tmp_path / "out")).messages[-1].text
    assert answer == "OMP_NUM_THREADS=1,OPENBLAS_NUM_THREADS=1, 0."
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_memory_is_bounded_items_are_drawn_as_results_are_taken() -> None:
    drawn: list[int] = []

    def items() -> list[int]:
        for n in range(100):
            drawn.append(n)
            yield n

    results = ordered_map(abs, items(), workers=1)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(drawn) <= 3 + 4
    results.close()


def test_control_c_ends_cleanly(data: Path, cases: list[str], reference: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int, name: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ToyBuilder(data), cases, tmp_path / "out", workers=2, studies_per_shard=3, progress=interrupt)
    assert [p.name for p in sorted((tmp_path / "out" / "shards").iterdir())] == [
        "part-000000.json",
        "part-000000.parquet",
    ]
    run(ToyBuilder(data), cases, tmp_path / "out", workers=2, studies_per_shard=3)
    assert bytes_of(tmp_path / "out") == bytes_of(reference)


def test_bad_arguments(data: Path, cases: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study"):
        run(ToyBuilder(data), [], tmp_path / "a")
    with pytest.raises(InputError, match="Two studies have one name"):
        run(ToyBuilder(data), [*cases, cases[0]], tmp_path / "a")
    with pytest.raises(ConfigError, match="at least one study"):
        run(ToyBuilder(data), cases, tmp_path / "a", studies_per_shard=0)
    with pytest.raises(ConfigError, match="one worker"):
        run(ToyBuilder(data), cases, tmp_path / "a", workers=0)
    with pytest.raises(ConfigError, match="engine"):
        run(ToyBuilder(data), cases, tmp_path / "a", engine="dask")  # type: ignore[arg-type]


def _wait(condition: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
