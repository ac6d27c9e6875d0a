"""Batches of questions: a batch follows from its number, and its masks and regions are the pictures' own."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from marked_pictures import SHARES, speech_of, stream_of, tiny, toys, words
from sagittal.models.medplib.pictures import frame_of, squared
from sagittal.models.medplib.words import MASK, SEGMENT_ID, SLOT_ID
from sagittal.models.vlm.pieces import Tokens
from sagittal.train import picture_features
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.picture_features import PictureFeatures, edges
from sagittal.train.picture_questions import Mask, Question
from sagittal.train.picture_stream import _TOGETHER, PictureStream
from sagittal.train.picture_turns import Batch, located

TOKENIZER = words()
SPEECH = speech_of(TOKENIZER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def stream(folder: Path, **changes: object) -> PictureStream:
    return stream_of(tiny(TOKENIZER), TOKENIZER, folder, **changes)


def rows_of(tokens: Tokens) -> list[list[int]]:
    return [ids[real].tolist() for ids, real in zip(tokens.ids, tokens.real, strict=True)]


def same(one: Batch, other: Batch) -> bool:
    pairs = [
        (one.turn.question.ids, other.turn.question.ids), (one.turn.answer.ids, other.turn.answer.ids),
        (one.masks, other.masks), (one.turn.features.tokens, other.turn.features.tokens),
    ]  # fmt: skip
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def test_a_batch_follows_from_its_number(folder: Path) -> None:
    one, other = stream(folder), stream(folder)
    order = [9, 2, 17, 0, 2]
    found = [one(number) for number in order]
    for number, batch in zip(reversed(order), reversed(found), strict=True):
        assert same(batch, other(number)) and len(batch.asked) == 4
    assert not same(found[0], found[1])
    assert not same(stream(folder, seed=4)(2), found[1])


def test_batches_that_are_drawn_together_differ_and_have_one_length_each(folder: Path) -> None:
    made = stream(folder)
    batches = [made(number).asked for number in range(_TOGETHER)]
    assert len({id(one) for batch in batches for one in batch}) == _TOGETHER * made.batch

    def length(one: Question) -> int:
        return len(one.question) + sum(len(p) for p in one.answer if isinstance(p, str))

    spans = sorted((min(map(length, own)), max(map(length, own))) for own in batches)
    assert all(high <= low for (_, high), (low, _) in pairwise(spans))


def test_masks_are_those_of_the_answers_literally(folder: Path) -> None:
    made, pictures = stream(folder, kinds={"grounding": 2.0, "category": 1.0}), toys()
    count = 0
    for number in range(16):
        batch = made(number)
        wanted = []
        for one in batch.asked:
            frame = frame_of(pictures[one.picture].image, 32)
            for name in one.masks:
                members = [n + 1 for n, own in enumerate(pictures[one.picture].facts.classes) if own == name]
                wanted.append(np.isin(frame.nearest(pictures[one.picture].marks).numpy(), members))
        assert batch.masks.shape == (len(wanted), 32, 32) and batch.masks.dtype == torch.float32
        for mask, own in zip(batch.masks, wanted, strict=True):
            np.testing.assert_array_equal(mask.numpy(), own)
            assert own.any()
        # As many as <SEG> in the answers, row after row.
        segments = ((batch.turn.answer.ids == SEGMENT_ID) & batch.turn.answer.real).sum(dim=1)
        assert segments.tolist() == [len(one.masks) for one in batch.asked]
        count += len(wanted)
    assert count > 5


def test_tokens_are_those_of_the_words(folder: Path) -> None:
    made = stream(folder)
    for number in range(8):
        batch = made(number)
        for one, question, answer in zip(
            batch.asked, rows_of(batch.turn.question), rows_of(batch.turn.answer), strict=True
        ):
            assert question == SPEECH.question(one.question, int(one.region is not None))
            pieces = [MASK if isinstance(piece, Mask) else piece for piece in one.answer]
            assert answer == SPEECH.answer(pieces)
        assert batch.turn.header.real.all() and batch.turn.header.ids.shape == (4, 1)


def test_regions_stand_in_their_slots(folder: Path) -> None:
    made, pictures = stream(folder, kinds={"category": 1.0, "closed": 1.0}), toys()
    for number in range(8):
        batch = made(number)
        slots = ((batch.turn.question.ids == SLOT_ID) & batch.turn.question.real).sum(dim=1).tolist()
        assert slots == [int(one.region is not None) for one in batch.asked]
        if not any(slots):
            assert batch.turn.regions is None
            continue
        assert batch.turn.regions.rows.tolist() == [row for row, slot in enumerate(slots) if slot]
        for mask, row in zip(batch.turn.regions.masks, batch.turn.regions.rows.tolist(), strict=True):
            one = batch.asked[row]
            frame = frame_of(pictures[one.picture].image, 32)
            assert torch.equal(mask, frame.place(one.region))
            # Most of what is pointed at is the instance, on the encoder's square as on the picture.
            inside = frame.nearest(pictures[one.picture].instance(one.instance).astype(np.uint8)) > 0
            assert float(inside[mask].float().mean()) > 0.5


def test_questions_go_by_the_shares_of_kinds_and_pictures(folder: Path) -> None:
    made = stream(folder, kinds={"closed": 3.0, "grounding": 1.0}, batch=16)
    asked = [one for number in range(40) for one in made(number).asked]
    own = [one for one in asked if one.picture != 4]
    assert np.mean([one.kind == "closed" for one in own]) == pytest.approx(0.75, abs=0.05)
    films = np.mean([one.picture == 3 for one in own])
    assert films == pytest.approx(SHARES["X-Ray"] / 0.9, abs=0.05)
    assert {one.kind for one in asked if one.picture == 4} == {"closed"}


def test_a_region_that_is_not_shown_is_not_asked_about(folder: Path) -> None:
    """In a blank border lies an instance: only where something of it is shown may it be pointed at."""
    made = stream(folder, kinds={"category": 1.0})
    one = toys()[0]
    pixels = one.pixels.copy()
    pixels[40:] = 0
    made.turns.pictures = [MarkedPicture(pixels, one.marks, one.facts), *toys()[1:]]
    right = frame_of(made.turns.pictures[0].image, made.turns.edges[0]).box[2]
    assert right < 44
    numbers = [one.instance for number in range(40) for one in made(number).asked if one.picture == 0]
    assert set(numbers) == {0, 1}


# -- coordinates ------------------------------------------------------------------------------------


def test_the_baseline_tells_regions_in_words(folder: Path) -> None:
    plain = stream(folder, kinds={"category": 1.0})
    told = stream(folder, kinds={"category": 1.0}, coordinates=True)
    for number in range(4):
        batch, literal = told(number), plain(number)
        assert [o.question for o in batch.asked] == [o.question for o in literal.asked]
        assert batch.turn.regions is None and not (batch.turn.question.ids == SLOT_ID).any()
        for one, question in zip(batch.asked, rows_of(batch.turn.question), strict=True):
            assert question == SPEECH.question(f"{located(one)} {one.question}", 0)


@pytest.mark.parametrize(
    ("size", "box", "text"),
    [
        ((200, 100), (20, 10, 59, 49), "[10, 10, 30, 50]"), ((60, 40), (0, 0, 59, 39), "[0, 0, 100, 100]"),
        ((200, 100), (199, 0, 199, 0), "[100, 0, 100, 1]"),
        ((1_000, 10), (500, 9, 500, 9), "[50, 90, 50, 100]"),
    ],
)  # fmt: skip
def test_coordinates_are_hundredths_of_width_and_height(size, box, text) -> None:
    region = np.zeros(size, bool)
    x1, y1, x2, y2 = box
    region[x1, y1] = region[x2, y2] = True
    assert located(Question(0, "category", "?", ("x",), region)) == text


# -- features ---------------------------------------------------------------------------------------


def test_features_are_what_the_encoders_see(folder: Path) -> None:
    model = tiny(TOKENIZER)
    found = PictureFeatures.make(model, toys(), folder)
    seen, pixels = found.of([3, 0, 3])
    for row, number in enumerate((3, 0, 3)):
        image = toys()[number].image
        shown = squared(image, frame_of(image, 32))[None].float() / 255
        with torch.no_grad():
            wanted = model.look(shown[:, None], torch.ones(1, 1, dtype=torch.bool))
            drawn = model.pixels.look(shown)
        for own, other in (
            (seen.tokens[row], wanted.tokens[0]), (seen.cls[row], wanted.cls[0]),
            (seen.map[row], wanted.map[0]), (pixels[row], drawn[0]),
        ):  # fmt: skip
            # Made in bfloat16, kept in half precision.
            torch.testing.assert_close(own, other, atol=0.05, rtol=0.05)
    assert torch.equal(seen.tokens[0], seen.tokens[2]) and seen.present.all()


def test_features_are_pooled_as_the_encoder_pools_them() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype(np.float16)
    seen, pixels = PictureFeatures(values, values[:, :, 0, 0], None, 2).of([1])
    assert pixels is None and seen.tokens.shape == (1, 1, 6, 3)
    for row in range(2):
        for column in range(3):
            block = values[1, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].astype(np.float32)
            np.testing.assert_allclose(
                seen.tokens[0, 0, 3 * row + column], block.mean(axis=(1, 2)), atol=1e-5
            )


def test_features_are_made_once_and_of_other_encoders_or_pictures_anew(tmp_path: Path, monkeypatch) -> None:
    made: list[str] = []
    functions = {name: getattr(picture_features, name) for name in ("_seen", "_drawn")}
    for name in functions:

        def watched(model, pictures, name=name, own=functions[name]):
            made.append(name)
            return own(model, pictures)

        monkeypatch.setattr(picture_features, name, watched)
    model = tiny(TOKENIZER)
    first = PictureFeatures.make(model, toys(), tmp_path)
    again = PictureFeatures.make(model, toys(), tmp_path)
    assert made == ["_seen", "_drawn"]
    np.testing.assert_array_equal(first.map, again.map)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert PictureFeatures.make(model, toys(), tmp_path, drawn=False).pixels is None
    PictureFeatures.make(model, toys()[:4], tmp_path)
    with torch.no_grad():
        model.encoder.cls += 1
    PictureFeatures.make(model, toys(), tmp_path)
    assert made == ["_seen", "_drawn"] * 2 + ["_seen"]
    # What learns in the stages changes nothing: decoder and language model.
    with torch.no_grad():
        model.pixels.no_mask += 1
        model.language.get_input_embeddings().weight += 1
    PictureFeatures.make(model, toys(), tmp_path)
    assert made == ["_seen", "_drawn"] * 2 + ["_seen"] and edges(model) == (32, 32)
