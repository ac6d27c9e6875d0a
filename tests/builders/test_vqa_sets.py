"""Published sets in their published forms: small files made here, hostile ones, and the real ones."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from sagittal.builders.shards import question_and_answer, to_row
from sagittal.builders.vqa_sets import SETS, load_vqa_set
from sagittal.builders.vqa_sets.asked import kind_of
from sagittal.builders.vqa_sets.choices import right_letter
from sagittal.builders.vqa_sets.loading import COPY, EMPTY_MASK, NEEDS_MASKS
from sagittal.builders.vqa_sets.mecovqa import NO_MASK, NO_WORDS
from sagittal.builders.vqa_sets.patients import linked
from sagittal.builders.vqa_sets.sets import BLANK, DISAGREE, NOT_OFFERED
from sagittal.builders.vqa_sets.unpacking import unpack_path_vqa
from sagittal.errors import ConfigError, FileFormatError, InputError, LabelError, LayoutError, StorageError
from sagittal.example import Example, MaskPart, RegionPart
from sagittal.files import sha256_file
from sagittal.splits import split_of

SLICE = "ct_00--AbdomenCT1K--Case_00220--x_0359"
IMAGE, MASK = f"images/{SLICE}.png", f"masks/{SLICE}--0003_000.png"


def picture(path: Path, shade: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4), shade, np.uint8)).save(path)
    return path


def drawn(path: Path, *values: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array([values], np.uint8)).save(path)


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def write_csv(path: Path, *rows: Mapping[str, str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rad(qid: int = 1, **other: object) -> dict[str, Any]:
    return {
        "qid": qid, "image_name": "a.png", "image_organ": "CHEST", "image_case_url": "case?id=1",
        "question": "Is it normal?", "answer": "Yes", "answer_type": "CLOSED ", "question_type": "PRES",
        "phrase_type": "freeform",
    } | other  # fmt: skip


def slake(qid: int = 1, **other: object) -> dict[str, Any]:
    return {
        "qid": qid, "img_name": "xmlab1/source.jpg", "question": "What organ?", "answer": "Lung",
        "q_lang": "en",
        "location": "Lung", "modality": "X-Ray", "answer_type": "OPEN", "content_type": "Organ",
    } | other  # fmt: skip


def pmc(**other: str) -> dict[str, str]:
    return {
        "Figure_path": "PMC1064097_F1.jpg", "Question": "What uptake pattern?", "Answer": "Focal",
        "Choice A": " A:Diffuse ", "Choice B": " B:Focal ", "Choice C": " C:None ", "Choice D": " D:Both ",
        "Answer_label": "B",
    } | other  # fmt: skip


def omni(**other: object) -> dict[str, Any]:
    return {
        "dataset": "ACRIMA", "question_id": "ACRIMA_0000", "question_type": "Modality Recognition",
        "question": "What imaging technique?", "gt_answer": "Fundus imaging",
        "image_path": "Images/ACRIMA/a.png",
        "option_A": "PET scan", "option_B": "Fundus imaging", "modality_type": "Fundus Photography",
    } | other  # fmt: skip


def talk(*turns: str, image: str = IMAGE, **other: object) -> dict[str, Any]:
    said = [{"from": ("human", "gpt")[n % 2], "value": value} for n, value in enumerate(turns)]
    return {"id": "1", "image": image, "conversations": said} | other


def one(name: str, folder: Path, images: Path | None = None) -> Example:
    loaded = load_vqa_set(name, folder, images=images)
    assert loaded.left_out == {}
    (example,) = loaded.examples
    # Whatever is loaded can be stored.
    assert to_row(example).split == split_of(example.patient)
    return example


def test_vqa_rad(tmp_path: Path) -> None:
    write(tmp_path / "public.json", [rad(answer=4, phrase_type="test_para")])
    image = picture(tmp_path / "images" / "a.png")
    example = one("vqa-rad", tmp_path, tmp_path / "images")
    assert (example.id, example.task, example.study) == ("vqa-rad/1", "vqa-closed", "vqa-rad/a.png")
    assert question_and_answer(example) == ("Is it normal?", "4")
    assert example.images[0].sha256 == sha256_file(image)
    assert example.images[0].path == "a.png"
    assert example.messages[0].parts[0].type == "image"
    assert example.targets["published_split"] == "test"
    assert (example.targets["question_type"], example.targets["body_part"]) == ("PRES", "CHEST")


def test_the_images_of_a_case_are_one_patient(tmp_path: Path) -> None:
    # a and b share the first case, b and c the second; d stands alone.
    rows = [("a", "1"), ("c", "2"), ("b", "1"), ("b", "2"), ("d", "3")]
    write(
        tmp_path / "p.json",
        [rad(n, image_name=i, image_case_url=case) for n, (i, case) in enumerate(rows)],
    )
    examples = load_vqa_set("vqa-rad", tmp_path, images=None).examples
    assert [e.patient for e in examples] == ["vqa-rad/a"] * 4 + ["vqa-rad/d"]
    assert len({e.split for e in examples[:4]}) == 1
    assert len({e.study for e in examples}) == 4


def test_linking_ignores_order_and_empty_cases() -> None:
    pairs = [("b", "x"), ("a", "x"), ("c", ""), ("d", ""), ("x", "b")]
    assert linked(pairs) == linked(pairs[::-1]) == {"a": "a", "b": "a", "c": "c", "d": "d", "x": "x"}


def test_slake(tmp_path: Path) -> None:
    write(tmp_path / "validate.json", [slake()])
    write(tmp_path / "mask.json", {"not": "read"})
    example = one("slake", tmp_path)
    assert (example.task, example.images, example.targets["published_split"]) == ("vqa-open", (), "validate")
    assert (example.targets["modality"], example.targets["language"]) == ("X-Ray", "en")
    picture(tmp_path / "imgs" / "xmlab1" / "source.jpg")
    assert one("slake", tmp_path, tmp_path / "imgs").images[0].kind == "cxr"


def test_path_vqa_as_csv(tmp_path: Path) -> None:
    write_csv(tmp_path / "val.csv", {"image": "val/1.jpg", "question": "Is it?", "answer": "no"})
    example = one("path-vqa", tmp_path)
    assert (example.id, example.task) == ("path-vqa/val.csv/1", "vqa-closed")


def parquet_file(path: Path, *rows: tuple[object, str, str]) -> None:
    images, questions, answers = zip(*rows, strict=True)
    table = pyarrow.table({"image": list(images), "question": list(questions), "answer": list(answers)})
    parquet.write_table(table, path)


def test_path_vqa_unpacked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    same = {"bytes": picture(tmp_path / "x.jpg", 5).read_bytes(), "path": None}
    other = {"bytes": picture(tmp_path / "y.png", 7).read_bytes(), "path": "../../evil.png"}
    parquet_file(tmp_path / "in" / "train-00000-of-00002.parquet", (same, "Is it?", "yes"))
    parquet_file(tmp_path / "in" / "train-00001-of-00002.parquet", (same, "What?", "a cell"))
    parquet_file(tmp_path / "in" / "test-00000-of-00001.parquet", (other, "What?", "bone"))
    out = tmp_path / "out"
    assert unpack_path_vqa(tmp_path / "in", out) == {"test": 1, "train": 2}
    assert len(list((out / "images").iterdir())) == 2
    loaded = load_vqa_set("path-vqa", out, images=out)
    assert loaded.left_out == {}
    assert Counter(e.targets["published_split"] for e in loaded.examples) == {"test": 1, "train": 2}
    assert Counter(e.task for e in loaded.examples) == {"vqa-open": 2, "vqa-closed": 1}
    assert {e.images[0].kind for e in loaded.examples} == {"photo"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (({"bytes": b"not a picture"}, "q", "a"), "neither JPEG"),
        (("a.png", "q", "a"), "no Parquet file of PathVQA"),
        (({"bytes": None}, "q", "a"), "no Parquet file of PathVQA"),
    ],
)
def test_parquet_of_another_form_leaves_nothing_behind(
    tmp_path: Path, row: tuple[object, str, str], words: str
) -> None:
    (tmp_path / "in").mkdir()
    parquet_file(tmp_path / "in" / "train-0.parquet", row)
    with pytest.raises(FileFormatError, match=words):
        unpack_path_vqa(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_or_missing_parquet(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no Parquet file"):
        unpack_path_vqa(tmp_path, tmp_path / "out")
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(FileFormatError, match="no readable"):
        unpack_path_vqa(tmp_path, tmp_path / "out")
    parquet.write_table(pyarrow.table({"image": [b""]}), tmp_path / "train-0.parquet")
    with pytest.raises(InputError):
        unpack_path_vqa(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("answer", "labelled"),
    [("Focal", True), ("B", True), (" B:Focal ", True), ("focal.", True), ("Focal", False), ("B", False)],
)
def test_pmc_vqa(tmp_path: Path, answer: str, labelled: bool) -> None:
    row = pmc(Answer=answer)
    if not labelled:
        del row["Answer_label"]
    write_csv(tmp_path / "test_2.csv", row)
    example = one("pmc-vqa", tmp_path)
    assert question_and_answer(example) == (
        "What uptake pattern?\nA: Diffuse\nB: Focal\nC: None\nD: Both", "B: Focal",
    )  # fmt: skip
    assert (example.targets["label"], example.targets["published_split"]) == ("B", "test_2")
    assert example.patient == "pmc-vqa/PMC1064097"


def test_pmc_vqa_spelled_the_old_way(tmp_path: Path) -> None:
    row = pmc()
    row["Anwser"] = row.pop("Answer")
    write_csv(tmp_path / "train.csv", row)
    assert one("pmc-vqa", tmp_path).targets["label"] == "B"


def test_pmc_vqa_left_out(tmp_path: Path) -> None:
    rows = [
        pmc(), pmc(Answer="Diffuse"), pmc(Answer="Cold", Answer_label="E"), pmc(Question=" "),
        pmc(Answer="Cold"),
    ]  # fmt: skip
    write_csv(tmp_path / "train.csv", *rows)
    loaded = load_vqa_set("pmc-vqa", tmp_path, images=None)
    # Where the words name no option, the letter stands.
    assert [e.id for e in loaded.examples] == ["pmc-vqa/train.csv/1", "pmc-vqa/train.csv/5"]
    assert loaded.left_out == {DISAGREE: 1, NOT_OFFERED: 1, BLANK: 1}
    assert sum(loaded.left_out.values()) + len(loaded.examples) == sum(loaded.files.values())


def test_omnimedvqa(tmp_path: Path) -> None:
    folder = tmp_path / "QA_information"
    write(folder / "Open-access" / "ACRIMA.json", [omni()])
    write(folder / "Restricted-access" / "Other.json", [omni()])
    picture(tmp_path / "Images" / "ACRIMA" / "a.png")
    example = one("omnimedvqa", tmp_path, tmp_path)
    assert (example.task, example.targets["label"], example.images[0].kind) == ("vqa-choice", "B", "photo")
    assert example.targets["options"] == {"A": "PET scan", "B": "Fundus imaging"}
    assert example.targets["published"] == {"dataset": "ACRIMA", "question_id": "ACRIMA_0000"}
    assert example.targets["published_split"] is None


def test_omnimedvqa_odd_records(tmp_path: Path) -> None:
    renamed = omni(option_C=None, option_D="")
    renamed["modality"] = renamed.pop("modality_type")
    rows = [renamed, omni(gt_answer="OCT"), omni(option_A="Fundus imaging")]
    write(tmp_path / "QA_information" / "Open-access" / "Chest CT Scan.json", rows)
    loaded = load_vqa_set("omnimedvqa", tmp_path, images=None)
    assert [e.targets["modality"] for e in loaded.examples] == ["Fundus Photography"]
    assert loaded.left_out == {NOT_OFFERED: 2}


def test_the_right_option() -> None:
    assert right_letter({"A": "No", "B": "No."}, "No.") == "B"
    assert right_letter({"A": "No", "B": "Yes"}, "no!") == "A"
    assert right_letter({"A": "x", "B": "A"}, "A") == "B"
    assert right_letter({"A": "x", "B": "y"}, "A") == "A"
    assert right_letter({"A": "No", "B": "No."}, "no") is None
    assert right_letter({"A": "x", "B": "y"}, "z") is None


def test_mecovqa_regions(tmp_path: Path) -> None:
    question = f"<image>\nWhat is <region>{MASK}</region> here?"
    write(tmp_path / "q" / "MeCoVQA_R_test.json", [talk(question, "The liver.")])
    picture(tmp_path / IMAGE)
    drawn(tmp_path / MASK, 0, 255)
    example = one("mecovqa", tmp_path / "q", tmp_path)
    assert [part.type for part in example.messages[0].parts] == ["image", "text", "region", "text"]
    region = example.messages[0].parts[2]
    assert isinstance(region, RegionPart)
    assert region.mask is not None
    assert region.mask.sha256 == sha256_file(tmp_path / MASK)
    assert question_and_answer(example) == ("What is  here?", "The liver.")
    assert example.patient == "mecovqa/AbdomenCT1K--Case_00220"
    assert (example.task, example.targets["question_type"], example.images[0].kind) == (
        "vqa-open",
        "region",
        "ct",
    )
    assert (example.targets["modality"], example.targets["published_split"]) == ("ct", "test")
    loaded = load_vqa_set("mecovqa", tmp_path / "q", images=None)
    assert (loaded.examples, loaded.left_out) == ((), {NEEDS_MASKS: 1})


@pytest.mark.parametrize("answer", [f"It is <SEG>.<mask>{MASK}</mask>", f"It is <mask>{MASK}</mask><SEG>."])
def test_mecovqa_masks(tmp_path: Path, answer: str) -> None:
    write(tmp_path / "train.json", [talk("<image>\nSegment the liver.", answer)])
    picture(tmp_path / IMAGE)
    drawn(tmp_path / MASK, 0, 255)
    example = one("mecovqa", tmp_path, tmp_path)
    assert (example.task, example.targets["published_split"]) == ("vqa-grounding", "train")
    _, mask, _ = example.messages[1].parts
    assert isinstance(mask, MaskPart)
    assert (mask.label, mask.name, mask.mask.path) == (1, "0003", MASK)
    assert example.messages[1].text == "It is ."


def test_mecovqa_conversations(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [talk("<image>\nFirst?", "One.", "Second?", 2, image="plain.png")])  # type: ignore[arg-type]
    example = one("mecovqa", tmp_path)
    assert [message.role for message in example.messages] == ["user", "assistant"] * 2
    assert question_and_answer(example) == ("Second?", "2")
    assert (example.patient, example.targets["question_type"]) == ("mecovqa/plain.png", "complex")
    assert example.targets["published_split"] is None


def test_mecovqa_left_out(tmp_path: Path) -> None:
    rows = [
        talk("Segment.", "It is <SEG>."),
        talk("Segment.", f"It is.<mask>{MASK}</mask>"),
        talk("<image>", "Hello."),
        talk("Segment.", f"<SEG><mask>{MASK}</mask>"),
    ]
    write(tmp_path / "a.json", rows)
    picture(tmp_path / IMAGE)
    drawn(tmp_path / MASK, 0, 0)
    loaded = load_vqa_set("mecovqa", tmp_path, images=tmp_path)
    assert (loaded.examples, loaded.left_out) == ((), {NO_MASK: 2, NO_WORDS: 1, EMPTY_MASK: 1})


def test_an_antialiased_mask_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [talk("Segment.", f"<SEG><mask>{MASK}</mask>")])
    picture(tmp_path / IMAGE)
    drawn(tmp_path / MASK, 0, 127, 255)
    with pytest.raises(LabelError, match="one value"):
        load_vqa_set("mecovqa", tmp_path, images=tmp_path)


@pytest.mark.parametrize(
    "conversations",
    [
        None,
        [],
        "hello",
        [{"from": "human", "value": "q"}],
        [{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}],
        [{"from": "human", "value": "q"}, {"from": "human", "value": "a"}],
        [{"from": "human", "value": "q"}, "a"],
        [{"from": "human", "value": "q"}, {"from": "gpt"}],
        [{"from": ["human"], "value": "q"}, {"from": "gpt", "value": "a"}],
        [{"from": "human", "value": "q <mask>m.png</mask>"}, {"from": "gpt", "value": "a"}],
        [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a <region>m.png</region>"}],
        [{"from": "human", "value": "q <region>../m.png</region>"}, {"from": "gpt", "value": "a"}],
        [{"from": "human", "value": "q <region></region>"}, {"from": "gpt", "value": "a"}],
    ],
)
def test_hostile_conversations(tmp_path: Path, conversations: object) -> None:
    write(tmp_path / "a.json", [{"image": "a.png", "conversations": conversations}])
    with pytest.raises(FileFormatError, match=r"Record 1 of a\.json"):
        load_vqa_set("mecovqa", tmp_path, images=None)


def patients_by_split() -> dict[str, str]:
    """An image name whose patient falls into each split."""
    return {split_of(f"vqa-rad/{n}.png"): f"{n}.png" for n in range(200)}


def test_copies_stay_in_one_split(tmp_path: Path) -> None:
    names = patients_by_split()
    write(
        tmp_path / "p.json",
        [rad(n, image_name=name, image_case_url=name) for n, name in enumerate(names.values())],
    )
    for shade, name in enumerate(names.values()):
        picture(tmp_path / "different" / name, shade)
        picture(tmp_path / "same" / name)
    different = load_vqa_set("vqa-rad", tmp_path, images=tmp_path / "different")
    assert ({e.split for e in different.examples}, different.left_out) == (set(names), {})
    same = load_vqa_set("vqa-rad", tmp_path, images=tmp_path / "same")
    assert ([e.split for e in same.examples], same.left_out) == (["test"], {COPY: 2})


def test_copies_within_a_split_are_kept(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(50) if split_of(f"vqa-rad/{n}.png") == "train"][:2]
    write(tmp_path / "p.json", [rad(n, image_name=i, image_case_url=i) for n, i in enumerate(names)])
    for name in names:
        picture(tmp_path / name)
    assert len(load_vqa_set("vqa-rad", tmp_path, images=tmp_path).examples) == 2


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a.png", "x/../../a.png", "C:/a.png", "x\\a.png", "", ".", "a\0.png", "a\n.png"],
)
def test_paths_stay_below_the_images(tmp_path: Path, path: str) -> None:
    write(tmp_path / "p.json", [rad(image_name=path)])
    with pytest.raises(FileFormatError, match=r"Record 1 of p\.json .* leads out"):
        load_vqa_set("vqa-rad", tmp_path, images=None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"question": None}, "no `question`"),
        ({"question": ["q"]}, "not text"),
        ({"answer": True}, "not text"),
        ({"answer": {"a": 1}}, "not text"),
        ({"answer": "half \ud800"}, "half a character"),
        ({"answer_type": "MAYBE"}, "neither OPEN nor CLOSED"),
        ({"phrase_type": None}, "no `phrase_type`"),
    ],
)
def test_hostile_records(tmp_path: Path, change: dict[str, object], words: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps([rad(), rad(2, **change)]))
    with pytest.raises(FileFormatError, match=rf"Record 2 of p\.json .*{words}") as raised:
        load_vqa_set("vqa-rad", tmp_path, images=None)
    assert raised.value.remedy


@pytest.mark.parametrize(
    "text", ["", "{", '{"a": 1}', "[1]", "[NaN]", "[" * 100_000, "\udcff", '[{"qid": 1}', "null"]
)
def test_hostile_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(FileFormatError, match="not what its name says"):
        load_vqa_set("vqa-rad", tmp_path, images=None)


@pytest.mark.parametrize(
    "text",
    [
        "image,question,answer\na.png,q\n",
        "image,question,answer\na.png,q,a,more\n",
        "image,image,answer\na,b,c\n",
        'image,question,answer\n"a.png,q,a\n',
        "image,question,answer\na.png," + "q" * 200_000 + ",a\n",
    ],
)
def test_hostile_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(FileFormatError, match="not what its name says"):
        load_vqa_set("path-vqa", tmp_path, images=None)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("\ufeffimage,question,answer\na.png,q,a\n", encoding="utf-8")
    assert one("path-vqa", tmp_path).study == "path-vqa/a.png"


def test_missing_images_are_named(tmp_path: Path) -> None:
    write(tmp_path / "p.json", [rad()])
    with pytest.raises(LayoutError, match="not there") as raised:
        load_vqa_set("vqa-rad", tmp_path, images=tmp_path / "images")
    assert "a.png" in str(raised.value.expected)
    write(tmp_path / "p.json", [rad(image_name="x" * 5000)])
    with pytest.raises(StorageError):
        load_vqa_set("vqa-rad", tmp_path, images=tmp_path)


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.json", [rad(1), rad(2)])
    write(tmp_path / "b.json", [rad(2)])
    with pytest.raises(FileFormatError, match="same id") as raised:
        load_vqa_set("vqa-rad", tmp_path, images=None)
    assert raised.value.got == "2"


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such set"):
        load_vqa_set("vqa", tmp_path, images=None)
    for name in SETS:
        with pytest.raises(LayoutError, match=f"no file of {name}"):
            load_vqa_set(name, tmp_path, images=None)
    with pytest.raises(StorageError):
        load_vqa_set("slake", tmp_path / "none", images=None)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "train_qa.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(LayoutError, match="no file of path-vqa"):
        load_vqa_set("path-vqa", tmp_path, images=None)


@pytest.mark.parametrize(
    ("modality", "place", "kind"),
    [
        ("CT(Computed Tomography)", None, "ct"), ("MR (Magnetic Resonance Imaging)", None, "mr"),
        ("MRI", None, "mr"),
        ("X-Ray", "Lung", "cxr"), ("X-Ray", "Chest_lung", "cxr"), ("X-Ray", "Knee", "unknown"),
        ("X-Ray", None, "unknown"), ("x_ray", None, "unknown"), ("Dermoscopy", None, "photo"),
        ("OCT (Optical Coherence Tomography)", None, "unknown"), ("ultrasound", None, "unknown"),
        ("PET/CT", None, "unknown"), ("mr_flair", None, "mr"), ("CT and MR", None, "unknown"),
        (None, "Lung", "unknown"), ("Infrared Reflectance Imaging", None, "unknown"),
    ],
)  # fmt: skip
def test_kinds_of_image(modality: str | None, place: str | None, kind: str) -> None:
    assert kind_of(modality, place) == kind


@pytest.mark.shared_data
def test_the_real_vqa_rad(shared_data: Path) -> None:
    folder = shared_data / "vqa_rad"
    loaded = load_vqa_set("vqa-rad", folder, images=folder / "images")
    assert (loaded.files, loaded.left_out) == ({"vqa_rad_dev.json": 1775}, {})
    examples = loaded.examples
    assert Counter(e.task for e in examples) == {"vqa-closed": 1041, "vqa-open": 734}
    assert Counter(e.targets["published_split"] for e in examples) == {"train": 1409, "test": 366}
    # The published test images are training images, too; ours are not.
    parts = {
        part: {e.study for e in examples if e.targets["published_split"] == part}
        for part in ("train", "test")
    }
    assert len(parts["train"] & parts["test"]) == 160
    sides = {}
    for example in examples:
        assert sides.setdefault(example.patient, example.split) == example.split
        assert sides.setdefault(example.images[0].sha256, example.split) == example.split
    # Two of the 249 images are of one case.
    assert (len({e.study for e in examples}), len({e.patient for e in examples})) == (249, 248)
    words_alone = load_vqa_set("vqa-rad", folder, images=None).examples
    assert [(e.id, e.split) for e in words_alone] == [(e.id, e.split) for e in examples]


@pytest.mark.shared_data
def test_the_real_slake(shared_data: Path) -> None:
    loaded = load_vqa_set("slake", shared_data / "slake_json" / "Slake1.0", images=None)
    assert loaded.files == {"test.json": 2094, "train.json": 9835, "validate.json": 2099}
    assert loaded.left_out == {BLANK: 1}
    assert len(loaded.examples) == 14027
    assert len({e.study for e in loaded.examples}) == 642
    parts = {e.targets["published_split"]: set() for e in loaded.examples}
    for example in loaded.examples:
        parts[example.targets["published_split"]].add(example.study)
    # The published parts share images here, too.
    assert len(parts["train"] & parts["test"]) == 142
    english = [e for e in loaded.examples if e.targets["language"] == "en"]
    assert Counter(e.targets["published_split"] for e in english)["test"] == 1061
    assert {e.targets["modality"] for e in english} == {"CT", "MRI", "X-Ray"}


@pytest.mark.shared_data
def test_real_slices_with_masks(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "sammed2d_demo"
    listed = json.loads((root / "data_demo" / "image2label_train.json").read_text())
    rows = [
        talk(f"<image>\nWhat is <region>{mask}</region>?", f"This: <SEG>.<mask>{mask}</mask>", image=image)
        for image, masks in listed.items()
        for mask in masks
    ]
    write(tmp_path / "a.json", rows)
    loaded = load_vqa_set("mecovqa", tmp_path, images=root)
    assert (len(loaded.examples), loaded.left_out) == (len(rows), {})
    masks = [part for e in loaded.examples for part in e.messages[1].parts if isinstance(part, MaskPart)]
    assert {mask.label for mask in masks} == {1}
