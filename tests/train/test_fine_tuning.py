"""Fine-tuning on a folder of labelled scans: who is trained on, resume, and what comes out."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sagittal.cli import main
from sagittal.errors import InputError
from sagittal.io.labels import load_labels
from sagittal.models.checkpoint import Accepts, Card
from sagittal.models.voxelprompt import (
    Scribe,
    VoxelPrompt,
    VoxelPromptConfig,
    load_voxelprompt,
    save_voxelprompt,
)
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.runtime import runtime
from sagittal.simulate import HeadSet, preset
from sagittal.simulate.folder import write_studies
from sagittal.splits import split_of
from sagittal.study import Image, Mask, Study
from sagittal.train.augment import augmented
from sagittal.train.voxelprompt import FINE_TUNING, fine_tune, named

SETTINGS = dataclasses.replace(FINE_TUNING, steps=2, accumulate=1, score_every=1, save_every=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough patients that each part of the split has one."""
    world = preset("pre").model_copy(update={"shape": (40, 48, 40), "spacing": (5.0, 5.0, 5.0)})
    out = tmp_path_factory.mktemp("labelled")
    wanted, count = {"train", "validation", "test"}, 0
    while wanted and count < 40:
        count += 1
        wanted.discard(split_of(f"BraTS-SIM-{count:05d}"))
    assert not wanted
    for path in write_studies(world, HeadSet.phantoms(), out, count, 0):
        if split_of(path.name.rsplit("-", 1)[0]) == "test":
            # Whoever reads this patient fails.
            for file in path.iterdir():
                file.write_bytes(b"no image")
    return out


def model_of(scribe: Scribe) -> VoxelPrompt:
    torch.manual_seed(0)
    sizes = VoxelPromptConfig.preset("tiny", vocabulary=scribe.tokenizer.size)
    return VoxelPrompt(sizes.model_copy(update={"preparation": PreparationConfig(working_mm=5.0)}))


def tune(scribe: Scribe, folder: Path, out: Path, steps: int = 2) -> VoxelPrompt | None:
    config = dataclasses.replace(SETTINGS, steps=steps)
    labels = load_labels("brats2023")
    return fine_tune(
        model_of(scribe), scribe.tokenizer, folder, out, layout="brats", labels=labels, config=config,
        runtime=runtime("cpu", threads=1),
    )  # fmt: skip


def test_only_patients_of_the_training_part_are_learnt_from(
    scribe: Scribe, folder: Path, tmp_path: Path
) -> None:
    before = model_of(scribe).state_dict()
    after = tune(scribe, folder, tmp_path / "run")
    assert after is not None
    assert not after.training
    assert any(not torch.equal(before[k], v) for k, v in after.state_dict().items())
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    assert set(best["scores"]) == {"masks", "programs", "score"}
    assert 0 <= best["scores"]["masks"] <= 1
    assert all(torch.equal(v, after.state_dict()[k]) for k, v in best["module"].items())


def test_the_command_stops_goes_on_and_ends(scribe: Scribe, folder: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    """Cut off at once, then to its end, then once more: a model that is there is not trained again."""
    accepts = Accepts(kinds=("t1", "t1c", "t2", "flair"), most_volumes=8)
    card = Card(name="n", summary="s", licence="l", data=("d",), recipe="r", limits=("l",), accepts=accepts)
    start = save_voxelprompt(tmp_path / "start", model_of(scribe), scribe.tokenizer, card)
    out = tmp_path / "run"
    command = [
        "train", "voxelprompt", "--init", str(start), "--data", str(folder), "--labels", "brats2023",
        "--steps", "1", "--device", "cpu", "--out", str(out),
    ]  # fmt: skip

    def run(*more: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main([*command, *more])
        return int(ended.value.code or 0)

    assert run("--minutes", "0") == 0
    assert "goes on" in capsys.readouterr().out and not (out / "model").exists()
    assert run() == 0
    tuned, _, said = load_voxelprompt(out / "model")
    assert said.name == "n-tuned" and said.scores == ()
    assert not tuned.training
    assert run() == 2
    assert "its model is there" in capsys.readouterr().err


def test_a_folder_without_labelled_patients_is_refused(scribe: Scribe, folder: Path, tmp_path: Path) -> None:
    only = tmp_path / "few"
    only.mkdir()
    held = next(p for p in sorted(folder.iterdir()) if p.is_dir() and split_of(p.name[:-4]) == "test")
    (only / held.name).symlink_to(held)
    with pytest.raises(InputError, match="No labelled patient"):
        tune(scribe, only, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def blob(**labels: int) -> tuple[Image, Mask]:
    from sagittal.geometry import Geometry

    grid = Geometry((6, 5, 4), np.diag([-1.0, 1, 1, 1]))
    data = np.random.default_rng(0).random((6, 5, 4), np.float32)
    data[0] = 0
    mask = np.zeros((6, 5, 4), np.uint8)
    mask[1, 2, 2] = 1
    return Image(data, grid, "t1", "a"), Mask(mask, grid, {v: k for k, v in labels.items()}, "seg")


def test_masks_are_named_by_what_they_hold() -> None:
    image, lesion = blob(ET=1)
    _, anatomy = blob(whatever=17)
    study = named(Study("s", "p", (image,), (lesion, dataclasses.replace(anatomy, name="other"))))
    assert [m.name for m in study.masks] == ["lesions", "anatomy"]
    _, strange = blob(kidney=901)
    with pytest.raises(InputError, match="No mask holds"):
        named(Study("s", "p", (image,), (strange,)))


def test_other_exposures_keep_the_head_and_its_mirror_image_moves_all_alike() -> None:
    image, mask = blob(ET=1)
    study = Study("s", "p", (image,), (mask,))
    mirrored = 0
    for seed in range(30):
        made = augmented(study, np.random.default_rng(seed))
        [shown], [found] = made.images, made.masks
        assert found.data.sum() == 1
        flipped = bool(found.data[4, 2, 2])
        mirrored += flipped
        assert flipped or found.data[1, 2, 2]
        data = shown.data[::-1] if flipped else shown.data
        assert (data[0] == 0).all() and (data[1:] != 0).all(), "what is background stays background"
        assert shown.geometry == image.geometry
        assert not np.array_equal(data, image.data)
    assert 5 < mirrored < 25
    sided = dataclasses.replace(mask, labels={1: "Left-Hippocampus"})
    for seed in range(10):
        [found] = augmented(Study("s", "p", (image,), (sided,)), np.random.default_rng(seed)).masks
        assert found.data[1, 2, 2] == 1
