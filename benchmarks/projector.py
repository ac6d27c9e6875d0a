"""How soon a language model has read four modalities: mixed into 256 tokens, or one after another.

    python benchmarks/projector.py [--layers 8] [--repeats 3]

Widths are those of mpLLM's paper configuration (Phi-3-mini behind a 3D ViT 768 wide, 16 blocks); the language
model is cut to some layers and random, since only time is measured. What is timed begins with the encoder's
tokens and ends with the logits of the first answer token: the question is read, its last state routes, the
images are mixed, and their embeddings continue the same cache. The baseline reads the question and the
4 × 256 tokens of a shared linear map.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from report import write_report
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from sagittal.models.decoding import GrowingContext
from sagittal.nn.projector import HierarchicalProjector
from sagittal.nn.shared_projector import SharedProjector

THREADS, SEED = 2, 7
MODALITIES, TOKENS, QUESTION = 4, 256, 64
SEEN, WIDTH, FEED_FORWARD, HEADS, VOCABULARY = 768, 3072, 8192, 32, 32_064


def main() -> None:
    """Time both, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    language = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=FEED_FORWARD,
            num_hidden_layers=given.layers, num_attention_heads=HEADS, num_key_value_heads=HEADS,
        )
    ).eval()  # fmt: skip
    projectors = {
        "mixture of experts": HierarchicalProjector(MODALITIES, SEEN, WIDTH, WIDTH),
        "concatenation": SharedProjector(MODALITIES, SEEN, WIDTH, "concatenation"),
    }
    images = torch.randn(1, MODALITIES, TOKENS, SEEN), torch.randn(1, MODALITIES, SEEN)
    question = torch.randint(VOCABULARY, (1, QUESTION))
    found = {}
    for name, projector in projectors.items():
        read = reader(language, projector, images, question)
        times, length = timed(read, given.repeats)
        alone, _ = timed(lambda p=projector: p(*images, torch.zeros(1, WIDTH)), given.repeats)
        found[name] = (min(times), min(alone), length)
    write_report(
        "projector_speed", "mpLLM's projector", f"python benchmarks/projector.py --layers {given.layers}",
        page(found, given), ("torch", "transformers"),
    )  # fmt: skip


def reader(
    language: LlamaForCausalLM,
    projector: torch.nn.Module,
    images: tuple[Tensor, Tensor],
    question: Tensor,
) -> Callable[[], int]:
    """Reads the question, then the images; gives how many positions the language model ran over."""

    def read() -> int:
        context = GrowingContext(language)
        context.append_tokens(question)
        made = projector(*images, context.last_state)
        context.append_embeddings(made.embeddings, made.real)
        context.next_logits.argmax()
        return context.computed

    return read


@torch.inference_mode()
def timed(run: Callable[[], object], repeats: int) -> tuple[list[float], object]:
    """Seconds of each repeat, after one that warms up, and what the last one gave."""
    times, given = [], run()
    for _ in range(repeats):
        begun = time.perf_counter()
        given = run()
        times.append(time.perf_counter() - begun)
    return times, given


def page(found: dict[str, tuple[float, float, object]], given: argparse.Namespace) -> list[str]:
    """Markdown."""
    rows = [
        f"| {name} | {whole:.2f} | {alone:.2f} | {length} |" for name, (whole, alone, length) in found.items()
    ]
    ratio = found["concatenation"][0] / found["mixture of experts"][0]
    return [
        f"{MODALITIES} modalities of {TOKENS} tokens, a question of {QUESTION}; a language model of "
        f"Phi-3-mini's widths with {given.layers} layers of its 32, random, single precision, {THREADS} "
        f"threads; seed {SEED}. Fastest of {given.repeats} after one that warms up; the encoder is left out.",
        "",
        "| projector | s to the first answer token | of these the projector alone | positions |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        f"The mixture is {ratio:.1f} times as fast.",
    ]


if __name__ == "__main__":
    main()
