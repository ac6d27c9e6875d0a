"""IMAX's prompts (Figure 1): a tag, the request, and the form that the answer must have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sagittal.builders.chest.facts import Thousandths
from sagittal.io.films.names import FINDINGS, SEVERITY
from sagittal.score.chest_tasks import Task
from sagittal.score.strict import write_box

#: Task → what it counts as among the paper's seven.
SEVEN: Mapping[Task, str] = {
    "calculate-cpar": "calculation", "calculate-ctr": "calculation", "caption": "report generation",
    "cls-multiclass": "multi-class classification", "cls-multilabel": "multi-label classification",
    "rec": "REC", "reg": "REG", "vqa-verify": "VQA", "vqa-choose": "VQA", "vqa-query": "VQA",
}  # fmt: skip
_RATIOS = {
    ("calculate-ctr", "heart"): "cardiothoracic ratio (CTR)",
    ("calculate-cpar", "heart"): "cardiopulmonary area ratio (CPAR)",
    ("calculate-ctr", "cardiomediastinum"): "ratio of cardiomediastinal to thoracic width",
    ("calculate-cpar", "cardiomediastinum"): "ratio of cardiomediastinal to lung area",
}
_REC = (
    "could you tell me the location of the {}.",
    "where can I locate the {}.",
    "give the bounding box of the {}.",
)
_REG = (
    "what is in the region {}.",
    "name the structure inside {}.",
    "could you tell me what the box {} shows.",
)


def calculate_prompt(task: Task, heart: str = "heart") -> str:
    """Of both ratios; what those of a cardiomediastinum are called is our own."""
    return f"[calculate] Based on the input image, calculate the {_RATIOS[task, heart]} value."


def caption_prompt() -> str:
    """For a report."""
    return (
        "[caption] Provide a detailed description of findings and impressions about this chest x-ray image."
    )


def multiclass_prompt() -> str:
    """For the grade of oedema."""
    grades = "; ".join(f"{n}. {name}" for n, name in enumerate(SEVERITY))
    return (
        "[cls] Based on the input image, analyze and determine which category of pulmonary edema severity it "
        f"belongs to: {grades}."
    )


def multilabel_prompt(conditions: Sequence[str] = FINDINGS) -> str:
    """For the presence of each condition, a digit each."""
    named = f"{', '.join(conditions[:-1])}, and {conditions[-1]}"
    return (
        "[cls] Based on the input image, determine the presence or absence of the following conditions: "
        f"{named}. The output format should be a comma-separated string of {len(conditions)} binary digits "
        "(0 or 1), where each digit corresponds to the presence (1) or absence (0) of the respective "
        "condition in the order listed above."
    )


def rec_prompt(name: str, wording: int) -> str:
    """For the box of a structure."""
    return f"[rec] Based on the input image, {_REC[wording % len(_REC)].format(name)}"


def reg_prompt(box: Thousandths, wording: int) -> str:
    """For the name of what a box holds."""
    return f"[reg] Based on the input image, {_REG[wording % len(_REG)].format(write_box(box))}"


def vqa_prompt(question: str) -> str:
    """For a question in words."""
    return f"[vqa] Based on the input image, {question[0].lower()}{question[1:]}"
