"""Real films and what is known of them, as statements that sets are built from.

The NIH's labels, view and sex; heart and lungs as ``chest-segmenter`` draws them, which stand
in for CheXmask's (they are a network's, too), so that ratios and boxes are *silver*; and the lungs that
people marked on the films of Montgomery and Shenzhen. Nobody wrote reports or grades of these, so two of
the seven tasks are not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from sagittal.io.films.sources import open_source
from sagittal.io.films.statement import FilmStatement
from sagittal.io.films.statement_lines import write_statements
from sagittal.io.raster import picture_geometry, read_picture
from sagittal.io.run_lengths import runs_of
from sagittal.models.chest.films import upright
from sagittal.models.chest.segmenter import ChestSegmenter
from sagittal.study import Mask
from sagittal.train.picture_bank import MarkedPicture
from sagittal.train.real_pictures import film_pictures

#: Folders of the development data, which are the collections' names.
NIH, LUNGS = "cxr_nih", "cxr_lung_masks"
#: From the left of a film to its right.
SIDES = ("right lung", "left lung")


def write_real_statements(
    data: Path, out: Path, segmenter: ChestSegmenter, say: Callable[[str], None] = lambda line: None
) -> None:
    """Statements of the real films, unless they are there.

    Args:
        data: folder of the development data.
        out: folder that receives ``nih.jsonl`` and ``lungs.jsonl``.
        segmenter: draws what is not known of the NIH's films.
        say: told of what is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name, statements in (("nih", _nih(data, segmenter)), ("lungs", _lungs(data))):
        path = out / f"{name}.jsonl"
        if not path.exists():
            say(f"{name}: {write_statements(path, statements)} films")


def _nih(data: Path, segmenter: ChestSegmenter) -> Iterator[FilmStatement]:
    source = open_source("nih", data / NIH)
    for stated in source.statements(Counter()):
        # The table says .png, as published; the pictures at hand are JPEGs of 448 pixels.
        file = f"images/{Path(stated.file).with_suffix('.jpg').name}"
        image = upright(read_picture(data / NIH / file, kind="cxr"))
        runs = segmenter.segment(image, projection=stated.view or "unknown").runs()
        width, height, *_ = image.shape
        masks = {"size": (width, height), "runs": {organ: own.to_text() for organ, own in runs.items()}}
        changes = {"collection": NIH, "file": file, "size": None, "spacing_mm": None, "masks": masks}
        yield FilmStatement.model_validate({**stated.model_dump(), **changes})


def _lungs(data: Path) -> Iterator[FilmStatement]:
    sources: tuple[Literal["montgomery", "shenzhen"], ...] = ("montgomery", "shenzhen")
    for source in sources:
        for picture in film_pictures(data, source):
            if len(picture.facts.classes) == len(SIDES):
                film = Path(picture.facts.name).name
                width, height = picture.marks.shape
                masks = {"size": (width, height), "runs": _sides(picture)}
                yield FilmStatement.model_validate(
                    {
                        "collection": LUNGS, "image": film, "patient": picture.facts.patient,
                        "file": f"cxr/{film}.png", "view": "PA", "masks": masks,
                    }
                )  # fmt: skip


def _sides(picture: MarkedPicture) -> dict[str, str]:
    """The two pieces that were marked, as runs; on a film the patient's right is on the left."""
    pieces = [picture.instance(n) for n in range(len(SIDES))]
    pieces.sort(key=lambda inside: float(np.nonzero(inside)[0].mean()))
    grid = picture_geometry(*picture.marks.shape)
    return {
        name: runs_of(Mask(inside[:, :, None].astype(np.uint8), grid, {1: name}, name), name).to_text()
        for name, inside in zip(SIDES, pieces, strict=True)
    }
