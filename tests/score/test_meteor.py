"""METEOR: worked by hand, and its alignment against trying every one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.score.meteor import Alignment, align, meteor

MAT = "the cat sat on the mat"


@pytest.fixture(scope="module", autouse=True)
def porter() -> None:
    pytest.importorskip("nltk")


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    [
        # One chunk: 1 - 0.5·(1/6)³.
        (MAT, MAT, 1 - 0.5 / 216),
        ("The cat sat, on the MAT!", MAT, 1 - 0.5 / 216),
        # "on the mat", "sat", "the cat": 1 - 0.5·(3/6)³.
        ("on the mat sat the cat", MAT, 1 - 0.5 / 8),
        # P = 6/7, R = 1, two chunks.
        ("the cat was sat on the mat", MAT, (6 / 7) / (0.9 * 6 / 7 + 0.1) * (1 - 0.5 * (2 / 6) ** 3)),
        # P = 1, R = 1/6, one chunk of one pair: half of the mean is left.
        ("mat", MAT, (1 / 6) / (0.9 + 0.1 / 6) / 2),
        # Stems pair, and their chunk goes on: "lungs are" and "cleared" for "clear".
        ("the lungs are cleared", "the lung are clear", 1 - 0.5 / 64),
        ("effusion", MAT, 0), ("", MAT, 0), ("...", MAT, 0),
    ],
)  # fmt: skip
def test_by_hand(text: str, reference: str, score: float) -> None:
    assert meteor(text, reference) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "reference", "chunks"),
    [
        # From either end, greedily, these come to four chunks and to three.
        ("the cat the dog", "the dog the cat", 2),
        ("the x the y", "z the y the x", 2),
        # The same word is preferred to the same stem, though the chunks are more.
        ("lungs lung", "lung lungs", 2),
        ("lungs lung", "lungs lung", 1),
    ],
)
def test_fewest_chunks(text: str, reference: str, chunks: int) -> None:
    assert align(tuple(text.split()), tuple(reference.split())).chunks == chunks


def alignments(
    text: list[str], reference: list[str], used: tuple[int, ...] = ()
) -> Iterator[list[tuple[int, int]]]:
    """Every way to pair words of one stem."""
    from nltk.stem.porter import PorterStemmer

    stem = PorterStemmer().stem
    place = len(used)
    if place == len(text):
        yield [(i, j) for i, j in enumerate(used) if j >= 0]
        return
    yield from alignments(text, reference, (*used, -1))
    for j, word in enumerate(reference):
        if j not in used and stem(word) == stem(text[place]):
            yield from alignments(text, reference, (*used, j))


def literal(text: list[str], reference: list[str]) -> Alignment:
    best = min(
        (-sum(text[i] == reference[j] for i, j in pairs), -len(pairs), chunks_of(pairs))
        for pairs in alignments(text, reference)
    )
    return Alignment(-best[1], best[2])


def chunks_of(pairs: list[tuple[int, int]]) -> int:
    return sum((i - 1, j - 1) not in pairs for i, j in pairs)


TEXTS = st.lists(st.sampled_from(["the", "lung", "lungs", "clear", "cleared", "no"]), max_size=6)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_every_alignment_was_tried(text: list[str], reference: list[str]) -> None:
    found = align(tuple(text), tuple(reference))
    assert found == literal(text, reference)
    # The other way round, and both backwards, it is the same alignment.
    assert found == align(tuple(reference), tuple(text)) == align(tuple(text[::-1]), tuple(reference[::-1]))


def test_long_repetitive_texts_are_aligned_soon() -> None:
    reference = (
        "there is no focal consolidation the heart is normal and the lungs are clear there is no effusion"
    )
    looping = "there is no effusion " * 30
    found = align(tuple(looping.split()), tuple(reference.split()))
    # "there is no", "is", "there is no effusion".
    assert found == Alignment(8, 3)
    assert 0 < meteor("the " * 128, reference) < 0.2


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_has_a_score(text: str, reference: str) -> None:
    assert 0 <= meteor(text, reference) < 1
