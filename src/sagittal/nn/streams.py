"""Streams of one study interact voxel by voxel (VoxelPrompt, Eq. 1).

At one place, the features of S streams are stacked to A' ∈ ℝ^{S×c}, and

    B = f(softmax(Q Kᵀ b^{-1/2}) V) + A',    Q, K, V = A' W_Q, A' W_K, A' W_V ∈ ℝ^{S×b},

with f fully connected to ℝ^{S×c} (in the paper's Eq. 1, A is read as A'). No stream comes first: a
permutation of the streams permutes the result.

Two products of small matrices are folded before they meet the voxels: W_Q W_Kᵀ / √b and W_V W_f are c×c,
so that each voxel costs two c×c products whatever b is, and no b-wide array is ever held.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.geometry import Geometry
from sagittal.nn.attend import Attend
from sagittal.nn.grids import Group
from sagittal.nn.voxels import from_voxels, to_voxels
from sagittal.nn.world import WorldSampler

# Elements of the largest intermediate array of a block of voxels: small enough for a core's cache on a
# CPU, large enough to fill a GPU. Chosen by benchmarks/vision_blocks.py.
_BLOCK_CPU = 1 << 20
_BLOCK_GPU = 1 << 26


class StreamInteraction(nn.Module):
    """Eq. 1 over any number of streams, on one grid or several.

    Args:
        channels: channels c of the features.
        attention: dimension b of the attention (32 in the paper).
    """

    def __init__(self, channels: int, attention: int = 32) -> None:
        super().__init__()
        self.attention = attention
        self.query = nn.Linear(channels, attention, bias=False)
        self.key = nn.Linear(channels, attention, bias=False)
        self.value = nn.Linear(channels, attention, bias=False)
        self.out = nn.Linear(attention, channels)

    def forward(
        self,
        groups: Sequence[Tensor],
        grids: Sequence[Geometry],
        items: int = 1,
        answer: Sequence[Group] | None = None,
    ) -> list[Tensor]:
        """Let the streams of each item attend to each other at every voxel.

        Streams on one grid attend directly. Those of another grid are sampled at this grid's voxel centres
        in world space, trilinearly; where another stream's field of view does not reach, it is left out.

        Args:
            groups: per grid, (items·S_g, c, X, Y, Z): features of its S_g streams, item by item.
            grids: the grid of each group.
            items: independent items (studies of a batch, prompts) that must not see each other.
            answer: per group, the streams whose result is wanted; all of them when ``None``.

        Returns:
            Per group, (items·A_g, c, X, Y, Z) with A_g streams wanted.
        """
        voxels = [to_voxels(x).unflatten(0, (items, -1)) for x in groups]
        wanted = answer or [tuple(range(v.shape[1])) for v in voxels]
        results = []
        for g, (x, own) in enumerate(zip(groups, voxels, strict=True)):
            streams = list(wanted[g])
            if not streams:
                results.append(x.new_empty((0, *x.shape[1:])))
                continue
            samplers = {h: WorldSampler(grids[h], grids[g], x.device) for h in range(len(voxels)) if h != g}
            mixed = self._interact(own, streams, [(voxels[h], s) for h, s in samplers.items()])
            results.append(from_voxels(mixed.flatten(0, 1), x))
        return results

    def _interact(self, own: Tensor, streams: list[int], others: list[tuple[Tensor, WorldSampler]]) -> Tensor:
        # (items, S, voxels, c) → (items, A, voxels, c)
        with torch.autocast(own.device.type, enabled=False):
            to_value = self.out.weight.float() @ self.value.weight.float()
            if own.shape[1] == 1 and not others:
                # softmax over one stream is 1: Eq. 1 is one linear layer, B = A' (I + W_V W_f) + bias.
                whole = to_value + torch.eye(len(to_value), device=own.device)
                return functional.linear(own, whole.to(own.dtype), self.out.bias.to(own.dtype))
            to_key = (
                self.query.weight.float().transpose(-1, -2) @ self.key.weight.float() * self.attention**-0.5
            )
            return self._blocks(own, streams, others, to_key, to_value)

    def _blocks(
        self,
        own: Tensor,
        streams: list[int],
        others: list[tuple[Tensor, WorldSampler]],
        to_key: Tensor,
        to_value: Tensor,
    ) -> Tensor:
        """Eq. 1 block by block of voxels, so that intermediate arrays stay small."""
        items, count, voxels, channels = own.shape
        total = count + sum(v.shape[1] for v, _ in others)
        limit = _BLOCK_CPU if own.device.type == "cpu" else _BLOCK_GPU
        size = max(1, limit // (items * len(streams) * total * channels))
        done: list[Tensor] = []
        # Blocks are written straight into one result where no gradient needs them apart.
        whole = None if torch.is_grad_enabled() else own.new_empty(items, len(streams), voxels, channels)
        start = 0
        # Split, not sliced in a loop: the backward pass of a slice is as large as the whole.
        for stacked in own.split(size, dim=2):
            stop = start + stacked.shape[2]
            sampled = [sampler(v, start, stop) for v, sampler in others]
            if sampled:
                stacked = torch.cat([stacked.float(), *(v for v, _ in sampled)], dim=1)
            result = Attend.apply(
                stacked, streams, _seen(count, sampled), to_key, to_value, self.out.bias.float()
            )
            if whole is None:
                done.append(result.to(own.dtype))
            else:
                whole[:, :, start:stop] = result
            start = stop
        return torch.cat(done, dim=2) if whole is None else whole


def _seen(own: int, sampled: list[tuple[Tensor, Tensor]]) -> Tensor | None:
    """(T, n): which streams reach which voxel; a grid's own streams reach all of it."""
    if not sampled:
        return None
    reach = [inside.expand(values.shape[1], -1) for values, inside in sampled]
    return torch.cat([torch.ones_like(reach[0][:1]).expand(own, -1), *reach])
