"""Losses of the vision networks: all structures at once while they learn to see, then one a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.builders.voxel.structures import structure_table
from sagittal.models.voxelprompt.codebook import image_codes, structure_inputs
from sagittal.models.voxelprompt.losses import soft_dice_loss
from sagittal.nn.phi import PhiMixing
from sagittal.nn.spacing import SpacingPlan
from sagittal.nn.stream_unet import StreamUNetConfig, VolumeEncoder, VolumeGenerator
from sagittal.nn.voxels import to_voxels
from sagittal.train.patches import Patch
from sagittal.train.vision_set import leaves, pathologies

#: The generator's φ while it draws everything at once.
EVERYTHING = "everything"
#: What has a φ of its own.
NAMES = (EVERYTHING, *(s.name for s in structure_table().known()))
# Codes are kept divided by this, so that they learn as much faster.
_PACE = 10.0


class Eyes(nn.Module):
    """Encoder and generator with a table of φ, and heads that serve training alone.

    A prompt's mask teaches one bit a voxel, all structures at once teach dozens for the same convolutions:
    the networks learn to see first, and then to draw what φ asks for. The table begins with the fixed codes
    and is learnt, too: codes that are alike by chance move apart.

    Args:
        config: of both arms.
        width: d of the language model.
    """

    def __init__(self, config: StreamUNetConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.codes = nn.Parameter(structure_inputs(NAMES, config.phi_channels) / _PACE)
        self.encoder = VolumeEncoder(config, width)
        self.generator = VolumeGenerator(config)
        self.all_heads = nn.Linear(config.channels[0], len(leaves()) + len(pathologies()))
        self.deep_heads = nn.ModuleList(nn.Linear(channels, 1) for channels in config.channels[1:])

    def phi(self, names: Sequence[str]) -> Tensor:
        """(names, phi_channels): φ of structures."""
        return functional.silu(self.before_silu(names))

    def before_silu(self, names: Sequence[str]) -> Tensor:
        """(names, phi_channels): what the language model's states are projected to."""
        return _PACE * self.codes[[NAMES.index(name) for name in names]]

    def begin_prompts(self) -> None:
        """From drawing everything to drawing what φ asks for, without losing what was learnt.

        At first every φ gives, nearly, the features that the map of everything was read from.
        """
        [code] = self.phi([EVERYTHING]).detach()
        for module in self.generator.modules():
            if isinstance(module, PhiMixing):
                module.absorb(code)

    def everything(self, patch: Patch) -> tuple[Tensor, Tensor]:
        """(leaves, X, Y, Z) and (pathologies, X, Y, Z) logits."""
        for x in self._ascend(patch, (EVERYTHING,)):
            finest = x
        return self.read_off(finest[0])

    def masks(self, patch: Patch) -> Tensor:
        """(asked, X, Y, Z) logits of the structures that the patch asks for."""
        for x in self._ascend(patch, patch.asked):
            finest = x
        return self._draw(patch, finest)

    def pyramid(self, patch: Patch, counts: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Masks at every level, and the finest features of the first prompt.

        Args:
            patch: what is asked of.
            counts: per level, finest first: of how many structures.

        Returns:
            Per level, finest first, (count, X, Y, Z) logits; (C, X, Y, Z), for :meth:`read_off`.
        """
        features = list(self._ascend(patch, patch.asked, counts))[::-1]
        coarse = [
            head(to_voxels(x)).squeeze(-1).unflatten(1, x.shape[2:]).float()
            for head, x in zip(self.deep_heads, features[1:], strict=True)
        ]
        return [self._draw(patch, features[0]), *coarse], features[0][0]

    def _ascend(
        self, patch: Patch, names: Sequence[str], counts: Sequence[int] | None = None
    ) -> Iterator[Tensor]:
        """Deepest level first, (names, C, X, Y, Z) of the first image."""
        kinds = image_codes(patch.kinds, self.config.phi_channels)[None]
        prepared = self.generator.prepare(self.encoder(patch.volumes, patch.grids, kinds))
        phi = self.phi(names)[None, :, None].expand(1, -1, len(patch.kinds), -1)
        deepest = self.config.levels - 1
        for n, x in enumerate(self.generator.ascend(prepared, phi, [0], counts)):
            # Only the first image is wanted at the finest level; deeper ones have them all.
            yield x[0] if n == deepest else x[0].unflatten(0, (-1, len(patch.grids.groups[0])))[:, 0]

    def read_off(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Everything, off the features of one prompt: logits of leaves, and of pathologies."""
        logits = self.all_heads(to_voxels(features[None])[0]).T.unflatten(1, features.shape[1:]).float()
        return logits[: len(leaves())], logits[len(leaves()) :]

    def _draw(self, patch: Patch, features: Tensor) -> Tensor:
        logits: Tensor = self.generator.head(features, patch.grids.plans[0].levels[0].flat_axis)
        return logits[:, 0].float()


def everything_loss(eyes: Eyes, patch: Patch) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice over leaves, and over each pathology that is settled."""
    return _everything(*eyes.everything(patch), patch)


def pyramid_loss(
    eyes: Eyes, patch: Patch, counts: Sequence[int], everything: float = 0.0
) -> dict[str, Tensor]:
    """Masks of some structures, at all levels.

    Where a structure lies is decided at the deep levels; asked for many at a time there, they learn soon
    what each φ means, and the finest level costs most. A coarse voxel's target is the share of it that the
    structure fills.

    Args:
        eyes: the networks.
        patch: asks for at least as many structures as any level draws.
        counts: structures at each level, finest first; the last holds for all deeper ones.
        everything: weight of :func:`everything_loss`, which keeps features rich; it costs as much as a mask.
    """
    levels = eyes.config.levels
    at_levels = [len(patch.asked[: counts[min(n, len(counts) - 1)]]) for n in range(levels)]
    masks, features = eyes.pyramid(patch, at_levels)
    whole = patch.targets.float()
    own = []
    for n, logits in enumerate(masks):
        target = whole[: len(logits)]
        own.append(_binary(logits, _shares(target, patch.grids.plans[0], n) if n else target))
    terms = {f"mask{n}": loss for n, loss in enumerate(own)}
    total = torch.stack(own).sum()
    if everything:
        more = _everything(*eyes.read_off(features), patch)
        terms, total = {**more, **terms}, total + everything * more["loss"]
    return {**terms, "loss": total}


def _shares(whole: Tensor, plan: SpacingPlan, level: int) -> Tensor:
    """(K, X, Y, Z) at a coarser level: means over the voxels that each coarse voxel covers."""
    x = whole[None]
    for step in plan.levels[:level]:
        window = [int(f) for f in step.factors]
        x = functional.avg_pool3d(x, window, window, ceil_mode=True, count_include_pad=False)
    return x[0]


def _everything(leaf: Tensor, lesion: Tensor, patch: Patch) -> dict[str, Tensor]:
    cross = functional.cross_entropy(leaf[None], patch.leaf[None])
    dice = _leaf_dice(leaf.softmax(dim=0), patch.leaf)
    terms = {"cross": cross, "dice": dice, "loss": cross + dice}
    if patch.settled.any():
        logits, target = lesion[patch.settled], patch.lesions[patch.settled].float()
        own = _binary(logits, target)
        terms |= {"lesion": own, "loss": terms["loss"] + own}
    return terms


def _leaf_dice(shares: Tensor, leaf: Tensor) -> Tensor:
    """1 − mean Dice of the leaves that the patch shows; computed by counting, no one-hot array is made."""
    flat, index = shares.flatten(1), leaf.flatten()
    classes = len(shares)
    at = flat.gather(0, index[None])[0]
    overlap = flat.new_zeros(classes).index_add(0, index, at)
    sizes = torch.bincount(index, minlength=classes)
    dice = (2 * overlap + 1) / (flat.sum(dim=1) + sizes + 1)
    return 1 - dice[sizes > 0].mean()


def _binary(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over masks of cross-entropy + soft Dice; an empty mask has no overlap to seek."""
    cross = functional.binary_cross_entropy_with_logits(logits, target)
    shown = [n for n in range(len(target)) if bool(target[n].any())]
    dice = [soft_dice_loss(logits[n], target[n]) for n in shown]
    return cross + (torch.stack(dice).sum() / len(target) if dice else 0.0)
