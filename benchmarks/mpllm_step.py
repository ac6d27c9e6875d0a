"""mpLLM against concatenated images: one training step, and the small model from images to the first token.

    python benchmarks/mpllm_step.py [--layers 8] [--repeats 2]

The step: question, four modalities of 256 tokens, an answer; loss, gradients of projector and adapters (LoRA
as the paper has it), at Phi-3-mini's widths with some of its layers, random. Activations are what autograd
keeps for the backward pass, counted once a storage, parameters left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from activations import kept
from report import write_report
from torch.nn import functional

from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.config import SharedConfig, VLMConfig
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.pieces import Features, Tokens, Turn

THREADS, SEED = 2, 7
QUESTION, ANSWER = 64, 32
PROJECTORS = {"mixture of experts": None, "concatenation": SharedConfig()}


def main() -> None:
    """Time, count, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    steps = {name: step_of(name, given) for name in PROJECTORS}
    small = {name: small_of(name, given) for name in PROJECTORS}
    write_report(
        "mpllm_step", "mpLLM's training step, and the small model",
        f"python benchmarks/mpllm_step.py --layers {given.layers}", page(steps, small, given),
        ("torch", "transformers", "peft"),
    )  # fmt: skip


def changed(config: VLMConfig, name: str, **changes: object) -> VLMConfig:
    """A config with one of the projectors."""
    projector = PROJECTORS[name] or config.projector
    return VLMConfig.model_validate({**config.model_dump(), "projector": projector, **changes})


def step_of(name: str, given: argparse.Namespace) -> tuple[float, float, int]:
    """Seconds, GiB of activations, and positions of one training step."""
    paper = mpllm_config("paper")
    language = {**paper.language, "num_hidden_layers": given.layers}
    encoder = paper.encoder.model_copy(update={"layers": 0})
    model = VLM(changed(paper, name, language=language, encoder=encoder)).train()
    own = turn(model, paper.tokens)

    def step() -> int:
        out = model(own)
        loss = functional.cross_entropy(out.logits.flatten(0, 1), own.answer.ids.flatten())
        (loss + sum(h.square().mean() for h in out.heads.values())).backward()
        return out.positions

    seconds, positions = timed(step, given.repeats)
    return seconds, kept(model, lambda: model(own)), positions


def turn(model: VLM, tokens: int) -> Turn:
    """One question about four modalities, as features."""
    modalities, width = len(model.config.images), model.config.encoder.width
    features = Features(
        torch.randn(1, modalities, tokens, width), torch.randn(1, modalities, width),
        torch.ones(1, modalities, dtype=torch.bool),
    )  # fmt: skip
    pieces = [torch.randint(1_000, (1, n)) for n in (QUESTION, 1, ANSWER)]
    question, header, answer = (Tokens(ids, torch.ones_like(ids, dtype=torch.bool)) for ids in pieces)
    return Turn(question, features, header, answer)


def small_of(name: str, given: argparse.Namespace) -> tuple[float, float, int]:
    """Seconds from images to the first token, of these after the encoder, and positions."""
    model = VLM(changed(mpllm_config("small"), name, told=False)).eval()
    volumes = torch.rand(1, 4, *model.config.encoder.size)
    there = torch.ones(1, 4, dtype=torch.bool)
    own = turn(model, model.config.tokens)

    def after() -> int:
        prompt = model.prompt(own.question, own.features, own.header)
        prompt.context.next_logits.argmax()
        return prompt.context.computed

    def whole() -> int:
        model.look(volumes, there)
        return after()

    with torch.inference_mode():
        seconds, positions = timed(whole, 10 * given.repeats)
        rest, _ = timed(after, 10 * given.repeats)
    return seconds, rest, positions


def timed(run: Callable[[], int], repeats: int) -> tuple[float, int]:
    """The fastest of some repeats after one that warms up, and what the last one gave."""
    times, given = [], run()
    for _ in range(repeats):
        begun = time.perf_counter()
        given = run()
        times.append(time.perf_counter() - begun)
    return min(times), given


def page(
    steps: dict[str, tuple[float, float, int]],
    small: dict[str, tuple[float, float, int]],
    given: argparse.Namespace,
) -> list[str]:
    """Markdown."""
    ours, theirs = steps.values()
    return [
        f"A question of {QUESTION} tokens, four modalities of 256, an answer of {ANSWER}; a decoder with "
        f"Phi-3-mini’s widths, {given.layers} of 32 layers, random, LoRA r 16, single precision, "
        f"{THREADS} threads; seed {SEED}. Fastest of {given.repeats} after one that warms up. The encoder is "
        "left out: it is frozen.",
        "",
        "| projector | s a training step | activations, GiB | positions |",
        "| --- | --- | --- | --- |",
        *(f"| {name} | {s:.2f} | {gib:.2f} | {n} |" for name, (s, gib, n) in steps.items()),
        "",
        f"The mixture takes {ours[0] / theirs[0]:.2f} of the time, {ours[1] / theirs[1]:.2f} of the memory.",
        "",
        "The small model, from the prepared images to the first token:",
        "",
        "| projector | ms in all | of these after the encoder | positions |",
        "| --- | --- | --- | --- |",
        *(f"| {name} | {1e3 * s:.0f} | {1e3 * r:.0f} | {n} |" for name, (s, r, n) in small.items()),
    ]


if __name__ == "__main__":
    main()
