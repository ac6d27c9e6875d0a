"""A small world for asking: heads of 150 mm with a bright ball, a scripted model and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from sagittal.agent.loop import Feedback
from sagittal.agent.toolbox import CallSite, Features, Reading
from sagittal.asking.models import Offer
from sagittal.errors import LabelError
from sagittal.models.checkpoint import Accepts, Card, Score
from sagittal.study import Image, Mask

SHAPE, STEP = (30, 34, 28), 6.0
VOXEL_ML = STEP**3 / 1000
TISSUE, BALL = 100, 200


def ball(centre: Sequence[float], radius: float) -> np.ndarray:
    grid = np.indices(SHAPE)
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(axis=0) <= radius**2


def head(radius: float = 4) -> np.ndarray:
    """A head of 25 voxels with a ball on its left; the array's first axis points left."""
    data = np.where(ball((15, 17, 14), 12.5), TISSUE, 0).astype(np.int16)
    data[ball((20, 17, 14), radius)] = BALL
    return data


def voxels(radius: float = 4) -> int:
    return int((head(radius) == BALL).sum())


def write_volume(path: Path, data: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([-STEP, STEP, STEP, 1.0])
    affine[:3, 3] = (90, -100, -80)
    nib.save(nib.Nifti1Image(head() if data is None else data, affine), path)
    return path


def brats_case(root: Path, session: str = "000", radius: float = 4, endings=("t1n", "t2f")) -> Path:
    name = f"BraTS-GLI-00001-{session}"
    for ending in endings:
        write_volume(root / name / f"{name}-{ending}.nii.gz", head(radius))
    return root / name


def dicom_series(folder: Path, **changes: object) -> Path:
    """A series of axial slices; changes are DICOM attributes."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, plane in enumerate(np.moveaxis(head(), 2, 0)):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
        ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.PatientID = "1.5", "1.4", "P9"
        ds.Modality, ds.SeriesDescription, ds.StudyDate = "MR", "AX T1", "20210304"
        ds.Columns, ds.Rows = plane.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.PixelSpacing, ds.ImageOrientationPatient = [STEP, STEP], [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [0, 0, STEP * k]
        ds.PixelData = np.ascontiguousarray(plane.T).astype(np.uint16).tobytes()
        for name, value in changes.items():
            setattr(ds, name, value)
        ds.save_as(folder / f"IM{k:03d}", enforce_file_format=True)
    return folder


class Eyes:
    """Sees the ball as ``whole tumour``, all tissue as ``brain``, and no ``oedema``."""

    def encode(self, volumes: Sequence[Image], site: CallSite) -> Features:
        return Features("volumes", tuple(volumes), 1000)

    def read(self, features: Features, site: CallSite) -> Reading:
        return Reading(f"{len(features.payload)} encoded images")

    def segment(self, features: Features, structure: str, site: CallSite) -> Mask:
        image = features.payload[0]
        seen = {
            "whole tumour": image.data == BALL,
            "brain": image.data > 0,
            "oedema": np.zeros(image.shape, bool),
        }
        if structure not in seen:
            raise LabelError("The structure is not known.", expected=", ".join(seen), got=structure)
        return Mask(seen[structure].astype(np.uint8), image.geometry, {1: structure}, "eyes", image.session)


class Script:
    """Writes given programs; {all} stands for every variable."""

    def __init__(self, programs: Sequence[str], volumes: Mapping[str, Image]) -> None:
        self.left = [p.replace("{all}", ", ".join(volumes)) for p in programs]

    def next_program(self, feedback: Feedback | None) -> str | None:
        return self.left.pop(0) if self.left else None


class Scripted:
    """A model that answers every question with the same programs."""

    def __init__(self, *programs: str) -> None:
        self.programs = programs
        self.asked: list[str] = []
        self.checked: list[int] = []

    def check(self, images: Sequence[Image]) -> None:
        self.checked.append(len(images))

    def session(self, question: str, volumes: Mapping[str, Image]):
        self.asked.append(question)
        return Script(self.programs, volumes), Eyes()


def card(name: str = "toy", *scores: Score, **accepts: object) -> Card:
    values = {"kinds": ("t1", "t1c", "t2", "flair"), "most_volumes": 4, "most_sessions": 2, **accepts}
    return Card(
        name=name, summary="a toy", licence="Apache-2.0", data=("none",), recipe="none", limits=("a toy",),
        scores=scores, accepts=Accepts(**values),
    )  # fmt: skip


REAL = Score(data="real: one scan", metric="Dice", of="whole tumour", value=0.8123)
MADE = Score(data="simulated patients", metric="Dice", of="whole tumour", value=0.95, cases=40)


def offer(*programs: str, name: str = "toy", of: Card | None = None) -> Offer:
    model = Scripted(*programs)
    return Offer(name, of or card(name, MADE, REAL), lambda: model)


VOLUME = (
    'asked = "volume: whole tumour"\nf = encode({all})\nread(f)',
    'm = segment(f, "whole tumour")\nv = volume(m)\nread(v)',
    'say(f"The volume of the whole tumour is {v}.")\nstop()',
)
SIDE = (
    "f = encode({all})\nread(f)",
    'm = segment(f, "whole tumour")\nb = segment(f, "brain")\ns = side(m, b)\nread(s)',
    'say(f"The side of the whole tumour is {s}.")\nstop()',
)
CHANGE = (
    "fa = encode(t1_1, flair_1)\nfb = encode(flair_2, t1_2)\nread(fa)\nread(fb)",
    'ma = segment(fa, "whole tumour")\nmb = segment(fb, "whole tumour")\nva = volume(ma)\nvb = volume(mb)\n'
    "p = percentage_change(va, vb)",
    'say(f"It went from {va} to {vb} ({p}).")\nstop()',
)
NOTHING = (
    "f = encode({all})",
    'm = segment(f, "oedema")\nv = volume(m)\nread(v)',
    'say("No oedema was found.")\nstop()',
)
REMOVE = (
    "f = encode({all})\nread(f)",
    'm = segment(f, "whole tumour")\nx = volume(m)\nread(x)',
    'edited = mask_out(t1, m)\nsay(f"The T1 image without the whole tumour is ready: {x} less.")\nstop()',
)
ABSTAIN = ('abstain("Only scans of the head are measured here.")',)
