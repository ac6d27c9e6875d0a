"""Which model answers, why, and what is refused before a weight is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from asking_world import MADE, REAL, brats_case, card, offer, write_volume

import sagittal.asking.models as models
from sagittal import weights
from sagittal.agent.loop import Outcome
from sagittal.asking import open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Offer, choose, offers, real_scores
from sagittal.errors import InputError
from sagittal.models.checkpoint import Score


def made(name, *scores, **accepts):
    return offer(name=name, of=card(name, *scores, **accepts))


def why(*found, study):
    choice = choose(found, study)
    return choice.offer.name, choice.why


def test_cards_decide_and_say_why(tmp_path):
    study = open_case(brats_case(tmp_path), model=offer()).study
    flair = made("a", kinds=("flair",))
    both = made("b")
    assert why(both, study=study) == ("b", "it takes t1, t1c, t2, flair (up to 4 images, up to 2 visits)")
    name, words = why(flair, both, study=study)
    assert name == "b" and "not a: it does not know T1-weighted MR" in words
    name, words = why(both, made("c", MADE), made("d", REAL), study=study)
    assert name == "d" and "b, c would, too, and this one was measured on real scans" in words
    assert why(both, made("c"), study=study)[1].endswith("c would, too, and this one comes first by name")
    speaker = replace(made("a"), speaks=True)
    name, words = why(speaker, both, study=study)
    assert name == "b" and words.endswith("a would, too, and this one knows more kinds of question")
    narrow = made("z", kinds=both.card.accepts.kinds[:4])
    wide = made("y", kinds=(*both.card.accepts.kinds, "cxr"))
    name, words = why(wide, narrow, study=study)
    assert name == "z" and words.endswith("y would, too, and this one was made for fewer kinds of image")
    name, words = why(replace(narrow, speaks=True, consults=True), replace(wide, speaks=True), study=study)
    assert name == "y" and words.endswith("z would, too, and this one answers by what it sees itself")
    with pytest.raises(InputError, match="No model here") as error:
        choose([flair, made("e", most_volumes=1)], study)
    assert "a: it does not know" in str(error.value) and "e: it takes 1 volumes at most" in str(error.value)


def test_where_the_chosen_model_abstains_the_next_one_is_asked(tmp_path):
    class Speaks:
        def __init__(self, reason: str | None) -> None:
            self.reason = reason

        def check(self, images):
            pass

        def reply(self, question, volumes):
            return Outcome("It is round.", self.reason is not None, self.reason, (), {}, {}, (), (), ())

    silent = offer('abstain("not my question")', name="b")
    case = open_case(brats_case(tmp_path), model=silent)
    for reason, said in ((None, "It is round."), ("nor mine", "not my question")):
        other = Offer("a", silent.card, lambda reason=reason: Speaks(reason), speaks=True)
        found = consult(replace(case, offers=(silent, other)), "What shape is it?").answer
        assert found.text == said and found.abstained == (reason is not None)
        assert found.model == ("b" if reason else "a")
        told = "a did not answer: nor mine" if reason else "b did not answer: not my question"
        assert told in found.warnings


def test_a_simulated_score_is_never_a_real_one():
    kinds = {
        "real: UCSF": True,
        "Real scans of one patient": True,
        "really simulated patients": False,
        "simulated from real labels": False,
        "held-out simulated patients": False,
        "BraTS": False,
    }
    for data, real in kinds.items():
        scores = (Score(data=data, metric="Dice", value=1.0),)
        assert bool(real_scores(card("x", *scores))) == real, data


def test_cases_of_the_same_data_are_one_score():
    def one(value, case, of="tumour"):
        return Score(data="real: some", metric="Dice", of=of, value=value, case=case)

    kept = Score(data="real: all", metric="Dice", of="tumour", value=0.7, cases=9, low=0.1, high=0.9)
    scores = (one(0.5, "a"), one(0.25, "b", "core"), one(1.0, "c"), kept, one(0.75, "d"))
    tumour, core, other = real_scores(card("x", *scores))
    assert (tumour.value, tumour.low, tumour.high, tumour.cases, tumour.case) == (0.75, 0.5, 1.0, 3, "")
    assert core == scores[1] and other == kept


def test_kinds_that_no_model_knows_are_left_out_of_folders_and_refused_where_named(tmp_path):
    folder = brats_case(tmp_path)
    dwi = write_volume(folder / "p_dwi.nii.gz")
    case = open_case(folder, model=offer())
    assert [i.kind for i in case.study.images] == ["t1", "flair"]
    assert [(o.name, "diffusion" in o.why) for o in case.left_out] == [("p_dwi.nii.gz", True)]
    with pytest.raises(InputError, match="No model here") as error:
        open_case([folder, str(dwi)], model=offer())
    assert "diffusion-weighted" in str(error.value)
    with pytest.raises(InputError, match="No model here"):
        open_case(folder, model=made("a", kinds=("ct",)))


def test_no_model_ships_then_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("SAGITTAL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "none" / "__init__.py"))
    assert weights.checkpoints() == {}
    with pytest.raises(InputError, match="no model") as error:
        offers("auto")
    assert "--model FOLDER" in str(error.value) and str(tmp_path / "home") in str(error.value)
    for name in ("", "nowhere", "a\0b", "../..", "x" * 5000):
        with pytest.raises(InputError, match="no such model"):
            offers(name)


def test_checkpoints_ship_or_are_the_users_own(tmp_path, monkeypatch):
    shipped, home = tmp_path / "shipped", tmp_path / "home"
    monkeypatch.setattr(weights, "__file__", str(shipped / "__init__.py"))
    monkeypatch.setenv("SAGITTAL_HOME", str(home))
    for folder in (shipped / "b", shipped / "a", home / "weights" / "b", home / "weights" / "c"):
        folder.mkdir(parents=True)
        (folder / "card.json").write_text("{}")
    (shipped / "not one").mkdir()
    assert weights.checkpoints() == {"a": shipped / "a", "b": shipped / "b", "c": home / "weights" / "c"}
    assert weights.find_checkpoint("c") == home / "weights" / "c"
    assert weights.find_checkpoint(str(home / "weights" / "b")) == home / "weights" / "b"


def test_openers_are_for_models_that_can_be_asked():
    assert set(models.OPENERS) == {"voxelprompt", "vlm/mpllm", "vlm/medplib", "vlm/imax", "vlm/vila-m3"}
