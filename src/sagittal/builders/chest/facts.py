"""What is known of one film once its sources are joined, cleaned and measured."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sagittal.io.films.names import FINDINGS, NO_FINDING
from sagittal.io.films.statement import FilmQuestion, Projection, Sign

#: Corners x1, y1, x2, y2 in thousandths of the film's width and height (IMAX A.1).
Thousandths = tuple[int, int, int, int]


class FilmFacts(BaseModel):
    """One film.

    Attributes:
        name: collection and id, unique in a pool.
        patient: splits go by it.
        study: groups films.
        file, sha256: of the picture.
        sources: names of the layouts that stated something that is kept.
        view, sex: ``None`` where unknown.
        labels: finding → is it there? Uncertain and contradicted ones are left out.
        oedema: grade, 0 to 3.
        report: its words.
        ctr, cpar: ratios of a PA film.
        heart: what they are of: a *cardiomediastinum* is not a heart.
        areas: structure → share of the film's area.
        boxes: structure → its box.
        signs: findings in their places.
        questions: published ones.
        devices: ``None`` where nobody looked.
        left_out: reasons why something known was not used, each once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    patient: str
    study: str
    file: str
    sha256: str
    sources: tuple[str, ...]
    view: Projection | None = None
    sex: Literal["female", "male"] | None = None
    labels: dict[str, bool] = Field(default_factory=dict)
    oedema: int | None = None
    report: str | None = None
    ctr: float | None = None
    cpar: float | None = None
    heart: Literal["heart", "cardiomediastinum"] = "heart"
    areas: dict[str, float] = Field(default_factory=dict)
    boxes: dict[str, Thousandths] = Field(default_factory=dict)
    signs: tuple[Sign, ...] = ()
    questions: tuple[FilmQuestion, ...] = ()
    devices: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def clear(self) -> bool | None:
        """Whether nothing is wrong with it; ``None`` where that is not known.

        It is known where "no finding" was said, where a finding is there, or where all conditions of the
        multi-label task were said not to be.
        """
        if any(there for name, there in self.labels.items() if name != NO_FINDING):
            return False
        if self.labels.get(NO_FINDING) or all(self.labels.get(name) is False for name in FINDINGS):
            return True
        return None
