"""The published wordings are read with the call that each is meant for; those shown suit the images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sagittal.errors import FileFormatError, StorageError
from sagittal.evaluation.vila_m3.published import SHOWN, read_published
from sagittal.evaluation.vila_m3.triggers import TriggerItem, triggered
from sagittal.specialists.registry import specialists
from sagittal.specialists.triggers import Trigger

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "vila_m3_expert_qa"
CARDS = {name: entry.card for name, entry in specialists().entries.items()}


def test_numbered_lines_are_questions_and_the_rest_is_not(tmp_path):
    organs = {
        "reply": '\'Some for "organ":\\n\\n**Polite**\\n\\n1. Q: Please mark it?\\nA: Done by '
        "<VISTA3D(organs)>.\\n\\n12. Q: Don't wait, outline 2 organs.\\nA: Done.\\n\\nThat is all.'",
        "object_type": "'organs'",
        "exp_model": "'<VISTA3D(organs)>'",
    }
    lesions = {"reply": "'1. Is one there?\\n2. Find it.'", "question": "''", "tumor": "'bone lesions'"}
    (tmp_path / "llama_gen_expert_qa_vista3d.json").write_text(json.dumps([organs]))
    with pytest.raises(StorageError):
        read_published(tmp_path)
    (tmp_path / "llama_gen_expert_qa_lesions.json").write_text(json.dumps([lesions]))
    found = read_published(tmp_path)
    assert [(item.question, str(item.calls[0])) for item in found] == [
        ("Please mark it?", "<VISTA3D(organs)>"),
        ("Don't wait, outline 2 organs.", "<VISTA3D(organs)>"),
        ("Is one there?", "<VISTA3D(bone lesion)>"),
        ("Find it.", "<VISTA3D(bone lesion)>"),
    ]
    assert len({item.id for item in found}) == 4
    for damaged in (b"[{}]", b"[", b"\xff"):
        (tmp_path / "llama_gen_expert_qa_lesions.json").write_bytes(damaged)
        with pytest.raises(FileFormatError, match="no published wordings"):
            read_published(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="the published wordings are not here")
def test_the_published_files_hold_273_questions_and_our_card_knows_their_arguments():
    found = read_published(REAL / "m3" / "data_prepare" / "experts" / "llama_output")
    assert len(found) == 273 and all(item.question for item in found)
    known = set(CARDS["VISTA3D"].triggers())
    assert {str(item.calls[0]) for item in found} <= known
    assert set(SHOWN) <= set(CARDS)


class FirstCard:
    """Calls the first card that it is shown; keeps what it was shown."""

    def __init__(self):
        self.shown = []

    def converse(self, words, picture, cards):
        self.shown.append([card.name for card in cards])
        self._reply = cards[0].triggers()[0] if cards else "nothing"
        return self

    def reply(self, told, *, last):
        return self._reply


@pytest.mark.parametrize(
    ("kinds", "picture", "suits"),
    [
        (("ct",), False, ["VISTA3D"]),
        (("ct",), True, []),
        (("cxr",), True, ["TorchXRayVision"]),
        (("t1", "t1c", "t2", "flair"), False, ["BRATS"]),
        (("t1", "t1c", "flair"), False, []),
    ],
)
def test_as_asked_those_cards_alone_are_shown_that_suit_the_images(kinds, picture, suits):
    item = TriggerItem("1", "?", kinds, picture, SHOWN, (Trigger("VISTA3D", "organs"),), "one")
    voice = FirstCard()

    def picture_of(item):
        return np.zeros((2, 2, 3), np.uint8)

    [whole] = triggered(voice, [item], CARDS, picture_of)
    [asked] = triggered(voice, [item], CARDS, picture_of, as_asked=True)
    assert voice.shown == [list(SHOWN), suits]
    assert whole.called and asked.called == bool(suits)
