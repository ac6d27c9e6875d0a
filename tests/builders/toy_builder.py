"""A builder small enough to test the engine with: one text file a study, two examples each."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sagittal.builders.engine import run
from sagittal.errors import InputError, MissingExtraError
from sagittal.example import Example, ImagePart, ImageRef, Message, TextPart
from sagittal.splits import split_of


class Strict(BaseModel):
    number: int


@dataclass(frozen=True)
class ToyBuilder:
    root: Path
    seed: int = 0
    delay: float = 0.0
    pid_folder: Path | None = None
    kind: str = "toy"
    libraries: tuple[str, ...] = ("numpy",)

    def config(self) -> dict[str, Any]:
        return {"words": ("round", "oval")}

    def name(self, case: str) -> str:
        return case

    def files(self, case: str) -> Mapping[str, Path]:
        return {f"{case}.txt": self.root / f"{case}.txt"}

    def build(self, case: str, hashes: Mapping[str, str]) -> list[Example]:
        if self.pid_folder is not None:
            (self.pid_folder / str(os.getpid())).touch()
        time.sleep(self.delay)
        text = (self.root / f"{case}.txt").read_text()
        if text == "input error":
            raise InputError("The text is bad.", expected="good", got=text, remedy="mend it")
        if text == "extra":
            raise MissingExtraError("Reading this", "dicom")
        if text == "validation":
            Strict(number="x")  # type: ignore[arg-type]
        if text == "zero":
            1 / 0  # noqa: B018
        if text == "die":
            os._exit(7)
        if text == "threads":
            text = ",".join(f"{k}={os.environ.get(k)}" for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))
        patient = case.split("-")[0]
        image = ImageRef(path=f"{case}.txt", sha256=hashes[f"{case}.txt"], kind="photo")
        return [
            Example(
                id=f"{case}/{n}",
                patient=patient,
                study=case,
                images=(image,),
                source="toy",
                licence="none",
                split=split_of(patient),
                task=f"task {n}",
                messages=(
                    Message(role="user", parts=(ImagePart(image=0), TextPart(text=f"{text}? {self.seed} ü"))),
                    Message(role="assistant", parts=(TextPart(text=f"{text}, {n}."),)),
                ),
            )
            for n in range(2)
        ]


def make_cases(root: Path, count: int) -> list[str]:
    root.mkdir(parents=True, exist_ok=True)
    names = [f"p{n // 2}-s{n:03d}" for n in range(count)]
    for name in names:
        (root / f"{name}.txt").write_text(f"text of {name}")
    return names


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


if __name__ == "__main__":
    input_root, output, pids = map(Path, sys.argv[1:4])
    cases = sorted(p.stem for p in input_root.glob("*.txt"))
    run(ToyBuilder(input_root, delay=0.05, pid_folder=pids), cases, output, workers=2, studies_per_shard=3)
