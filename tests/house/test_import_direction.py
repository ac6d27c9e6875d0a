"""A module imports only from lines above its own: the order of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "src" / "sagittal"

# The lines of the house, from the ground up. Modules of one line may import each other.
LINES = [
    ["errors"],
    ["files"],
    ["wheels"],
    ["runtime"],
    ["geometry"],
    ["resampling"],
    ["study"],
    ["answer"],
    ["weights"],
    ["splits"],
    ["example"],
    ["io"],
    ["measure"],
    ["draw"],
    ["score"],
    ["simulate"],
    ["language"],
    ["nn"],
    ["agent"],
    ["models"],
    ["specialists"],
    ["builders"],
    ["train"],
    ["asking"],
    ["evaluation"],
    ["cli", "server"],
]
FLOOR = {name: level for level, names in enumerate(LINES) for name in names}
SOURCES = sorted(ROOT.rglob("*.py"))


def line_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.Module) -> set[str]:
    """Lines of the house that a module imports from, lazy imports included."""
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "absolute imports only"
            names = [node.module or ""]
            if node.module == "sagittal":
                names = [f"sagittal.{a.name}" for a in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("sagittal.")}
    return found


def test_the_house_has_sources():
    assert len(SOURCES) > 10
    assert {line_of(p) for p in SOURCES} - {"__init__", "__main__"} <= set(FLOOR)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_upwards_only(path):
    own = line_of(path)
    if own in ("__init__", "__main__"):
        return
    for other in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if other in ("__version__",) or other == own:
            continue
        assert other in FLOOR, f"{other} has no line in the house"
        assert FLOOR[other] <= FLOOR[own], f"{own} may not import from {other}"


def test_the_test_can_fail():
    assert imported(ast.parse("from sagittal.cli import x\nimport sagittal.io.nifti")) == {"cli", "io"}
    assert FLOOR["cli"] > FLOOR["io"]
