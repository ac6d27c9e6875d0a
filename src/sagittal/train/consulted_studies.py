"""The studies that specialists are run over for VILA-M3's training, and what each is asked.

Simulated heads and films, and the NIH's films of training patients; the heads, worlds and patients that are
tested on are others. Some calls do not suit their study, so that a model learns what it is told then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sagittal.builders.consultation_bank import Origin
from sagittal.simulate import HeadSet, WorldConfig, preset, simulate
from sagittal.simulate.chest import ChestConfig
from sagittal.simulate.chest.world import simulate_films
from sagittal.specialists.triggers import Trigger
from sagittal.splits import Split
from sagittal.study import Study
from sagittal.train.chest_films import nih_films

#: Of the worlds, by what is done with them.
SEEDS: dict[Split, int] = {"train": 611, "validation": 612, "test": 613}
TUMOUR_PARTS = ("whole tumour", "enhancing tumour", "tumour core", "oedema")
ANATOMY = (
    "brain", "cerebral cortex", "cerebral white matter", "cerebellum", "brainstem", "lateral ventricle",
    "third ventricle", "hippocampus", "amygdala", "thalamus", "caudate", "putamen", "globus pallidus",
)  # fmt: skip
#: World → how many of its studies for each hundred of the bank.
WORLDS = {"gli": 40, "met": 20, "pre": 10, "wmh": 15, "healthy": 15}
_SIMULATED = "simulated"
_LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Wanted:
    """A study and the calls that are made over it."""

    study: Study
    origin: Origin
    calls: tuple[Trigger, ...]


def head_studies(
    heads: HeadSet, split: Split, count: int, part: tuple[int, int] = (0, 1)
) -> Iterator[Wanted]:
    """Simulated heads: tumours, white-matter lesions, and none; whole volumes.

    Args:
        heads: label maps of that split.
        split: of the heads.
        count: studies.
        part: every ``part[1]``-th from ``part[0]`` on.
    """
    order = [name for name, share in WORLDS.items() for _ in range(share)]
    for index in range(part[0], count, part[1]):
        world = order[(index * 37) % len(order)]
        [made] = simulate(_config(world), heads, [index], SEEDS[split])
        rng = np.random.default_rng([SEEDS[split], index])
        # One or two sequences, as most people hold: four of whole heads take a minute a call on one core.
        taken = rng.permutation(len(made.study.images))[: rng.integers(1, 3)]
        images = tuple(made.study.images[number] for number in sorted(taken))
        study = Study(f"{world}-{split}-{index:04d}", made.study.patient, images)
        yield Wanted(study, _origin(made.facts["head"], split), _head_calls(world, study, rng))


def slice_studies(
    heads: HeadSet, split: Split, count: int, part: tuple[int, int] = (0, 1)
) -> Iterator[Wanted]:
    """Single slices of simulated heads, for specialists that look at pictures."""
    order = ("gli", "healthy", "met", "pre")
    for index in range(part[0], count, part[1]):
        world = order[index % len(order)]
        [made] = simulate(_config(world), heads, [10_000 + index], SEEDS[split])
        rng = np.random.default_rng([SEEDS[split], 1, index])
        image = made.study.images[int(rng.integers(len(made.study.images)))].reorient("RAS")
        depth = image.shape[2]
        at = int(rng.integers(int(0.35 * depth), int(0.75 * depth)))
        flat = image.crop((0, 0, at), (*image.shape[:2], at + 1))
        study = Study(f"slice-{world}-{split}-{index:04d}", made.study.patient, (flat,))
        yield Wanted(study, _origin(made.facts["head"], split), (Trigger("TumourType", "tumour type"),))


def film_studies(split: Split, count: int, part: tuple[int, int] = (0, 1)) -> Iterator[Wanted]:
    """Simulated chest films."""
    for index in range(part[0], count, part[1]):
        [made] = simulate_films(ChestConfig(edge=224), [index], SEEDS[split])
        name = f"film-{split}-{index:05d}"
        yield Wanted(Study(name, name, (made.image,)), _origin(name, split), _film_calls(index))


def nih_studies(data: Path, split: Split, part: tuple[int, int] = (0, 1)) -> Iterator[Wanted]:
    """Films of the NIH's, of patients of a split."""
    for index, film in list(enumerate(nih_films(data, split)))[part[0] :: part[1]]:
        study = Study(f"nih-{film.path.stem}", film.patient, (film.image(),))
        origin = Origin(film.patient, split, "NIH ChestX-ray14", "attribution to the NIH Clinical Center")
        yield Wanted(study, origin, _film_calls(index))


def _config(world: str) -> WorldConfig:
    config = preset(world)
    return config.model_copy(update={"anatomy": False})


def _origin(patient: str, split: Split) -> Origin:
    return Origin(patient, split, _SIMULATED, _LICENCE)


def _head_calls(world: str, study: Study, rng: np.random.Generator) -> tuple[Trigger, ...]:
    """Of lesions those that the world has, and now and then those that it has not; some anatomy."""
    tumour = world in ("gli", "met", "pre")
    names: Sequence[str] = TUMOUR_PARTS if tumour else ("white matter hyperintensities", "whole tumour")
    calls = [Trigger("Eyes", str(name)) for name in rng.permutation(names)[:2]]
    if tumour and rng.random() < 0.25:
        calls.append(Trigger("Eyes", "white matter hyperintensities"))
    calls.append(Trigger("Eyes", str(rng.choice(ANATOMY))))
    if any(image.kind == "t1" for image in study.images):
        calls.append(Trigger("DeepBET", "brain"))
    return tuple(calls)


def _film_calls(index: int) -> tuple[Trigger, ...]:
    """Findings of every film, and organs of every third: to outline takes ten times as long."""
    organs = ("heart and lungs", "heart", "heart and lungs", "lungs")[index // 3 % 4]
    calls = Trigger("ChestFindings", "findings"), Trigger("ChestOrgans", organs)
    return calls[: 2 if index % 3 == 0 else 1]
