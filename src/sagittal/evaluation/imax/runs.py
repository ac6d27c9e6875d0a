"""One run of IMAX's comparison: train an arm, put the test's questions to it, keep what it answers.

``WORK/CONNECTOR-SEED-ARM/answers.jsonl``; a run that is there is not made again, one that was cut off goes
on. ``WORK/sets-SEED`` holds the films that a seed draws; what the frozen encoder sees is shared by all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from sagittal.builders.chest_tasks import build_chest_tasks
from sagittal.builders.shards import read_examples
from sagittal.evaluation.imax.variants import (
    CONNECTORS,
    EPOCHS,
    LONGER_EPOCHS,
    SEEDS,
    TEST_FILMS,
    Arm,
    Pool,
    Stage,
    loop_of,
)
from sagittal.evaluation.mpllm.runs import digest
from sagittal.evaluation.runs import settle
from sagittal.example import Example
from sagittal.files import sha256_json, versions, write_text
from sagittal.io.films.sources import open_source
from sagittal.models.vlm.model import VLM
from sagittal.score.chest_tasks import Answered
from sagittal.train.film_answers import put
from sagittal.train.film_stream import FilmStream
from sagittal.train.imax_stage import BATCH, Ground, begun, ended, only_training, run_stage, stream_of
from sagittal.train.pseudo_labels import PseudoLabels, read_pseudo

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the runs on one pool stand on.

    Attributes:
        pool: which.
        ground: encoder, language model, words; its ``pictures`` hold a folder a collection.
        statements: folder of what is known of the pool's films.
        collections: of the films.
        work: folder of the pool's runs.
    """

    pool: Pool
    ground: Ground
    statements: Path
    collections: tuple[str, ...]
    work: Path

    def sets(self, seed: int) -> Path:
        """The sets that a seed draws; made where they are not there."""
        out = self.work / f"sets-{seed}"
        pictures = {name: self.ground.pictures / name for name in self.collections}
        return sets_of(self.statements, pictures, out, seed)

    def examples(self, seed: int, arm: Arm | Stage) -> list[Example]:
        """What an arm learns from by itself."""
        return only_training(read_examples(self.sets(seed) / ("imax" if arm == "imax" else "dmax")))

    @cached_property
    def test(self) -> tuple[Example, ...]:
        """The test's questions: about so many films of the first seed's set.

        Test patients are the same for all seeds, for they are held out by their names.
        """
        by_film: dict[str, list[Example]] = defaultdict(list)
        for one in read_examples(self.sets(SEEDS[0]) / "test"):
            by_film[one.study].append(one)
        return tuple(one for film in sorted(by_film)[: TEST_FILMS[self.pool]] for one in by_film[film])

    @cached_property
    def made_of(self) -> dict[str, str]:
        """Hashes of what every run depends on."""
        return {
            "test": sha256_json([one.to_json() for one in self.test]),
            "encoder": digest(dict(self.ground.encoder)),
            "decoder": digest(dict(self.ground.decoder)),
        }

    def model(self, connector: str, seed: int) -> VLM:
        """A model before it learns."""
        torch.manual_seed(seed)
        return begun(self.ground, CONNECTORS[connector].config(self.ground.chat.size))

    def stream(self, model: VLM, examples: Sequence[Example], seed: int) -> FilmStream:
        """Examples as batches."""
        return stream_of(model, self.ground, examples, seed)


def sets_of(
    statements: Path, pictures: Mapping[str, Path], out: Path, seed: int, *, everything: bool = False
) -> Path:
    """The sets of a pool, made where they are not there; arguments as of ``build_chest_tasks``."""
    if not (out / "chosen.json").exists():
        source = open_source("statements", statements)
        build_chest_tasks([source], out, pictures=pictures, everything=everything, seed=seed)
    return out


def answers_of(on: Comparison, connector: str, arm: Arm, seed: int, say: Say) -> list[Answered]:
    """What a trained arm answers to the test's questions.

    Raises:
        IntegrityError: the folder holds another run.
    """
    folder = on.work / f"{connector}-{seed}-{arm}"
    settle(folder / "manifest.json", _manifest(on, connector, arm, seed))
    path = folder / "answers.jsonl"
    if not path.exists():
        model = trained(on, connector, arm, seed, say).eval()
        answers = put(model, on.stream(model, on.test, seed))
        lines = (json.dumps(asdict(one), sort_keys=True) for one in answers)
        write_text(path, "".join(f"{line}\n" for line in lines))
    return list(_read(path))


def trained(on: Comparison, connector: str, arm: Arm, seed: int, say: Say) -> VLM:
    """An arm's model at its end; trained where it was not."""
    folder = on.work / f"{connector}-{seed}-{arm}"
    own = on.examples(seed, arm)
    model = on.model(connector, seed)
    if arm != "pseudo":
        return _stage(on, model, arm, own, folder, seed, say)
    # DMAX → pseudo-labels → both together → DMAX again (Figure 4).
    first = trained(on, connector, "dmax", seed, say).eval()
    PseudoLabels(first, on.stream(first, own, seed), own, seed).write(folder / "labels", say)
    both = only_training([*own, *read_pseudo(folder / "labels")])
    model = _stage(on, model, "pretrain", both, folder / "pretrain", seed, say)
    return _stage(on, model, "finetune", own, folder / "finetune", seed, say)


def _stage(
    on: Comparison, model: VLM, stage: Stage, examples: Sequence[Example], folder: Path, seed: int, say: Say
) -> VLM:
    config = loop_of(stage, len(examples), on.pool)
    held = on.stream(model, on.test, seed)
    run_stage(model, on.stream(model, examples, seed), held, config, folder, say=say)
    return ended(model, folder, config)


def _manifest(on: Comparison, connector: str, arm: Arm, seed: int) -> dict[str, Any]:
    epochs = {**EPOCHS, "longer": LONGER_EPOCHS[on.pool]} if arm == "longer" else dict(EPOCHS)
    return {
        "schema": "sagittal.imax-run/1", "pool": on.pool, "connector": connector, "arm": arm, "seed": seed,
        "config": CONNECTORS[connector].config(on.ground.chat.size).model_dump(mode="json"),
        "epochs": epochs, "batch": BATCH, "loop": asdict(loop_of("dmax", BATCH)), **on.made_of,
        "films": sha256_json([one.id for one in on.examples(seed, arm)]),
        "versions": versions("torch", "transformers", "numpy"),
    }  # fmt: skip


def _read(path: Path) -> Iterator[Answered]:
    for line in path.read_text("utf-8").splitlines():
        value = json.loads(line)
        yield Answered(**{**value, "conditions": tuple(value["conditions"])})
