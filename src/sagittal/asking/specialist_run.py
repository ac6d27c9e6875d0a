"""One specialist on one study, without a language model: what it found, in words, as mask and picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagittal.answer import RESEARCH_USE_ONLY
from sagittal.errors import InputError, StorageError
from sagittal.files import atomic_folder, write_json
from sagittal.io.nifti import write_mask
from sagittal.io.opening import open_study
from sagittal.io.raster import write_picture_mask
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.feedback import classes_text, masks_text, regions_of, shown_slice
from sagittal.specialists.pool import Call, shared_pool
from sagittal.specialists.protocol import Segmented
from sagittal.specialists.registry import specialists
from sagittal.study import Study

RESULT, MASK, OVERLAY = "result.json", "mask", "overlay.png"


@dataclass(frozen=True, eq=False)
class Told:
    """What a specialist found.

    Attributes:
        card: its card.
        argument: that was asked for.
        text: the result in words.
        call: result and cost.
    """

    card: SpecialistCard
    argument: str
    text: str
    call: Call

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        result = self.call.result
        regions, classes = [], {}
        if isinstance(result, Segmented):
            regions = [
                {"label": r.label, "colour": r.colour, "facts": list(r.facts)} for r in regions_of(result)
            ]
        else:
            positive = self.card.positive(result.probabilities)
            classes = {n: {"probability": p, "yes": positive[n]} for n, p in result.probabilities.items()}
        return {
            "schema": "sagittal.specialist-result/1", "specialist": self.card.name, "argument": self.argument,
            "text": self.text, "regions": regions, "classes": classes, "seconds": self.call.seconds,
            "memory_mb": self.call.memory_mb, "use": RESEARCH_USE_ONLY,
        }  # fmt: skip


def run_specialist(
    name: str, paths: Sequence[str], argument: str | None = None, out: str | Path | None = None
) -> Told:
    """Run a specialist.

    Args:
        name: of one that is enabled and whole.
        paths: of a study, as :func:`sagittal.io.opening.open_study` takes them.
        argument: one of its card's; its only one when ``None``.
        out: a new folder for the mask, ``overlay.png`` and ``result.json``.

    Raises:
        InputError: the specialist, the study or the argument cannot be used; the specialist gave no result.
        StorageError: the folder is there already, or cannot be written.
    """
    if out is not None and Path(out).exists():
        raise StorageError("The output folder is there already.", got=out, remedy="name another one")
    entry = specialists().runnable(name)
    card = entry.card
    if argument is None and len(card.arguments) > 1:
        raise InputError(
            f"{name} can be asked for several things.", expected=", ".join(card.arguments),
            remedy="name one with --argument",
        )  # fmt: skip
    chosen = argument or next(iter(card.arguments))
    study = open_study(paths)
    call = shared_pool().run(entry.program, study, chosen)
    told = Told(card, chosen, _text(card, chosen, call), call)
    if out is not None:
        _write(Path(out), told, study)
    return told


def _text(card: SpecialistCard, argument: str, call: Call) -> str:
    if not isinstance(call.result, Segmented):
        return classes_text(card.name, argument, card.positive(call.result.probabilities))
    plane, index = shown_slice(call.result.mask)
    shown = "" if call.result.mask.geometry.is_2d else f"{plane} slice {index}"
    return masks_text(card.name, argument, regions_of(call.result), shown)


def _write(out: Path, told: Told, study: Study) -> None:
    from sagittal.draw.montage import draw_montage

    with atomic_folder(out) as folder:
        result = told.call.result
        if isinstance(result, Segmented):
            image = next(i for i in study.images if i.name == result.image)
            geometry = result.mask.geometry
            if geometry.is_2d and not geometry.spacing_known:
                write_picture_mask(folder / f"{MASK}.png", result.mask)
            else:
                write_mask(folder / f"{MASK}.nii.gz", result.mask)
            draw_montage([image], result.mask, folder / OVERLAY, title=f"{told.card.name}({told.argument})")
        write_json(folder / RESULT, told.to_json())
