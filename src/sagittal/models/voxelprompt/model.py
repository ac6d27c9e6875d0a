"""VoxelPrompt: an agent that writes programs, and the vision networks that its states modulate (§3).

A conversation is one growing sequence of vectors: embedded tokens of the prompt, the programs and the
feedback, and one vector for each volume that was read. The position that follows ``<MOD>`` holds a learned
vector instead of a token: it is no text, no loss asks for it, and its output state η gives φ. Training and
inference take the same steps in the same order, so that each position is computed once, programs follow
feedback, and the gradient of a mask reaches the language model through φ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from sagittal.errors import GeometryError
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt.config import LanguageConfig, VoxelPromptConfig
from sagittal.models.voxelprompt.conversation import NO_TARGET, Chunk, PlacedCall, Script
from sagittal.models.voxelprompt.losses import soft_dice_loss, token_losses, voxel_cross_entropy
from sagittal.models.voxelprompt.scaffold import code_error, slots
from sagittal.nn.grids import StreamGrids
from sagittal.nn.phi import PhiProjection
from sagittal.nn.stream_unet import Encoding, Prepared, VolumeEncoder, VolumeGenerator


@dataclass(frozen=True, eq=False)
class MaskResult:
    """A mask that a ``segment`` call drew in training.

    Attributes:
        conversation: index in the batch.
        mask: index among the conversation's targets.
        logits: (X, Y, Z).
        dice_loss: soft Dice loss.
    """

    conversation: int
    mask: int
    logits: Tensor
    dice_loss: Tensor


@dataclass(frozen=True, eq=False)
class Losses:
    """Eq. 2 over a batch.

    Attributes:
        total: mean over conversations of text loss + λ · sum of the masks' losses.
        text: (batch,) mean cross-entropy of each conversation's program tokens.
        exact: (batch,) whether each such token is the likeliest, so that greedy decoding with the same
            feedback writes these very programs.
        masks: in the order in which they were drawn.
        codes: mean squared error between φ and the fixed codes of the scaffold, over all φ; zero unless
            asked for, and no part of ``total``.
    """

    total: Tensor
    text: Tensor
    exact: Tensor
    masks: tuple[MaskResult, ...]
    codes: Tensor


class VoxelPrompt(nn.Module):
    """The agent α, the encoder m_enc and the generator m_gen, trained together.

    Args:
        config: sizes.
    """

    def __init__(self, config: VoxelPromptConfig) -> None:
        super().__init__()
        self.config = config
        width = config.language.width
        self.language = LlamaForCausalLM(_llama(config.language))
        self.to_phi = PhiProjection(width, config.vision.phi_channels)
        self.encoder = VolumeEncoder(config.vision, width)
        self.generator = VolumeGenerator(config.vision)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.to_phi.project.weight.device

    def embed(self, ids: Tensor) -> Tensor:
        """(…) token ids → (…, d)."""
        embedded: Tensor = self.language.get_input_embeddings()(ids)
        return embedded

    def encode(self, volumes: Sequence[Tensor], grids: StreamGrids, states: Tensor) -> Encoding:
        """Encode the volumes of a study.

        Args:
            volumes: per stream, (studies, X, Y, Z) in [0, 1].
            grids: of these streams, for :attr:`levels`.
            states: (studies, streams, d) states that follow the ``<MOD>`` of each volume.
        """
        encoding: Encoding = self.encoder(volumes, grids, self.to_phi(states))
        return encoding

    def segment(self, prepared: Prepared, states: Tensor) -> Tensor:
        """Draw masks on the grid of the first volume: what the streams on it agree on.

        Args:
            prepared: from ``generator.prepare``.
            states: (studies, prompts, streams, d) states that follow the ``<MOD>`` of each volume.

        Returns:
            (studies, prompts, X, Y, Z) logits.
        """
        return self.generator.agreed(prepared, self.to_phi(states))

    @property
    def levels(self) -> int:
        """Resolution levels of the vision networks."""
        return self.config.vision.levels

    def forward(self, scripts: Sequence[Script], *, codes: bool | Mapping[str, Tensor] = False) -> Losses:
        """Eq. 2 over conversations, with the true programs and feedback fed in (teacher forcing).

        The steps of all conversations advance together; vision networks run study by study. Where none
        has voxels, all steps are one.

        Args:
            scripts: from :meth:`Scribe.write`; data on any device.
            codes: also compare φ with the scaffold's (:mod:`sagittal.models.voxelprompt.scaffold`), or with
                those of a table, name → (phi_channels,).

        Raises:
            GeometryError: a target mask does not fit the grid of the volume that it is drawn on.
        """
        if not any(script.seen for script in scripts):
            scripts = [script.joined() for script in scripts]
        context = GrowingContext(self.language)
        studies = [_Study(self, script) for script in scripts]
        sums = torch.zeros(len(scripts), device=self.device)
        counts, wrong = torch.zeros_like(sums), torch.zeros_like(sums)
        for number in range(max(len(script.chunks) for script in scripts)):
            chunks = [s.chunks[number] if number < len(s.chunks) else None for s in scripts]
            ids, real, targets = _padded(chunks, self.device)
            vectors = [study.vectors(chunk) for study, chunk in zip(studies, chunks, strict=True)]
            states = context.append_embeddings(self._with_vectors(ids, chunks, vectors), real)
            row, place = (targets != NO_TARGET).nonzero(as_tuple=True)
            if len(row):
                # A state predicts the token at the position that follows it.
                loss, missed = token_losses(context.logits(states[row, place - 1]), targets[row, place])
                sums = sums.index_add(0, row, loss)
                wrong = wrong.index_add(0, row, missed)
                counts = counts.index_add(0, row, torch.ones_like(loss))
            for study, chunk, own in zip(studies, chunks, states, strict=True):
                if chunk is not None:
                    study.run(chunk, own, codes=codes)
        text = sums / counts.clamp(min=1)
        return self._losses(text, wrong == 0, studies)

    def _losses(self, text: Tensor, exact: Tensor, studies: Sequence[_Study]) -> Losses:
        total = text.sum()
        results = []
        for number, study in enumerate(studies):
            for mask, (logits, target) in study.drawn.items():
                dice = soft_dice_loss(logits, target)
                total = total + self.config.image_weight * dice
                if self.config.voxel_weight:
                    total = total + self.config.voxel_weight * voxel_cross_entropy(logits, target)
                results.append(MaskResult(number, mask, logits, dice))
        error = torch.stack([study.code_error for study in studies]).sum()
        count = sum(study.code_count for study in studies)
        return Losses(total / len(studies), text, exact, tuple(results), error / max(1, count))

    def _with_vectors(
        self, ids: Tensor, chunks: Sequence[Chunk | None], vectors: Sequence[Tensor | None]
    ) -> Tensor:
        embedded = self.embed(ids)
        places = [(row, place) for row, c in enumerate(chunks) if c is not None for place in c.reads]
        given = [v for v in vectors if v is not None]
        if not places:
            return embedded
        rows, columns = (torch.tensor(v, device=self.device) for v in zip(*places, strict=True))
        return embedded.index_put((rows, columns), torch.cat(given).to(embedded.dtype))


class _Study:
    """What the vision networks have made of one conversation so far."""

    def __init__(self, model: VoxelPrompt, script: Script) -> None:
        self.model, self.script = model, script
        self.scans = script.conversation.scans
        self.seen = script.seen
        self.code_error, self.code_count = torch.zeros((), device=model.device), 0
        self.encodings: dict[int, Encoding] = {}
        self.prepared: dict[int, Prepared] = {}
        self.drawn: dict[int, tuple[Tensor, Tensor]] = {}  # target's number → logits, target

    def vectors(self, chunk: Chunk | None) -> Tensor | None:
        """(reads, d): the read encodings that a chunk takes in."""
        if chunk is None or not chunk.reads:
            return None
        if not self.seen:
            width = self.model.config.language.width
            return torch.zeros(len(chunk.reads), width, device=self.model.device)
        return torch.stack([self.encodings[f].read[0, stream].float() for f, stream in chunk.reads.values()])

    def run(self, chunk: Chunk, states: Tensor, *, codes: bool | Mapping[str, Tensor]) -> None:
        """Carry out a chunk's calls of vision networks. ``states``: (positions, d)."""
        if codes is not False:
            table = None if codes is True else codes
            due = slots(self.script, chunk, self.model.config.vision.phi_channels, table)
            error, count = code_error(self.model.to_phi, states, due)
            self.code_error, self.code_count = self.code_error + error, self.code_count + count
        if not self.seen:
            return
        wanted: dict[int, list[PlacedCall]] = {}
        for placed in chunk.calls:
            if placed.call.function == "encode":
                self._encode(placed, states)
            elif placed.mask is not None and self._target(placed.mask) is not None:
                wanted.setdefault(placed.call.features, []).append(placed)
        # Masks of the same features are drawn together.
        for features, calls in wanted.items():
            self._segment(features, calls, states)

    def _target(self, mask: int) -> Tensor | None:
        return self.script.conversation.masks[mask]

    def _encode(self, placed: PlacedCall, states: Tensor) -> None:
        scans = [self.scans[stream] for stream in self.script.streams[placed.call.features]]
        grids = StreamGrids.of([scan.geometry for scan in scans], self.model.levels)
        data = [s.data.to(self.model.device)[None] for s in scans if s.data is not None]
        encoding = self.model.encode(data, grids, states[list(placed.phi)][None])
        self.encodings[placed.call.features] = encoding

    def _segment(self, features: int, calls: Sequence[PlacedCall], states: Tensor) -> None:
        if features not in self.prepared:
            self.prepared[features] = self.model.generator.prepare(self.encodings[features])
        phi = torch.stack([states[list(placed.phi)] for placed in calls])[None]
        for placed, logits in zip(calls, self.model.segment(self.prepared[features], phi)[0], strict=True):
            assert placed.mask is not None
            target = self._target(placed.mask)
            assert target is not None
            if target.shape != logits.shape:
                raise GeometryError(
                    "A target does not fit the volume that its mask is drawn on.",
                    expected=tuple(logits.shape),
                    got=tuple(target.shape),
                )
            self.drawn[placed.mask] = (logits, target.to(logits.device))


def _llama(config: LanguageConfig) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=config.vocabulary,
        hidden_size=config.width,
        intermediate_size=config.feed_forward,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        num_key_value_heads=config.heads,
        max_position_embeddings=config.positions,
        tie_word_embeddings=config.tied,
        # Token ids of our own tokenizer differ; the decoder needs none of these.
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
    )


def _padded(chunks: Sequence[Chunk | None], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """(batch, n) ids, real tokens and targets of the chunks of one step, padded on the right."""
    rows: list[Chunk] = [chunk or Chunk() for chunk in chunks]
    shape = (len(rows), max(len(row.ids) for row in rows))
    ids = torch.zeros(shape, dtype=torch.long)
    targets = torch.full(shape, NO_TARGET, dtype=torch.long)
    real = torch.zeros(shape, dtype=torch.bool)
    for n, row in enumerate(rows):
        length = len(row.ids)
        ids[n, :length] = torch.tensor(row.ids, dtype=torch.long)
        targets[n, :length] = torch.tensor(row.targets, dtype=torch.long)
        real[n, :length] = True
    return ids.to(device), real.to(device), targets.to(device)


def parameter_counts(model: VoxelPrompt) -> Mapping[str, int]:
    """Trainable numbers by part; a matrix that two layers share counts once."""
    parts = {"language": model.language, "phi": model.to_phi, "encoder": model.encoder}
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    counts["generator"] = sum(p.numel() for p in model.generator.parameters())
    counts["total"] = sum(p.numel() for p in model.parameters())
    return counts
