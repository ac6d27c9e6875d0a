"""One growing cache: equal to a full forward, to transformers' own generation, and never computed twice."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    Mamba2Config,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
)

from sagittal.errors import ConfigError, InputError
from sagittal.models.decoding import AllowedSequences, GrowingContext

SIZES = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES = {
    "llama": LlamaConfig(**SIZES),
    "qwen2": Qwen2Config(**SIZES),
    "qwen3": Qwen3Config(**SIZES, head_dim=8),
    "phi3": Phi3Config(**SIZES),
    "smollm3": SmolLM3Config(**SIZES),
    "mistral, sliding": MistralConfig(**SIZES, sliding_window=5),
}
PAD = 0


def build(config):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    # Random models of this size are nearly indifferent; larger weights make decisions that can differ.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.ndim > 1 else 1)
    return model


@pytest.fixture(params=FAMILIES, ids=lambda n: n.split(",")[0])
def model(request):
    return build(FAMILIES[request.param])


@pytest.fixture
def llama():
    return build(FAMILIES["llama"])


def tokens(rows, length, seed=0):
    return torch.randint(3, 61, (rows, length), generator=torch.Generator().manual_seed(seed))


def full(model, ids):
    """Last hidden states and logits of a plain forward without a cache."""
    with torch.no_grad():
        states = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        return states, model(input_ids=ids, use_cache=False).logits


@torch.no_grad()
@pytest.mark.parametrize("steps", [(12,), (1,) * 12, (5, 1, 6), (2, 3, 7)])
def test_steps_add_up_to_a_full_forward(model, steps):
    ids = tokens(2, 12)
    context = GrowingContext(model)
    states = torch.cat([context.append_tokens(part) for part in ids.split(list(steps), dim=1)], dim=1)
    expected_states, expected_logits = full(model, ids)
    torch.testing.assert_close(states, expected_states, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(context.logits(states), expected_logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(context.next_logits, expected_logits[:, -1], rtol=1e-5, atol=1e-5)
    assert context.lengths.tolist() == [12, 12]


@torch.no_grad()
def test_each_step_computes_its_new_tokens_and_no_other(llama):
    seen = []
    llama.get_decoder().layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    context = GrowingContext(llama)
    context.append_tokens(tokens(1, 9))
    context.append_embeddings(torch.randn(1, 4, 32))
    generated = context.generate(max_tokens=6)
    context.append_tokens(tokens(1, 3))
    assert len(generated[0]) == 6
    assert seen == [9, 4, *[1] * 6, 3]
    assert context.computed == sum(seen) == 22


@torch.no_grad()
def test_embeddings_and_tokens_may_alternate(model):
    ids, vectors = tokens(1, 7), torch.randn(1, 2, 32)
    context = GrowingContext(model)
    context.append_tokens(ids[:, :4])
    context.append_embeddings(vectors)
    states = context.append_tokens(ids[:, 4:])
    embedded = model.get_input_embeddings()(ids)
    whole = torch.cat([embedded[:, :4], vectors, embedded[:, 4:]], dim=1)
    expected = model.get_decoder()(inputs_embeds=whole, use_cache=False).last_hidden_state
    torch.testing.assert_close(states, expected[:, 6:], rtol=1e-5, atol=1e-5)


def pad_rows(rows, side, length):
    out = torch.full((len(rows), length), PAD)
    for i, row in enumerate(rows):
        at = slice(0, len(row)) if side == "right" else slice(length - len(row), length)
        out[i, at] = torch.tensor(row)
    return out


@torch.no_grad()
@pytest.mark.parametrize("sides", list(itertools.product(("left", "right"), repeat=2)))
@pytest.mark.parametrize("family", ["llama", "qwen3", "phi3", "smollm3"])
def test_padding_on_either_side_changes_nothing(family, sides):
    model = build(FAMILIES[family])
    first = [tokens(1, n, n)[0].tolist() for n in (6, 2, 4)]
    second = [tokens(1, n, 9 + n)[0].tolist() for n in (1, 5, 3)]
    context = GrowingContext(model)
    context.append_tokens(pad_rows(first, sides[0], 7), pad=PAD)
    middle = context.last_state
    states = context.append_tokens(pad_rows(second, sides[1], 6), pad=PAD)
    third = context.append_tokens(tokens(3, 2, 77))
    assert torch.isfinite(states).all()
    assert context.lengths.tolist() == [9, 9, 9]
    for row in range(3):
        ids = torch.tensor([first[row] + second[row] + tokens(3, 2, 77)[row].tolist()])
        expected, _ = full(model, ids)
        torch.testing.assert_close(middle[row], expected[0, len(first[row]) - 1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(third[row], expected[0, -2:], rtol=1e-5, atol=1e-5)
        here = context.mask[row, 7:13]
        torch.testing.assert_close(states[row][here], expected[0, len(first[row]) : -2], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_row_without_news_keeps_its_last_state(llama):
    context = GrowingContext(llama)
    context.append_tokens(tokens(2, 4))
    before = context.last_state
    context.append_tokens(torch.tensor([[PAD, PAD], [7, PAD]]), pad=PAD)
    assert torch.equal(context.last_state[0], before[0])
    assert not torch.equal(context.last_state[1], before[1])


@pytest.mark.parametrize("rows", [1, 3])
def test_greedy_generation_is_that_of_transformers(model, rows):
    ids = tokens(rows, 6)
    expected = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, eos_token_id=2
    )
    context = GrowingContext(model)
    with torch.no_grad():
        context.append_tokens(ids)
    got = context.generate(max_tokens=12, stop={2})
    assert len({tuple(r) for r in got}) == rows
    for row in range(rows):
        whole = expected[row, 6:].tolist()
        assert got[row] == whole[: len(got[row])]
        assert set(whole[len(got[row]) :]) <= {PAD}


def test_generation_of_padded_rows_equals_each_row_alone(llama):
    rows = [tokens(1, n, n)[0].tolist() for n in (5, 2)]
    for side in ("left", "right"):
        context = GrowingContext(llama)
        with torch.no_grad():
            context.append_tokens(pad_rows(rows, side, 6), pad=PAD)
        together = context.generate(max_tokens=8)
        for row, ids in enumerate(rows):
            alone = GrowingContext(llama)
            with torch.no_grad():
                alone.append_tokens(torch.tensor([ids]))
            assert alone.generate(max_tokens=8) == [together[row]]


def test_a_row_ends_with_its_stop_token_and_the_context_goes_on(llama):
    context = GrowingContext(llama)
    with torch.no_grad():
        context.append_tokens(tokens(2, 5))
        free = context.fork().generate(max_tokens=8)
        stop = free[0][2]
        assert stop not in free[1][:2]
        got = context.generate(max_tokens=8, stop={stop})
        first = free[0].index(stop)
        assert got[0] == free[0][: first + 1]
        # Row 0 was padded while row 1 went on; both continue as one text without gaps.
        states = context.append_tokens(torch.tensor([[9], [9]]))
        for row in range(2):
            ids = torch.tensor([tokens(2, 5)[row].tolist() + got[row] + [9]])
            torch.testing.assert_close(states[row, 0], full(llama, ids)[0][0, -1], rtol=1e-5, atol=1e-5)


def test_voxelprompt_feeds_a_vector_after_its_marker(llama):
    # Generate up to <MOD>, feed a fixed embedding, read its state, generate on: no token twice.
    context = GrowingContext(llama)
    with torch.no_grad():
        context.append_tokens(tokens(1, 5))
        marker = context.fork().generate(max_tokens=3)[0][-1]
        program = context.generate(max_tokens=10, stop={marker})[0]
        fixed = torch.randn(1, 1, 32)
        eta = context.append_embeddings(fixed)[:, 0]
        embed = llama.get_input_embeddings()
        whole = torch.cat([embed(torch.tensor([tokens(1, 5)[0].tolist() + program])), fixed], dim=1)
        expected = llama.get_decoder()(inputs_embeds=whole, use_cache=False).last_hidden_state[:, -1]
        torch.testing.assert_close(eta, expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(eta, context.last_state)
        before = context.computed
        rest = context.generate(max_tokens=4)[0]
    assert context.computed - before == len(rest)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_constraint_admits_only_allowed_sequences(model, temperature):
    allowed = [[5, 6], [5, 7, 8], [9]]
    constraint = AllowedSequences(allowed)
    seen = set()
    # Rows that end early are padded, which a short sliding window refuses.
    rows = 1 if getattr(model.config, "sliding_window", None) else 2
    for seed in range(12):
        context = GrowingContext(model)
        with torch.no_grad():
            context.append_tokens(tokens(rows, 4, seed))
        for row in context.generate(max_tokens=9, constraint=constraint, temperature=temperature, seed=seed):
            assert row in allowed
            seen.add(tuple(row))
    assert len(seen) > 1


def test_an_end_token_tells_a_beginning_from_a_whole(llama):
    with pytest.raises(ConfigError, match="begins another"):
        AllowedSequences([[5], [5, 6]])
    for hostile in ([], [[]], [[5], []]):
        with pytest.raises(ConfigError):
            AllowedSequences(hostile)
    constraint = AllowedSequences([[5], [5, 6]], end=2)
    ended = {
        tuple(self_made[0]) for seed in range(20) for self_made in [_constrained(llama, constraint, seed)]
    }
    assert ended == {(5, 2), (5, 6, 2)}


def _constrained(model, constraint, seed):
    context = GrowingContext(model)
    with torch.no_grad():
        context.append_tokens(tokens(1, 4, seed))
    return context.generate(max_tokens=5, stop={2}, constraint=constraint, temperature=2.0, seed=seed)


def test_a_constraint_picks_the_likeliest_allowed_token(llama):
    context = GrowingContext(llama)
    with torch.no_grad():
        context.append_tokens(tokens(1, 4))
        logits = context.next_logits[0]
    allowed = logits.argsort()[[0, 5, 9]].tolist()
    got = context.generate(max_tokens=1, constraint=lambda row, so_far: allowed)
    assert got == [[allowed[2]]]
    assert context.fork().generate(max_tokens=3, constraint=lambda row, so_far: ()) == [[]]


def test_drawing_repeats_with_its_seed_and_follows_the_distribution(llama):
    context = GrowingContext(llama)
    with torch.no_grad():
        context.append_tokens(tokens(1, 4))
        share = (context.next_logits[0] / 3).softmax(0)
    first = context.fork().generate(max_tokens=10, temperature=3.0, seed=4)
    assert first == context.fork().generate(max_tokens=10, temperature=3.0, seed=4)
    assert first != context.fork().generate(max_tokens=10, temperature=3.0, seed=5)
    many = context.fork(rows=400).generate(max_tokens=1, temperature=3.0, seed=1)
    top = int(share.argmax())
    seen = sum(r == [top] for r in many) / 400
    assert abs(seen - float(share[top])) < 4 * (float(share[top]) / 400) ** 0.5
    for bad in ({"temperature": 1.0}, {"temperature": -1.0, "seed": 1}):
        with pytest.raises(ConfigError):
            context.generate(max_tokens=1, **bad)


@torch.no_grad()
def test_a_fork_and_its_parent_do_not_see_each_other(model):
    ids = tokens(1, 6)
    parent = GrowingContext(model)
    parent.append_tokens(ids)
    kept = [layer.keys.clone() for layer in parent._cache.layers]
    child = parent.fork()
    assert all(
        a.keys.data_ptr() == b.keys.data_ptr()
        for a, b in zip(parent._cache.layers, child._cache.layers, strict=True)
    )
    child.append_tokens(tokens(1, 5, 3))
    child.generate(max_tokens=4)
    assert all(torch.equal(a, layer.keys) for a, layer in zip(kept, parent._cache.layers, strict=True))
    states = parent.append_tokens(tokens(1, 3, 8))
    expected, _ = full(model, torch.cat([ids, tokens(1, 3, 8)], dim=1))
    torch.testing.assert_close(states, expected[:, 6:], rtol=1e-5, atol=1e-5)
    assert (parent.computed, parent.lengths.item()) == (9, 9)


@torch.no_grad()
def test_one_prefix_serves_several_questions_side_by_side(llama):
    prefix = tokens(1, 8)
    questions = [tokens(1, n, n)[0].tolist() for n in (2, 4, 3)]
    context = GrowingContext(llama)
    context.append_tokens(prefix)
    many = context.fork(rows=3)
    many.append_tokens(pad_rows(questions, "right", 4), pad=PAD)
    for row, question in enumerate(questions):
        expected, _ = full(llama, torch.cat([prefix, torch.tensor([question])], dim=1))
        torch.testing.assert_close(many.last_state[row], expected[0, -1], rtol=1e-5, atol=1e-5)
    assert many.computed == 8 + 3 * 4
    with pytest.raises(InputError):
        many.fork(rows=2)
    with pytest.raises(InputError):
        context.fork(rows=0)


@pytest.mark.parametrize("side", ["left", "right"])
def test_gradients_flow_through_both_passes(llama, side):
    # mpLLM: the question's state routes the experts; the image vectors that they make continue its cache.
    questions = [tokens(1, n, n)[0].tolist() for n in (5, 3)]
    router = torch.nn.Linear(32, 64)
    llama.train()
    context = GrowingContext(llama)
    context.append_tokens(pad_rows(questions, side, 6), pad=PAD)
    image = router(context.last_state).unflatten(1, (2, 32))
    context.append_embeddings(image)
    loss = context.logits(context.append_tokens(tokens(2, 3, 5))).square().mean()
    loss.backward()
    got = {n: p.grad.clone() for n, p in llama.named_parameters()}
    routed = router.weight.grad.clone()
    assert all(torch.isfinite(g).all() and g.abs().sum() > 0 for g in got.values())
    assert routed.abs().sum() > 0

    llama.zero_grad()
    router.zero_grad()
    embed, losses = llama.get_input_embeddings(), []
    for row, question in enumerate(questions):
        # The same by two plain forwards without a cache.
        ids = torch.tensor([question])
        state = llama.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[:, -1]
        made = router(state).unflatten(1, (2, 32))
        whole = torch.cat([embed(ids), made, embed(tokens(2, 3, 5)[row : row + 1])], dim=1)
        losses.append(llama(inputs_embeds=whole, use_cache=False).logits[:, -3:].square())
    torch.cat(losses).mean().backward()
    torch.testing.assert_close(router.weight.grad, routed, rtol=1e-3, atol=1e-5)
    for name, parameter in llama.named_parameters():
        scale = float(got[name].abs().max())
        torch.testing.assert_close(parameter.grad, got[name], rtol=1e-3, atol=1e-4 * scale)


def test_generation_keeps_no_graph(llama):
    context = GrowingContext(llama)
    context.append_tokens(tokens(1, 4))
    context.generate(max_tokens=2)
    assert not context.last_state.requires_grad


@torch.no_grad()
def test_bfloat16_stays_close(llama):
    ids = tokens(1, 10)
    exact = GrowingContext(llama)
    exact.append_tokens(ids)
    rough = GrowingContext(llama)
    with torch.autocast("cpu", torch.bfloat16):
        rough.append_tokens(ids[:, :6])
        rough.append_tokens(ids[:, 6:])
    difference = (rough.last_state.float() - exact.last_state).abs().mean()
    assert difference < 0.05 * exact.last_state.std()


# -- what is refused ------------------------------------------------------------------------------


def test_an_empty_context_has_nothing_to_say(llama):
    context = GrowingContext(llama)
    for ask in (lambda: context.last_state, lambda: context.generate(max_tokens=1), lambda: context.mask):
        with pytest.raises(InputError, match="empty"):
            ask()


@torch.no_grad()
def test_what_does_not_fit_is_refused(llama):
    context = GrowingContext(llama)
    with pytest.raises(InputError, match="at least one token"):
        context.append_tokens(torch.tensor([[5, 6], [PAD, PAD]]), pad=PAD)
    context.append_tokens(tokens(2, 3))
    for bad in (torch.randn(3, 1, 32), torch.randn(2, 32), torch.randn(2, 0, 32)):
        with pytest.raises(InputError, match="fit"):
            context.append_embeddings(bad)
    with pytest.raises(InputError, match="fit"):
        context.append_embeddings(torch.randn(2, 2, 32), torch.ones(2, 3, dtype=torch.bool))
    assert context.lengths.tolist() == [3, 3]


def test_gradient_checkpointing_would_drop_the_cache(llama):
    llama.train()
    llama.activation_checkpointing_enable()
    with pytest.raises(ConfigError, match="drops the cache"):
        GrowingContext(llama).append_tokens(tokens(1, 3))


@torch.no_grad()
def test_position_frequencies_that_change_with_length_are_refused_where_they_would():
    scaling = {
        "rope_type": "longrope",
        "rope_theta": 1e4,
        "short_factor": [1.0] * 4,
        "long_factor": [3.0] * 4,
        "original_max_position_embeddings": 8,
        "factor": 16.0,
    }
    model = build(Phi3Config(**SIZES | {"original_max_position_embeddings": 8, "rope_parameters": scaling}))
    context = GrowingContext(model)
    context.append_tokens(tokens(1, 8))
    with pytest.raises(ConfigError, match="frequencies"):
        context.append_tokens(tokens(1, 1))
    # All at once is right, and equal to a full forward.
    whole = GrowingContext(model)
    torch.testing.assert_close(whole.append_tokens(tokens(1, 12)), full(model, tokens(1, 12))[0])


@torch.no_grad()
def test_a_sliding_window_over_padding_is_refused():
    model = build(FAMILIES["mistral, sliding"])
    context = GrowingContext(model)
    context.append_tokens(torch.tensor([[5, 6, PAD], [5, 6, 7]]), pad=PAD)
    with pytest.raises(ConfigError, match="sliding"):
        context.append_tokens(tokens(2, 3))


def test_decoders_that_cannot_be_treated_faithfully_are_refused():
    capped = Gemma2Config(**SIZES | {"head_dim": 8}, final_logit_softcapping=30.0)
    with pytest.raises(ConfigError, match="after the head"):
        GrowingContext(build(capped))
    state_space = Mamba2Config(
        vocab_size=61, hidden_size=32, num_hidden_layers=1, num_heads=8, head_dim=8, state_size=8
    )
    with pytest.raises(ConfigError, match="growing list"):
        GrowingContext(build(state_space))
    with pytest.raises(ConfigError, match="language-model head"):
        GrowingContext(torch.nn.Linear(2, 2))
