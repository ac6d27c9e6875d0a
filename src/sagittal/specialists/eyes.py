"""Our promptable network as a specialist: lesions and anatomy of the brain, drawn by name (VoxelPrompt).

It is asked as people ask it, in words. The vision networks alone, with the fixed φ that they began with, draw
too little: since language and vision were trained together, φ is what the language model says of the scans.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sagittal.agent.host import Host
from sagittal.agent.loop import converse
from sagittal.agent.standard import STANDARD
from sagittal.errors import InputError
from sagittal.language.tokenizer import Tokenizer
from sagittal.models.voxelprompt import VoxelPrompt, load_voxelprompt, open_session
from sagittal.runtime import Runtime, runtime
from sagittal.specialists.card import SpecialistCard
from sagittal.study import Image, Mask, Study
from sagittal.weights import find_checkpoint


class EyesSettings(BaseModel):
    """``settings`` of a card."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(default="voxelprompt-small", description="checkpoint, by name or folder")
    words: str = Field(default="Outline the {}.", description="how a structure is asked for")
    needs: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="structure → kinds of image, one of which must be given"
    )


class _Eyes:
    def __init__(
        self, model: VoxelPrompt, tokenizer: Tokenizer, settings: EyesSettings, chosen: Runtime
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._settings, self._runtime = settings, chosen

    def accepts(self, study: Study) -> str | None:
        """Nothing beyond its card."""
        return None

    def run(self, study: Study, argument: str) -> Mask:
        """The mask of a structure, on the grid of the first image that the model looked at.

        Of several images of one kind, it is shown the first.

        Raises:
            InputError: no image shows the structure, one cannot be prepared, or the model draws nothing.
        """
        volumes: dict[str, Image] = {}
        for image in study.images:
            volumes.setdefault(image.kind, image)
        self._require(argument, volumes)
        planner, toolbox = open_session(
            self._model, self._tokenizer, self._settings.words.format(argument), volumes,
            runtime=self._runtime,
        )  # fmt: skip
        outcome = converse(planner, Host(STANDARD, toolbox), volumes)
        drawn = [mask for mask in outcome.masks.values() if set(mask.labels.values()) == {argument}]
        if outcome.abstained or not drawn:
            raise InputError(
                f"The model drew no {argument}.", got=outcome.reason or outcome.text or "no mask of it"
            )
        return drawn[0]

    def _require(self, structure: str, kinds: Mapping[str, object]) -> None:
        needed = self._settings.needs.get(structure, ())
        if needed and not set(kinds) & set(needed):
            raise InputError(
                f"No image shows the {structure}.", expected=" or ".join(needed), got=", ".join(sorted(kinds))
            )


def open_eyes(card: SpecialistCard, folder: Path) -> _Eyes:
    """A VoxelPrompt checkpoint.

    Raises:
        InputError: there is no such checkpoint; other errors as for a damaged one.
    """
    settings = EyesSettings.model_validate(card.settings)
    chosen = runtime()
    model, tokenizer, _ = load_voxelprompt(find_checkpoint(settings.model))
    return _Eyes(model.to(chosen.device).eval(), tokenizer, settings, chosen)
