"""Every task of §4.1 asked of a model end to end, on simulated studies whose answers are known.

A question is drawn from the grammar in words that training never saw; the model writes its programs, draws
its masks and answers; its numbers and words are compared with those of the true programs over true masks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from sagittal.agent.host import Host
from sagittal.agent.loop import Outcome, converse
from sagittal.agent.standard import STANDARD
from sagittal.answer import Measurement
from sagittal.asking.models import Answerer, Offer, agent_of
from sagittal.builders.voxel.targeting import TARGETING
from sagittal.builders.voxel.truth import Truth
from sagittal.builders.voxel_tasks import (
    ALL_TASKS,
    VoxelTasksConfig,
    build_conversation,
    with_truth,
)
from sagittal.errors import InputError
from sagittal.evaluation.asked import Once
from sagittal.evaluation.frozen_world import Place
from sagittal.evaluation.programs import Asking
from sagittal.evaluation.runs import file_name, settle
from sagittal.files import storage_errors, write_json
from sagittal.language.voxel_wordings import VoxelWordings
from sagittal.measure.components import label_touching
from sagittal.models.checkpoint import Accepts
from sagittal.simulate import SimulatedStudy
from sagittal.study import Mask, Study
from sagittal.train.language_stream import reserved_wording

_SEED = 730_400
#: All images and visits are given, no task is refused, and what is not there is asked for seldom.
_CONFIG = VoxelTasksConfig(
    tasks="all", unanswerable=0, fewer_images=0, one_session=0, absent=0.1, absent_anatomy=0
)


@dataclass(frozen=True)
class Share:
    """How often a task is asked, and about studies of which worlds; any when none is named."""

    count: int
    worlds: tuple[str, ...] = ()


_OVER_TIME = ("change", "course", "series", "growth_rate", "new", "vanished")
#: Tasks whose figure is wanted with an interval; the others are asked as often as :data:`DEFAULT` says.
SHARES: Mapping[str, Share] = {
    **{task.name: Share(14, ("met", "wmh")) for task in TARGETING},
    **{task: Share(24, ("growth",)) for task in _OVER_TIME},
    "brightness": Share(24, ("lesion", "places")),
    "location": Share(30, ("places",)),
    "territory": Share(24, ("places", "lesion")),
    "diffusion": Share(20, ("restriction",)),
    "enhancement": Share(20, ("enhancement",)),
}
DEFAULT = Share(5)
#: Of a piece, the least share that must be drawn for it to be picked.
PICKED_SHARE = 0.1


def in_turn(places: Sequence[Place]) -> list[Place]:
    """Studies of all worlds in turn, so that what is asked seldom is asked about several."""
    worlds: dict[str, list[Place]] = {}
    for place in places:
        worlds.setdefault(place.world, []).append(place)
    return [place for row in zip_longest(*worlds.values()) for place in row if place is not None]


def task_questions(
    studies: Iterable[tuple[Place, SimulatedStudy]],
    shares: Mapping[str, Share] = SHARES,
    default: Share = DEFAULT,
) -> Iterator[list[Asking]]:
    """Questions about each study: of every task until it has been asked often enough; always the same.

    Args:
        studies: from :func:`sagittal.evaluation.frozen_world.frozen_world`.
        shares: of tasks, by name.
        default: of the others.
    """
    shares = {task.name: shares.get(task.name, default) for task in ALL_TASKS}
    left = {name: share.count for name, share in shares.items()}
    wordings = VoxelWordings.load()
    for place, made in studies:
        truth = Truth(made.study, made.facts)
        rng = np.random.default_rng([_SEED, place.seed, place.index])
        asked = []
        for task, share in shares.items():
            if not left[task] or (share.worlds and place.world not in share.worlds):
                continue
            question = _question(place.name, made, truth, task, wordings, rng)
            if question is not None:
                left[task] -= 1
                asked.append(question)
        yield asked


def _question(
    study: str,
    made: SimulatedStudy,
    truth: Truth,
    task: str,
    wordings: VoxelWordings,
    rng: np.random.Generator,
) -> Asking | None:
    try:
        drawn = build_conversation(
            made.study, made.facts, rng, config=_CONFIG, wordings=wordings, truth=truth, task=task
        )
    except InputError:
        # The study does not allow the task.
        return None
    text = reserved_wording(wordings, drawn.root, drawn.slots, rng)
    return Asking(study, "clean", text, with_truth(drawn, truth))


def ask_tasks(
    model: Answerer, questions: Sequence[Asking], accepts: Accepts | None = None
) -> list[dict[str, Any]]:
    """What a model answers to questions about one study, as records.

    A record: ``study``, ``task``, ``question``, ``exact`` (programs letter by letter), ``abstained``,
    ``text``, ``measured`` (name, object, unit, true and found value of each true measurement; ``None`` where
    it was not measured), ``picked`` (of targets: the true pieces meant and those drawn, by number).

    Args:
        model: that answers.
        questions: about one study.
        accepts: what its card takes, where it shall not be asked about other studies.
    """
    once = Once(model)
    records = []
    for asked in questions:
        volumes = asked.conversation.volumes
        why = accepts.why_not(Study("case", "case", tuple(volumes.values()))) if accepts else None
        if why is not None:
            found = Outcome(why, True, why, (), {}, {}, (), (), ())
        else:
            once.check(list(volumes.values()))
            planner, toolbox = once.session(asked.question, volumes)
            found = converse(planner, Host(STANDARD, toolbox), volumes)
        records.append(
            {
                "study": asked.study,
                "task": asked.conversation.task,
                "question": asked.question,
                "exact": found.programs == asked.conversation.programs,
                "abstained": found.abstained,
                "text": found.text,
                "measured": _compared(asked.truth, found),
                "picked": picked(asked.truth, found),
            }
        )
    return records


def run_tasks(
    offer: Offer,
    studies: Iterable[tuple[Place, SimulatedStudy]],
    out: str | Path,
    what: Mapping[str, Any],
    *,
    shares: Mapping[str, Share] = SHARES,
    default: Share = DEFAULT,
    progress: Callable[[str, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Ask a model about studies; what is on disk already (``OUT/cases``) is not asked again.

    A study that the model's card does not take gives records that abstain.

    Args:
        offer: the model.
        studies: from :func:`sagittal.evaluation.frozen_world.frozen_world`.
        out: folder of the run.
        what: which model and which studies: a folder holds one run.
        shares, default: see :func:`task_questions`.
        progress: told of each study that is done, and of how many questions.

    Raises:
        IntegrityError: the folder holds another run.
        StorageError: it cannot be written.
    """
    out = Path(out)
    asked = {"shares": {name: asdict(share) for name, share in shares.items()}, "default": asdict(default)}
    settle(out / "manifest.json", {"schema": "sagittal.tasks/1", **what, **asked})
    records = []
    model: Answerer | None = None
    for questions in task_questions(studies, shares, default):
        if not questions:
            continue
        path = out / "cases" / f"{file_name(questions[0].study)}.json"
        if not path.exists():
            model = model or agent_of(offer)
            write_json(path, {"records": ask_tasks(model, questions, offer.card.accepts)})
            if progress is not None:
                progress(questions[0].study, len(questions))
        with storage_errors(path):
            records += json.loads(path.read_text(encoding="utf-8"))["records"]
    return records


def _compared(truth: Outcome, found: Outcome) -> list[dict[str, Any]]:
    """True measurements beside those of the same name, object and method (which names the visit)."""
    values = {(m.name, m.of, m.method): m for m in found.measurements}
    return [
        {
            "name": m.name,
            "of": m.of,
            "unit": m.unit,
            "true": m.value,
            "found": _value(values.get((m.name, m.of, m.method)), m),
        }
        for m in truth.measurements
    ]


def _value(found: Measurement | None, true: Measurement) -> float | int | str | None:
    return found.value if found is not None and found.unit == true.unit else None


def picked(truth: Outcome, found: Outcome) -> dict[str, list[int]] | None:
    """Which pieces of the true mask ``m`` the true and the found targets ``g`` hold.

    ``None`` unless the true programs pick pieces.
    """
    if "g" not in truth.masks or "m" not in truth.masks:
        return None
    whole, meant, drawn = truth.masks["m"], truth.masks["g"], found.masks.get("g")
    pieces, count = label_touching(whole.data != 0)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]

    def held(mask: Mask | None) -> list[int]:
        if mask is None:
            return []
        inside = pieces[mask.on_grid(whole.geometry).data != 0]
        shares = np.bincount(inside, minlength=count + 1)[1:] / sizes
        return [int(n) for n in np.flatnonzero(shares >= PICKED_SHARE)]

    return {"pieces": [count], "meant": held(meant), "drawn": held(drawn)}
