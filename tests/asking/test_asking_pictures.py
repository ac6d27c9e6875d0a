"""Pictures as what is asked about: which files are taken, by which models, and what is refused by name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from asking_world import VOLUME, brats_case, dicom_series, offer, write_volume
from picture_world import CARD, HEIGHT, WIDTH, film, folder_of, rows, told
from PIL import Image as Pictures

from sagittal.asking import ask, ask_case, open_case
from sagittal.asking.case import Case
from sagittal.asking.models import Offer
from sagittal.errors import FileFormatError, InputError
from sagittal.geometry import Geometry
from sagittal.io.raster import picture_geometry
from sagittal.models.checkpoint import Accepts
from sagittal.study import Image, Study
from sagittal.weights import find_checkpoint


def both(monkeypatch: pytest.MonkeyPatch, *offers: Offer) -> None:
    monkeypatch.setattr(
        "sagittal.asking.case.offers", lambda _: list(offers or (offer(*VOLUME), told("A film.")))
    )


# -- files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mode"),
    [("grey.png", "L"), ("deep.png", "I;16"), ("colour.jpg", "RGB"), ("clear.png", "RGBA"),
     ("print.tif", "CMYK"), ("few.png", "P"), ("bits.bmp", "1"), ("photo.bmp", "RGB"), ("LA.png", "LA"),
     ("moving.gif", "P")],
)  # fmt: skip
def test_pictures_of_every_mode_are_looked_at(tmp_path: Path, name: str, mode: str) -> None:
    """By a model that was loaded from its folder: all but its training is real."""
    colour = np.stack([rows(), rows()[::-1], rows()[:, ::-1]], axis=-1)
    made = {
        "I;16": Pictures.fromarray(rows().astype(np.uint16) * 200),
        "RGB": Pictures.fromarray(colour),
        "RGBA": Pictures.fromarray(np.dstack([colour, np.full_like(rows(), 255)])),
        "CMYK": Pictures.fromarray(colour).convert("CMYK"),
        "P": Pictures.fromarray(colour).quantize(32),
        "LA": Pictures.fromarray(np.dstack([rows(), np.full_like(rows(), 255)])),
        "1": Pictures.fromarray(rows()).convert("1"),
    }
    made.get(mode, Pictures.fromarray(rows())).save(tmp_path / name)
    found = ask(
        tmp_path / name,
        "What is in this region?",
        model=folder_of(tmp_path),
        regions=["box:36,6,51,17", "point:3,4"],
    )
    step = next(
        s for s in found.steps if s.name == "looker" and isinstance(s.input, dict) and "frames" in s.input
    )
    assert step.input["image"] == name and step.input["slice"] is None
    assert [region["pixels"] for region in step.input["regions"]] == [16 * 12, 1]
    frame = step.input["frames"]["encoder"]
    (left, top, right, bottom), (x0, y0, x1, y1) = frame["shown"], frame["at"]
    # Nothing that is pointed at is cut off, and what is left keeps its proportions.
    assert left <= 3 and top <= 4 and right >= 52 and bottom >= 18 and frame["edge"] == 32
    assert (x1 - x0, y1 - y0) == (32, round(32 * (bottom - top) / (right - left)))
    assert found.model == "looker" and found.images == (name,)


def test_what_a_picture_shows_is_not_guessed(tmp_path: Path) -> None:
    def kind(given: str | Path) -> str:
        return open_case(given, model=told("A film.")).study.images[0].kind

    path = film(tmp_path, "chest_t1.png")
    Pictures.fromarray(np.stack([rows(), rows() // 2, rows()], axis=-1)).save(tmp_path / "skin.png")
    assert kind(path) == "unknown" and kind(tmp_path / "skin.png") == "photo"
    assert kind(f"cxr={path}") == "cxr" and kind(f"t1={path}") == "t1"
    case = open_case(f"cxr={path}", model=told("A film."))
    assert isinstance(case, Case) and case.view is not None and case.view.words == "chest_t1.png"


def huge(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")))
    return path


def test_pictures_that_are_refused(tmp_path: Path) -> None:
    Pictures.fromarray(np.full((1, 1), 9, np.uint8)).save(tmp_path / "one.png")
    Pictures.fromarray(np.random.default_rng(0).integers(0, 255, (1, 1, 3)).astype(np.uint8)).save(
        tmp_path / "dot.png"
    )
    Pictures.fromarray(np.arange(40, dtype=np.uint8)[None]).save(tmp_path / "line.png")
    Pictures.fromarray(np.full((30, 30), 9, np.uint8)).save(tmp_path / "flat.png")
    Pictures.fromarray(np.full((30, 30, 3), (9, 8, 7), np.uint8)).save(tmp_path / "flat_colour.png")
    (tmp_path / "corrupt.png").write_bytes(film(tmp_path).read_bytes()[:90])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "nothing.png").write_bytes(b"")
    frames = [Pictures.fromarray(rows()), Pictures.fromarray(rows()[::-1])]
    frames[0].save(tmp_path / "pages.tif", save_all=True, append_images=frames[1:])
    huge(tmp_path / "huge.png", 20_000, 20_000)
    film(tmp_path, "lesion_mask.png")
    for name, kind, words in (
        ("one.png", InputError, "all its voxels are equal"),
        ("dot.png", InputError, "all its voxels are equal"),
        ("line.png", InputError, "too small"),
        ("flat.png", InputError, "all its voxels are equal"),
        ("flat_colour.png", InputError, "all its voxels are equal"),
        ("corrupt.png", FileFormatError, "damaged"),
        ("text.jpg", FileFormatError, "not a picture"),
        ("nothing.png", FileFormatError, "not a picture"),
        ("pages.tif", FileFormatError, "several pictures"),
        ("huge.png", FileFormatError, "more pixels than are decoded"),
        ("lesion_mask.png", InputError, "named as a segmentation"),
        ("absent.png", InputError, "no such file"),
    ):
        with pytest.raises(kind, match=words):
            ask(tmp_path / name, "What is this?", model=told("A film."), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="a picture is given by its own name"):
        open_case(tmp_path, model=told("A film."))
    with pytest.raises(InputError, match="1 pictures at most"):
        ask([film(tmp_path), film(tmp_path, "b.png")], "What is this?", model=told("A film."))


# -- models ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["voxelprompt-small", "mpllm-small"])
def test_models_of_volumes_refuse_pictures_slices_and_regions_by_name(tmp_path: Path, name: str) -> None:
    model = find_checkpoint(name)
    with pytest.raises(InputError, match="A picture is not asked about"):
        ask(f"t1={film(tmp_path)}", "How large is it?", model=model)
    case = open_case(write_volume(tmp_path / "a_t1.nii.gz"), model=model)
    with pytest.raises(InputError, match="No model here") as error:
        ask_case(case, "How large is it?", regions=["point:mm:0,0,0"])
    assert f"{name}: it cannot be pointed at a place" in str(error.value)
    with pytest.raises(InputError, match="not at one slice"):
        ask_case(case, "How large is it?", slice="axial:3")


def test_what_is_looked_at_decides_who_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both(monkeypatch)
    volume, picture = write_volume(tmp_path / "a_t1.nii.gz"), film(tmp_path)
    case = open_case(volume)
    assert case.choice.offer.name == "toy" and "looker: it looks at one slice" in case.choice.why
    pointed = case.pointed(["point:mm:0,0,0"])
    assert pointed.choice.offer.name == "looker" and "toy: it cannot be pointed" in pointed.choice.why
    assert case.pointed(slice="axial:9").choice.offer.name == "looker"
    shown = open_case(picture)
    assert shown.choice.offer.name == "looker" and "toy: it is a picture, not a volume" in shown.choice.why
    # One case, asked both ways.
    assert ask_case(case, "How large is the tumour?").answer.model == "toy"
    assert ask_case(case, "What is this?", slice="coronal:17").answer.model == "looker"
    assert ask_case(shown, "What is this?").answer.text == "A film."


def test_a_volume_without_a_slice_is_refused_with_a_way_to_name_one(tmp_path: Path) -> None:
    case = open_case(write_volume(tmp_path / "a_t1.nii.gz"), model=told("A film."))
    with pytest.raises(InputError, match="none is named") as error:
        ask_case(case, "What is this?")
    assert "--slice axial:13 (0 to 27)" in str(error.value) and "--region point:mm:X,Y,Z" in str(error.value)


def test_a_model_that_cannot_be_pointed_at_places(tmp_path: Path) -> None:
    deaf = CARD.model_copy(update={"accepts": Accepts(kinds=("unknown",), most_volumes=1, pictures=True)})
    case = open_case(film(tmp_path), model=told("A film.", card=deaf))
    assert ask_case(case, "What is this?").answer.text == "A film."
    with pytest.raises(InputError, match="cannot be pointed at a place"):
        ask_case(case, "What is this?", regions=["point:3,4"])
    with pytest.raises(InputError, match="does not know"):
        ask(f"cxr={film(tmp_path)}", "What?", model=told("A film.", card=deaf))


def test_a_folder_is_what_models_of_volumes_know_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(monkeypatch)
    case = brats_case(tmp_path)
    write_volume(case / "p_dwi.nii.gz")
    film(case, "overlay.png")
    opened = open_case(case)
    assert [i.kind for i in opened.study.images] == ["t1", "flair"]
    assert opened.choice.offer.name == "toy"
    assert opened.pointed(["flair=point:mm:0,0,0"]).choice.offer.name == "looker"
    named = open_case(str(case / "p_dwi.nii.gz"))
    assert named.pointed(slice="axial:9").choice.offer.name == "looker"
    with pytest.raises(InputError, match="No model here"):
        _ = named.choice
    write_volume(tmp_path / "scan.nii.gz")
    with pytest.raises(InputError, match="Nothing says what"):
        open_case(tmp_path / "scan.nii.gz")
    assert (
        open_case(f"unknown={tmp_path / 'scan.nii.gz'}").pointed(slice="axial:9").choice.offer.name
        == "looker"
    )


# -- DICOM -------------------------------------------------------------------------------------------


def chest(folder: Path, **changes: object) -> Path:
    """A chest film: one frame, no place in space."""
    import pydicom

    dicom_series(
        folder, **{"Modality": "DX", "BodyPartExamined": "CHEST", "SeriesDescription": "PA", **changes}
    )
    paths = sorted(folder.iterdir())
    for path in [*paths[:14], *paths[15:]]:
        path.unlink()
    ds = pydicom.dcmread(paths[14])
    for tag in ("ImagePositionPatient", "ImageOrientationPatient"):
        delattr(ds, tag)
    ds.save_as(paths[14], enforce_file_format=True)
    return paths[14]


def test_a_chest_film_in_dicom_is_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both(monkeypatch)
    path = chest(tmp_path / "film")
    for given in (path, path.parent):
        case = open_case(given)
        assert case.study.images[0].kind == "cxr" and case.choice.offer.name == "looker"
        made = ask_case(case, "What is in this region?", regions=["box:3,4,9,9"])
        assert made.answer.text == "A film."
    both(monkeypatch, offer(*VOLUME))
    with pytest.raises(InputError, match="CHEST"):
        open_case(path)


def test_a_series_of_another_part_is_looked_at_slice_by_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(monkeypatch)
    folder = dicom_series(tmp_path / "spine", BodyPartExamined="CSPINE")
    case = open_case(folder)
    with pytest.raises(InputError, match="No model here") as error:
        _ = case.choice
    assert "CSPINE" in str(error.value) and "--slice axial:13" in str(error.value)
    assert case.pointed(slice="axial:9").choice.offer.name == "looker"
    # Beside a scan of the head it is left out, as it always was.
    dicom_series(tmp_path / "head", SeriesInstanceUID="1.6", SeriesNumber=2)
    together = open_case(tmp_path)
    assert together.choice.offer.name == "toy" and "CSPINE" in together.left_out[0].why


def test_images_of_one_slice_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    both(monkeypatch)
    data = rows().T[:, :, None]
    turned = Image(data, Geometry(data.shape, np.eye(4)), "t1", "slice")
    made = ask_case(open_case(Study("s", "p", (turned,))), "What is this?")
    assert any("turned round" in warning for warning in made.answer.warnings)
    plain = Image(data, picture_geometry(WIDTH, HEIGHT), "photo", "slice")
    assert not ask_case(open_case(Study("s", "p", (plain,))), "What is this?").answer.warnings
