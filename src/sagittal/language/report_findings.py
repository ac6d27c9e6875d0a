"""What a chest report says of each finding: there, not there, uncertain, or nothing.

Words of a finding are looked for sentence by sentence; a denial or a doubt reaches over its clause, lists
included ("no effusion, pneumothorax or consolidation"), and ends at "but" or a semicolon. Of several
sentences about one finding, one that says it is there stands before a doubt, and that before a denial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum

#: Finding → words for it, as regular expressions without regard to case.
WORDS: Mapping[str, str] = {
    "Atelectasis": r"atelecta(?:sis|ses|tic)",
    "Cardiomegaly": r"cardiomegaly|(?:enlarged|enlargement of the) (?:heart|cardiac silhouette)"
    r"|(?:heart|cardiac silhouette)(?: size)? (?:is |appears |remains )(?:\w+ ){0,3}(?:enlarged|normal)",
    "Consolidation": r"consolidat(?:ion|ions|ed)|airspace disease|air space disease",
    "Edema": r"(?:o?edema|vascular congestion)",
    "Emphysema": r"emphysema(?:tous)?|hyperinflat(?:ed|ion)",
    "Fracture": r"fractures?",
    "Hernia": r"hernia",
    "Infiltration": r"infiltrat(?:es?|ion|ions)",
    "Lung Opacity": r"(?:lung |pulmonary |airspace |air space |focal )?opacit(?:y|ies)|opacification",
    "Mass": r"mass(?:es)?",
    "Nodule": r"nodules?|nodular densit(?:y|ies)|granulomas?",
    "Pleural Effusion": r"(?:pleural )?effusions?",
    "Pleural Thickening": r"pleural thickening",
    "Pneumonia": r"pneumonias?",
    "Pneumothorax": r"pneumothora(?:x|ces)",
}
_FOUND = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, words in WORDS.items()}
_SENTENCE = re.compile(r"[.!?;\n]+(?=\s|$)")
_TURN = re.compile(r"\b(?:but|however|although|except|other than|aside from|apart from)\b", re.IGNORECASE)
# Denies or doubts what follows it.
_DENIED = re.compile(
    r"\b(?:no|not|without|free of|clear of|negative for|absence of|resolved|resolution of|"
    r"ruled out|rule out|nor|neither|never|denies)\b",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"\b(?:possibl[ey]|probabl[ey]|likely|suspicious for|suspected|questionable|may|might|could|cannot|"
    r"can not|versus|vs|suggest(?:s|ing|ive)?|suspicion of|concern(?:ing)? for|differential|equivocal)\b",
    re.IGNORECASE,
)
_DENIED_WITHIN = re.compile(r"\b(?:not|normal)\b", re.IGNORECASE)
# Denies what stands before it: "effusions are not seen", "effusion has resolved".
_DENIED_AFTER = re.compile(
    r"^[^,]*\b(?:(?:is|are|was|were|has been|have been) (?:not|no longer)\b|(?:has|have) resolved|"
    r"(?:is|are) (?:absent|excluded|ruled out)|not (?:seen|identified|present|evident))",
    re.IGNORECASE,
)
_DOUBTED_AFTER = re.compile(r"\W*(?:is|are) (?:possible|suspected|questionable)", re.IGNORECASE)
# "Cannot be excluded" is a doubt, not a denial.
_NOT_EXCLUDED = re.compile(
    r"\b(?:can ?not|not|difficult to|hard to) (?:be )?(?:\w+ )?(?:exclude|excluded|rule out|ruled out)\b",
    re.IGNORECASE,
)


class Said(IntEnum):
    """What is said of a finding; of two, the greater stands."""

    DENIED = 0
    DOUBTED = 1
    THERE = 2


def findings_said(report: str) -> dict[str, Said]:
    """Finding → what a report says of it; those that it does not mention are left out."""
    found: dict[str, Said] = {}
    for clause in _clauses(report):
        for name, words in _FOUND.items():
            for match in words.finditer(clause):
                said = _said(clause[: match.start()], match[0], clause[match.end() :])
                found[name] = max(found.get(name, said), said)
    return found


def positive_findings(report: str, *, doubted: bool = True) -> dict[str, bool]:
    """Finding → whether it is there, of those that a report mentions.

    Args:
        report: in words.
        doubted: what an uncertain one counts as.
    """
    return {
        name: said is Said.THERE or (said is Said.DOUBTED and doubted)
        for name, said in findings_said(report).items()
    }


def _clauses(report: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(report):
        yield from _TURN.split(sentence)


def _said(before: str, words: str, after: str) -> Said:
    whole = f"{before} {words} {after}"
    if _NOT_EXCLUDED.search(whole):
        return Said.DOUBTED
    if _DENIED.search(before) or _DENIED_WITHIN.search(words) or _DENIED_AFTER.match(after):
        return Said.DENIED
    doubted = _DOUBTED.search(before) or _DOUBTED_AFTER.match(after)
    return Said.DOUBTED if doubted else Said.THERE
