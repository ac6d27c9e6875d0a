"""Simulated films as a folder, and their reports: what is said is true, whoever writes it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.errors import IntegrityError
from sagittal.io.films.names import FINDINGS, SEVERITY
from sagittal.io.films.sources import open_source
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow
from sagittal.io.raster import picture_geometry, read_picture
from sagittal.io.run_lengths import parse_runs
from sagittal.measure.chest import measure_chest
from sagittal.simulate.chest import ChestConfig, SimulatedFilm, simulate_films
from sagittal.simulate.chest.folder import statement_of, write_films
from sagittal.simulate.draws import Draws

CONFIG = ChestConfig(edge=96)
SEED, COUNT = 5, 24


@pytest.fixture(scope="module")
def films() -> list[SimulatedFilm]:
    return list(simulate_films(CONFIG, range(COUNT), SEED))


@pytest.fixture(scope="module")
def stated(films: list[SimulatedFilm]) -> list[FilmStatement]:
    return [
        statement_of(film, Draws(SEED, index, torch.device("cpu"), "report"))
        for index, film in enumerate(films)
    ]


def test_reports_name_what_is_there_and_deny_only_what_is_not(
    films: list[SimulatedFilm], stated: list[FilmStatement]
) -> None:
    denied = 0
    for film, told in zip(films, stated, strict=True):
        assert told.report is not None
        findings, impression = told.report.removeprefix("FINDINGS: ").split(" IMPRESSION: ")
        sentences = [one.strip().lower() for one in findings.split(".") if one.strip()]
        absent = [one for one in sentences if one.startswith(("no ", "there is no "))]
        denied += len(absent)
        for name in FINDINGS:
            word = SEVERITY[film.oedema] if name == "Edema" and film.labels[name] else name.lower()
            if any(seen.name == name for seen in film.findings):
                assert any(word in one for one in sentences if one not in absent), (name, told.report)
                assert word in impression.lower()
            assert not (film.labels[name] and any(name.lower() in one for one in absent)), told.report
        for device in film.devices:
            assert device in findings.lower()
        assert ("clear" in findings) == (not film.findings and film.oedema == 0)
    assert denied > 5


def test_an_enlarged_heart_is_told_by_its_ratio(stated: list[FilmStatement]) -> None:
    told = Counter[bool]()
    for one in stated:
        assert one.report is not None and one.size is not None and isinstance(one.masks, FilmMasks)
        grid = picture_geometry(*one.size)
        runs = {name: parse_runs(text, grid) for name, text in one.masks.runs.items()}
        ctr = measure_chest(runs, projection=one.view or "unknown").ctr
        large = any(word in one.report.lower() for word in ("enlarged", "cardiomegaly"))
        if one.view == "AP":
            assert not large
        elif ctr is not None:
            assert large == (ctr > 0.5)
            told[large] += 1
    assert min(told[True], told[False]) > 0


def test_signs_lie_where_their_pixels_do(films: list[SimulatedFilm], stated: list[FilmStatement]) -> None:
    for film, told in zip(films, stated, strict=True):
        for seen, sign in zip(film.findings, told.signs, strict=True):
            columns, rows = np.nonzero(seen.inside)
            assert sign.box == (columns.min(), rows.min(), columns.max(), rows.max())
            assert sign.name == seen.name


def test_a_folder_is_read_back_and_does_not_depend_on_who_wrote_it(
    films: list[SimulatedFilm], stated: list[FilmStatement], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sagittal.simulate.chest.folder.FILMS_PER_PART", 8)
    done: list[tuple[int, int]] = []
    write_films(CONFIG, tmp_path / "whole", COUNT, SEED, lambda *now: done.append(now))
    assert done[-1] == (COUNT, COUNT)
    for k in (1, 0):
        write_films(CONFIG, tmp_path / "shared", COUNT, SEED, share=(k, 2))
    files = sorted(p.relative_to(tmp_path / "whole") for p in (tmp_path / "whole").rglob("*") if p.is_file())
    assert len(files) == 1 + COUNT + COUNT // 8
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "shared" / file).read_bytes()
    source = open_source("statements", tmp_path / "whole" / "statements")
    found = list(source.statements(Counter()))
    assert [one.model_copy(update={"masks": None}) for one in found] == [
        one.model_copy(update={"masks": None}) for one in stated
    ]
    for film, one, told in zip(films, found, stated, strict=True):
        assert isinstance(one.masks, MaskRow) and source.masks(one.masks) == told.masks
        image = read_picture(tmp_path / "whole" / one.file, kind="cxr")
        assert np.array_equal(image.data, film.image.data)


def test_parts_are_kept_and_other_worlds_refused(tmp_path: Path) -> None:
    write_films(CONFIG, tmp_path, 2, SEED)
    part = tmp_path / "statements" / "part-000000.jsonl"
    before = part.stat().st_mtime_ns
    write_films(CONFIG, tmp_path, 2, SEED)
    assert part.stat().st_mtime_ns == before
    with pytest.raises(IntegrityError):
        write_films(CONFIG, tmp_path, 2, SEED + 1)
