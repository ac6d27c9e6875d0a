"""What is saved comes back; what is damaged, foreign or too large is refused before it is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn
from voxelprompt_world import conversation, tiny_model, tiny_tokenizer

from sagittal.errors import ConfigError, FileFormatError, IntegrityError, StorageError
from sagittal.files import sha256_file
from sagittal.geometry import Geometry
from sagittal.models.checkpoint import (
    CARD,
    WEIGHTS,
    Accepts,
    Card,
    Score,
    open_checkpoint,
    save_checkpoint,
    unshared,
)
from sagittal.models.voxelprompt import Scribe
from sagittal.models.voxelprompt.storage import load_voxelprompt, save_voxelprompt
from sagittal.study import Image, Study

TOKENIZER = tiny_tokenizer()


def card(**changes: object) -> Card:
    values = {
        "name": "tiny",
        "summary": "for tests",
        "licence": "Apache-2.0",
        "data": ("one ball",),
        "recipe": "none, seed 0",
        "scores": (Score(data="the ball", metric="dice", value=0.9),),
        "limits": ("everything",),
        "accepts": Accepts(kinds=("t1", "flair"), most_volumes=2),
    }
    return Card(**{**values, **changes})


@pytest.fixture
def saved(tmp_path) -> Path:
    return save_voxelprompt(tmp_path / "model", tiny_model(TOKENIZER), TOKENIZER, card(), precision="float32")


def change_card(folder: Path, **changes: object) -> None:
    document = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({**document, **changes}))


def vouch(folder: Path, name: str) -> None:
    """Make the card promise what lies there now."""
    files = json.loads((folder / CARD).read_text())["files"]
    files[name] = {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
    change_card(folder, files=files)


def test_a_model_comes_back_the_same(saved):
    model, tokenizer, found = load_voxelprompt(saved)
    assert found == card() and tokenizer.to_json() == TOKENIZER.to_json() and not model.training
    script = Scribe(TOKENIZER).write(conversation())
    with torch.no_grad():
        before, after = tiny_model(TOKENIZER)([script]), model([script])
    assert torch.equal(before.total, after.total)
    assert torch.equal(before.masks[0].logits, after.masks[0].logits)
    # The tied matrix is still one.
    head, table = model.language.get_output_embeddings(), model.language.get_input_embeddings()
    assert head.weight.data_ptr() == table.weight.data_ptr()


def test_half_precision_is_half_as_large_and_close(tmp_path, saved):
    half = save_voxelprompt(tmp_path / "half", tiny_model(TOKENIZER), TOKENIZER, card())
    sizes = [(folder / WEIGHTS).stat().st_size for folder in (half, saved)]
    assert 0.45 < sizes[0] / sizes[1] < 0.6
    assert all(t.dtype == torch.float16 for t in load_file(half / WEIGHTS).values())
    model, _, _ = load_voxelprompt(half)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    script = Scribe(TOKENIZER).write(conversation())
    with torch.no_grad():
        a, b = tiny_model(TOKENIZER)([script]), model([script])
    assert torch.allclose(a.masks[0].logits, b.masks[0].logits, atol=0.05)


def test_a_shared_matrix_is_kept_once():
    model = tiny_model(TOKENIZER)
    names = set(model.state_dict()) - set(unshared(model))
    assert names == {"language.lm_head.weight"}


def test_the_same_model_gives_the_same_bytes(tmp_path, saved):
    again = save_voxelprompt(
        tmp_path / "again", tiny_model(TOKENIZER), TOKENIZER, card(), precision="float32"
    )
    for path in saved.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes()


@pytest.mark.parametrize("name", [WEIGHTS, "tokenizer.json"])
@pytest.mark.parametrize("damage", ["one bit", "cut", "longer", "gone"])
def test_a_damaged_file_is_refused(saved, name, damage):
    path = saved / name
    data = bytearray(path.read_bytes())
    if damage == "one bit":
        data[len(data) // 2] ^= 1
    data = {"cut": data[:-1], "longer": data + b"\0"}.get(damage, data)
    path.write_bytes(bytes(data))
    if damage == "gone":
        path.unlink()
    with pytest.raises(StorageError if damage == "gone" else IntegrityError):
        load_voxelprompt(saved)


def test_weights_that_the_card_vouches_for_are_still_checked(saved):
    weights = load_file(saved / WEIGHTS)
    first = next(iter(weights))
    wrong = {
        "missing": {k: v for k, v in weights.items() if k != first},
        "more": {**weights, "extra": torch.zeros(2)},
        "shape": {**weights, first: weights[first][..., :-1].contiguous()},
        "type": {**weights, first: weights[first].double()},
    }
    for tensors in wrong.values():
        save_file(tensors, saved / WEIGHTS)
        vouch(saved, WEIGHTS)
        with pytest.raises(FileFormatError, match="this model"):
            load_voxelprompt(saved)
    for rubbish in (b"\xff" * 64, b"\x08\x00\x00\x00\x00\x00\x00\x00{}{}{}{}", b"x"):
        (saved / WEIGHTS).write_bytes(rubbish)
        vouch(saved, WEIGHTS)
        with pytest.raises(FileFormatError, match="this model"):
            load_voxelprompt(saved)


def test_a_pickle_is_never_opened(saved):
    torch.save({"x": torch.zeros(400_000)}, saved / WEIGHTS)
    vouch(saved, WEIGHTS)
    with pytest.raises(FileFormatError, match="damaged"):
        load_voxelprompt(saved)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"schema": "sagittal.checkpoint/2"}, FileFormatError, "version"),
        ({"schema": None}, FileFormatError, "version"),
        ({"kind": "medplib"}, ConfigError, "another model"),
        ({"precision": "float8"}, FileFormatError, "damaged"),
        ({"files": {}}, FileFormatError, "no weights"),
        ({"config": {"language": {"layers": 10**9}}}, FileFormatError, "config"),
        ({"config": {"language": {"colour": 1}}}, FileFormatError, "config"),
        ({"config": {"vision": {"channels": [8] * 5000}}}, FileFormatError, "config"),
        ({"config": {"language": {"width": 16384, "feed_forward": 65536}}}, FileFormatError, "too large"),
        ({"config": {}}, FileFormatError, "this model"),
        ({"more": 1}, FileFormatError, "damaged"),
    ],
)
def test_a_card_that_cannot_be_trusted_is_refused(saved, changes, error, words):
    change_card(saved, **changes)
    with pytest.raises(error, match=words):
        load_voxelprompt(saved)


def test_files_outside_the_folder_are_refused(saved):
    files = json.loads((saved / CARD).read_text())["files"]
    for name in ("../card.json", "/etc/hostname", "..", "a/b"):
        change_card(saved, files={**files, name: {"sha256": "0" * 64, "bytes": 1}})
        with pytest.raises(FileFormatError, match="own folder"):
            load_voxelprompt(saved)


@pytest.mark.parametrize("text", ["", "{", "[1]", "[" * 100_000, "\x00"])
def test_a_card_that_is_no_card_is_refused(saved, text):
    (saved / CARD).write_text(text)
    with pytest.raises(FileFormatError):
        open_checkpoint(saved)


def test_no_memory_is_taken_for_more_than_the_weights_can_hold(saved):
    checkpoint = open_checkpoint(saved)
    room = (saved / WEIGHTS).stat().st_size // 4
    made: list[nn.Parameter] = []

    def of(size: int) -> nn.Module:
        made.append(nn.Parameter(torch.empty(size)))
        return nn.ParameterDict({"kept": made[-1], "left_out": nn.Parameter(torch.empty(10 * room))})

    checkpoint.check_size(lambda: of(room), lambda name: name == "kept")
    for size, keep in ((room + 1, "kept"), (1, "")):
        with pytest.raises(FileFormatError, match="too large"):
            checkpoint.check_size(lambda size=size: of(size), lambda name, keep=keep: keep in name)
    assert all(parameter.is_meta for parameter in made)


def test_a_card_that_is_too_large_is_refused(saved, monkeypatch):
    monkeypatch.setattr("sagittal.models.checkpoint._LARGEST_TEXT", 100)
    with pytest.raises(FileFormatError, match="too large"):
        open_checkpoint(saved)


def test_weights_that_do_not_fit_the_precision_are_not_written(tmp_path):
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight[0, 0] = 1e6
    save_checkpoint(tmp_path / "whole", layer, kind="x", config={}, card=card(), precision="float32")
    with pytest.raises(ConfigError, match="not finite"):
        save_checkpoint(tmp_path / "half", layer, kind="x", config={}, card=card())
    assert not (tmp_path / "half").exists()
    with pytest.raises(ConfigError, match="plain file name"):
        save_checkpoint(tmp_path / "n", layer, kind="x", config={}, card=card(), texts={"../x": ""})


def test_cards_say_what_they_must():
    with pytest.raises(ValidationError):
        card(name="")
    with pytest.raises(ValidationError):
        card(colour="red")


def test_accepts_says_why_not():
    accepts = Accepts(kinds=("t1", "flair"), most_volumes=2)
    geometry = Geometry((2, 2, 2), np.eye(4))

    def study(*kinds: str, session: str = "") -> Study:
        images = tuple(
            Image(np.zeros((2, 2, 2)), geometry, k, session=f"{session}{i * bool(session)}")
            for i, k in enumerate(kinds)
        )
        return Study("s", "p", images)

    assert accepts.why_not(study("t1")) is None
    assert accepts.why_not(study("t1", "flair")) is None
    assert accepts.why_not(study()) == "there is no image"
    assert "CT" in (accepts.why_not(study("ct")) or "")
    assert "2 volumes" in (accepts.why_not(study("t1", "t1", "t1")) or "")
    assert "1 sessions" in (accepts.why_not(study("t1", "t1", session="v")) or "")
    assert "pointed" in (accepts.why_not(study("t1"), regions=True) or "")
