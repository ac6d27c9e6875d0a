"""Questions about marked pictures: what is asked is there or is not, as the marks say."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from marked_pictures import KINDS, PAIRS, marked, toys
from sagittal.builders.pixel_qa.rules import key_of
from sagittal.language.pixel_wordings import templates
from sagittal.train.packaged import packaged_table
from sagittal.train.picture_questions import Asker, Mask, Question

TABLE = packaged_table("picture_questions")
OF_SET = {"liver", "kidney", "aorta", "spleen"}


def asked(kind: str, number: int, count: int = 60, **settings: object) -> list[Question]:
    asker, rng = Asker(toys(), PAIRS, **settings), np.random.default_rng(7)
    return [asker.ask(number, kind, rng) for _ in range(count)]


def spoken(one: Question) -> str:
    return "".join(piece for piece in one.answer if isinstance(piece, str))


def called(name: str) -> list[str]:
    return [name, *TABLE["names"].get(name, [])]


def said(name: str, text: str) -> bool:
    return any(re.search(rf"\b{re.escape(own)}\b", text) for own in called(name))


def absent(number: int) -> set[str]:
    """Surely not in sight: of the same set, neither marked nor too small to be."""
    facts = toys()[number].facts
    return OF_SET - set(facts.classes) - set(facts.small) if facts.dataset else set()


def elsewhere(number: int) -> set[str]:
    """Of other parts of the body: the brain's in none but the brain, and nothing else in that."""
    here = toys()[number].facts.region
    if here == "unknown":
        return set()
    inside = {own: {n for p in toys() if (p.facts.region == "brain") == own for n in p.facts.classes}
              for own in (True, False)}  # fmt: skip
    return inside[here != "brain"] - inside[here == "brain"]


# -- what can be asked ------------------------------------------------------------------------------


def test_what_a_picture_can_be_asked() -> None:
    asker = Asker(toys(), PAIRS)
    for number in range(4):
        assert all(asker.able(number, kind) for kind in KINDS if kind != "choice")
        # A choice needs something that is surely not there.
        assert asker.able(number, "choice") == bool(absent(number) | elsewhere(number))
    assert [kind for kind in KINDS if asker.able(4, kind)] == ["closed", "open"]
    for kind in ("closed", "open"):
        for one in asked(kind, 4, 5):
            assert [(kind, one.question, spoken(one))] == [p for p in PAIRS[4] if p[0] == kind]
            assert one.region is None and one.masks == () and one.asked == ()


# -- masks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("short", [0.0, 1.0])
def test_an_answer_holds_the_masks_that_are_asked_for_in_their_order(number: int, short: float) -> None:
    counts: Counter[int] = Counter()
    present = tuple(dict.fromkeys(toys()[number].facts.classes))
    for one in asked("grounding", number, 100, short=short):
        assert one.kind == "grounding" and one.picture == number and one.region is None
        places = [one.question.find(own) for own in one.asked]
        if one.absent:
            assert (
                one.masks == () and len(one.asked) == 1 and one.asked[0] in absent(number) | elsewhere(number)
            )
            assert said(one.asked[0], one.question) and one.asked[0] in spoken(one)
            continue
        assert one.masks == one.asked and set(one.asked) <= set(present)
        # In the picture's order, each once; in the words, too.
        assert [present.index(own) for own in one.asked] == sorted(present.index(own) for own in one.asked)
        assert len(set(one.asked)) == len(one.asked) in (1, 2, 3)
        if short == 0:
            assert -1 not in places and places == sorted(places)
        assert all(said(own, one.question) for own in one.asked)
        for before, piece in pairwise(one.answer):
            if isinstance(piece, Mask):
                # Each mask follows its own name.
                assert isinstance(before, str) and before.rstrip().endswith(piece.name)
        counts[len(one.asked)] += 1
    assert counts[1] > counts[2] and (len(present) == 1) == (set(counts) == {1})


def test_what_is_not_there_is_asked_for_a_fifth_of_the_time_where_that_is_known() -> None:
    shares = [np.mean([one.absent for one in asked("grounding", number, 300)]) for number in range(4)]
    assert absent(0) == {"aorta", "spleen"} and absent(1) == {"kidney"} and absent(2) == {"liver"}
    np.testing.assert_allclose(shares, [0.2, 0.2, 0.2, 0], atol=0.08)


# -- what is there ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4))
def test_presence_is_as_the_marks_say(number: int) -> None:
    answers = Counter()
    for one in asked("closed", number):
        [name] = one.asked
        assert said(name, one.question) and spoken(one) in ("Yes", "No")
        assert name in (toys()[number].facts.classes if spoken(one) == "Yes" else absent(number))
        answers[spoken(one)] += 1
    # Of a picture whose set is not known nothing is said to be absent.
    assert (answers["No"] > 10) == (number < 3) and answers["Yes"] > 10


def test_a_class_that_may_be_a_part_of_one_that_is_there_is_never_called_absent() -> None:
    pictures = [
        marked("a", [("kidney", (2, 2, 20, 20)), ("liver", (30, 2, 50, 20))]),
        marked("b", [("left kidney", (2, 2, 20, 20)), ("aorta", (30, 2, 50, 20))]),
    ]
    asker, rng = Asker(pictures), np.random.default_rng(0)
    for number, never in ((0, "left kidney"), (1, "kidney")):
        for _ in range(60):
            one = asker.ask(number, "closed", rng)
            assert spoken(one) == "Yes" or one.asked != (never,)
            one = asker.ask(number, "grounding", rng)
            assert not one.absent or one.asked != (never,)


@pytest.mark.parametrize("number", [n for n in range(4) if absent(n) | elsewhere(n)])
def test_of_the_choices_one_is_there_and_the_others_surely_not(number: int) -> None:
    letters = Counter()
    for one in asked("choice", number):
        _, *lines = one.question.split("\n")
        options = dict(line.split(": ", 1) for line in lines)
        letter, _, name = spoken(one).partition(": ")
        assert list(options) == list("ABCD")[: len(options)] and options[letter] == name
        assert len(set(options.values())) == len(options) and one.asked == (name,)
        there = {own for own in options.values() if own in toys()[number].facts.classes}
        assert there == {name} and set(options.values()) - {name} <= absent(number) | elsewhere(number)
        letters[letter] += 1
    assert len(letters) == len(options) > 1


def test_modality_and_plane_are_those_of_the_picture() -> None:
    for number, allowed in ((0, {"MRI", "axial"}), (2, {"MRI", "coronal"}), (3, {"X-ray", "frontal"})):
        assert {spoken(one) for one in asked("open", number, 30)} == allowed


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", ["captions", "complex"])
def test_descriptions_name_what_is_there_and_nothing_else(number: int, kind: str) -> None:
    everything = OF_SET | {"lung"}
    for one in asked(kind, number, 15):
        named = {name for name in everything if re.search(rf"\b{name}s?\b", spoken(one))}
        assert named == set(toys()[number].facts.classes) and one.masks == ()


# -- regions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", ["category", "region"])
def test_a_region_points_into_its_instance(number: int, kind: str) -> None:
    picture, ways = toys()[number], Counter()
    for one in asked(kind, number):
        own = picture.instance(one.instance)
        assert one.asked == (picture.facts.classes[one.instance],)
        if kind == "category":
            assert spoken(one) == one.asked[0]
        else:
            assert one.asked[0] in spoken(one)
        assert one.region.shape == own.shape and one.region.dtype == bool
        if one.pointed == "mask":
            np.testing.assert_array_equal(one.region, own)
        elif one.pointed == "points":
            assert one.region.sum() == 1 and own[one.region].all()
        else:
            x, y = np.nonzero(own)
            wanted = np.zeros_like(own)
            wanted[x.min() : x.max() + 1, y.min() : y.max() + 1] = True
            np.testing.assert_array_equal(one.region, wanted)
        ways[one.pointed] += 1
    assert set(ways) == {"mask", "points", "box"}


def test_a_way_that_is_asked_for_is_taken() -> None:
    asker, rng = Asker(toys()), np.random.default_rng(0)
    for way in ("mask", "points", "box"):
        for number in range(4):
            assert asker.region_question(number, 0, rng, way).pointed == way


# -- wordings ---------------------------------------------------------------------------------------


def matcher(about: str) -> list[re.Pattern[str]]:
    return [
        re.compile(".+".join(re.escape(part) for part in one.split("{a}")) + r"(\n.*)?", re.S)
        for one in TABLE[about]["test"]
    ]


WITHHELD = [pattern for about in TABLE if about != "names" for pattern in matcher(about)]


def held_back(text: str) -> bool:
    return any(pattern.fullmatch(text) for pattern in WITHHELD)


def test_withheld_wordings_are_never_learnt() -> None:
    for kind in KINDS:
        for number in range(4):
            assert not any(held_back(one.question) for one in asked(kind, number, 40))


def test_withheld_wordings_are_what_is_asked_in_the_test() -> None:
    for kind in ("closed", "open", "choice"):
        assert all(held_back(one.question) for one in asked(kind, 0, 20, part="test"))
    for kind in ("category", "grounding"):
        assert all(held_back(one.question) for one in asked(kind, 0, 20, part="test", short=1.0))


def test_the_parts_share_no_wording_however_it_is_written() -> None:
    def plain(texts: list[str]) -> set[tuple[str, ...]]:
        whole = {key_of(re.sub(r"\{[a-z]+\}", "slot", text)) for text in texts}
        return {tuple(word for word in key if word != "the") for key in whole}

    learnt: set[tuple[str, ...]] = set()
    withheld: set[tuple[str, ...]] = set()
    for about, own in TABLE.items():
        if about != "names":
            learnt |= plain(own["train"])
            withheld |= plain(own["test"])
    for root in ("category_question", "region_question", "grounding_question"):
        learnt |= plain(templates(root))
    assert len(withheld) == sum(len(own["test"]) for about, own in TABLE.items() if about != "names")
    assert not learnt & withheld


def test_no_name_means_two_classes() -> None:
    names = [key_of(own) for name, others in TABLE["names"].items() for own in (name, *others)]
    assert len(set(names)) == len(names)


# -- draws ------------------------------------------------------------------------------------------


def test_questions_follow_from_their_generator() -> None:
    def drawn(seed: int) -> list[tuple[object, ...]]:
        asker, rng = Asker(toys(), PAIRS), np.random.default_rng(seed)
        made = [asker.ask(n, kind, rng) for n in range(4) for kind in KINDS]
        return [(q.question, q.answer, q.pointed, q.region is not None and q.region.tobytes()) for q in made]

    assert drawn(1) == drawn(1) != drawn(2)


@pytest.mark.parametrize("part", ["train", "test"])
def test_words_that_name_a_way_of_pointing_go_with_it(part: str) -> None:
    ways = {"mask", "points", "box"}
    own = {way: set(TABLE[f"region-{way}"][part]) for way in ways}
    every = asked("category", 0, 400, part=part, short=1.0)
    assert {one.pointed for one in every} == ways
    for one in every:
        assert not any(one.question in own[way] for way in ways - {one.pointed})
    for way in ways:
        assert {one.question for one in every if one.pointed == way} == {*own[way], *TABLE["region"][part]}
