"""GREEN: a language model counts a report's errors (Ostmeier et al. 2024, arXiv:2405.03595).

The prompt and the form of the reply are those that StanfordAIMI/GREEN-RadLlama2-7b was trained with; its
weights are not ours to ship. GREEN = matched findings / (matched findings + clinically significant errors),
and 0 where nothing matches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sagittal.models.vlm.language import fetch_language
from sagittal.score.descriptors import Figure, resampled

_PROMPT = Path(__file__).with_name("green_prompt.txt")
_KINDS = "abcdef"
_SECTION = r"\[{}\]:\s*(.*?)(?:\n\s*\n|\[|\Z)"
_LONGEST = 2048


@dataclass(frozen=True)
class Verdict:
    """What the model counted in one report.

    Attributes:
        errors: clinically significant ones of the six kinds: findings that are false, missing, elsewhere, of
            another severity; comparisons that are false, missing.
        matched: findings that agree.
    """

    errors: tuple[int, ...]
    matched: int

    @property
    def score(self) -> float:
        """GREEN, 0 to 1."""
        return self.matched / (self.matched + sum(self.errors)) if self.matched else 0.0


def read_verdict(reply: str) -> Verdict | None:
    """The counts of a reply; ``None`` where it has not the form that was asked for."""
    errors, matched = (
        _section(reply, name) for name in ("Clinically Significant Errors", "Matched Findings")
    )
    if errors is None or matched is None:
        return None
    counts = dict.fromkeys(_KINDS, 0)
    for kind, rest in re.findall(r"\(([a-f])\)([^\n]*)", errors):
        counted = re.search(r": (\d+)\b", rest)
        counts[kind] = int(counted[1]) if counted else 0
    number = re.match(r"(\d+)\.", matched)
    return Verdict(tuple(counts.values()), int(number[1]) if number else 0)


def _section(reply: str, name: str) -> str | None:
    found = re.search(_SECTION.format(name), reply, re.DOTALL)
    return found[1] if found else None


def green_prompt(reference: str, candidate: str) -> str:
    """What the model is asked."""
    words = _PROMPT.read_text(encoding="utf-8")
    before, between, after = re.split(r"\{reference\}|\{candidate\}", words)
    return f"{before}{reference}{between}{candidate}{after}"


@dataclass(frozen=True, eq=False)
class GreenJudge:
    """A loaded model.

    Attributes:
        model: in evaluation mode.
        tokenizer: its own.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a folder in transformers' layout; nothing is fetched, and no code of it is run.

        Raises:
            StorageError, FileFormatError: it holds no language model.
        """
        model, tokenizer = fetch_language(folder, fetch=False)
        return cls(model.eval(), tokenizer)

    @torch.inference_mode()
    def __call__(self, reference: str, candidate: str) -> Verdict | None:
        """Count the errors of a report; ``None`` where the model does not answer in its form."""
        end = self.tokenizer.eos_token or ""
        asked = f"<|user|>\n{green_prompt(reference, candidate)}{end}\n<|assistant|>\n"
        given = self.tokenizer(asked, return_tensors="pt", truncation=True, max_length=_LONGEST)
        written = self.model.generate(  # type: ignore[operator]
            input_ids=given["input_ids"].to(self.model.device),
            attention_mask=given["attention_mask"].to(self.model.device),
            do_sample=False, max_new_tokens=_LONGEST, pad_token_id=self.tokenizer.eos_token_id,
        )  # fmt: skip
        reply = written[0, given["input_ids"].shape[1] :]
        return read_verdict(str(self.tokenizer.decode(reply, skip_special_tokens=True)))


def green_figures(
    judge: GreenJudge, candidates: Sequence[str], references: Sequence[str], groups: np.ndarray
) -> dict[str, Figure]:
    """Mean GREEN, and the share of reports that the model did not judge in its form (they score 0).

    Args:
        judge: the model.
        candidates, references: reports, in the same order; an empty candidate scores 0 unasked.
        groups: (n,) patients, which are resampled.
    """
    verdicts = [
        judge(due, one) if one else Verdict((0,) * len(_KINDS), 0)
        for one, due in zip(candidates, references, strict=True)
    ]
    scores = np.array([0.0 if verdict is None else verdict.score for verdict in verdicts])
    unread = np.array([verdict is None for verdict in verdicts], float)

    def means(weights: np.ndarray) -> dict[str, float]:
        total = weights.sum()
        return {
            "GREEN": float(weights @ scores / total),
            "GREEN, not judged": float(weights @ unread / total),
        }

    return resampled(means, groups)
