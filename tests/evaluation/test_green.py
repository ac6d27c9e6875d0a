"""GREEN: counts of replies in the published form, reports that nobody judged, a model of the same layout."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from hub_words import hub_tokenizer
from sagittal.cli import main
from sagittal.cli.reproduce import Report
from sagittal.errors import FileFormatError, StorageError
from sagittal.evaluation.vila_m3.green import (
    GreenJudge,
    Verdict,
    green_figures,
    green_prompt,
    read_verdict,
)
from sagittal.evaluation.vila_m3.page import judge_lines
from sagittal.files import sha256_file

REPLY = """[Explanation]:
The candidate misses the effusion (2 of them).

[Clinically Significant Errors]:
(a) False report of a finding in the candidate: 1. Cardiomegaly.
(b) Missing a finding present in the reference: 2. Left effusion; right effusion.
(c) Misidentification of a finding's anatomic location/position: 0.
(d) Misassessment of the severity of a finding: 0.
(e) Mentioning a comparison that isn't in the reference: 0.
(f) Omitting a comparison detailing a change from a prior study: 0.

[Clinically Insignificant Errors]:
(a) False report of a finding in the candidate: 4. A; B; C; D.

[Matched Findings]:
3. Edema; pneumonia; no pneumothorax.
"""


def test_counts_of_a_reply():
    found = read_verdict(REPLY)
    assert found == Verdict((1, 2, 0, 0, 0, 0), 3) and found.score == 0.5


FALSE = "(a) False report of a finding in the candidate: 1."
SEVERITY = "(d) Misassessment of the severity of a finding: 0."
MATCHED = "3. Edema; pneumonia; no pneumothorax."


def changed(*pairs):
    """The reply with parts written otherwise."""
    reply = REPLY
    for old, new in pairs:
        assert reply.count(old) == 1
        reply = reply.replace(old, new)
    return reply


def short(errors, matched="1. A."):
    """A reply of two sections."""
    return f"[Clinically Significant Errors]:\n{errors}\n\n[Matched Findings]:\n{matched}"


@pytest.mark.parametrize(
    ("reply", "errors", "matched"),
    [
        (REPLY.replace("\n\n[", "\n["), (1, 2), 3),
        (REPLY.upper(), (1, 2), 3),
        (REPLY.replace("\n", "\n    "), (1, 2), 3),
        (re.sub(r"\(([a-f])\)", lambda kind: f"({'abcdef'.index(kind[1]) + 1})", REPLY), (1, 2), 3),
        (re.sub(r"(?=\n\([b-f])", "\n", REPLY), (1, 2), 3),
        (changed((FALSE, "(A) False report of a finding in the candidate: 1.")), (1, 2), 3),
        (changed((FALSE, "(a) False report of a finding in the candidate 1.")), (1, 2), 3),
        (changed((FALSE, "(a) False report of a finding in the candidate: 1\n ")), (1, 2), 3),
        (changed((FALSE, "(a) False report of a finding in the candidate: 12;")), (12, 2), 3),
        (changed((FALSE, "(a) False report of a finding in the candidate: 4 errors,")), (4, 2), 3),
        (changed((FALSE, "(a) False report of a finding in the candidate: None.")), (0, 2), 3),
        (changed((FALSE, "(a) none")), (0, 2), 3),
        (changed((SEVERITY, "(d) Misassessment of the severity of a finding: No.")), (1, 2), 3),
        (changed((SEVERITY, "(d) No such errors")), (1, 2), 3),
        # Brackets and numbers in what is said of an error.
        (changed(("Left effusion;", "(1) Effusion of 2.5 cm [1];")), (1, 2), 3),
        (changed((MATCHED, "No matched findings.")), (1, 2), 0),
        (changed((MATCHED, "None.")), (1, 2), 0),
        (changed((MATCHED, "0.")), (1, 2), 0),
        (changed((MATCHED, "2 matched findings: edema [1]; pneumonia.")), (1, 2), 2),
        (short("No errors.", "12. All."), (), 12),
        (short("No clinically significant errors were found.\n"), (), 1),
        (short("None."), (), 1),
        (short("0."), (), 1),
        # The order of the kinds is the letters'.
        (short("(f) x: 2. y\n(b) z: 1. w"), (0, 1, 0, 0, 0, 2), 1),
    ],
)
def test_other_replies_in_the_form(reply, errors, matched):
    found = read_verdict(reply)
    assert found == Verdict((*errors, *[0] * (6 - len(errors))), matched)
    assert found.score == (matched / (matched + sum(errors)) if matched else 0)


@pytest.mark.parametrize(
    "reply",
    [
        "", "Fine.", REPLY.partition("[Matched")[0], REPLY.replace("Significant", "S"),
        # No section, though its name is mentioned within a line.
        changed(("[Matched Findings]:\n", "So [Matched Findings]: ")),
        # Neither kinds nor that there is none.
        short(""), short("Cardiomegaly."), short("2 errors."), short("No pleural effusion."),
        # A kind without a count, among others that have one.
        changed((SEVERITY, "(d) Misassessment of the severity of a finding.")),
        changed((SEVERITY, "(d) Misassessment of the severity of a finding: some.")),
        changed((SEVERITY, "(d) Misassessment of the severity of a finding: 3 mm nodule.")),
        changed((SEVERITY, "(d) Misassessment of the severity of a finding: 1.5 cm.")),
        changed((SEVERITY, "(d) Misassessment of the severity of a finding: 1-2.")),
        changed((SEVERITY, "(d) Misassessment of the severity of a finding: No pleural effusion.")),
        # Kinds that are not among the six, without brackets, twice, or two in a line.
        changed(("(f)", "(g)")), changed(("(f)", "(7)")), changed(("(f)", "f)")), changed(("(f)", "(e)")),
        changed(("(f)", "(2)")), short("(a) x: 1. y (b) z: 2. w"), short("Errors: (a) x: 1. y"),
        short("a. x: 2. y"),
        # The form itself, not filled in.
        short("(a) <Error Type>: <The number of errors>. <Error 1>"),
        *(
            changed((MATCHED, matched))
            for matched in ("", "Edema.", "No pneumothorax.", "3 mm nodule.", "1.5 cm nodule.", "About 3.",
                            "1. Edema.\n2. Pneumonia.", "9" * 5000)
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_verdict(reply):
    assert read_verdict(reply) is None


def test_the_prompt_holds_both_reports_where_they_belong():
    asked = green_prompt("The {candidate} is clear.", "Edema \\1.")
    reference, _, candidate = asked.partition("3. Candidate Report:")
    assert "2. Reference Report:\n    The {candidate} is clear." in reference and "Edema" not in reference
    assert candidate.startswith("\n    Edema \\1.") and asked.count("Matched Findings") == 1


class Judge:
    """Says of each report what its first word asks for."""

    def __init__(self):
        self.asked = []

    def __call__(self, reference, candidate):
        self.asked.append(candidate)
        return {"good": Verdict((0,) * 6, 2), "half": Verdict((1, 0, 0, 0, 0, 0), 1), "odd": None}[candidate]


def test_reports_that_say_nothing_score_nothing_unasked():
    judge = Judge()
    found = green_figures(judge, ["good", "half", "", "odd"], ["x"] * 4, np.array(["a", "b", "c", "d"]))
    assert judge.asked == ["good", "half", "odd"]
    assert found["GREEN"].value == pytest.approx(1.5 / 4) and found["GREEN, not judged"].value == 0.25


@pytest.fixture
def folder(tmp_path):
    """An untrained model of the published layout."""
    tokenizer = hub_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=4096,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "green")
    tokenizer.save_pretrained(tmp_path / "green")
    return tmp_path / "green"


def test_a_folder_of_the_published_layout_is_read_and_asked(folder, monkeypatch):
    judge = GreenJudge.load(folder, torch.device("cpu"))
    tokenizer, own = judge.tokenizer, judge.model.generate
    assert judge.weights == {"model.safetensors": sha256_file(folder / "model.safetensors")}
    asked = []

    def generate(reply=None, **given):
        asked.append(tokenizer.decode(given["input_ids"][0]))
        if reply is None:
            return own(**{**given, "max_new_tokens": 8})
        return torch.cat([given["input_ids"], reply], dim=1)

    monkeypatch.setattr("sagittal.evaluation.vila_m3.green._LONGEST", 4000)
    # Untrained, it does not answer in the form; a reply in the form is read from behind what was asked.
    monkeypatch.setattr(judge.model, "generate", generate)
    assert judge("Edema.", "No edema.") is None
    said = tokenizer(REPLY, return_tensors="pt", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(judge.model, "generate", partial(generate, said))
    assert judge("Edema.", "No edema.") == Verdict((1, 2, 0, 0, 0, 0), 3)
    first, words = asked
    assert first == words and words.startswith("<|user|>") and words.rstrip().endswith("<|assistant|>")
    # What is longer than fits is not cut short and not asked; one that just fits is.
    length = len(tokenizer(words, add_special_tokens=False)["input_ids"])
    monkeypatch.setattr("sagittal.evaluation.vila_m3.green._LONGEST", length)
    assert judge("Edema.", "No edema.") is not None
    monkeypatch.setattr("sagittal.evaluation.vila_m3.green._LONGEST", length - 1)
    assert judge("Edema.", "No edema.") is None and len(asked) == 3


def test_a_model_is_moved_to_the_device(folder):
    assert GreenJudge.load(folder, "meta").model.device == torch.device("meta")


def reconfigured(folder, **other):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | other))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda folder: shutil.rmtree(folder), StorageError),
        (lambda folder: (folder / "model.safetensors").unlink(), StorageError),
        (lambda folder: (folder / "config.json").write_text("{"), StorageError),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"junk" * 9), FileFormatError),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), FileFormatError),
        # Weights that do not fit the config: of other shapes, and too few of them.
        (lambda folder: reconfigured(folder, hidden_size=64), FileFormatError),
        (lambda folder: reconfigured(folder, num_hidden_layers=3), FileFormatError),
    ],
)
def test_a_folder_that_cannot_be_read_is_told_before_anything_is_asked(
    folder, spoil, error, monkeypatch, capsys
):
    spoil(folder)
    with pytest.raises(error) as raised:
        GreenJudge.load(folder)
    assert raised.value.remedy and str(folder) in str(raised.value)
    monkeypatch.setattr("sagittal.evaluation.vila_m3.brain.brain_replies", lambda *_, **__: pytest.fail())
    arguments = ["--model", "vila-m3-small", "--data", str(folder), "--green", str(folder)]
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", "vila-m3", *arguments, "--out", str(folder.parent / "out")])
    assert stopped.value.code == 2 and raised.value.message in " ".join(capsys.readouterr().err.split())
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize("report", [one.value for one in Report if one is not Report.vila_m3])
def test_only_reports_with_words_can_be_judged(report, folder, tmp_path, capsys):
    arguments = ["--model", "none", "--data", str(tmp_path), "--green", str(folder)]
    with pytest.raises(SystemExit) as stopped:
        main(["reproduce", report, *arguments, "--out", str(tmp_path / "out")])
    assert stopped.value.code == 2 and "leave --green out" in " ".join(capsys.readouterr().err.split())


def test_the_page_names_the_judge():
    assert judge_lines({}) == []
    [line, _] = judge_lines({"a.safetensors": "1" * 64, "b.safetensors": "2" * 64})
    assert f"`a.safetensors` {'1' * 16}…, `b.safetensors` {'2' * 16}…" in line
