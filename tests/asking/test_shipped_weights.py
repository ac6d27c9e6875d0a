"""What ships: whole, small enough, honest about itself; and it answers about a simulated patient."""

from __future__ import annotations

import pytest

import sagittal
from sagittal.asking.models import real_scores
from sagittal.models.checkpoint import open_checkpoint
from sagittal.models.voxelprompt import load_voxelprompt
from sagittal.simulate import HeadSet, preset, simulate
from sagittal.weights import checkpoints

SHIPPED = checkpoints()


def test_something_ships():
    assert "voxelprompt-small" in SHIPPED


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_checkpoints_are_whole_small_and_say_what_they_are(name):
    found = open_checkpoint(SHIPPED[name])
    assert sum(path.stat().st_size for path in found.folder.iterdir()) <= 12_000_000
    assert found.card.name == name and found.card.recipe and found.card.licence == "Apache-2.0"
    if found.kind == "decoder":
        # It is asked nothing: other models begin with it.
        return
    assert any("not a medical device" in limit for limit in found.card.limits)
    assert real_scores(found.card)
    # Every real case stands on its own, so that nobody has to trust a mean of few.
    assert all(score.case for score in found.card.scores)


def test_no_tensor_is_broken():
    model, _, _ = load_voxelprompt(SHIPPED["voxelprompt-small"])
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.fixture(scope="module")
def patient():
    config = preset("gli").model_copy(update={"shape": (96, 112, 88), "spacing": (2.0, 2.0, 2.0)})
    return simulate(config, HeadSet.phantoms(1, 2.0), [0], seed=4)[0].study


def test_it_answers_with_a_mask_and_a_number(patient):
    answer = sagittal.ask(patient, "How large is the whole tumour?", model="voxelprompt-small")
    assert not answer.abstained, answer.reason
    assert answer.fields["asked"].value == "volume: whole tumour"
    [volume] = [m for m in answer.measurements if m.name == "volume"]
    [mask] = answer.masks
    assert volume.unit == "mL" and volume.value == pytest.approx(mask.volume_ml, rel=1e-6)


def test_it_declines_what_it_was_taught_to(patient):
    for question in ("How large is the liver?", "Should I take this medicine?"):
        answer = sagittal.ask(patient, question, model="voxelprompt-small")
        assert answer.abstained and answer.reason
