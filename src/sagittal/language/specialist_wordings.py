"""Questions that a specialist answers, and questions that none is needed for, as people put them.

An *intent* is what is wanted of a thing: its outline, whether it is there, its size, its side, its place, a
description, both sides compared, a count, the kind of a tumour. Each has templates in
``grammars/specialist_questions``; what is asked of is in :mod:`sagittal.language.specialist_things`. Only
questions are made: answers, and which specialist is to be called, are the caller's. Questions that need no
specialist come with their answer where no image is needed for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from sagittal.errors import ConfigError
from sagittal.language.grammar import Grammar, Pool
from sagittal.language.specialist_exams import exam_question, exams
from sagittal.language.specialist_intents import INTENTS, Intent, common_styles
from sagittal.language.specialist_things import IMAGED, REGIONS, Thing, ThingTable, thing_table
from sagittal.language.voxel_everyday import TypingConfig, as_typed
from sagittal.language.voxel_wordings import GRAMMAR_FOLDER as BORROWED_FOLDER
from sagittal.language.voxel_wordings import Phrase, Prompt, VoxelWordings

GRAMMAR_FOLDER = Path(__file__).parent / "grammars" / "specialist_questions"
#: Intents for which one side makes no sense.
_OF_BOTH_SIDES = ("side", "compare", "count", "classify")
#: What a question without a specialist is about: of the picture itself (answered by the caller), …
PICTURE = ("modality", "plane", "sequence", "contrast", "organ", "geometry", "orientation", "date")
#: … or of something that an answer is known to.
ANSWERED = ("smalltalk", "software", "advice", "term", "abbreviation", "fact", "exam")
#: Of a structure or a disease in general: the answer is known to nobody here.
KNOWLEDGE = "knowledge"
NO_CALLS = (*PICTURE, *ANSWERED, KNOWLEDGE)
# Kind of a thing → root of the general questions about it.
_KNOWN_AS = {"organ": "organ", "shadow": "organ", "pathology": "pathology", "finding": "pathology"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question for a specialist.

    Attributes:
        question: tidy words; :meth:`SpecialistWordings.typed` makes them look typed.
        withheld: whether anything in it is kept back for testing.
        intent: what is wanted.
        thing: of what, by id.
        phrase: the words for the thing; empty where the question names it in none.
        side: the one of a pair that is meant, or empty.
    """

    question: str
    withheld: bool
    intent: Intent
    thing: str
    phrase: str
    side: str


@dataclass(frozen=True, slots=True)
class NoCall:
    """A question that needs no specialist.

    Attributes:
        kind: one of :data:`NO_CALLS`.
        question: tidy words.
        answer: to it; ``None`` where it follows from the picture or its header, or nobody here knows it.
        withheld: whether anything in it is kept back for testing.
    """

    kind: str
    question: str
    answer: str | None
    withheld: bool


class SpecialistWordings:
    """The shipped questions."""

    def __init__(self, asked: Grammar, unasked: Grammar, around: Grammar, table: ThingTable) -> None:
        self._asked, self._unasked, self._around, self._table = asked, unasked, around, table
        self._filled = VoxelWordings(asked)
        self._pictured = VoxelWordings(unasked)
        texts = (p.text.lower() for thing in table.things.values() for p in thing.phrases if p.withheld)
        self._kept = frozenset(texts)
        names = "|".join(re.escape(text) for text in sorted(self._kept, key=len, reverse=True))
        self._kept_names = re.compile(rf"\b(?:{names})\b")

    @classmethod
    def load(cls) -> SpecialistWordings:
        """The shipped grammars and tables, read once a process."""
        return _shipped()

    # -- what there is -------------------------------------------------------------------------

    def things(self, region: str | None = None) -> dict[str, Thing]:
        """Things by id, of one region or of all, in the tables' order."""
        return {i: t for i, t in self._table.things.items() if region in (None, t.region)}

    def findings(self) -> dict[str, Thing]:
        """What a chest film may show, by id."""
        return self.things("finding")

    def intents(self, thing: str) -> tuple[Intent, ...]:
        """What can be asked of a thing."""
        return tuple(intent for intent in INTENTS if any(self._roots(intent, self._table[thing])))

    def fits(self, phrase: str, region: str | None = None) -> list[str]:
        """Ids of all things that a phrase names, of the image of a region or of all."""
        wanted = phrase.lower()
        return [
            i
            for i, t in self._table.things.items()
            if (region is None or IMAGED[t.region] == IMAGED[region])
            and any(p.text.lower() == wanted for p in t.phrases)
        ]

    def has_withheld_name(self, question: str) -> bool:
        """Whether a question names a thing by words that are kept back, whatever its form."""
        return self._kept_names.search(question.lower()) is not None

    def count(self, intent: Intent, thing: str, pool: Pool = "all") -> int:
        """Exact number of derivations of an intent for a thing; slots are not counted."""
        common, own = self._roots(intent, self._table[thing])
        return sum(self._asked.count(root, pool) for root in dict.fromkeys((*common, *own)))

    def count_no_call(self, kind: str, pool: Pool = "all") -> int:
        """Exact number of derivations; of exams, of vignettes."""
        if kind == "exam":
            return len([e for e in exams() if pool == "all" or e.withheld == (pool == "withheld")])
        if kind == KNOWLEDGE:
            return sum(self._unasked.count(f"{kind} {of}", pool) for of in dict.fromkeys(_KNOWN_AS.values()))
        return self._unasked.count(kind, pool)

    # -- questions -----------------------------------------------------------------------------

    def ask(
        self,
        intent: Intent,
        thing: str,
        rng: np.random.Generator,
        pool: Pool = "train",
        *,
        image: str = "any",
        side: str = "",
    ) -> Asked:
        """A question.

        Args:
            intent: one of :meth:`intents`.
            thing: id.
            rng: decides every draw.
            pool: ``train`` uses nothing withheld; ``withheld`` at least one such thing.
            image: kind of the image that is spoken of (``sagittal.study.KINDS``), as far as it has words.
            side: ``left`` or ``right`` of a pair; such a question always names the thing.

        Raises:
            ConfigError: no such thing, or it cannot be asked so.
        """
        own = self._table[thing]
        common, special = self._roots(intent, own)
        if not (common or special) or (side and (not common or intent in _OF_BOTH_SIDES)):
            raise ConfigError(
                "This cannot be asked of that thing.", expected=self.intents(thing), got=(intent, side)
            )
        special_fits = special and not side and (not common or rng.random() < own.own)
        roots = special if special_fits else common
        root = roots[int(rng.integers(len(roots)))]
        slots = {"a": _named(own, intent, side), **self._surroundings(own, image)}
        prompt = self._filled.sample(root, slots, rng, pool)
        said = prompt.phrases.get("a")
        return Asked(prompt.text, prompt.withheld, intent, thing, said.text if said else "", side)

    def no_call(
        self,
        rng: np.random.Generator,
        pool: Pool = "train",
        *,
        kind: str | None = None,
        region: str | None = None,
        image: str = "any",
    ) -> NoCall:
        """A question that needs no specialist.

        Args:
            rng: decides every draw.
            pool: as of :meth:`ask`.
            kind: one of :data:`NO_CALLS`; one of them by chance without.
            region: of the image, for the words of questions about the picture; any without.
            image: kind of the image, as of :meth:`ask`.

        Raises:
            ConfigError: no such kind, or nothing of it in the pool.
        """
        kind = NO_CALLS[int(rng.integers(len(NO_CALLS)))] if kind is None else kind
        if kind not in NO_CALLS:
            raise ConfigError("There is no such question.", expected=", ".join(NO_CALLS), got=kind)
        if kind == "exam":
            return NoCall(kind, *exam_question(rng, pool))
        if kind == KNOWLEDGE:
            prompt = self._general(rng, pool)
            return NoCall(kind, prompt.text, None, prompt.withheld)
        if kind in PICTURE:
            region = REGIONS[int(rng.integers(len(REGIONS)))] if region is None else region
            prompt = self._pictured.sample(kind, self._table.image_words(region, image), rng, pool)
            return NoCall(kind, prompt.text, None, prompt.withheld)
        derivation = self._unasked.sample(kind, rng, pool)
        question, answer = derivation.parts
        return NoCall(kind, question, answer, derivation.withheld)

    def _general(self, rng: np.random.Generator, pool: Pool) -> Prompt:
        """A question about any thing in general."""
        things = [thing for thing in self._table.things.values() if thing.kind in _KNOWN_AS]
        thing = things[int(rng.integers(len(things)))]
        return self._pictured.sample(f"{KNOWLEDGE} {_KNOWN_AS[thing.kind]}", {"a": thing.phrases}, rng, pool)

    # -- as it is typed ------------------------------------------------------------------------

    def typed(
        self, question: str, rng: np.random.Generator, config: TypingConfig, region: str | None = None
    ) -> str:
        """A question as somebody might type it, with a referrer's words around it; what is asked stays.

        Args:
            question: from :meth:`ask` or :meth:`no_call`.
            rng: decides every draw.
            config: chances.
            region: of the image; without, nothing is said of a patient.
        """
        before, after, other = rng.random(3)
        if region is not None and before < config.before:
            question = f"{self._context(region, rng, other)} {question}"
        if after < config.after:
            question = f"{question} {self._around.sample('after any', rng).parts[0]}"
        return as_typed(question, rng, _bare(config), self._kept)

    def context(self, region: str, rng: np.random.Generator) -> str:
        """A sentence or two that a referrer writes in front of a question; nothing in it is asked."""
        return self._context(region, rng, float(rng.random()))

    def _context(self, region: str, rng: np.random.Generator, other: float) -> str:
        trunk = "abdomen" if other < 0.6 else "chest"
        root = {"brain": "brain", "film": "chest", "ct": trunk}[IMAGED[region]]
        return self._around.sample(f"before {root}", rng).parts[0]

    # -- parts ---------------------------------------------------------------------------------

    def _roots(self, intent: Intent, thing: Thing) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Roots of the common styles, and of the thing's own."""
        common = tuple(f"{intent} {style}" for style in common_styles(intent, thing))
        own = tuple(f"{intent} {style}" for style in thing.styles)
        return common, tuple(root for root in own if root in self._asked.roots)

    def _surroundings(self, thing: Thing, image: str) -> dict[str, Sequence[Phrase]]:
        words: dict[str, Sequence[Phrase]] = {"half": thing.half, "part": thing.part, **thing.change}
        return {**words, **self._table.image_words(thing.region, image)}


def _named(thing: Thing, intent: Intent, side: str) -> Sequence[Phrase]:
    """The phrases that fit an intent: pairs are compared in the singular, things counted in the plural."""
    if side:
        return thing.sided(side)
    if intent == "compare":
        return [p for p in thing.phrases if not p.plural]
    if intent == "count":
        return [p for p in thing.phrases if p.plural]
    return thing.phrases


@cache
def _bare(config: TypingConfig) -> TypingConfig:
    """The same without words around the question."""
    return config.model_copy(update={"before": 0.0, "after": 0.0})


@cache
def _shipped() -> SpecialistWordings:
    lenders = sorted(BORROWED_FOLDER.glob("*.yaml"))
    return SpecialistWordings(
        Grammar(sorted((GRAMMAR_FOLDER / "asked").glob("*.yaml")), lenders),
        Grammar(sorted((GRAMMAR_FOLDER / "no_call").glob("*.yaml"))),
        Grammar([GRAMMAR_FOLDER / "around" / "contexts.yaml"]),
        thing_table(),
    )
