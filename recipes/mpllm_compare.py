"""The runs behind ``sagittal reproduce mpllm``, one after another; two processes may share them.

    python recipes/mpllm_compare.py --model mpllm-small --work runs/reproduce/mpllm --part 0/2
    python recipes/mpllm_compare.py --model mpllm-small --work runs/reproduce/mpllm --part 1/2

Each run takes up to ten minutes on one core; what is there is not run again. Before ``mpllm-small`` is
trained, ``--encoder runs/mpllm`` takes the frozen encoder of the recipe instead: it is the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sagittal.evaluation.mpllm.runs import Ground, ground_of, run_variant
from sagittal.evaluation.mpllm.variants import all_runs
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.decoder import load_decoder
from sagittal.models.vlm.model import VLM
from sagittal.runtime import keep_memory
from sagittal.train.loop import use_mean
from sagittal.train.mpllm import rounded
from sagittal.train.voxel_labels import VoxelLabels
from sagittal.weights import find_checkpoint


def main() -> None:
    """The runs of one part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mpllm-small", help="gives the frozen encoder")
    parser.add_argument("--encoder", type=Path, help="folder of recipes/mpllm.py, instead of a model")
    parser.add_argument("--data", type=Path, default=Path("runs/mpllm/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/reproduce/mpllm"))
    parser.add_argument("--part", default="0/1", help="which of how many processes this is, such as 1/2")
    given = parser.parse_args()
    number, of = (int(n) for n in given.part.split("/"))
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_memory()
    ground = _recipes(given) if given.encoder else ground_of(given.model, given.data, given.work)
    for world, name, seed in all_runs()[number::of]:
        print(world, name, seed, flush=True)
        run_variant(ground, world, name, seed, say=lambda line: print(line, flush=True))


def _recipes(given: argparse.Namespace) -> Ground:
    decoder, tokenizer = load_decoder(find_checkpoint("decoder-small"))
    model = VLM(mpllm_config("small", tokenizer.size)).eval()
    use_mean(torch.load(given.encoder / "pooled" / "last.pt", weights_only=True), VoxelLabels(model.encoder))
    rounded(model.encoder)
    return Ground(
        model, decoder.state_dict(), OwnChat(tokenizer), tokenizer.size, given.data, given.work
    )  # fmt: skip


if __name__ == "__main__":
    main()
