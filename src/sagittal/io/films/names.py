"""Names of what a chest film can show, which sources, simulated films, questions and answers share."""

from __future__ import annotations

from typing import Literal, get_args

Finding = Literal[
    "Lung Opacity", "Pleural Effusion", "Atelectasis", "Pneumonia", "Edema", "Consolidation", "Pneumothorax",
    "Fracture", "Infiltration", "Nodule",
]  # fmt: skip
#: The ten conditions of IMAX's multi-label task, in the order of its prompt.
FINDINGS: tuple[Finding, ...] = get_args(Finding)
#: The label that says that nothing else is there.
NO_FINDING = "No Finding"
Device = Literal["endotracheal tube", "central line", "pacemaker", "gastric tube", "electrodes"]
DEVICES: tuple[Device, ...] = get_args(Device)
#: Grades of pulmonary oedema by their digits (MIMIC-CXR-PE-Severity; IMAX, Figure 1).
SEVERITY = ("none", "vascular congestion", "interstitial edema", "alveolar edema")
