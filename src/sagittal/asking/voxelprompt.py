"""VoxelPrompt as a model that can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sagittal.agent.loop import Planner
from sagittal.agent.toolbox import Toolbox
from sagittal.errors import InputError
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import VoxelPrompt, load_voxelprompt, open_session
from sagittal.models.voxelprompt.head import find_head
from sagittal.runtime import Runtime, runtime
from sagittal.study import Image

# A head, ears and nose included, is 140 to 220 mm wide and 170 to 270 mm deep in adults, 80 mm at birth. The
# bounds are wider: noise and head holders are found with it. A trunk is wider.
_SMALLEST_MM, _WIDEST_MM, _DEEPEST_MM = 60.0, 300.0, 340.0


@dataclass(frozen=True, eq=False)
class VoxelPromptAnswerer:
    """A loaded VoxelPrompt.

    Attributes:
        model: in evaluation mode, on the runtime's device.
        tokenizer: the one that it was trained with.
        runtime: device and precision.
    """

    model: VoxelPrompt
    tokenizer: Tokenizer
    runtime: Runtime

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint onto the best device there is.

        Raises:
            IntegrityError, FileFormatError, StorageError: the checkpoint is damaged.
        """
        chosen = runtime()
        model, tokenizer, _ = load_voxelprompt(folder)
        return cls(model.to(chosen.device), tokenizer, chosen)

    def check(self, images: Sequence[Image]) -> None:
        """Refuse what is no scan of a head, as far as its size tells.

        Raises:
            InputError: it is empty, or far too small or large for a head.
        """
        for image in images:
            upright = image.reorient("RAS")
            head = find_head(upright)
            width, depth, _ = (
                (b - a) * s for a, b, s in zip(head.start, head.stop, upright.geometry.spacing, strict=True)
            )
            if width > _WIDEST_MM or depth > _DEEPEST_MM or max(width, depth) < _SMALLEST_MM:
                raise InputError(
                    "This does not look like a scan of a head: its size is wrong.",
                    expected=f"at least {_SMALLEST_MM:.0f} mm, at most {_WIDEST_MM:.0f} mm wide and "
                    f"{_DEEPEST_MM:.0f} mm from front to back",
                    got=f"{image.name}: {width:.0f} mm wide, {depth:.0f} mm from front to back",
                    remedy="give a scan of the head; if it is one, its voxel size is wrong (sagittal info)",
                )

    def session(self, question: str, volumes: Mapping[str, Image]) -> tuple[Planner, Toolbox]:
        """Planner and toolbox of one conversation."""
        return open_session(self.model, self.tokenizer, question, volumes, runtime=self.runtime)
