"""Answer, Example, splits, errors: the seams between parts."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from pydantic import ValidationError

from sagittal.answer import Answer, Box, FieldValue, Line, MaskFile, Measurement, Step
from sagittal.errors import ConfigError, InputError, MissingExtraError, SagittalError
from sagittal.example import Example, ImagePart, ImageRef, Message, RegionPart, TextPart
from sagittal.splits import SPLITS, require_split, split_of


def full_answer() -> Answer:
    step = Step("program", "volume", {"of": "ET"}, 4.2, 0.01)
    return Answer(
        question="How large is the enhancing tumour?",
        text="4.2 mL.",
        measurements=(
            Measurement("volume", 4.2, "mL", "ET", "voxel count", 0),
            Measurement("elongation", None, "", "ET", "covariance", 0, "one voxel"),
        ),
        fields={"shape": FieldValue("round", 0.9), "region": FieldValue(["frontal"], None)},
        masks=(MaskFile("ET", "et.nii.gz", 4.2),),
        boxes=(Box("heart", "cxr", (1, 2, 3, 4)),),
        lines=(Line("longest diameter", "t1c", (0, 0, 0), (1, 2, 3)),),
        steps=(step, Step("specialist", "deepbet", {}, "mask", 2.0)),
        images=("t1c",),
        warnings=("w",),
        model="none",
        version="0.1.0",
        seconds=1.5,
    )


def test_answer_round_trip_and_contract():
    wire = json.loads(json.dumps(full_answer().to_json()))
    assert Answer.from_json(wire) == full_answer()
    assert set(wire) == {
        "schema", "question", "text", "abstained", "reason", "measurements", "fields", "masks", "volumes",
        "boxes", "lines", "steps", "images", "warnings", "model", "version", "seconds",
    }  # fmt: skip
    assert wire["steps"][0] == {"program": "volume", "input": {"of": "ET"}, "output": 4.2, "seconds": 0.01}


def test_a_number_without_a_step_or_a_reason_is_refused():
    with pytest.raises(SagittalError, match="step"):
        Answer("q", "t", measurements=(Measurement("volume", 1.0, "mL", "ET", "count"),))
    with pytest.raises(SagittalError, match="finite"):
        Measurement("volume", float("nan"), "mL", "ET", "count")
    with pytest.raises(SagittalError, match="reason"):
        Measurement("volume", None, "mL", "ET", "count")
    with pytest.raises(SagittalError, match="why"):
        Answer("q", "", abstained=True)


def example(**change) -> Example:
    fields = {
        "id": "e1",
        "patient": "p",
        "study": "s",
        "images": (ImageRef(path="a/b.nii.gz", sha256="0" * 64, kind="t1"),),
        "source": "sim",
        "licence": "Apache-2.0",
        "split": "train",
        "task": "volume",
        "messages": (
            Message(role="user", parts=(ImagePart(image=0, slice=3), TextPart(text="How large?"))),
            Message(role="assistant", parts=(TextPart(text="4 mL."),)),
        ),
    } | change
    return Example(**fields)


def test_example_round_trip():
    made = example(targets={"volume": "1-5%"}, confidence=0.5)
    assert Example.from_json(json.loads(json.dumps(made.to_json()))) == made
    assert made.messages[0].text == "How large?"


@pytest.mark.parametrize(
    "change",
    [
        {"split": "dev"},
        {"images": ()},
        {"confidence": 1.1},
        {"messages": ()},
        {"id": ""},
        {"unknown": 1},
    ],
)
def test_bad_examples_are_refused(change):
    with pytest.raises(ValidationError):
        example(**change)


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../b", "", "a\\b"])
def test_example_paths_stay_inside_the_data_root(path):
    with pytest.raises(ValidationError):
        ImageRef(path=path, sha256="0" * 64, kind="t1")


def test_parts_are_told_apart_by_type():
    region = RegionPart(region={"kind": "points"})
    assert Message.model_validate({"role": "user", "parts": [region.model_dump()]}).parts == (region,)
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "parts": [{"type": "sound"}]})


def test_split_shares_and_stability():
    counts = Counter(split_of(f"patient-{i}") for i in range(20_000))
    assert counts["train"] / 20_000 == pytest.approx(0.8, abs=0.01)
    assert counts["validation"] / 20_000 == pytest.approx(0.1, abs=0.01)
    # These may never change: a patient that moves is a leak.
    assert [split_of(f"BraTS-GLI-{i:05d}") for i in range(8)] == [
        "train", "train", "test", "train", "train", "train", "test", "validation",
    ]  # fmt: skip
    assert split_of("x", shares={"train": 0, "validation": 0, "test": 1}) == "test"
    with pytest.raises(ConfigError):
        split_of("x", shares={"train": 0.5, "validation": 0.1, "test": 0.1})


def test_settled_splits():
    assert split_of("training_seg_09", dataset="synthseg_heads") == "test"
    assert split_of("training_seg_08", dataset="synthseg_heads") == "validation"
    assert split_of("training_seg_01", dataset="synthseg_heads") == "train"
    assert split_of("Subj8", dataset="nichart") == "test"
    with pytest.raises(InputError):
        split_of("stranger", dataset="nichart")
    with pytest.raises(ConfigError):
        split_of("x", dataset="nowhere")


def test_a_patient_of_another_split_is_refused():
    require_split([("a", "train"), ("b", "train")], "train")
    with pytest.raises(InputError, match=r"b \(test\)|train"):
        require_split([("a", "train"), ("b", "test")], "train")
    assert SPLITS == ("train", "validation", "test")


def test_errors_say_expected_got_and_remedy():
    error = InputError("Wrong.", expected="a", got="b", remedy="c")
    assert str(error).splitlines() == ["Wrong.", "  expected: a", "  got:      b", "  remedy:   c"]
    assert error.exit_code == 2 and SagittalError("x").exit_code == 1
    assert "sagittal[ray]" in str(MissingExtraError("Ray", "ray"))
