"""GREEN: a language model counts a report's errors (Ostmeier et al. 2024, arXiv:2405.03595).

The prompt and the form of the reply are those that StanfordAIMI/GREEN-RadLlama2-7b was trained with; its
weights are not ours to ship. GREEN = matched findings / (matched findings + clinically significant errors),
and 0 where nothing matches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sagittal.errors import StorageError
from sagittal.files import sha256_file
from sagittal.models.vlm.language import fetch_language
from sagittal.score.descriptors import Figure, resampled

_PROMPT = Path(__file__).with_name("green_prompt.txt")
_KINDS = 6
_LONGEST = 2048
_FLAGS = re.IGNORECASE | re.MULTILINE
# A section ends where a line begins with a bracket: neither "[1]" within a line nor an empty line ends it.
_SECTION = r"^[ \t]*\[{}\]:\s*(.*?)(?=^[ \t]*\[|\Z)"


def _count(of: str) -> str:
    """A count, or that there is none: "3 mm nodule" is no count, and "No effusion" may be a finding."""
    number = rf"(\d{{1,3}})(?=\s*(?:[.,;:(](?!\d)|$)|\s+{of})"
    return rf"(?:{number}|none\b|no\b(?=[^.;\n]*\b{of}|\s*(?:[.;]|$)))"


_MATCHED, _ERRORS = (re.compile(_count(of), _FLAGS) for of in ("match", "error"))
_NUMBERED = re.compile(r"\n\s*\d+\.\s")
_BEGUN = re.compile(r"\W*\w\)")
# "(a) LABEL: 2", "(a) none", "(a) LABEL 2."
_KIND = re.compile(
    rf"\(([a-f1-6])\)(?:(?:[^:.\d]*:)?\s*{_count('error')}|[^:.\d]*\s(\d{{1,3}})\.(?!\d))", _FLAGS
)


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
    """The counts of a reply; ``None`` where any of them cannot be read: no error is taken for granted."""
    errors, matched = (
        _section(reply, name) for name in ("Clinically Significant Errors", "Matched Findings")
    )
    if errors is None or matched is None:
        return None
    counts, agreeing = _kinds(errors), _MATCHED.match(matched)
    # The first number of a numbered list counts nothing.
    if counts is None or agreeing is None or _NUMBERED.search(matched):
        return None
    return Verdict(counts, int(agreeing[1] or 0))


def _section(reply: str, name: str) -> str | None:
    found = re.search(_SECTION.format(name), reply, _FLAGS | re.DOTALL)
    return found[1] if found else None


def _kinds(section: str) -> tuple[int, ...] | None:
    """How often each kind was counted; those that are not listed, never."""
    counts: dict[int, int] = {}
    for line in section.splitlines():
        found = _KIND.findall(line)
        # One kind a line: what begins as one must be read, and what stands elsewhere is not passed over.
        if len(found) != bool(_BEGUN.match(line)):
            return None
        for letter, after_label, alone in found:
            kind = "abcdef123456".index(letter.lower()) % _KINDS
            if kind in counts:
                return None
            counts[kind] = int(after_label or alone or 0)
    if not counts:
        together = _ERRORS.match(section)
        if together is None or int(together[1] or 0):
            return None
    return tuple(counts.get(kind, 0) for kind in range(_KINDS))


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
        weights: files of weights → SHA-256.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    weights: Mapping[str, str]

    @classmethod
    def load(cls, folder: str | Path, device: torch.device | str = "cpu") -> Self:
        """Load a folder in transformers' layout; nothing is fetched, and no code of it is run.

        Args:
            folder: the model's.
            device: where it computes.

        Raises:
            StorageError, FileFormatError: it holds no language model.
        """
        folder = Path(folder)
        # A name that is no folder would be looked for among the models that a hub gave before.
        if not folder.is_dir():
            raise StorageError(
                "There is no such folder.",
                expected="a folder with config.json, safetensors and a tokenizer",
                got=folder,
                remedy="fetch the model first, if you trust it: hf download NAME --local-dir FOLDER",
            )
        model, tokenizer = fetch_language(folder, fetch=False)
        # safetensors are what is read where there are both.
        files = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
        weights = {file.name: sha256_file(file) for file in files}
        return cls(model.eval().to(device), tokenizer, weights)

    @torch.inference_mode()
    def __call__(self, reference: str, candidate: str) -> Verdict | None:
        """Count the errors; ``None`` where they are too long to ask, or the reply has not the form."""
        end = self.tokenizer.eos_token or ""
        asked = f"<|user|>\n{green_prompt(reference, candidate)}{end}\n<|assistant|>\n"
        given = self.tokenizer(asked, return_tensors="pt")
        if given["input_ids"].shape[1] > _LONGEST:
            return None
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
    """Mean GREEN, and the share of reports that were not judged: too long, no readable reply (they score 0).

    Args:
        judge: the model.
        candidates, references: reports, in the same order; an empty candidate scores 0 unasked.
        groups: (n,) patients, which are resampled.
    """
    verdicts = [
        judge(due, one) if one else Verdict((0,) * _KINDS, 0)
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
