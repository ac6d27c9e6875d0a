"""A small world for VoxelPrompt's tests: a ball in a head, and a conversation about it."""

from __future__ import annotations

import numpy as np
import torch

from sagittal.geometry import Geometry
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import Conversation, Exchange, Scan, VoxelPrompt, VoxelPromptConfig

GRID = Geometry((20, 18, 16), np.diag([2.0, 2.0, 2.0, 1.0]))
PROGRAMS = (
    "f = encode(t1, flair)\nread(f)",
    'm = segment(f, "whole tumour")\nv = volume(m)\nread(v)',
    'say(f"The whole tumour has {v}.")\nstop()',
)
FEEDBACK = ("2 encoded images", "v = 0.9 mL", "")
QUESTION = "How large is the tumour?"
WORDS = {name: f"{name} = {name}, session 1 of 1, 2×2×2 mm, 3D" for name in ("t1", "flair")}
TEXTS = [*PROGRAMS, *FEEDBACK, QUESTION, *WORDS.values(), "segment the left thalamus"] * 3


def tiny_tokenizer() -> Tokenizer:
    return Tokenizer.train(TEXTS, 400)


def tiny_model(tokenizer: Tokenizer, seed: int = 0, **changes: object) -> VoxelPrompt:
    torch.manual_seed(seed)
    config = VoxelPromptConfig.preset("tiny", vocabulary=tokenizer.size).model_copy(update=changes)
    return VoxelPrompt(config).eval()


def ball(geometry: Geometry = GRID, centre=(7, 9, 8), radius: float = 3.5) -> np.ndarray:
    at = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    return (np.linalg.norm(at - np.array(centre), axis=-1) <= radius).astype(np.float32)


def scans(geometry: Geometry = GRID, seed: int = 1) -> tuple[Scan, ...]:
    rng = np.random.default_rng(seed)
    truth = ball(geometry)
    made = []
    for name, contrast in (("t1", -0.2), ("flair", 0.3)):
        data = 0.5 + contrast * truth + rng.normal(0, 0.05, geometry.shape)
        made.append(Scan(name, WORDS[name], geometry, torch.from_numpy(data.clip(0, 1)).float()))
    return tuple(made)


def conversation(**changes: object) -> Conversation:
    steps = tuple(Exchange(p, f) for p, f in zip(PROGRAMS, FEEDBACK, strict=True))
    values = {"question": QUESTION, "scans": scans(), "steps": steps, "masks": (torch.from_numpy(ball()),)}
    return Conversation(**{**values, **changes})
