"""Statistics: counted as by hand, and the paper's figures kept apart and transcribed soundly."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from toy_builder import ToyBuilder, make_cases
from tumour_cases import REGIONS, BuiltSet

from sagittal.builders.engine import run
from sagittal.builders.presets import PRESETS
from sagittal.builders.shards import read_examples
from sagittal.builders.statistics import collect, draw, paper_figures, to_markdown, write_statistics
from sagittal.errors import InputError
from sagittal.io.labels import load_labels


def test_counted_by_hand(built_set: BuiltSet) -> None:
    examples = list(read_examples(built_set.folder))
    statistics = collect(examples, REGIONS)
    total = statistics["splits"]["all"]
    n = len(examples)
    assert (total["questions"], total["studies"], total["patients"]) == (192, 8, 4)
    assert total["unique_questions"] == len({e.messages[0].text for e in examples})
    assert total["unique_answers"] == len({e.messages[1].text for e in examples})
    assert total["unique_questions"] >= 0.97 * n
    for task, key in (("volume", "volume"), ("shape", "shape"), ("spread", "spread")):
        shares = total["percent"][task]
        assert sum(shares.values()) == pytest.approx(100)
        by_hand = sum(task in e.targets["asked"] and e.targets[key] == "N/A" for e in examples)
        assert shares["N/A"] == pytest.approx(100 * by_hand / n)
        assert shares["Unspecified"] == pytest.approx(
            100 * sum(task not in e.targets["asked"] for e in examples) / n
        )
    frontal = sum("region" in e.targets["asked"] and "frontal" in e.targets["regions"] for e in examples)
    assert total["percent"]["region"]["frontal"] == pytest.approx(100 * frontal / n)
    assert total["percent"]["out-of-scope"] == {
        "Not out-of-scope": pytest.approx(200 / 3), "Out-of-scope": pytest.approx(100 / 3),
    }  # fmt: skip
    parts = [held for name, held in statistics["splits"].items() if name != "all"]
    assert sum(held["questions"] for held in parts) == n
    (warning,) = total["warnings"].items()
    assert warning[1] == 8
    assert "template space" in warning[0]


def test_files_beside_the_set(built_set: BuiltSet, tmp_path: Path) -> None:
    folder = tmp_path / "vqa"
    shutil.copytree(built_set.folder, folder)
    write_statistics(folder)
    first = {name: (folder / name).read_bytes() for name in ("stats.json", "stats.md", "stats.png")}
    assert first["stats.png"].startswith(b"\x89PNG")
    write_statistics(folder)
    assert {name: (folder / name).read_bytes() for name in first} == first
    text = first["stats.md"].decode()
    assert "| questions | 192 |" in text
    assert "the paper's, on its data" in text.splitlines()[2]
    assert "is not measured on this set" in text
    # The paper's numbers never enter the set's own.
    assert "38904" not in first["stats.json"].decode()
    assert set(json.loads(first["stats.json"])["splits"]["all"]) >= {"questions", "percent"}


def test_a_preset_without_published_figures_has_no_such_column(built_set: BuiltSet) -> None:
    text = to_markdown(collect(read_examples(built_set.folder), REGIONS), None)
    assert "paper" not in text


def test_nothing_to_count_and_other_sets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no question"):
        collect([], REGIONS)
    run(ToyBuilder(tmp_path / "in"), make_cases(tmp_path / "in", 1), tmp_path / "out")
    with pytest.raises(InputError, match="tumour questions"):
        write_statistics(tmp_path / "out")


@pytest.mark.parametrize("preset", ["gli", "met", "goat"])
def test_the_papers_figures_are_transcribed_soundly(preset: str) -> None:
    """Their own sums must come out: classes to 100 %, splits to the total, 6 × labels × studies."""
    figures = paper_figures()[preset]
    labels = len(load_labels(PRESETS[preset].labels).labels)
    assert figures["counts"]["questions"] == 6 * labels * figures["counts"]["studies"]
    assert sum(figures["by_split"].values()) == figures["counts"]["questions"]
    for task in ("volume", "shape", "spread", "out-of-scope"):
        assert sum(figures[task].values()) == pytest.approx(100, abs=0.35)


def test_an_unwritable_picture(built_set: BuiltSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        draw(collect(read_examples(built_set.folder), REGIONS), tmp_path / "file" / "stats.png")
