"""The scaffold: what φ should be, its error, and one pass where no voxel is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from voxelprompt_world import PROGRAMS, conversation, scans, tiny_model, tiny_tokenizer

from sagittal.models.voxelprompt import Exchange, Scribe
from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.conversation import Script
from sagittal.models.voxelprompt.marks import Ledger
from sagittal.models.voxelprompt.scaffold import slots

TOKENIZER = tiny_tokenizer()
SCRIBE = Scribe(TOKENIZER)


def unseen(**changes: object) -> Script:
    kinds = {"t1": "t1", "flair": "flair"}
    blind = tuple(replace(scan, data=None, kind=kinds[scan.name]) for scan in scans())
    return SCRIBE.write(conversation(**{"scans": blind, "masks": (None,), **changes}))


def test_a_call_knows_its_structure():
    calls = Ledger()
    calls.enter(PROGRAMS[0])
    (named,) = [c for c in calls.enter(PROGRAMS[1]) if c.function == "segment"]
    assert named.structure == "whole tumour"
    (said,) = [c for c in calls.enter('m = segment(f, structure="left putamen")') if c.function == "segment"]
    assert said.structure == "left putamen"
    (made,) = [c for c in calls.enter('n = "brain"\nm = segment(f, n)') if c.function == "segment"]
    assert made.structure == ""


def test_slots_are_the_kinds_of_images_and_the_structure_once_a_stream():
    script = unseen()
    encode, segment = (slots(script, chunk, 16) for chunk in script.chunks[:2])
    assert encode.names == ("t1", "flair")
    assert torch.equal(encode.codes, image_codes(["t1", "flair"], 16))
    assert segment.names == ("whole tumour", "whole tumour")
    assert torch.equal(segment.codes, structure_codes(["whole tumour"] * 2, 16))
    phi = TOKENIZER.special("<PHI>")
    assert [script.chunks[1].ids[p] for p in segment.places] == [phi, phi]
    assert slots(script, script.chunks[2], 16).places == ()


def test_one_pass_is_all_steps():
    model, script = tiny_model(TOKENIZER), unseen()
    joined = script.joined()
    assert len(joined.chunks) == 1
    assert joined.chunks[0].ids == [i for chunk in script.chunks for i in chunk.ids]
    # A script of which one in the batch has eyes goes step by step: the same numbers come out.
    seen = SCRIBE.write(conversation())
    with torch.no_grad():
        once = model([script], codes=True)
        stepwise = model([script, seen], codes=False)
    assert once.text[0].item() == pytest.approx(stepwise.text[0].item(), abs=1e-5)
    assert bool(once.exact[0]) == bool(stepwise.exact[0])
    assert stepwise.codes.item() == 0


def test_the_error_is_that_of_phi_read_off_a_plain_forward_pass():
    model, script = tiny_model(TOKENIZER), unseen()
    whole = script.joined().chunks[0]
    with torch.no_grad():
        embedded = model.embed(torch.tensor([whole.ids]))
        embedded[0, list(whole.reads)] = 0
        states = model.language.model(inputs_embeds=embedded).last_hidden_state[0]
        places = [p for call in whole.calls for p in call.phi]
        phi = model.to_phi(states[places])
        wanted = torch.cat([image_codes(["t1", "flair"], 16), structure_codes(["whole tumour"] * 2, 16)])
        expected = (phi - wanted).square().mean()
        found = model([script], codes=True).codes
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    # Two like conversations have the mean of one.
    with torch.no_grad():
        assert model([script, script], codes=True).codes.item() == pytest.approx(found.item(), rel=1e-5)


def test_a_table_of_other_codes_takes_the_place_of_the_fixed_ones():
    model, script = tiny_model(TOKENIZER), unseen()
    fixed = {"t1": image_codes(["t1"], 16)[0], "flair": image_codes(["flair"], 16)[0]}
    fixed["whole tumour"] = structure_codes(["whole tumour"], 16)[0]
    with torch.no_grad():
        expected = model([script], codes=True).codes
        assert model([script], codes=fixed).codes.item() == pytest.approx(expected.item(), rel=1e-6)
        whole = script.joined().chunks[0]
        assert torch.equal(slots(script.joined(), whole, 16, fixed).codes[2], fixed["whole tumour"])
        moved = {**fixed, "whole tumour": fixed["whole tumour"] + 3}
        assert model([script], codes=moved).codes.item() > expected.item() + 1
    with pytest.raises(KeyError, match="flair"):
        slots(script, script.chunks[0], 16, {"t1": fixed["t1"]})


def test_without_programs_that_look_there_is_no_error():
    script = unseen(steps=(Exchange('abstain("no")'),), masks=())
    with torch.no_grad():
        assert tiny_model(TOKENIZER)([script], codes=True).codes.item() == 0


def test_the_error_reaches_the_language_model():
    model = tiny_model(TOKENIZER).train()
    model([unseen()], codes=True).codes.backward()
    gradients = [p.grad for p in (*model.language.parameters(), *model.to_phi.parameters())]
    assert all(g is not None for g in gradients)
    assert sum(float(g.abs().sum()) for g in gradients) > 0


def test_cuts_change_the_tokens_and_not_the_text():
    plain, cut = unseen(), unseen(cuts=(5, 9))
    first, other = plain.chunks[0].ids, cut.chunks[0].ids
    end = [ids.index(TOKENIZER.special("<VOLUME>")) for ids in (first, other)]
    assert first[: end[0]] != other[: end[1]]
    assert TOKENIZER.decode(first[2 : end[0]]) == TOKENIZER.decode(other[2 : end[1]])
    assert first[end[0] :] == other[end[1] :]
