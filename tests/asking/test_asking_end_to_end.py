"""A checkpoint on disk is found, loaded once, and asked; one that never learnt ends as a clean abstention."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from asking_world import SHAPE, STEP, brats_case, card, head, write_volume

import sagittal
from sagittal import weights
from sagittal.asking import consult, open_case
from sagittal.asking import models as asking_models
from sagittal.errors import ConfigError, FileFormatError, InputError, IntegrityError, StorageError
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.checkpoint import save_checkpoint
from sagittal.models.voxelprompt import VoxelPrompt, VoxelPromptConfig, save_voxelprompt


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Path:
    """A folder of weights with one tiny model that never learnt anything."""
    home = tmp_path_factory.mktemp("weights")
    texts = ["f = encode(t1, flair)", 'm = segment(f, "whole tumour")', "How large is the tumour?"] * 3
    tokenizer = Tokenizer.train(texts, 320)
    torch.manual_seed(0)
    model = VoxelPrompt(VoxelPromptConfig.preset("tiny", vocabulary=tokenizer.size))
    save_voxelprompt(home / "untrained", model, tokenizer, card("untrained"))
    layer = torch.nn.Linear(2, 2)
    save_checkpoint(home / "encoder", layer, kind="an encoder", config={}, card=card("encoder"))
    return home


@pytest.fixture
def at_hand(shipped, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "__file__", str(shipped / "__init__.py"))
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("at_hand")
def test_an_untrained_model_abstains_and_says_why(tmp_path):
    folder, out = brats_case(tmp_path), tmp_path / "out"
    answer = sagittal.ask(folder, "How large is the tumour?", out=out)
    assert answer.abstained and answer.reason and answer.model == "untrained"
    assert answer.measurements == () and answer.masks == ()
    written = json.loads((out / "answer.json").read_text())
    assert written == answer.to_json() and [p.name for p in out.iterdir()] == ["answer.json"]
    faults = [s for s in answer.steps if s.kind == "program"]
    assert faults and all("error" in s.output for s in faults if isinstance(s.output, dict))


@pytest.mark.usefixtures("at_hand")
def test_weights_are_loaded_once_a_process_and_anew_when_they_change(tmp_path, shipped, monkeypatch):
    loads: list[Path] = []
    opener = asking_models.OPENERS["voxelprompt"]
    counted = {"voxelprompt": lambda folder: loads.append(folder) or opener(folder)}
    monkeypatch.setattr(asking_models, "OPENERS", counted)
    asking_models._cache.clear()
    folder = brats_case(tmp_path)
    for _ in range(2):
        case = open_case(folder)
        assert case.choice.offer.name == "untrained"  # an encoder cannot be asked
        consult(case, "How large?")
    assert loads == [(shipped / "untrained").resolve()]
    path = shipped / "untrained" / "card.json"
    path.write_text(path.read_text() + " ")
    consult(open_case(folder, model="untrained"), "How large?")
    assert len(loads) == 2


@pytest.mark.usefixtures("at_hand")
def test_a_model_is_named_by_name_or_folder(tmp_path, shipped):
    folder = brats_case(tmp_path)
    for name in ("untrained", str(shipped / "untrained"), shipped / "untrained"):
        assert open_case(folder, model=name).choice.offer.name == "untrained"
    with pytest.raises(ConfigError, match="kind of model is not asked"):
        open_case(folder, model="encoder")


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), IntegrityError),
        (lambda f: (f / "model.safetensors").unlink(), StorageError),
        (lambda f: (f / "card.json").write_text("{"), FileFormatError),
        (lambda f: (f / "card.json").write_bytes(b"\xff\xfe"), FileFormatError),
        (lambda f: (f / "tokenizer.json").write_text("{}"), IntegrityError),
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, shipped, harm, error):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(shipped / "untrained", folder)
    harm(folder)
    with pytest.raises(error):
        open_case(brats_case(tmp_path), model=folder)


@pytest.mark.usefixtures("at_hand")
def test_what_has_not_the_size_of_a_head_is_refused(tmp_path):
    import nibabel as nib

    def sized(name: str, step: float) -> Path:
        path = write_volume(tmp_path / name)
        nib.save(nib.Nifti1Image(head(), np.diag([step, step, step, 1])), path)
        return path

    for step in (14.0, 1.0):
        with pytest.raises(InputError, match="does not look like a scan of a head"):
            sagittal.ask(sized(f"x{step:.0f}_t1.nii.gz", step), "How large?")
    assert sagittal.ask(sized("x_t1.nii.gz", STEP), "How large?").abstained
    assert SHAPE[0] * STEP < 300


@pytest.mark.shared_data
def test_real_heads_have_the_size_of_a_head_and_a_trunk_has_not(shared_data):
    from sagittal.asking.voxelprompt import VoxelPromptAnswerer
    from sagittal.io.opening import open_study

    def check(*paths: Path | str) -> None:
        # Looking at the size needs no networks.
        VoxelPromptAnswerer.check(None, open_study(paths).images)

    check(shared_data / "brats_gli_00001" / "BraTS-GLI-00001-000-t1n.nii.gz")
    check(next((shared_data / "nichart" / "fl").glob("*.nii.gz")))
    with pytest.raises(InputError, match=r"CT Body 3\.0: 4\d\d mm wide"):
        check(shared_data / "totalseg_refs" / "example_ct_dicom")
