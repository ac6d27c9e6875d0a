"""``sagittal evaluate`` and ``reproduce`` from files to the page of results, on a small data folder."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
import torch

from sagittal.cli import main
from sagittal.cli.reproduce import _shown
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.models.voxelprompt.eyes_storage import save_eyes
from sagittal.nn.stream_unet import VolumeEncoder, VolumeGenerator
from sagittal.score.reals import TUMOUR_PARTS

SHAPE, STEP = (30, 32, 28), 6.0


@pytest.fixture
def data(tmp_path):
    """Two patients as they are published: one that may be looked at, one of the final figures."""
    at = np.indices(SHAPE) - np.reshape([n / 2 for n in SHAPE], (3, 1, 1, 1))
    head = (at**2).sum(axis=0) < 12**2
    labels = np.zeros(SHAPE, np.float32)
    labels[14:20, 14:20, 12:18], labels[15:18, 15:18, 13:16] = 2, 4
    affine = np.diag([-STEP, -STEP, STEP, 1.0])
    rng = np.random.default_rng(0)
    for place, name in (("train", "brats_2013_pat0005_1"), ("test", "brats_2013_pat0001_1")):
        folder = tmp_path / "data" / "brats_deepmedic" / place / name
        folder.mkdir(parents=True)
        for scan in ("Flair", "T1c"):
            values = np.where(head, rng.normal(0, 1, SHAPE) + labels, 0).astype(np.float32)
            nib.save(nib.Nifti1Image(values, affine), folder / f"{scan}_subtrMeanDivStd.nii.gz")
        nib.save(nib.Nifti1Image(labels, affine), folder / "OTMultiClass.nii.gz")
    return tmp_path / "data"


@pytest.fixture
def eyes(tmp_path):
    torch.manual_seed(0)
    config = VoxelPromptConfig.preset("tiny")
    encoder = VolumeEncoder(config.vision, config.language.width).eval()
    save_eyes(tmp_path / "eyes.pt", CodebookEyes(encoder, VolumeGenerator(config.vision).eval(), config))
    return tmp_path / "eyes.pt"


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return ended.value.code


@pytest.mark.filterwarnings("ignore::sagittal.errors.SagittalWarning")
@pytest.mark.parametrize(("final", "case"), [(False, "brats_2013_pat0005_1"), (True, "brats_2013_pat0001_1")])
def test_real_scans(data, eyes, tmp_path, capsys, final, case):
    out = tmp_path / "run"
    arguments = ["evaluate", "voxelprompt", "--model", eyes, "--eyes", "codebook", "--on", "real"]
    arguments += ["--data", data, "--out", out, "--device", "cpu", *(["--final"] if final else [])]
    assert run(*arguments) == 0
    first = capsys.readouterr()
    assert f"{case}: mean Dice" in first.err and f"| {case} |" in first.out
    assert (
        first.out.startswith("# voxelprompt on real\n")
        and (out / "summary.md").read_text() in first.out + "\n"
    )
    [made] = [json.loads(path.read_text()) for path in (out / "cases").iterdir()]
    assert [r["structure"] for r in made["records"]] == list(TUMOUR_PARTS)
    assert made["records"][2]["overlap"]["true_ml"] == pytest.approx(27 * STEP**3 / 1000)
    assert run(*arguments) == 0
    assert "mean Dice" not in capsys.readouterr().err
    if not final:
        # The final cases are another run: they do not slip into this folder.
        assert run(*arguments, "--final") == 2
        assert "holds another run" in capsys.readouterr().err


def test_meshnet_writes_no_programs(data, tmp_path, capsys):
    assert (
        run("evaluate", "meshnet", "--model", data, "--on", "programs", "--data", data, "--out", tmp_path)
        == 2
    )
    assert "Only VoxelPrompt writes programs" in capsys.readouterr().err


def test_a_model_that_is_not_there(data, tmp_path, capsys):
    assert (
        run("evaluate", "voxelprompt", "--model", "nobody", "--on", "real", "--data", data, "--out", tmp_path)
        == 2
    )
    assert "There is no such model" in capsys.readouterr().err


def test_machine_paths_are_no_part_of_a_command():
    assert _shown("../shared/data") == "../shared/data" and _shown("voxelprompt") == "voxelprompt"
    assert _shown("/somebody/s/home/models/small") == "…/models/small"
