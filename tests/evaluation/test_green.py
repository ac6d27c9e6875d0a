"""GREEN: counts of replies in the published form, reports that nobody judged, a model of the same layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from hub_words import hub_tokenizer
from sagittal.errors import StorageError
from sagittal.evaluation.vila_m3.green import (
    GreenJudge,
    Verdict,
    green_figures,
    green_prompt,
    read_verdict,
)

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


@pytest.mark.parametrize(
    ("reply", "errors", "matched"),
    [
        (REPLY.replace("\n\n[", "\n["), (1, 2, 0, 0, 0, 0), 3),
        (REPLY.replace("(a) False report of a finding in the candidate: 1. C", "(a) none C"), (0, 2), 3),
        (REPLY.replace("3. Edema", "No matched findings. Edema"), (1, 2), 0),
        ("[Clinically Significant Errors]:\nNo errors.\n\n[Matched Findings]:\n12. All.", (), 12),
        # The order of the kinds is the letters'.
        (
            "[Clinically Significant Errors]:\n(f) x: 2. y\n(b) z: 1. w\n\n[Matched Findings]:\n1. A.",
            (0, 1, 0, 0, 0, 2), 1,
        ),
    ],
)  # fmt: skip
def test_other_replies_in_the_form(reply, errors, matched):
    found = read_verdict(reply)
    assert found == Verdict((*errors, *[0] * (6 - len(errors))), matched)
    assert found.score == (matched / (matched + sum(errors)) if matched else 0)


@pytest.mark.parametrize(
    "reply", ["", "Fine.", REPLY.partition("[Matched")[0], REPLY.replace("Significant", "S")]
)
def test_what_is_not_in_the_form_is_no_verdict(reply):
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


def test_a_folder_of_the_published_layout_is_read_and_asked(tmp_path, monkeypatch):
    tokenizer = hub_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=4096,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "green")
    tokenizer.save_pretrained(tmp_path / "green")
    monkeypatch.setattr("sagittal.evaluation.vila_m3.green._LONGEST", 40)
    judge = GreenJudge.load(tmp_path / "green")
    # Untrained, it does not answer in the form; a reply in the form is read from behind what was asked.
    assert judge("Edema.", "No edema.") is None
    said = tokenizer(REPLY, return_tensors="pt", add_special_tokens=False)["input_ids"]
    asked = []

    def generate(*, input_ids, **given):
        asked.append(tokenizer.decode(input_ids[0]))
        return torch.cat([input_ids, said], dim=1)

    monkeypatch.setattr("sagittal.evaluation.vila_m3.green._LONGEST", 4000)
    monkeypatch.setattr(judge.model, "generate", generate)
    assert judge("Edema.", "No edema.") == Verdict((1, 2, 0, 0, 0, 0), 3)
    [words] = asked
    assert words.startswith("<|user|>") and words.rstrip().endswith("<|assistant|>")
    with pytest.raises(StorageError):
        GreenJudge.load(tmp_path / "nothing")
