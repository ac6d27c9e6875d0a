"""Run by test_train_loop with a folder and how many processes were started: a few steps on the CPU."""

import math
import sys
from dataclasses import replace

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
    loop = Loop(both, config, loss, sys.argv[1])
    assert loop.processes.num_processes == int(sys.argv[2])
    done = loop.run()
    # Where one machine's time is up, all stop at the same step.
    again = Loop(both, replace(config, steps=9), loss, f"{sys.argv[1]}-timed")
    stopped = again.run(minutes=0.0 if again.processes.process_index else math.inf)
    assert (done.step, stopped.step) == (6, 0 if int(sys.argv[2]) > 1 else 9)


main()
