"""From a pool of films to answers: sets, features, batches, a set learnt by heart, boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from chest_pool import film, write_pool
from sagittal.builders.chest_tasks import build_chest_tasks
from sagittal.builders.shards import read_examples
from sagittal.errors import InputError
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.models.film_boxes import into_square
from sagittal.models.imax import imax_config
from sagittal.models.medplib.pictures import Frame
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.score.chest_tasks import Answered
from sagittal.score.strict import read_box
from sagittal.train.film_answers import put, speak
from sagittal.train.film_features import FilmFeatures
from sagittal.train.film_set import FilmSet, box_on_square, film_set, only
from sagittal.train.film_stream import FilmStream, steps_of
from sagittal.train.imax import IMAXTraining
from sagittal.train.mpllm import freeze_encoder

EDGE = 32


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> FilmSet:
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(0)
    source = write_pool(folder / "pool", [film(number, rng) for number in range(60)])
    build_chest_tasks([source], folder / "out", pictures={"pool": folder / "pool"}, imax_films=4)
    return film_set(read_examples(folder / "out" / "imax"), folder, EDGE)


@pytest.fixture(scope="module")
def chat(films: FilmSet) -> OwnChat:
    words = [text for entry in films.entries for text in (entry.prompt, entry.answer)]
    return OwnChat(Tokenizer.train(words, 330, CHAT_TOKENS))


def model_of(chat: OwnChat, *, lora: bool = False) -> VLM:
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", chat.size, lora=lora)).train()
    freeze_encoder(model)
    return model


def stream_of(model: VLM, films: FilmSet, chat: OwnChat, folder: Path, batch: int = 8) -> FilmStream:
    return FilmStream(films, FilmFeatures.make(model, films, folder), chat, seed=1, batch=batch)


def test_a_set_reads_each_film_once(films: FilmSet) -> None:
    assert films.squares.shape == (4, 1, EDGE, EDGE)
    assert {entry.film for entry in films.entries} == set(range(4))
    assert len({entry.task for entry in films.entries}) >= 8


def test_boxes_are_told_on_the_square_and_scored_on_the_film(films: FilmSet) -> None:
    asked = [entry for entry in films.entries if entry.task == "rec"]
    assert asked
    for entry in asked:
        truth, _ = read_box(entry.truth)
        told, _ = read_box(entry.answer)
        assert truth is not None
        assert told == into_square(truth, films.frames[entry.film])
        # Films of 60 × 50 are padded above and below.
        assert told != truth
    for entry in films.entries:
        if entry.task == "reg":
            assert entry.truth == entry.answer
            assert "<" in entry.prompt


def test_features_are_those_of_the_encoder_and_are_kept(
    films: FilmSet, chat: OwnChat, tmp_path: Path
) -> None:
    model = model_of(chat)
    made = FilmFeatures.make(model, films, tmp_path)
    with torch.no_grad():
        seen = model.look(films.squares[:, None, 0].float(), torch.ones(4, 1))
    assert torch.allclose(made.of([2, 0]).tokens, seen.tokens[[2, 0]], atol=0.02)
    [folder] = tmp_path.iterdir()
    before = folder.stat().st_mtime_ns
    again = FilmFeatures.make(model, films, tmp_path)
    assert np.array_equal(made.tokens, again.tokens)
    assert folder.stat().st_mtime_ns == before
    with torch.no_grad():
        next(model.encoder.parameters()).add_(1.0)
    FilmFeatures.make(model, films, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_every_entry_comes_once_an_epoch(films: FilmSet, chat: OwnChat, tmp_path: Path) -> None:
    model = model_of(chat)
    many = only(films, films.entries * 12)
    stream = stream_of(model, many, chat, tmp_path, batch=4)
    count = len(many.entries)
    drawn = [n for block in range(3 * count // 64) for batch in stream._drawn(block) for n in batch]
    # Blocks sort what they hold, so that epochs are counted by what was drawn in all.
    whole = Counter(drawn)
    assert max(whole.values()) - min(whole.values()) <= 1
    one, same = stream(5), stream_of(model, many, chat, tmp_path, batch=4)(5)
    assert torch.equal(one.question.ids, same.question.ids)
    assert steps_of(len(many.entries), 4, 3) == round(3 * count / 4)


@pytest.mark.parametrize("lora", [False, True])
def test_training_moves_what_it_should(films: FilmSet, chat: OwnChat, tmp_path: Path, lora: bool) -> None:
    model = model_of(chat, lora=lora)
    training = IMAXTraining(model, *(stream_of(model, films, chat, tmp_path) for _ in range(2)), checks=1)
    loss = training.loss(0)["loss"]
    loss.backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert any(name.startswith("projector") for name in moved)
    assert not any(name.startswith("encoder") for name in moved)
    language = {name for name in moved if name.startswith("language")}
    assert language
    assert all("lora" in name for name in language) is lora
    assert training.scores()["val loss"] == pytest.approx(float(loss.detach()), rel=0.2)


def test_a_set_is_learnt_by_heart_and_answered(films: FilmSet, chat: OwnChat, tmp_path: Path) -> None:
    model = model_of(chat)
    # A film is hardly told from another by an encoder that learnt nothing: each prompt stands once.
    own = {e.prompt: e for e in films.entries if e.task in ("rec", "reg", "cls-multiclass")}
    few = only(films, list(own.values())[:6])
    stream = stream_of(model, few, chat, tmp_path, batch=6)
    training = IMAXTraining(model, stream, stream, checks=1)
    step = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    for number in range(450):
        step.zero_grad()
        loss = training.loss(number)["loss"]
        loss.backward()
        step.step()
    assert float(loss.detach()) < 0.05
    answers = put(model.eval(), stream)
    confident = speak(model, stream, sure=True)
    assert all(one.confidence is not None and 0.8 < one.confidence <= 1 for one in confident)
    assert [one.id for one in answers] == [entry.id for entry in few.entries]
    for one, entry in zip(answers, few.entries, strict=True):
        assert isinstance(one, Answered)
        if one.task == "rec":
            said, truth = read_box(one.text)[0], read_box(one.truth)[0]
            assert said is not None and truth is not None
            assert np.abs(np.subtract(said, truth)).max() <= 2
        else:
            assert one.text == entry.truth


def test_a_box_that_the_square_does_not_show_is_not_asked_for(films: FilmSet) -> None:
    frame = Frame((100, 100), (50, 0, 100, 100), EDGE, (8, 0, 24, 32))
    assert box_on_square((600, 0, 900, 1000), frame) is not None
    assert box_on_square((0, 0, 480, 1000), frame) is None
    assert films.unseen == 0


def test_other_examples_are_refused(films: FilmSet, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no example"):
        film_set([], tmp_path, EDGE)
