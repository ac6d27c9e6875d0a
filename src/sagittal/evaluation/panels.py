"""Questions, answers and masks as pictures, like VoxelPrompt's Figures 1 and 3: Markdown and PNG files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sagittal.asking.case import open_case
from sagittal.asking.consultation import consult
from sagittal.asking.models import Offer
from sagittal.asking.picture import draw_overlay
from sagittal.evaluation.frozen_world import Place
from sagittal.simulate import SimulatedStudy

#: Studies of the second frozen world, each the first of its kind, and what is asked about them.
PANELS: Mapping[str, tuple[str, ...]] = {
    "met/105": (
        "Segment all lesions.",
        "Segment the largest lesion.",
        "Segment the smallest lesion.",
        "Segment the lesions on the left.",
    ),
    "growth/100": ("How has the volume of the lesion changed?",),
    "places/100": ("In which part of the brain is the lesion located?",),
    "restriction/100": ("Does the lesion restrict diffusion?",),
    "enhancement/100": ("Does the lesion enhance after contrast?",),
    "pre/100": ("How large is the tumour?", "How far is the tumour from the lateral ventricle?"),
}


def panel_lines(
    offer: Offer,
    studies: Iterable[tuple[Place, SimulatedStudy]],
    out: str | Path,
    panels: Mapping[str, Sequence[str]] = PANELS,
) -> list[str]:
    """Ask, draw ``OUT/STUDY-N.png``, and tell what was answered, as it comes.

    Args:
        offer: the model.
        studies: those that ``panels`` names.
        out: folder of the pictures, beside the page; its name is part of their addresses.
        panels: study → questions.

    Raises:
        InputError: the model cannot be asked about a study.
        StorageError: a picture cannot be written.
    """
    out, loaded = Path(out), offer.load()
    once = replace(offer, load=lambda: loaded)
    lines = []
    for place, made in studies:
        case = open_case(made.study, model=once)
        for number, question in enumerate(panels[place.name], start=1):
            found = consult(case, question)
            read = "".join(f" Read as: {field.value}." for field in found.answer.fields.values())
            said = found.answer.reason if found.answer.abstained else found.answer.text
            lines += [f"**{place.name}: {question}**{read}", "", f"> {said}", ""]
            if found.drawn:
                name = f"{place.name.replace('/', '-')}-{number}.png"
                draw_overlay(found.drawn, out / name)
                lines += [f"![{question}]({out.name}/{name})", ""]
    return lines
