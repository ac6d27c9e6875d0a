"""IMAX and DMAX from a pool of chest films (IMAX §3): the whole way from published tables to examples.

The folder it makes::

    films.sqlite    what all sources state, by film
    facts/          every film, cleaned and measured
    imax/ dmax/     training sets of equal numbers of entries, task by task
    test/           films of other patients
    train/          all films of the training patients with all their entries, if asked for
    chosen.json     how films were divided, and why some were left out
    stats.md .png   the same to read and to look at (Figure 2)

Each step is kept when it is whole; a build that was stopped goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagittal.builders.chest.chest_set import ChestBuilder, FilmCase
from sagittal.builders.chest.choosing import SHARES, Offer, choose
from sagittal.builders.chest.entries import EntryConfig, entries_of
from sagittal.builders.chest.join import join_sources, tables_hash
from sagittal.builders.chest.statistics import described, write_statistics
from sagittal.builders.chest.surveying import Survey, read_facts
from sagittal.builders.engine import Progress, run
from sagittal.builders.pools import EngineName
from sagittal.files import storage_errors, write_json
from sagittal.io.films.source import FilmSource

#: Sets that are always made.
ARMS = ("imax", "dmax", "test")
#: All there is to train on: IMAX and DMAX are parts of it.
WHOLE = "train"
#: Films of one shard of a set.
FILMS_PER_SHARD = 512


def build_chest_tasks(
    sources: Sequence[FilmSource],
    out: str | Path,
    *,
    pictures: Mapping[str, Path],
    imax_films: int | None = None,
    everything: bool = False,
    entries: EntryConfig | None = None,
    seed: int = 0,
    workers: int = 1,
    engine: EngineName = "local",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Build the sets into the folder ``out``.

    Args:
        sources: what states something of films, in any mixture.
        out: a new folder, or one where the same build was begun.
        pictures: collection → folder that its pictures' paths count from. Paths in the examples begin with
            the collection's name.
        imax_films: films of IMAX; as many as DMAX can match when ``None``.
        everything: whether ``train/`` is made, too.
        entries: how many entries a film gives.
        seed: of every draw.
        workers, engine, progress: see :func:`sagittal.builders.engine.run`; the progress is reported over
            the survey and over each set.

    Returns:
        What ``chosen.json`` says.

    Raises:
        InputError: no film, or none with three tasks; a table or a row that cannot be used, which is named.
        ConfigError: the folder holds another build, or DMAX cannot match so many films.
        IntegrityError: a finished shard or its input changed since.
        StorageError: something cannot be read or written.
    """
    out, entries = Path(out), entries or EntryConfig()
    with storage_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    join = join_sources(sources, out / "films.sqlite")
    survey = Survey(join, tuple(sources), dict(pictures), out / "facts")
    parts = survey.run(workers=workers, engine=engine, progress=progress)
    dropped: Counter[str] = Counter()
    kept_back: Counter[str] = Counter()
    where: dict[str, str] = {}
    offers = []
    for part in parts:
        for film in read_facts([part], dropped):
            where[film.name] = part.name
            kept_back.update(film.left_out)
            counts = Counter(entry.task for entry in entries_of(film, entries, seed))
            offers.append(Offer(film.name, film.patient, film.sha256, dict(counts)))
    chosen = choose(offers, seed, imax_films)
    plan = {"tables": tables_hash(sources), "imax_films": len(chosen.imax), "shares": dict(SHARES)}
    terms = {one.name: (one.source, one.licence) for one in sources}
    arms = (*ARMS, WHOLE) if everything else ARMS
    for arm in arms:
        films: Mapping[str, Any] = getattr(chosen, arm)
        cases = [FilmCase(name, where[name], dict(own)) for name, own in films.items()]
        if cases:
            builder = ChestBuilder(survey.out, arm, entries, seed, terms, plan)
            run(
                builder, cases, out / arm, workers=workers, engine=engine,
                studies_per_shard=FILMS_PER_SHARD, progress=progress,
            )  # fmt: skip
    found = {
        "schema": "sagittal.chest-tasks/1",
        "seed": seed,
        **plan,
        "films": len(where),
        "left_out": {**dict(sorted(dropped.items())), **chosen.left_out},
        "not_used": dict(sorted(kept_back.items())),
        "rows": join.left_out(),
        "sets": {arm: described(getattr(chosen, arm)) for arm in arms},
    }
    write_json(out / "chosen.json", found)
    write_statistics(out, found)
    return found


__all__ = ["ARMS", "build_chest_tasks"]
