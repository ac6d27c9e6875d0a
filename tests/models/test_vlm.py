"""The composition: one pass over every token, gradients through it, rows that do not see each other."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import ConfigError
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.mpllm.tasks import HEADS
from sagittal.models.vlm.config import HierarchicalConfig, LoRAConfig, SharedConfig, VLMConfig
from sagittal.models.vlm.language import config_of, make_language
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Tokens, Turn

VOCABULARY = 64


def config(**changes: object) -> VLMConfig:
    return mpllm_config("tiny", VOCABULARY).model_copy(update=changes)


def model(**changes: object) -> VLM:
    torch.manual_seed(0)
    return VLM(config(**changes)).eval()


def tokens(*rows: list[int]) -> Tokens:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    real = torch.tensor([[True] * len(row) + [False] * (width - len(row)) for row in rows])
    return Tokens(ids, real)


def features(rows: int, seed: int = 1) -> Features:
    random = torch.Generator().manual_seed(seed)
    return Features(
        torch.randn(rows, 4, 8, 16, generator=random),
        torch.randn(rows, 4, 16, generator=random),
        torch.ones(rows, 4, dtype=torch.bool),
    )


def turn(rows: int = 2, chosen: bool = True) -> Turn:
    questions = [[1, 4, 20, 21, 22], [1, 4, 23], [1, 4, 24, 25]][:rows]
    answers = [[30, 31, 2], [32, 2], [33, 34, 35, 2]][:rows]
    told = torch.eye(sum(len(h.classes) for h in HEADS))[:rows] if chosen else None
    return Turn(tokens(*questions), features(rows), tokens(*[[5]] * rows), tokens(*answers), told)


def part(whole: Turn, row: int) -> Turn:
    """One row, without its padding."""

    def cut(piece: Tokens) -> Tokens:
        count = int(piece.real[row].sum())
        return Tokens(piece.ids[row : row + 1, :count], piece.real[row : row + 1, :count])

    f = whole.features
    own = Features(f.tokens[row : row + 1], f.cls[row : row + 1], f.present[row : row + 1])
    told = None if whole.chosen is None else whole.chosen[row : row + 1]
    return Turn(cut(whole.question), own, cut(whole.header), cut(whole.answer), told)


PROJECTORS = {
    "hierarchical": HierarchicalConfig(blocks=(2, 2), hidden=8),
    "flattened": HierarchicalConfig(blocks=(1, 2), hidden=8, flattened=True),
    "concatenation": SharedConfig(fusion="concatenation"),
    "sum": SharedConfig(fusion="sum", layers=2),
    "weighted": SharedConfig(fusion="weighted"),
}


@pytest.mark.parametrize("name", PROJECTORS)
def test_a_row_does_not_see_its_neighbours_nor_its_padding(name: str) -> None:
    made = model(projector=PROJECTORS[name])
    whole = turn(3)
    together = made(whole)
    for row in range(3):
        alone = made(part(whole, row))
        count = alone.logits.shape[1]
        torch.testing.assert_close(together.logits[row, :count], alone.logits[0], rtol=1e-4, atol=1e-5)
        for task, logits in alone.heads.items():
            torch.testing.assert_close(together.heads[task][row], logits[0], rtol=1e-4, atol=1e-5)


def test_it_equals_one_forward_of_the_language_model_over_everything() -> None:
    """The literal reference: all embeddings in a row, one full forward without a cache."""
    made = model(projector=PROJECTORS["hierarchical"])
    own = part(turn(), 0)
    out = made(own)
    embed = made.language.get_input_embeddings()
    question = embed(own.question.ids)
    state = made.language.model(inputs_embeds=question).last_hidden_state[:, -1]
    f = own.features
    images = made.projector(f.tokens, f.cls, state, f.present).embeddings
    told = made.tell(own.chosen)[:, None]
    parts = [question, images, embed(own.header.ids), told, embed(own.answer.ids)]
    states = made.language.model(inputs_embeds=torch.cat(parts, dim=1)).last_hidden_state
    first = sum(p.shape[1] for p in parts[:4])
    torch.testing.assert_close(
        out.logits, made.language.lm_head(states[:, first - 1 : -1]), rtol=1e-4, atol=1e-5
    )
    heads = made.heads(states[:, first - 2])
    for task, logits in out.heads.items():
        torch.testing.assert_close(logits, heads[task], rtol=1e-4, atol=1e-5)
    assert out.positions == states.shape[1]


@pytest.mark.parametrize(("name", "images"), [("hierarchical", 8), ("flattened", 32), ("concatenation", 32)])
def test_the_language_model_sees_every_token_once(name: str, images: int) -> None:
    made = model(projector=PROJECTORS[name])
    own = part(turn(chosen=False), 0)
    out = made(own)
    assert out.positions == 5 + images + 1 + 3
    prompt = made.prompt(own.question, own.features, own.header)
    assert prompt.context.computed == 5 + images + 1


def test_gradients_reach_the_router_through_the_question() -> None:
    made = model(projector=PROJECTORS["hierarchical"]).train()
    out = made(turn())
    (out.logits.square().mean() + sum(h.square().mean() for h in out.heads.values())).backward()
    assert made.projector.high.first.grad.abs().sum() > 0
    assert made.language.get_input_embeddings().weight.grad[20].abs().sum() > 0
    assert made.tell.weight.grad.abs().sum() > 0


def test_generation_continues_what_training_read() -> None:
    """The token that a prompt chooses is the one that the training forward scores highest."""
    made = model()
    own = part(turn(chosen=False), 0)
    prompt = made.prompt(own.question, own.features, own.header)
    out = made(own)
    torch.testing.assert_close(prompt.context.next_logits, out.logits[:, 0], rtol=1e-4, atol=1e-5)
    first = prompt.context.generate(max_tokens=1)[0]
    assert first == [int(out.logits[0, 0].argmax())]


def test_words_are_told_what_the_heads_chose() -> None:
    made = model()
    own = part(turn(), 0)
    prompt = made.prompt(own.question, own.features, own.header)
    chosen = torch.cat(list(made.heads.chosen(prompt.heads).values()), dim=-1)
    made.hear(prompt)
    out = made(Turn(own.question, own.features, own.header, own.answer, chosen))
    torch.testing.assert_close(prompt.context.next_logits, out.logits[:, 0], rtol=1e-4, atol=1e-5)


def test_a_missing_image_is_not_looked_at() -> None:
    made = model()
    volumes = torch.rand(2, 4, 8, 16, 16)
    present = torch.tensor([[True, False, True, True], [True, True, True, True]])
    seen = made.look(volumes, present)
    broken = volumes.clone()
    broken[0, 1] = float("nan")
    again = made.look(broken, present)
    assert torch.equal(seen.tokens, again.tokens)
    assert not seen.tokens[0, 1].any()
    assert seen.tokens[1, 1].any()


FAMILIES = {
    "llama": {"num_key_value_heads": 2},
    "phi3": {"num_key_value_heads": 2, "pad_token_id": 0, "original_max_position_embeddings": 2048},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3": {"num_key_value_heads": 1, "head_dim": 16},
}


def family(name: str) -> dict[str, object]:
    return {
        "model_type": name, "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 2048, "eos_token_id": 2,
        "bos_token_id": 1, **FAMILIES[name],
    }  # fmt: skip


@pytest.mark.parametrize("lora", [None, LoRAConfig(r=2, alpha=4)], ids=["whole", "lora"])
@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_takes_a_training_step_and_generates(name: str, lora: LoRAConfig | None) -> None:
    torch.manual_seed(0)
    made = VLM(config(language=family(name), lora=lora)).train()
    trained = [p for p in made.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, 1e-2)
    losses = []
    for _ in range(3):
        out = made(turn())
        target = turn().answer
        loss = torch.nn.functional.cross_entropy(
            out.logits.flatten(0, 1), target.ids.masked_fill(~target.real, -100).flatten()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    prompt = made.eval().prompt(turn().question, turn().features, turn().header)
    assert all(0 < len(row) <= 4 for row in prompt.context.generate(max_tokens=4, stop={2}))


def test_a_config_comes_back_from_the_model() -> None:
    made = make_language(family("llama"))
    again = make_language(config_of(made))
    assert {n: p.shape for n, p in made.state_dict().items()} == {
        n: p.shape for n, p in again.state_dict().items()
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"language": {"hidden_size": 32}}, "names its architecture"),
        ({"heads": (), "told": True}, "where there are heads"),
        ({"images": ("t1", "t1")}, "named once"),
    ],
)
def test_a_config_that_cannot_be_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        VLMConfig.model_validate({**config().model_dump(), **changes})


def test_an_architecture_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="config of a causal language model"):
        make_language({"model_type": "my_own_code"})
