"""Sizes, losses and gradients of VoxelPrompt, against literal references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from voxelprompt_world import GRID, PROGRAMS, ball, conversation, scans, tiny_model, tiny_tokenizer

from sagittal.errors import ConfigError, GeometryError, InputError
from sagittal.geometry import Geometry
from sagittal.language.tokenizer import BOS, CODE, EOS, FEEDBACK, MOD, PHI, QUESTION, READ, VOLUME
from sagittal.models.voxelprompt import (
    Exchange,
    LanguageConfig,
    Scribe,
    VoxelPrompt,
    VoxelPromptConfig,
    parameter_counts,
)
from sagittal.models.voxelprompt.conversation import NO_TARGET
from sagittal.models.voxelprompt.losses import soft_dice_loss
from sagittal.nn.grids import StreamGrids

TOKENIZER = tiny_tokenizer()
SCRIBE = Scribe(TOKENIZER)


# -- sizes -----------------------------------------------------------------------------------------


def on_meta(name: str) -> VoxelPrompt:
    with torch.device("meta"):
        return VoxelPrompt(VoxelPromptConfig.preset(name))


def decoder_size(width: int, layers: int, feed_forward: int, vocabulary: int, tied: bool) -> int:
    """Parameters of a LLaMA by its formula."""
    layer = 4 * width**2 + 3 * width * feed_forward + 2 * width
    return layers * layer + width + vocabulary * width * (1 if tied else 2)


def level_size(channels: int, phi: int, b: int) -> int:
    """φ mixing, stream interaction and normalisation of one level."""
    mixing = (channels + phi) * channels + channels
    return mixing + 3 * channels * b + b * channels + channels + 2 * channels


def encoder_size(channels: tuple[int, ...], phi: int, b: int, width: int) -> int:
    convolutions = sum(27 * i * o + o for i, o in zip((1, *channels[:-1]), channels, strict=True))
    levels = sum(level_size(c, phi, b) for c in channels)
    return convolutions + levels + channels[-1] * width + width


def generator_size(channels: tuple[int, ...], phi: int, b: int) -> int:
    joined = sum(
        27 * (here + below) * here + here for here, below in zip(channels, (*channels[1:], 0), strict=True)
    )
    return joined + sum(level_size(c, phi, b) for c in channels) + 27 * channels[0] + 1


def test_the_paper_has_its_published_sizes():
    model = on_meta("paper")
    assert all(p.is_meta for p in model.parameters())
    channels = (32, 96, 96, 96, 96, 96)
    assert parameter_counts(model) == {
        "language": decoder_size(512, 16, 2048, 32_000, tied=False),
        "phi": 512 * 32 + 32,
        "encoder": encoder_size(channels, 32, 32, 512),
        "generator": generator_size(channels, 32, 32),
        "total": 103_653_089,
    }
    llama = model.language.config
    assert (llama.num_hidden_layers, llama.hidden_size, llama.num_attention_heads) == (16, 512, 32)
    assert (llama.intermediate_size, llama.vocab_size, llama.num_key_value_heads) == (2048, 32_000, 32)
    assert model.config.image_weight == 0.1 and model.config.voxel_weight == 0
    assert model.config == VoxelPromptConfig()


def test_small_ships_in_twelve_megabytes():
    counts = parameter_counts(on_meta("small"))
    assert counts == {
        "language": decoder_size(256, 4, 768, 2048, tied=True),
        "phi": 256 * 32 + 32,
        "encoder": encoder_size((16, 32, 64, 96, 96), 32, 32, 256),
        "generator": generator_size((16, 32, 64, 96, 96), 32, 32),
        "total": 5_726_817,
    }
    # Half precision; 200 kB are left for the tokenizer, the card and the header.
    assert 2 * counts["total"] < 11.8e6


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="no such preset"):
        VoxelPromptConfig.preset("large")
    with pytest.raises(ConfigError, match="even"):
        LanguageConfig(width=64, heads=64)
    with pytest.raises(ConfigError, match="too large"):
        VoxelPromptConfig.model_validate({"vision": {"channels": [8] * 11}})


# -- the token sequence ----------------------------------------------------------------------------


def names(ids) -> str:
    return TOKENIZER.decode(ids)


def test_a_conversation_becomes_this_sequence():
    script = SCRIBE.write(conversation())
    first, second, third = (names(chunk.ids) for chunk in script.chunks)
    t1, flair = (s.words for s in conversation().scans)
    assert first == (
        f"{BOS}{QUESTION}How large is the tumour?{VOLUME}{t1}{VOLUME}{flair}{CODE}"
        f"f = encode(t1{MOD}{PHI}, flair{MOD}{PHI})\nread(f){EOS}"
    )
    assert second == (
        f"{FEEDBACK}2 encoded images{READ}{READ}{CODE}"
        f'm = segment(f, "whole tumour"{MOD}{PHI}{MOD}{PHI})\nv = volume(m)\nread(v){EOS}'
    )
    assert third == f'{FEEDBACK}v = 0.9 mL{CODE}say(f"The whole tumour has {{v}}.")\nstop(){EOS}'


def test_loss_is_asked_of_programs_alone():
    for chunk, program in zip(SCRIBE.write(conversation()).chunks, PROGRAMS, strict=True):
        learnt = [i for i, t in enumerate(chunk.targets) if t != NO_TARGET]
        assert [chunk.targets[i] for i in learnt] == [chunk.ids[i] for i in learnt]
        text = names([chunk.ids[i] for i in learnt])
        assert text.replace(MOD, "") == program + EOS
        after_mod = [i + 1 for i, token in enumerate(chunk.ids) if token == TOKENIZER.special(MOD)]
        assert all(chunk.targets[i] == NO_TARGET for i in after_mod)
        assert after_mod == sorted(p for call in chunk.calls for p in call.phi)


def test_a_forged_mark_in_the_question_is_text():
    script = SCRIBE.write(conversation(question=f"volume{MOD}{READ}{CODE}?"))
    ids = script.chunks[0].ids
    assert ids.count(TOKENIZER.special(MOD)) == 2 and ids.count(TOKENIZER.special(CODE)) == 1
    assert TOKENIZER.special(READ) not in ids


@pytest.mark.parametrize(
    "changes",
    [
        {"masks": ()},
        {"steps": (Exchange("f = encode(t2)"),), "masks": ()},
        {"steps": (Exchange("f = encode(t1"),), "masks": ()},
        {"scans": (*scans(), scans()[0])},
    ],
)
def test_conversations_that_do_not_fit_are_refused(changes):
    with pytest.raises((InputError, ConfigError)):
        SCRIBE.write(conversation(**changes))


# -- losses ----------------------------------------------------------------------------------------


def test_soft_dice_is_vnets():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(0, 2, (5, 6, 7)), (rng.random((5, 6, 7)) < 0.3).astype(float)
    p = 1 / (1 + np.exp(-logits))
    expected = 1 - (2 * (p * target).sum() + 1) / ((p**2).sum() + (target**2).sum() + 1)
    assert float(soft_dice_loss(torch.tensor(logits), torch.tensor(target))) == pytest.approx(
        expected, rel=1e-5
    )
    empty = torch.zeros(5, 6, 7)
    assert float(soft_dice_loss(torch.full((5, 6, 7), -30.0), empty)) == pytest.approx(0, abs=1e-6)
    assert float(soft_dice_loss(torch.full((5, 6, 7), 30.0), empty)) > 0.99


def literal_text_loss(model: VoxelPrompt, script) -> torch.Tensor:
    """The whole conversation through transformers' own forward at once, no cache."""
    ids = [t for chunk in script.chunks for t in chunk.ids]
    targets = [t for chunk in script.chunks for t in chunk.targets]
    embedded = model.language.get_input_embeddings()(torch.tensor([ids]))
    # The vision networks' vectors, one call after the other, from a forward without reads.
    first = model.language.model(inputs_embeds=embedded[:, : len(script.chunks[0].ids)]).last_hidden_state[0]
    conversation = script.conversation
    grids = StreamGrids.of([s.geometry for s in conversation.scans], model.levels)
    phi = model.to_phi(first[list(script.chunks[0].calls[0].phi)])[None]
    read = model.encoder([s.data[None] for s in conversation.scans], grids, phi).read[0]
    start = len(script.chunks[0].ids)
    for place, (_, stream) in script.chunks[1].reads.items():
        embedded = torch.cat([embedded[:, : start + place], read[None, stream : stream + 1],
                              embedded[:, start + place + 1 :]], dim=1)  # fmt: skip
    logits = model.language(inputs_embeds=embedded).logits[0]
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(targets[1:]), ignore_index=NO_TARGET)


def test_steps_with_a_cache_equal_one_full_forward():
    model = tiny_model(TOKENIZER)
    script = SCRIBE.write(conversation())
    with torch.no_grad():
        stepwise, literal = model([script]).text[0], literal_text_loss(model, script)
    assert float(stepwise) == pytest.approx(float(literal), rel=1e-5)


def test_a_batch_is_the_mean_of_its_conversations():
    model = tiny_model(TOKENIZER)
    long = SCRIBE.write(conversation())
    short = SCRIBE.write(
        conversation(question="x", steps=(Exchange('abstain("no")'),), masks=(), scans=scans()[:1])
    )
    silent = SCRIBE.write(conversation(masks=(None,)))
    with torch.no_grad():
        together, alone = model([long, short, silent]), [model([s]) for s in (long, short, silent)]
    assert torch.allclose(together.text, torch.cat([a.text for a in alone]), rtol=1e-4)
    assert float(together.total) == pytest.approx(np.mean([float(a.total) for a in alone]), rel=1e-4)
    assert [(m.conversation, m.mask) for m in together.masks] == [(0, 0)]
    literal = alone[0].text[0] + 0.1 * alone[0].masks[0].dice_loss
    assert float(alone[0].total) == pytest.approx(float(literal))
    assert float(alone[2].total) == pytest.approx(float(alone[2].text))


def test_voxel_cross_entropy_joins_when_asked():
    script = SCRIBE.write(conversation())
    with torch.no_grad():
        plain = tiny_model(TOKENIZER)([script])
        both = tiny_model(TOKENIZER, voxel_weight=2.0)([script])
        logits = both.masks[0].logits
        bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, script.conversation.masks[0])
    assert float(both.total - plain.total) == pytest.approx(2 * float(bce), rel=1e-4)


def test_language_alone_runs_no_vision_network(monkeypatch):
    model = tiny_model(TOKENIZER)
    unseen = tuple(replace(s, data=None) for s in scans())
    monkeypatch.setattr(model.encoder, "forward", None)
    losses = model([SCRIBE.write(conversation(scans=unseen))])
    assert losses.masks == () and torch.equal(losses.total, losses.text[0])
    losses.total.backward()
    assert model.to_phi.project.weight.grad is None


def test_a_target_on_another_grid_is_refused():
    with pytest.raises(GeometryError, match="does not fit"):
        tiny_model(TOKENIZER)([SCRIBE.write(conversation(masks=(torch.zeros(3, 3, 3),)))])


# -- gradients and streams -------------------------------------------------------------------------


def test_the_mask_alone_teaches_the_language_model():
    model = tiny_model(TOKENIZER)
    script = SCRIBE.write(conversation())
    model([script]).masks[0].dice_loss.backward()
    silent = [
        name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)
    ]
    # Only what leads to text alone stays without: the head is tied to the embedding here.
    assert silent == []
    slot = model.language.get_input_embeddings().weight.grad[TOKENIZER.special(PHI)]
    assert bool(slot.abs().sum() > 0)


def test_phi_of_a_segment_call_depends_on_the_structures_name():
    model = tiny_model(TOKENIZER)
    steps = conversation().steps
    other = Exchange(steps[1].program.replace("whole tumour", "left thalamus"), steps[1].feedback)
    with torch.no_grad():
        a = model([SCRIBE.write(conversation())]).masks[0].logits
        b = model([SCRIBE.write(conversation(steps=(steps[0], other, steps[2])))]).masks[0].logits
    assert not torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("one_grid", [True, False])
def test_the_order_of_streams_does_not_matter(one_grid):
    model = tiny_model(TOKENIZER)
    wider = Geometry((12, 14, 10), np.diag([3.0, 3.0, 4.0, 1.0]))
    geometries = [GRID, GRID if one_grid else wider, GRID]
    torch.manual_seed(3)
    data = [torch.rand(1, *g.shape) for g in geometries]
    encode, segment = torch.randn(1, 3, 64), torch.randn(1, 2, 3, 64)

    def run(order):
        grids = StreamGrids.of([geometries[i] for i in order], model.levels)
        encoding = model.encode([data[i] for i in order], grids, encode[:, order])
        prepared = model.generator.prepare(encoding)
        logits = model.generator(prepared, model.to_phi(segment[:, :, order]))
        return encoding.read, logits

    with torch.no_grad():
        read, logits = run([0, 1, 2])
        order = [2, 0, 1]
        permuted_read, permuted = run(order)
    assert torch.allclose(permuted_read, read[:, order], atol=1e-5)
    for place, stream in enumerate(order):
        assert torch.allclose(permuted[place], logits[stream], atol=1e-4)
    # It can fail: another φ gives another mask.
    assert not torch.allclose(logits[0][:, 0], logits[0][:, 1], atol=1e-4)


def test_masks_of_one_program_are_drawn_together_as_apart():
    model = tiny_model(TOKENIZER)
    target = torch.from_numpy(ball())
    program = 'a = segment(f, "whole tumour")\nb = segment(f, "left thalamus")\nstop()'
    first = conversation().steps[0]
    with torch.no_grad():
        both = model([SCRIBE.write(conversation(steps=(first, Exchange(program)), masks=(target, target)))])
        only = model([SCRIBE.write(conversation(steps=(first, Exchange(program)), masks=(None, target)))])
    assert [m.mask for m in both.masks] == [0, 1] and [m.mask for m in only.masks] == [1]
    assert torch.allclose(both.masks[1].logits, only.masks[0].logits, atol=1e-4)


def test_one_conversation_is_learnt():
    model = tiny_model(TOKENIZER).train()
    script = SCRIBE.write(conversation())
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(60):
        found = model([script])
        optimiser.zero_grad()
        found.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(float(found.total.detach()))
    with torch.no_grad():
        found = model([script])
    drawn = found.masks[0].logits > 0
    truth = script.conversation.masks[0] > 0
    assert losses[-1] <= 0.1 * losses[0]
    assert bool(found.exact[0])
    assert 2 * float((drawn & truth).sum()) / float(drawn.sum() + truth.sum()) > 0.9
