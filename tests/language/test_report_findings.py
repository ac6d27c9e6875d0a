"""What a report says of findings: denials, doubts, their reach; the pool's sentences say what they mean."""

from __future__ import annotations

import pytest

from sagittal.io.films.names import FINDINGS
from sagittal.language.report_findings import WORDS, Said, findings_said, positive_findings
from sagittal.language.report_sentences import normalised, report_of, sentence

THERE, DOUBTED, DENIED = Said.THERE, Said.DOUBTED, Said.DENIED


@pytest.mark.parametrize(
    ("report", "said"),
    [
        ("There is a small left pleural effusion.", {"Pleural Effusion": THERE}),
        ("No effusion, pneumothorax or consolidation.",
         {"Pleural Effusion": DENIED, "Pneumothorax": DENIED, "Consolidation": DENIED}),
        ("No pneumothorax but a small effusion.", {"Pneumothorax": DENIED, "Pleural Effusion": THERE}),
        ("No pneumothorax; basal atelectasis.", {"Pneumothorax": DENIED, "Atelectasis": THERE}),
        ("Lungs are clear without infiltrates.", {"Infiltration": DENIED}),
        ("Pneumonia cannot be excluded.", {"Pneumonia": DOUBTED}),
        ("Possible right lower lobe pneumonia.", {"Pneumonia": DOUBTED}),
        ("Opacity which may represent atelectasis.", {"Lung Opacity": THERE, "Atelectasis": DOUBTED}),
        ("The effusion has resolved.", {"Pleural Effusion": DENIED}),
        ("Pleural effusions are not seen.", {"Pleural Effusion": DENIED}),
        ("The heart is mildly enlarged.", {"Cardiomegaly": THERE}),
        ("The heart is not enlarged.", {"Cardiomegaly": DENIED}),
        ("The heart is normal in size.", {"Cardiomegaly": DENIED}),
        ("No acute rib fracture.", {"Fracture": DENIED}),
        ("Abnormal opacity in the left base.", {"Lung Opacity": THERE}),
        ("No abnormal opacities.", {"Lung Opacity": DENIED}),
        ("No effusion. Later: there is an effusion.", {"Pleural Effusion": THERE}),
        ("", {}),
    ],
)  # fmt: skip
def test_denials_and_doubts_reach_as_far_as_their_clause(report, said):
    assert findings_said(report) == said


def test_what_is_doubted_counts_as_is_chosen():
    report = "Possible pneumonia. No edema. Atelectasis."
    assert positive_findings(report) == {"Pneumonia": True, "Edema": False, "Atelectasis": True}
    assert positive_findings(report, doubted=False)["Pneumonia"] is False


@pytest.mark.parametrize("there", [True, False])
def test_each_sentence_of_the_pool_says_what_it_means(there):
    for name in sorted({*FINDINGS, *WORDS}):
        assert positive_findings(sentence(name, there=there)) == {name: there}, name


def test_a_report_tells_of_each_finding_in_its_order():
    told = {"Edema": False, "Nodule": True, "Pneumothorax": False}
    assert report_of(told) == "No pulmonary edema. There is nodule. No pneumothorax."
    assert positive_findings(report_of(told)) == told
    clear = report_of(dict.fromkeys(told, False))
    assert positive_findings(clear) == dict.fromkeys(told, False)


def test_a_report_in_free_words_becomes_sentences_of_the_pool():
    free = "Small bilateral effusions with basilar atelectasis. No evidence of pneumothorax."
    assert normalised(free) == "There is atelectasis. There is pleural effusion. No pneumothorax."
    assert normalised(normalised(free)) == normalised(free)
    assert normalised("Thank you for the referral.") == ""
