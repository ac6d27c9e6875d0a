"""``sagittal ask`` about pictures, slices and places on them, as a user meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sagittal.cli import main

# The small worlds of asking have a folder of their own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "asking"))

from asking_world import VOLUME, brats_case, offer, write_volume
from picture_world import film, folder_of, inside, told

QUESTION = "Please segment the square in this image."


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
def models(monkeypatch):
    """Sets the models that there are."""

    def set_models(*offers):
        monkeypatch.setattr("sagittal.asking.case.offers", lambda _: list(offers))

    return set_models


def test_a_picture_with_a_region_from_a_folder_to_files(capsys, tmp_path):
    """A model that was never trained, loaded by its folder: whatever it says, the answer is whole."""
    model, out = folder_of(tmp_path), tmp_path / "out"
    code, printed, err = call(
        capsys, "ask", f"cxr={film(tmp_path)}", "What is in this region?", "--region", "box:36,6,51,17",
        "--model", model, "--out", out, "--json",
    )  # fmt: skip
    answer = json.loads(printed)
    assert code == 0 and answer == json.loads((out / "answer.json").read_text())
    assert "Looks at    film.png, 1 region" in err and "unknown" in err
    assert (out / "overlay.png").is_file()


def test_an_answer_with_a_mask_in_order(capsys, tmp_path, models):
    models(told("Here it is: the square ", inside(), "."))
    out = tmp_path / "out"
    code, printed, err = call(capsys, "ask", film(tmp_path), QUESTION, "--out", out)
    assert (code, err) == (0, "")
    flat, place = " ".join(printed.split()), 0
    for words in (
        "Recognised film", "film.png 60×40×1 unknown –", "Looks at film.png", "looker: it takes t1",
        "Research use only.", f"Question {QUESTION}", "Answer Here it is: the square.", "area square",
        "pixels", "share square", "overlay.png", "masks/square.png", "answer.json", "Ask next",
    ):  # fmt: skip
        place = flat.index(words, place)
    _, printed, _ = call(capsys, "ask", film(tmp_path), QUESTION)
    assert "none written; --out FOLDER gives masks, overlay.png and answer.json" in printed


def test_a_slice_of_one_of_several_images(capsys, tmp_path, models):
    models(offer(*VOLUME), told("It is a ball."))
    case = brats_case(tmp_path)
    asked = ("What is in this region?", "--region", "flair=point:mm:-30,2,4")
    code, printed, _ = call(capsys, "ask", case, *asked)
    flat = " ".join(printed.split())
    assert code == 0 and "Answer It is a ball." in flat
    assert "Looks at axial slice 14 of BraTS-GLI-00001-000-t2f.nii.gz, 1 region" in flat
    assert "not toy: it cannot be pointed at a place" in flat
    assert "gives overlay.png and answer.json" in flat
    code, printed, _ = call(capsys, "ask", case, "How large is the tumour?")
    assert code == 0 and "The volume of the whole tumour is" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["FILM", "--region", "point:60,3"], "reaches outside the picture"),
        (["FILM", "--region", "box:9,3,5,8"], "exchanged"),
        (["FILM", "--region", "point:nan,3"], "not written in this way"),
        (["FILM", "--region", "[red]"], "[red]"),
        (["FILM", "--region", "point:mm:1,2,3"], "does not state the size of its pixels"),
        (["FILM", "--region", "mask:nowhere.png"], "no such file"),
        (["FILM", "--slice", "axial:3"], "A picture has no slices"),
        (["FILM", "--region", "t1=point:3,4"], "no image of this name"),
        (["VOLUME"], "--slice axial:13"),
        (["VOLUME", "--slice", "axial"], "Which slice"),
        (["VOLUME", "--slice", "oblique:3"], "not named in this way"),
        (["VOLUME", "--slice", "axial:99"], "axial:0 to axial:27"),
        (["VOLUME", "--region", "point:3,4"], "Which slice"),
        (["VOLUME", "--slice", "axial:0"], "nothing to be seen"),
        (["VOLUME", "--region", "point:mm:0,0,900"], "outside the image"),
    ],
)
def test_bad_places_are_the_users_to_mend(capsys, tmp_path, models, arguments, words):
    models(told("A film."))
    given = {"FILM": film(tmp_path), "VOLUME": write_volume(tmp_path / "a_t1.nii.gz")}
    study, *options = (given.get(a, a) for a in arguments)
    code, _, err = call(capsys, "ask", study, "What is this?", *options, "--out", tmp_path / "out")
    assert code == 2 and words in err and "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_help_shows_how_places_are_written(capsys):
    code, out, _ = call(capsys, "ask", "--help")
    flat = " ".join(out.split())
    assert code == 0 and all(
        words in flat
        for words in ("--region box:40,52,80,95", "--slice axial:90", "flair=point:mm:-20,14,38")
    )
