"""DeepBET: outlines the brain on a T1-weighted scan of the head.

Two networks of the package ``deepbet`` (Fisch et al. 2024) look one after the other: the first finds, on the
whole scan at 128³, the box that holds the brain; the second draws the brain at 256³ in that box, widened by
a tenth on each side. Only these two TorchScript files are read; the package itself, which wants a window
system and pandas, is never imported. The arithmetic is that of its ``BrainExtraction.run``.

Where we differ: a voxel that is no number counts as the darkest one and not as zero, which in a scan with
negative values is some grey; and a scan in which no brain can be found is refused with a word.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import FileFormatError, InputError
from sagittal.specialists.card import SpecialistCard
from sagittal.specialists.needs import weights_path
from sagittal.specialists.weights import read_script
from sagittal.study import Image, Mask, Study

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LABEL = "brain"
BOX_FILE, BRAIN_FILE = "bbox_model.pt", "model.pt"
_BOX_SIZE, _BRAIN_SIZE = (128,) * 3, (256,) * 3
_QUANTILES = (0.005, 0.995)
# The box is wider than what was found by this share on each side; a plane of it holds at least so much brain.
_MARGIN, _LEAST_SHARE = 0.1, 0.02
_THRESHOLD = 0.5
# Mean and spread that the networks were given in training.
_MEAN, _SPREAD = 0.449, 0.226

Box = tuple[slice, slice, slice]


class DeepBET:
    """Both networks, loaded.

    Args:
        find: (1, 1, 128, 128, 128) → (1, 2, 128, 128, 128) probabilities: else, brain.
        draw: the same at 256³.
    """

    def __init__(self, find: torch.nn.Module, draw: torch.nn.Module) -> None:
        self._find, self._draw = find, draw

    def accepts(self, study: Study) -> str | None:
        """Why the scan cannot be looked at."""
        [image] = study.images
        return None if image.channels == 1 else "it looks at grey scans, not at colours"

    def run(self, study: Study, argument: str) -> Mask:
        """The brain, on the scan's own grid.

        Raises:
            InputError: the scan is the same nearly everywhere, or no brain is found.
        """
        [image] = study.images
        upright = image.reorient("RAS")
        brain = self.brain(_numbers(upright))
        mask = Mask(brain.view(np.uint8), upright.geometry, {1: LABEL}, "DeepBET", image.session)
        return mask.on_grid(image.geometry)

    def brain(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """The brain in a scan whose axes run to the right, the front and up, (X, Y, Z)."""
        import torch

        with torch.inference_mode():
            scan = torch.from_numpy(values)
            small = _sampled(scan, _BOX_SIZE)
            low, high = (float(small.quantile(q)) for q in _QUANTILES)
            if not high > low:
                raise InputError(
                    "The scan is the same nearly everywhere; there is no brain to outline.",
                    expected="a T1-weighted scan of a head", got=f"{low:.4g} to {high:.4g}",
                )  # fmt: skip
            found = _largest((self._brain_in(self._find, small, low, high) > _THRESHOLD).numpy())
            box = _box(found, values.shape)
            inside = self._brain_in(self._draw, _sampled(scan[box], _BRAIN_SIZE), low, high)
            drawn = (_sampled(inside, scan[box].shape) > _THRESHOLD).numpy()
        brain = np.zeros(values.shape, np.bool_)
        brain[box] = _without_holes(_largest(drawn))
        return brain

    def _brain_in(self, network: torch.nn.Module, scan: Tensor, low: float, high: float) -> Tensor:
        """Probability of brain, of each voxel."""
        values = ((scan - low) / (high - low)).clamp_(0, 1)
        spread = values.std()
        if not spread > 0:
            raise _no_brain()
        values = values.sub_(values.mean()).div_(spread).mul_(_SPREAD).add_(_MEAN)
        probabilities: Tensor = network(values[None, None])
        return probabilities[0, 1].clone()


def _numbers(image: Image) -> NDArray[np.float32]:
    """The scan's values; where there is none, the darkest."""
    values = np.array(image.data, dtype=np.float32, order="C")
    there = np.isfinite(values)
    if not there.all():
        if not there.any():
            raise InputError("The scan holds no numbers.", got=image.name or image.kind)
        darkest = values[there].min()
        values = np.nan_to_num(values, copy=False, nan=darkest, posinf=values[there].max(), neginf=darkest)
    return values


def _sampled(values: Tensor, size: tuple[int, ...]) -> Tensor:
    """Nearest voxels at another size of the same box."""
    from torch.nn import functional

    return functional.interpolate(values[None, None], size, mode="nearest-exact")[0, 0]


def _largest(found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest piece; voxels that touch at a corner belong together."""
    import cc3d

    pieces = cc3d.connected_components(found)
    sizes = np.bincount(pieces.ravel(order="K"))
    if len(sizes) < 2:
        raise _no_brain()
    largest: NDArray[np.bool_] = pieces == 1 + int(sizes[1:].argmax())
    return largest


def _without_holes(piece: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With everything filled that no way through faces leads to from the border."""
    from scipy.ndimage import binary_fill_holes

    filled: NDArray[np.bool_] = binary_fill_holes(piece)
    return filled


def _box(found: NDArray[np.bool_], shape: tuple[int, ...]) -> Box:
    """Where the brain lies on a grid of ``shape``, given where it lies at 128³, with a margin around."""
    spans = []
    for axis, voxels in enumerate(shape):
        others = tuple(a for a in range(3) if a != axis)
        planes = np.flatnonzero(found.mean(axis=others) > _LEAST_SHARE)
        if not len(planes):
            raise _no_brain()
        step = voxels / found.shape[axis]
        first, stop = int(planes[0]), int(planes[-1]) + 1
        centre = round(step * (first + stop) / 2)
        width = round((1 + 2 * _MARGIN) * step * (stop - first))
        # Margins end with the grid; where a grid is so coarse that nothing is left, one voxel is.
        start = min(max(0, int(centre - width / 2)), voxels - 1)
        spans.append(slice(start, max(start + 1, min(voxels, int(centre + width / 2)))))
    x, y, z = spans
    return x, y, z


def _no_brain() -> InputError:
    return InputError(
        "No brain was found in the scan.", expected="a T1-weighted scan of a head, the brain in full",
        remedy="check that this is a T1 of the head and that its header says rightly how it lies",
    )  # fmt: skip


def open_deepbet(card: SpecialistCard, folder: Path) -> DeepBET:
    """Load both networks.

    Raises:
        FileFormatError: the card does not name them with their SHA-256.
        IntegrityError: a file is another one than the card names.
        StorageError: a file is missing.
    """
    from sagittal.runtime import runtime

    # The processor, all cores of it: a graphics card belongs to the model that asks.
    runtime("cpu")
    named = {Path(weights.file).name: weights for weights in card.needs.weights}
    made = []
    for file in (BOX_FILE, BRAIN_FILE):
        sha256 = named[file].sha256 if file in named else None
        if sha256 is None:
            raise FileFormatError("DeepBET's card names its two networks with their SHA-256.", expected=file)
        made.append(read_script(weights_path(named[file], folder), sha256))
    return DeepBET(*made)
