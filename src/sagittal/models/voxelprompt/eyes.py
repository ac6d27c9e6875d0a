"""The vision half alone, with a table of φ in place of the language model's states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sagittal.errors import ConfigError, InputError
from sagittal.models.voxelprompt.codebook import image_codes, structure_codes
from sagittal.models.voxelprompt.config import VoxelPromptConfig
from sagittal.models.voxelprompt.preparation import prepare
from sagittal.nn.grids import StreamGrids
from sagittal.nn.stream_unet import VolumeEncoder, VolumeGenerator
from sagittal.runtime import autocast
from sagittal.study import Image, Mask

if TYPE_CHECKING:
    from sagittal.runtime import Runtime


class CodebookEyes:
    """Draws structures by name: a vision function (:mod:`sagittal.score.segmentation`).

    Args:
        encoder, generator: in evaluation mode, on one device.
        config: theirs.
        codes: structure → (phi_channels,) φ; the fixed ones of :mod:`codebook` when ``None``.
        runtime: precision; single precision when ``None``.
        together: how many structures are drawn at once: what memory is used for.

    Raises:
        ConfigError: less than one structure at once.
    """

    def __init__(
        self,
        encoder: VolumeEncoder,
        generator: VolumeGenerator,
        config: VoxelPromptConfig,
        *,
        codes: Mapping[str, Tensor] | None = None,
        runtime: Runtime | None = None,
        together: int = 3,
    ) -> None:
        if together < 1:
            raise ConfigError("At least one structure is drawn at once.", got=together)
        self.encoder, self.generator, self.config = encoder, generator, config
        self.codes, self.runtime, self.together = codes, runtime, together

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image], structures: Sequence[str]) -> dict[str, Mask]:
        """Masks on the first image's own grid.

        Args:
            images: of one study, encoded together once.
            structures: names of the table of structures.

        Raises:
            InputError: an image cannot be prepared, or a structure has no φ.
        """
        prepared = prepare(images, self.config.preparation)
        vision = self.config.vision
        device = self.encoder.to_read.weight.device
        grids = StreamGrids.of([p.frame.grid for p in prepared], vision.levels)
        data = [torch.from_numpy(p.data).to(device)[None] for p in prepared]
        kinds = image_codes([image.kind for image in images], vision.phi_channels).to(device)
        codes = self._codes(structures).to(device)
        masks: dict[str, Mask] = {}
        with self._precision(device):
            ready = self.generator.prepare(self.encoder(data, grids, kinds[None]))
            for first in range(0, len(structures), self.together):
                names = structures[first : first + self.together]
                # Every volume of a study is asked for the same structure.
                phi = codes[first : first + self.together, None].expand(-1, len(images), -1)[None]
                logits = self.generator.agreed(ready, phi)[0]
                for name, one in zip(names, logits, strict=True):
                    masks[name] = prepared[0].frame.restore(one, name, name=name, session=images[0].session)
        return masks

    def _codes(self, structures: Sequence[str]) -> Tensor:
        if self.codes is None:
            return structure_codes(structures, self.config.vision.phi_channels)
        strange = [name for name in structures if name not in self.codes]
        if strange:
            raise InputError("A structure has no φ.", expected=", ".join(self.codes), got=", ".join(strange))
        return torch.stack([self.codes[name] for name in structures])

    def _precision(self, device: torch.device) -> torch.autocast:
        return autocast(device, wanted=self.runtime is not None)
