"""Run by test_train_loop: a few steps on the CPU, in as many processes as were started."""

import os
import sys

os.environ["ACCELERATE_USE_CPU"] = "true"

import torch
from torch import nn

from sagittal.train.loop import Loop, LoopConfig


def main() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    spare = nn.Linear(3, 1)
    both = nn.ModuleList([module, spare])

    def loss(number: int) -> dict[str, torch.Tensor]:
        data = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        # The odd batches meet a part that the even ones do not.
        given = module(data)[:, 0] + (spare(data)[:, 0] if number % 2 else 0)
        return {"loss": (given - data.sum(dim=1)).square().mean()}

    config = LoopConfig(steps=6, rate=0.05, warm_up=2, accumulate=4, save_every=3, report_every=2)
    Loop(both, config, loss, sys.argv[1]).run()


main()
