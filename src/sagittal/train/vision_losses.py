"""Losses of the vision networks: all structures at once while they learn to see, then one a prompt."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.losses import soft_dice_loss
from sagittal.nn.phi import PhiMixing
from sagittal.nn.stream_unet import Encoding, StreamUNetConfig, VolumeEncoder, VolumeGenerator
from sagittal.nn.voxels import to_voxels
from sagittal.train.patches import Patch
from sagittal.train.vision_set import leaves, pathologies

#: The generator's φ while it draws everything at once.
EVERYTHING = "everything"


class Eyes(nn.Module):
    """Encoder and generator with fixed φ, and a head for all structures at once.

    A prompt's mask teaches one bit a voxel, all structures at once teach dozens for the same convolutions:
    the networks learn to see first, and then to draw what φ asks for.

    Args:
        config: of both arms.
        width: d of the language model.
    """

    def __init__(self, config: StreamUNetConfig, width: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = VolumeEncoder(config, width)
        self.generator = VolumeGenerator(config)
        self.all_heads = nn.Linear(config.channels[0], len(leaves()) + len(pathologies()))

    def begin_prompts(self) -> None:
        """From drawing everything to drawing what φ asks for, without losing what was learnt.

        At first every φ gives, nearly, the features that the map of everything was read from.
        """
        [code] = structure_codes([EVERYTHING], self.config.phi_channels)
        for module in self.generator.modules():
            if isinstance(module, PhiMixing):
                module.absorb(code)

    def everything(self, patch: Patch) -> tuple[Tensor, Tensor]:
        """(leaves, X, Y, Z) and (pathologies, X, Y, Z) logits."""
        prepared = self.generator.prepare(self.encode(patch))
        [x] = self.generator.features(prepared, self._phi([EVERYTHING], patch), [0])
        logits = self.all_heads(to_voxels(x)[0]).T.unflatten(1, x.shape[2:]).float()
        return logits[: len(leaves())], logits[len(leaves()) :]

    def encode(self, patch: Patch) -> Encoding:
        """Encode a patch, with the codes of its kinds of image."""
        phi = image_codes(patch.kinds, self.config.phi_channels)[None]
        encoding: Encoding = self.encoder(patch.volumes, patch.grids, phi)
        return encoding

    def masks(self, patch: Patch) -> Tensor:
        """(asked, X, Y, Z) logits of the structures that the patch asks for."""
        prepared = self.generator.prepare(self.encode(patch))
        logits: Tensor = self.generator(prepared, self._phi(patch.asked, patch), [0])[0][0]
        return logits.float()

    def _phi(self, names: list[str] | tuple[str, ...], patch: Patch) -> Tensor:
        codes = structure_codes(list(names), self.config.phi_channels)
        return codes[None, :, None].expand(1, -1, len(patch.kinds), -1)


def everything_loss(eyes: Eyes, patch: Patch) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice over leaves, and over each pathology that is settled."""
    leaf, lesion = eyes.everything(patch)
    cross = functional.cross_entropy(leaf[None], patch.leaf[None])
    dice = _leaf_dice(leaf.softmax(dim=0), patch.leaf)
    terms = {"cross": cross, "dice": dice, "loss": cross + dice}
    if patch.settled.any():
        logits, target = lesion[patch.settled], patch.lesions[patch.settled].float()
        own = _binary(logits, target)
        terms |= {"lesion": own, "loss": terms["loss"] + own}
    return terms


def prompt_loss(eyes: Eyes, patch: Patch) -> dict[str, Tensor]:
    """Cross-entropy and soft Dice of the masks that are asked for."""
    own = _binary(eyes.masks(patch), patch.targets.float())
    return {"mask": own, "loss": own}


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
