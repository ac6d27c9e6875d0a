"""Every film of a pool, cleaned and measured: the heavy part of the build, done once.

``facts/part-000000.jsonl`` holds the :class:`~sagittal.builders.chest.facts.FilmFacts` of a fixed number of
films in order. A part appears when it is whole; a survey that was killed goes on with the parts that are
missing, and neither the number of workers nor the order of their work changes a byte.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from sagittal.builders.chest.cleaning import TWO_PATIENTS, Account, account
from sagittal.builders.chest.facts import FilmFacts
from sagittal.builders.chest.join import Join, tables_hash
from sagittal.builders.chest.measuring import RCA, Measured, measured
from sagittal.builders.engine import Progress
from sagittal.builders.manifests import read_object
from sagittal.builders.pools import EngineName, ordered_map
from sagittal.errors import ConfigError, FileFormatError
from sagittal.files import sha256_file, storage_errors, write_json, write_text
from sagittal.io.films.source import FilmSource
from sagittal.io.films.statement import MaskRow, Projection
from sagittal.io.raster import picture_size

#: Films of one part: the unit of resuming.
FILMS_PER_PART = 256
#: Reasons for leaving a film out altogether.
NO_PICTURE = "its picture is missing"
DAMAGED = "its picture cannot be read"
NO_FILE = "no source says where its picture is"
NO_IMAGES = "its collection's pictures were not given"
_SCHEMA = "sagittal.film-survey/1"


@dataclass(frozen=True)
class Survey:
    """What every worker needs.

    Attributes:
        join: statements.
        sources: where masks are read from.
        pictures: collection → folder of its pictures.
        out: folder of the parts.
    """

    join: Join
    sources: tuple[FilmSource, ...]
    pictures: Mapping[str, Path]
    out: Path

    def run(
        self, *, workers: int = 1, engine: EngineName = "local", progress: Progress | None = None
    ) -> list[Path]:
        """Make the parts that are not there; all of them, in order.

        Raises:
            ConfigError: the folder holds a survey of other tables.
            StorageError: it cannot be written.
        """
        films = self.join.films()
        self._settle(len(films))
        starts = range(0, len(films), FILMS_PER_PART)
        parts = [_Part(n, tuple(films[start : start + FILMS_PER_PART])) for n, start in enumerate(starts)]
        missing = [part for part in parts if not self.path(part.number).exists()]
        done = len(films) - sum(len(part.films) for part in missing)
        with closing(ordered_map(self, missing, workers=workers, engine=engine)) as made:
            for part, _ in zip(missing, made, strict=True):
                done += len(part.films)
                if progress is not None:
                    progress(done, len(films), str(part))
        return [self.path(part.number) for part in parts]

    def path(self, number: int) -> Path:
        """File of a part."""
        return self.out / f"part-{number:06d}.jsonl"

    def __call__(self, part: _Part) -> None:
        """Make one part; runs in the workers."""
        lines = [_line(self.film(collection, image)) for collection, image in part.films]
        write_text(self.path(part.number), "".join(lines))

    def film(self, collection: str, image: str) -> FilmFacts | tuple[str, str]:
        """What is known of a film; or its name and why it is left out."""
        name = f"{collection}/{image}"
        stated = self.join.stated(collection, image)
        told = account(stated)
        if TWO_PATIENTS in told.left_out:
            return name, TWO_PATIENTS
        file = told.single.get("file")
        if not file:
            return name, NO_FILE
        if collection not in self.pictures:
            return name, NO_IMAGES
        picture = self.pictures[collection] / file
        if not picture.is_file():
            return name, NO_PICTURE
        try:
            own_size = picture_size(picture)
        except FileFormatError:
            return name, DAMAGED
        view, original = told.single.get("view"), told.single.get("size")
        sizes = [own_size, *([original] if original else [])]
        found = Measured()
        if told.masks is not None and told.source is not None:
            masks = told.masks
            if isinstance(masks, MaskRow):
                masks = self.sources[told.source].masks(masks)
            found = measured(masks, told.rca, sizes, view)
        ctr, cpar, heart = _ratios(told, found, view)
        reasons = [*told.left_out, *found.left_out, *([told.marking] if told.marking else [])]
        return FilmFacts(
            name=name,
            patient=f"{collection}/{told.patient or told.single.get('study') or image}",
            study=f"{collection}/{told.single.get('study') or image}",
            file=file,
            sha256=sha256_file(picture),
            sources=tuple(dict.fromkeys(self.sources[number].name for number, _ in stated)),
            view=view,
            sex=told.single.get("sex"),
            labels=told.labels,
            oedema=told.oedema,
            report=told.report,
            ctr=ctr,
            cpar=cpar,
            heart=heart,
            areas=found.areas,
            boxes=found.boxes,
            signs=tuple(told.signs),
            questions=tuple(q for _, one in stated for q in one.questions),
            devices=next((one.devices for _, one in stated if one.devices is not None), None),
            left_out=tuple(dict.fromkeys(reasons)),
        )

    def _settle(self, films: int) -> None:
        plan = {
            "schema": _SCHEMA, "tables": tables_hash(self.sources), "films": films, "rca": RCA,
            "films_per_part": FILMS_PER_PART, "collections": sorted(self.pictures),
        }  # fmt: skip
        manifest = self.out / "manifest.json"
        if manifest.exists():
            if read_object(manifest) != plan:
                raise ConfigError(
                    "The output folder holds films of other tables.",
                    expected="the tables that it was begun with",
                    got=self.out,
                    remedy="name a new folder",
                )
            return
        with storage_errors(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
        write_json(manifest, plan)


def _ratios(
    told: Account, found: Measured, view: Projection | None
) -> tuple[float | None, float | None, Literal["heart", "cardiomediastinum"]]:
    """CTR, CPAR and what they are of: as published where they are, for that is what published sets train on.

    A film that a source could not measure has none, whatever others measure on it.
    """
    if told.marking is not None:
        return None, None, "heart"
    published = view in ("PA", None) and (told.ctr is not None or told.cpar is not None)
    if not published:
        return found.ctr, found.cpar, found.heart
    measured_too = found if found.heart == "heart" else Measured()
    ctr = told.ctr if told.ctr is not None else measured_too.ctr
    cpar = told.cpar if told.cpar is not None else measured_too.cpar
    return ctr, cpar, "heart"


@dataclass(frozen=True)
class _Part:
    """Films of one part on their way to a worker."""

    number: int
    films: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"part {self.number}"


def _line(found: FilmFacts | tuple[str, str]) -> str:
    if isinstance(found, FilmFacts):
        return found.model_dump_json(exclude_defaults=True) + "\n"
    # A film that is left out stays in sight: its name, and why.
    name, reason = found
    return f"# {reason}: {name}\n"


def read_facts(parts: Sequence[Path], dropped: Counter[str] | None = None) -> Iterator[FilmFacts]:
    """The films of a survey, in order, one at a time.

    Args:
        parts: their files.
        dropped: counts reasons why films were left out.

    Raises:
        FileFormatError: a line that is none of ours.
        StorageError: a part cannot be read.
    """
    for path in parts:
        with storage_errors(path):
            lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            if line.startswith("# "):
                if dropped is not None:
                    dropped[line[2:].split(": ", 1)[0]] += 1
                continue
            try:
                yield FilmFacts.model_validate_json(line)
            except ValidationError as error:
                raise FileFormatError(
                    "A line of the survey is not a film.",
                    got=f"{path}:{number}",
                    remedy=f"delete {path.name} and run again: it is made anew",
                ) from error
