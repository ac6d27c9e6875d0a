"""One growing key/value cache over any decoder of transformers.

A :class:`GrowingContext` is a text that only grows: append tokens or embeddings, read their states,
generate a continuation, fork it to ask several things of one prefix. Nothing is ever computed twice: each
step runs the decoder over the new positions alone. VoxelPrompt's feedback values, mpLLM's router pass that
continues with image embeddings, and VILA-M3's triggers behind a shared prefix are all uses of it.

Rows of a batch may be padded on either side. Real tokens are known by a mask, positions are counted over
real tokens, and the last state of a row is that of its last real token: no arithmetic on offsets.

Gradients follow torch's own switch: under ``torch.no_grad()`` nothing is kept, otherwise states, and
everything appended later, can be differentiated. :meth:`GrowingContext.generate` never keeps any.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache, DynamicLayer

from sagittal.errors import ConfigError, InputError
from sagittal.models.decoders import check_decoder, check_growth

#: Given a row's index and the tokens generated so far in this call, the tokens that may follow. An empty
#: answer ends the row; ``None`` allows every token.
Constraint = Callable[[int, Sequence[int]], Collection[int] | None]


class GrowingContext:
    """A growing batch of token sequences and their cached keys and values.

    Args:
        model: a decoder of transformers with a language-model head, adapters included.

    Attributes:
        computed: positions that the decoder has run over, padding and all rows counted.

    Raises:
        ConfigError: the decoder's attention, head or settings cannot grow a cache faithfully.
    """

    def __init__(self, model: nn.Module) -> None:
        check_decoder(model)
        self._model = model
        self._decoder: Any = model.get_decoder()  # type: ignore[operator]
        # Without a config every layer keeps its whole past, sliding ones too: their mask does the sliding,
        # and a fork stays exact.
        self._cache = DynamicCache()
        self._mask: Tensor | None = None  # (batch, length) True at real tokens
        self._last: Tensor | None = None  # (batch, d) state of each row's last real token
        self.computed = 0

    # -- what it holds -----------------------------------------------------------------------

    @property
    def mask(self) -> Tensor:
        """(batch, length) True at real tokens, False at padding."""
        return self._grown(self._mask)

    @property
    def lengths(self) -> Tensor:
        """(batch,) real tokens of each row."""
        return self.mask.sum(dim=1)

    @property
    def last_state(self) -> Tensor:
        """(batch, d): the last hidden state of each row's last real token."""
        return self._grown(self._last)

    @property
    def next_logits(self) -> Tensor:
        """(batch, vocabulary): logits of the token that follows each row."""
        return self.logits(self.last_state)

    def logits(self, states: Tensor) -> Tensor:
        """Logits of states that an append returned: (…, d) → (…, vocabulary)."""
        head: Any = self._model.get_output_embeddings()  # type: ignore[operator]
        return head(states)

    # -- growing -----------------------------------------------------------------------------

    def append_tokens(self, ids: Tensor, *, pad: int | None = None) -> Tensor:
        """Append tokens and return their states.

        Args:
            ids: (batch, n) token ids.
            pad: the id that marks padding, on either side of a row; ``None`` when every token is real.

        Returns:
            (batch, n, d) last hidden states; those of padding mean nothing.

        Raises:
            InputError: a batch of another size than before, or a row that stays without a real token.
        """
        embed: Any = self._model.get_input_embeddings()  # type: ignore[operator]
        return self.append_embeddings(embed(ids), None if pad is None else ids != pad)

    def append_embeddings(self, embeddings: Tensor, mask: Tensor | None = None) -> Tensor:
        """Append vectors in place of embedded tokens and return their states.

        Args:
            embeddings: (batch, n, d).
            mask: (batch, n) True where a vector is real; all of them when ``None``.

        Returns:
            (batch, n, d) last hidden states.

        Raises:
            InputError: a batch of another size than before, or a row that stays without a real token.
        """
        real = self._real(embeddings, mask)
        before = self._mask
        past = real.new_zeros(len(real), 0) if before is None else before
        grown = torch.cat([past, real], dim=1)
        positions = (past.sum(dim=1, keepdim=True) + real.cumsum(dim=1) - 1).clamp(min=0)
        check_growth(self._model, self._cache.get_seq_length(), grown)
        states = self._decoder(
            inputs_embeds=embeddings,
            attention_mask=None if bool(grown.all()) else grown.long(),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self._mask = grown
        self._last = _last_real(states, real, self._last)
        self.computed += real.numel()
        return states

    def _real(self, embeddings: Tensor, mask: Tensor | None) -> Tensor:
        real = mask if mask is not None else embeddings.new_ones(embeddings.shape[:2], dtype=torch.bool)
        real = real.to(device=embeddings.device, dtype=torch.bool)
        known = None if self._mask is None else len(self._mask)
        fits = embeddings.ndim == 3 and real.shape == embeddings.shape[:2] and embeddings.shape[1] > 0
        if not fits or known not in (None, len(embeddings)):
            raise InputError(
                "What is appended must fit the context.",
                expected=f"(rows, n, d) and a mask (rows, n); rows: {'any' if known is None else known}",
                got=f"{tuple(embeddings.shape)} and {tuple(real.shape)}",
            )
        if self._mask is None and not bool(real.any(dim=1).all()):
            counts = real.sum(dim=1).tolist()
            raise InputError("Each row needs at least one token that is not padding.", got=counts)
        return real

    # -- branching ---------------------------------------------------------------------------

    def fork(self, rows: int | None = None) -> GrowingContext:
        """A second context with the same past; neither sees what the other appends later.

        Costs no computation and no copy: the cached tensors are shared and never written to. Keep a fork
        as a checkpoint, and go on from it to roll back.

        Args:
            rows: repeat a context of one row this many times, to ask several things side by side.

        Raises:
            InputError: ``rows`` of a context that has another number of rows than one.
        """
        if rows is not None and (rows < 1 or len(self.mask) != 1):
            raise InputError("Only a context of one row is repeated.", got=f"{len(self.mask)} rows × {rows}")
        many = rows or 1
        child = GrowingContext(self._model)
        child.computed = self.computed
        for layer in self._cache.layers:
            child._cache.layers.append(_shared(layer, many))
        if self._mask is not None and self._last is not None:
            child._mask, child._last = _repeat(self._mask, many), _repeat(self._last, many)
        return child

    # -- generating --------------------------------------------------------------------------

    @torch.no_grad()
    def generate(
        self,
        *,
        max_tokens: int,
        stop: Collection[int] = (),
        constraint: Constraint | None = None,
        temperature: float = 0.0,
        seed: int | None = None,
        watch: Callable[[int, int, Tensor], None] | None = None,
    ) -> list[list[int]]:
        """Continue every row, token by token, and keep what was generated in the context.

        Args:
            max_tokens: at most so many tokens a row.
            stop: tokens that end a row; the one that ended it is part of the result and of the context.
            constraint: which tokens may follow; see :data:`Constraint`.
            temperature: 0 takes the likeliest token; above, tokens are drawn.
            seed: of the drawing; needed when the temperature is above 0.
            watch: called with a row, its next token, and the (d,) state that predicted it.

        Returns:
            The tokens of each row. A row that ended early is padded in the context, not in the result.

        Raises:
            ConfigError: a negative temperature, or drawing without a seed.
        """
        draw = _drawing(temperature, seed, self.mask.device)
        rows: list[list[int]] = [[] for _ in range(len(self.mask))]
        open_rows = set(range(len(rows)))
        for _ in range(max_tokens):
            chosen = self._choose(rows, open_rows, constraint, temperature, draw)
            if not chosen:
                break
            for row, token in chosen.items():
                rows[row].append(token)
                if watch is not None:
                    watch(row, token, self.last_state[row])
            self._append_chosen(chosen, len(rows))
            open_rows = {row for row, token in chosen.items() if token not in stop}
            if not open_rows:
                break
        return rows

    def _choose(
        self,
        rows: list[list[int]],
        open_rows: set[int],
        constraint: Constraint | None,
        temperature: float,
        draw: torch.Generator | None,
    ) -> dict[int, int]:
        """The next token of each open row; rows whose constraint allows none are left out."""
        logits = self.next_logits.float()
        chosen = {}
        for row in sorted(open_rows):
            scores = logits[row]
            allowed = constraint(row, tuple(rows[row])) if constraint is not None else None
            if allowed is not None:
                if not allowed:
                    continue
                index = torch.tensor(sorted(allowed), device=scores.device)
                scores = torch.full_like(scores, float("-inf")).index_copy(0, index, scores[index])
            if draw is None:
                chosen[row] = int(scores.argmax())
            else:
                share = (scores / temperature).softmax(dim=0)
                chosen[row] = int(torch.multinomial(share, 1, generator=draw))
        return chosen

    def _append_chosen(self, chosen: dict[int, int], rows: int) -> None:
        """Append one token to each row in ``chosen``; the others get padding."""
        device = self.mask.device
        ids = torch.tensor([[chosen.get(row, 0)] for row in range(rows)], device=device)
        real = torch.tensor([[row in chosen] for row in range(rows)], device=device)
        embed: Any = self._model.get_input_embeddings()  # type: ignore[operator]
        self.append_embeddings(embed(ids), real)

    def _grown(self, value: Tensor | None) -> Tensor:
        if value is None:
            raise InputError("The context is empty.", remedy="append tokens or embeddings first")
        return value


class AllowedSequences:
    """A constraint: what is generated is one of the given token sequences.

    Args:
        sequences: the sequences, none of them empty.
        end: a token that follows a whole sequence. Without it a row ends by itself with its sequence,
            which is only possible when no sequence begins another.

    Raises:
        ConfigError: no sequence, an empty one, or, without ``end``, one that begins another.
    """

    def __init__(self, sequences: Sequence[Sequence[int]], *, end: int | None = None) -> None:
        self._following: dict[tuple[int, ...], set[int]] = {}
        whole = {tuple(s) for s in sequences}
        if not whole or () in whole:
            raise ConfigError("A constraint needs sequences of at least one token.", got=list(sequences))
        for sequence in whole:
            for n, token in enumerate(sequence):
                self._following.setdefault(sequence[:n], set()).add(token)
        beginnings = [s for s in whole if s in self._following]
        if end is None and beginnings:
            raise ConfigError(
                "One allowed sequence begins another, so its end cannot be told.",
                got=beginnings[0],
                remedy="name a token that ends a sequence",
            )
        if end is not None:
            for sequence in whole:
                self._following.setdefault(sequence, set()).add(end)

    def __call__(self, row: int, so_far: Sequence[int]) -> Collection[int]:
        """Tokens that may follow; none after a whole sequence."""
        return self._following.get(tuple(so_far), set())


def _drawing(temperature: float, seed: int | None, device: torch.device) -> torch.Generator | None:
    if temperature < 0 or (temperature > 0 and seed is None):
        raise ConfigError(
            "Drawing tokens needs a seed and a temperature above 0.",
            expected="temperature 0, or above 0 with a seed",
            got=f"temperature {temperature}, seed {seed}",
        )
    if temperature == 0 or seed is None:
        return None
    return torch.Generator(device=device).manual_seed(seed)


def _last_real(states: Tensor, real: Tensor, before: Tensor | None) -> Tensor:
    """State of the last real token of each row; rows that got none keep the one they had."""
    places = torch.arange(1, real.shape[1] + 1, device=real.device) * real
    last = places.argmax(dim=1)
    found = states[torch.arange(len(states), device=states.device), last]
    if before is None:
        return found
    return torch.where(real.any(dim=1, keepdim=True), found, before)


def _repeat(value: Tensor, rows: int) -> Tensor:
    return value if rows == 1 else value.expand(rows, *value.shape[1:])


def _shared(layer: Any, rows: int) -> DynamicLayer:
    """A cache layer over the same tensors: appending to a layer makes new ones and leaves these alone."""
    child = DynamicLayer()
    child.lazy_initialization(layer.keys, layer.values)
    child.keys, child.values = _repeat(layer.keys, rows), _repeat(layer.values, rows)
    return child
