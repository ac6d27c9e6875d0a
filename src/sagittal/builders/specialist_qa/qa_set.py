"""A bank of consultations as a data set: conversations about each study, as examples.

Each study gives so many conversations; what was asked of its specialists, what none is needed for, what none
suits, and what the picture alone tells are the categories that a mixture is balanced by (VILA-M3, supplement
6.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sagittal.builders.consultation_bank import CASE, FIRST, CaseRecord, read_bank
from sagittal.builders.engine import Progress, run
from sagittal.builders.pools import EngineName
from sagittal.builders.shards import read_examples
from sagittal.builders.specialist_qa.maker import TalkMaker
from sagittal.builders.specialist_qa.talks import Talk, Turn
from sagittal.example import CallPart, Example, ImagePart, ImageRef, Message, TextPart
from sagittal.files import write_json, write_text
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.triggers import find_triggers

KIND = "specialist-qa"
#: Share of conversations in which no specialist may be called.
ALONE = 0.15
#: Conversations that may be looked through for each that is wanted: of a few things nothing can be asked.
_TRIES = 4


@dataclass(frozen=True)
class SpecialistQABuilder:
    """Conversations about studies.

    Attributes:
        cards: of the specialists that were run.
        talks: of each study.
        seed: of every draw.
    """

    cards: Mapping[str, SpecialistCard]
    talks: int
    seed: int
    kind: str = KIND
    libraries: tuple[str, ...] = ("numpy",)

    def config(self) -> dict[str, Any]:
        """Every setting that shapes the result."""
        cards = {name: card.model_dump(mode="json") for name, card in sorted(self.cards.items())}
        return {"talks": self.talks, "alone": ALONE, "cards": cards}

    def name(self, case: tuple[Path, CaseRecord]) -> str:
        """The study's."""
        return case[1].name

    def files(self, case: tuple[Path, CaseRecord]) -> dict[str, Path]:
        """The record and its pictures."""
        folder, record = case
        pictures = [call.picture for call in record.calls if call.picture]
        return {f"{folder.name}/{file}": folder / file for file in (CASE, FIRST, *pictures)}

    def build(self, case: tuple[Path, CaseRecord], hashes: Mapping[str, str]) -> list[Example]:
        """So many conversations about the study, no two alike."""
        folder, record = case
        own = int.from_bytes(blake2b(record.name.encode(), digest_size=4).digest(), "big")
        maker = TalkMaker.of_study(record, self.cards, self.seed ^ own, alone=ALONE)
        found: dict[tuple[str, Talk], None] = {}
        for number in range(_TRIES * self.talks):
            batch = maker(number)
            found[batch.system, batch.talks[0]] = None
            if len(found) == self.talks:
                break
        images = _images(folder, record, hashes)
        return [_example(record, number, system, talk, images) for number, (system, talk) in enumerate(found)]


def _images(folder: Path, record: CaseRecord, hashes: Mapping[str, str]) -> dict[int, ImageRef]:
    """Number of a picture → its file: the first, then those of the calls."""
    files = {0: FIRST, **{n: call.picture for n, call in enumerate(record.calls, start=1) if call.picture}}
    return {
        n: ImageRef(
            path=f"{folder.name}/{file}", sha256=hashes[f"{folder.name}/{file}"], kind=record.kinds[0]
        )
        for n, file in files.items()
    }


def _example(
    record: CaseRecord, number: int, system: str, talk: Talk, images: Mapping[int, ImageRef]
) -> Example:
    shown = [turn.picture for turn in talk.turns if turn.picture is not None]
    messages = [Message(role="system", parts=(TextPart(text=system),))]
    for turn in talk.turns:
        messages += [_asked(turn, shown), _said(turn.reply)]
    category, _, what = talk.kind.partition("/")
    return Example(
        id=f"{record.name}/{number}-{category}",
        patient=record.patient, study=record.name, images=tuple(images[n] for n in shown),
        source=record.source, licence=record.licence, split=record.split, task=category,
        messages=tuple(messages), targets={"about": what, "answer": talk.turns[-1].reply},
    )  # fmt: skip


def _asked(turn: Turn, shown: Sequence[int]) -> Message:
    words = TextPart(text=turn.words)
    if turn.picture is None:
        return Message(role="user", parts=(words,))
    return Message(role="user", parts=(ImagePart(image=shown.index(turn.picture)), words))


def _said(reply: str) -> Message:
    calls = [CallPart(specialist=one.name, argument=one.argument) for one in find_triggers(reply)]
    return Message(role="assistant", parts=(TextPart(text=reply), *calls))


def build_specialist_qa(
    bank: str | Path,
    out: str | Path,
    cards: Mapping[str, SpecialistCard],
    *,
    talks: int = 8,
    frequency: Mapping[str, int] | None = None,
    seed: int = 0,
    workers: int = 1,
    engine: EngineName = "local",
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Build the set into the folder ``out``, and give its categories' shares before and after balancing.

    Args:
        bank: folder of consultations (:mod:`sagittal.builders.consultation_bank`).
        out: a new folder, or one where the same build was begun.
        cards: of the specialists that were run.
        talks: conversations of each study.
        frequency: category → how often a mixture shall repeat it; once without. ``balance.md`` tells the
            shares before and after; nothing is written twice.
        seed: of every draw.
        workers, engine, progress: see :func:`sagittal.builders.engine.run`.

    Raises:
        LayoutError, FileFormatError: there is no bank, or a record is damaged.
        ConfigError, InputError, IntegrityError, StorageError: from the engine.
    """
    builder = SpecialistQABuilder(cards, talks, seed)
    run(builder, read_bank(bank), out, workers=workers, engine=engine, progress=progress)
    rows = balance(Counter(one.task for one in read_examples(out)), frequency or {})
    write_json(Path(out) / "balance.json", rows)
    write_text(Path(out) / "balance.md", "\n".join(balance_lines(rows)))
    return rows


def balance(counts: Mapping[str, int], frequency: Mapping[str, int]) -> list[dict[str, Any]]:
    """Categories with their shares before and after they are repeated (VILA-M3, Table 7)."""
    after = {name: count * frequency.get(name, 1) for name, count in counts.items()}
    return [
        {
            "category": name, "original": count, "share": count / sum(counts.values()),
            "frequency": frequency.get(name, 1), "balanced": after[name],
            "balanced_share": after[name] / sum(after.values()),
        }
        for name, count in sorted(counts.items())
    ]  # fmt: skip


def balance_lines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The same to read."""
    return [
        "| category | original | share | frequency | balanced | share |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row['category']} | {row['original']:,} | {row['share']:.1%} | ×{row['frequency']} | "
            f"{row['balanced']:,} | {row['balanced_share']:.1%} |"
            for row in rows
        ),
        "",
    ]  # fmt: skip
