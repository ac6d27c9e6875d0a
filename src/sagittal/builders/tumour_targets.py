"""What a tumour question's example carries for scorers and heads: the form of ``Example.targets``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sagittal.language.wording import Kind, Wording

Task = Literal["volume", "region", "shape", "spread"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WordingText(_Record):
    """The wording that was filled in: its texts with open slots, and its pool."""

    question: str
    answer: str
    withheld: bool


class TumourTargets(_Record):
    """Classes, numbers and words behind one question; classes are there whether asked or not."""

    label: str = Field(description="short name of the label that is asked of")
    label_text: str = Field(description="its name in the text")
    kind: Kind = Field(description="in scope, partly, or wholly out of it")
    asked: tuple[Task, ...] = Field(
        description="tasks asked, in the protocol's order; others are unspecified"
    )
    volume: str = Field(description="class of the share of the brain")
    regions: tuple[str, ...] = Field(min_length=1, description="regions named, or one word for none")
    shape: str = Field(description="class of the shape")
    spread: str = Field(description="class of the spread")
    out_of_scope: bool = Field(description="whether anything beyond the four tasks is asked")
    items: tuple[str, ...] = Field(description="ids of what is asked beyond them, where known")
    wording: WordingText = Field(description="the words")
    numbers: dict[str, int | float | None] = Field(
        description="measurements behind the classes; null is undefined"
    )
    region_shares: dict[str, float] = Field(description="region → share of the label's voxels")
    warnings: tuple[str, ...] = Field(description="what the measuring warned of in this study")

    def open_wording(self) -> Wording:
        """The wording with its slots still open."""
        return Wording(
            self.kind,
            self.asked,
            self.wording.question,
            self.wording.answer,
            self.items,
            self.wording.withheld,
        )

    def classes(self) -> dict[str, Any]:
        """The four classes, as :func:`sagittal.builders.tumour_vqa.worded` takes them."""
        return {"volume": self.volume, "regions": self.regions, "shape": self.shape, "spread": self.spread}
