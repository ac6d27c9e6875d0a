"""Lessons with eyes: masks are the truth, crops hold together, and the joint loss falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from sagittal.builders.voxel_tasks import Truth, VoxelTasksConfig, build_conversation, with_truth
from sagittal.models.voxelprompt import Scribe, VoxelPrompt, VoxelPromptConfig
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.study import Study
from sagittal.train.joint import JointConfig, Lessons, cropped, to_lesson
from sagittal.train.vision_set import VisionSet

PREPARATION = PreparationConfig(working_mm=4.0)
TASKS = VoxelTasksConfig(unanswerable=0.2)


def lessons(studies: VisionSet, scribe: Scribe, patch: int | None) -> Lessons:
    def load(number: int, rng: np.random.Generator) -> tuple[Study, Mapping[str, Any] | None]:
        made = studies.banks.load(number)
        return made.study, made.facts

    return Lessons(load, len(studies), scribe, JointConfig(TASKS, PREPARATION, patch), seed=4)


def test_a_number_gives_one_lesson(studies: VisionSet, scribe: Scribe) -> None:
    draw = lessons(studies, scribe, 16)
    one, again = draw(3), draw(3)
    assert [c.ids for c in one.chunks] == [c.ids for c in again.chunks]
    for a, b in zip(one.conversation.masks, again.conversation.masks, strict=True):
        assert (a is None) == (b is None)
        assert a is None or b is None or torch.equal(a, b)


def test_targets_lie_on_the_scan_that_is_drawn_on(studies: VisionSet, scribe: Scribe) -> None:
    for patch in (12, None):
        draw = lessons(studies, scribe, patch)
        for number in range(12):
            told = draw(number).conversation
            shapes = {tuple(scan.data.shape) for scan in told.scans if scan.data is not None}
            assert all(scan.geometry.shape == tuple(scan.data.shape) for scan in told.scans)  # type: ignore
            assert all(m is None or tuple(m.shape) in shapes for m in told.masks)
            if patch:
                assert all(max(shape) <= patch for shape in shapes)


def test_a_crop_is_a_part_of_the_whole(studies: VisionSet) -> None:
    made = studies.banks.load(1)
    truth, rng = Truth(made.study, made.facts), np.random.default_rng(1)
    while True:
        drawn = build_conversation(made.study, made.facts, rng, config=TASKS, truth=truth)
        if drawn.segments and truth.found(truth.table[drawn.segments[0].structure], ""):
            break
    whole = to_lesson(with_truth(drawn, truth), truth, PREPARATION)
    part = cropped(whole, [c.volumes[0] for c in drawn.segments], 16, rng)
    for scan, piece in zip(whole.scans, part.scans, strict=True):
        assert scan.data is not None and piece.data is not None
        corner = scan.geometry.to_voxel(piece.geometry.to_world((0, 0, 0)))
        first = np.rint(corner).astype(int)
        place = tuple(slice(a, a + n) for a, n in zip(first, piece.data.shape, strict=True))
        assert torch.equal(scan.data[place], piece.data)
        mask, shown = whole.masks[0], part.masks[0]
        assert mask is not None and shown is not None
        assert torch.equal(mask[place], shown)


def test_eyes_and_words_learn_together(studies: VisionSet, scribe: Scribe) -> None:
    torch.manual_seed(0)
    model = VoxelPrompt(VoxelPromptConfig.preset("tiny", vocabulary=scribe.tokenizer.size))
    script = lessons(studies, scribe, 16)(2)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    totals = []
    for _ in range(12):
        losses = model([script])
        optimiser.zero_grad()
        losses.total.backward()
        optimiser.step()
        totals.append(float(losses.total.detach()))
    assert losses.masks, "a mask was drawn"
    assert totals[-1] < 0.7 * totals[0]
    assert model.to_phi.project.weight.grad is not None
    assert float(model.to_phi.project.weight.grad.abs().max()) > 0, "masks teach the language model its φ"
