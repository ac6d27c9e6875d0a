"""Measures of masks against slow ones, the quality rules on both sides, templates, an endpoint's replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pixel_cases
import pytest

from sagittal.builders.pixel_qa import build_pixel_set
from sagittal.builders.pixel_qa.conversing import Said, converse, items_of
from sagittal.builders.pixel_qa.items import Situation, absent_names, share_words
from sagittal.builders.pixel_qa.pixel_set import PixelBuilder
from sagittal.builders.pixel_qa.places import Plane, measured, place_of
from sagittal.builders.pixel_qa.preparing import prepared
from sagittal.builders.pixel_qa.records import MODALITIES
from sagittal.builders.pixel_qa.rules import Kind, Names, faults, key_of
from sagittal.builders.shards import read_examples
from sagittal.errors import FileFormatError, IntegrityError
from sagittal.language.endpoint import CachedEndpoint, ChatEndpoint
from sagittal.language.pixel_prompts import CONVERSE
from sagittal.language.pixel_wordings import pixel_grammar, templates, worded

# -- measures --------------------------------------------------------------------------------------


def slow_touch(a: Plane, b: Plane) -> bool:
    for x, y in np.argwhere(a):
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            u, v = x + dx, y + dy
            if 0 <= u < b.shape[0] and 0 <= v < b.shape[1] and b[u, v]:
                return True
    return False


@pytest.mark.parametrize("seed", range(6))
def test_measures_equal_slow_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(5):
        mask = np.zeros((23, 17), bool)
        x, y = rng.integers(0, 19), rng.integers(0, 13)
        mask[x : x + rng.integers(1, 9), y : y + rng.integers(1, 9)] = rng.random() < 2
        masks.append(mask)
    names = ["a", "b", "b", "c", "d"]
    for number, one in enumerate(measured(masks, names)):
        mine = [(int(x), int(y)) for x, y in np.argwhere(masks[number])]
        assert one.pixels == len(mine)
        assert one.share == len(mine) / (23 * 17)
        assert one.centroid == pytest.approx(tuple(np.mean(mine, axis=0)))
        xs, ys = [x for x, _ in mine], [y for _, y in mine]
        assert one.box == (min(xs), min(ys), max(xs), max(ys))
        touching = [n for n in range(5) if n != number and slow_touch(masks[number], masks[n])]
        assert one.touches == tuple(touching)
        others = [m for m, n in zip(masks, names, strict=True) if n != names[number]]
        own = [p for p in mine if not any(m[p] for m in others)]
        assert (one.point in own) if own else (one.point is None)
        if one.point is not None:
            # Nothing lies deeper: the distance to the nearest pixel that is not its own.
            def depth(p: tuple[int, int], own: list[tuple[int, int]] = own) -> float:
                outside = {(x, y) for x in range(-1, 24) for y in range(-1, 18)} - set(own)
                return min((p[0] - x) ** 2 + (p[1] - y) ** 2 for x, y in outside)

            assert depth(one.point) == max(depth(p) for p in own)


def test_a_mask_that_another_class_repeats() -> None:
    a, b = np.zeros((8, 8), bool), np.zeros((8, 8), bool)
    a[1:4, 1:4] = b[1:4, 1:4] = True
    assert [(one.has_twin, one.point) for one in measured([a, b], ["x", "y"])] == [(True, None)] * 2
    assert not any(one.has_twin for one in measured([a, b], ["x", "x"]))


def test_places_by_thirds_and_mirrored() -> None:
    mirrored = {"left": "right", "right": "left"}
    seen = set()
    for x in range(9):
        for y in range(9):
            word = place_of(x, y, 1, (9, 9))
            other = place_of(8 - x, y, 1, (9, 9))
            assert other == " ".join(mirrored.get(w, w) for w in word.split())
            seen.add(word)
    assert seen == {"centre", "left", "right", "upper", "lower", "upper left", "upper right", "lower left",
                    "lower right"}  # fmt: skip
    # Pixels 2 and 3 of 9 lie on either side of a third; their mean lies on it.
    assert [place_of(x, 4, 1, (9, 9)) for x in (2, 3)] == ["left", "centre"]
    assert place_of(5, 8, 2, (9, 9)) == "centre"
    assert [share_words(s) for s in (0.004, 0.0099, 0.01, 0.124, 0.125, 1)] == [
        "less than 1%", "less than 1%", "about 1%", "about 12%", "about 13%", "about 100%",
    ]  # fmt: skip


# -- rules -----------------------------------------------------------------------------------------

NAMES = Names(["liver", "kidney", "left kidney", "kidney cyst", "area 4", "Optic Disc", "ulcus"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The LIVER.", {"liver"}), ("livers", {"liver"}), ("liverish", set()), ("", set()),
        ("a left kidney", {"left kidney"}),
        ("left, kidney", {"left kidney"}), ("left_kidney", {"left kidney"}),
        ("the kidney left", {"kidney"}), ("kidneys and kidney cysts", {"kidney", "kidney cyst"}),
        ("left kidney cyst", {"left kidney"}), ("optic disc", {"Optic Disc"}), ("ulcuses", {"ulcus"}),
    ],
)  # fmt: skip
def test_names_in_words(text: str, found: set[str]) -> None:
    assert NAMES.said(text) == {key_of(name) for name in found}


GOOD_ALL = "This image shows the liver and a left kidney."


@pytest.mark.parametrize(
    ("kind", "question", "answer", "due"),
    [
        ("region-category", "What is in this region?", "liver", []),
        ("region-category", "Is this region the left kidney?", "liver", ["question_names_object"]),
        ("region-category", "What is in this region?", "the liver", ["answer_not_name"]),
        ("region-category", "What is in this region?", "left kidney", ["answer_not_name"]),
        ("region-description", "What is this?", "This is the liver.", []),
        ("region-description", "What is this?", "This is the liver beside the left kidney.", []),
        ("region-description", "What is this?", "This is an organ.", ["names_missing"]),
        ("region-description", "What is this?", "The liver beside a kidney cyst.", ["names_absent"]),
        ("region-description", "What is this?", "The liver is in region 2.", ["mask_number"]),
        ("region-description", "What is this?", "The liver is in <region_2>.", ["mask_number"]),
        ("region-description", "What is this?", "The liver of mask #3.", ["mask_number"]),
        ("complex", "What does it show?", GOOD_ALL, []),
        ("complex", "What does it show?", "This image shows the liver.", ["names_missing"]),
        ("complex", "What does it show?", GOOD_ALL + " There is an optic disc.", ["names_absent"]),
        ("complex", "What does it show?", GOOD_ALL + " It is a scan of the kidney.", ["names_absent"]),
        ("complex", "What does it show?", "As provided information says: " + GOOD_ALL, ["source_mentioned"]),
        ("complex", "What does it show?", GOOD_ALL + " The annotated organs are fine.", ["source_mentioned"]),
        ("complex", "What does it show?", "Das Bild zeigt die liver und die left kidney.", ["not_english"]),
        ("complex", "What does it show?", GOOD_ALL + " It is the case." * 1400, ["too_long"]),
        ("complex", "?", GOOD_ALL, ["empty"]),
        ("grounding", "Segment the liver with a segmentation mask.", "Here is the liver.", []),
        ("grounding", "Segment the liver.", "Here it is.", ["names_missing"]),
    ],
)  # fmt: skip
def test_each_rule_on_both_sides(kind: Kind, question: str, answer: str, due: list[str]) -> None:
    asked = ["liver", "left kidney"] if kind == "complex" else ["liver"]
    found = faults(
        kind, question, answer, asked=asked, present=["liver", "left kidney"], region="abdomen", names=NAMES
    )
    assert found == due


def test_what_may_be_named_besides() -> None:
    def check(kind: Kind, answer: str, **changed: object) -> list[str]:
        settings = {"asked": ["liver"], "present": ["liver"], "region": "unknown", "names": NAMES} | changed
        return list(faults(kind, "What is this?", answer, **settings))  # type: ignore[arg-type]

    # The scanned region may be a class's name, too; a class may be called as a mask is.
    said = "A scan of the kidney with the liver."
    assert check("complex", said, region="kidney") == [] and check("complex", said) == ["names_absent"]
    assert check("complex", "The liver and area 4.", present=["liver", "area 4"]) == []
    assert check("grounding", "There is no ulcus here.", asked=["ulcus"]) == []
    # A name need not be English.
    foreign = Names(["Drüse der Ohrspeichel"])
    assert check(
        "grounding", "There is no Drüse der Ohrspeichel.", asked=["Drüse der Ohrspeichel"], names=foreign
    ) == []  # fmt: skip
    # A part of a present name, or a name that holds one, is not surely absent.
    assert absent_names(["left kidney"], ["kidney", "left kidney cyst", "liver", "left kidney"]) == ["liver"]


# -- wordings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", MODALITIES)
def test_four_templates_a_modality_and_task(modality: str) -> None:
    for root in ("describe", "region_answer", "complex_answer", "complex_question"):
        assert len(set(templates(root, modality))) >= 4
    own = set(templates("describe", modality))
    assert not any(own & set(templates("describe", other)) for other in MODALITIES if other != modality)
    rng = np.random.default_rng(0)
    slots = {
        "names": "the liver",
        "found": "the liver in the centre",
        "view": "axial ",
        "of": " of the chest",
    }
    for _ in range(20):
        text = worded("describe", rng, modality=modality, **slots)
        assert "{" not in text and "  " not in text and text.endswith(".")
        assert " a a" not in text and " a ultra" not in text and " a MR" not in text


def test_ten_requests_for_masks_from_two_templates() -> None:
    wordings = templates("grounding_question")
    assert len(set(wordings)) == 10 and all(text.count("{names}") == 1 for text in wordings)
    assert sum(text.endswith("?") for text in wordings) == 5
    assert "Please segment {names} in this image." in wordings
    assert len(pixel_grammar().roots) == 4 * len(MODALITIES) + 5
    names = Names(["liver"])
    for text in templates("category_question"):
        assert not faults(
            "region-category", text, "liver", asked=["liver"], present=["liver"], region="", names=names
        )


# -- the endpoint ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("said")
    build_pixel_set(pixel_cases.pairs(root / "in"), root / "out", layout="pairs", modality="CT")
    return root


def situations(root: Path) -> list[Situation]:
    records = list(prepared(root / "out"))
    return list(PixelBuilder.create(root / "out", [r.summary() for r in records]).situations(records))


REPLY = """RegionQA-I
Q: What is shown in <region_1>?
A: Spleen.

**RegionQA-II:**
Q: Please describe <region_0>.
A: This is the liver, an organ in the upper left of the picture.

Complex VQA
Q: What is your diagnosis of this image?
A: The image shows the liver and the spleen, and both are without any finding.
"""


def test_a_good_reply(pictures: Path) -> None:
    at = situations(pictures)[1]
    found = [item for _, item in items_of(REPLY, at)]
    assert found == [
        Said(kind="region-category", question="What is shown in this region?", answer="spleen", region=1),
        Said(kind="region-description", question="Please describe this region.", region=0,
             answer="This is the liver, an organ in the upper left of the picture."),
        Said(kind="complex", question="What is your diagnosis of this image?", region=None,
             answer="The image shows the liver and the spleen, and both are without any finding."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "due"),
    [
        ("in <region_1>", "here", "region_mark"), ("<region_1>", "<region_9>", "region_mark"),
        ("in <region_1>", "in <region_0> and <region_1>", "region_mark"),
        ("of this image", "of <region_0>", "region_mark"), ("A: Spleen.", "", "not_one_pair"),
        ("A: Spleen.", "A: It is the spleen.", "answer_not_name"),
        ("A: Spleen.", "A: liver", "answer_not_name"),
        ("shown in", "the spleen in", "question_names_object"), ("an organ", "as region 0", "mask_number"),
        ("the liver and", "an organ and", "names_missing"), ("RegionQA-I\n", "", "not_one_pair"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_left_out(old: str, new: str, due: str, pictures: Path) -> None:
    at = situations(pictures)[1]
    assert REPLY.replace(old, new, 1) != REPLY
    found = [item for _, item in items_of(REPLY.replace(old, new, 1), at)]
    assert [due] in found and sum(isinstance(item, Said) for item in found) == 2


def endpoint(tmp_path: Path, reply: Callable[[str], str], asked: list[str]) -> CachedEndpoint:
    import httpx

    def answer(request: httpx.Request) -> httpx.Response:
        prompt = json.loads(request.content)["messages"][0]["content"]
        asked.append(prompt)
        return httpx.Response(200, json={"choices": [{"message": {"content": reply(prompt)}}]})

    chat = ChatEndpoint("http://model/v1", "m", transport=httpx.MockTransport(answer))
    return CachedEndpoint(chat, tmp_path / "replies.jsonl")


def test_from_the_endpoint_to_examples(pictures: Path, tmp_path: Path) -> None:
    def reply(prompt: str) -> str:
        if CONVERSE in prompt:
            return REPLY
        # Of the first picture, which shows the liver alone, the description is wrong.
        return "This CT image shows the liver and the spleen."

    asked: list[str] = []
    tally = converse(endpoint(tmp_path, reply, asked), situations(pictures), tmp_path / "said.jsonl")
    assert dict(tally) == {"description: names_absent": 1, "kept": 3}
    assert len(asked) == 3 and "<region_1>: spleen" in asked[2] and "On this {view}CT slice" in asked[1]
    before = (tmp_path / "said.jsonl").read_bytes()
    converse(endpoint(tmp_path, reply, asked), situations(pictures), tmp_path / "said.jsonl")
    assert len(asked) == 3 and (tmp_path / "said.jsonl").read_bytes() == before

    def build(out: Path, said: Path) -> None:
        build_pixel_set(pictures / "in", out, layout="pairs", modality="CT", conversations=said)

    build(tmp_path / "out", tmp_path / "said.jsonl")
    spoken = [e for e in read_examples(tmp_path / "out") if e.task == "vqa-open"]
    assert [(e.study, e.targets["kind"]) for e in spoken] == [
        ("b", "RegionQA-I"), ("b", "RegionQA-II"), ("b", "Complex VQA"),
    ]  # fmt: skip
    assert spoken[0].messages[0].text == "What is shown in this region?"
    assert spoken[0].targets["description"] == "This CT image shows the liver and the spleen."
    assert {e.study for e in read_examples(tmp_path / "out") if e.task == "vqa-grounding"} == {"a", "b"}
    # Lines that were changed by hand, or are none.
    other = tmp_path / "other.jsonl"
    other.write_bytes(
        before.replace(b"both are", b"a left kidney, both are").replace(b"the spleen, and", b"a, and")
    )
    with pytest.raises(IntegrityError, match="not made for these"):
        build(tmp_path / "new", other)
    other.write_bytes(before + b"{}\n")
    with pytest.raises(FileFormatError, match="not a conversation"):
        build(tmp_path / "third", other)
