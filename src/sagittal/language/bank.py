"""A finite collection of wordings, as an endpoint gives it, with the grammar's face."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sagittal.errors import ConfigError, FileFormatError
from sagittal.files import storage_errors, write_text
from sagittal.language.grammar import POOLS, Pool
from sagittal.language.withholding import SHARE
from sagittal.language.wording import Kind, Wording, combination


def is_withheld(question: str) -> bool:
    """Whether a question is kept for testing: a tenth are, by a hash of the text alone."""
    digest = hashlib.sha256(question.encode()).digest()
    return int.from_bytes(digest[:8], "big") < SHARE * 2**64


class WordingBank:
    """Wordings by kind and tasks: see :class:`sagittal.language.wording.Wordings`.

    A question that comes twice within a kind and combination is kept once, with its first answer.

    Raises:
        ConfigError: a wording whose kind and tasks do not fit.
    """

    def __init__(self, wordings: Iterable[Wording]) -> None:
        found: dict[tuple[str, tuple[str, ...]], dict[str, Wording]] = defaultdict(dict)
        for wording in wordings:
            key = wording.kind, combination(wording.kind, wording.tasks)
            found[key].setdefault(wording.question, wording)
        self._wordings = {key: _pools(by_question.values()) for key, by_question in found.items()}

    def __iter__(self) -> Iterator[Wording]:
        for pools in self._wordings.values():
            yield from pools["all"]

    def count(self, kind: Kind, tasks: Sequence[str] | None = None, pool: Pool = "all") -> int:
        """How many wordings there are; ``tasks`` ``None`` adds up every combination of the kind."""
        if tasks is not None:
            return len(self._pool(kind, tasks, pool))
        return sum(len(self._pool(kind, key[1], pool)) for key in self._wordings if key[0] == kind)

    def sample(
        self, kind: Kind, tasks: Sequence[str], rng: np.random.Generator, pool: Pool = "all"
    ) -> Wording:
        """One wording at random.

        Raises:
            ConfigError: the bank has none.
        """
        return self.draw(kind, tasks, 1, rng, pool)[0]

    def draw(
        self, kind: Kind, tasks: Sequence[str], n: int, rng: np.random.Generator, pool: Pool = "all"
    ) -> list[Wording]:
        """``n`` wordings with different questions.

        Raises:
            ConfigError: the bank has fewer.
        """
        options = self._pool(kind, tasks, pool)
        if len(options) < n:
            raise ConfigError(
                f"The bank does not hold enough wordings for {kind} {' '.join(tasks)}, pool '{pool}'.",
                expected=f"at least {n}",
                got=len(options),
                remedy="ask the endpoint for more repetitions, or use the shipped grammar",
            )
        return [options[int(i)] for i in rng.choice(len(options), size=n, replace=False)]

    def _pool(self, kind: Kind, tasks: Sequence[str], pool: Pool) -> list[Wording]:
        if pool not in POOLS:
            raise ConfigError("There is no such pool.", expected=", ".join(POOLS), got=pool)
        pools = self._wordings.get((kind, combination(kind, tasks)))
        return pools[pool] if pools else []

    def save(self, path: str | Path) -> None:
        """Write the bank as JSON lines, atomically."""
        lines = (json.dumps(dataclasses.asdict(each), ensure_ascii=False, sort_keys=True) for each in self)
        write_text(path, "".join(f"{line}\n" for line in lines))

    @classmethod
    def load(cls, path: str | Path) -> WordingBank:
        """Read what :meth:`save` wrote.

        Raises:
            FileFormatError: a line is not a wording.
            StorageError: the file cannot be read.
        """
        with storage_errors(Path(path)):
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        return cls(_parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1))


def _pools(wordings: Iterable[Wording]) -> dict[str, list[Wording]]:
    everything = list(wordings)
    return {
        "all": everything,
        "train": [each for each in everything if not each.withheld],
        "withheld": [each for each in everything if each.withheld],
    }


def _parse(line: str, where: str) -> Wording:
    try:
        fields = json.loads(line)
        tasks, items = tuple(fields.pop("tasks")), tuple(fields.pop("out_of_scope"))
        return Wording(tasks=tasks, out_of_scope=items, **fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileFormatError("A line is not a wording.", got=where, remedy="see WordingBank.save") from error
