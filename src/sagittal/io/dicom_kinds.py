"""What a DICOM image shows, from its metadata. A file's name is never asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagittal.io.kinds import kind_from_words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Tags that :func:`kind_of` looks at.
KIND_TAGS = (
    "Modality", "SeriesDescription", "ProtocolName", "ImageType", "BodyPartExamined", "StudyDescription",
    "ScanningSequence", "InversionTime", "EchoTime", "RepetitionTime", "ContrastBolusAgent",
    "DiffusionBValue", "PhotometricInterpretation",
)  # fmt: skip
_PHOTOGRAPHS = ("XC", "GM", "ES", "OP", "SM", "DMS")


def kind_of(ds: Dataset) -> str:
    """One of :data:`sagittal.study.KINDS`; ``mr`` or ``unknown`` where the metadata leave it open.

    An MR's sequence comes from its image type and diffusion weighting, then from the words of its series
    and protocol, then from its timing. A T1 for which a contrast agent is recorded is ``t1c``.
    """
    modality = str(ds.get("Modality", "") or "").upper()
    if modality == "CT":
        return "ct"
    if modality in ("CR", "DX"):
        return "cxr" if _is_chest(ds) else "unknown"
    if modality in _PHOTOGRAPHS:
        return "photo"
    return _sequence(ds) if modality == "MR" else "unknown"


def _is_chest(ds: Dataset) -> bool:
    words = (
        f"{ds.get('BodyPartExamined', '')} {ds.get('SeriesDescription', '')} {ds.get('StudyDescription', '')}"
    )
    return any(word in words.upper() for word in ("CHEST", "THORAX"))


def _sequence(ds: Dataset) -> str:
    types = {str(v).upper() for v in ds.get("ImageType") or ()}
    if "ADC" in types:
        return "adc"
    if "DIFFUSION" in types or (_number(ds, "DiffusionBValue") or 0) > 0:
        return "dwi"
    kind = kind_from_words(str(ds.get("SeriesDescription", "") or ""))
    if kind == "unknown":
        kind = kind_from_words(str(ds.get("ProtocolName", "") or ""))
    if kind == "unknown":
        kind = _by_timing(ds)
    agent = str(ds.get("ContrastBolusAgent", "") or "").strip().upper()
    if kind == "t1" and agent not in ("", "NONE", "NO", "N"):
        return "t1c"
    return kind if kind != "unknown" else "mr"


def _by_timing(ds: Dataset) -> str:
    """Textbook ranges, with gaps between them: what falls in a gap stays unknown. Milliseconds."""
    value = ds.get("ScanningSequence") or ()
    sequence = {str(v).upper() for v in ([value] if isinstance(value, str) else value)}
    te, tr, ti = (_number(ds, key) for key in ("EchoTime", "RepetitionTime", "InversionTime"))
    if te is None or tr is None:
        return "unknown"
    if "IR" in sequence and ti is not None:
        if "GR" in sequence and 500 <= ti <= 1300 and te < 10:
            return "t1"  # MPRAGE
        return "flair" if ti >= 1500 and te >= 70 and tr >= 4000 else "unknown"
    if sequence == {"SE"}:
        if tr <= 900 and te <= 30:
            return "t1"
        if tr >= 2000:
            return "t2" if te >= 70 else "pd" if te <= 40 else "unknown"
    return "unknown"


def _number(ds: Dataset, key: str) -> float | None:
    value = ds.get(key)
    return None if value in (None, "") else float(value)
