"""Every tracked test is collected, every source file is linted and typed, and nothing names this machine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tracked(*patterns: str) -> set[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return set(run("git", "ls-files", *patterns).split("\n")) - {""}


def test_every_tracked_test_is_collected(request: pytest.FixtureRequest):
    files = {f for f in tracked("tests/*.py") if Path(f).name.startswith("test_")}
    config = request.config
    if config.args != config.getini("testpaths") or config.option.keyword or config.option.markexpr:
        pytest.skip("only a part of the suite runs")
    collected = {str(item.path.relative_to(ROOT)) for item in request.session.items}
    assert files <= collected, files - collected
    # A test in a file that is not called test_… would never run.
    for name in tracked("tests/*.py") - files:
        assert not re.search(r"^def test_", (ROOT / name).read_text(), re.M), name


def test_every_source_file_is_linted():
    listed = {
        str(Path(p).relative_to(ROOT))
        for p in run(sys.executable, "-m", "ruff", "check", "--show-files").split()
    }
    assert tracked("*.py") <= listed, tracked("*.py") - listed


def test_every_package_folder_is_a_package():
    for name in tracked("src/sagittal/*.py"):
        folder = (ROOT / name).parent
        assert (folder / "__init__.py").is_file(), (
            f"{folder} has no __init__.py: mypy and resources pass it by"
        )


def test_tracked_files_name_no_machine():
    paths = re.compile(r"(?<![\w.])/(home|root|mnt|work|Users)/[a-z]")
    for name in tracked():
        path = ROOT / name
        if path.suffix in {".png", ".safetensors", ".gz", ".parquet"} or name.startswith("tests/house/"):
            continue
        found = paths.search(path.read_text(encoding="utf-8"))
        assert not found, f"{name}: {found.group()}"


def test_files_are_small():
    for name in tracked("src/*.py", "recipes/*.py"):
        length = len((ROOT / name).read_text().splitlines())
        assert length <= 400, f"{name} has {length} lines: does it still hold one idea?"
