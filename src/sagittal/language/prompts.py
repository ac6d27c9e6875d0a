"""The mpLLM paper's prompts for rewording and for cleaning (appendix A), verbatim.

The slips of the original ("Please ignore valid …") are kept: the prompts are part of the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from sagittal.language.wording import CANONICAL, Kind, Wording

IN_SCOPE = (
    "Please produce hundred alternative wordings that a radiologist may use for the following question "
    "and answer. Please include everything surrounded by curly braces {} as they are because they are "
    "placeholders. Please generate the reworded question starting with “Q:” and reworded answer starting "
    "with “A:” and separate each generated question-answer pair with a newline. Please do not produce any "
    "additional text."
)

PARTLY_OUT_OF_SCOPE = (
    "Please produce hundred alternative wordings that a radiologist may use for the following question "
    "and answer and incorporate an additional clinical task or tasks which the model cannot solve in the "
    "reworded question. These can be before, after, or interspersed between the other tasks (please make "
    "sure to vary the order and number of out-of-scope tasks). Do not mention that the model cannot "
    "answer these in the question; however, indicate that the model cannot answer that part of the "
    "question in the reworded answer (potentially using different phrasings). The model can describe the "
    "volume, brain region, shape, and spread of {label} which is the region of interest. Please include "
    "everything surrounded by curly braces {} as they are because they are placeholders. Please generate "
    "the reworded question starting with “Q:” and reworded answer starting with “A:” and do not produce "
    "any additional text."
)

OUT_OF_SCOPE = (
    "Please produce a hundred questions (with one or more tasks) that a radiologist may ask that the "
    "model does not have information to answer. The model can describe the volume, brain region, shape, "
    "and spread of {label} which is the region of interest. Please include {label} in the question but do "
    "not include anything else with curly braces. In the answer, please indicate the model cannot answer "
    "the question (potentially using different phrasings). Please generate the question starting with "
    "“Q:” and answer starting with “A:” and do not produce any additional text."
)

CLEAN_IN_SCOPE = (
    "Determine whether the reworded question is a faithful, clinically appropriate rephrasing of the "
    "original question. Please ignore valid as this is a placeholder. Output VALID or INVALID with no "
    "additional text."
)

CLEAN_PARTLY_OUT_OF_SCOPE = (
    "Determine whether the reworded question is a faithful, clinically appropriate rephrasing of the "
    "original question. The reworded question also has an additional query not in the original question. "
    "Please also determine whether the added query is a valid medical question. Please ignore label as "
    "this is a placeholder. Output VALID or INVALID with no additional text. Example 1: Original Q: How "
    "large is the volume of label and what is its shape? Reworded Q: What is the mass and form of label, "
    "and engage in patient counseling? INVALID Example 2: Original Q: How large is the volume of label "
    "and what is its shape? Reworded Q: Can you estimate the volume and layout of label, and administer a "
    "flu vaccine? VALID"
)

CLEAN_OUT_OF_SCOPE = (
    "Determine whether the reworded question is a valid medical question. Please ignore valid as this is "
    "a placeholder. Output VALID or INVALID with no additional text."
)

REPETITIONS: dict[Kind, int] = {"in_scope": 40, "partly_out_of_scope": 10, "out_of_scope": 10}
"""How often the paper asks each prompt."""

_REWORD: dict[Kind, str] = {
    "in_scope": IN_SCOPE,
    "partly_out_of_scope": PARTLY_OUT_OF_SCOPE,
    "out_of_scope": OUT_OF_SCOPE,
}
_CLEAN: dict[Kind, str] = {
    "in_scope": CLEAN_IN_SCOPE,
    "partly_out_of_scope": CLEAN_PARTLY_OUT_OF_SCOPE,
    "out_of_scope": CLEAN_OUT_OF_SCOPE,
}


def rewording_prompt(kind: Kind, tasks: Sequence[str]) -> str:
    """The prompt for one combination: the paper's text with the canonical pair appended, if any."""
    if kind == "out_of_scope":
        return _REWORD[kind]
    question, answer = CANONICAL[tuple(tasks)]
    return f"{_REWORD[kind]}\n\nQ: {question} A: {answer}"


def cleaning_prompt(wording: Wording) -> str:
    """The prompt that asks whether a wording is valid; ``label`` without braces, as in its examples."""
    reworded = f"Reworded Q: {_bare(wording.question)}"
    if wording.kind == "out_of_scope":
        return f"{_CLEAN[wording.kind]}\n\n{reworded}"
    original = _bare(CANONICAL[wording.tasks][0])
    return f"{_CLEAN[wording.kind]}\n\nOriginal Q: {original} {reworded}"


def _bare(text: str) -> str:
    return text.replace("{", "").replace("}", "")
