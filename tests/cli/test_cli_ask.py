"""``sagittal ask`` and ``sagittal library`` as a user meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sagittal.cli import main

# The small world of asking has a folder of its own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "asking"))

from asking_world import ABSTAIN, CHANGE, MADE, SIDE, VOLUME, brats_case, card, offer, write_volume

QUESTION = "How large is the tumour?"


def call(capsys, *arguments) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as stopped:
        main([str(a) for a in arguments])
        raise SystemExit(0)
    out, err = capsys.readouterr()
    return stopped.value.code or 0, out, err


@pytest.fixture(autouse=True)
def consoles_of_80_columns(monkeypatch):
    from sagittal.cli import console

    monkeypatch.setenv("COLUMNS", "80")
    console.output.cache_clear()
    console.errors.cache_clear()


@pytest.fixture
def model(monkeypatch):
    """Sets the only model that there is."""

    def set_model(*programs: str, **more):
        made = offer(*programs, **more)
        monkeypatch.setattr("sagittal.asking.case.offers", lambda _: [made])
        return made

    return set_model


@pytest.fixture
def folder(tmp_path):
    return brats_case(tmp_path)


def test_a_question_is_answered_in_order(capsys, folder, model):
    model(*VOLUME)
    code, out, err = call(capsys, "ask", folder, QUESTION)
    assert (code, err) == (0, "")
    told = [
        "Recognised  BraTS-GLI-00001", "BraTS-GLI-00001-000-t1n.nii.gz", "30×34×28", "6×6×6", "LAS",
        "toy: it takes t1", "real: one scan: Dice 0.812 for whole tumour (1 scan)", "Research use only.",
        f"Question    {QUESTION}", "The volume of the whole tumour is", "mL", "measured", "whole tumour",
        "none written; --out FOLDER", "Ask next", '"What is the longest diameter of the whole tumour?"',
    ]  # fmt: skip
    flat, place = " ".join(out.split()), 0
    for words in told:
        place = flat.index(" ".join(words.split()), place)
    assert max(map(len, out.splitlines())) <= 80
    assert out.count('  "') == 3
    # Simulated figures never stand where real ones are promised.
    assert "0.95" not in out and "simulated" not in out


def test_a_model_without_a_real_score_says_so(capsys, folder, model):
    model(*VOLUME, of=card("toy", MADE))
    _, out, _ = call(capsys, "ask", folder, QUESTION)
    assert "not measured on real scans" in out and "0.95" not in out


def test_json_is_one_document_and_notes_go_to_standard_error(capsys, folder, model, tmp_path):
    model(*SIDE)
    code, out, err = call(capsys, "ask", folder, "Which side?", "--json", "--out", tmp_path / "out")
    value = json.loads(out)
    assert code == 0 and value == json.loads((tmp_path / "out" / "answer.json").read_text())
    assert set(value) == {
        "schema", "question", "text", "abstained", "reason", "measurements", "fields", "masks", "volumes",
        "boxes", "lines", "steps", "images", "warnings", "model", "version", "seconds",
    }  # fmt: skip
    assert value["measurements"][0]["value"] == "left"
    assert all((tmp_path / "out" / mask["file"]).is_file() for mask in value["masks"])
    assert "Recognised" in err and "Research use only" in err


def test_files_are_named_whole(capsys, folder, model, tmp_path):
    model(*SIDE)
    out_folder = tmp_path / ("a long name " * 8).strip() / "out"
    code, out, _ = call(capsys, "ask", folder, "Which side?", "--out", out_folder)
    assert code == 0
    for name in ("overlay.png", "masks/whole_tumour.nii.gz", "masks/brain.nii.gz", "answer.json"):
        assert str(out_folder / name) in out and (out_folder / name).is_file()


def test_an_abstention_is_an_answer(capsys, folder, model):
    model(*ABSTAIN)
    code, out, err = call(capsys, "ask", folder, "How big is my liver?")
    assert (code, err) == (0, "")
    assert "No answer   Only scans of the head are measured here." in out and "Ask instead" in out
    assert "measured  of" not in out


def test_two_visits_in_the_order_of_time(capsys, tmp_path, model):
    model(*CHANGE)
    later, earlier = brats_case(tmp_path, "001", radius=5), brats_case(tmp_path, "000")
    code, out, _ = call(capsys, "ask", later, earlier, "How has the tumour changed?")
    assert code == 0 and "2 visits in this order: 000, 001" in out and "flair_2" in out
    assert "relative change" in out and "%" in out


def test_visits_by_folder_when_the_user_says_so(capsys, tmp_path, model):
    model(*CHANGE)
    for visit in ("first", "second"):
        for kind in ("t1", "flair"):
            write_volume(tmp_path / visit / f"{kind}.nii.gz")
    code, _, err = call(capsys, "ask", tmp_path, QUESTION)
    assert code == 2 and "--session folder" in err
    code, out, err = call(capsys, "ask", tmp_path, QUESTION, "--session", "folder")
    assert code == 0 and "in this order: first, second" in " ".join(out.split()) and "no dates" in err


def test_kinds_can_be_given_and_what_was_left_out_is_said(capsys, folder, model):
    model(*VOLUME)
    path = write_volume(folder / "series4.nii.gz")
    code, out, _ = call(capsys, "ask", folder, QUESTION)
    assert code == 0 and "left out: series4.nii.gz" in out
    code, out, _ = call(capsys, "ask", f"t1c={path}", QUESTION)
    assert code == 0 and "t1c" in out and "left out" not in out
    code, _, err = call(capsys, "ask", path, QUESTION)
    assert code == 2 and f"t1={path}" in err


def test_names_and_questions_are_not_markup(capsys, tmp_path, model):
    model(*VOLUME)
    path = write_volume(tmp_path / "[bold]x[red]_t1.nii.gz")
    code, out, err = call(capsys, "ask", path, "[bold red]How[/] large? [/nothing]")
    assert (
        code == 0 and "t1     [bold]x[red]_t1.nii.gz" in out and "[bold red]How[/] large? [/nothing]" in out
    )
    code, _, err = call(capsys, "ask", tmp_path / "[/x].nii.gz", QUESTION)
    assert code == 2 and "[/x].nii.gz" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FOLDER"], "question is missing"),
        (["FOLDER", "FOLDER"], "question is missing"),
        (["t1=FOLDER"], "question is missing"),
        ([QUESTION], "nothing to ask about"),
        (["FOLDER", ""], "no question"),
        (["FOLDER", "x\x1b[2Jy"], "cannot be shown"),
        (["FOLDER", "tumour " * 1_500_000], "too long"),
        (["nowhere_t1.nii.gz", QUESTION], "no such file"),
        (["FOLDER", QUESTION, "--out", "FOLDER"], "something else"),
    ],
)
def test_bad_input_is_the_users_to_mend(capsys, folder, model, arguments, words):
    asked = model(*VOLUME).load().asked
    code, out, err = call(capsys, "ask", *(a.replace("FOLDER", str(folder)) for a in arguments))
    assert code == 2 and out == "" and words in err and "Traceback" not in err
    assert len(err) < 2000 and "\x1b" not in err and not asked


def test_no_model_at_all(capsys, folder, tmp_path, monkeypatch):
    from sagittal import weights

    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "none" / "__init__.py"))
    code, _, err = call(capsys, "ask", folder, QUESTION)
    assert code == 2 and "no model" in err and "remedy" in err
    code, _, err = call(capsys, "ask", folder, QUESTION, "--model", "[red]mine")
    assert code == 2 and "[red]mine" in err


def test_help_has_an_example(capsys):
    code, out, _ = call(capsys, "ask", "--help")
    assert code == 0 and "Example:" in out and "--out" in out


def test_library_lists_every_function(capsys):
    from sagittal.agent.standard import STANDARD

    code, out, err = call(capsys, "library", "--json")
    value = json.loads(out)
    assert (code, err) == (0, "")
    assert [f["name"] for f in value["functions"]] == list(STANDARD)
    assert {f["name"]: f["unit"] for f in value["functions"]}["volume"] == "mL"
    code, out, _ = call(capsys, "library")
    assert code == 0 and all(f"{name}(" in out for name in STANDARD)
    assert max(map(len, out.splitlines())) <= 80
