"""The paper's own figures (mpLLM, Tables 1–20), to stand beside ours: of other data, and marked so."""

from __future__ import annotations

from collections.abc import Mapping

#: Table 1, GLI and MET: method → volume, region, shape, spread, mean.
TABLE_1: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "gli": {
        "RadFM": (12.9, 68.2, 17.9, 17.0, 29.0),
        "Med3DVLM": (29.7, 72.9, 39.5, 35.3, 44.3),
        "LLaVA-Med": (39.1, 73.9, 53.9, 50.8, 54.4),
        "Merlin": (55.1, 75.9, 52.1, 49.2, 58.1),
        "M3D": (39.7, 73.9, 54.1, 52.0, 54.9),
        "mpLLM": (62.5, 83.0, 59.2, 56.5, 65.3),
    },
    "met": {
        "RadFM": (15.8, 69.9, 13.0, 12.2, 27.7),
        "Med3DVLM": (41.5, 70.2, 32.7, 33.2, 44.4),
        "LLaVA-Med": (47.0, 68.6, 38.3, 35.2, 47.3),
        "Merlin": (58.7, 72.8, 48.2, 43.0, 55.7),
        "M3D": (65.7, 73.6, 48.2, 42.2, 57.4),
        "mpLLM": (65.7, 76.6, 51.3, 53.0, 61.6),
    },
}
#: Tables 2, 17, 18, 19, 20 and 7: variant → task mean; the last without the region's score.
MEANS: Mapping[str, Mapping[str, float]] = {
    "2": {"weighted": 63.3, "modality": 64.1, "token": 64.4, "full": 65.5},
    "17": {"blocks-12": 64.5, "full": 65.5, "blocks-20": 65.0},
    "18": {"sigmoid": 64.8, "full": 65.5},
    "19": {"concatenation": 52.4, "sum": 51.1, "weighted": 63.3, "full": 65.5},
    "20": {"words-alone": 59.5, "full": 65.5},
    "7": {"full": 59.5, "region-given": 64.1},
}
#: Tables 3 and 5: variant → volume, region, shape, spread.
BY_TASK: Mapping[str, tuple[float, ...]] = {
    "weighted": (53.2, 82.8, 59.7, 57.5),
    "modality": (53.7, 83.4, 59.7, 59.4),
    "token": (56.0, 83.5, 60.0, 58.1),
    "full": (57.6, 83.5, 60.9, 59.9),
}
#: Tables 4 and 6: variant → finding → mean.
BY_FINDING: Mapping[str, Mapping[str, float]] = {
    "weighted": {"ET": 63.2, "SNFH": 70.8, "NETC": 71.3, "RC": 48.7},
    "modality": {"ET": 63.5, "SNFH": 71.1, "NETC": 73.9, "RC": 48.6},
    "token": {"ET": 64.0, "SNFH": 72.2, "NETC": 72.2, "RC": 49.9},
    "full": {"ET": 65.1, "SNFH": 72.5, "NETC": 75.1, "RC": 49.9},
}
#: Table 9: accuracy, AUROC.
TABLE_9 = {"M3D": (88.5, 95.5), "mpLLM": (95.6, 99.0)}
