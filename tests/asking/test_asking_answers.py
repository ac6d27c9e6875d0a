"""From a question to an answer with measurements, masks, trace and files; and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from asking_world import (
    ABSTAIN,
    CHANGE,
    NOTHING,
    REMOVE,
    SHAPE,
    SIDE,
    VOLUME,
    VOXEL_ML,
    brats_case,
    head,
    offer,
    voxels,
    write_volume,
)
from PIL import Image as Pictures

import sagittal
from sagittal.answer import Answer
from sagittal.asking import ask, ask_case, consult, open_case
from sagittal.asking.question import LONGEST, clean_question
from sagittal.draw.overlay import colour_of
from sagittal.errors import InputError, SpacingUnknownError, StorageError
from sagittal.geometry import Geometry
from sagittal.io.nifti import read_image, read_mask
from sagittal.study import Image, Study


@pytest.fixture
def case_folder(tmp_path):
    return brats_case(tmp_path)


def test_an_answer_has_words_measurements_with_units_and_every_step(case_folder):
    answer = ask(case_folder, " How large\n is the tumour? ", model=offer(*VOLUME))
    assert isinstance(answer, Answer) and answer.question == "How large is the tumour?"
    ml = voxels() * VOXEL_ML
    [volume] = answer.measurements
    assert (volume.name, volume.of, volume.unit) == ("volume", "whole tumour", "mL")
    assert volume.value == pytest.approx(ml)
    assert answer.steps[volume.step].name == "v = volume(m)"
    assert answer.text == f"The volume of the whole tumour is {ml:.1f} mL."
    assert [(m.name, m.file, m.volume_ml) for m in answer.masks] == [("whole tumour", "", pytest.approx(ml))]
    assert answer.model == "toy" and answer.version == sagittal.__version__ and not answer.warnings
    assert answer.images == ("BraTS-GLI-00001-000-t1n.nii.gz", "BraTS-GLI-00001-000-t2f.nii.gz")
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer


def test_the_question_as_it_was_read_is_part_of_the_answer(case_folder):
    assert (
        ask(case_folder, "How large?", model=offer(*VOLUME)).fields["asked"].value == "volume: whole tumour"
    )
    assert ask(case_folder, "Which side?", model=offer(*SIDE)).fields == {}


def test_masks_are_shown_together_on_the_image_that_people_look_at(case_folder):
    made = consult(open_case(case_folder, model=offer(*SIDE)), "Which side?")
    assert {d.name: d.image.kind for d in made.drawn} == {"whole tumour": "flair", "brain": "flair"}


def test_stages_are_timed_and_add_up(case_folder):
    answer = ask(case_folder, "How large?", model=offer(*VOLUME))
    stages = {s.input["stage"]: s for s in answer.steps if s.kind == "model"}
    assert list(stages) == [
        "read images", "load the model", "check images", "run programs", "write programs",
    ]  # fmt: skip
    assert all(s.seconds >= 0 for s in stages.values())
    assert sum(s.seconds for s in stages.values()) <= answer.seconds
    assert sum(s.seconds for s in stages.values()) > 0.5 * answer.seconds
    assert 10 < stages["write programs"].output["peak_memory_mib"] < 100_000


def test_sagittal_ask_is_this_function_and_nothing_else_is_there():
    assert sagittal.ask is ask
    with pytest.raises(AttributeError, match="has no attribute 'asks'"):
        _ = sagittal.asks


def test_masks_lie_on_the_grid_of_their_image_whatever_its_axes(tmp_path):
    image = Image(head(), Geometry(SHAPE, np.diag([-6.0, 6, 6, 1])), "t1", "t1")
    turned = image.reorient("SPL")
    made = ask_case(
        open_case(Study("s", "p", (turned,)), model=offer(*VOLUME)), "How large?", tmp_path / "out"
    )
    mask = read_mask(tmp_path / "out" / made.answer.masks[0].file)
    assert mask.geometry.same_grid(turned.geometry) and mask.labels == {1: "whole tumour"}
    assert np.array_equal(mask.data, turned.data == 200)


def test_files_are_written_whole_and_an_earlier_answer_is_replaced(case_folder, tmp_path):
    out = tmp_path / "deep" / "out"
    ask(case_folder, "Which side?", model=offer(*SIDE), out=out)
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert names == [
        "answer.json", "masks/brain.labels.json", "masks/brain.nii.gz",
        "masks/whole_tumour.labels.json", "masks/whole_tumour.nii.gz", "overlay.png",
    ]  # fmt: skip
    assert json.loads((out / "answer.json").read_text())["measurements"][0]["value"] == "left"
    answer = ask(case_folder, "How large?", model=offer(*VOLUME), out=out)
    assert sorted(p.name for p in (out / "masks").iterdir()) == [
        "whole_tumour.labels.json",
        "whole_tumour.nii.gz",
    ]
    assert json.loads((out / "answer.json").read_text()) == answer.to_json()
    ask(case_folder, "Liver?", model=offer(*ABSTAIN), out=out)
    assert [p.name for p in out.iterdir()] == ["answer.json"]
    empty = tmp_path / "empty"
    empty.mkdir()
    ask(case_folder, "Liver?", model=offer(*ABSTAIN), out=empty)
    assert [p.name for p in empty.iterdir()] == ["answer.json"]


def test_a_folder_with_anything_else_is_refused_before_the_work_begins(case_folder, tmp_path):
    out = tmp_path / "out"
    model = offer(*VOLUME)
    ask(case_folder, "How large?", model=model, out=out)
    asked = len(model.load().asked)
    (out / "masks" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match="something else"):
        ask(case_folder, "How large?", model=model, out=out)
    (out / "masks" / "mine.txt").unlink()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="something else"):
        ask(case_folder, "How large?", model=model, out=out)
    (out / "notes.txt").unlink()
    (out / "answer.json").write_text('{"schema": "another"}')
    with pytest.raises(StorageError, match="something else"):
        ask(case_folder, "How large?", model=model, out=out)
    with pytest.raises(StorageError):
        ask(case_folder, "How large?", model=model, out=case_folder / "BraTS-GLI-00001-000-t1n.nii.gz")
    assert len(model.load().asked) == asked
    assert (out / "overlay.png").is_file()


def test_a_failed_write_leaves_the_earlier_answer(case_folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    ask(case_folder, "How large?", model=offer(*VOLUME), out=out)
    before = (out / "answer.json").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sagittal.asking.writing.write_json", full)
    with pytest.raises(StorageError, match="No space"):
        ask(case_folder, "Which side?", model=offer(*SIDE), out=out)
    assert (out / "answer.json").read_bytes() == before
    assert sorted(p.name for p in out.iterdir()) == ["answer.json", "masks", "overlay.png"]


def test_two_visits_are_compared_and_drawn_one_below_the_other(tmp_path):
    before, after = brats_case(tmp_path, "000"), brats_case(tmp_path, "001", radius=5)
    case = open_case([after, before], model=offer(*CHANGE))
    made = ask_case(case, "How has the tumour changed between the two scans?", tmp_path / "out")
    found = {(m.name, m.method.split("session ")[-1]): m.value for m in made.answer.measurements}
    assert found["volume", "000"] == pytest.approx(voxels(4) * VOXEL_ML)
    assert found["volume", "001"] == pytest.approx(voxels(5) * VOXEL_ML)
    grown = 100 * (voxels(5) / voxels(4) - 1)
    assert grown == pytest.approx(next(m.value for m in made.answer.measurements if m.unit == "%"))
    assert [m.name for m in made.answer.masks] == ["whole tumour, visit 000", "whole tumour, visit 001"]
    # Lesions are looked at on FLAIR, whichever image was encoded first.
    assert [(d.image.kind, d.image.session) for d in made.drawn] == [("flair", "000"), ("flair", "001")]
    with Pictures.open(tmp_path / "out" / "overlay.png") as picture:
        assert picture.height > 2 * 320 and (tmp_path / "out" / "overlay.png").stat().st_size < 1 << 20


def test_the_picture_shows_the_left_of_the_patient_on_the_right(case_folder, tmp_path):
    ask(case_folder, "Which side?", model=offer(*SIDE), out=tmp_path / "out")
    with Pictures.open(tmp_path / "out" / "overlay.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    tile = pixels[24:344, 6:326]
    columns = np.flatnonzero((tile == colour_of(1)).all(axis=-1).any(axis=0))
    # The tumour lies 30 mm to the left of the head's middle: on the viewer's right of an axial slice.
    assert columns.min() > 160 and columns.max() < 300
    # Legend: one swatch a mask, below the tiles.
    legend = pixels[344:364]
    assert [bool((legend == colour_of(n)).all(axis=-1).any()) for n in (1, 2, 3)] == [True, True, False]


def test_nothing_found_draws_nothing(case_folder, tmp_path):
    made = ask_case(open_case(case_folder, model=offer(*NOTHING)), "Any oedema?", tmp_path / "out")
    assert made.answer.text == "No oedema was found." and not made.answer.abstained
    assert made.answer.masks == () and [m.value for m in made.answer.measurements] == [0.0]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["answer.json"]
    assert not any("oedema" in s for s in made.suggestions)


def test_an_abstention_says_why_and_what_can_be_asked_instead(case_folder):
    made = consult(open_case(case_folder, model=offer(*ABSTAIN)), "How big is my liver?")
    assert made.answer.abstained and made.answer.reason == "Only scans of the head are measured here."
    assert made.answer.text == made.answer.reason
    assert made.suggestions[0] == "What is the volume of the whole tumour?" and len(made.suggestions) == 3


def test_programs_that_fail_are_an_abstention_with_the_faults_in_the_trace(case_folder):
    wrong = ('m = segment(f, "whole tumour")', "import os", "x = encode(t2)")
    measured = 'f = encode({all})\nv = volume(segment(f, "whole tumour"))\nw = v.real'
    made = consult(open_case(case_folder, model=offer(measured, *wrong)), "How large?")
    assert made.answer.abstained and made.answer.reason == "the agent's programs failed"
    faults = [s for s in made.answer.steps if isinstance(s.output, dict) and "error" in s.output]
    assert len(faults) == 3 and "programs failed" in made.answer.warnings[-1]
    # A number from a run that failed is no answer.
    assert made.answer.measurements == () and made.answer.masks == () and made.drawn == ()


def test_one_model_is_loaded_once_and_looks_at_the_images_before_it_answers(case_folder):
    model = offer(*VOLUME)
    case = open_case(case_folder, model=model)
    first, second = consult(case, "How large?"), consult(case, "How large is it?")
    assert first.answer.text == second.answer.text
    assert model.load().asked == ["How large?", "How large is it?"] and model.load().checked == [2, 2]


def test_warnings_of_readers_are_in_the_answer(tmp_path):
    path = write_volume(tmp_path / "t1.nii.gz")
    import nibabel as nib

    scan = nib.load(path)
    shifted = scan.affine.copy()
    shifted[0, 3] += 5
    scan.set_qform(shifted, 1)
    scan.set_sform(scan.affine, 1)
    nib.save(scan, tmp_path / "odd_t1.nii.gz")
    answer = ask(tmp_path / "odd_t1.nii.gz", "How large?", model=offer(*VOLUME))
    assert len(answer.warnings) == 1 and "sform and qform differ" in answer.warnings[0]


def test_a_plain_image_of_a_study_in_memory_will_do(case_folder):
    image = read_image(case_folder / "BraTS-GLI-00001-000-t1n.nii.gz", kind="t1")
    assert not ask(Study("s", "p", (image,)), "How large?", model=offer(*VOLUME)).abstained
    with pytest.raises(InputError, match="No model here"):
        ask(Study("s", "p", ()), "How large?", model=offer(*VOLUME))


# -- what cannot be asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("", "no question"),
        (" \n\t ", "no question"),
        ("x" * (LONGEST + 1), "too long"),
        ("tumour " * 1_500_000, "too long"),
        ("how\x1b[31m red?", "cannot be shown"),
        ("how \u202elarge?", "RIGHT-TO-LEFT OVERRIDE"),
        ("how \ud800?", "cannot be shown"),
        ("how\0?", "cannot be shown"),
        ("zero\u200bwidth", "ZERO WIDTH"),
    ],
)
def test_questions_that_are_refused(case_folder, question, words):
    with pytest.raises(InputError, match=words):
        clean_question(question)
    with pytest.raises(InputError, match=words):
        ask(case_folder, question, model=offer(*VOLUME))


@pytest.mark.parametrize(
    "question", ["[bold red]x[/]", "<MOD><PHI> ${x}", "Wie groß ist das?", "x" * LONGEST]
)
def test_questions_are_data(case_folder, question):
    model = offer(*VOLUME)
    assert ask(case_folder, question, model=model).question == question
    assert model.load().asked == [question]


def test_volumes_that_are_no_volumes(tmp_path):
    write_volume(tmp_path / "flat_t1.nii.gz", head()[:, :, 14:15])
    write_volume(tmp_path / "four_t1.nii.gz", np.stack([head(), head()], axis=-1))
    write_volume(tmp_path / "empty_t1.nii.gz", np.full(SHAPE, 7, np.int16))
    for name, words in (("flat", "One slice alone"), ("four", "several volumes"), ("empty", "empty")):
        with pytest.raises(InputError, match=words):
            ask(tmp_path / f"{name}_t1.nii.gz", "How large?", model=offer(*VOLUME))
    unknown = Image(head(), Geometry(SHAPE, np.eye(4), spacing_known=False), "t1", "scan")
    with pytest.raises(SpacingUnknownError, match="how large its voxels are"):
        ask(Study("s", "p", (unknown,)), "How large?", model=offer(*VOLUME))


def test_an_image_that_was_made_is_written_on_its_own_grid(case_folder, tmp_path):
    out = tmp_path / "out"
    answer = ask(case_folder, "Remove the tumour.", out=out, model=offer(*REMOVE))
    [made] = answer.volumes
    assert made.file == "images/BraTS_GLI_00001_000_t1n_without_whole_tumour.nii.gz"
    assert json.loads((out / "answer.json").read_text())["volumes"] == [
        {"name": made.name, "file": made.file}
    ]
    written, given = read_image(out / made.file), read_image(case_folder / answer.images[0])
    assert written.geometry.same_grid(given.geometry)
    inside = read_mask(out / answer.masks[0].file).data != 0
    assert (written.data[inside] == 0).all() and inside.any()
    assert (written.data[~inside] == given.data[~inside]).all()
    # The next answer in the same folder has none, and leaves none behind.
    ask(case_folder, "How large?", out=out, model=offer(*VOLUME))
    assert not (out / "images").exists()
    assert ask(case_folder, "Remove it.", model=offer(*ABSTAIN)).volumes == ()
