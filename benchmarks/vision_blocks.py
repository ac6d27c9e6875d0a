"""What the vision network costs: encode a study, prepare it, segment one structure.

Run: python benchmarks/vision_blocks.py

Each setting runs in a process of its own, because the environment must be set before torch starts.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from report import write_report

SHAPE = (96, 112, 96)
CHANNELS = (16, 32, 32, 32)
THREADS = 2
RUNS = 5
# Read by torch's allocator and by its threads when they start. Waiting passively gives the core away, so
# that another busy process costs its share and no more; huge pages make large arrays cheap to allocate.
TUNED = {"THP_MEM_ALLOC_ENABLE": "1", "OMP_WAIT_POLICY": "passive"}
# (name, autocast to bfloat16, environment)
SETTINGS = [("float32", False, {}), ("bfloat16", True, {}), ("bfloat16, tuned", True, TUNED)]


def measure(bfloat16: bool, volumes: int) -> dict[str, float]:
    """Fastest of a few runs of each stage, in seconds, and the process's peak memory in GB."""
    import torch

    from sagittal.geometry import Geometry
    from sagittal.nn.grids import StreamGrids
    from sagittal.nn.stream_unet import StreamUNetConfig, VolumeEncoder, VolumeGenerator

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = StreamUNetConfig(channels=CHANNELS)
    encoder, generator = VolumeEncoder(config, 256).eval(), VolumeGenerator(config).eval()
    grids = StreamGrids.of([Geometry(SHAPE, np.diag([2, 2, 2, 1]))] * volumes, config.levels)
    scans = [torch.rand(1, *SHAPE) for _ in range(volumes)]
    phi = torch.randn(1, volumes, config.phi_channels)
    prompt = torch.randn(1, 1, volumes, config.phi_channels)

    def best(stage: Callable[[], Any], runs: int = RUNS) -> tuple[float, Any]:
        stage()
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            made = stage()
            times.append(time.perf_counter() - start)
        return min(times), made

    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        encode, encoding = best(lambda: encoder(scans, grids, phi))
        prepare, prepared = best(lambda: generator.prepare(encoding))
        one, _ = best(lambda: generator(prepared, prompt, [0]))
        every, _ = best(lambda: generator(prepared, prompt))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            made = generator(generator.prepare(encoder(scans, grids, phi)), prompt)
            loss = sum(x.float().square().mean() for x in made)
        loss.backward()

    seconds, _ = best(step, 2)
    return {"encode": encode, "prepare": prepare, "one": one, "every": every, "peak": peak, "step": seconds}


def in_own_process(bfloat16: bool, extra: dict[str, str], volumes: int) -> dict[str, float]:
    environment = {k: v for k, v in os.environ.items() if k not in TUNED} | extra
    done = subprocess.run(
        [sys.executable, __file__, str(int(bfloat16)), str(volumes)],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def main() -> None:
    busy = os.getloadavg()[0]
    size = "×".join(map(str, SHAPE))
    rows = [
        "| volumes | setting | encode s | prepare s | one mask s | all masks s | peak GB | training step s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for volumes in (1, 4):
        for name, bfloat16, extra in SETTINGS:
            found = in_own_process(bfloat16, extra, volumes)
            cells = [f"{found[k]:.3f}" for k in ("encode", "prepare", "one", "every")]
            tail = f"{found['peak']:.2f} | {found['step']:.2f}"
            rows.append(f"| {volumes} | {name} | {' | '.join(cells)} | {tail} |")
    rows += [
        "",
        f"Volumes of {size}, channels {CHANNELS}, attention 32, {THREADS} threads, fastest of {RUNS} after "
        "one warm-up; memory is channels-last throughout. *Prepare* is the generator's share that no φ "
        "changes: once an encoding. *One mask* is what a structure costs after that, on one volume's grid; "
        "*all masks*: one for each volume. *Peak* is the process's memory in inference. *Training step*: "
        "encode, prepare, one structure on every volume, and the backward pass (faster of two). *Tuned*: "
        f"{' '.join(f'`{k}={v}`' for k, v in TUNED.items())} in the environment before torch starts.",
        "",
        f"Other work on the machine: load average {busy:.1f} before, {os.getloadavg()[0]:.1f} at the end, of "
        f"which {THREADS} are this benchmark's own; above that the figures are too high.",
    ]
    write_report(
        "vision_blocks", "The vision blocks", "python benchmarks/vision_blocks.py", rows, ("torch", "numpy")
    )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1] == "1", int(sys.argv[2]))))
    else:
        main()
