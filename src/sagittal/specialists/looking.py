"""What a language model that sees one picture at a time is shown of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sagittal.draw.overlay import NORMAL, draw_slice, planes_of
from sagittal.errors import InputError
from sagittal.study import Image, Mask

#: Of several images of a volume the first of these is shown: those on which most things are seen.
_SHOWN_FIRST = ("flair", "t1c", "t1", "t2", "ct")
# Of the way from foot to head: the lateral ventricles in a head, the liver in a trunk.
_MIDDLE = 0.55


@dataclass(frozen=True, eq=False)
class Look:
    """A slice of an image, or a picture.

    Attributes:
        image: what is looked at.
        plane, index: of the slice, counted from the left, back or foot.
    """

    image: Image
    plane: str
    index: int

    @property
    def words(self) -> str:
        """``axial slice 78``; empty of a picture."""
        return "" if self.image.geometry.is_2d else f"{self.plane} slice {self.index}"

    def pixels(self, mask: Mask | None = None) -> NDArray[np.uint8]:
        """(rows, columns, 3) as radiologists see it, with a mask on the image's grid drawn over it."""
        return draw_slice(self.image, self.index, self.plane, mask=mask).pixels


def first_look(images: Sequence[Image]) -> Look:
    """The picture, or a slice through the middle of the volume on which most is seen.

    Raises:
        InputError: there is no image.
    """
    if not images:
        raise InputError("There is nothing to look at.", expected="at least one image", got="none")
    order = {kind: place for place, kind in enumerate(_SHOWN_FIRST)}
    image = min(images, key=lambda one: order.get(one.kind, len(order)))
    plane = planes_of(image.geometry)[0]
    depth = image.reorient("RAS").shape[NORMAL[plane]]
    return Look(image, plane, int(depth * _MIDDLE))
