"""The tokenizer of VoxelPrompt's language model, trained on what it will read and write.

Half of the text is questions as typed, the rest programs, feedback, metadata, and plain words, so that a
word outside the grammar is cut where words are usually cut. No text of the withheld pool is among it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sagittal.language.tokenizer import Tokenizer
from sagittal.language.voxel_everyday import TypingConfig, as_typed, made_up, odd_request, words
from sagittal.language.voxel_wordings import VoxelWordings
from sagittal.models.voxelprompt.words import acquisition_words
from sagittal.train.language_pool import Item
from sagittal.train.language_stream import known_phrases, pictures, withheld_phrases

SIZE = 2_048


def train_tokenizer(items: Sequence[Item], seed: int, size: int = SIZE, count: int = 30_000) -> Tokenizer:
    """The same pool and seed give the same tokenizer.

    Args:
        items: of the pool; those for tests are left out.
        seed: decides every draw.
        size: tokens at most.
        count: conversations to draw words from.
    """
    return Tokenizer.train(_texts([item for item in items if not item.for_tests], seed, count), size)


def _texts(items: Sequence[Item], seed: int, count: int) -> Iterator[str]:
    rng = np.random.default_rng([seed, 77])
    wordings, typing, withheld = VoxelWordings.load(), TypingConfig(), withheld_phrases()
    for _ in range(count):
        item = items[int(rng.integers(len(items)))]
        question = wordings.sample(item.root, item.slots, rng, "train").text
        yield as_typed(question, rng, typing, withheld)
        # Programs and metadata are few texts that come again and again: an eighth of them settles all.
        if rng.random() < 0.125:
            yield from item.programs
            yield from item.feedback
            volumes = dict(zip((g.name for g in item.images), pictures(item.images, rng), strict=True))
            yield from acquisition_words(volumes).values()
    lists = words()
    plain = sorted({*lists.properties, *lists.things, *lists.organs, *lists.nouns, *lists.verbs})
    plain += sorted(known_phrases() - withheld)
    for word in plain:
        yield from (f" {word}", word.capitalize(), f"the {word} is", f"which {word}?")
    for _ in range(2_000):
        yield odd_request(rng)
        yield f"the {made_up(rng)} of"
