"""Prepared studies of the toy heads, small and made once."""

from __future__ import annotations

import numpy as np
import pytest
from small_worlds import small_worlds

from sagittal.builders.voxel_tasks import VoxelTasksConfig, build_conversation
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import Scribe
from sagittal.models.voxelprompt.preparation import PreparationConfig
from sagittal.simulate import HeadSet
from sagittal.train.vision_set import VisionSet
from sagittal.train.worlds import make_banks, training_worlds


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> VisionSet:
    """One study a world of the committed table, of phantom heads at 4 mm."""
    folder = tmp_path_factory.mktemp("vision")
    worlds = small_worlds(training_worlds("vision_training"), 1, (48, 56, 44), 4.0)
    banks = make_banks(folder / "banks", worlds, HeadSet.phantoms(), 0)
    return VisionSet(banks, folder / "prepared", PreparationConfig(working_mm=4.0))


@pytest.fixture(scope="session")
def scribe(studies: VisionSet) -> Scribe:
    texts = []
    rng = np.random.default_rng(0)
    for number in range(len(studies)):
        made = studies.banks.load(number)
        for _ in range(4):
            drawn = build_conversation(made.study, made.facts, rng, config=VoxelTasksConfig(unanswerable=0.2))
            texts += [drawn.question, *drawn.programs]
    return Scribe(Tokenizer.train(texts, 400))
