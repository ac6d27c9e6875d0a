"""Runs a builder over a data set: in parallel, resumably, to the same bytes every time.

The folder it makes::

    manifest.json             what is being built; "complete": true once everything is there
    shards/part-000000.parquet
    shards/part-000000.json   record: the shard's hash, its studies, the hashes of their input files

Cases are sorted by name and cut into shards of a fixed number of studies. A shard is written when its
last study is done, and its record after it: a shard without a record does not count. A build that
was killed goes on after its last finished shards; before it keeps one, it checks that shard and
record are whole and that the input files still have the hashes that the record gives. The manifest
names the records' hashes and these name the input files', so that it stays small for any data set.
One build at a time may write to a folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from sagittal.builders.build_folder import BuildFolder, Built
from sagittal.builders.pools import EngineName, ordered_map
from sagittal.builders.shards import to_row
from sagittal.errors import ConfigError, InputError, SagittalError
from sagittal.example import Example
from sagittal.files import manifest as describe_build
from sagittal.files import sha256_file, sha256_json

STUDIES_PER_SHARD = 64
#: ``progress(done, total, name of the study that was done)``.
Progress = Callable[[int, int, str], None]

Case = TypeVar("Case")
CaseIn = TypeVar("CaseIn", contravariant=True)


class Builder(Protocol[CaseIn]):
    """A pure function from a case to its examples, with what the engine must know about it.

    Builders and cases must pickle, and stay small: load what is heavy in :meth:`build`, once a
    process.

    Attributes:
        kind: what the data set is (``tumour-vqa``).
        seed: of everything that is drawn.
        libraries: distributions whose versions shape the result.
    """

    @property
    def kind(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def libraries(self) -> tuple[str, ...]: ...

    def config(self) -> dict[str, Any]:
        """Every setting that shapes the result, as JSON values."""
        ...

    def name(self, case: CaseIn) -> str:
        """The study's name: unique, and what cases are sorted by."""
        ...

    def files(self, case: CaseIn) -> Mapping[str, Path]:
        """The files that :meth:`build` reads: path relative to the data root → path."""
        ...

    def build(self, case: CaseIn, hashes: Mapping[str, str]) -> Sequence[Example]:
        """The study's examples, from nothing but the case, its files and the builder's settings.

        Args:
            case: one study.
            hashes: SHA-256 of each file of :meth:`files`, by the same keys.
        """
        ...


@dataclass(frozen=True)
class Task(Generic[Case]):
    """One study on its way to a worker; ``make`` is false when only its files are to be hashed."""

    name: str
    case: Case
    make: bool

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class _Work(Generic[Case]):
    """The function that runs in the workers."""

    builder: Builder[Case]

    def __call__(self, task: Task[Case]) -> Built:
        try:
            files = self.builder.files(task.case)
            hashes = {key: sha256_file(path) for key, path in sorted(files.items())}
            examples = self.builder.build(task.case, hashes) if task.make else ()
            strange = {e.study for e in examples} - {task.name}
            if strange or (task.make and not examples):
                raise SagittalError(
                    "A builder gives one or more examples, all of its own study.", got=sorted(strange)
                )
        except SagittalError as error:
            error.message = f"{task.name}: {error.message}"
            raise
        except Exception as error:
            error.add_note(f"while building {task.name}")
            raise
        patient = examples[0].patient if examples else ""
        return Built(patient, tuple(to_row(example) for example in examples), hashes)


def run(
    builder: Builder[Case],
    cases: Iterable[Case],
    out: str | Path,
    *,
    workers: int = 1,
    engine: EngineName = "local",
    studies_per_shard: int = STUDIES_PER_SHARD,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the examples of all cases into the folder ``out``, and give its manifest.

    Neither ``workers`` nor ``engine`` changes a byte of the result.

    Args:
        builder: what to make of a case.
        cases: the studies, in any order.
        out: a new folder, or one where the same build was begun.
        workers, engine: see :func:`sagittal.builders.pools.ordered_map`.
        studies_per_shard: the unit of resuming; larger for larger data sets.
        progress: called in this process after each study.

    Raises:
        InputError: no cases, two of one name, or whatever the builder says of a case, which is named.
        ConfigError: the folder holds another build.
        IntegrityError: a finished shard, its record or its input changed since.
        StorageError: the folder holds something else, or cannot be written.
        SagittalError: a worker process died.
    """
    named = sorted(((builder.name(case), case) for case in cases), key=lambda pair: pair[0])
    names = [name for name, _ in named]
    _check_names(names, studies_per_shard)
    folder = BuildFolder(Path(out), _plan(builder, names, studies_per_shard))
    folder.open()
    starts = range(0, len(named), studies_per_shard)
    kept = [folder.has_shard(index) for index in range(len(starts))]
    tasks = (Task(name, case, not kept[i // studies_per_shard]) for i, (name, case) in enumerate(named))
    finished = []
    with closing(ordered_map(_Work(builder), tasks, workers=workers, engine=engine)) as results:
        reported = _reporting(results, names, progress)
        for index, start in enumerate(starts):
            built = dict(zip(names[start : start + studies_per_shard], reported, strict=False))
            finished.append(folder.keep(index, built) if kept[index] else folder.write(index, built))
    return folder.finish(finished)


def _reporting(results: Iterator[Built], names: Sequence[str], progress: Progress | None) -> Iterator[Built]:
    for done, (built, name) in enumerate(zip(results, names, strict=True), start=1):
        if progress is not None:
            progress(done, len(names), name)
        yield built


def _check_names(names: Sequence[str], studies_per_shard: int) -> None:
    if studies_per_shard < 1:
        raise ConfigError("A shard holds at least one study.", expected="1 or more", got=studies_per_shard)
    if not names:
        raise InputError("There is no study to build from.", remedy="check the input folder and its layout")
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError("Two studies have one name.", expected="a name for each", got=", ".join(twice[:5]))


def _plan(builder: Builder[Any], names: Sequence[str], studies_per_shard: int) -> dict[str, Any]:
    """The part of the manifest that is known before the work: two builds are one if it is equal."""
    plan = describe_build(
        kind=builder.kind,
        config=builder.config(),
        seed=builder.seed,
        inputs={},
        libraries=tuple(sorted({*builder.libraries, "pyarrow", "pydantic"})),
    )
    plan["cases"] = {
        "count": len(names),
        "sha256": sha256_json(list(names)),
        "studies_per_shard": studies_per_shard,
    }
    # As it will be read back: tuples become lists, keys become text.
    plan_as_read: dict[str, Any] = json.loads(json.dumps(plan))
    return plan_as_read
