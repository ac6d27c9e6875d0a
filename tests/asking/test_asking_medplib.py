"""What MedPLIB says, as an answer: words, masks on the image's own grid, their sizes, and reservations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from asking_world import brats_case, head, write_volume
from picture_world import HEIGHT, WIDTH, film, inside, made, told
from PIL import Image as Pictures

from sagittal.answer import Answer
from sagittal.asking import ask, ask_case, consult, open_case
from sagittal.asking.grounding import asks_for_mask, mask_names, says_absent, spoken_text
from sagittal.asking.medplib import MedPLIBAnswerer
from sagittal.asking.medplib_outcome import MOST_MASKS
from sagittal.asking.slices import slice_of
from sagittal.draw.overlay import colour_of
from sagittal.errors import ConfigError, IntegrityError
from sagittal.io.nifti import read_image, read_mask
from sagittal.io.raster import picture_geometry, read_picture_mask
from sagittal.language.pixel_wordings import templates
from sagittal.models.vlm.storage import save_vlm
from sagittal.study import Image, Study

SEGMENT = "Please segment the square in this image."


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def test_a_mask_of_a_picture_comes_back_on_its_own_pixels(tmp_path: Path) -> None:
    out = tmp_path / "out"
    model = told("Here is the segmentation: the square ", inside(), ".")
    answer = ask(film(tmp_path), SEGMENT, model=model, out=out)
    assert (
        answer.text == "Here is the segmentation: the square."
        and not answer.warnings
        and not answer.abstained
    )
    assert [(m.name, m.file, m.volume_ml) for m in answer.masks] == [("square", "masks/square.png", None)]
    mask = read_picture_mask(out / "masks" / "square.png")
    assert mask.shape == (WIDTH, HEIGHT, 1) and mask.labels == {1: "square"}
    assert overlap(mask.data[:, :, 0] == 1, inside()) > 0.97
    area, share = answer.measurements
    assert (area.name, area.unit, area.of) == ("area", "pixels", "square") and "not known" in area.method
    assert area.value == int(mask.data.sum()) and share.value == pytest.approx(
        100 * area.value / mask.data.size
    )
    assert answer.steps[area.step].output["masks"] == ["square"]
    assert "<SEG>" in answer.steps[area.step].output["words"]
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert files == ["answer.json", "masks/square.labels.json", "masks/square.png", "overlay.png"]
    assert Answer.from_json(json.loads((out / "answer.json").read_text())) == answer
    with Pictures.open(out / "overlay.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    # The outline lies where the square does: right of the middle, in the upper half.
    at = np.argwhere((pixels[24:664] == colour_of(1)).all(axis=-1))
    assert at[:, 1].min() > 370 and at[:, 0].max() < 330


def test_the_next_answer_in_the_folder_replaces_pictures_too(tmp_path: Path) -> None:
    out, path = tmp_path / "out", film(tmp_path)
    ask(path, SEGMENT, model=told("the square ", inside()), out=out)
    ask(path, "What is in this region?", model=told("A square."), out=out, regions=["box:36,6,51,17"])
    assert sorted(p.name for p in out.iterdir()) == ["answer.json", "overlay.png"]
    ask(path, "What is this?", model=told("A square."), out=out)
    assert [p.name for p in out.iterdir()] == ["answer.json"]


@pytest.mark.parametrize("codes", ["LAS", "SPL", "RIA"])
def test_a_mask_of_a_slice_lies_in_the_whole_volume(tmp_path: Path, codes: str) -> None:
    image = read_image(write_volume(tmp_path / "a_t1.nii.gz"), kind="t1").reorient(codes)
    on = slice_of(image, "coronal", 17)
    ball = on.picture.data[:, :, 0] == 255
    model = told("the ball ", ball)
    case = open_case(Study("s", "p", (image,)), model=model)
    found = ask_case(case, SEGMENT, tmp_path / "out", slice="coronal:17")
    mask = read_mask(tmp_path / "out" / found.answer.masks[0].file)
    assert found.answer.masks[0].file == "masks/ball.nii.gz" and mask.geometry.same_grid(image.geometry)
    assert overlap(on.cut(mask), ball) > 0.97
    assert mask.data.sum() == on.cut(mask).sum()
    area = found.answer.measurements[0]
    assert area.unit == "mm²" and area.value == pytest.approx(36 * mask.data.sum())
    assert "coronal slice 17" in area.method
    step = found.answer.steps[0]
    assert step.input["slice"] == "coronal:17" and step.input["regions"] == []
    assert (tmp_path / "out" / "overlay.png").stat().st_size < 1 << 20


def test_regions_stand_in_the_trace_and_in_the_overlay(tmp_path: Path) -> None:
    case = open_case(brats_case(tmp_path), model=told("This is the ball."))
    question = "What is in this region?"
    found = ask_case(
        case, question, tmp_path / "out", regions=["flair=point:mm:-30,2,4", "flair=box:mm:-40,-4,4,-20,8,4"]
    )
    point, box = found.answer.steps[0].input["regions"]
    assert point["coordinates"] == [[-30.0, 2.0, 4.0]] and point["space"] == "mm" and point["pixels"] == 1
    assert box["kind"] == "box" and box["image"] == "BraTS-GLI-00001-000-t2f.nii.gz" and box["pixels"] > 4
    assert found.answer.images == ("BraTS-GLI-00001-000-t2f.nii.gz",)
    assert found.answer.masks == () and not found.answer.warnings
    assert found.suggestions and question not in found.suggestions
    with Pictures.open(tmp_path / "out" / "overlay.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))[24:664, :]
    # The patient's left is on the viewer's right.
    white = np.argwhere((pixels == 255).all(axis=-1))
    assert white[:, 1].min() > 326


def test_many_masks_each_have_a_name(tmp_path: Path) -> None:
    half = np.zeros((WIDTH, HEIGHT), bool)
    half[:30] = True
    model = told(
        "Sure: the left half ", half, ", the right half ", ~half, " and a square ", inside(), half, "."
    )
    answer = ask(film(tmp_path), "Segment the halves.", model=model, out=tmp_path / "out")
    assert [m.name for m in answer.masks] == ["left half", "right half", "square", "region 4"]
    assert (
        len({m.file for m in answer.masks}) == 4
        and answer.text == "Sure: the left half, the right half and a square."
    )
    several = [
        piece for n in range(MOST_MASKS + 3) for piece in ("the thing ", np.roll(half, n, axis=0), ", ")
    ]
    answer = ask(film(tmp_path), "Segment all.", model=told(*several))
    assert len(answer.masks) == MOST_MASKS and answer.masks[1].name == "thing (2)"
    assert any(f"{MOST_MASKS + 3} masks; the first {MOST_MASKS} are drawn" in w for w in answer.warnings)


def test_an_empty_mask_is_said_and_not_written(tmp_path: Path) -> None:
    answer = ask(film(tmp_path), SEGMENT, model=told("the square ", None, "."), out=tmp_path / "out")
    assert answer.masks == () and answer.measurements == ()
    assert answer.warnings == ("The mask of “square” is empty: nothing was drawn for it.",)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["answer.json"]


def test_words_alone_where_a_mask_was_asked_for(tmp_path: Path) -> None:
    path = film(tmp_path)
    [warning] = ask(path, SEGMENT, model=told("the square.")).warnings
    assert "the model drew none" in warning
    assert ask(path, "What is this?", model=told("the square.")).warnings == ()
    for form in templates("absent_answer"):
        answer = ask(path, SEGMENT, model=told(form.replace("{name}", "left kidney")))
        assert answer.warnings == () and not answer.abstained and answer.masks == ()


def test_an_answer_without_an_end_or_without_words(tmp_path: Path) -> None:
    path = film(tmp_path)
    cut = ask(path, "What is this?", model=told("It is a film of a film of a", end=False))
    assert any("no end" in warning for warning in cut.warnings) and cut.text.startswith("It is a film")
    silent = consult(open_case(path, model=told()), "What is this?")
    assert silent.answer.abstained and "said nothing" in (silent.answer.reason or "")
    assert ask(path, SEGMENT, model=told(inside())).text == "region 1"


def test_a_slice_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    case = open_case(write_volume(tmp_path / "a_t1.nii.gz", np.where(head() > 0, head(), 0)), model=told("x"))
    with pytest.raises(Exception, match="nothing to be seen") as error:
        ask_case(case, "What is this?", slice="axial:0")
    assert "axial:0 of a_t1.nii.gz" in str(error.value)


def test_masks_of_pictures_with_a_size_have_millimetres(tmp_path: Path) -> None:
    data = np.where(inside(), 250, 9)[:, :, None].astype(np.uint8)
    data[0, 0] = 0
    image = Image(data, picture_geometry(WIDTH, HEIGHT, (0.5, 2.0)), "cxr", "film")
    answer = ask(
        Study("s", "p", (image,)), SEGMENT, model=told("the square ", inside()), out=tmp_path / "out"
    )
    # It lies in space: no picture could say where.
    assert answer.masks[0].file == "masks/square.nii.gz"
    assert answer.measurements[0].unit == "mm²"
    assert answer.measurements[0].value == pytest.approx(answer.measurements[1].value / 100 * data.size)


# -- words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Here is the segmentation: the liver ", "liver"),
        (", and the wall of the left ventricle ", "wall of the left ventricle"),
        ("Sure: a nodule ", "nodule"),
        ("thalamus", "thalamus"),
        ("This is the thalamus ", "thalamus"),
        ("Look: <b>the [red]liver[/]", "�red�liver�/�"),
        (". ", "region 1"),
        ("", "region 1"),
    ],
)
def test_a_mask_is_called_what_stands_before_it(words: str, name: str) -> None:
    assert mask_names([words, True]) == [name]


def test_words_are_one_line_without_masks() -> None:
    assert spoken_text(["the liver ", True, " , the\nspleen ", True, "."]) == "the liver, the spleen."
    assert "\x1b" not in spoken_text(["\x1b[2Jgone"])


def test_requests_and_refusals_are_told_by_the_grammars_words() -> None:
    assert all(
        asks_for_mask(form.replace("{names}", "the liver")) for form in templates("grounding_question")
    )
    asked = (*templates("category_question"), *templates("region_question"))
    assert not any(asks_for_mask(form) for form in asked)
    assert all(says_absent(form.replace("{name}", "right lung")) for form in templates("absent_answer"))
    assert not says_absent("Here is the segmentation: the liver.")


# -- checkpoints -------------------------------------------------------------------------------------


def test_checkpoints_that_are_none_of_ours(tmp_path: Path) -> None:
    from picture_world import CARD, folder_of

    whole = folder_of(tmp_path)
    assert MedPLIBAnswerer.load(whole).name == "looker"
    (whole / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(IntegrityError):
        MedPLIBAnswerer.load(whole)
    model, chat = made()
    with pytest.raises(ConfigError, match="another model"):
        MedPLIBAnswerer.load(save_vlm(tmp_path / "other", model, chat, CARD, task="mpllm"))
    config = model.config.model_copy(update={"pointing": None})
    blind = type(model)(config).eval()
    with pytest.raises(ConfigError, match="all the parts"):
        MedPLIBAnswerer.load(save_vlm(tmp_path / "blind", blind, chat, CARD, task="medplib"))
