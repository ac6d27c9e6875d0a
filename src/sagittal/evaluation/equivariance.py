"""Does the answer depend on how a scan is stored? Flips, swapped axes, the order of the images.

The same voxels are asked about in other orders of the array and of the study; what is drawn is compared in
world space with what was drawn of the scan as it came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sagittal.asking.models import Offer
from sagittal.evaluation.asked import AskedEyes
from sagittal.score.overlap import compare
from sagittal.study import Image

#: Directions of the array's axes: every axis flipped, swapped, and both; of the 48 ways, eight.
ORIENTATIONS = ("LAS", "RPS", "RAI", "LPI", "ARS", "SAR", "PIL", "IRA")


@dataclass(frozen=True)
class Agreement:
    """One change and what it did.

    Attributes:
        change: in words.
        structure: that was asked for.
        dice: of the mask with that of the scan as it came; 1 when both are empty.
        volume_difference_ml: later minus earlier.
    """

    change: str
    structure: str
    dice: float
    volume_difference_ml: float


def agreements(offer: Offer, images: Sequence[Image], structures: Sequence[str]) -> Iterator[Agreement]:
    """Ask again of the same scan, stored otherwise.

    Args:
        offer: the model.
        images: of one study.
        structures: to ask for.

    Raises:
        InputError: the model cannot be asked about these images.
    """
    before = AskedEyes(offer)(images, structures)
    changes = {f"axes towards {codes}": [i.reorient(codes) for i in images] for codes in ORIENTATIONS}
    if len(images) > 1:
        changes["images in reverse order"] = list(images)[::-1]
    for change, changed in changes.items():
        after = AskedEyes(offer)(changed, structures)
        for name in structures:
            back = after[name].on_grid(before[name].geometry)
            found = compare(back, before[name], surfaces=False)
            yield Agreement(change, name, found.dice, found.volume_ml - found.true_ml)


def agreement_lines(found: Sequence[Agreement]) -> list[str]:
    """Markdown: a row a change, the least agreement over structures."""
    lines = ["| change | least Dice | largest difference of a volume, mL |", "| --- | --- | --- |"]
    for change in dict.fromkeys(a.change for a in found):
        own = [a for a in found if a.change == change]
        most = max(abs(a.volume_difference_ml) for a in own)
        lines.append(f"| {change} | {min(a.dice for a in own):.4f} | {most:.3f} |")
    return lines
