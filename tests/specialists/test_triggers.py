"""Triggers in replies, and what a constraint lets through: random walks never leave cards and numbers."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.triggers import (
    Trigger,
    TriggerConstraint,
    find_triggers,
    numbers_of,
    without_triggers,
)

#: Every byte alone, as byte-level vocabularies have it, and longer ones that cut across a trigger's borders.
VOCABULARY = [
    b"", *(bytes([n]) for n in range(32, 127)), b" <", b"<B", b"Bra", b"in(", b")>", b">.", b"lesion", b"a<b",
    b" 1", b"43", b".9", b"T1", b" the", b"9 mL", b"12.", b"<<", b"x)> <", b"",
]  # fmt: skip


def a_card(name, arguments):
    return SpecialistCard.model_validate(
        {
            "schema": "sagittal.specialist/1", "name": name, "summary": "does something",
            "images": [["t1"]], "looks_at": "volume", "arguments": {a: a for a in arguments},
            "masks": {a: [a] for a in arguments}, "licence": "MIT", "source": "a test",
            "cost": {"seconds": 1, "memory_mb": 1},
        }
    )  # fmt: skip


CARDS = [a_card("Brain", ["brain", "brain stem"]), a_card("BrainTwo", ["lesion"])]
TRIGGERS = {t for card in CARDS for t in card.triggers()}


def walk(constraint, seed, steps=60, like=()):
    """Random tokens among those that are allowed; those in ``like`` more often."""
    rng, tokens = random.Random(seed), []
    for _ in range(steps):
        allowed = sorted(constraint(0, tokens))
        assert allowed, b"".join(VOCABULARY[t] for t in tokens)
        liked = [t for t in allowed if VOCABULARY[t] in like]
        tokens.append(rng.choice(liked if liked and rng.random() < 0.6 else allowed))
    return b"".join(VOCABULARY[t] for t in tokens).decode()


LIKED = (b"<", b" <", b"<B", b"Bra", b"in(", b")>", b"4", b"3", b".", b"43", b".9", b" 1", b"12.", b"T1")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 30))
def test_nothing_but_the_cards_triggers_and_the_numbers_that_were_told(seed):
    known = {"43.9", "1", "12", "4.25"}
    text = walk(TriggerConstraint(VOCABULARY, 0, CARDS, known), seed, like=LIKED)
    closed = re.sub(r"<[^<>]*\Z", "", text)
    assert {str(t) for t in find_triggers(closed)} <= TRIGGERS
    # Nothing else stands between angle brackets, and none stands alone.
    assert not re.search("[<>]", re.sub("|".join(map(re.escape, TRIGGERS)), "", closed))
    left = text[len(closed) :]
    assert not left or any(t.startswith(left) for t in TRIGGERS)
    plain = re.sub("|".join(map(re.escape, TRIGGERS)), " ", closed)
    *whole, last = (
        [*numbers_of(plain), ""] if not re.search(r"[0-9.]\Z", plain) else numbers_of(plain) or [""]
    )
    assert set(whole) <= known
    assert not last or last in known or any(n.startswith(last) for n in known)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 1 << 30))
def test_without_numbers_to_keep_to_all_are_free(seed):
    constraint = TriggerConstraint(VOCABULARY, 0, CARDS)
    assert VOCABULARY.index(b"7") in constraint(0, [])
    text = re.sub(r"<[^<>]*\Z", "", walk(constraint, seed, like=LIKED))
    assert {str(t) for t in find_triggers(text)} <= TRIGGERS


def follows(constraint, text):
    tokens = [VOCABULARY.index(c.encode()) for c in text]
    return {VOCABULARY[t] for t in constraint(0, tokens)}


def test_a_trigger_that_was_begun_is_ended_before_anything_else():
    constraint = TriggerConstraint(VOCABULARY, 0, CARDS)
    assert follows(constraint, "<") == {b"B"} | {b"Bra"}
    assert follows(constraint, "<Brain") == {b"(", b"T"}
    assert follows(constraint, "<Brain(brain") == {b")", b" ", b")>"}
    assert follows(constraint, "<BrainTwo(") == {b"l", b"lesion"}
    after = follows(constraint, "<Brain(brain)>")
    assert {b"<", b" <", b"a", b""} <= after and not {b">", b")>", b"<<", b"a<b", b"x)> <"} & after


def test_what_a_reply_says_that_it_means_is_called_for_where_a_card_has_it():
    constraint = TriggerConstraint(VOCABULARY, 0, CARDS)
    # Nothing but a call, with its blank or without.
    assert follows(constraint, "lesion:") == {b" ", b" <"} and follows(constraint, "lesion: ") == {
        b"<",
        b"<B",
    }
    assert follows(constraint, "Lesion: <Brain") == {b"T"} and follows(constraint, "brain: <Brain") == {b"("}
    # No card has it: no call, but anything else.
    assert not {b"<", b" <", b"<B"} & follows(constraint, "liver: ") and b"a" in follows(
        constraint, "liver: "
    )
    # Once is enough.
    assert {b"", b"a"} <= follows(constraint, "lesion: <BrainTwo(lesion)>")
    # Other words leave the choice free.
    assert follows(constraint, "I call <Brain") == {b"(", b"T"} and b"a" in follows(constraint, "A brain")
    # Without cards nothing can be called for.
    assert b"a" in follows(TriggerConstraint(VOCABULARY, 0, ()), "lesion: ")


def test_what_was_called_is_not_called_again():
    constraint = TriggerConstraint(VOCABULARY, 0, CARDS, done={"<BrainTwo(lesion)>"})
    assert not {b"<", b" <", b"<B"} & follows(constraint, "lesion: ")
    assert b"a" in follows(constraint, "lesion: ")
    # What is left goes on as before, and is all that a trigger may become.
    assert follows(constraint, "brain: <Brain") == {b"("} and follows(constraint, "I call <Brain") == {b"("}
    everything = {trigger for card in CARDS for trigger in card.triggers()}
    assert not {b"<", b"<B"} & follows(TriggerConstraint(VOCABULARY, 0, CARDS, done=everything), "a ")


def test_what_an_argument_draws_or_tells_among_others_is_called_for_by_it():
    card = a_card("Trunk", ["everything", "liver"])
    card = card.model_copy(update={"masks": {"everything": ("liver", "Spleen"), "liver": ("liver",)}})
    reader = a_card("Reader", ["findings"]).model_copy(update={"masks": {}, "classes": {"Edema": 0.5}})
    constraint = TriggerConstraint(
        VOCABULARY, 0, [card, reader, a_card("Third", ["brain stem", "hair stem"])]
    )
    for said, trigger in (
        ("spleen: ", "<Trunk(everything)>"), ("liver: ", "<Trunk(liver)>"), ("Edema: ", "<Reader(findings)>"),
        ("stem: ", "<Third(brain stem)>"), ("stem brain: ", "<Third(brain stem)>"),
    ):  # fmt: skip
        text = said
        while not text.endswith(">"):
            [token] = {t for t in follows(constraint, text) if len(t) == 1} or {b"in("}
            text += token.decode()
        assert text == said + trigger


@pytest.mark.parametrize(
    ("said", "may", "may_not"),
    [
        ("is ", {b"4", b"1", b"43", b"a"}, {b"5", b".9"}),
        ("is 4", {b"3"}, {b" ", b"a", b"", b"4", b".", b" 1", b"<", b" <"}),
        ("is 43", {b"."}, {b" ", b"9", b"a"}),
        ("is 43.", {b"9"}, {b" ", b"1"}),
        ("is 43.9", {b" ", b".", b"", b"a"}, {b"1", b".9"}),
        ("is 43.9.", {b" ", b""}, {b"9", b"1"}),
        ("is 1", {b" ", b"2", b".", b"<"}, {b"1", b".9"}),
        ("T", {b"1", b"7", b"43"}, set()),
        ("T1", {b" ", b"7"}, {b"43"}),
        ("T17", {b" ", b"."}, {b"7", b".9"}),
    ],
)
def test_a_number_is_one_that_was_told(said, may, may_not):
    found = follows(TriggerConstraint(VOCABULARY, 0, CARDS, {"43.9", "1", "12"}), said)
    assert may <= found and not may_not & found


def test_of_special_tokens_the_end_alone_is_written():
    constraint = TriggerConstraint(VOCABULARY, 0, CARDS, {"1"})
    other = len(VOCABULARY) - 1
    assert VOCABULARY[other] == b"" and 0 in constraint(0, []) and other not in constraint(0, [])
    assert 0 not in constraint(0, [VOCABULARY.index(b"<")])


def test_triggers_are_found_and_taken_out():
    text = "Let me see <Brain(brain stem)> and <Nobody(x)>. a < b"
    assert find_triggers(text) == [Trigger("Brain", "brain stem"), Trigger("Nobody", "x")]
    assert without_triggers(text) == "Let me see Brain and Nobody. a < b"
    assert str(Trigger("Brain", "brain")) in TRIGGERS


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("T1 and T2", []), ("43.9 mL, 12%.", ["43.9", "12"]), ("CN7 is 3", ["3"]), ("1.", ["1"]), ("", [])],
)
def test_numbers_of_a_text(text, numbers):
    assert numbers_of(text) == numbers
