"""Published sets in their published forms, small and made here; the real NIH table; and hostile rows."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import pickle
import tarfile
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sagittal.errors import ConfigError, FileFormatError, InputError, LayoutError
from sagittal.io.films import mimic_cxr_jpg, mimic_diff_vqa, nih, openi
from sagittal.io.films.findings import common_findings, findings_of
from sagittal.io.films.names import FINDINGS
from sagittal.io.films.openi_xml import read_openi_xml
from sagittal.io.films.source import FilmSource
from sagittal.io.films.sources import SOURCES, open_source
from sagittal.io.films.statement import FilmStatement, MaskRow, Sign

PATIENT, STUDY = "10000032", "50414267"
DICOM = "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014"
OTHER = "174413ec-4ec4c1f7-34ea26b7-c5f994f8-79ef1962"
FILE = f"files/p10/p{PATIENT}/s{STUDY}/{DICOM}.jpg"
CHEXPERT = list(findings_of("chexpert"))


def write(path: Path, *rows: dict[str, Any], columns: list[str] | None = None) -> Path:
    """A CSV table, packed where its name says so."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns or list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(name: str, folder: Path, **left_out: int) -> list[FilmStatement]:
    """All that a source states; what it leaves out is as expected."""
    source = open_source(name, folder)
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301
    counted: Counter[str] = Counter()
    found = list(source.statements(counted))
    assert +counted == Counter(left_out)
    for statement in found:
        assert statement.collection == (source.collection or statement.collection)
        assert set(statement.labels) <= set(common_findings())
        assert {sign.name for sign in statement.signs} <= set(common_findings())
    return found


def refused(name: str, folder: Path, words: str) -> None:
    with pytest.raises(FileFormatError, match=f"(?s){words}"):
        list(open_source(name, folder).statements(Counter()))


# -- all of them ---------------------------------------------------------------------------------


def test_there_are_twelve_layouts() -> None:
    assert list(SOURCES) == [
        "cxr-cardiomegaly", "mimic-cxr-jpg", "mimic-cxr-pe-severity", "cxr-lt", "chexmask", "mimic-cxr-vqa",
        "mimic-diff-vqa", "nih", "chexpert", "openi", "statements", "masks",
    ]  # fmt: skip
    for kind in SOURCES.values():
        assert kind.gives.endswith(".") and kind.source and kind.licence
    with pytest.raises(ConfigError, match=r"(?s)no such source.*cxr-lt"):
        open_source("padchest", ".")


@pytest.mark.parametrize("name", SOURCES)
def test_an_empty_folder_is_told_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(LayoutError, match="lacks a table"):
        open_source(name, tmp_path)
    with pytest.raises(InputError):
        open_source(name, tmp_path / "not there")


@pytest.mark.parametrize(
    "name", [name for name in SOURCES if name not in ("chexmask", "statements", "masks")]
)
def test_sources_without_masks_say_so(tmp_path: Path, name: str) -> None:
    source: FilmSource = SOURCES[name].reader(tmp_path)
    with pytest.raises(ConfigError, match="has no masks"):
        source.masks(MaskRow(table=0, offset=0, length=1))


def test_findings_have_common_names() -> None:
    common = common_findings()
    assert len(set(common)) == len(common)
    assert common[:10] == FINDINGS
    sizes = {"chexpert": 14, "cxr-lt-2023": 26, "cxr-lt-2024": 45, "nih": 15}
    for name, size in sizes.items():
        names = findings_of(name)
        assert len(names) == len(set(names.values())) == size
        assert set(names.values()) <= set(common)
    assert set(findings_of("nih-boxes").values()) <= set(findings_of("nih").values())
    assert set(findings_of("cxr-lt-2023").values()) < set(findings_of("cxr-lt-2024").values())
    assert findings_of("nih")["Effusion"] == findings_of("chexpert")["Pleural Effusion"] == "Pleural Effusion"
    with pytest.raises(ConfigError):
        findings_of("padchest")


# -- MIMIC-CXR -----------------------------------------------------------------------------------


def test_cardiomegaly(tmp_path: Path) -> None:
    ratios = ["0.4729064039408867", "2.0", "3", "4.0", "unable to locate lungs"]
    write(tmp_path / "CTRs.csv", *({"dicom_file": DICOM, "CTR": value} for value in ratios))
    write(tmp_path / "CPARs.csv.gz", {"": 0, "dicom_id": OTHER, "CPAR": "0.38"})
    found = read("cxr-cardiomegaly", tmp_path)
    assert [(one.image, one.view, one.ctr, one.cpar, one.marking) for one in found] == [
        (DICOM, "PA", 0.4729064039408867, None, None),
        (DICOM, "PA", None, None, "unable to locate heart"),
        (DICOM, "PA", None, None, "unable to locate lungs"),
        (DICOM, "PA", None, None, "unable to locate either"),
        (DICOM, "PA", None, None, "unable to locate lungs"),
        (OTHER, "PA", None, 0.38, None),
    ]


@pytest.mark.parametrize("value", ["", "0", "-0.4", "11", "nan", "no heart"])
def test_what_is_no_ratio(tmp_path: Path, value: str) -> None:
    write(tmp_path / "CTRs.csv", {"dicom_file": DICOM, "CTR": "0.4"}, {"dicom_file": DICOM, "CTR": value})
    refused("cxr-cardiomegaly", tmp_path, r"Line 3 of CTRs\.csv cannot be used")


@pytest.mark.parametrize("dicom", ["", "1", DICOM.upper(), f"{DICOM}.dcm", f"../{DICOM}", DICOM + "\n"])
def test_what_is_no_film_of_mimic(tmp_path: Path, dicom: str) -> None:
    write(tmp_path / "CTRs.csv", {"dicom_file": dicom.strip("\n") + "x" * dicom.endswith("\n"), "CTR": "0.4"})
    refused("cxr-cardiomegaly", tmp_path, r"Line 2 of CTRs\.csv.*dicom_file")


def metadata(dicom: str = DICOM, **other: object) -> dict[str, Any]:
    return {
        "dicom_id": dicom, "subject_id": PATIENT, "study_id": STUDY, "PerformedProcedureStepDescription": "",
        "ViewPosition": "PA", "Rows": 3056, "Columns": 2544, "StudyDate": 21800506,
    } | other  # fmt: skip


def report(folder: Path, words: str | bytes, study: str = STUDY) -> None:
    path = folder / "files" / "p10" / f"p{PATIENT}" / f"s{study}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(words if isinstance(words, bytes) else words.encode())


def labels(**other: object) -> dict[str, Any]:
    return {"subject_id": PATIENT, "study_id": STUDY} | dict.fromkeys(CHEXPERT, "") | other


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("reports", ["", "mimic-cxr-reports"])
def test_mimic_cxr_jpg(tmp_path: Path, ending: str, reports: str) -> None:
    write(
        tmp_path / f"{mimic_cxr_jpg.METADATA}{ending}",
        metadata(), metadata(OTHER, ViewPosition="LL"), metadata(OTHER, ViewPosition="", Rows="", Columns=""),
        metadata(OTHER, ViewPosition="AP AXIAL", study_id="50414268"),
    )  # fmt: skip
    write(
        tmp_path / f"mimic-cxr-2.0.0-chexpert.csv{ending}",
        labels(Edema="1.0", Pneumonia="0.0", Atelectasis="-1.0"), labels(),
    )  # fmt: skip
    report(tmp_path / reports, " FINAL REPORT\n EXAMINATION: CHEST (PA AND LAT)\n\n IMPRESSION: None.\n")
    found = read("mimic-cxr-jpg", tmp_path, **{
        mimic_cxr_jpg.NO_LABEL: 1, mimic_cxr_jpg.NO_REPORT: 1, mimic_cxr_jpg.OTHER_VIEW: 1,
    })  # fmt: skip
    known = {"collection": "mimic-cxr", "study": STUDY, "patient": PATIENT}
    assert found[0] == FilmStatement(**known, labels={"Edema": True, "Pneumonia": False, "Atelectasis": None})
    words = "FINAL REPORT\n EXAMINATION: CHEST (PA AND LAT)\n\n IMPRESSION: None."
    assert found[1] == FilmStatement(**known, report=words)
    assert found[2] == FilmStatement(**known, image=DICOM, file=FILE, view="PA", size=(2544, 3056))
    assert [(one.image, one.view, one.size) for one in found[3:]] == [
        (OTHER, "lateral", (2544, 3056)), (OTHER, None, None), (OTHER, None, (2544, 3056)),
    ]  # fmt: skip


def test_the_other_labeller_is_read_where_it_is_alone(tmp_path: Path) -> None:
    write(tmp_path / mimic_cxr_jpg.METADATA, metadata())
    write(tmp_path / "mimic-cxr-2.0.0-negbio.csv", labels(Edema="1"))
    no_report = {mimic_cxr_jpg.NO_REPORT: 1}
    assert read("mimic-cxr-jpg", tmp_path, **no_report)[0].labels == {"Edema": True}
    write(tmp_path / "mimic-cxr-2.0.0-chexpert.csv", labels(Edema="0"))
    assert read("mimic-cxr-jpg", tmp_path, **no_report)[0].labels == {"Edema": False}


@pytest.mark.parametrize(("change", "words"), [
    ({"subject_id": "1000003"}, "subject_id"),
    ({"subject_id": "../../etc"}, "subject_id"),
    ({"study_id": "1e7"}, "study_id"),
    ({"Rows": "0"}, "size"),
    ({"Rows": "99999", "Columns": "99999"}, "size"),
    ({"Columns": ""}, "size"),
])  # fmt: skip
def test_strange_films_of_mimic(tmp_path: Path, change: dict[str, str], words: str) -> None:
    write(tmp_path / mimic_cxr_jpg.METADATA, metadata(), metadata(OTHER, **change))
    refused("mimic-cxr-jpg", tmp_path, rf"Line 3 of mimic-cxr-2\.0\.0-metadata\.csv.*{words}")


def test_strange_labels_and_reports_of_mimic(tmp_path: Path) -> None:
    write(tmp_path / mimic_cxr_jpg.METADATA, metadata())
    report(tmp_path, b"\xff\xfe")
    refused("mimic-cxr-jpg", tmp_path, r"s50414267\.txt is not a text")
    report(tmp_path, b"x" * (1 << 19))
    refused("mimic-cxr-jpg", tmp_path, r"s50414267\.txt is too long")
    write(tmp_path / "mimic-cxr-2.0.0-chexpert.csv", labels(Edema="2"))
    refused("mimic-cxr-jpg", tmp_path, "Line 2 of mimic-cxr-2.0.0-chexpert.*`Edema`")
    write(tmp_path / "mimic-cxr-2.0.0-chexpert.csv", {"subject_id": PATIENT, "study_id": STUDY})
    with pytest.raises(LayoutError, match=r"(?s)chexpert\.csv lacks a column.*Atelectasis"):
        read("mimic-cxr-jpg", tmp_path)


def test_pe_severity(tmp_path: Path) -> None:
    row = {"subject_id": PATIENT, "study_id": STUDY, "edema_severity": 3}
    write(tmp_path / "consensus_image_edema_severity.csv", row | {"dicom_id": DICOM, "edema_severity": 0})
    write(tmp_path / "regex_report_edema_severity.csv", row)
    write(tmp_path / "expert_report_edema_severity.csv", row | {"edema_severity": "1.0"})
    found = read("mimic-cxr-pe-severity", tmp_path)
    assert [(one.image, one.oedema, one.graded_by) for one in found] == [
        ("", 3, "regex"), ("", 1, "expert"), (DICOM, 0, "consensus"),
    ]  # fmt: skip
    assert {(one.patient, one.study) for one in found} == {(PATIENT, STUDY)}
    for grade in ("4", "-1", "", "1.5"):
        write(tmp_path / "regex_report_edema_severity.csv", row | {"edema_severity": grade})
        refused("mimic-cxr-pe-severity", tmp_path, r"Line 2 of regex_report_edema_severity\.csv")


def cxr_lt(year: str, path: str, **found: object) -> dict[str, Any]:
    names = dict.fromkeys(findings_of(year), "0")
    return {"dicom_id": DICOM, "subject_id": PATIENT, "study_id": STUDY, path: FILE} | names | found


@pytest.mark.parametrize("folder", ["", "cxr-lt-2023"])
def test_cxr_lt_2023(tmp_path: Path, folder: str) -> None:
    write(tmp_path / folder / "train.csv", cxr_lt("cxr-lt-2023", "path", **{"No Finding": "1"}))
    below = FILE.removeprefix("files/")
    write(tmp_path / folder / "test.csv", cxr_lt("cxr-lt-2023", "path", Nodule="1.0") | {"path": below})
    first, second = read("cxr-lt", tmp_path)
    assert (first.image, first.patient, first.study, first.file) == (DICOM, PATIENT, STUDY, FILE)
    assert second.file == FILE
    assert len(first.labels) == 26
    assert [name for name, there in first.labels.items() if there] == ["No Finding"]
    assert [name for name, there in second.labels.items() if there] == ["Nodule"]


def test_cxr_lt_2024(tmp_path: Path) -> None:
    old = write(tmp_path / "cxr-lt-2023" / "train.csv", cxr_lt("cxr-lt-2023", "path"))
    task = cxr_lt("cxr-lt-2024", "fpath", **{"Round(ed) Atelectasis": "1"})
    for name in ("Bulla", "Cardiomyopathy", "Hilum", "Osteopenia", "Scoliosis"):
        del task[name]
    write(tmp_path / "cxr-lt-2024" / "train_labeled.csv", task)
    write(tmp_path / "cxr-lt-2024" / "development_labeled_task2.csv", task)
    [one] = read("cxr-lt", tmp_path)
    assert len(one.labels) == 40 and one.labels["Rounded Atelectasis"]
    write(tmp_path / "cxr-lt-2024" / "labels.csv", cxr_lt("cxr-lt-2024", "fpath", Normal="1"))
    source = open_source("cxr-lt", tmp_path)
    assert [path.name for path in source.tables] == ["labels.csv"] and old not in source.tables
    [one] = read("cxr-lt", tmp_path)
    assert len(one.labels) == 45
    assert [name for name, there in one.labels.items() if there] == ["No Finding"]


@pytest.mark.parametrize(("change", "words"), [
    ({"fpath": FILE.replace(DICOM, OTHER)}, "another film"),
    ({"fpath": f"../{FILE}"}, "fpath"),
    ({"fpath": ""}, "fpath"),
    ({"Edema": "-1"}, "`Edema`"),
    ({"Edema": "yes"}, "`Edema`"),
])  # fmt: skip
def test_strange_rows_of_cxr_lt(tmp_path: Path, change: dict[str, str], words: str) -> None:
    write(tmp_path / "labels.csv", cxr_lt("cxr-lt-2024", "fpath") | change)
    refused("cxr-lt", tmp_path, rf"Line 2 of labels\.csv.*{words}")


def asked(**other: object) -> dict[str, Any]:
    return {
        "subject_id": PATIENT, "study_id": STUDY, "image_path": FILE.removeprefix("files/"), "answer": ["no"],
        "split": "train", "idx": 13280, "image_id": DICOM, "question": "Are there signs of both?",
        "content_type": "attribute", "semantic_type": "verify", "template": "…",
        "template_program": "program_5",
        "template_arguments": {"object": {"0": "left lower lung zone"}},
    } | other  # fmt: skip


@pytest.mark.parametrize("folder", ["", "dataset"])
def test_mimic_cxr_vqa(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    rows = [
        asked(),
        asked(idx=1, semantic_type="query", answer=["left lung", "heart"]),
        asked(idx=2, answer=[]),
    ]
    (tmp_path / folder / "train.json").write_text(json.dumps(rows, indent=4))
    (tmp_path / folder / "test.json").write_text(json.dumps([asked(split="test", subject_id=int(PATIENT))]))
    found = read("mimic-cxr-vqa", tmp_path)
    assert [(one.questions[0].id, one.questions[0].answers) for one in found] == [
        ("train/13280", ("no",)), ("train/1", ("left lung", "heart")), ("train/2", ()),
        ("test/13280", ("no",)),
    ]  # fmt: skip
    one = found[0]
    assert (one.image, one.patient, one.study, one.file) == (DICOM, PATIENT, STUDY, FILE)
    question = one.questions[0]
    assert (question.semantic, question.content) == ("verify", "attribute")
    assert question.question == "Are there signs of both?"


@pytest.mark.parametrize("change", [
    {"answer": "no"}, {"answer": None}, {"answer": [["no"]]}, {"answer": [""]}, {"answer": ["\ud800"]},
    {"semantic_type": "count"}, {"question": " "}, {"image_path": "/etc/passwd"}, {"image_id": OTHER},
    {"subject_id": "10000033"}, {"study_id": None}, {"idx": {"a": 1}},
])  # fmt: skip
def test_strange_questions(tmp_path: Path, change: dict[str, Any]) -> None:
    (tmp_path / "valid.json").write_text(json.dumps([asked(), asked() | change]))
    refused("mimic-cxr-vqa", tmp_path, r"Entry 2 of valid\.json cannot be used")


def pair(kind: str, question: str, answer: str, **other: object) -> dict[str, Any]:
    return {
        "study_id": STUDY, "subject_id": PATIENT, "ref_id": "54989200", "question_type": kind,
        "question": question, "answer": answer, "split": "train",
    } | other  # fmt: skip


def test_mimic_diff_vqa(tmp_path: Path) -> None:
    write(
        tmp_path / mimic_diff_vqa.QUESTIONS,
        pair("abnormality", "what abnormalities are seen in this image?", "pleural effusion, atelectasis"),
        pair("difference", "what has changed compared to the reference image?", "the main image has …"),
        pair("presence", "is there edema?", "no"),
        pair("view", "which view is this image taken?", "PA view"),
        pair("location", "is the atelectasis located on the left side or right side?", "left side"),
    )
    left_out = {mimic_diff_vqa.DIFFERENCE: 1, mimic_diff_vqa.VIEW: 1}
    found = read("mimic-diff-vqa", tmp_path, **left_out)
    questions = [one.questions[0] for one in found]
    assert [(q.id, q.semantic, q.content, q.answers) for q in questions] == [
        ("0", "query", "abnormality", ("pleural effusion, atelectasis",)),
        ("2", "verify", "presence", ("no",)),
        ("4", "choose", "location", ("left side",)),
    ]
    assert {(one.image, one.study, one.patient, one.file) for one in found} == {("", STUDY, PATIENT, "")}
    write(tmp_path / mimic_diff_vqa.FILMS, {"subject_id": PATIENT, "study_id": STUDY, "dicom_id": DICOM})
    found = read("mimic-diff-vqa", tmp_path, **{mimic_diff_vqa.DIFFERENCE: 1})
    assert [one.questions[0].content for one in found] == ["abnormality", "presence", "view", "location"]
    assert {(one.image, one.file) for one in found} == {(DICOM, FILE)}
    write(tmp_path / mimic_diff_vqa.QUESTIONS, pair("count", "how many?", "two"))
    refused("mimic-diff-vqa", tmp_path, r"Line 2 of mimic_pair_questions\.csv.*question_type")


# -- other collections ---------------------------------------------------------------------------

NIH = ("Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
       "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]")  # fmt: skip


def nih_folder(folder: Path, *rows: str, boxes: str | None = None, end: str = "") -> Path:
    text = "\n".join([NIH + end, *(row + end for row in rows)]) + "\n"
    (folder / "Data_Entry_2017.csv").write_text(text)
    if boxes is not None:
        (folder / nih.BOXES).write_text(f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{boxes}")
    return folder


@pytest.mark.parametrize("end", ["", ","])
def test_nih(tmp_path: Path, end: str) -> None:
    nih_folder(
        tmp_path,
        "00000001_002.png,Cardiomegaly|Effusion,2,1,058Y,M,PA,2500,2048,0.168,0.168",
        "00000002_000.png,No Finding,0,2,81,F,AP,2048,2500,0.171,0.17",
        boxes="00000001_002.png,Infiltrate,512,256,256,128\n00000009_000.png,Nodule,1,2,3,4,,,\n"
        "00000001_002.png,Mass,1000.5,0,24,1024,,,\n00000001_002.png,Mass,1000,0,40,10,,,\n",
        end=end,
    )
    first, second = read("nih", tmp_path, **{nih.NO_FILM: 1, nih.OUTSIDE: 1})
    assert (first.image, first.file, first.patient) == ("00000001_002.png", "00000001_002.png", "1")
    assert (first.view, first.sex, first.size, first.spacing_mm) == (
        "PA",
        "male",
        (2500, 2048),
        (0.168, 0.168),
    )
    assert (second.view, second.sex, second.spacing_mm) == ("AP", "female", (0.171, 0.17))
    assert len(first.labels) == 15
    assert {name for name, there in first.labels.items() if there} == {"Cardiomegaly", "Pleural Effusion"}
    assert [name for name, there in second.labels.items() if there] == ["No Finding"]
    # From 1024×1024 to 2500×2048: 512 → 1250, 768 → 1875; 256 → 512, 384 → 768.
    assert first.signs == (
        Sign(name="Infiltration", box=(1250, 512, 1874, 767)), Sign(name="Mass", box=(2442, 0, 2499, 2047)),
    )  # fmt: skip
    assert second.signs == ()


@pytest.mark.parametrize(("row", "words"), [
    ("a.png,Flu,0,1,1,M,PA,10,10,1,1", "Finding Labels"),
    ("a.png,No Finding|Mass,0,1,1,M,PA,10,10,1,1", "Finding Labels"),
    ("a.png,,0,1,1,M,PA,10,10,1,1", "Finding Labels"),
    ("a.png,Mass,0,1,1,X,PA,10,10,1,1", "Patient Gender"),
    ("a.png,Mass,0,1,1,M,LL,10,10,1,1", "View Position"),
    ("a.png,Mass,0,1,1,M,PA,-10,10,1,1", "OriginalImage"),
    ("a.png,Mass,0,1,1,M,PA,10,10,0,1", "spacing"),
    ("../a.png,Mass,0,1,1,M,PA,10,10,1,1", "leads out"),
    ("a.png,Mass,0,,1,M,PA,10,10,1,1", "Patient ID"),
    ("a.png,Mass,0,1,1,M,PA,10,10,1", "has not 11 cells"),
])  # fmt: skip
def test_strange_rows_of_nih(tmp_path: Path, row: str, words: str) -> None:
    refused("nih", nih_folder(tmp_path, row), rf"Line 2 of Data_Entry_2017\.csv.*{words}")


@pytest.mark.parametrize(
    "box", ["Mass,1,2,0,4", "Mass,-1,2,3,4", "Mass,1,2,3,", "Mass,a,2,3,4", "Flu,1,2,3,4"]
)
def test_strange_boxes_of_nih(tmp_path: Path, box: str) -> None:
    nih_folder(tmp_path, "a.png,Mass,0,1,1,M,PA,10,10,1,1", boxes=f"a.png,{box}\n")
    refused("nih", tmp_path, r"Line 2 of BBox_List_2017\.csv")


@pytest.mark.parametrize("start", [0.0, 0.4, 511.5, 1023.2])
@pytest.mark.parametrize("edge", [1, 700, 1024, 2991])
def test_boxes_hold_at_least_a_pixel_and_lie_within_the_film(start: float, edge: int) -> None:
    for length in (0.01, 1.0, 1024 - start, 1025 - start):
        first, last = nih._pixels(start, length, edge)
        assert 0 <= first <= last < edge
        if edge == 1024 and length >= 1:
            assert first <= start and last + 1 >= min(start + length, 1024)


@pytest.mark.shared_data
def test_the_real_table_of_nih(shared_data: Path) -> None:
    found = read("nih", shared_data / "cxr_nih")
    with (shared_data / "cxr_nih" / "labels.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(found) == len(rows) == 893
    for one, row in zip(found, rows, strict=True):
        names = {findings_of("nih")[name] for name in row["Finding Labels"].split("|")}
        assert {name for name, there in one.labels.items() if there} == names
        assert one.size == (int(row["OriginalImage[Width"]), int(row["Height]"]))
        assert one.spacing_mm == (float(row["OriginalImagePixelSpacing[x"]), float(row["y]"]))
        assert (one.image, one.view, one.patient) == (
            row["Image Index"],
            row["View Position"],
            row["Patient ID"],
        )
        assert one.sex == {"F": "female", "M": "male"}[row["Patient Gender"]]


@pytest.fixture(scope="module")
def published() -> Path:
    """Real tables that travel with torchxrayvision, which nothing here imports."""
    spec = importlib.util.find_spec("torchxrayvision")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("torchxrayvision and the tables in it are not at hand")
    return Path(spec.submodule_search_locations[0]) / "data"


def test_all_real_films_and_boxes_of_nih(published: Path) -> None:
    left_out: Counter[str] = Counter()
    found = list(open_source("nih", published).statements(left_out))
    assert (len(found), sum(len(one.signs) for one in found), +left_out) == (112_120, 984, Counter())
    for one in found:
        for sign in one.signs:
            assert one.size and sign.box
            assert sign.box[2] < one.size[0] and sign.box[3] < one.size[1]


def test_real_films_of_chexpert(published: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv.gz").symlink_to(published / "chexpert_train.csv.gz")
    found = list(islice(open_source("chexpert", tmp_path).statements(Counter()), 20_000))
    assert {one.view for one in found} == {"PA", "AP", "lateral"}
    assert len({one.image for one in found}) == len(found) == 20_000
    assert {there for one in found for there in one.labels.values()} == {True, False, None}


def test_all_real_reports_of_openi(published: Path, tmp_path: Path) -> None:
    with tarfile.open(published / "NLMCXR_reports.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = read("openi", tmp_path, **{openi.NO_WORDS: 28})
    films = [one for one in found if one.image]
    assert len({one.image for one in films}) == len(films) == 7_470
    assert all("FINDINGS: " in one.report or "IMPRESSION: " in one.report for one in found if one.report)
    assert sum(one.report is not None for one in found) == 3_955 - 28


def chexpert(path: str, **other: object) -> dict[str, Any]:
    said = {"Path": path, "Sex": "Female", "Age": 68, "Frontal/Lateral": "Frontal", "AP/PA": "AP"}
    return said | dict.fromkeys(CHEXPERT, "") | other


def test_chexpert(tmp_path: Path) -> None:
    frontal, lateral = (
        f"train/patient00001/study1/view{n}_{v}.jpg" for n, v in ((1, "frontal"), (2, "lateral"))
    )
    write(
        tmp_path / "train.csv",
        chexpert(f"CheXpert-v1.0-small/{frontal}", Edema="1.0", Fracture="-1.0", Pneumonia="0.0"),
        chexpert(f"CheXpert-v1.0/{lateral}", Sex="Unknown", **{"Frontal/Lateral": "Lateral", "AP/PA": ""}),
        chexpert(frontal, Sex="Male", **{"AP/PA": "LL"}),
    )
    write(tmp_path / "valid.csv", chexpert("CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"))
    found = read("chexpert", tmp_path, **{"a frontal view that is neither PA nor AP (the film is kept, "
                                          "without a view)": 1})  # fmt: skip
    assert [(one.image, one.view, one.sex) for one in found] == [
        (frontal, "AP", "female"), (lateral, "lateral", None), (frontal, None, "male"),
        ("valid/patient64541/study1/view1_frontal.jpg", "AP", "female"),
    ]  # fmt: skip
    assert found[0].labels == {"Edema": True, "Fracture": None, "Pneumonia": False}
    first = found[0]
    assert (first.patient, first.study, first.file) == ("patient00001", "patient00001/study1", frontal)


@pytest.mark.parametrize("path", [
    "", "train/view1.jpg", "/train/patient1/study1/a.jpg", "../train/patient1/study1/a.jpg",
    "train/patient1/study1/../a.jpg", "train/patient1/study1/..",
    "CheXpert-v1.0/CheXpert-v1.0/train/patient1/study1/a",
    "CheXpert-v1.0\\train/patient1/study1/a.jpg",
])  # fmt: skip
def test_strange_paths_of_chexpert(tmp_path: Path, path: str) -> None:
    write(tmp_path / "train.csv", chexpert(path))
    refused("chexpert", tmp_path, r"Line 2 of train\.csv")


@pytest.mark.parametrize("change", [{"Sex": "f"}, {"Frontal/Lateral": ""}, {"Edema": "maybe"}])
def test_strange_rows_of_chexpert(tmp_path: Path, change: dict[str, str]) -> None:
    write(tmp_path / "train.csv", chexpert("train/patient1/study1/a.jpg") | change)
    refused("chexpert", tmp_path, r"Line 2 of train\.csv")


XML = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><meta type="rr"/><uId id="CXR{uid}"/>
<MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText>
<AbstractText Label="FINDINGS">{findings}</AbstractText>
<AbstractText Label="IMPRESSION">{impression}</AbstractText>
</Abstract></Article></MedlineCitation>
<parentImage id="CXR{uid}_{image}"><caption>PA &amp; lateral</caption></parentImage>
</eCitation>"""


def xml(
    folder: Path, uid: int, findings: str = "", impression: str = "", image: str = "IM-0652-1001"
) -> Path:
    path = folder / openi.FOLDER / f"{uid}.xml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(XML.format(uid=uid, findings=findings, impression=impression, image=image))
    return path


def test_openi_as_published(tmp_path: Path) -> None:
    xml(tmp_path, 10, "", "Normal\n  chest &lt; XXXX.")
    xml(tmp_path, 1, "Heart is normal.", "No acute disease.", "1_IM-0001-3001")
    xml(tmp_path, 2)
    found = read("openi", tmp_path, **{openi.NO_WORDS: 1})
    assert [(one.study, one.image, one.report, one.file) for one in found] == [
        ("CXR1", "", "FINDINGS: Heart is normal.\n\nIMPRESSION: No acute disease.", ""),
        ("CXR1", "CXR1_IM-0001-3001", None, "CXR1_1_IM-0001-3001.png"),
        ("CXR2", "CXR2_IM-0652-1001", None, "CXR2_IM-0652-1001.png"),
        ("CXR10", "", "IMPRESSION: Normal chest < XXXX.", ""),
        ("CXR10", "CXR10_IM-0652-1001", None, "CXR10_IM-0652-1001.png"),
    ]
    assert {(one.patient, one.view) for one in found} == {("", None)}


def test_openi_terms_that_people_coded(tmp_path: Path) -> None:
    path = xml(tmp_path, 1, "Calcified granuloma.")
    assert read_openi_xml(path).terms == ()
    coded = "<MeSH><major>Calcified Granuloma/lung/\n left</major><major> </major><automatic>lung</automatic>"
    path.write_text(path.read_text().replace("<parentImage", f"{coded}</MeSH><parentImage"))
    found = read_openi_xml(path)
    assert found.terms == ("Calcified Granuloma/lung/ left",)
    assert found.sections == {"COMPARISON": "None.", "FINDINGS": "Calcified granuloma."}


def test_openi_as_tables(tmp_path: Path) -> None:
    columns = ["uid", "MeSH", "Problems", "image", "indication", "comparison", "findings", "impression"]
    rows = [{"uid": 1, "findings": "Clear, and\nnormal.", "impression": "Normal."}, {"uid": 2}]
    write(tmp_path / openi.REPORTS, *rows, columns=columns)
    write(
        tmp_path / openi.FILMS,
        {"uid": 1, "filename": "1_IM-0001-4001.dcm.png", "projection": "Frontal"},
        {"uid": 1, "filename": "1_IM-0001-3001.dcm.png", "projection": "Lateral"},
    )
    found = read("openi", tmp_path, **{openi.NO_WORDS: 1})
    assert [(one.study, one.image, one.report, one.view) for one in found] == [
        ("CXR1", "", "FINDINGS: Clear, and\nnormal.\n\nIMPRESSION: Normal.", None),
        ("CXR1", "CXR1_IM-0001-4001", None, None), ("CXR1", "CXR1_IM-0001-3001", None, "lateral"),
    ]  # fmt: skip
    # With both forms, reports come from one and films from the other, each once.
    xml(tmp_path, 1, "From the file.", image="1_IM-0001-3001")
    found = read("openi", tmp_path)
    assert [(one.image, one.report) for one in found] == [
        ("", "FINDINGS: From the file."), ("CXR1_IM-0001-4001", None), ("CXR1_IM-0001-3001", None),
    ]  # fmt: skip


BOMB = """<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<eCitation><uId id="CXR1"/><AbstractText Label="FINDINGS">&b;&b;&b;</AbstractText></eCitation>"""
OUTSIDE = """<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]><eCitation><uId id="CXR1"/></eCitation>"""


@pytest.mark.parametrize("text", [
    BOMB, OUTSIDE, "", "no xml", "<eCitation>", "<eCitation/>", '<eCitation><uId id="CXR1x"/></eCitation>',
    '<eCitation><uId id="CXR1"/><parentImage id="../../x"/></eCitation>',
    '<eCitation><uId id="CXR1"/><parentImage/></eCitation>', "<e>&undefined;</e>", "x" * (1 << 19),
    "<a>" * 20_000,
])  # fmt: skip
def test_strange_reports_of_openi(tmp_path: Path, text: str) -> None:
    xml(tmp_path, 1).write_text(text)
    refused("openi", tmp_path, r"1\.xml is (not a report|too long)")


@pytest.mark.parametrize(("change", "words"), [
    ({"uid": "../1"}, "`uid`"), ({"filename": "/etc/passwd"}, "leads out"),
    ({"projection": "Top"}, "projection"),
])  # fmt: skip
def test_strange_films_of_openi(tmp_path: Path, change: dict[str, str], words: str) -> None:
    row = {"uid": "1", "filename": "1_IM-0001-4001.dcm.png", "projection": "Frontal"}
    write(tmp_path / openi.FILMS, row | change)
    refused("openi", tmp_path, rf"Line 2 of indiana_projections\.csv.*{words}")
