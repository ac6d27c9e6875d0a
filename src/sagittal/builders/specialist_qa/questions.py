"""The user's words of conversations about specialists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sagittal.language.grammar import Pool
from sagittal.language.specialist_intents import Intent
from sagittal.language.specialist_wordings import SpecialistWordings
from sagittal.language.voxel_everyday import TypingConfig
from sagittal.specialists.prompting import asked


@dataclass(frozen=True, eq=False)
class Questions:
    """Words of questions.

    Attributes:
        wordings: of what is asked.
        pool: which of them.
        typing: what is done to them; nothing when ``None``.
    """

    wordings: SpecialistWordings
    pool: Pool
    typing: TypingConfig | None

    def ask(
        self, intent: Intent, thing: str, kinds: Sequence[str], looks_at: str, rng: np.random.Generator,
        instead: str = "",
    ) -> str:  # fmt: skip
        """A question; ``instead`` takes the place of the thing's words where they stand as they are."""
        found = self.wordings.ask(intent, thing, rng, self.pool, image=kinds[0])
        if instead:
            # As it is: what is typed badly may be the very word that is to be found in a card.
            stated = found.question.replace(found.phrase, instead) if found.phrase else ""
            return asked(stated, kinds, pictures=looks_at == "picture")
        typed = self.typed(found.question, thing.partition("/")[0], rng)
        return asked(typed, kinds, pictures=looks_at == "picture")

    def typed(self, question: str, region: str | None, rng: np.random.Generator) -> str:
        """A question as somebody might type it."""
        if self.typing is None:
            return question
        return self.wordings.typed(question, rng, self.typing, region)
