"""The protocol on one study: counts, classes against slow references, words that state them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tumour_cases as cases
from scipy import ndimage

from sagittal.builders.presets import PRESETS, preset_of
from sagittal.builders.shards import question_and_answer
from sagittal.builders.tumour_targets import TumourTargets
from sagittal.builders.tumour_vqa import Origin, build_study, listed
from sagittal.errors import ConfigError, InputError, LabelError
from sagittal.example import Example, ImageRef
from sagittal.io.labels import load_labels
from sagittal.language.tumour_wordings import TumourWordings
from sagittal.language.wording import TASKS
from sagittal.measure.classes import SPREAD_CLASSES, Thresholds
from sagittal.splits import split_of
from sagittal.study import Image, Mask, Study

LABELS = load_labels("gli")
IMAGES = [
    ImageRef(path=f"{kind}.nii.gz", sha256="0" * 64, kind=kind) for kind in ("t1", "t1c", "t2", "flair")
]
PATIENTS = {
    split: next(f"p{n}" for n in range(1000) if split_of(f"p{n}") == split) for split in ("train", "test")
}


def build(data: np.ndarray, *, patient: str = PATIENTS["train"], **options: Any) -> list[Example]:
    t1 = Image(np.where(cases.brain(), 100, 0).astype(np.int16), cases.GEOMETRY, "t1", "t1.nii.gz")
    mask = Mask(data, cases.GEOMETRY, LABELS.names)
    settings: dict[str, Any] = {
        "preset": PRESETS["gli"],
        "labels": LABELS,
        "atlas": cases.atlas(),
        "wordings": TumourWordings.load(),
        "seed": 0,
    }
    return build_study(Study("s1", patient, (t1,), (mask,)), IMAGES, **(settings | options))


def targets_by_label(examples: list[Example]) -> dict[str, list[TumourTargets]]:
    found: dict[str, list[TumourTargets]] = {}
    for example in examples:
        targets = TumourTargets.model_validate(example.targets)
        found.setdefault(targets.label, []).append(targets)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_six_questions_of_each_label_cover_the_tasks(seed: int) -> None:
    examples = build(cases.label_map(np.random.default_rng(seed), LABELS), seed=seed)
    assert len(examples) == 6 * 4
    assert [e.id for e in examples] == [
        f"s1/{name}/{n}" for name in ("NETC", "SNFH", "ET", "RC") for n in range(6)
    ]
    for held in targets_by_label(examples).values():
        assert [t.kind for t in held] == ["in_scope"] * 4 + ["partly_out_of_scope", "out_of_scope"]
        assert len({t.asked for t in held[:4]}) == 4
        assert {task for t in held[:4] for task in t.asked} == set(TASKS)
        assert [t.out_of_scope for t in held] == [False] * 4 + [True, True]
        assert held[4].items
        assert held[5].items


@pytest.mark.parametrize("seed", range(6))
def test_classes_agree_with_slow_references(seed: int) -> None:
    data = cases.label_map(np.random.default_rng([seed, 7]), LABELS)
    slabs = cases.atlas_mask().data
    for name, held in targets_by_label(build(data)).items():
        binary = data == next(v for v, n in LABELS.names.items() if n == name)
        percent = 100 * binary.sum() / cases.brain().sum()
        parts, count = ndimage.label(binary, np.ones((3, 3, 3)))
        for targets in held:
            assert targets.numbers["voxels"] == binary.sum()
            if not binary.any():
                assert targets.classes() == {
                    "volume": "N/A", "regions": ("N/A",), "shape": "N/A", "spread": "N/A",
                }  # fmt: skip
                continue
            assert targets.numbers["brain_percent"] == pytest.approx(percent)
            assert targets.numbers["volume_ml"] == pytest.approx(binary.sum() * 8 / 1000)
            assert targets.volume == ("<1%" if percent < 1 else "1-5%" if percent < 5 else "5-10%")
            inside = [
                r for r, v in zip(cases.REGIONS, (1, 2, 3), strict=True) if (binary & (slabs == v)).any()
            ]
            assert targets.regions == tuple(inside or ["unlocalised"])
            largest = np.bincount(parts[binary]).max() / binary.sum()
            assert targets.spread == SPREAD_CLASSES[1 if count == 1 else 2 if largest >= 0.85 else 3]


def test_words_state_what_is_asked_and_nothing_else() -> None:
    data = np.zeros(cases.SHAPE, np.uint8)
    data[4:8, 10:14, 8:12] = 3  # a cube wholly in the frontal slab
    for example in build(data):
        targets, (question, answer) = (
            TumourTargets.model_validate(example.targets),
            question_and_answer(example),
        )
        assert targets.label_text in question
        stated = {"volume": targets.volume, "region": listed(targets.regions)}
        if targets.label == "ET":
            assert stated == {"volume": "1-5%", "region": "frontal"}
            for task, word in stated.items():
                # A capital where the class starts a sentence.
                assert (word.lower() in answer.lower()) == (task in targets.asked)
            assert ("single lesion" in answer.lower()) == ("spread" in targets.asked)
            assert "N/A" not in answer
        else:
            assert answer.count("N/A") == len(targets.asked)
        assert "{" not in question + answer
    assert {e.task for e in build(data)} >= {"out-of-scope"}


def test_an_empty_mask_and_a_missing_label_still_give_all_questions() -> None:
    examples = build(np.zeros(cases.SHAPE, np.uint8))
    assert len(examples) == 24
    assert {tuple(e.targets["regions"]) for e in examples} == {("N/A",)}
    assert {e.targets["volume"] for e in examples} == {"N/A"}


def test_outside_every_region_is_unlocalised_or_the_published_form() -> None:
    data = np.zeros(cases.SHAPE, np.uint8)
    data[1, 13:15, 9:11] = 1
    assert build(data)[0].targets["regions"] == ["unlocalised"]
    published = PRESETS["gli"].model_copy(update={"thresholds": Thresholds.published()})
    assert build(data, preset=published)[0].targets["regions"] == ["N/A"]
    assert build(data)[0].targets["volume"] == "<1%"


def test_a_share_below_the_least_is_not_named() -> None:
    data = np.zeros(cases.SHAPE, np.uint8)
    data[7:10, 13:15, 9:11] = 1  # two thirds frontal, one third parietal
    for least, regions in ((0.0, 2), (1 / 3, 2), (0.34, 1)):
        preset = PRESETS["gli"].model_copy(update={"thresholds": Thresholds(min_share=least)})
        assert len(build(data, preset=preset)[0].targets["regions"]) == regions


def test_the_same_input_gives_the_same_and_another_seed_other_words() -> None:
    data = cases.label_map(np.random.default_rng(5), LABELS)
    assert build(data) == build(data)
    other = build(data, seed=1)
    assert [e.targets["volume"] for e in other] == [e.targets["volume"] for e in build(data)]
    assert [e.messages for e in other] != [e.messages for e in build(data)]


def test_a_label_keeps_its_questions_when_another_changes() -> None:
    data = np.zeros(cases.SHAPE, np.uint8)
    data[4:8, 10:14, 8:12] = 3
    before = {e.id: e for e in build(data)}
    data[16:20, 10:14, 8:12] = 1
    assert all(before[e.id].messages == e.messages for e in build(data) if "/ET/" in e.id)


def test_test_patients_get_withheld_wordings_unless_told_otherwise() -> None:
    data = cases.label_map(np.random.default_rng(5), LABELS)

    def pools(patient: str, **options: Any) -> set[bool]:
        return {e.targets["wording"]["withheld"] for e in build(data, patient=patient, **options)}

    assert pools(PATIENTS["train"]) == {False}
    assert pools(PATIENTS["test"]) == {True}
    same = PRESETS["gli"].model_copy(update={"test_wordings": "train"})
    assert pools(PATIENTS["test"], preset=same) == {False}


def test_the_question_shows_every_image_and_origin_is_kept() -> None:
    example = build(np.zeros(cases.SHAPE, np.uint8), origin=Origin("BraTS", "CC-BY 4.0"))[0]
    assert [p.type for p in example.messages[0].parts] == ["image"] * 4 + ["text"]
    assert [i.kind for i in example.images] == ["t1", "t1c", "t2", "flair"]
    assert (example.source, example.licence) == ("BraTS", "CC-BY 4.0")
    assert build(np.zeros(cases.SHAPE, np.uint8))[0].licence == "unstated"


def test_bad_studies_are_refused() -> None:
    data = np.zeros(cases.SHAPE, np.uint8)
    data[5, 5, 5] = 9
    with pytest.raises(LabelError, match="9"):
        build(data)
    mask = Mask(np.zeros(cases.SHAPE, np.uint8), cases.GEOMETRY, LABELS.names)
    whole_head = Image(np.full(cases.SHAPE, 5, np.int16), cases.GEOMETRY, "t1", "t1.nii.gz")
    settings: dict[str, Any] = {
        "preset": PRESETS["gli"], "labels": LABELS, "atlas": cases.atlas(),
        "wordings": TumourWordings.load(), "seed": 0,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"(?s)share of the brain.*skull-stripped"):
        build_study(Study("s", "p", (whole_head,), (mask,)), IMAGES, **settings)
    with pytest.raises(InputError, match="One segmentation"):
        build_study(Study("s", "p", (whole_head,), ()), IMAGES, **settings)


def test_presets() -> None:
    assert [len(load_labels(preset_of(name).labels).labels) for name in ("gli", "met", "goat")] == [4, 3, 3]
    with pytest.raises(ConfigError, match="gli, met, goat"):
        preset_of("peds")


def test_listed() -> None:
    assert listed(["a"]) == "a"
    assert listed(("a", "b")) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"
