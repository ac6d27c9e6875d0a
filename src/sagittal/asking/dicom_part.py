"""What a DICOM file says that keeps models of whole scans of the head from it."""

from __future__ import annotations

from pathlib import Path

from sagittal.agent.text import plain
from sagittal.io.dicom_headers import dicom_damage

# DICOM PS3.16, annex L: terms for the body part examined. What is not listed is let through: scanners write
# anything here, and a wrong refusal is worse than a question that the model abstains from.
_ELSEWHERE = {
    "ABDOMEN", "ABDOMENPELVIS", "ANKLE", "ARM", "BREAST", "CHEST", "CHESTABDOMEN", "CHESTABDPELVIS", "CSPINE",
    "ELBOW", "EXTREMITY", "FOOT", "HAND", "HEART", "HIP", "KIDNEY", "KNEE", "LEG", "LIVER", "LSPINE", "LUNG",
    "PELVIS", "PROSTATE", "SHOULDER", "SPINE", "THORAX", "TSPINE", "UTERUS", "WHOLEBODY", "WRIST",
}  # fmt: skip


def reservation(path: Path, kind: str | None) -> str:
    """Why a series cannot be asked about as a scan of the head; empty where it can.

    Args:
        path: its first file.
        kind: what its metadata say that it shows; ``None`` where the user said it.

    Raises:
        FileFormatError, StorageError: the file cannot be read.
    """
    elsewhere = _other_part(path)
    if elsewhere:
        return f"its header says that it shows another part of the body: {elsewhere}"
    if kind in ("mr", "unknown"):
        return "its metadata do not say which sequence it is; give its folder as KIND=PATH"
    return ""


def _other_part(path: Path) -> str:
    """The part of the body that a header names, where that is not the head; else empty."""
    import pydicom

    with dicom_damage(path):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["BodyPartExamined"])
        part = str(header.get("BodyPartExamined", "") or "")
    elsewhere = "".join(c for c in part.upper() if c.isalpha()) in _ELSEWHERE
    return plain(part, 40) if elsewhere else ""
