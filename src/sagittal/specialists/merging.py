"""Masks of single structures as one label map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sagittal.study import Image, Mask


def merged(masks: Mapping[str, Mask], image: Image) -> Mask:
    """A label map of structures, numbered in their order; where two overlap, the later one counts.

    Args:
        masks: structure → mask of one label, on the image's grid.
        image: that they lie on.
    """
    data = np.zeros(image.shape, np.uint8 if len(masks) < 256 else np.uint16)
    for value, mask in enumerate(masks.values(), start=1):
        data[mask.data > 0] = value
    return Mask(data, image.geometry, dict(enumerate(masks, start=1)), session=image.session)
