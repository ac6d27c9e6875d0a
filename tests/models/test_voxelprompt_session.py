"""From a question to words and masks, with a model that learnt one conversation and with a random one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from voxelprompt_world import PROGRAMS, QUESTION, TEXTS, ball, tiny_model

from sagittal.agent.host import Host
from sagittal.agent.loop import Feedback, converse
from sagittal.agent.standard import STANDARD
from sagittal.agent.toolbox import CallSite, Reading
from sagittal.errors import ConfigError, GeometryError, InputError
from sagittal.geometry import Geometry
from sagittal.language.tokenizer import EOS, MOD, PHI, Tokenizer
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt import (
    Conversation,
    Exchange,
    Scan,
    Scribe,
    VoxelPrompt,
    VoxelPromptPlanner,
    VoxelPromptToolbox,
    acquisition_words,
    lesson,
    open_session,
    unseen_lesson,
)
from sagittal.study import Image, Mask

GRID = Geometry((22, 20, 18), np.diag([-3.0, 3.0, 3.0, 1.0]))
TRUTH = ball(GRID, (8, 9, 9), 3.6)
TRUE_ML = float(TRUTH.sum()) * 27 / 1000
FEEDBACK = ("2 encoded images", f"v = {TRUE_ML:.3g} mL", "")


def images() -> dict[str, Image]:
    rng = np.random.default_rng(2)
    inside = ball(GRID, (10.5, 9.5, 8.5), 8.5)
    made = {}
    for kind, contrast in (("t1", -40), ("flair", 60)):
        data = inside * (100 + contrast * TRUTH + rng.normal(0, 6, GRID.shape))
        made[kind] = Image(data.astype(np.float32), GRID, kind, kind, session="s1")
    return made


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([*TEXTS, *FEEDBACK, *acquisition_words(images()).values()] * 2, 400)


@pytest.fixture(scope="module")
def learnt(tokenizer) -> VoxelPrompt:
    model = tiny_model(tokenizer).train()
    steps = tuple(Exchange(p, f) for p, f in zip(PROGRAMS, FEEDBACK, strict=True))
    truth = Mask(TRUTH.astype(np.uint8), GRID, {1: "whole tumour"})
    script = Scribe(tokenizer).write(lesson(QUESTION, images(), steps, [truth], model.config.preparation))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(70):
        losses = model([script])
        optimiser.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()


def talk(model, tokenizer, volumes, **more):
    planner, toolbox = open_session(model, tokenizer, QUESTION, volumes, **more)
    return converse(planner, Host(STANDARD, toolbox), volumes), planner


def test_a_learnt_conversation_is_held(learnt, tokenizer):
    outcome, _ = talk(learnt, tokenizer, images())
    assert outcome.programs == PROGRAMS
    assert not outcome.abstained and outcome.warnings == ()
    drawn = outcome.masks["m"]
    assert drawn.geometry == GRID and drawn.labels == {1: "whole tumour"} and drawn.session == "s1"
    assert 2 * (drawn.data * TRUTH).sum() / (drawn.data.sum() + TRUTH.sum()) > 0.9
    [volume] = outcome.measurements
    assert volume.value == pytest.approx(TRUE_ML, rel=0.15)
    assert outcome.text.startswith("The whole tumour has ") and outcome.text.endswith("mL.")
    # One encode, one segment; the steps say which line did it.
    assert outcome.steps[volume.step].name == "v = volume(m)"


def test_each_token_is_computed_once(learnt, tokenizer, monkeypatch):
    runs: list[int] = []
    decoder = learnt.language.get_decoder()
    whole = decoder.forward

    def counted(*args, **more):
        runs.append(more["inputs_embeds"].shape[1])
        return whole(*args, **more)

    monkeypatch.setattr(decoder, "forward", counted)
    volumes = images()
    planner, toolbox = open_session(learnt, tokenizer, QUESTION, volumes)
    fed: list[int] = []
    heard = planner._heard

    def listen(feedback):
        found = heard(feedback)
        fed.append(len(found[0]))
        return found

    monkeypatch.setattr(planner, "_heard", listen)
    converse(planner, Host(STANDARD, toolbox), volumes)
    # What the decoder ran over is what came in and what was written, nothing twice.
    assert sum(runs) == planner.context.computed == int(planner.context.lengths[0])
    assert sum(runs) == sum(fed) + sum(planner.generated)
    last = Scribe(tokenizer).write(Conversation("", (), (Exchange(PROGRAMS[2]),))).chunks[0].ids
    assert planner.generated[2] == len(last) - len(Scribe(tokenizer).opening("", []))


@pytest.mark.parametrize("codes", ["LAS", "SPR"])
def test_flips_and_axis_swaps_of_the_scan_give_the_same_answer(learnt, tokenizer, codes):
    plain, _ = talk(learnt, tokenizer, images())
    turned, _ = talk(learnt, tokenizer, {n: i.reorient(codes) for n, i in images().items()})
    assert turned.text == plain.text
    mask = turned.masks["m"]
    assert mask.geometry == GRID.reoriented(codes)[0]
    assert np.array_equal(mask.reorient(GRID.orientation).data, plain.masks["m"].data)


def test_a_random_model_comes_to_an_end(tokenizer):
    model = tiny_model(tokenizer, seed=5)
    outcome, planner = talk(model, tokenizer, images())
    assert outcome.abstained and outcome.reason
    assert max(planner.generated) <= planner.program_tokens
    assert int(planner.context.lengths[0]) <= model.config.language.positions


class Forced(GrowingContext):
    """Writes given tokens instead of the likeliest, through the same cache."""

    def __init__(self, model, tokens: list[int]) -> None:
        super().__init__(model)
        self.tokens = tokens

    def _choose(self, rows, open_rows, constraint, temperature, draw):
        return {0: self.tokens.pop(0)}


def scripted(model, tokenizer, programs: Sequence[str]) -> VoxelPromptPlanner:
    """A planner that writes ``programs``, in which ``@`` stands for ``<MOD>``."""
    planner = VoxelPromptPlanner(model, tokenizer, QUESTION, images())
    tokens: list[int] = []
    for program in programs:
        pieces = program.split("@")
        for number, piece in enumerate(pieces):
            tokens += tokenizer.encode(piece)
            tokens.append(tokenizer.special(MOD if number < len(pieces) - 1 else EOS))
    planner.context = Forced(model.language, tokens)
    return planner


def test_written_programs_reach_the_networks(tokenizer):
    model = tiny_model(tokenizer)
    programs = (
        "f = encode(t1@, flair@)\nread(f)",
        'm = segment(f, "whole tumour"@@)\nn = segment(f, "it")\nstop()',
        'm = segment(f, "whole tumour"@)\nstop()',
        "f = encode(t1@, flair)",
        'say("done")\nstop()',
    )
    planner = scripted(model, tokenizer, programs[:2] + programs[4:])
    outcome = converse(planner, Host(STANDARD, VoxelPromptToolbox(planner)), images())
    assert outcome.programs == tuple(p.replace("@", "") for p in (*programs[:2], programs[4]))
    faults = [s.output for s in outcome.steps if isinstance(s.output, dict) and "error" in s.output]
    assert len(faults) == 1 and "segment needs one <MOD> a volume" in faults[0]["error"]
    assert outcome.masks["m"].geometry == GRID

    planner = scripted(model, tokenizer, programs[:1] + programs[2:])
    outcome = converse(planner, Host(STANDARD, VoxelPromptToolbox(planner)), images())
    faults = [s.output["error"] for s in outcome.steps if isinstance(s.output, dict) and "error" in s.output]
    assert ["segment needs" in faults[0], "encode needs" in faults[1]] == [True, True]
    assert outcome.text == "done"


def test_run_time_equals_training(tokenizer):
    """The φ and the vectors of a run are those of teacher forcing with the same words."""
    model = tiny_model(tokenizer)
    volumes = images()
    planner = scripted(model, tokenizer, ["f = encode(t1@, flair@)\nread(f)", 'm = segment(f, "it"@@)'])
    toolbox = VoxelPromptToolbox(planner)
    assert planner.next_program(None) == "f = encode(t1, flair)\nread(f)"
    features = toolbox.encode(list(volumes.values()), CallSite(0, 1, 0))
    reading = toolbox.read(features, CallSite(1, 2, 1))
    assert planner.next_program(Feedback(reading.text, (reading,))) == 'm = segment(f, "it")'

    words, prepared = acquisition_words(volumes), features.payload.volumes
    scans = tuple(
        Scan(n, words[n], p.frame.grid, torch.from_numpy(p.data))
        for n, p in zip(volumes, prepared, strict=True)
    )
    steps = (Exchange("f = encode(t1, flair)\nread(f)", reading.text), Exchange('m = segment(f, "it")'))
    target = torch.zeros(prepared[0].frame.grid.shape)
    script = Scribe(tokenizer).write(Conversation(QUESTION, scans, steps, (target,)))
    with torch.no_grad():
        [trained] = model([script]).masks
        drawn = model.segment(features.payload.prepared, planner.states[0][None, None])[0, 0]
    assert torch.allclose(drawn, trained.logits, atol=1e-4)
    mask = toolbox.segment(features, "it", CallSite(3, 1, 0))
    assert np.array_equal(mask.data, prepared[0].frame.restore(trained.logits, "it").data)


def test_vectors_are_heard(tokenizer):
    model = tiny_model(tokenizer)

    def after(vectors: torch.Tensor) -> torch.Tensor:
        planner = scripted(model, tokenizer, ["stop()", "stop()"])
        planner.next_program(None)
        planner.next_program(Feedback("1 encoded image", (Reading("1 encoded image", vectors),)))
        return planner.context.last_state

    torch.manual_seed(0)
    assert not torch.allclose(after(torch.randn(1, 64)), after(torch.randn(1, 64)), atol=1e-4)


def test_a_conversation_that_grows_too_long_ends(tokenizer):
    planner = VoxelPromptPlanner(tiny_model(tokenizer), tokenizer, "tumour " * 2000, images())
    assert planner.next_program(None) is None


def test_a_foreign_tokenizer_is_refused(tokenizer):
    smaller = tiny_model(Tokenizer.train(["a"], 300))
    with pytest.raises(ConfigError, match="does not belong"):
        VoxelPromptPlanner(smaller, tokenizer, QUESTION, images())


def test_a_call_outside_a_program_has_no_modulation(tokenizer):
    toolbox = VoxelPromptToolbox(VoxelPromptPlanner(tiny_model(tokenizer), tokenizer, QUESTION, images()))
    with pytest.raises(InputError, match=f"one {MOD} a volume"):
        toolbox.encode([images()["t1"]], CallSite(0, 1, 0))
    assert PHI != MOD


def test_lessons_lie_on_the_volumes_that_they_draw_on():
    volumes = images()
    coarse = Geometry((11, 10, 9), np.diag([-6.0, 6.0, 6.0, 1.0]))
    volumes["t2"] = volumes["t1"].resample_to(coarse)
    steps = (
        Exchange('f = encode(t1)\ng = encode(t2, t1)\na = volume(segment(g, "x"))\nm = segment(f, "y")'),
    )
    fine = Mask(TRUTH.astype(np.uint8), GRID, {1: "y"})
    made = lesson(QUESTION, volumes, steps, [fine.resample_to(coarse), fine])
    assert [m.shape for m in made.masks] == [made.scans[2].geometry.shape, made.scans[0].geometry.shape]
    assert float(made.masks[1].sum()) == TRUTH.sum()
    unseen = unseen_lesson(QUESTION, volumes, steps)
    assert [s.words for s in unseen.scans] == [s.words for s in made.scans]
    assert unseen.masks == (None, None) and all(s.data is None for s in unseen.scans)
    with pytest.raises(GeometryError):
        lesson(QUESTION, volumes, steps, [fine, fine])
    with pytest.raises(InputError, match="has a mask"):
        lesson(QUESTION, volumes, steps, [fine])
    with pytest.raises(InputError, match="not there"):
        lesson(QUESTION, {"t1": volumes["t1"]}, steps, [fine, fine])
