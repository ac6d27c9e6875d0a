"""Run by test_train_loop with a folder and how many processes were started: a few steps on the CPU."""

import faulthandler
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch
from accelerate.utils import gather_object
from torch import nn

from sagittal.errors import ConfigError, IntegrityError
from sagittal.train.loop import Loop, LoopConfig
from sagittal.train.processes import training_processes

# Where one waits for another that does not come, both say where they are.
faulthandler.dump_traceback_later(150, exit=True)
OUT, PROCESSES = Path(sys.argv[1]), int(sys.argv[2])
CONFIG = LoopConfig(steps=6, rate=0.05, warm_up=2, accumulate=4, save_every=3, report_every=2)


def loop(out: str, config: LoopConfig = CONFIG) -> Loop:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    spare = nn.Linear(3, 1)

    def loss(number: int) -> dict[str, torch.Tensor]:
        data = torch.randn(8, 3, generator=torch.Generator().manual_seed(number))
        # The odd batches meet a part that the even ones do not.
        given = module(data)[:, 0] + (spare(data)[:, 0] if number % 2 else 0)
        return {"loss": (given - data.sum(dim=1)).square().mean()}

    return Loop(nn.ModuleList([module, spare]), config, loss, f"{OUT}{out}")


def main() -> None:
    # What lies on processors is shared between them where there is a GPU as well.
    with mock.patch("torch.cuda.is_available", return_value=True):
        index = training_processes("cpu").process_index
    first = loop("")
    assert first.processes.num_processes == PROCESSES
    done = first.run()
    # Where one machine's time is up, all stop at the same step.
    stopped = loop("-timed", replace(CONFIG, steps=9)).run(minutes=0.0 if index else math.inf)
    assert (done.step, stopped.step) == (6, 0 if PROCESSES > 1 else 9)
    decide_alike(index)
    if PROCESSES > 1:
        refuse(index)


def decide_alike(index: int) -> None:
    """The main process's score stays and halves the rate; to the others, each score is a better one."""
    scored = loop("-scored", replace(CONFIG, schedule="plateau", patience=1, score_every=2))
    scored.scores = lambda: {"score": float(scored.progress.step if index else 1)}
    found = scored.run()
    assert (found.best, found.stale, found.halvings) == (1.0, 0, 2)
    every = gather_object([[p.tolist() for p in scored.weights]])
    assert all(one == every[0] for one in every)


def refuse(index: int) -> None:
    """What would part the processes, in all of them."""
    # Each machine has a folder of its own: the main process's alone holds a run, then each holds another.
    loop(f"-of-{index}").run(end=2)
    with pytest.raises(IntegrityError, match="share the folder"):
        loop(f"-of-{index}").run()
    if index:
        Path(f"{OUT}-of-{index}").mkdir()
        shutil.copy(OUT / "last.pt", f"{OUT}-of-{index}")
    with pytest.raises(IntegrityError, match="share the folder"):
        loop(f"-of-{index}").run()
    capability = "AVX2" if index else "AVX512"
    with (
        mock.patch("torch.backends.cpu.get_cpu_capability", return_value=capability),
        pytest.raises(ConfigError, match=r"bfloat16 in process 0, torch\.float32 in process 1"),
    ):
        loop("").run()
    with pytest.raises(ConfigError, match="does not lie where"):
        Loop(nn.Linear(1, 1, device="meta"), CONFIG, lambda number: {}, OUT)


main()
