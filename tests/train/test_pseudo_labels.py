"""Pseudo-labels: only tasks that a film lacks, in the form of the task, on the film, resumably."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from chest_pool import film, write_pool
from sagittal.builders.chest.prompts import SEVEN
from sagittal.builders.chest_tasks import build_chest_tasks
from sagittal.builders.shards import read_examples
from sagittal.errors import IntegrityError
from sagittal.example import Example
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.imax import imax_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.score.strict import read_box
from sagittal.train import pseudo_labels
from sagittal.train.film_answers import Spoken
from sagittal.train.film_features import FilmFeatures
from sagittal.train.film_set import FilmSet, film_set
from sagittal.train.film_stream import FilmStream
from sagittal.train.pseudo_labels import PseudoLabels, read_pseudo

EDGE = 32
#: What a model might say to each task: right in form, or not.
SAID = {
    "calculate-ctr": "0.5", "calculate-cpar": "a half", "caption": "words", "cls-multiclass": "none",
    "cls-multilabel": "0,1", "rec": "<200><300><600><700>", "reg": "heart", "vqa-verify": "maybe",
    "vqa-choose": "left", "vqa-query": "none",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    source = write_pool(folder / "pool", [film(number, rng) for number in range(60)])
    build_chest_tasks([source], folder / "out", pictures={"pool": folder / "pool"}, imax_films=5)
    return folder


@pytest.fixture(scope="module")
def examples(folder: Path) -> list[Example]:
    return list(read_examples(folder / "out" / "dmax"))


@pytest.fixture
def labels(folder: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch) -> PseudoLabels:
    films = film_set(examples, folder, EDGE)
    words = [text for entry in films.entries for text in (entry.prompt, entry.answer)]
    chat = OwnChat(Tokenizer.train(words, 330, CHAT_TOKENS))
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", chat.size, lora=False)).eval()
    stream = FilmStream(films, FilmFeatures.make(model, films, folder / "features"), chat, seed=1)

    def speak(model: VLM, stream: FilmStream, *, sure: bool) -> list[Spoken]:
        assert sure
        return [Spoken(SAID[entry.task], 0.75) for entry in stream.films.entries]

    monkeypatch.setattr(pseudo_labels, "speak", speak)
    return PseudoLabels(model, stream, examples, seed=3)


def own_tasks(examples: list[Example]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in examples:
        found[one.study].add(SEVEN[one.task])  # type: ignore[index]
    return found


def test_films_get_what_they_lack_and_nothing_else(
    labels: PseudoLabels, examples: list[Example], tmp_path: Path
) -> None:
    labels.write(tmp_path / "out")
    made = list(read_pseudo(tmp_path / "out"))
    known, pseudo = own_tasks(examples), own_tasks(made)
    assert pseudo
    for study, tasks in pseudo.items():
        assert not tasks & known[study]
    kept = {one.task for one in made}
    assert kept == {"calculate-ctr", "caption", "cls-multiclass", "rec", "reg", "vqa-choose", "vqa-query"}
    films = {one.study: one for one in examples}
    for one in made:
        like = films[one.study]
        assert (one.patient, one.images, one.split) == (like.patient, like.images, "train")
        assert one.confidence == 0.75
    prompts = {one.task: set[str]() for one in examples}
    for one in examples:
        prompts[one.task].add(one.messages[0].text)
    for one in made:
        if one.task not in ("rec", "reg"):
            assert one.messages[0].text in prompts[one.task]
    assert len({one.id for one in [*made, *examples]}) == len(made) + len(examples)


def test_boxes_come_back_onto_the_film(labels: PseudoLabels, folder: Path, tmp_path: Path) -> None:
    labels.write(tmp_path / "out")
    made = [one for one in read_pseudo(tmp_path / "out") if one.task in ("rec", "reg")]
    again: FilmSet = film_set(made, folder, EDGE)
    for entry, example in zip(again.entries, made, strict=True):
        if entry.task == "rec":
            seen, _ = read_box(entry.answer)
            assert seen is not None
            assert np.abs(np.subtract(seen, (200, 300, 600, 700))).max() <= 1
            assert entry.truth != entry.answer
        else:
            assert example.messages[-1].text == "heart"


def test_it_goes_on_and_knows_its_model(
    labels: PseudoLabels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_labels, "FILMS_PER_PART", 7)
    labels.write(tmp_path / "out")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*")}
    assert len(whole) > 2
    (tmp_path / "out" / "part-000001.jsonl").unlink()
    labels.write(tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("part-*")} == whole
    with torch.no_grad():
        next(labels.model.parameters()).add_(1.0)
    with pytest.raises(IntegrityError):
        labels.write(tmp_path / "out")
