"""Our promptable network as a specialist: lesions and anatomy of the brain, drawn by name (VoxelPrompt)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sagittal.errors import InputError
from sagittal.models.voxelprompt import load_voxelprompt
from sagittal.models.voxelprompt.eyes import CodebookEyes
from sagittal.runtime import runtime
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.merging import merged
from sagittal.study import Mask, Study
from sagittal.weights import find_checkpoint


class EyesSettings(BaseModel):
    """``settings`` of a card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(default="voxelprompt-small", description="checkpoint, by name or folder")
    needs: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="structure → kinds of image, one of which must be given"
    )


class _Eyes:
    def __init__(
        self, eyes: CodebookEyes, masks: Mapping[str, tuple[str, ...]], needs: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._eyes, self._masks, self._needs = eyes, masks, needs

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond its card."""
        return None

    def run(self, study: Study, argument: str) -> Mask:
        """A label map on the first image's grid; where two structures overlap, the later one counts.

        Raises:
            InputError: no image shows one of the structures, or one cannot be prepared.
        """
        kinds = {image.kind for image in study.images}
        for name in self._masks[argument]:
            needed = self._needs.get(name, ())
            if needed and not kinds & set(needed):
                raise InputError(
                    f"No image shows the {name}.", expected=" or ".join(needed), got=", ".join(sorted(kinds))
                )
        return merged(self._eyes(study.images, self._masks[argument]), study.images[0])


def open_eyes(card: SpecialistCard, folder: Path) -> _Eyes:
    """The eyes of a VoxelPrompt checkpoint.

    Raises:
        InputError: there is no such checkpoint; other errors as for a damaged one.
    """
    settings = EyesSettings.model_validate(card.settings)
    chosen = runtime()
    model, _, _ = load_voxelprompt(find_checkpoint(settings.model))
    model = model.to(chosen.device).eval()
    eyes = CodebookEyes(model.encoder, model.generator, model.config, runtime=chosen)
    return _Eyes(eyes, card.masks, settings.needs)
