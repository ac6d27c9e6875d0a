"""What one source states of one chest film: the record that every published layout is read into.

A film is known by its collection ("mimic-cxr", "nih", …) and its id there, so that what several sources
state of it can be joined. What a source does not say is ``None`` or empty; nothing is filled in.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Projection = Literal["PA", "AP", "lateral"]
#: As published (CXR-Cardiomegaly): why a ratio could not be measured.
Marking = Literal["unable to locate heart", "unable to locate lungs", "unable to locate either"]
#: How a grade of oedema was come by (MIMIC-CXR-PE-Severity), from the least to the most trusted.
GRADED_BY = ("regex", "expert", "consensus")
GradedBy = Literal["regex", "expert", "consensus"]
Ratio = Annotated[float, Field(gt=0, le=10)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MaskRow(_Record):
    """Where masks stand in a table that is too large to be kept: they are read when they are needed.

    Attributes:
        table: number of the table among the source's.
        offset, length: bytes of the row.
    """

    table: int = Field(ge=0)
    offset: int = Field(ge=0)
    length: int = Field(ge=1)


class FilmMasks(_Record):
    """Masks of a film (CheXmask's columns).

    Attributes:
        size: width and height of the film that they belong to.
        runs: structure (:data:`sagittal.measure.chest.STRUCTURES`) → its runs of pixels
            (:mod:`sagittal.io.run_lengths`).
    """

    size: tuple[int, int]
    runs: dict[str, str]


class Sign(_Record):
    """A finding in its place.

    Attributes:
        name: as in the labels.
        side: of the patient; ``None`` where it is not said.
        zone: of the lung.
        size: as spoken of.
        box: x1, y1, x2, y2 in pixels of the film, both ends within it.
    """

    name: str
    side: Literal["left", "right", "both"] | None = None
    zone: Literal["upper", "middle", "lower"] | None = None
    size: Literal["small", "moderate", "large"] | None = None
    box: tuple[int, int, int, int] | None = None


class FilmQuestion(_Record):
    """A published question about a film, with its answers as published; no answer means none applies."""

    id: str
    semantic: Literal["verify", "choose", "query"]
    content: str
    question: str
    answers: tuple[str, ...]


class FilmStatement(_Record):
    """What a source states.

    Attributes:
        collection: whose ids ``image``, ``study`` and ``patient`` are.
        image: id of the film; empty where the statement holds for all films of a study.
        study, patient: empty where the source does not say.
        file: of the picture, below the collection's folder of images.
        view: the projection.
        sex: of the patient.
        size: width and height of the original film, in pixels.
        spacing_mm: of a pixel, x and y.
        labels: finding → there, not there, or (``None``) uncertain; names as in ``tables/findings.yaml``.
        oedema, graded_by: grade 0 to 3, and how it was come by.
        report: its words.
        ctr, cpar: ratios as published.
        marking: why there is none.
        masks: by value, or where they stand.
        rca: mean Dice of the masks' reverse classification accuracy, 0 to 1.
        signs: findings in their places.
        questions: published ones.
        devices: what is there besides the patient; ``None`` where nobody looked.
    """

    collection: str = Field(min_length=1)
    image: str = ""
    study: str = ""
    patient: str = ""
    file: str = ""
    view: Projection | None = None
    sex: Literal["female", "male"] | None = None
    size: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    labels: dict[str, bool | None] = Field(default_factory=dict)
    oedema: int | None = Field(default=None, ge=0, le=3)
    graded_by: GradedBy | None = None
    report: str | None = None
    ctr: Ratio | None = None
    cpar: Ratio | None = None
    marking: Marking | None = None
    masks: FilmMasks | MaskRow | None = None
    rca: float | None = Field(default=None, ge=0, le=1)
    signs: tuple[Sign, ...] = ()
    questions: tuple[FilmQuestion, ...] = ()
    devices: tuple[str, ...] | None = None
