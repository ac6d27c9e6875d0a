"""What is measured on a specialist's masks before a language model hears of them: lines of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from sagittal.specialists.feedback import Region, colour_name
from sagittal.specialists.functions import CHEST
from sagittal.specialists.protocol import Segmented
from sagittal.study import Image

# Of more labels, volumes alone are told: the words of a turn are bounded.
_FEW = 4
_UNDEFINED = "undefined"


@dataclass(frozen=True, eq=False)
class Found:
    """Labels of a mask, and what was measured on them.

    Attributes:
        variable: of the program, that holds the mask.
        image: the mask lies on it; ``image_variable`` holds it.
        regions: labels that are present, in the order of their values.
        whole: what was measured on all of them together, as it is written.
        flat: whether the mask is of one slice or picture.
        values: expression of a program → how its number is written.
    """

    variable: str
    image: Image
    image_variable: str
    flat: bool
    regions: tuple[Region, ...]
    whole: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    def part(self, number: int) -> str:
        """The variable of a label by its place; the first takes the place of the whole mask."""
        return self.variable if number == 0 else f"{self.variable}part{number + 1}"

    @property
    def is_chest(self) -> bool:
        """Whether the ratio of heart and lungs can be taken."""
        return {region.label for region in self.regions} >= set(CHEST)

    def measured(self, readings: Sequence[str]) -> Self:
        """With the values that a program of :func:`facts_program` read out."""
        read = dict(reading.partition(" = ")[::2] for reading in readings)
        known = {name: words for name, words in read.items() if not words.startswith(_UNDEFINED)}
        regions = tuple(
            replace(region, facts=tuple(known[n] for n in _names(self, number) if n in known))
            for number, region in enumerate(self.regions)
        )
        ratio = known.get(f"{self.variable}ratio")
        whole = (f"cardiothoracic ratio {ratio}",) if ratio is not None else ()
        numbers = {name: words for name, words in known.items() if any(c.isdigit() for c in words)}
        return replace(self, regions=regions, whole=whole, values=numbers)


def found_of(variable: str, result: Segmented, images: Mapping[str, Image]) -> Found:
    """Labels of a result that are present, not yet measured."""
    mask = result.mask
    name = next(name for name, image in images.items() if image.name == result.image)
    regions = tuple(Region(mask.labels[value], colour_name(value)) for value in mask.values())
    return Found(variable, images[name], name, min(mask.shape) == 1, regions)


def facts_program(found: Found) -> str:
    """Measures each label and reads the values out; empty where there is nothing to measure.

    A volume's labels have volumes and, when they are few, sides; a picture's have their share of it.
    """
    lines = []
    if found.is_chest and found.flat:
        ratio = f"{found.variable}ratio"
        lines += [f"{ratio} = cardiothoracic_ratio({found.variable})", f"read({ratio})"]
    # The first label takes the variable of the whole mask, last of all.
    for number in (*range(1, len(found.regions)), 0)[: len(found.regions)]:
        part, label = found.part(number), found.regions[number].label
        lines.append(f'{part} = select({found.variable}, "{label}")')
    for number in range(len(found.regions)):
        size, side = _names(found, number)
        measure = "picture_share" if found.flat else "volume"
        lines += [f"{size} = {measure}({found.part(number)})", f"read({size})"]
        if not found.flat and len(found.regions) <= _FEW:
            lines += [f"{side} = side({found.part(number)}, head({found.image_variable}))", f"read({side})"]
    return "\n".join(lines)


def _names(found: Found, number: int) -> tuple[str, str]:
    return f"{found.variable}size{number + 1}", f"{found.variable}side{number + 1}"
