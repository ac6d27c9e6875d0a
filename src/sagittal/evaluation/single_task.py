"""Single-task networks on test cases: masks and classes, a JSON file a case, resumed where a run was cut off.

Masks go through :func:`~sagittal.evaluation.runs.run_cases`. Words (§5.3) have runs of their own,
``OUT/cases/TASK-CASE.json``, for any answerer.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sagittal.asking.case import open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Offer
from sagittal.builders.voxel.characterised import (
    CHARACTERISATIONS,
    Characterisation,
    Characterised,
    characterised,
)
from sagittal.evaluation.frozen_world import Place
from sagittal.evaluation.runs import LIBRARIES, Progress, Run, file_name, run_cases, settle
from sagittal.files import sha256_file, storage_errors, versions, write_json
from sagittal.models.checkpoint import WEIGHTS
from sagittal.models.voxelprompt.single_task import open_characteriser, open_target_eyes
from sagittal.runtime import Runtime
from sagittal.score.cases import Case
from sagittal.simulate import SimulatedStudy
from sagittal.study import Image, Mask, Study
from sagittal.train.single_task import TARGETS

#: From a task and one of its cases to an answer in words.
Answer = Callable[[Characterisation, Characterised], str]


@dataclass(frozen=True)
class Named:
    """One case of a characterisation, answered.

    Attributes:
        case: of :class:`~sagittal.builders.voxel.characterised.Characterised`.
        task: name of the characterisation.
        truth: the true class.
        text: what was answered.
        word: the class that it names; ``None`` where it names none.
        seconds: that the answer took.
    """

    case: str
    task: str
    truth: str
    text: str
    word: str | None
    seconds: float


def network_folder(networks: str | Path, task: str) -> Path:
    """Where the recipe leaves the network of a task."""
    return Path(networks) / re.sub(r"\W+", "_", task) / "model"


# -- masks ----------------------------------------------------------------------------------------


def target_cases(cases: Iterable[Case], targets: Sequence[str] = TARGETS) -> Iterator[Case]:
    """Cases in which a target is, and only what is there of the targets."""
    for case in cases:
        truth = {name: case.truth[name] for name in targets if name in case.truth}
        there = {name: mask for name, mask in truth.items() if mask.data.any()}
        if there:
            yield replace(case, truth=there)


def run_targets(
    networks: str | Path,
    cases: Iterable[Case],
    out: str | Path,
    on: str,
    *,
    targets: Sequence[str] = TARGETS,
    runtime: Runtime | None = None,
    progress: Progress | None = None,
) -> Run:
    """Draw each target with its own network, and score it.

    Args:
        networks: the recipe's folder.
        cases: from :func:`target_cases`.
        out: folder of the run.
        on: what the cases are, for the manifest (a world's hash, "final").
        targets: those whose networks are asked.
        runtime: device and precision.
        progress: told of each case.

    Raises:
        StorageError: a network is missing.
        IntegrityError: the folder holds another run.
    """
    folders = {name: network_folder(networks, name) for name in targets}
    eyes = {name: open_target_eyes(folder, runtime) for name, folder in folders.items()}

    def vision(images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        return {name: eyes[name](images, [name])[name] for name in structures}

    what = {"method": "single-task", "sha256": _hashes(folders), "on": on}
    return run_cases(vision, cases, out, what, structures=targets, progress=progress)


# -- words ----------------------------------------------------------------------------------------


def word_cases(
    studies: Iterable[tuple[Place, SimulatedStudy]],
    tasks: Sequence[Characterisation] = CHARACTERISATIONS,
) -> Iterator[tuple[Characterisation, Characterised]]:
    """The cases of the characterisations in a world.

    Args:
        studies: from :func:`~sagittal.evaluation.frozen_world.frozen_world`.
        tasks: which.
    """
    for place, made in studies:
        for task in tasks:
            yield from ((task, case) for case in characterised(task, place.name, made))


def run_words(
    answer: Answer,
    cases: Iterable[tuple[Characterisation, Characterised]],
    out: str | Path,
    what: Mapping[str, Any],
    *,
    progress: Callable[[Named], None] | None = None,
) -> list[Named]:
    """Let someone answer in words; cases that are on disk already are not asked again.

    Args:
        answer: :func:`asked`, or :func:`characterisers`.
        cases: from :func:`word_cases`.
        out: folder of the run.
        what: which model (with a hash) and which cases: a folder holds one run.
        progress: told of each case that is answered.

    Raises:
        IntegrityError: the folder holds another run.
        StorageError: it cannot be written.
    """
    out = Path(out)
    settle(
        out / "manifest.json",
        {"schema": "sagittal.characterisation/1", **what, "versions": versions(*LIBRARIES)},
    )
    found = []
    for task, case in cases:
        path = out / "cases" / f"{file_name(f'{task.name}-{case.name}')}.json"
        if not path.exists():
            begun = time.perf_counter()
            text = answer(task, case)
            seconds = time.perf_counter() - begun
            made = Named(case.name, task.name, case.truth, text, task.read(text), seconds)
            write_json(path, asdict(made))
            if progress is not None:
                progress(made)
        with storage_errors(path):
            found.append(Named(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def characterisers(
    networks: str | Path,
    tasks: Sequence[Characterisation] = CHARACTERISATIONS,
    runtime: Runtime | None = None,
) -> tuple[Answer, dict[str, Any]]:
    """The trained classifiers as an answerer, and what identifies them.

    Raises:
        StorageError: a network is missing.
    """
    folders = {task.name: network_folder(networks, task.name) for task in tasks}
    named = {name: open_characteriser(folder, runtime) for name, folder in folders.items()}
    return lambda task, case: named[task.name](case.images), {
        "method": "single-task", "sha256": _hashes(folders)
    }  # fmt: skip


def asked(offer: Offer) -> Answer:
    """A model that is asked in words, through the whole path that a user takes; "" where it abstains.

    Args:
        offer: the model.
    """
    loaded = offer.load()
    model = replace(offer, load=lambda: loaded)

    def answer(_: Characterisation, case: Characterised) -> str:
        study = Study("case", "case", case.images)
        if offer.card.accepts.why_not(study) is not None:
            return ""
        made = consult(open_case(study, model=model), case.question).answer
        return "" if made.abstained else made.text

    return answer


def _hashes(folders: Mapping[str, Path]) -> dict[str, str]:
    return {name: sha256_file(folder / WEIGHTS) for name, folder in folders.items()}
