"""Which runtime the vision networks should run in: eager, compiled, or OpenVINO.

    python benchmarks/runtimes.py [--model voxelprompt-small]

A question brings volumes of a size that no question had before, so that what a runtime needs to get ready
for a size counts as much as what it computes. Each runtime draws the same structure from the same four
simulated scans in a process of its own, because threads and compilers are set up once; its mask is compared
with that of eager single precision. OpenVINO is measured where it is installed (``pip install openvino``).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from report import write_report

THREADS, RUNS, SEED = 2, 3, 5
STRUCTURE = "whole tumour"
RUNTIMES = (
    "eager, float32",
    "eager, bfloat16",
    "compiled, bfloat16",
    "OpenVINO, float32",
    "OpenVINO, bfloat16",
)


def draw(name: str, model: str, out: Path) -> dict[str, Any]:
    """Seconds to get ready, seconds of the fastest run after, and the logits into a file."""
    import torch

    torch.set_num_threads(THREADS)
    network, data = prepared(model)
    begun = time.perf_counter()
    bfloat16 = name.endswith("bfloat16") and not name.startswith("OpenVINO")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        run = ready(name, network, data)
        logits = run()
        first = time.perf_counter() - begun
        times = []
        for _ in range(RUNS):
            begun = time.perf_counter()
            logits = run()
            times.append(time.perf_counter() - begun)
    np.save(out, np.asarray(logits, np.float32))
    return {"first": first, "later": min(times)}


def ready(name: str, network: Any, data: Sequence[Any]) -> Callable[[], Any]:
    """The networks in a runtime, as a function without arguments that gives logits."""
    import torch

    if name.startswith("eager"):
        return lambda: network(*data).float().numpy()
    if name.startswith("compiled"):
        compiled = torch.compile(network)
        return lambda: compiled(*data).float().numpy()
    import openvino

    precision = "bf16" if name.endswith("bfloat16") else "f32"
    made = openvino.compile_model(
        openvino.convert_model(network, example_input=tuple(data), input=[tuple(x.shape) for x in data]),
        "CPU",
        {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": THREADS},
    )
    given = [x.numpy() for x in data]
    return lambda: made(given)[0]


def prepared(name: str) -> tuple[Any, list[Any]]:
    """The vision networks as one function of a question's volumes, with the φ that the words gave it."""
    from torch import Tensor, nn

    from sagittal.asking.case import open_case
    from sagittal.asking.consultation import consult
    from sagittal.asking.models import offers
    from sagittal.simulate import HeadSet, preset, simulate

    offer = offers(name)[0]
    answerer: Any = offer.load()
    encoder, generator = answerer.model.encoder, answerer.model.generator
    seen: dict[str, Any] = {}
    hook = encoder.register_forward_pre_hook(
        lambda _, given: seen.update(zip(("scans", "grids", "kinds"), given, strict=True))
    )
    agreed = generator.agreed

    def spy(encoded: Any, phi: Tensor) -> Tensor:
        seen["phi"] = phi
        return agreed(encoded, phi)

    generator.agreed = spy
    config = preset("gli").model_copy(update={"shape": (240, 240, 155), "spacing": (1.0, 1.0, 1.0)})
    [made] = simulate(config, HeadSet.phantoms(1, 1.0), [0], SEED)
    study = replace(made.study, masks=())
    consult(open_case(study, model=replace(offer, load=lambda: answerer)), f"Segment the {STRUCTURE}.")
    hook.remove()
    generator.agreed = agreed
    seen = {k: v.float() if isinstance(v, Tensor) else v for k, v in seen.items()}

    class Eyes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.generator = encoder, generator

        def forward(self, *scans: Tensor) -> Tensor:
            encoding = self.encoder(scans, seen["grids"], seen["kinds"])
            return agreed(self.generator.prepare(encoding), seen["phi"])[0, 0]

    return Eyes().eval(), list(seen["scans"])


def in_own_process(name: str, model: str, out: Path) -> dict[str, Any] | str:
    """The figures of a runtime, or why there are none."""
    if name.startswith("OpenVINO") and importlib.util.find_spec("openvino") is None:
        return "not installed"
    command = [sys.executable, __file__, "--model", model, "--runtime", name, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return "failed: " + done.stderr.strip().splitlines()[-1][:120]
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="voxelprompt-small")
    parser.add_argument("--runtime", choices=RUNTIMES, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.runtime:
        print(json.dumps(draw(given.runtime, given.model, given.out)))
        return
    rows = [
        "| runtime | first mask s | every later one s | largest difference of a logit | Dice with float32 |",
        "| --- | --- | --- | --- | --- |",
    ]
    with TemporaryDirectory() as folder:
        exact = None
        for number, name in enumerate(RUNTIMES):
            out = Path(folder) / f"{number}.npy"
            found = in_own_process(name, given.model, out)
            if isinstance(found, str):
                rows.append(f"| {name} | {found} | | | |")
                continue
            logits = np.load(out)
            exact = logits if exact is None else exact
            same, other = logits > 0, exact > 0
            dice = 2 * (same & other).sum() / max(1, same.sum() + other.sum())
            apart = np.abs(logits - exact).max()
            rows.append(
                f"| {name} | {found['first']:.1f} | {found['later']:.2f} | {apart:.3g} | {dice:.4f} |"
            )
    rows += [
        "",
        f"“{STRUCTURE}” from four simulated scans of 240 × 240 × 155 voxels of 1 mm (seed {SEED}), prepared: "
        f"encoder, the generator's share that no φ changes, and one mask; {THREADS} threads. *First*: with "
        f"what the runtime needs to get ready for volumes of this size; *later*: fastest of {RUNS} of the "
        "same size. A question brings volumes of a new size, and draws one to three masks of it.",
    ]
    write_report(
        "runtimes",
        "Runtimes of the vision networks",
        "python benchmarks/runtimes.py",
        rows,
        ("torch", "openvino"),
    )


if __name__ == "__main__":
    main()
