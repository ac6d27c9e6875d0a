"""The model writes programs itself, many conversations at a time, and hears the true feedback."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from sagittal.language.tokenizer import EOS, MOD, PHI, Tokenizer
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt.conversation import NO_TARGET, Chunk, Script
from sagittal.models.voxelprompt.doubt import doubted, first_line, likelihood
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.models.voxelprompt.naming import KnownImages
from sagittal.score.programs import WrittenPrograms
from sagittal.train.language_check import check
from sagittal.train.language_stream import Drawn

_LONGEST = 400


@torch.no_grad()
def write_programs(
    model: VoxelPrompt, tokenizer: Tokenizer, scripts: Sequence[Script], *, size: int = 32
) -> list[tuple[str, ...]]:
    """The programs of each conversation, by greedy decoding, up to the first that is not the true one.

    Feedback after a wrong program would be another than the script's; there the conversation ends, and the
    wrong program is given with its marks, since those may be what is wrong.

    Args:
        model: in evaluation mode.
        tokenizer: of the scripts.
        scripts: without voxels.
        size: conversations at a time.
    """
    found: list[tuple[str, ...]] = []
    for start in range(0, len(scripts), size):
        found += _write(model, tokenizer, scripts[start : start + size])
    return found


def written(model: VoxelPrompt, tokenizer: Tokenizer, drawn: Sequence[Drawn]) -> list[WrittenPrograms]:
    """What :func:`sagittal.score.programs.program_scores` takes, of conversations of a stream."""
    scripts = [d.script for d in drawn]
    programs = write_programs(model, tokenizer, scripts)
    checks = check(model, tokenizer, scripts)
    return [
        WrittenPrograms(d.item.programs, own, str(d.item.group), d.item.reason or d.item.task, checked.codes)
        for d, own, checked in zip(drawn, programs, checks, strict=True)
    ]


def _write(model: VoxelPrompt, tokenizer: Tokenizer, scripts: Sequence[Script]) -> list[tuple[str, ...]]:
    context = GrowingContext(model.language)
    programs: list[list[str]] = [[] for _ in scripts]
    led = set(range(len(scripts)))
    asks_back = model.config.doubt > 0
    images = [KnownImages(tokenizer, (v.name for v in s.conversation.scans)) for s in scripts]
    for number in range(max(len(s.chunks) for s in scripts)):
        led = {row for row in led if number < len(scripts[row].chunks)}
        if not led:
            break
        heard = [_heard(s.chunks[number]) if row in led else None for row, s in enumerate(scripts)]
        context.append_embeddings(*_padded(model, heard))
        before = context.fork() if asks_back and number == 0 else None
        tokens = _generate(context, tokenizer, led, images)
        doubts = _doubts(model, tokenizer, before, tokens) if before is not None else {}
        for row in sorted(led):
            true = scripts[row].chunks[number]
            text = doubts.get(row) or _marked(tokens[row], tokenizer)
            right = text == _marked(true.ids[_start(true) :], tokenizer)
            programs[row].append(scripts[row].conversation.steps[number].program if right else text)
            if not right:
                led = led - {row}
    return [tuple(own) for own in programs]


def _doubts(
    model: VoxelPrompt, tokenizer: Tokenizer, before: GrowingContext, tokens: Sequence[Sequence[int]]
) -> dict[int, str]:
    """What is said in the place of first programs that are doubted, as at run time."""
    sure = likelihood(model, before, [first_line(tokenizer, own) for own in tokens])
    rows = (sure < model.config.doubt).nonzero()[:, 0].tolist()
    said = {row: doubted(_marked(tokens[row], tokenizer)) for row in rows}
    return {row: text for row, text in said.items() if text is not None}


def _heard(chunk: Chunk) -> Chunk:
    """The part of a chunk before its program."""
    end = _start(chunk)
    return Chunk(chunk.ids[:end], chunk.targets[:end], {p: s for p, s in chunk.reads.items() if p < end})


def _start(chunk: Chunk) -> int:
    return next(i for i, target in enumerate(chunk.targets) if target != NO_TARGET)


def _padded(model: VoxelPrompt, chunks: Sequence[Chunk | None]) -> tuple[Tensor, Tensor]:
    longest = max(len(chunk.ids) for chunk in chunks if chunk is not None)
    ids = torch.zeros(len(chunks), longest, dtype=torch.long)
    real = torch.zeros(len(chunks), longest, dtype=torch.bool)
    for row, chunk in enumerate(chunks):
        if chunk is not None:
            ids[row, : len(chunk.ids)] = torch.tensor(chunk.ids)
            real[row, : len(chunk.ids)] = True
    embedded = model.embed(ids.to(model.device))
    for row, chunk in enumerate(chunks):
        if chunk is not None:
            embedded[row, list(chunk.reads)] = 0
    return embedded, real.to(model.device)


def _generate(
    context: GrowingContext, tokenizer: Tokenizer, led: set[int], images: Sequence[KnownImages]
) -> list[list[int]]:
    mod, phi = tokenizer.special(MOD), tokenizer.special(PHI)

    def constraint(row: int, so_far: Sequence[int]) -> Collection[int] | None:
        if row not in led:
            return set()
        # The place that follows <MOD> is no text: it holds φ.
        return {phi} if so_far and so_far[-1] == mod else images[row](row, so_far)

    return context.generate(max_tokens=_LONGEST, stop={tokenizer.special(EOS)}, constraint=constraint)


def _marked(tokens: Sequence[int], tokenizer: Tokenizer) -> str:
    """A program with its marks and its end, as far as it has one."""
    phi = tokenizer.special(PHI)
    return tokenizer.decode([token for token in tokens if token != phi])
