"""How well findings are read from real reports, and what the pool of sentences covers of them.

    python benchmarks/report_findings.py FOLDER

FOLDER holds the Indiana collection's reports (``ecgen-radiology``, Open-i). People coded each with MeSH and
RadLex terms; these are what is compared with. Which term means which finding was settled by the names of the
terms alone, before any report was read.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from report import write_report

from sagittal.io.films.openi import SECTIONS
from sagittal.io.films.openi_xml import OpenIReport, read_openi_xml
from sagittal.language.report_findings import WORDS, positive_findings
from sagittal.score.descriptors import Figure, resampled

#: Finding → terms, by how they begin.
TERMS = {
    "Atelectasis": ("Pulmonary Atelectasis",),
    "Cardiomegaly": ("Cardiomegaly", "Cardiac Shadow/enlarged"),
    "Consolidation": ("Consolidation", "Airspace Disease"),
    "Edema": ("Pulmonary Edema", "Pulmonary Congestion"),
    "Emphysema": ("Emphysema", "Pulmonary Emphysema", "Lung/hyperdistention"),
    "Fracture": ("Fractures, Bone",),
    "Hernia": ("Hernia",),
    "Infiltration": ("Infiltrate",),
    "Lung Opacity": ("Opacity",),
    "Mass": ("Mass",),
    "Nodule": ("Nodule", "Granuloma", "Calcified Granuloma"),
    "Pleural Effusion": ("Pleural Effusion",),
    "Pleural Thickening": ("Thickening/pleura",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax", "Hydropneumothorax"),
}
#: Of reports that nobody coded.
_NOT_CODED = "No Indexing"
_SENTENCE = re.compile(r"[.!?]+(?=\s|$)")


def main() -> None:
    """Read all reports and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    read = [read_openi_xml(path) for path in sorted(given.folder.glob("ecgen-radiology/*.xml"))]
    reports = [
        report for report in read if report.terms and _NOT_CODED not in report.terms and _words(report)
    ]
    lines = [
        f"{len(read):,} real reports, {len(reports):,} of them with findings or impression and coded by "
        "people (Demner-Fushman et al. 2016; MeSH and RadLex). Uncertain findings count as there. 95 % "
        "intervals over resampled reports. Nothing was tuned on these reports. People coded what they held "
        "for the report's findings: what a report mentions and nobody coded counts against precision.",
        "", "| finding | coded | precision | recall | F1 |", "| --- | --- | --- | --- | --- |",
        *(_row(name, reports) for name in WORDS), *_together(reports), "", *_coverage(reports),
    ]  # fmt: skip
    write_report(
        "report_findings", "Findings read from real reports",
        "python benchmarks/report_findings.py …/NLMCXR_reports", lines, ("sagittal", "numpy"),
    )  # fmt: skip


def _words(report: OpenIReport) -> str:
    return " ".join(report.sections[label] for label in SECTIONS if label in report.sections)


def _hits(name: str, reports: Sequence[OpenIReport]) -> np.ndarray:
    """(reports, 3) whether it is coded, read, and both."""
    rows = []
    for report in reports:
        coded = any(_means(term, TERMS[name]) for term in report.terms)
        read = positive_findings(_words(report)).get(name, False)
        rows.append((coded, read, coded and read))
    return np.array(rows, float)


def _means(term: str, starts: Sequence[str]) -> bool:
    return any(term == start or term.startswith((f"{start}/", f"{start},")) for start in starts)


def _row(name: str, reports: Sequence[OpenIReport]) -> str:
    hits = _hits(name, reports)
    return f"| {name} | {int(hits[:, 0].sum()):,} | {_cells(hits)} |"


def _together(reports: Sequence[OpenIReport]) -> list[str]:
    hits = np.sum([_hits(name, reports) for name in WORDS], axis=0)
    return [f"| all of them together | {int(hits[:, 0].sum()):,} | {_cells(hits)} |"]


def _cells(hits: np.ndarray) -> str:
    def figures(weights: np.ndarray) -> dict[str, float]:
        coded, read, both = (weights[:, None] * hits).sum(axis=0)
        precision, recall = both / read if read else np.nan, both / coded if coded else np.nan
        return {"precision": precision, "recall": recall, "f1": 2 * both / max(coded + read, 1)}

    found = resampled(figures, np.arange(len(hits)).astype(str))
    return " | ".join(found[name].text() for name in ("precision", "recall", "f1"))


def _coverage(reports: Sequence[OpenIReport]) -> list[str]:
    """How much of a report is left when it is held to the pool (VILA-M3, supplement 6.2)."""
    sentences = [[s for s in _SENTENCE.split(_words(report)) if s.strip()] for report in reports]
    kept = np.array([sum(bool(positive_findings(s)) for s in own) for own in sentences])
    whole = np.array([len(own) for own in sentences])
    terms = [[t for t in report.terms if t != "normal"] for report in reports]
    coded = np.array([len(own) for own in terms])
    known = np.array([sum(any(_means(t, starts) for starts in TERMS.values()) for t in own) for own in terms])
    some = (kept > 0).astype(int)
    shares: dict[str, Figure] = {}
    for title, own, of in (
        ("reports that at least one sentence of the pool comes from", some, np.ones(len(some))),
        ("sentences that say something which the pool has a sentence for", kept, whole),
        ("coded terms, “normal” apart, that the pool has a sentence for", known, coded),
    ):  # fmt: skip
        shares[title] = resampled(
            lambda weights, own=own, of=of: {"share": float((weights * own).sum() / (weights * of).sum())},
            np.arange(len(reports)).astype(str),
        )["share"]
    return [
        "Held to the pool of sentences, what is left of them:", "",
        *(f"- {title}: {figure.text()}" for title, figure in shares.items()), "",
        "What has none: tubes and devices, degenerative change of the spine, calcified vessels, scars, the "
        "quality of the film, comparisons with earlier ones.",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
