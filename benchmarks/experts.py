"""Two experts of which each token meets one, against the single-expert model: time and activations.

    python benchmarks/experts.py [--layers 2] [--tokens 640] [--repeats 5]

LLaMA-7B's widths with some of its layers, random, in bfloat16: 576 tokens of an image and a question. Times
alternate between the two models; activations are what autograd keeps for the backward pass.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy

import torch
from activations import kept
from report import write_report
from torch import nn

from sagittal.models.medplib.presets import llama_7b
from sagittal.models.vlm.experts import with_experts
from sagittal.models.vlm.language import make_language
from sagittal.nn.expert_feed_forward import ExpertsConfig

THREADS, SEED = 2, 7
ROUTED = {
    "capacity 1.5, as published": ExpertsConfig(),
    "capacity 2, nothing dropped": ExpertsConfig(capacity=2.0),
}


def main() -> None:
    """Time, count, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=640)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    config = {**llama_7b(), "num_hidden_layers": given.layers, "vocab_size": 64}
    single = make_language(config).to(torch.bfloat16)
    embeddings = torch.randn(1, given.tokens, 4_096, dtype=torch.bfloat16)
    models: dict[str, nn.Module] = {"single expert": single}
    for name, own in ROUTED.items():
        models[name] = with_experts(deepcopy(single), own).to(torch.bfloat16)
    seconds = timed(models, embeddings, given.repeats)
    memory = {name: kept(model, lambda model=model: run(model, embeddings)) for name, model in models.items()}
    write_report(
        "experts", "Experts in the feed-forward: the cost of one",
        f"python benchmarks/experts.py --layers {given.layers} --tokens {given.tokens}",
        page(seconds, memory, given), ("torch", "transformers"),
    )  # fmt: skip


def run(model: nn.Module, embeddings: torch.Tensor) -> torch.Tensor:
    """States of a decoder."""
    found: torch.Tensor = model.get_decoder()(inputs_embeds=embeddings, use_cache=False).last_hidden_state
    return found


def timed(models: dict[str, nn.Module], embeddings: torch.Tensor, repeats: int) -> dict[str, float]:
    """Least seconds of a forward without gradients, the models taking turns."""
    found = dict.fromkeys(models, float("inf"))
    with torch.inference_mode():
        for turn in range(repeats + 1):
            for name, model in models.items():
                begun = time.perf_counter()
                run(model, embeddings)
                if turn:
                    found[name] = min(found[name], time.perf_counter() - begun)
    return found


def page(seconds: dict[str, float], memory: dict[str, float], given: argparse.Namespace) -> list[str]:
    """The table."""
    base_time, base_memory = seconds["single expert"], memory["single expert"]
    lines = [
        f"LLaMA-7B's widths, {given.layers} layers, {given.tokens} tokens, bfloat16, {THREADS} threads; two "
        "experts, top-1, untrained routers. Wanted: at most 1.25 of the time and 1.1 of the activations.",
        "",
        "| model | forward, s | of the single expert's | activations kept, GiB | of the single expert's |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in seconds:
        lines.append(
            f"| {name} | {seconds[name]:.2f} | {seconds[name] / base_time:.2f} | {memory[name]:.3f} "
            f"| {memory[name] / base_memory:.2f} |"
        )
    return lines


if __name__ == "__main__":
    main()
