"""Regions in questions, masks in answers, experts between them: found by token ids, each row its own."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import ConfigError, InputError
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.config import DrawingConfig, PointingConfig, SharedConfig, VLMConfig
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Regions, Tokens, Turn
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.nn.pixels import PixelConfig
from sagittal.nn.vit import ViTConfig

SLOT, SEGMENT, END = 6, 9, 2
PIXELS = PixelConfig(
    size=32, patch=8, width=16, layers=1, heads=2, window=0, whole=(), channels=32, decoder_heads=2,
    decoder_feed_forward=24,
)  # fmt: skip


def config(**changes: object) -> VLMConfig:
    whole = mpllm_config("tiny", 64)
    own = {
        "encoder": ViTConfig(size=(16, 16), patch=(4, 4), width=16, layers=1, heads=2, feed_forward=32),
        "pooling": 1, "images": ("photo",), "projector": SharedConfig(), "language": whole.language,
        "images_first": True, "experts": ExpertsConfig(capacity=2.0), "pointing": PointingConfig(slot=SLOT),
        "drawing": DrawingConfig(segment=SEGMENT, pixels=PIXELS),
    }  # fmt: skip
    return VLMConfig.model_validate({**own, **changes})


def model(**changes: object) -> VLM:
    torch.manual_seed(0)
    return VLM(config(**changes)).eval()


def tokens(*rows: list[int]) -> Tokens:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return Tokens(ids, torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows]))


def square(*corner: int) -> torch.Tensor:
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[corner[0] : corner[0] + 5, corner[1] : corner[1] + 6] = True
    return mask


QUESTIONS = [[1, 20, SLOT, 21], [1, 22], [1, SLOT, 23, SLOT, 24]]
ANSWERS = [[30, 31, END], [SEGMENT, 32, SEGMENT, END], [33, SEGMENT, END]]
MASKS = [square(0, 0), square(8, 3), square(2, 9)]
ROWS = [0, 2, 2]


def turn(made: VLM, rows: tuple[int, ...] = (0, 1, 2)) -> Turn:
    random = torch.Generator().manual_seed(1)
    seen, images = torch.rand(3, 1, 16, 16, generator=random), torch.rand(3, 3, 32, 32, generator=random)
    with torch.no_grad():
        features = made.look(seen, torch.ones(3, 1, dtype=torch.bool))
        pixels = made.pixels.look(images)
    kept = list(rows)
    own = Features(features.tokens[kept], features.cls[kept], features.present[kept], features.map[kept])
    masks = [(mask, kept.index(row)) for mask, row in zip(MASKS, ROWS, strict=True) if row in kept]
    masks.sort(key=lambda pair: pair[1])
    regions = (
        Regions(torch.stack([m for m, _ in masks]), torch.tensor([r for _, r in masks])) if masks else None
    )
    return Turn(
        tokens(*[QUESTIONS[r] for r in kept]), own, tokens(*[[5]] * len(kept)),
        tokens(*[ANSWERS[r] for r in kept]), None, regions, pixels[kept],
    )  # fmt: skip


def test_it_equals_one_forward_of_the_language_model_over_everything() -> None:
    """The literal reference for a question with two regions and an answer with one mask."""
    made = model()
    own = turn(made, (2,))
    out = made(own)
    embed = made.language.get_input_embeddings()
    question = embed(own.question.ids).clone()
    grid = own.features.tokens[:, 0].transpose(1, 2).reshape(1, 16, 4, 4)
    for place, number in ((1, 0), (3, 1)):
        question[:, place] = made.point(grid, own.regions.masks[number : number + 1], torch.tensor([0]))
    images = made.projector(own.features.tokens, own.features.cls, own.features.cls[:, 0]).embeddings
    parts = [images, question, embed(own.header.ids), embed(own.answer.ids)]
    states = made.language.get_decoder()(inputs_embeds=torch.cat(parts, dim=1)).last_hidden_state
    first = sum(p.shape[1] for p in parts[:3])
    torch.testing.assert_close(
        out.logits, made.language.lm_head(states[:, first - 1 : -1]), rtol=1e-4, atol=1e-5
    )
    # <SEG> is the answer's second token: the state at its first predicts it.
    wanted = made.pixels.draw(own.pixels, made.to_mask(states[:, first]), torch.tensor([0]))
    torch.testing.assert_close(out.masks.logits, wanted, rtol=1e-4, atol=1e-4)


def test_a_row_sees_neither_its_neighbours_nor_their_regions_and_masks() -> None:
    made = model()
    together = made(turn(made))
    assert together.masks.rows.tolist() == [1, 1, 2]
    for row, count in ((0, 0), (1, 2), (2, 1)):
        alone = made(turn(made, (row,)))
        length = len(ANSWERS[row])
        torch.testing.assert_close(
            together.logits[row, :length], alone.logits[0, :length], rtol=1e-4, atol=1e-5
        )
        assert len(alone.masks.logits) == count
        torch.testing.assert_close(
            together.masks.logits[together.masks.rows == row], alone.masks.logits, rtol=1e-4, atol=1e-4
        )


def test_another_region_is_another_question() -> None:
    made = model()
    own = turn(made, (0,))
    moved = Turn(own.question, own.features, own.header, own.answer, None,
                 Regions(square(9, 9)[None], own.regions.rows), own.pixels)  # fmt: skip
    assert not torch.allclose(made(own).logits, made(moved).logits)


def test_what_is_generated_has_the_masks_of_a_full_forward() -> None:
    plain = model()
    own = turn(plain)
    said = plain.say(plain.prompt(own.question, own.features, own.header, own.regions), end=END, most=6)
    assert said.masks is None
    # Whatever it says in the middle stands for a mask from here on.
    segment = said.tokens[1][2]
    made = model(drawing=DrawingConfig(segment=segment, pixels=PIXELS))
    made.load_state_dict(plain.state_dict())
    prompt = made.prompt(own.question, own.features, own.header, own.regions)
    found = made.say(prompt, end=END, most=6, pixels=own.pixels)
    assert found.tokens == said.tokens
    whole = made(
        Turn(own.question, own.features, own.header, tokens(*found.tokens), None, own.regions, own.pixels)
    )
    assert found.masks.rows.tolist() == whole.masks.rows.tolist()
    assert len(found.masks.rows) == sum(row.count(segment) for row in found.tokens) > 0
    torch.testing.assert_close(found.masks.logits, whole.masks.logits, rtol=1e-3, atol=1e-3)


def test_a_mask_teaches_words_regions_and_pixels() -> None:
    made = model().train()
    own = turn(made, (2,))
    made(own).masks.logits.square().mean().backward()
    for part in (made.point, made.to_mask, made.pixels.decoder, made.projector):
        assert any(p.grad is not None and bool(p.grad.any()) for p in part.parameters()), part


@pytest.mark.parametrize("rows", [[0, 2], [0, 0, 2], [2, 2, 0]])
def test_regions_that_do_not_fit_the_slots_are_refused(rows: list[int]) -> None:
    made = model()
    own = turn(made)
    regions = Regions(own.regions.masks[: len(rows)], torch.tensor(rows))
    with pytest.raises(InputError, match="slot"):
        made.prompt(own.question, own.features, own.header, regions)
    with pytest.raises(InputError, match="slot"):
        made.prompt(own.question, own.features, own.header)


def test_models_without_the_parts_say_so() -> None:
    made = model(pointing=None, drawing=None)
    own = turn(model())
    with pytest.raises(InputError, match="pointed"):
        made.prompt(own.question, own.features, own.header, own.regions)
    with pytest.raises(InputError, match="no masks"):
        made(Turn(own.question, own.features, own.header, own.answer, None, None, own.pixels))


def test_parts_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="before the images"):
        config(projector={"kind": "hierarchical"})
    with pytest.raises(ConfigError, match="single picture"):
        config(images=("t1", "t2"))


def test_a_config_names_only_what_it_uses() -> None:
    plain = set(mpllm_config("tiny", 64).model_dump(mode="json"))
    assert not plain & {"images_first", "experts", "pointing", "drawing"}
    assert VLMConfig.model_validate(config().model_dump(mode="json")) == config()
