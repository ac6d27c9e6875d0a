"""A whole set of questions about pixels: layout → prepared pictures (step I) → questions → shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from sagittal.builders.engine import STUDIES_PER_SHARD, Progress, run
from sagittal.builders.pixel_qa.conversing import item_said, read_conversations
from sagittal.builders.pixel_qa.examples import example_of
from sagittal.builders.pixel_qa.found import SourceCase
from sagittal.builders.pixel_qa.items import Item, Situation, description, grounding_items, spoken_items
from sagittal.builders.pixel_qa.pairs import find_pairs
from sagittal.builders.pixel_qa.preparing import PICTURES, prepare
from sagittal.builders.pixel_qa.records import CASE_FILE, CaseRecord, CaseSummary, Picture, read_record
from sagittal.builders.pixel_qa.rules import Names, key_of
from sagittal.builders.pixel_qa.sammed2d import find_sammed2d
from sagittal.builders.pixel_qa.stated import StatedTable
from sagittal.builders.pixel_qa.volumes import Cut, find_volumes
from sagittal.builders.pools import EngineName
from sagittal.builders.tumour_vqa import Origin
from sagittal.errors import ConfigError, IntegrityError, LabelError
from sagittal.example import Example
from sagittal.files import sha256_file

KIND = "pixel-qa"
Layout = Literal["sammed2d", "pairs", "volumes"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def build_pixel_set(
    root: str | Path,
    out: str | Path,
    *,
    layout: str,
    modality: str | None = None,
    region: str | None = None,
    cut: Cut | None = None,
    conversations: str | Path | None = None,
    seed: int = 0,
    workers: int = 1,
    engine: EngineName = "local",
    origin: Origin | None = None,
    studies_per_shard: int = STUDIES_PER_SHARD,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the questions of every picture under ``root`` into the folder ``out``.

    Paths in the examples count from ``out``, which holds the prepared pictures, too.

    Args:
        root: the data set's folder.
        out: a new folder, or one where the same build was begun.
        layout: how ``root`` is laid out, one of :data:`LAYOUTS`; see the modules of these names.
        modality, region: of pictures for which neither metadata nor ``pictures.csv`` state them.
        cut: which slices of volumes.
        conversations: file of :func:`~sagittal.builders.pixel_qa.conversing.converse`; the grammar without.
        seed: of every draw.
        workers, engine, studies_per_shard, progress: see :func:`sagittal.builders.engine.run`; the progress
            is reported twice, over the pictures' preparation and over the questions.
        origin: source and licence of the pictures.

    Returns:
        The manifest.

    Raises:
        InputError: a setting, a file or a case that cannot be used; the case is named.
        IntegrityError: a prepared case, a finished shard or its input changed since.
        StorageError: ``out`` cannot be written.
    """
    out = Path(out)
    cases = find_cases(Path(root), layout, StatedTable(Path(root), modality=modality, region=region), cut)
    summaries = prepare(cases, out / PICTURES, workers=workers, engine=engine, progress=progress)
    builder = PixelBuilder.create(
        out, summaries, conversations=conversations, seed=seed, origin=origin or Origin()
    )
    return run(
        builder,
        [one.name for one in summaries if one.pictures],
        out,
        workers=workers,
        engine=engine,
        studies_per_shard=studies_per_shard,
        progress=progress,
    )


def find_cases(root: Path, layout: str, stated: StatedTable, cut: Cut | None) -> Sequence[SourceCase]:
    """The cases of a folder.

    Raises:
        ConfigError: no such layout, or a cut where nothing is cut.
        LayoutError, LabelError, FileFormatError: the folder is not laid out like that.
        StorageError: it cannot be read.
    """
    if layout not in LAYOUTS:
        raise ConfigError("There is no such layout.", expected=", ".join(LAYOUTS), got=layout)
    if layout != "volumes" and cut is not None:
        raise ConfigError("Only volumes are cut into slices.", expected="layout volumes", got=layout)
    if layout == "sammed2d":
        return find_sammed2d(root, stated)
    return find_pairs(root, stated) if layout == "pairs" else find_volumes(root, stated, cut or Cut())


@dataclass(frozen=True)
class PixelBuilder:
    """The questions of a prepared case, for the engine; a case is its name.

    Attributes:
        out: the set's folder, which paths count from.
        classes: data set → its classes; what is of no known data set is under the empty name.
        left_out: reason → masks and pictures that the preparation left out.
        conversations, conversations_sha256: file of an endpoint's conversations; ``None`` for the grammar.
        seed: of every draw.
        origin: source and licence of the pictures.
    """

    out: Path
    classes: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, int]
    conversations: Path | None = None
    conversations_sha256: str | None = None
    seed: int = 0
    origin: Origin = field(default_factory=Origin)
    kind: str = KIND
    libraries: tuple[str, ...] = ("numpy", "scipy", "pillow", "nibabel")

    @classmethod
    def create(
        cls,
        out: Path,
        summaries: Iterable[CaseSummary],
        *,
        conversations: str | Path | None = None,
        seed: int = 0,
        origin: Origin | None = None,
    ) -> PixelBuilder:
        """A builder that knows the classes of all cases.

        Raises:
            LabelError: two spellings of one class.
            StorageError: the conversations cannot be read.
        """
        classes: dict[str, set[str]] = {}
        left: dict[str, int] = {}
        for summary in summaries:
            classes.setdefault(summary.dataset or "", set()).update(summary.classes)
            for reason, count in summary.left_out:
                left[reason] = left.get(reason, 0) + count
        return cls(
            out,
            {dataset: _spelt_once(names) for dataset, names in sorted(classes.items())},
            left,
            None if conversations is None else Path(conversations).absolute(),
            None if conversations is None else sha256_file(conversations),
            seed,
            origin or Origin(),
        )

    def config(self) -> dict[str, Any]:
        """Every setting; what shaped the pictures is in their records, which are inputs."""
        file = self.conversations_sha256
        return {
            "classes": {dataset: list(names) for dataset, names in self.classes.items()},
            "left_out": dict(sorted(self.left_out.items())),
            "words": "grammar" if file is None else {"conversations_sha256": file},
            "source": self.origin.source,
            "licence": self.origin.licence,
        }

    def name(self, case: str) -> str:
        """The case's own name."""
        return case

    def files(self, case: str) -> dict[str, Path]:
        """The record, the pictures and the masks."""
        folder = self.out / PICTURES / case
        names = [CASE_FILE, *read_record(folder / CASE_FILE).files()]
        return {f"{PICTURES}/{case}/{name}": folder / name for name in names}

    def build(self, case: str, hashes: Mapping[str, str]) -> list[Example]:
        """The examples of a case's pictures, in their order; no pixel is read.

        Raises:
            LabelError: names of classes that no wording can hold.
            IntegrityError: the conversations are not those that the build began with, or break a rule.
        """
        record = read_record(self.out / PICTURES / case / CASE_FILE)
        examples = []
        for picture in record.pictures:
            at = self.situation(record, picture)
            described, items = self._said(at)
            for number, item in enumerate((*items, *grounding_items(at))):
                examples.append(example_of(at, item, number, hashes, self.origin, described))
        return examples

    def situation(self, record: CaseRecord, picture: Picture) -> Situation:
        """A picture with what is known around it."""
        others = () if record.dataset is None else self.classes[record.dataset]
        return Situation(record, picture, self._names, others, self.seed)

    def situations(self, records: Iterable[CaseRecord]) -> Iterator[Situation]:
        """All pictures of some cases, in their order."""
        for record in records:
            for picture in record.pictures:
                yield self.situation(record, picture)

    @cached_property
    def _names(self) -> Names:
        return Names(name for names in self.classes.values() for name in names)

    def _said(self, at: Situation) -> tuple[str, list[Item]]:
        """The description and the items in words, by the grammar or from the conversations."""
        if self.conversations is None or self.conversations_sha256 is None:
            return description(at), list(spoken_items(at))
        spoken = read_conversations(self.conversations, self.conversations_sha256)
        one = spoken.get((at.case.name, at.picture.name))
        if one is None:
            return description(at), []
        items = [item_said(said, at) for said in one.items]
        broken = [f"{item.question}: {', '.join(at.faults(item))}" for item in items if at.faults(item)]
        if broken:
            raise IntegrityError(
                "The conversations were not made for these pictures.", got=broken[0],
                remedy="make them anew from this set: sagittal converse",
            )  # fmt: skip
        return one.description or description(at), items


def _spelt_once(names: set[str]) -> tuple[str, ...]:
    """Names in order, each class in one spelling.

    Raises:
        LabelError: two are the same but for capitals or marks.
    """
    by_key: dict[tuple[str, ...], str] = {}
    for name in sorted(names):
        other = by_key.setdefault(key_of(name), name)
        if other != name:
            raise LabelError(
                "Two classes have the same name.", expected="one spelling", got=f"{other!r} and {name!r}",
                remedy="mend the tables of labels",
            )  # fmt: skip
    return tuple(sorted(names))
