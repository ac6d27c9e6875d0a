"""Classes to heads and back; answers read; heads' losses against torch by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from sagittal.builders.tumour_vqa import worded
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.language.wording import CANONICAL, TYPES, Wording
from sagittal.measure.anatomy_atlas import REGIONS
from sagittal.measure.classes import NOT_PRESENT, SHAPE_CLASSES, SPREAD_CLASSES, VOLUME_CLASSES
from sagittal.models.mpllm.reading import read_answer
from sagittal.models.mpllm.tasks import HEADS, IN_SCOPE, NOT_ASKED, SCOPE, decoded, encoded, truth_of
from sagittal.nn.task_heads import HeadConfig, TaskHeads
from sagittal.score.descriptors import Told

LABELS = ("Enhancing Tissue", "Surrounding Non-enhancing FLAIR hyperintensity", "Resection Cavity")


def facts(rng: np.random.Generator) -> dict[str, object]:
    if rng.random() < 0.2:
        return {"volume": "N/A", "regions": ("N/A",), "shape": "N/A", "spread": "N/A"}
    count = int(rng.integers(0, 5))
    regions = tuple(r for r in REGIONS if r in rng.choice(REGIONS, count, replace=False))
    return {
        "volume": str(rng.choice(VOLUME_CLASSES[1:])),
        "regions": regions or ("unlocalised",),
        "shape": str(rng.choice(SHAPE_CLASSES[1:])),
        "spread": str(rng.choice(SPREAD_CLASSES[1:])),
    }


def test_there_and_back() -> None:
    rng = np.random.default_rng(0)
    told = [truth_of(facts(rng), TYPES[n % 15], beyond=bool(n % 2)) for n in range(60)]
    told.append(Told({}, True))
    assert decoded(encoded(told)) == told


@pytest.mark.parametrize("pool", ["train", "withheld"])
@pytest.mark.parametrize("kind", ["in_scope", "partly_out_of_scope", "out_of_scope"])
def test_every_reference_answer_is_read_right(kind: str, pool: str) -> None:
    rng, wordings = np.random.default_rng(3), TumourWordings.load()
    for n in range(400):
        tasks = () if kind == "out_of_scope" else TYPES[n % 15]
        wording = wordings.sample(kind, tasks, rng, pool)  # type: ignore[arg-type]
        true = facts(rng)
        _, answer = worded(wording, str(rng.choice(LABELS)), true)
        truth = truth_of(true, tasks, beyond=kind != "in_scope")
        read = read_answer(answer, tasks)
        assert read.beyond == truth.beyond, answer
        assert {t: set(w) for t, w in read.classes.items()} == {t: set(w) for t, w in truth.classes.items()}


def test_the_papers_own_answers_are_read_right() -> None:
    rng = np.random.default_rng(4)
    for tasks, (question, answer) in CANONICAL.items():
        true = facts(rng)
        _, text = worded(Wording("in_scope", tasks, question, answer), LABELS[0], true)
        assert read_answer(text, tasks) == truth_of(true, tasks, beyond=False)


def test_what_is_not_said_is_not_guessed() -> None:
    assert read_answer("It is large and somewhere.", ("volume", "region")).classes == {}
    assert read_answer("The volume is 11-5%.", ("volume",)).classes == {}
    assert read_answer("Focusing on this, the frontals are fine.", ("shape", "region")).classes == {}
    assert read_answer("1-5%, or 5-10%", ("volume",)).classes == {"volume": ("1-5%",)}


def test_losses_by_hand() -> None:
    torch.manual_seed(0)
    heads = TaskHeads(6, HEADS)
    logits = heads(torch.randn(3, 6))
    rng = np.random.default_rng(1)
    told = [truth_of(facts(rng), ("volume", "region"), beyond=False) for _ in range(3)]
    targets = encoded(told)
    found = heads.losses(logits, targets)
    for head in HEADS:
        own, true = logits[head.name], targets[head.name]
        if head.many:
            p = own.sigmoid()
            expected = -(true * p.log() + (1 - true) * (1 - p).log()).mean()
        else:
            expected = -functional.log_softmax(own, -1)[range(3), true.argmax(-1)].mean()
        torch.testing.assert_close(found[head.name], expected)


def test_several_may_hold_and_one_always_does() -> None:
    heads = TaskHeads(4, HEADS)
    logits = {head.name: torch.full((1, len(head.classes)), -2.0) for head in HEADS}
    logits["region"][0, 4] = -1.0
    assert heads.chosen(logits)["region"].sum() == 1
    logits["region"][0, 4:7] = 1.0
    assert heads.chosen(logits)["region"][0].nonzero().flatten().tolist() == [4, 5, 6]
    for head in HEADS:
        own = heads.probabilities(logits)[head.name]
        assert head.many or own.sum() == pytest.approx(1)


def test_heads_that_are_asked_agree_about_absence() -> None:
    heads = TaskHeads(4, HEADS)
    random = torch.Generator().manual_seed(3)
    logits = {head.name: 2 * torch.randn(400, len(head.classes), generator=random) for head in HEADS}
    alone = TaskHeads(4, [head.model_copy(update={"unasked": None, "absent": None}) for head in HEADS])
    apart, found = decoded(alone.chosen(logits)), decoded(heads.chosen(logits))
    changed = 0
    for one, told in zip(apart, found, strict=True):
        assert set(one.classes) == set(told.classes), "what is asked stays"
        gone = [NOT_PRESENT in words for words in told.classes.values()]
        assert all(gone) or not any(gone)
        if len(told.classes) == 1 and "region" not in told.classes:
            assert told.classes == one.classes, "alone, a head decides as it does by itself"
        changed += told.classes != one.classes
    assert changed > 50


@pytest.mark.parametrize(("gone", "absent"), [(0.51, True), (0.49, False)])
def test_absence_is_decided_as_most_will_be_right(gone: float, absent: bool) -> None:
    """The volume loses 0.4 by absence; the shape, even about five other classes, gains it from 0.5 on."""
    heads = {head.name: head for head in HEADS}
    shares = {
        "volume": {NOT_PRESENT: 0.3, "<1%": 0.7},
        "shape": {NOT_PRESENT: gone, **dict.fromkeys(SHAPE_CLASSES[1:], (1 - gone) / 5)},
        "region": {NOT_ASKED: 1 - 1e-6},
        "spread": {NOT_ASKED: 1.0},
        SCOPE: {IN_SCOPE: 1.0},
    }
    logits = {}
    for name, own in shares.items():
        values = torch.full((1, len(heads[name].classes)), 1e-6)
        for word, share in own.items():
            values[0, heads[name].places[word]] = share
        logits[name] = values.logit() if heads[name].many else values.log()
    [told] = decoded(TaskHeads(4, HEADS).chosen(logits))
    assert set(told.classes) == {"volume", "shape"}
    assert {task: words == (NOT_PRESENT,) for task, words in told.classes.items()} == dict.fromkeys(
        ("volume", "shape"), absent
    )


def test_absence_is_one_of_the_classes() -> None:
    with pytest.raises(ValueError, match="two of the classes"):
        HeadConfig(name="size", classes=("a", "b"), unasked="a", absent="c")
    with pytest.raises(ValueError, match="neither"):
        HeadConfig(name="size", classes=("a", "b"), absent="b")
