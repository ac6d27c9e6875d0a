"""VoxelPrompt at run time: the planner that writes programs, and the toolbox that its φ modulates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sagittal.agent.loop import Feedback
from sagittal.agent.toolbox import CallSite, Features, Reading
from sagittal.errors import ConfigError, InputError
from sagittal.language.tokenizer import EOS, MOD, PHI, Tokenizer
from sagittal.models.decoding import GrowingContext
from sagittal.models.voxelprompt.conversation import Scribe
from sagittal.models.voxelprompt.doubt import doubted, first_line, likelihood
from sagittal.models.voxelprompt.marks import marks_by_call
from sagittal.models.voxelprompt.model import VoxelPrompt
from sagittal.models.voxelprompt.naming import KnownImages
from sagittal.models.voxelprompt.preparation import PreparedVolume, prepare
from sagittal.models.voxelprompt.words import acquisition_words, encoded_words
from sagittal.nn.grids import StreamGrids
from sagittal.nn.stream_unet import Prepared
from sagittal.runtime import Runtime, autocast, one_thread
from sagittal.study import Image, Mask

#: Tokens of one program at most: the longest of the core's programs has about half of them.
PROGRAM_TOKENS = 512


class VoxelPromptPlanner:
    """Writes the next program with one growing cache; keeps the states that give φ to the toolbox.

    Args:
        model: the networks.
        tokenizer: the one that the model was trained with.
        question: the prompt.
        volumes: variable → image, as :func:`sagittal.agent.loop.converse` gets them.
        program_tokens: of one program at most, marks included.

    Attributes:
        states: call index of the current program → (marks, d), the states that follow its ``<MOD>``.
        generated: tokens of each program so far, marks and end included.
        likelihood: of what was understood, the first program's first line, by the model's own account; for
            models that ask back (``doubt`` of the config).

    Raises:
        ConfigError: the tokenizer has more tokens than the model.
    """

    def __init__(
        self,
        model: VoxelPrompt,
        tokenizer: Tokenizer,
        question: str,
        volumes: Mapping[str, Image],
        *,
        program_tokens: int = PROGRAM_TOKENS,
    ) -> None:
        if tokenizer.size > model.config.language.vocabulary:
            raise ConfigError(
                "The tokenizer does not belong to this model.",
                expected=f"at most {model.config.language.vocabulary} tokens",
                got=tokenizer.size,
            )
        self.model, self.tokenizer, self.program_tokens = model, tokenizer, program_tokens
        self.scribe = Scribe(tokenizer)
        self.context = GrowingContext(model.language)
        self.states: dict[int, Tensor] = {}
        self.generated: list[int] = []
        self.likelihood: float | None = None
        self._images = KnownImages(tokenizer, volumes)
        self._opening = self.scribe.opening(question, list(acquisition_words(volumes).values()))

    @torch.no_grad()
    def next_program(self, feedback: Feedback | None) -> str | None:
        """Take in what came of the last program and write the next one, without its marks.

        Returns:
            ``None`` where the conversation has grown as long as the model can follow.
        """
        ids, places, vectors = self._heard(feedback)
        room = self.model.config.language.positions - self._length() - len(ids)
        if room < 2:
            return None
        with one_thread():
            embedded = self.model.embed(torch.tensor([ids], device=self.model.device))
            if vectors is not None:
                embedded[0, places] = vectors.to(embedded.dtype)
            self.context.append_embeddings(embedded)
            may_doubt = feedback is None and self.model.config.doubt > 0
            before = self.context.fork() if may_doubt else None
            text, opening = self._write(min(room, self.program_tokens))
            if before is None:
                return text
            line = first_line(self.tokenizer, opening)
            self.likelihood = float(likelihood(self.model, before, [line]))
            return text if self.likelihood >= self.model.config.doubt else self._asked_back(text)

    def _asked_back(self, program: str) -> str:
        instead = doubted(program)
        if instead is None:
            return program
        self.states = {}
        return instead

    def _length(self) -> int:
        return int(self.context.lengths[0]) if self.context.computed else 0

    def _heard(self, feedback: Feedback | None) -> tuple[list[int], list[int], Tensor | None]:
        """Tokens that come in, the places of vectors among them, and the vectors."""
        if feedback is None:
            return self._opening, [], None
        read = [r.payload for r in feedback.readings if r.payload is not None]
        vectors = torch.cat(read) if read else None
        return *self.scribe.feedback(feedback.text, 0 if vectors is None else len(vectors)), vectors

    def _write(self, budget: int) -> tuple[str, list[int]]:
        """Generate to the end of a program, and its tokens to the first mark; states after marks are kept."""
        mod, end = self.tokenizer.special(MOD), self.tokenizer.special(EOS)
        slot = self.model.embed(torch.tensor([[self.tokenizer.special(PHI)]], device=self.model.device))
        text, marks, states, used = "", [], [], 0
        opening: list[int] = []
        while used < budget:
            self._images.text = text
            [tokens] = self.context.generate(
                max_tokens=budget - used, stop={mod, end}, constraint=self._images
            )
            opening = opening or tokens
            used += len(tokens)
            last = tokens[-1]
            text += self.tokenizer.decode(tokens[:-1] if last in (mod, end) else tokens)
            if last != mod or used == budget:
                break
            marks.append(len(text))
            states.append(self.context.append_embeddings(slot)[0, 0])
            used += 1
        self._images.ended(text)
        self.generated.append(used)
        calls = marks_by_call(text, marks)
        self.states = {call: torch.stack([states[n] for n in numbers]) for call, numbers in calls.items()}
        return text, opening


@dataclass(frozen=True, eq=False)
class Encoded:
    """Encoded volumes, as the toolbox keeps them.

    Attributes:
        prepared: what the generator needs.
        read: (streams, d): ε°, one vector a volume.
        volumes: the volumes, prepared; masks are drawn on the grid of the first.
    """

    prepared: Prepared
    read: Tensor
    volumes: tuple[PreparedVolume, ...]


class VoxelPromptToolbox:
    """The model's eyes: :class:`sagittal.agent.toolbox.Toolbox` with φ from the planner's states.

    Args:
        planner: who writes the programs.
        runtime: device and precision; on the CPU in single precision when ``None``.
    """

    def __init__(self, planner: VoxelPromptPlanner, runtime: Runtime | None = None) -> None:
        self.planner, self.model = planner, planner.model
        self.runtime = runtime

    @torch.no_grad()
    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        """Encode one or more volumes together.

        Raises:
            InputError: the program did not mark each volume, or a volume cannot be prepared.
        """
        states = self._states(site, len(volumes), "encode")
        prepared = prepare(volumes, self.model.config.preparation)
        grids = StreamGrids.of([p.frame.grid for p in prepared], self.model.levels)
        data = [torch.from_numpy(p.data).to(self.model.device)[None] for p in prepared]
        with self._precision():
            encoding = self.model.encode(data, grids, states[None])
            ready = self.model.generator.prepare(encoding)
        size = sum(x.nbytes for level in ready.skips for x in level)
        kinds = [volume.kind for volume in volumes]
        return Features(", ".join(kinds), Encoded(ready, encoding.read[0].float(), tuple(prepared)), size)

    def read(self, features: Features, site: CallSite) -> Reading:
        """One vector for each encoded volume."""
        encoded: Encoded = features.payload
        return Reading(encoded_words(len(encoded.volumes)), encoded.read)

    @torch.no_grad()
    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        """The mask of one structure on the grid of the first encoded volume.

        Raises:
            InputError: the program did not mark each volume.
        """
        encoded: Encoded = features.payload
        states = self._states(site, len(encoded.volumes), "segment")
        with self._precision():
            logits = self.model.segment(encoded.prepared, states[None, None])[0, 0]
        first = encoded.volumes[0]
        return first.frame.restore(
            logits, structure, name=f"{structure} by VoxelPrompt", session=first.image.session
        )

    def _states(self, site: CallSite, volumes: int, function: str) -> Tensor:
        states = self.planner.states.get(site.index)
        given = 0 if states is None else len(states)
        if states is None or given != volumes:
            raise InputError(f"{function} needs one {MOD} a volume.", expected=volumes, got=given)
        return states

    def _precision(self) -> torch.autocast:
        return autocast(self.model.device, wanted=self.runtime is not None)


def open_session(
    model: VoxelPrompt,
    tokenizer: Tokenizer,
    question: str,
    volumes: Mapping[str, Image],
    *,
    runtime: Runtime | None = None,
) -> tuple[VoxelPromptPlanner, VoxelPromptToolbox]:
    """Planner and toolbox of one conversation.

    Args:
        model: in evaluation mode, on ``runtime.device``.
        tokenizer: the one that the model was trained with.
        question: the prompt.
        volumes: variable → image, the same as for :func:`sagittal.agent.loop.converse`.
        runtime: device and precision of the vision networks; single precision when ``None``.
    """
    planner = VoxelPromptPlanner(model, tokenizer, question, volumes)
    return planner, VoxelPromptToolbox(planner, runtime)
