"""A pool of sentences that reports of chest films are held to, one for each thing that can be said.

A language model that learns from reports in everybody's own words learns to vary them; held to one pool, it
learns what is there (VILA-M3, supplement 6.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from sagittal.language.report_findings import positive_findings

_THERE: Mapping[str, str] = {
    "Cardiomegaly": "The heart is enlarged.",
    "Enlarged Cardiomediastinum": "The cardiomediastinal silhouette is enlarged.",
    "Edema": "There is pulmonary edema.",
    "Effusion": "There is pleural effusion.",
}
_NOT_THERE: Mapping[str, str] = {
    "Cardiomegaly": "The heart is normal in size.",
    "Enlarged Cardiomediastinum": "The cardiomediastinal silhouette is normal.",
    "Edema": "No pulmonary edema.",
    "Effusion": "No pleural effusion.",
}


def sentence(finding: str, *, there: bool) -> str:
    """The one sentence for a finding that is there, or is not."""
    name = finding.lower()
    if there:
        return _THERE.get(finding, f"There is {name}.")
    return _NOT_THERE.get(finding, f"No {name}.")


def report_of(positive: Mapping[str, bool]) -> str:
    """A report: of each finding its sentence of the pool.

    Args:
        positive: finding → whether it is there, in the order in which they are named.
    """
    return " ".join(sentence(name, there=there) for name, there in positive.items())


def normalised(report: str, *, doubted: bool = True) -> str:
    """A report in free words as sentences of the pool; what the pool has no sentence for is left out.

    Args:
        report: in words.
        doubted: what an uncertain finding counts as.
    """
    positive = positive_findings(report, doubted=doubted)
    return report_of(positive) if positive else ""
