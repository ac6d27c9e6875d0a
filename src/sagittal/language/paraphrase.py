"""Wordings from a language endpoint, by the mpLLM protocol (appendix A).

Each canonical pair is sent with the paper's prompt a number of times; replies are split, checked
by rules, and the questions kept for testing are cleaned by asking VALID or INVALID. Everything goes
through a cache on disk, so a run that was killed goes on where it stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sagittal.language.bank import WordingBank, is_withheld
from sagittal.language.endpoint import CachedEndpoint
from sagittal.language.prompts import REPETITIONS, cleaning_prompt, rewording_prompt
from sagittal.language.quality import faults, split_pairs
from sagittal.language.wording import KINDS, TYPES, Kind, Wording


@dataclass(slots=True)
class Tally:
    """What became of the pairs that came back.

    Attributes:
        pairs: pairs that could be split from the replies.
        unpaired: questions or answers without a partner.
        faults: rule → pairs that broke it.
        invalid: wordings that the cleaning refused.
        kept: wordings kept.
    """

    pairs: int = 0
    unpaired: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    kept: int = 0


def reword(
    endpoint: CachedEndpoint, kind: Kind, tasks: tuple[str, ...], repetitions: int, tally: Tally
) -> Iterator[Wording]:
    """Ask for wordings of one combination and yield those that pass the rules.

    Args:
        endpoint: who is asked; the paper's settings are temperature 1 and top_p 1.
        kind: in scope, partly, or wholly out of scope.
        tasks: one of ``TYPES``; empty when wholly out of scope.
        repetitions: how often the prompt is asked.
        tally: counts what came back.

    Raises:
        EndpointError: the endpoint fails; what it answered before is kept in the cache.
    """
    prompt = rewording_prompt(kind, tasks)
    for repetition in range(repetitions):
        pairs, unpaired = split_pairs(endpoint.complete(prompt, repetition))
        tally.pairs += len(pairs)
        tally.unpaired += unpaired
        for question, answer in pairs:
            found = faults(question, answer, kind, tasks)
            tally.faults.update(found)
            if not found:
                yield Wording(kind, tasks, question, answer, withheld=is_withheld(question))


def clean(endpoint: CachedEndpoint, wordings: Iterable[Wording], tally: Tally) -> Iterator[Wording]:
    """Yield the wordings that the endpoint calls VALID; any other word than VALID refuses.

    Args:
        endpoint: who is asked; the paper cleans with a stronger model than it rewords with.
        wordings: the candidates.
        tally: counts the refused ones.

    Raises:
        EndpointError: the endpoint fails.
    """
    for wording in wordings:
        verdict = endpoint.complete(cleaning_prompt(wording)).strip(" \n.*\"'").upper()
        if verdict == "VALID":
            yield wording
        else:
            tally.invalid += 1


def paraphrase(
    endpoint: CachedEndpoint,
    cleaner: CachedEndpoint,
    repetitions: Mapping[Kind, int] = REPETITIONS,
) -> tuple[WordingBank, Tally]:
    """Build a bank of wordings by the paper's protocol: 600 + 150 + 10 requests, then the cleaning.

    As in the paper, only the questions kept for testing are cleaned; pass the bank through
    :func:`clean` for the others.

    Args:
        endpoint: writes the wordings.
        cleaner: judges them; may be the same.
        repetitions: how often each prompt of a kind is asked.

    Raises:
        EndpointError: an endpoint fails. Call again to resume: nothing is asked twice.
    """
    tally = Tally()
    candidates: list[Wording] = []
    for kind in KINDS:
        for tasks in TYPES if kind != "out_of_scope" else [()]:
            candidates.extend(reword(endpoint, kind, tasks, repetitions[kind], tally))
    # A bank keeps each question once; only those need cleaning.
    unique = list(WordingBank(candidates))
    kept = [wording for wording in unique if not wording.withheld]
    kept += clean(cleaner, (wording for wording in unique if wording.withheld), tally)
    tally.kept = len(kept)
    return WordingBank(kept), tally
