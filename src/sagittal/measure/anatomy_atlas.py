"""An atlas of one's own: the regions of a head whose anatomy is known, without any registration.

The map of structures that a simulated head has, or that a network drew, tells the regions of mpLLM (§3.2.1)
by itself: cerebellum, brainstem, deep grey nuclei (``subcortical``), hippocampus and amygdala (``limbic``;
the cingulate gyrus has no structure of its own here). Cortex and white matter of the hemispheres go to the
lobes and the insula by proportion (:mod:`sagittal.measure.proportions`), so that, unlike in the paper's
atlases, white matter has a region. Fluid has none.
"""

from __future__ import annotations

import numpy as np

from sagittal.errors import LabelError
from sagittal.measure.atlas import Atlas
from sagittal.measure.proportions import LOBES, frame_of, lobes_at
from sagittal.measure.region_table import RegionTable
from sagittal.study import Mask

#: The nine regions of the paper's LPBA40 studies, in its order.
REGIONS = (
    "frontal", "parietal", "occipital", "temporal", "limbic", "insula", "subcortical", "cerebellum",
    "brainstem"
)  # fmt: skip
_LOBE_REGIONS = tuple(name.removesuffix(" lobe") for name in LOBES)
# FreeSurfer values: cortex and white matter of the hemispheres, the corpus callosum, and parcels of the
# cortex.
_HEMISPHERES = (2, 3, 41, 42, *range(251, 256), *range(1000, 1036), *range(2000, 2036))
_STRUCTURES = {
    "limbic": (17, 18, 53, 54),
    "subcortical": (10, 11, 12, 13, 26, 28, 49, 50, 51, 52, 58, 60),
    "cerebellum": (7, 8, 46, 47),
    "brainstem": (16,),
}


def anatomy_atlas(anatomy: Mask) -> Atlas:
    """The regions of one head, as an atlas on its own grid.

    Args:
        anatomy: a map of structures with FreeSurfer values, lesions not cut out.

    Returns:
        An atlas whose structures are the regions themselves.

    Raises:
        LabelError: nothing of the hemispheres is in the map.
        SpacingUnknownError: the grid has no spacing.
    """
    from sagittal.io.spaces import recognise_space

    data = anatomy.data
    hemispheres = np.isin(data, _HEMISPHERES)
    cerebrum = hemispheres | np.isin(data, (*_STRUCTURES["subcortical"], *_STRUCTURES["limbic"]))
    if not hemispheres.any():
        raise LabelError(
            "The map of structures has no hemisphere.",
            expected="cortex or white matter (FreeSurfer 2, 3, 41, 42, or parcels)",
            got=sorted(anatomy.labels.values())[:5],
        )
    frame = frame_of(Mask(cerebrum.view(np.uint8), anatomy.geometry, {1: "cerebrum"}))
    regions = np.zeros(data.shape, np.uint8)
    codes = np.array([1 + REGIONS.index(name) for name in _LOBE_REGIONS], np.uint8)
    regions[hemispheres] = codes[lobes_at(frame, anatomy.geometry.to_world(np.argwhere(hemispheres)))]
    for name, values in _STRUCTURES.items():
        regions[np.isin(data, values)] = 1 + REGIONS.index(name)
    return Atlas(
        name="own anatomy",
        space=recognise_space(anatomy.geometry).name,
        mask=Mask(regions, anatomy.geometry, {1 + n: name for n, name in enumerate(REGIONS)}, "regions"),
        table=RegionTable(
            "own anatomy", "the head's own anatomy", "", "", "", {name: (name,) for name in REGIONS}, ()
        ),
    )
