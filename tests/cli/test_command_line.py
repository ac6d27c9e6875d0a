"""The command line as a user meets it: output, exit codes, errors, nothing left behind."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from sagittal.cli import main
from sagittal.geometry import Geometry
from sagittal.io.nifti import write_image, write_mask
from sagittal.study import Image, Mask

LABEL_KEYS = {
    "label", "voxels", "volume_ml", "brain_percent", "volume_class", "components", "core_share",
    "spread_class", "surface_mm2", "sphericity", "compactness", "elongation", "flatness", "solidity",
    "shape_class", "extent_mm", "diameters_mm", "centroid_ras_mm", "regions", "covered_share", "intensity",
    "undefined",
}  # fmt: skip


def call(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
        raise SystemExit(0)
    out, err = capsys.readouterr()
    return stopped.value.code or 0, out, err


@pytest.fixture
def case(tmp_path):
    """A folder in BraTS naming: a ball of 10 mm with a smaller one beside it, in a brain of 40 mm radius."""
    folder = tmp_path / "BraTS-GLI-00001-000"
    folder.mkdir()
    shape = (96, 90, 84)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] = (47, 45, -42)
    geometry = Geometry(shape, affine)
    grid = np.indices(shape)

    def ball(centre, radius):
        return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2

    brain = ball((48, 45, 42), 40)
    rng = np.random.default_rng(0)
    for ending, kind in (("t1n", "t1"), ("t1c", "t1c"), ("t2w", "t2"), ("t2f", "flair")):
        data = np.where(brain, rng.integers(80, 120, shape), 0).astype(np.int16)
        write_image(folder / f"{folder.name}-{ending}.nii.gz", Image(data, geometry, kind))
    labels = np.zeros(shape, np.uint8)
    labels[ball((35, 50, 45), 10)] = 3
    labels[ball((62, 40, 40), 4)] = 2
    names = {1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"}
    write_mask(folder / f"{folder.name}-seg.nii.gz", Mask(labels, geometry, names))
    return folder


def test_describe_a_case_as_json(capsys, case):
    code, out, err = call(capsys, "describe", case, "--labels", "gli", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert set(found) >= {"schema", "brain_ml", "atlas", "labels", "warnings"}
    assert set(found["labels"]) == {"NETC", "SNFH", "ET", "RC"}
    for label in found["labels"].values():
        assert set(label) == LABEL_KEYS
    ball = found["labels"]["ET"]
    assert ball["volume_ml"] == pytest.approx(4 / 3 * np.pi, rel=0.01)
    assert ball["extent_mm"] == {"left_right": 21, "front_back": 21, "up_down": 21}
    assert ball["shape_class"] == "round" and ball["spread_class"] == "single lesion"
    assert ball["diameters_mm"]["plane"] == "axial"
    assert found["labels"]["RC"]["volume_class"] == "N/A"
    assert found["brain_ml"] == pytest.approx(4 / 3 * np.pi * 64, rel=0.01)
    # No value may be missing without a reason.
    for name, label in found["labels"].items():
        for key, value in label.items():
            assert value is not None or key in label["undefined"], (name, key)


def test_describe_prints_a_table_and_writes_pictures(capsys, case, tmp_path):
    out_folder = tmp_path / "out"
    code, out, _ = call(capsys, "describe", case, "--labels", "gli", "--out", out_folder)
    assert code == 0
    assert "4.1" in out and "not a medical device" in out and "not present" in out
    names = sorted(p.name for p in out_folder.iterdir())
    assert names == ["description.json", "diameters_ET.png", "diameters_SNFH.png", "overlay.png"]


def test_describe_a_mask_alone_and_with_scans(capsys, case):
    seg = case / f"{case.name}-seg.nii.gz"
    code, out, _ = call(capsys, "describe", seg, "--json")
    alone = json.loads(out)["labels"]["ET"]
    assert code == 0 and alone["volume_class"] is None and "volume_class" in alone["undefined"]
    code, out, _ = call(capsys, "describe", seg, "--t1", case / f"{case.name}-t1n.nii.gz", "--json")
    assert json.loads(out)["labels"]["ET"]["volume_class"] == "1-5%"


def test_info(capsys, case):
    code, out, err = call(capsys, "info", case, "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert [i["kind"] for i in report["images"]] == ["t1", "t1c", "t2", "flair"]
    assert report["masks"][0]["labels"]["ET"]["voxels"] > 4000
    code, out, _ = call(capsys, "info", case)
    assert code == 0 and "LPS" in out and "axial slices" in out


def test_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path))
    code, out, _ = call(capsys, "doctor", "--json")
    report = json.loads(out)
    assert code == 0 and report["atlases"] == [] and report["data_home"] == str(tmp_path)
    assert set(report["extras"]) == {"models", "dicom", "registration", "paraphrase", "ray"}
    assert call(capsys, "doctor")[0] == 0


def test_version_and_no_arguments(capsys):
    from sagittal import __version__

    assert call(capsys, "--version")[1].strip() == __version__
    code, out, err = call(capsys)
    assert code == 2 and "describe" in out + err


@pytest.mark.parametrize(
    "command",
    ["info", "describe", "simulate", "build tumour-vqa", "check", "atlas add", "atlas list", "rate export",
     "rate score", "paraphrase", "doctor"],
)  # fmt: skip
def test_every_command_has_help_with_an_example(capsys, command):
    code, out, _ = call(capsys, *command.split(), "--help")
    assert code == 0 and "Example:" in out and f"sagittal {command}" in out


BAD = {
    "not there": lambda d: d / "nowhere.nii.gz",
    "an empty folder": lambda d: make_folder(d / "empty"),
    "text with an image's name": lambda d: write(d / "x.nii.gz", b"hello, I am not an image"),
    "gzip of nothing": lambda d: write(d / "x.nii.gz", gzip.compress(b"")),
    "a truncated file": lambda d: write(d / "x.nii.gz", next(d.rglob("*-seg.nii.gz")).read_bytes()[:200]),
    "uncompressed under .gz": lambda d: write(
        d / "x.nii.gz", gzip.decompress(next(d.rglob("*-seg.nii.gz")).read_bytes())
    ),
    "an image as the mask": lambda d: next(d.rglob("*-t1n.nii.gz")),
}


def make_folder(path):
    path.mkdir()
    return path


def write(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_exit_code_2_with_a_remedy_and_leaves_nothing(capsys, case, tmp_path, what):
    path = BAD[what](tmp_path)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = call(capsys, "describe", path, "--labels", "gli", "--json", "--out", tmp_path / "out")
    assert (code, out) == (2, ""), err
    assert err.startswith("Error:") and "Traceback" not in err
    assert sorted(tmp_path.rglob("*")) == before


def test_labels_outside_the_table_name_the_remedy(capsys, case):
    seg = case / f"{case.name}-seg.nii.gz"
    code, _, err = call(capsys, "describe", seg, "--labels", "brats2018")
    assert code == 2 and "--labels" in err and "[3]" in err


def test_a_scan_on_another_grid_is_resampled_only_when_asked(capsys, case, tmp_path):
    seg = case / f"{case.name}-seg.nii.gz"
    small = Geometry((40, 40, 40), np.diag([2.0, 2, 2, 1]))
    write_image(tmp_path / "t1.nii.gz", Image(np.ones(small.shape, np.int16), small, "t1"))
    code, _, err = call(capsys, "describe", seg, "--t1", tmp_path / "t1.nii.gz")
    assert code == 2 and "--resample" in err
    assert call(capsys, "describe", seg, "--t1", tmp_path / "t1.nii.gz", "--resample")[0] == 0


def test_an_empty_mask_is_described_not_refused(capsys, tmp_path):
    geometry = Geometry((10, 10, 10), np.eye(4))
    write_mask(tmp_path / "m.nii.gz", Mask(np.zeros((10, 10, 10), np.uint8), geometry, {1: "ET"}))
    code, out, _ = call(capsys, "describe", tmp_path / "m.nii.gz", "--json")
    label = json.loads(out)["labels"]["ET"]
    assert code == 0 and label["voxels"] == 0 and label["spread_class"] == "N/A"


def test_a_disk_that_takes_no_more_is_exit_code_2_and_leaves_no_half_file(case, tmp_path):
    """The system's own limit on a file's size stands in for a full disk: both fail amid a write."""
    out = tmp_path / "out"
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from sagittal.cli import main; main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "describe", case, "--labels", "gli", "--out", out],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (
        done.returncode == 2 and "larger than this system" in done.stderr and "Traceback" not in done.stderr
    )
    assert all(p.suffix == ".json" for p in out.iterdir()), "the picture did not fit, the JSON did"


def test_names_with_brackets_are_not_markup(capsys, tmp_path):
    code, _, err = call(capsys, "describe", tmp_path / "[red]x[/].nii.gz")
    assert code == 2 and "[red]x[/]" in err.replace("\n", "")


def test_our_own_fault_is_exit_code_1_and_says_how_to_report(tmp_path):
    script = (
        "import sagittal.cli.doctor as d\n"
        "def broken(): raise ZeroDivisionError('boom')\n"
        "d.examine = broken\n"
        "from sagittal.cli import main\n"
        "import sys; main(sys.argv[1:])"
    )
    short = subprocess.run(
        [sys.executable, "-c", script, "doctor"], capture_output=True, text=True, check=False
    )
    assert short.returncode == 1 and "Traceback" not in short.stderr and "--debug" in short.stderr
    long = subprocess.run(
        [sys.executable, "-c", script, "--debug", "doctor"], capture_output=True, text=True, check=False
    )
    assert long.returncode == 1 and "Traceback" in long.stderr
