"""Our eyes as a specialist: they draw what the same model draws when people ask it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sagittal.agent.host import Host
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.errors import InputError
from sagittal.geometry import Geometry
from sagittal.models.voxelprompt import load_voxelprompt, open_session
from sagittal.runtime import runtime
from sagittal.specialists.eyes import open_eyes
from sagittal.specialists.registry import specialists
from sagittal.study import Image, Study
from sagittal.weights import find_checkpoint

SHAPE = (34, 40, 30)
CARD = specialists().entries["Eyes"].card


def a_head(kind: str) -> Image:
    """An ellipsoid of 200 by 240 by 180 mm, bright within."""
    grid = np.indices(SHAPE)
    distance = sum(((g - n / 2) / (0.45 * n)) ** 2 for g, n in zip(grid, SHAPE, strict=True))
    data = 60.0 * (distance < 1) + 80.0 * (distance < 0.6) + np.random.default_rng(1).normal(0, 3, SHAPE)
    return Image(data.astype(np.float32), Geometry(SHAPE, np.diag([6.0, 6.0, 6.0, 1.0])), kind, kind)


@pytest.fixture(scope="module")
def eyes():
    return open_eyes(CARD, Path())


@pytest.mark.parametrize("kinds", [("t1",), ("flair", "t1")])
def test_they_draw_what_the_model_draws_when_it_is_asked(eyes, kinds):
    images = [a_head(kind) for kind in kinds]
    drawn = eyes.run(Study("s", "p", tuple(images)), "brain")
    chosen = runtime()
    model, tokenizer, _ = load_voxelprompt(find_checkpoint("voxelprompt-small"))
    volumes = {image.kind: image for image in images}
    asked = open_session(model.eval(), tokenizer, "Show me the brain.", volumes, runtime=chosen)
    outcome = converse(asked[0], Host(STANDARD, asked[1]), volumes)
    [mask] = outcome.masks.values()
    # Other words of a question make another φ, so that a voxel here and there differs.
    both = np.count_nonzero((mask.data > 0) & (drawn.data > 0))
    assert 2 * both / (np.count_nonzero(mask.data) + np.count_nonzero(drawn.data)) > 0.95
    assert both * 0.216 > 300 and dict(drawn.labels) == {1: "brain"}
    assert any(image.geometry.same_grid(drawn.geometry) for image in images)


@pytest.mark.parametrize("argument", sorted(CARD.arguments))
def test_every_argument_of_the_card_is_understood(eyes, argument):
    assert set(CARD.masks[argument]) == {argument}
    images = tuple(a_head(kind) for kind in ("t1", "t1c", "t2", "flair"))
    volumes = {image.kind: image for image in images}
    words = eyes._settings.words.format(argument)
    planner, _ = open_session(eyes._model, eyes._tokenizer, words, volumes)
    assert planner.next_program(None).startswith(f'asked = "mask: {argument}"')


def test_what_no_image_shows_is_refused(eyes):
    with pytest.raises(InputError, match="No image shows the enhancing tumour"):
        eyes.run(Study("s", "p", (a_head("t1"),)), "enhancing tumour")


def test_what_the_model_does_not_draw_is_refused(eyes):
    with pytest.raises(InputError, match="drew no wheel"):
        eyes.run(Study("s", "p", (a_head("t1"),)), "wheel")
