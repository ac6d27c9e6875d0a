"""Made studies as folders of NIfTI files in the layout and names of BraTS.

``BraTS-SIM-00001-000/BraTS-SIM-00001-000-t1n.nii.gz``, ``-t1c``, ``-t2w``, ``-t2f``, ``-seg``, ``-anatomy``
and ``facts.json``; the last three digits count the sessions of a patient.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sagittal.errors import ConfigError
from sagittal.files import atomic_folder, to_json_text
from sagittal.io.nifti import write_image, write_mask
from sagittal.simulate.bank import Progress, check_manifest, settle_manifest, world_manifest
from sagittal.simulate.config import WorldConfig
from sagittal.simulate.heads import HeadSet
from sagittal.simulate.world import SimulatedStudy, simulate
from sagittal.study import Image

#: BraTS's ending for each kind of image; kinds not listed keep their own word.
ENDINGS = {"t1": "t1n", "t2": "t2w", "flair": "t2f"}
#: The 99.9th percentile of a magnitude image is stored as this, as 12-bit scanners do.
_BRIGHTEST = 4000.0


def with_spacing(config: WorldConfig, spacing_mm: float) -> WorldConfig:
    """The same world and field of view on an isotropic grid of another spacing.

    Raises:
        ConfigError: a spacing that is not between 0.5 and 10 mm.
    """
    if not 0.5 <= spacing_mm <= 10:
        raise ConfigError("The spacing must be 0.5 to 10 mm.", got=spacing_mm)
    view = np.array(config.shape) * np.array(config.spacing)
    x, y, z = (max(8, round(float(v) / spacing_mm)) for v in view)
    return config.model_copy(update={"shape": (x, y, z), "spacing": (spacing_mm,) * 3})


def write_studies(
    config: WorldConfig,
    heads: HeadSet,
    out: str | Path,
    n: int,
    seed: int,
    on_progress: Progress | None = None,
) -> list[Path]:
    """Write studies 0…n-1 of a world; those that are complete already are kept.

    Args:
        config, heads, seed: as for :func:`sagittal.simulate.world.simulate`.
        out: folder that receives a folder for each session, and ``manifest.json``.
        n: how many studies.
        on_progress: called with (done, n) after each study.

    Returns:
        The session folders, in order.

    Raises:
        IntegrityError: ``out`` holds studies of another world.
        StorageError: it cannot be written.
    """
    out = Path(out)
    world = world_manifest("simulated-studies", config, heads, seed, "cpu")
    check_manifest(out, world)
    count = 2 if config.pathology == "growth" else 1
    folders = []
    for index in range(n):
        own = [out / f"BraTS-SIM-{index + 1:05d}-{session:03d}" for session in range(count)]
        if not all(folder.is_dir() for folder in own):
            [made] = simulate(config, heads, [index], seed)
            settle_manifest(out, world)
            for number, folder in enumerate(own):
                if not folder.is_dir():
                    with atomic_folder(folder) as temporary:
                        _write_session(temporary, folder.name, made, number)
        folders += own
        if on_progress:
            on_progress(index + 1, n)
    return folders


def _write_session(folder: Path, name: str, made: SimulatedStudy, number: int) -> None:
    session = made.study.sessions[-1].name and f"session-{number + 1}"
    for image in made.study.images:
        if image.session == session:
            # A random contrast is named after the sequence whose place it takes.
            kind = image.name.split("-")[0]
            write_image(folder / f"{name}-{ENDINGS.get(kind, kind)}.nii.gz", _whole_numbers(image))
    for mask in made.study.masks:
        if mask.name == "anatomy":
            write_mask(folder / f"{name}-anatomy.nii.gz", mask)
        elif mask.session == session:
            write_mask(folder / f"{name}-seg.nii.gz", mask)
    facts = {**made.facts, "sessions": [made.facts["sessions"][number]]}
    (folder / "facts.json").write_text(to_json_text(facts), encoding="utf-8")


def _whole_numbers(image: Image) -> Image:
    """16-bit values; MR magnitude images are scaled, CT and ADC keep their units."""
    data: NDArray[Any] = image.data
    if image.kind not in ("ct", "adc"):
        brightest = float(np.percentile(data[data > 0], 99.9)) if (data > 0).any() else 1.0
        data = data * np.float32(_BRIGHTEST / brightest)
    rounded = np.clip(np.round(data), -32768, 32767).astype(np.int16)
    return Image(rounded, image.geometry, image.kind, image.name, image.acquired, image.session)
