"""A chest film asked seven kinds of questions: words, measured ratios with lines, boxes in its pixels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

from sagittal.answer import Answer
from sagittal.asking import ask, open_case
from sagittal.asking.film_drawing import to_be_drawn
from sagittal.asking.imax import IMAXAnswerer
from sagittal.asking.imax_outcome import TURNED
from sagittal.asking.models import Offer
from sagittal.errors import InputError
from sagittal.io.films.names import FINDINGS
from sagittal.language.tokenizer import CHAT_TOKENS, Tokenizer
from sagittal.measure.chest import Outcome
from sagittal.models.checkpoint import Accepts, Card
from sagittal.models.chest.segmenter import LABELS, ChestMasks
from sagittal.models.imax import imax_config
from sagittal.models.vlm.chat import OwnChat
from sagittal.models.vlm.model import VLM
from sagittal.models.vlm.storage import save_vlm
from sagittal.runtime import runtime
from sagittal.score.strict import read_box
from sagittal.study import Image, Mask

WIDTH, HEIGHT = 120, 100
#: x1, y1, x2, y2, both ends within.
ORGANS = {"heart": (45, 50, 80, 80), "right lung": (10, 15, 50, 85), "left lung": (70, 15, 110, 85)}
CARD = Card(
    name="film-reader", summary="for a test", licence="none", data=("nothing",), recipe="a test",
    limits=("all",),
    accepts=Accepts(kinds=("cxr", "photo", "unknown"), most_volumes=1, pictures=True, regions=True),
)  # fmt: skip


def film(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(60, 220, (HEIGHT, WIDTH)).astype(np.uint8)
    Pictures.fromarray(pixels).save(folder / "film.png")
    return folder / "film.png"


class Drawer:
    """Draws rectangles for organs, heart first."""

    def __init__(self, organs: Sequence[str], turns: int = 0) -> None:
        self.organs, self.turns = organs, turns

    def quarter_turns(self, image: Image) -> int:
        return self.turns

    def masks(self, image: Image) -> ChestMasks:
        data = np.zeros(image.shape[:3], np.uint8)
        values = {name: value for value, name in LABELS.items()}
        for name in reversed(self.organs):
            x1, y1, x2, y2 = ORGANS[name]
            data[x1 : x2 + 1, y1 : y2 + 1] = values[name]
        missing = {name: "for a test" for name in ORGANS if name not in self.organs}
        labels = {values[name]: name for name in self.organs}
        mask = Mask(data, image.geometry, labels or {1: "nothing"}, "organs")
        return ChestMasks(mask, dict.fromkeys(self.organs, 0.9), missing, "unknown")


def told(says: str, organs: Sequence[str] = tuple(ORGANS), turns: int = 0) -> tuple[Offer, list[str]]:
    """A model that gives one answer, and the prompts that it was asked."""
    chat = OwnChat(Tokenizer.train(["Based on the input image"] * 4, 330, CHAT_TOKENS))
    torch.manual_seed(0)
    model = VLM(imax_config("tiny", chat.size, lora=False)).eval()
    prompts: list[str] = []

    class Teller(IMAXAnswerer):
        def _say(self, square: torch.Tensor, prompt: str) -> str:
            super()._say(square, prompt)
            prompts.append(prompt)
            return says

    loaded = Teller("film-reader", model, chat, runtime(), Drawer(organs, turns))  # type: ignore[arg-type]
    return Offer("film-reader", CARD, lambda: loaded, speaks=True), prompts


def test_a_ratio_is_measured_and_drawn_and_the_model_s_stands_beside_it(tmp_path: Path) -> None:
    offer, prompts = told("0.4321")
    answer = ask(film(tmp_path), "What is the cardiothoracic ratio?", model=offer, out=tmp_path / "out")
    assert prompts == [
        "[calculate] Based on the input image, calculate the cardiothoracic ratio (CTR) value."
    ]
    # 36 of 101 columns.
    assert answer.text.startswith("CTR 0.36, measured on masks")
    assert "The model tells 0.4321." in answer.text
    values = {(m.name, m.unit): m for m in answer.measurements}
    assert values["cardiothoracic_ratio", ""].value == pytest.approx(36 / 101)
    assert values["cardiothoracic_ratio_told", ""].value == 0.4321
    for one in answer.measurements:
        assert one.step is not None
        assert answer.steps[one.step].kind == ("model" if one.name.endswith("told") else "specialist")
    assert {line.name for line in answer.lines} == {"cardiac_width", "widest_lung_extent"}
    assert {mask.name for mask in answer.masks} == set(ORGANS)
    assert any("projection is not known" in warning for warning in answer.warnings)
    assert Answer.from_json(json.loads((tmp_path / "out" / "answer.json").read_text())) == answer
    with Pictures.open(tmp_path / "out" / "overlay.png") as picture:
        assert picture.size[0] > 600


def test_a_film_without_lungs_has_no_ratio_but_the_model_s(tmp_path: Path) -> None:
    offer, _ = told("0.5", ("heart",))
    answer = ask(film(tmp_path), "CPAR?", model=offer)
    assert answer.text.startswith("CPAR could not be measured: not marked on the film: left lung, right lung")
    assert str(Outcome.NO_LUNGS) in [step.output for step in answer.steps]
    assert {m.name: m.value for m in answer.measurements}["cardiopulmonary_area_ratio"] is None
    unread, _ = told("about a half")
    assert "no number that could be read" in ask(film(tmp_path), "CTR?", model=unread).text


def test_a_place_is_a_box_on_the_film_s_own_pixels(tmp_path: Path) -> None:
    # The film lies in the middle of its square, whose pixels are four of its own.
    offer, prompts = told("<250><250><750><750>")
    answer = ask(film(tmp_path), "Where is the heart?", model=offer, out=tmp_path / "out")
    [box] = answer.boxes
    assert (box.name, box.image) == ("heart", "film.png")
    assert np.abs(np.subtract(box.corners, (30, 20, 89, 79))).max() <= 3
    assert "columns" in answer.text
    assert prompts[0].startswith("[rec]")
    with Pictures.open(tmp_path / "out" / "overlay.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # The box is drawn in colour, which a grey film has none of.
    assert (np.ptp(pixels, axis=2) > 60).sum() > 500


def test_a_region_is_named(tmp_path: Path) -> None:
    offer, prompts = told("left lung")
    asked = ask(film(tmp_path), "What is this?", model=offer, regions=["box:30,20,89,79"])
    assert asked.text == "left lung"
    # 250, 200, 750, 800 of the film lie elsewhere in its square.
    box, _ = read_box(prompts[0][prompts[0].index("<") : prompts[0].rindex(">") + 1])
    assert box is not None
    assert np.abs(np.subtract(box, (250, 250, 750, 750))).max() <= 20
    assert prompts[0].startswith("[reg]")


def test_conditions_words_and_what_cannot_be_read(tmp_path: Path) -> None:
    offer, _ = told("0,1,0,0,0,0,0,0,0,1")
    answer = ask(film(tmp_path), "Which conditions are present?", model=offer)
    assert answer.text == "Present: pleural effusion, nodule."
    assert {name: field.value for name, field in answer.fields.items() if name in FINDINGS} == {
        name: "present" if name in ("Pleural Effusion", "Nodule") else "absent" for name in FINDINGS
    }
    plain, prompts = told("yes")
    assert ask(film(tmp_path), "Is there a fracture?", model=plain).text == "yes"
    assert prompts == ["[vqa] Based on the input image, is there a fracture?"]
    for says, question in (
        ("", "Is there a fracture?"),
        ("here", "Where is the heart?"),
        ("1,0", "Which conditions?"),
    ):
        silent, _ = told(says)
        assert ask(film(tmp_path), question, model=silent).abstained


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    offer, _ = told("yes")
    with pytest.raises(InputError, match="One place"):
        ask(film(tmp_path), "What is this?", model=offer, regions=["box:30,20,89,79", "box:3,2,9,9"])
    with pytest.raises(InputError, match="no such kind"):
        ask(film(tmp_path), "[draw] the heart", model=offer)


def test_a_checkpoint_is_found_by_its_task(tmp_path: Path) -> None:
    offer, _ = told("yes")
    loaded = offer.load()
    assert isinstance(loaded, IMAXAnswerer)
    folder = save_vlm(tmp_path / "film-reader", loaded.model, loaded.chat, CARD, task="imax")
    answer = ask(film(tmp_path), "Is there a fracture?", model=folder)
    assert answer.model == "film-reader"


@pytest.mark.parametrize(
    ("question", "organs"),
    [
        ("Segment the lungs.", ("left lung", "right lung")),
        ("Outline the heart and the right lung", ("heart", "right lung")),
        ("a mask of both lungs please", ("left lung", "right lung")),
        ("Segment the pleural effusion", ()),
        ("Outline the left and right lung.", ("left lung", "right lung")),
        ("Please segment the lung.", ("left lung", "right lung")),
        ("Segment the left lung.", ("left lung",)),
        ("Is there segmental atelectasis?", None),
        ("Is the contour of the heart normal?", None),
        ("What is the cardiothoracic ratio? Draw the lines.", None),
        ("Draw a box around the heart.", None),
        ("Are the outlines of the lungs irregular?", None),
        ("[rec] heart", None),
        ("Where is the heart?", None),
        ("Is there a pneumothorax?", None),
    ],
)
def test_requests_to_draw_are_told_from_others(question: str, organs: tuple[str, ...] | None) -> None:
    assert to_be_drawn(question) == organs


def test_organs_are_drawn_by_the_segmenter_and_not_by_the_model(tmp_path: Path) -> None:
    offer, prompts = told("anything", ("heart", "left lung"))
    answer = ask(film(tmp_path), "Segment the lungs.", model=offer, out=tmp_path / "out")
    assert prompts == []
    assert [mask.name for mask in answer.masks] == ["left lung"]
    # The heart lies over a part of it.
    assert answer.text == f"Drawn: left lung {41 * 71 - 11 * 31:,} pixels."
    assert answer.warnings[:1] == ("The right lung is not drawn: for a test.",)
    assert (answer.steps[0].kind, answer.steps[0].output) == ("specialist", "left lung")
    assert (tmp_path / "out" / "overlay.png").exists()


def test_what_cannot_be_drawn_is_abstained_from(tmp_path: Path) -> None:
    offer, prompts = told("anything", ())
    answer = ask(film(tmp_path), "Segment the nodule.", model=offer)
    assert answer.abstained and prompts == [] and "heart and lungs" in answer.text
    none = ask(film(tmp_path), "Segment the heart.", model=offer)
    assert none.abstained and none.text == "The heart is not drawn: for a test."


def test_what_was_asked_is_not_proposed_next(tmp_path: Path) -> None:
    offer, _ = told("<250><250><750><750>")
    loaded, view = offer.load(), open_case(film(tmp_path), model=offer).view
    assert isinstance(loaded, IMAXAnswerer) and view is not None
    assert "Where is the heart?" in loaded.reply_about("Is there a nodule?", view).suggestions
    assert "Where is the heart?" not in loaded.reply_about("Where is the heart?", view).suggestions


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_nothing_is_said_of_a_film_that_does_not_stand_upright(tmp_path: Path, turns: int) -> None:
    offer, prompts = told("no", turns=turns)
    for question in ("CTR?", "Segment the lungs.", "Is there a nodule?"):
        with pytest.raises(InputError, match="upright") as error:
            ask(film(tmp_path), question, model=offer)
        assert TURNED[turns] in str(error.value)
    assert prompts == []


def test_a_picture_without_a_chest_has_no_ratio_at_all(tmp_path: Path) -> None:
    offer, _ = told("0.5", ())
    answer = ask(film(tmp_path), "CTR?", model=offer)
    assert answer.abstained and answer.measurements == ()
    assert str(Outcome.NEITHER) in [step.output for step in answer.steps]
