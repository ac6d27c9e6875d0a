"""A pool of conversations on disk: what can be asked of simulated studies, and what the agent then hears.

Making a study and running programs over it costs a hundred times what its words cost. The pool keeps what
depends on the study (the task, the programs, the true feedback) with the grammar's root and slots;
:mod:`sagittal.train.language_stream` words each anew whenever it is drawn.

``POOL/manifest.json``, ``phrases.json`` (lists of what fills a slot) and ``conversations.jsonl``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sagittal.builders.voxel_tasks import (
    Truth,
    VoxelConversation,
    VoxelTasksConfig,
    build_conversation,
    with_truth,
)
from sagittal.errors import FileFormatError, IntegrityError, StorageError
from sagittal.files import atomic_folder, manifest, storage_errors, to_json_text
from sagittal.language.voxel_wordings import Phrase, VoxelWordings
from sagittal.simulate import HeadSet, SimulatedStudy, preset, simulate
from sagittal.simulate.config import SEQUENCES
from sagittal.study import Image, Study

_USUAL = {
    ("t1", "t1c", "t2", "flair"): 0.34, ("t1", "flair"): 0.1, ("t1",): 0.1, ("t1", "t2", "flair"): 0.12,
    ("t1c", "flair"): 0.08, ("dwi", "adc"): 0.06, ("t1", "flair", "dwi", "adc"): 0.06, ("t1", "t1c"): 0.06,
    ("ct",): 0.08,
}  # fmt: skip
# Visits of a patient, and how often; visits of half of the patients have dates.
_VISITS, _DATED = {1: 0.5, 2: 0.33, 3: 0.12, 4: 0.05}, 0.5
_FIRST_DAY = date(2015, 1, 1)
_KEPT_FOR_TESTS = 10


class PoolConfig(BaseModel):
    """What the pool holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: int = Field(default=200, ge=1, description="patients, of one to four visits")
    each: int = Field(default=150, ge=1, description="conversations about each")
    spacing_mm: float = Field(default=3.5, gt=0, description="of the studies: enough to count voxels")
    worlds: tuple[str, ...] = Field(
        default=(
            "gli", "pre", "met", "goat", "wmh", "lesion", "healthy", "growth", "restriction", "enhancement"
        ),
        description="presets, taken in turn",
    )  # fmt: skip
    tasks: VoxelTasksConfig = VoxelTasksConfig(unanswerable=0.3, fewer_images=0.35)


@dataclass(frozen=True)
class Given:
    """An image of a conversation: its variable, its kind, and its visit in time order."""

    name: str
    kind: str
    visit: int


@dataclass(frozen=True)
class Item:
    """A conversation without its words.

    Attributes:
        group: patient.
        task, reason: as in :class:`VoxelConversation`.
        root: of the grammar.
        slots: slot → phrases.
        structures: that the question is about.
        images: in order.
        programs: step by step.
        feedback: after each program but the last.
    """

    group: int
    task: str
    reason: str
    root: str
    slots: Mapping[str, Sequence[Phrase]]
    structures: tuple[str, ...]
    images: tuple[Given, ...]
    programs: tuple[str, ...]
    feedback: tuple[str, ...]

    @property
    def for_tests(self) -> bool:
        """Whether training leaves its patient alone."""
        return self.group % _KEPT_FOR_TESTS == 0


def make_pool(
    out: str | Path,
    heads: HeadSet,
    config: PoolConfig,
    seed: int,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Simulate patients, draw conversations about them, and run their programs over the truth.

    Args:
        out: a new folder.
        heads: those that may be trained on.
        config: how many of what.
        seed: decides every draw.
        on_progress: called with (done, of) after each patient.

    Raises:
        StorageError: the folder is there already or cannot be written.
    """
    out = Path(out)
    if out.exists():
        raise StorageError("The folder is there already.", got=out, remedy="name a new one")
    table: dict[tuple[Phrase, ...], int] = {}
    lines = []
    for group in range(config.groups):
        for item in _group(group, heads, config, seed):
            slots = {slot: table.setdefault(tuple(p), len(table)) for slot, p in item.slots.items()}
            values = {**asdict(replace(item, slots={})), "slots": slots}
            lines.append(json.dumps(values, ensure_ascii=False, sort_keys=True))
        on_progress(group + 1, config.groups)
    made = manifest(
        kind="voxelprompt-conversations",
        config=config.model_dump(mode="json"),
        seed=seed,
        inputs=dict(heads.hashes),
        libraries=("torch", "numpy"),
    )
    phrases = [[asdict(phrase) for phrase in phrases] for phrases in table]
    with atomic_folder(out) as folder:
        (folder / "manifest.json").write_text(to_json_text(made), encoding="utf-8")
        (folder / "phrases.json").write_text(json.dumps(phrases, ensure_ascii=False), encoding="utf-8")
        (folder / "conversations.jsonl").write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
    return out


def read_pool(folder: str | Path) -> tuple[Item, ...]:
    """The conversations of a pool.

    Raises:
        FileFormatError: a line is not one of ours.
        IntegrityError: it holds none.
        StorageError: it cannot be read.
    """
    folder = Path(folder)
    with storage_errors(folder):
        table = json.loads((folder / "phrases.json").read_text(encoding="utf-8"))
        lines = (folder / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    try:
        phrases = [tuple(Phrase(**phrase) for phrase in entry) for entry in table]
        items = tuple(_read(json.loads(line), phrases) for line in lines)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise FileFormatError("This is not a pool of conversations.", got=f"{folder}: {error}") from error
    if not items:
        raise IntegrityError("The pool is empty.", got=folder)
    return items


def _read(values: dict[str, Any], phrases: Sequence[tuple[Phrase, ...]]) -> Item:
    slots = {slot: phrases[number] for slot, number in values.pop("slots").items()}
    images = tuple(Given(**image) for image in values.pop("images"))
    others: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Item(slots=slots, images=images, **others)


# -- patients ------------------------------------------------------------------------------------


def _group(group: int, heads: HeadSet, config: PoolConfig, seed: int) -> Iterator[Item]:
    rng = np.random.default_rng([seed, group])
    patient, facts = _patient(group, heads, config, seed, rng)
    truth = Truth(patient, facts, config.tasks.maps)
    wordings = VoxelWordings.load()
    for _ in range(config.each):
        shown = replace(patient, images=_relabelled(patient.images, rng))
        drawn = build_conversation(shown, facts, rng, config=config.tasks, wordings=wordings, truth=truth)
        yield _item(group, with_truth(drawn, truth))


def _patient(
    group: int, heads: HeadSet, config: PoolConfig, seed: int, rng: np.random.Generator
) -> tuple[Study, dict[str, Any]]:
    """One to four simulated studies as the visits of one patient; the numbers need not make a story."""
    world = config.worlds[group % len(config.worlds)]
    visits = 1 if world == "growth" else int(rng.choice(list(_VISITS), p=list(_VISITS.values())))
    sequences = _sequences(rng)
    made = []
    for visit in range(visits):
        changed = {
            "sequences": sequences if rng.random() < 0.7 else _sequences(rng),
            "shape": tuple(round(size / config.spacing_mm) for size in (192, 224, 180)),
            "spacing": (config.spacing_mm,) * 3,
            "skull_strip": 0.5,
        }
        settings = preset(world).model_copy(update=changed)
        made += simulate(settings, heads, [max(_VISITS) * group + visit], seed)
    if len(made) == 1:
        study, facts = made[0].study, made[0].facts
    else:
        study, facts = _joined(made), {"stripped": any(m.facts["stripped"] for m in made)}
    return (_dated(study, rng) if rng.random() < _DATED else study), facts


def _sequences(rng: np.random.Generator) -> tuple[str, ...]:
    if rng.random() < 0.6:
        return list(_USUAL)[int(rng.choice(len(_USUAL), p=list(_USUAL.values())))]
    count = int(rng.integers(2, 7))
    return tuple(SEQUENCES[i] for i in rng.permutation(len(SEQUENCES))[:count])


def _joined(made: Sequence[SimulatedStudy]) -> Study:
    first = made[0].study
    images: list[Image] = []
    masks = []
    for number, each in enumerate(made, start=1):
        session = f"session-{number}"
        images += [replace(image, session=session) for image in each.study.images]
        masks += [replace(mask, session=session) for mask in each.study.masks]
    return replace(first, images=tuple(images), masks=tuple(masks))


def _dated(study: Study, rng: np.random.Generator) -> Study:
    """The same with dates: a week to two years lie between visits."""
    sessions = sorted({image.session for image in study.images})
    days = np.cumsum(rng.integers(7, 730, size=len(sessions)))
    when = {name: _FIRST_DAY + timedelta(days=int(d)) for name, d in zip(sessions, days, strict=True)}
    return replace(study, images=tuple(replace(i, acquired=when[i.session]) for i in study.images))


def _relabelled(images: Sequence[Image], rng: np.random.Generator) -> tuple[Image, ...]:
    """In any order; now and then one is of an unstated kind, or there are two of a kind."""
    shown = [images[int(i)] for i in rng.permutation(len(images))] if rng.random() < 0.6 else list(images)
    strange, twice = rng.random(2)
    at = int(rng.integers(len(shown)))
    if strange < 0.05:
        shown[at] = replace(shown[at], kind=("mr", "unknown")[int(rng.integers(2))])
    elif twice < 0.05:
        shown.append(shown[at])
    return tuple(shown)


def _item(group: int, conversation: VoxelConversation) -> Item:
    assert conversation.feedback is not None
    faults = [f.text for f in conversation.feedback if f.error]
    if faults:
        raise IntegrityError("A true program failed.", got=f"{conversation.programs}: {faults}")
    visits = {name: n for n, visit in enumerate(conversation.acquisition.visits) for name in visit.names}
    return Item(
        group=group,
        task=conversation.task,
        reason=conversation.reason,
        root=conversation.root,
        slots=conversation.slots,
        structures=conversation.structures,
        images=tuple(Given(name, i.kind, visits[name]) for name, i in conversation.volumes.items()),
        programs=conversation.programs,
        feedback=tuple(f.text for f in conversation.feedback),
    )
