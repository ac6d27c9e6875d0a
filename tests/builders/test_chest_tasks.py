"""IMAX and DMAX from a pool: the whole way, resumably, to the same bytes; hostile pools."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from toy_builder import bytes_of

from chest_pool import HEIGHT, WIDTH, PoolSource, film, masks, pool, write_pool
from sagittal.builders.chest import cleaning, measuring, surveying
from sagittal.builders.chest.choosing import COPY
from sagittal.builders.chest.join import OF_FILM, OF_STUDY, join_sources
from sagittal.builders.chest.surveying import Survey, read_facts
from sagittal.builders.chest_tasks import ARMS, build_chest_tasks
from sagittal.builders.shards import read_examples
from sagittal.cli import main
from sagittal.errors import ConfigError, InputError
from sagittal.example import Example
from sagittal.files import sha256_file
from sagittal.io.films.statement import FilmStatement

COUNT = 160


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> PoolSource:
    return pool(tmp_path_factory.mktemp("pool"), COUNT)


@pytest.fixture(scope="module")
def built(source: PoolSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    build(source, out)
    return out


def build(source: PoolSource, out: Path, **settings: object) -> dict[str, object]:
    found: dict[str, object] = build_chest_tasks(
        [source], out, pictures={"pool": source.path.parent}, **settings
    )  # type: ignore[arg-type]
    return found


def examples(out: Path) -> dict[str, list[Example]]:
    return {arm: list(read_examples(out / arm)) for arm in ARMS}


def test_the_sets_match_and_share_nothing(built: Path) -> None:
    sets = examples(built)
    by_task = {arm: Counter(one.task for one in own) for arm, own in sets.items()}
    assert by_task["imax"] == by_task["dmax"]
    assert len(by_task["imax"]) == 10
    pictures = {arm: {one.images[0].sha256 for one in own} for arm, own in sets.items()}
    assert not pictures["imax"] & pictures["dmax"]
    assert not pictures["test"] & (pictures["imax"] | pictures["dmax"])
    patients = {arm: {one.patient for one in own} for arm, own in sets.items()}
    assert not patients["test"] & (patients["imax"] | patients["dmax"])
    for arm, own in sets.items():
        assert {one.split for one in own} == {"test" if arm == "test" else "train"}


def test_what_is_chosen_is_told(built: Path) -> None:
    told = json.loads((built / "chosen.json").read_text())
    for arm, own in examples(built).items():
        said = told["sets"][arm]
        films = {one.study for one in own}
        assert (said["films"], said["entries"]) == (len(films), len(own))
        assert said["entries_a_film"] == pytest.approx(len(own) / len(films), abs=1e-4)
        assert said["by_task"] == dict(sorted(Counter(one.task for one in own).items()))
    assert told["sets"]["imax"]["tasks_a_film"] > told["sets"]["dmax"]["tasks_a_film"]
    assert told["films"] == COUNT


def test_examples_are_of_their_film(built: Path, source: PoolSource) -> None:
    rng = np.random.default_rng(0)
    films = {f"pool/{one.image}": one for one in (film(number, rng) for number in range(COUNT))}
    for own in examples(built).values():
        for one in own:
            truth = films[one.study]
            assert one.images[0].path == f"pool/{truth.file}"
            assert one.images[0].sha256 == sha256_file(source.path.parent / truth.file)
            assert one.patient == f"pool/{truth.patient}"
            assert (one.source, one.licence) == (source.source, source.licence)
            if one.task == "caption":
                assert one.messages[-1].text == truth.report
            if one.task.startswith("calculate"):
                assert truth.view == "PA"
            if one.task == "cls-multilabel":
                assert one.targets["labels"] == [int(bool(there)) for there in truth.labels.values()]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_bytes_whoever_works(
    built: Path, source: PoolSource, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(source, tmp_path / "again", workers=workers)
    for part in (*ARMS, "facts"):
        assert bytes_of(tmp_path / "again" / part) == bytes_of(built / part)
    assert (tmp_path / "again" / "chosen.json").read_bytes() == (built / "chosen.json").read_bytes()


def test_a_build_that_was_stopped_goes_on(
    built: Path, source: PoolSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surveying, "FILMS_PER_PART", 16)

    class StoppedError(Exception):
        pass

    def stop(done: int, total: int, name: str) -> None:
        if done > 20:
            raise StoppedError

    with pytest.raises(StoppedError):
        build(source, tmp_path / "new", progress=stop)
    held = bytes_of(tmp_path / "new" / "facts")
    assert 0 < len(held) < 11
    first = (tmp_path / "new" / "facts" / "part-000000.jsonl").stat().st_mtime_ns
    build(source, tmp_path / "new")
    assert (tmp_path / "new" / "facts" / "part-000000.jsonl").stat().st_mtime_ns == first
    sets = examples(tmp_path / "new")
    assert sets == examples(built)


def test_everything_there_is_to_train_on(source: PoolSource, built: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "new", everything=True)
    whole = {one.id: one for one in read_examples(tmp_path / "new" / "train")}
    sets = examples(built)
    parts = [one for arm in ("imax", "dmax") for one in sets[arm]]
    assert all(whole[one.id] == one for one in parts)
    assert not {one.patient for one in whole.values()} & {one.patient for one in sets["test"]}
    assert len(whole) > len(parts)


def test_another_build_is_refused(built: Path, source: PoolSource, tmp_path: Path) -> None:
    other = pool(tmp_path / "other", COUNT, seed=1)
    before = bytes_of(built)
    with pytest.raises(ConfigError, match="other tables"):
        build(other, built)
    with pytest.raises(ConfigError, match="another build"):
        build(source, built, seed=5)
    assert {k: v for k, v in bytes_of(built).items() if "sqlite" not in str(k)} == {
        k: v for k, v in before.items() if "sqlite" not in str(k)
    }


# -- what is wrong with films -----------------------------------------------------------------------------


def outcomes(folder: Path, films: list[FilmStatement], **settings: bool) -> tuple[list[object], Counter[str]]:
    source = write_pool(folder / "in", films, **settings)
    join = join_sources([source], folder / "films.sqlite")
    survey = Survey(join, (source,), {"pool": source.path.parent}, folder / "facts")
    dropped: Counter[str] = Counter()
    return list(read_facts(survey.run(), dropped)), dropped


def changed(number: int, **values: object) -> FilmStatement:
    return film(number, np.random.default_rng(number)).model_copy(update=values)


def test_every_fault_has_its_outcome(tmp_path: Path) -> None:
    films = [
        changed(0, view="lateral"),
        changed(1, masks=masks(left_lung=None, right_lung=None)),
        changed(2, masks=masks().model_copy(update={"size": (WIDTH, 2 * HEIGHT)})),
        changed(3, rca=0.7),
        changed(4, masks=masks().model_copy(update={"runs": {"heart": "5 99999"}})),
        changed(5, labels={"No Finding": True, "Nodule": True}),
        changed(6, masks=masks(heart=(3, 3, 3, 3), left_lung=None)),
    ]
    found, dropped = outcomes(tmp_path, films)
    assert not dropped
    reasons = [set(one.left_out) for one in found]  # type: ignore[attr-defined]
    assert reasons[0] == {measuring.LATERAL}
    assert reasons[1] == {"unable to locate lungs"}
    assert reasons[2] == {measuring.OTHER_SIZE}
    assert reasons[3] == {measuring.LOW_RCA}
    assert reasons[4] == {measuring.UNREADABLE}
    assert reasons[5] - {"ratios are those of PA films"} == {cleaning.NO_FINDING_YET_ONE}
    assert "unable to locate lungs" in reasons[6]
    for one in found[:5]:
        assert one.ctr is None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("values", "ctr", "cpar"),
    [
        ({"ctr": 0.5, "cpar": 0.4}, 0.5, 0.4),
        ({"ctr": 0.5}, 0.5, "measured"),
        ({"ctr": 0.5, "view": "AP"}, None, None),
        ({"ctr": 0.5, "view": None}, 0.5, None),
        ({"marking": "unable to locate heart"}, None, None),
        ({}, "measured", "measured"),
    ],
)
def test_published_ratios_go_before_measured_ones(
    values: dict[str, object], ctr: float | str | None, cpar: float | str | None, tmp_path: Path
) -> None:
    own = masks()
    found, _ = outcomes(tmp_path, [changed(0, masks=own, rca=None, **{"view": "PA", **values})])
    measured_alone = measuring.measured(own, None, [], "PA")
    [one] = found
    for value, wanted, measured in (
        (one.ctr, ctr, measured_alone.ctr),  # type: ignore[attr-defined]
        (one.cpar, cpar, measured_alone.cpar),  # type: ignore[attr-defined]
    ):
        assert value == (measured if wanted == "measured" else wanted)


def test_films_without_a_picture_are_counted(tmp_path: Path) -> None:
    films = [changed(0), changed(1, file=""), changed(2), changed(3, collection="elsewhere"), changed(4)]
    source = write_pool(tmp_path / "in", films)
    (source.path.parent / films[2].file).unlink()
    (source.path.parent / films[4].file).write_bytes(b"no picture")
    join = join_sources([source], tmp_path / "films.sqlite")
    dropped: Counter[str] = Counter()
    parts = Survey(join, (source,), {"pool": source.path.parent}, tmp_path / "facts").run()
    assert [one.name for one in read_facts(parts, dropped)] == ["pool/film-0000"]
    assert dropped == {
        surveying.NO_FILE: 1, surveying.NO_PICTURE: 1, surveying.NO_IMAGES: 1, surveying.DAMAGED: 1,
    }  # fmt: skip


def test_copies_of_a_picture_are_used_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    films = [film(number, rng) for number in range(40)]
    source = write_pool(tmp_path / "in", films, same_picture=True)
    # One picture alone is left, of which DMAX would need another one.
    with pytest.raises(ConfigError, match="so many films"):
        build(source, tmp_path / "out")


def test_copies_among_others_are_counted(source: PoolSource, tmp_path: Path) -> None:
    films = [FilmStatement.model_validate_json(line) for line in source.path.read_text().splitlines()]
    twice = write_pool(tmp_path / "in", films)
    (twice.path.parent / films[1].file).write_bytes((twice.path.parent / films[0].file).read_bytes())
    told = build(twice, tmp_path / "out")
    assert told["left_out"] == {COPY: 1}


def test_what_is_said_of_a_study_holds_for_its_films(tmp_path: Path) -> None:
    films = [
        changed(0, study="s1", report=None), changed(1, study="s1", report=None), changed(2, study="s2"),
        FilmStatement(collection="pool", study="s1", report="of the study"),
        FilmStatement(collection="elsewhere", study="s2", report="of another"),
    ]  # fmt: skip
    found, _ = outcomes(tmp_path, films)
    reports = {one.name: one.report for one in found}  # type: ignore[attr-defined]
    assert reports["pool/film-0000"] == reports["pool/film-0001"] == "of the study"
    assert reports["pool/film-0002"] == films[2].report


def test_no_film_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no film"):
        join_sources([write_pool(tmp_path, [])], tmp_path / "films.sqlite")
    assert not (tmp_path / "films.sqlite").exists()


def test_a_join_is_kept_and_made_anew_where_tables_changed(tmp_path: Path) -> None:
    source = pool(tmp_path / "in", 6)
    path = tmp_path / "films.sqlite"
    join_sources([source], path)
    first = path.stat().st_mtime_ns
    assert len(join_sources([source], path).films()) == 6
    assert path.stat().st_mtime_ns == first
    other = pool(tmp_path / "in", 7)
    assert len(join_sources([other], path).films()) == 7


# -- the command -----------------------------------------------------------------------------------------


def call(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stopped:
        main([str(one) for one in arguments])
        raise SystemExit(0)
    return int(stopped.value.code or 0)


def test_no_film_costs_more_where_there_are_more(tmp_path: Path) -> None:
    """Both questions to the joined statements are answered by an index, not by reading all of them."""
    path = join_sources([pool(tmp_path / "in", 6)], tmp_path / "films.sqlite").path
    with closing(sqlite3.connect(path)) as db:
        for query, index in ((OF_FILM, "by_image"), (OF_STUDY, "by_study")):
            plan = " ".join(str(row) for row in db.execute(f"EXPLAIN QUERY PLAN {query}", ("pool", "x")))
            assert f"USING INDEX {index} (collection=? AND" in plan, plan


def test_the_command_builds_and_tells(
    source: PoolSource, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = f"pool={source.path.parent}"
    asked = ("--source", f"statements={source.path.parent}", "--pictures", pictures)
    assert call("build", "chest-tasks", *asked, "--out", tmp_path / "out", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["sets"] == json.loads((built / "chosen.json").read_text())["sets"]
    assert (tmp_path / "out" / "stats.png").stat().st_size > 1_000
    assert "Entries by task" in (tmp_path / "out" / "stats.md").read_text()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--source", "nih", "--pictures", "nih=x"], "NAME=FOLDER"),
        (["--source", "nih=FOLDER", "--pictures", "=x"], "NAME=FOLDER"),
        (["--source", "mystery=FOLDER", "--pictures", "nih=x"], "mystery"),
        (["--source", "nih=FOLDER", "--pictures", "nih=FOLDER"], "Patient ID"),
        (["--source", "nih=EMPTY", "--pictures", "nih=FOLDER"], "Data_Entry"),
    ],
)
def test_bad_input_is_named(
    given: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "Data_Entry_2017.csv").write_text("Image Index,Finding Labels\na.png,Mass\n")
    places = {"FOLDER": str(tmp_path / "tables"), "EMPTY": str(tmp_path / "empty")}
    for name, place in places.items():
        given = [one.replace(name, place) for one in given]
    assert call("build", "chest-tasks", *given, "--out", tmp_path / "out") == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out" / "films.sqlite").exists()
