"""Which films go into IMAX, which into DMAX, and which test both (NOTES, IMAX).

Patients are split four to one. Of the training patients' films, IMAX takes some that have at least three of
the seven tasks, with all their entries. DMAX comes from the films that remain: a film gives entries of one
task, now and then of two, until every task has exactly as many entries as in IMAX. Test patients' films with
three tasks are the common test set. No picture is in two of them, under whatever name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sagittal.builders.chest.prompts import SEVEN
from sagittal.errors import ConfigError, InputError
from sagittal.score.chest_tasks import Task
from sagittal.splits import Split, split_of

#: Four to one, by patient (IMAX §3).
SHARES: Mapping[Split, float] = {"train": 0.8, "test": 0.2}
#: Tasks of the seven that a film of IMAX has at the least.
LEAST_TASKS = 3
#: One in so many films of DMAX gives entries of a second task: 1.25 tasks a film, as published.
_SECOND = 4
#: Reasons for leaving a film out.
COPY = "its picture is another film's"
NOTHING = "nothing is known that makes an entry"

Counts = Mapping[Task, int]


@dataclass(frozen=True)
class Offer:
    """What a film could give.

    Attributes:
        name, patient, sha256: of the film.
        entries: task → number of entries.
    """

    name: str
    patient: str
    sha256: str
    entries: Counts

    @cached_property
    def tasks(self) -> Mapping[str, Counts]:
        """Which of the seven tasks it has, each with its entries."""
        found: dict[str, dict[Task, int]] = {}
        for task, count in self.entries.items():
            found.setdefault(SEVEN[task], {})[task] = count
        return found


@dataclass(frozen=True)
class Chosen:
    """The sets: film → how many entries of each task it gives.

    Attributes:
        train: all films of training patients, with all their entries; IMAX and DMAX are parts of it.
        left_out: reason → films.
    """

    imax: Mapping[str, Counts]
    dmax: Mapping[str, Counts]
    test: Mapping[str, Counts]
    train: Mapping[str, Counts]
    left_out: Mapping[str, int]


def choose(offers: Iterable[Offer], seed: int, imax_films: int | None = None) -> Chosen:
    """Divide the films of a pool.

    Args:
        offers: of all films, each once.
        seed: of every draw.
        imax_films: how many go into IMAX; as many as DMAX can match when ``None``.

    Raises:
        InputError: there is no film to train on, or none with three tasks.
        ConfigError: DMAX cannot match so many films; the tasks that fall short are named.
    """
    left_out: Counter[str] = Counter()
    training, testing = _by_split(_without_copies(offers, left_out))
    ordered = sorted(training, key=lambda one: _drawn(seed, one.name))
    dense = [one for one in ordered if len(one.tasks) >= LEAST_TASKS]
    if not dense:
        raise InputError(
            "No film to train on has three of the seven tasks.",
            expected="sources that overlap: masks and labels and reports of the same films",
            got=f"{len(training)} films of training patients",
        )
    count = imax_films if imax_films is not None else _most(ordered, dense, seed)
    if not 1 <= count <= len(dense):
        raise ConfigError(
            "IMAX cannot have so many films.",
            expected=f"1 to {len(dense)}, the films with {LEAST_TASKS} tasks or more",
            got=count,
            remedy="" if imax_films else "add sources, or films without masks",
        )
    chosen, short = _matched(ordered, dense, count, seed)
    if short:
        raise ConfigError(
            "DMAX cannot match so many films of IMAX from those that remain.",
            expected="enough entries of every task",
            got=", ".join(f"{task}: {missing} short" for task, missing in short.items()),
            remedy="ask for fewer films of IMAX, or leave the number out",
        )
    imax = {one.name: one.entries for one in dense[:count]}
    test = {one.name: one.entries for one in testing if len(one.tasks) >= LEAST_TASKS}
    train = {one.name: one.entries for one in training}
    return Chosen(imax, chosen, test, train, dict(sorted(left_out.items())))


def _without_copies(offers: Iterable[Offer], left_out: Counter[str]) -> list[Offer]:
    kept: dict[str, Offer] = {}
    for one in offers:
        if not one.entries:
            left_out[NOTHING] += 1
        elif one.sha256 in kept:
            left_out[COPY] += 1
        else:
            kept[one.sha256] = one
    return list(kept.values())


def _by_split(offers: Iterable[Offer]) -> tuple[list[Offer], list[Offer]]:
    training: list[Offer] = []
    testing: list[Offer] = []
    for one in offers:
        # By the name that the collection gives, as in every other recipe: who is learnt from in one of them
        # tests none.
        own = one.patient.partition("/")[2] or one.patient
        (training if split_of(own, shares=SHARES) == "train" else testing).append(one)
    return training, testing


def _drawn(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"sagittal.chest-tasks/1:{seed}:{name}".encode()).digest()


def _most(ordered: Sequence[Offer], dense: Sequence[Offer], seed: int) -> int:
    """The most films of IMAX that DMAX can match."""
    low, high = 0, len(dense)
    while low < high:
        middle = (low + high + 1) // 2
        if _matched(ordered, dense, middle, seed)[1]:
            high = middle - 1
        else:
            low = middle
    return low


def _matched(
    ordered: Sequence[Offer], dense: Sequence[Offer], count: int, seed: int
) -> tuple[dict[str, Counts], dict[Task, int]]:
    """Entries of DMAX by film, and what is short of IMAX's.

    Films with the fewest tasks are taken first, for they have the least choice; of a film's tasks, the one of
    which the rest of the films has the least to spare.
    """
    taken = {one.name for one in dense[:count]}
    need: Counter[Task] = Counter()
    for one in dense[:count]:
        need.update(one.entries)
    rest = sorted((one for one in ordered if one.name not in taken), key=lambda one: len(one.tasks))
    supply: Counter[Task] = Counter()
    for one in rest:
        supply.update(one.entries)
    chosen: dict[str, Counts] = {}
    for one in rest:
        most = 2 if _drawn(seed + 1, one.name)[0] % _SECOND == 0 else 1
        own: dict[Task, int] = {}
        for entries in _scarcest(one, need, supply)[:most]:
            for task, held in entries.items():
                if need[task]:
                    own[task] = min(held, need[task])
                    need[task] -= own[task]
        supply.subtract(one.entries)
        if own:
            chosen[one.name] = own
        if not any(need.values()):
            break
    return chosen, {task: missing for task, missing in need.items() if missing}


def _scarcest(one: Offer, need: Counter[Task], supply: Counter[Task]) -> list[Counts]:
    """A film's tasks of which something is needed, the scarcest first."""
    scarce = {
        name: max((need[task] / supply[task] for task in entries if need[task]), default=0.0)
        for name, entries in one.tasks.items()
    }
    return [
        one.tasks[name] for name in sorted(scarce, key=lambda name: (-scarce[name], name)) if scarce[name]
    ]
