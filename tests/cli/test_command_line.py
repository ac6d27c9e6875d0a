"""The command line as a user meets it: output, exit codes, errors, nothing left behind."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sagittal.cli import main
from sagittal.geometry import Geometry
from sagittal.io.nifti import read_mask, write_image, write_mask
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
    assert set(report["extras"]) == {"models", "scores", "dicom", "registration", "paraphrase", "ray"}
    assert call(capsys, "doctor")[0] == 0


def test_version_and_no_arguments(capsys):
    from sagittal import __version__

    assert call(capsys, "--version")[1].strip() == __version__
    code, out, err = call(capsys)
    assert code == 2 and "describe" in out + err


@pytest.mark.parametrize(
    "command",
    ["info", "describe", "simulate", "build tumour-vqa", "build pixel-qa", "converse", "check", "atlas add",
     "atlas list", "rate export", "rate score", "rate agreement", "paraphrase", "doctor"],
)  # fmt: skip
def test_every_command_has_help_with_an_example(capsys, command):
    code, out, _ = call(capsys, *command.split(), "--help")
    assert code == 0 and "Example:" in out and f"sagittal {command}" in out


def test_agreement_of_two_answer_files(capsys, tmp_path):
    line = {"id": "a", "study": "s", "label": "ET", "asked": ["volume", "shape"], "beyond": False}
    said = [{"volume": ["<1%"], "shape": "round"}, {"volume": ["1-5%"], "shape": ["round"]}]
    files = [tmp_path / name for name in ("reader.jsonl", "model.jsonl")]
    for path, classes in zip(files, said, strict=True):
        path.write_text(json.dumps({**line, "classes": classes}) + "\n", encoding="utf-8")
    code, out, _ = call(capsys, "rate", "agreement", *files, "--json")
    whole, label = json.loads(out)
    assert code == 0 and (whole["label"], label["label"], whole["questions"]) == ("all", "ET", 1)
    values = {task: own["value"] for task, own in whole["tasks"].items()}
    assert values == {"volume": 0, "region": None, "shape": 1, "spread": None, "mean": 0.5}
    code, out, _ = call(capsys, "rate", "agreement", *files)
    assert code == 0 and "100.0" in out and "–" in out
    files[1].write_text(json.dumps({**line, "asked": ["size"], "classes": {}}) + "\n", encoding="utf-8")
    code, _, err = call(capsys, "rate", "agreement", *files)
    assert code == 2 and "no such task: size" in err and "Line 1" in err


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


@pytest.mark.parametrize("labels", [[], ["--labels", "gli"]])
def test_an_empty_mask_is_bad_input(capsys, tmp_path, labels):
    geometry = Geometry((10, 10, 10), np.eye(4))
    write_mask(tmp_path / "m.nii.gz", Mask(np.zeros((10, 10, 10), np.uint8), geometry, {1: "ET"}))
    code, out, err = call(capsys, "describe", tmp_path / "m.nii.gz", *labels, "--out", tmp_path / "out")
    assert (code, out) == (2, "") and "empty" in err and not (tmp_path / "out").exists()


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


# -- names, pictures, streams --------------------------------------------------------------------


def test_info_takes_what_a_file_shows_with_its_path(capsys, case):
    """As the remedy of ``info`` itself says: t1=scan.nii.gz seg=mask.nii.gz."""
    seg, flair = case / f"{case.name}-seg.nii.gz", case / f"{case.name}-t2f.nii.gz"
    code, out, err = call(capsys, "info", f"pd={flair}", f"seg={seg}", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert [i["kind"] for i in report["images"]] == ["pd"] and "ET" in report["masks"][0]["labels"]


@pytest.fixture
def picture(tmp_path):
    """A mask as a picture: 12 pixels wide and 8 high."""
    from PIL import Image as Pictures

    pixels = np.zeros((30, 40), np.uint8)
    pixels[10:18, 5:17] = 255
    Pictures.fromarray(pixels).save(tmp_path / "liver.png")
    Pictures.fromarray(pixels // 2 + 20).save(tmp_path / "scan.png")
    return tmp_path / "liver.png"


def test_a_picture_without_a_pixel_size_is_described_without_millimetres(capsys, picture, tmp_path):
    code, out, err = call(capsys, "describe", picture, "--json")
    label = json.loads(out)["labels"]["label_1"]
    assert (code, err) == (0, "")
    assert (label["voxels"], label["components"]) == (96, 1)
    assert label["extent_mm"] is None and "spacing" in label["undefined"]["extent_mm"]
    code, out, _ = call(capsys, "describe", picture, "--out", tmp_path / "out")
    assert code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["description.json", "overlay.png"]


def test_a_picture_with_a_pixel_size_has_millimetres(capsys, picture, tmp_path):
    code, out, _ = call(
        capsys, "describe", picture, "--t2", picture.with_name("scan.png"), "--spacing", "0.5", "--json",
        "--out", tmp_path / "out",
    )  # fmt: skip
    label = json.loads(out)["labels"]["label_1"]
    assert code == 0 and label["extent_mm"]["left_right"] == 6 and label["extent_mm"]["up_down"] == 4
    assert label["intensity"]["t2"]["mean"] == 147
    assert (tmp_path / "out" / "overlay.png").is_file()


@pytest.mark.parametrize("spacing", ["0", "-1", "nan", "inf"])
def test_an_impossible_pixel_size_is_bad_input(capsys, picture, spacing):
    assert call(capsys, "describe", picture, "--spacing", spacing)[0] == 2


def test_a_spacing_for_a_volume_is_refused_not_ignored(capsys, case):
    code, _, err = call(capsys, "describe", case / f"{case.name}-seg.nii.gz", "--spacing", "2")
    assert code == 2 and "--spacing" in err


def test_labels_with_like_names_have_pictures_of_their_own(capsys, case, tmp_path):
    (tmp_path / "table.yaml").write_text("{2: 'a b', 3: a_b}")
    out = tmp_path / "out"
    assert call(capsys, "describe", case, "--labels", tmp_path / "table.yaml", "--out", out)[0] == 0
    assert len(list(out.glob("diameters_*.png"))) == 2


def test_an_output_folder_that_is_a_file_is_named_as_such(capsys, case, tmp_path):
    (tmp_path / "file").write_text("x")
    code, _, err = call(capsys, "describe", case, "--labels", "gli", "--out", tmp_path / "file")
    assert code == 2 and "see the message above" not in err and "folder" in err


def run(*arguments, **settings) -> subprocess.CompletedProcess[bytes]:
    """A process of its own, for what streams and locales do."""
    script = "import sys; from sagittal.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "check": False, **settings})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_output_that_cannot_be_written_is_not_our_own_fault(case, form):
    with Path("/dev/full").open("wb") as full:
        done = run("info", case, *form, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2 and b"No space left" in done.stderr and b"not your fault" not in done.stderr


def test_a_stream_of_few_characters_is_no_failure(case):
    """A locale without × or ü: words are escaped, JSON stays JSON in UTF-8."""
    odd = case.rename(case.with_name("fälle")) / f"{case.name}-seg.nii.gz"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert run("describe", odd, "--labels", "gli", env=env).returncode == 0
    scan = odd.rename(odd.with_name("ünï.nii.gz"))
    done = run("info", scan, "--json", env=env)
    assert done.returncode == 0 and json.loads(done.stdout.decode("utf-8"))["images"][0]["name"] == scan.name


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not UTF-8 are Linux's")
def test_a_file_name_that_is_not_utf_8_can_be_written_down(case):
    scan = case / os.fsdecode(b"t1\xff.nii.gz")
    data = np.ones((96, 90, 84), np.int16)
    write_image(scan, Image(data, read_mask(case / f"{case.name}-seg.nii.gz").geometry, "t1"))
    out = case.with_name("out")
    done = run("describe", case / f"{case.name}-seg.nii.gz", "--t1", scan, "--json", "--out", out)
    assert done.returncode == 0, done.stderr
    said = json.loads((out / "description.json").read_text("utf-8"))["warnings"]
    assert said == json.loads(done.stdout)["warnings"] and said[0].startswith(scan.name)


def test_a_path_in_a_message_is_not_broken_into_lines(capsys, tmp_path):
    path = tmp_path / ("long " * 30) / "x.nii.gz"
    _, _, err = call(capsys, "info", path)
    assert str(path) in err


def test_an_atlas_from_nowhere_says_that_it_is_not_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    code, _, err = call(capsys, "atlas", "add", "mine", "--from", tmp_path / "nowhere")
    assert code == 2 and "no such file or folder" in err


def test_an_atlas_whose_list_lies_elsewhere_is_added_as_the_remedy_says(capsys, case, monkeypatch, tmp_path):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    table = tmp_path / "table.yaml"
    table.write_text("{title: T, space: MNI152, regions: {one: [x]}, unmapped: [y]}")
    add = ["atlas", "add", "mine", "--from", case / f"{case.name}-seg.nii.gz", "--table", table]
    code, _, err = call(capsys, *add)
    assert code == 2 and "--labels" in err
    (tmp_path / "names.csv").write_text("2,x\n3,y\n")
    assert call(capsys, *add, "--labels", tmp_path / "names.csv")[0] == 0
    assert call(capsys, "describe", case, "--labels", "gli", "--atlas", "mine")[0] == 0


def test_a_case_without_a_segmentation_and_an_atlas_that_can_be_fetched(capsys, case, monkeypatch, tmp_path):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    code, _, err = call(capsys, "describe", case, "--labels", "gli", "--atlas", "aal2")
    assert code == 2 and "atlas add aal2\n" in err
    (case / f"{case.name}-seg.nii.gz").unlink()
    code, _, err = call(capsys, "describe", case, "--labels", "gli")
    assert code == 2 and "without a segmentation" in err
