"""Use the installed wheel in its clean environment: no torch, no checkout on the path."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

LIMIT_MB = 60


def main(folder: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    size = wheel.stat().st_size / 1e6
    assert size < LIMIT_MB, f"the wheel has {size:.1f} MB"
    binary = folder / "venv" / "bin" / "sagittal"
    write_ball(folder / "ball.nii.gz")
    out = subprocess.run(
        [binary, "describe", folder / "ball.nii.gz", "--labels", "binary", "--json"],
        check=True, capture_output=True, text=True, cwd=folder,
    ).stdout  # fmt: skip
    volume = json.loads(out)["labels"]["object"]["volume_ml"]
    assert abs(volume - 4.2) < 0.1, volume
    probe = "import importlib.util as u; assert u.find_spec('torch') is None"
    subprocess.run([folder / "venv" / "bin" / "python", "-c", probe], check=True, cwd=folder)
    subprocess.run([binary, "doctor"], check=True, capture_output=True, cwd=folder)
    print(f"wheel: {size:.2f} MB, installs and describes without torch")


def write_ball(path: Path) -> None:
    """A ball of 10 mm radius as NIfTI-1, written by hand so that this script needs numpy alone."""
    import numpy as np

    grid = np.indices((31, 31, 31)) - 15
    ball = ((grid**2).sum(axis=0) <= 100).astype(np.uint8)
    header = np.zeros(352, np.uint8)
    header[0:4] = np.frombuffer(np.int32(348).tobytes(), np.uint8)
    header[40:56] = np.frombuffer(np.array([3, 31, 31, 31, 1, 1, 1, 1], np.int16).tobytes(), np.uint8)
    header[70:74] = np.frombuffer(np.array([2, 8], np.int16).tobytes(), np.uint8)
    header[76:108] = np.frombuffer(np.ones(8, np.float32).tobytes(), np.uint8)
    header[108:112] = np.frombuffer(np.float32(352).tobytes(), np.uint8)
    header[252:256] = np.frombuffer(np.array([0, 1], np.int16).tobytes(), np.uint8)
    rows = np.eye(3, 4, dtype=np.float32)
    header[280:328] = np.frombuffer(rows.tobytes(), np.uint8)
    header[344:348] = np.frombuffer(b"n+1\0", np.uint8)
    path.write_bytes(gzip.compress(header.tobytes() + ball.tobytes(order="F")))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
