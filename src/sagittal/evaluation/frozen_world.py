"""Frozen simulated test worlds: committed tables of ``tables/``, made and checked.

``test_world.yaml`` is what every method is measured on; ``task_world.yaml`` has the studies that comparisons
of single tasks need more of, ``tumour_world.yaml`` those that mpLLM's configurations are compared on,
``picture_world.yaml`` those whose slices MedPLIB is measured on.
Functions take a table, and the first one where none is given.

Each study has a SHA-256 over its label maps (where they lie, what their values mean, their voxels) and the
settings that made it; a world's is over those of its studies. Images are not part of it: their last bits
differ between processors. A table holds both, and what was found in the world, under ``frozen``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from sagittal.builders.voxel.structures import Structure
from sagittal.builders.voxel.truth import Truth
from sagittal.errors import IntegrityError, LayoutError
from sagittal.files import sha256_json
from sagittal.score.cases import Case
from sagittal.simulate import HeadSet, SimulatedStudy, WorldConfig, preset, simulate
from sagittal.splits import split_of

TABLE = "test_world.yaml"
#: The second world, for single tasks.
TASKS = "task_world.yaml"
#: The third, of tumours alone, for questions in classes (mpLLM).
TUMOURS = "tumour_world.yaml"
#: The fourth, cut into slices (MedPLIB).
PICTURES = "picture_world.yaml"


@dataclass(frozen=True)
class Place:
    """Which study of the world.

    Attributes:
        world: name in the table.
        index: of the study in its world.
        config: of its world.
        seed: of its world.
    """

    world: str
    index: int
    config: WorldConfig
    seed: int

    @property
    def name(self) -> str:
        """Its name, unique in the test world."""
        return f"{self.world}/{self.index}"


@cache
def world_table(name: str = TABLE) -> Mapping[str, Any]:
    """A committed table, as it is.

    Args:
        name: of its file.
    """
    import yaml

    text = (files("sagittal.evaluation") / "tables" / name).read_text(encoding="utf-8")
    table: Mapping[str, Any] = yaml.safe_load(text)
    return table


def places(table: Mapping[str, Any] | None = None) -> tuple[Place, ...]:
    """The studies of a test world, in the table's order: the first ones of each world, or those named."""
    found = []
    for name, entry in (table or world_table())["worlds"].items():
        config = _changed(preset(entry["preset"]), entry.get("change", {}))
        chosen = entry["studies"] if isinstance(entry["studies"], list) else range(entry["studies"])
        found += [Place(name, index, config, entry["seed"]) for index in chosen]
    return tuple(found)


def _changed(config: WorldConfig, change: Mapping[str, Any]) -> WorldConfig:
    values = config.model_dump(mode="json")
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) else value
    return WorldConfig.model_validate(values)


def world_heads(folder: str | Path, table: Mapping[str, Any] | None = None) -> HeadSet:
    """The heads that a test world is made from, in the order of the settled split.

    Args:
        folder: holds the label maps of the heads.
        table: of the world.

    Raises:
        LayoutError: the folder lacks one of them.
        StorageError: there is no such folder.
    """
    heads, table = HeadSet.from_folder(folder), table or world_table()
    source = table["heads"]
    wanted = [
        place
        for place, name in enumerate(heads.names)
        if split_of(name, dataset=source["dataset"]) == source["split"]
    ]
    made = heads.subset(wanted)
    known = table.get("frozen", {}).get("heads", {name: made.hashes[name] for name in made.names})
    if set(known) != set(made.names):
        raise LayoutError(
            "The folder lacks heads of the test world.", expected=sorted(known), got=sorted(made.names)
        )
    for name in made.names:
        if made.hashes[name] != known[name]:
            raise IntegrityError("A head is not the one the world was frozen with.", got=name)
    return made


def make_study(place: Place, heads: HeadSet) -> SimulatedStudy:
    """One study of a test world."""
    [made] = simulate(place.config, heads, [place.index], place.seed)
    return made


def study_hash(place: Place, made: SimulatedStudy) -> str:
    """SHA-256 over a study's settings and its label maps."""
    digest = hashlib.sha256(
        sha256_json({"config": place.config.model_dump(mode="json"), "seed": place.seed,
                     "index": place.index, "head": made.facts["head"]}).encode()
    )  # fmt: skip
    for mask in made.study.masks:
        where = {**mask.to_json(), "dtype": mask.data.dtype.str}
        where["geometry"]["affine"] = np.round(mask.geometry.affine, 6).tolist()
        digest.update(sha256_json(where).encode())
        digest.update(np.ascontiguousarray(mask.data).tobytes())
    return digest.hexdigest()


def check_study(place: Place, made: SimulatedStudy, table: Mapping[str, Any]) -> None:
    """Compare a study with what was frozen.

    Args:
        place, made: of a world.
        table: of the same.

    Raises:
        IntegrityError: it is not what it was.
    """
    found, known = study_hash(place, made), table["frozen"]["studies"][place.name]
    if found != known:
        raise IntegrityError(
            "A study of the test world is not what it was when the world was frozen.",
            expected=known,
            got=f"{place.name}: {found}",
            remedy="the simulator or a library has changed: use the versions that the table names",
        )


def image_checksum(made: SimulatedStudy) -> str:
    """SHA-256 over a study's images, of one machine: for information."""
    digest = hashlib.sha256()
    for image in made.study.images:
        digest.update(np.ascontiguousarray(image.data).tobytes())
    return digest.hexdigest()


def world_hash(hashes: Mapping[str, str]) -> str:
    """SHA-256 of the world, from those of its studies by name."""
    return sha256_json(dict(hashes))


def frozen_world(
    heads: HeadSet, only: Sequence[Place] | None = None, table: Mapping[str, Any] | None = None
) -> Iterator[tuple[Place, SimulatedStudy]]:
    """The studies, each checked against the hash that it was frozen with.

    Args:
        heads: from :func:`world_heads`.
        only: these of the world's studies; all when ``None``.
        table: of the world.

    Raises:
        IntegrityError: a study is not what it was.
    """
    table = table or world_table()
    for place in places(table) if only is None else only:
        made = make_study(place, heads)
        check_study(place, made, table)
        yield place, made


def what_is_found(facts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make-up of a world as found: lesions, their volumes, and how many look like white matter throughout.

    Args:
        facts: of each study; a lesion counts once a session.
    """
    volumes: list[float] = []
    nowhere: list[bool] = []
    somewhere: list[bool] = []
    count = empty = 0
    for study in facts:
        count += 1
        lesions = [item for session in study["sessions"] for item in session["lesions"]]
        seen = [item for item in lesions if item["voxels"]]
        empty += not seen
        volumes += [item["volume_ml"] for item in seen]
        same = [[s["word"] == "isointense" for s in item["signal"].values()] for item in seen]
        nowhere += [all(words) for words in same]
        somewhere += [any(words) for words in same]
    found: dict[str, Any] = {"studies": count, "studies_without_lesion": empty, "lesions": len(volumes)}
    if volumes:
        found["lesion_ml"] = {
            "smallest": round(min(volumes), 4), "median": round(median(volumes), 3),
            "largest": round(max(volumes), 1),
        }  # fmt: skip
        found["isointense_on_every_image"] = round(sum(nowhere) / len(nowhere), 4)
        found["isointense_on_some_image"] = round(sum(somewhere) / len(somewhere), 4)
    return found


# -- as cases for scoring ------------------------------------------------------------------------


def world_cases(
    heads: HeadSet, only: Sequence[Place] | None = None, table: Mapping[str, Any] | None = None
) -> Iterator[Case]:
    """A test world as cases: one a session, its images, and the truth of everything that is asked for."""
    for place, made in frozen_world(heads, only, table):
        truth = Truth(made.study, made.facts)
        for session in made.study.sessions:
            if not session.images:
                # The anatomy of several sessions is one map, of none of them.
                continue
            name = f"{place.name}/{session.name}" if session.name else place.name
            kinds = {image.kind for image in session.images}
            asked = asked_structures(truth, session.name, kinds, table)
            masks = {s.name: truth.mask(s, session.images[0]) for s in asked}
            yield Case(name, f"simulated {place.world}", session.images, masks, {"facts": made.facts})


def asked_structures(
    truth: Truth, session: str, kinds: set[str], table: Mapping[str, Any] | None = None
) -> list[Structure]:
    """What a study is asked for: listed anatomy that is there, and every pathology that its images show."""
    table = table or world_table()
    names = [*table["anatomy"], *(f"{side} {name}" for name in table["sides"] for side in ("left", "right"))]
    there, _ = truth.settled(session, True)
    asked = [s for s in (truth.table[name] for name in names) if s in there]
    for found in (True, False):
        _, pathologies = truth.settled(session, found)
        asked += [s for s in pathologies if not s.needs or kinds & set(s.needs)]
    return asked
