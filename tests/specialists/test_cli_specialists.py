"""``sagittal specialists``: list, show, check, enable, run, as a user does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sagittal.cli import main
from sagittal.io.nifti import read_mask, write_image
from sagittal.specialists.pool import shared_pool


@pytest.fixture
def call(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main(["specialists", *map(str, arguments)])
        shown = capsys.readouterr()
        return end.value.code or 0, shown.out, shown.err

    yield run
    shared_pool().close()


def test_what_ships_is_listed_and_shown(call, data_folder):
    code, out, _ = call("list")
    assert code == 0 and "ChestOrgans" in out and "Eyes" in out
    code, out, _ = call("show", "ChestFindings")
    flat = " ".join(out.split())
    assert code == 0 and "Pneumothorax" in flat and "Apache-2.0" in flat and "real films" in flat
    value = json.loads(call("show", "MeshNet", "--json")[1])
    assert value["card"]["schema"] == "sagittal.specialist/1" and "the file model.pth" in value["lacks"]


def test_a_name_that_there_is_not_is_an_error_with_those_that_there_are(call, data_folder):
    code, out, err = call("show", "Nobody")
    assert (code, out) == (2, "") and "ChestOrgans" in err


def test_check_says_what_is_missing_and_how_to_get_it(call, data_folder):
    code, out, _ = call("check", "MeshNet")
    assert code == 2 and "the file model.json" in out and "sagittal specialists enable MeshNet --from" in out
    assert call("check", "ChestOrgans")[:2] == (0, "ChestOrgans: ready\n")
    rows = json.loads(call("check", "--json")[1])["specialists"]
    assert {row["name"]: row["state"] for row in rows}["Eyes"] == "ready"


def test_a_package_runs_once_it_is_enabled(call, theirs, scan, tmp_path):
    path = tmp_path / "scan_t1.nii.gz"
    write_image(path, scan)
    code, _, err = call("run", "Bright", path, "--argument", "bright")
    assert code == 2 and "sagittal specialists enable Bright" in err
    assert call("enable", "Bright")[1] == "Bright (their-specialists 1.0) may run now.\n"
    code, out, err = call("run", "Bright", path, "--argument", "bright", "--out", tmp_path / "out")
    assert code == 0 and out.startswith("Bright(bright) on axial slice") and "bright in vermilion" in out
    assert "not a medical device" in err and "MB at most" in err
    mask = read_mask(tmp_path / "out" / "mask.nii.gz")
    np.testing.assert_array_equal(mask.data > 0, scan.data > 0.5)
    assert (tmp_path / "out" / "overlay.png").is_file()
    saved = json.loads((tmp_path / "out" / "result.json").read_text())
    assert saved["regions"][0]["label"] == "bright" and "device" in saved["use"]
    code, out, err = call("run", "Bright", path, "--argument", "bright", "--out", tmp_path / "out")
    assert code == 2 and "there already" in err
    assert call("disable", "Bright")[1] == "Bright may run no more.\n"
    assert call("run", "Bright", path, "--argument", "bright")[0] == 2


def test_a_fault_is_an_error_and_leaves_nothing(call, theirs, scan, tmp_path):
    path = tmp_path / "scan_t1.nii.gz"
    write_image(path, scan)
    call("enable", "Bright")
    code, out, err = call("run", "Bright", path, "--argument", "raises", "--out", tmp_path / "out")
    assert (code, out) == (2, "") and "Bright failed" in err and not (tmp_path / "out").exists()
    code, _, err = call("run", "Bright", path)
    assert code == 2 and "--argument" in err
    code, _, err = call("run", "Bright", tmp_path / "none.nii.gz", "--argument", "bright")
    assert code == 2


def test_classes_are_told_line_by_line_and_as_json(call, theirs, scan, tmp_path):
    path = tmp_path / "scan_t1.nii.gz"
    write_image(path, scan)
    call("enable", "Classes")
    assert (
        call("run", "Classes", path, "--argument", "fine")[1] == "Classes(fine):\ncyst: yes\nfracture: yes\n"
    )
    value = json.loads(call("run", "Classes", path, "--argument", "fine", "--json")[1])
    assert value["classes"]["cyst"] == {"probability": 0.1, "yes": True} and value["regions"] == []


def test_damaged_cards_are_told_beside_the_list(call, theirs, monkeypatch, tmp_path):
    from sagittal.specialists import registry

    monkeypatch.setattr(registry, "GROUP", "console_scripts")
    _, out, err = call("list")
    assert "ChestOrgans" in out and "brings no" in err
