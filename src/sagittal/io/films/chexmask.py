"""CheXmask 1.0.0: masks of lungs and heart as runs of pixels, for five collections.

``OriginalResolution/NAME.csv``: the image's id under a name of its own in each table, "Dice RCA (Mean)",
"Dice RCA (Max)", "Landmarks", "Left Lung", "Right Lung", "Heart", "Height", "Width". Columns as the set's
data dictionary, its code and several public readers have them. A table has many gigabytes: a statement says
where its row stands, and :meth:`CheXmask.masks` reads these bytes alone, which needs tables that are not
packed.

Left and right are the patient's (seen in the authors' rows: the left lung lies in the right of the
picture). A mask's size is that of the film as it was published with its collection, so 1024×1024 for
ChestX-ray8, whose originals were larger: it is given with the masks and not as the film's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sagittal.errors import LayoutError
from sagittal.io.films.byte_rows import changed, row_again
from sagittal.io.films.byte_tables import ByteTable
from sagittal.io.films.chexpert_paths import film_below
from sagittal.io.films.csv_tables import PACKED, missing_tables
from sagittal.io.films.record import Record
from sagittal.io.films.statement import FilmMasks, FilmStatement, MaskRow

#: Table → its collection, and its column of image ids.
TABLES: Mapping[str, tuple[str, str]] = {
    "MIMIC-CXR-JPG.csv": ("mimic-cxr", "dicom_id"),
    "ChestX-Ray8.csv": ("nih", "Image Index"),
    "CheXpert.csv": ("chexpert", "Path"),
    "Padchest.csv": ("padchest", "ImageID"),
    "VinDr-CXR.csv": ("vindr-cxr", "image_id"),
}
STRUCTURES: Mapping[str, str] = {"Heart": "heart", "Left Lung": "left lung", "Right Lung": "right lung"}
#: Collections whose ids are the paths of their pictures.
_NAMED_BY_FILE = ("nih", "chexpert")
_RCA = "Dice RCA (Mean)"
_ORIGINAL = "OriginalResolution"
_RUNS = b"0123456789 "


@dataclass(frozen=True)
class CheXmask:
    """A statement a row: where its masks stand, and how well they are thought to fit."""

    name: ClassVar[str] = "chexmask"
    source: ClassVar[str] = "CheXmask 1.0.0 (Gaggion et al. 2024), PhysioNet"
    licence: ClassVar[str] = "Creative Commons Attribution 4.0 International"
    folder: Path

    @cached_property
    def tables(self) -> tuple[Path, ...]:
        for folder in (self.folder / _ORIGINAL, self.folder):
            found = tuple(folder / name for name in TABLES if (folder / name).is_file())
            packed = [name for name in TABLES if (folder / f"{name}{PACKED}").is_file()]
            packed = [name for name in packed if folder / name not in found]
            if packed:
                raise LayoutError(
                    "A packed table of masks cannot be read here and there.",
                    expected=packed[0],
                    got=folder / f"{packed[0]}{PACKED}",
                    remedy=f"unpack it: gunzip {packed[0]}{PACKED}",
                )
            if found:
                return found
        raise missing_tables(self.folder, *(f"{_ORIGINAL}/{name}" for name in TABLES))

    @property
    def collection(self) -> str:
        """Empty where there are tables of several."""
        return TABLES[self.tables[0].name][0] if len(self.tables) == 1 else ""

    def statements(self, left_out: Counter[str]) -> Iterator[FilmStatement]:
        for number, path in enumerate(self.tables):
            collection, image = TABLES[path.name]
            table = self._table(path)
            for row in table.rows():
                record = table.record(row, image, _RCA, "Width", "Height")
                record.checked_size((record.whole("Width"), record.whole("Height")))
                if collection == "chexpert":
                    film = dict(film_below(record, image)._asdict())
                else:
                    film = {"image": record.path(record.words(image))}
                yield record.state(
                    collection=collection,
                    **film,
                    file=film["image"] if collection in _NAMED_BY_FILE else "",
                    rca=record.number(_RCA),
                    masks=MaskRow(table=number, offset=row.offset, length=len(row.data)),
                )

    def masks(self, row: MaskRow) -> FilmMasks:
        path, data = row_again(self.tables, row)
        cells = self._table(path).cells(data)
        if cells is None:
            raise changed(path, row)
        record = Record(f"the row at byte {row.offset} of {path.name}", {
            key: cells[key].decode("utf-8", "replace") for key in (*STRUCTURES, "Width", "Height")
        })  # fmt: skip
        for key in STRUCTURES:
            if cells[key].translate(None, _RUNS):
                record.refuse(f"`{key}` holds something else than runs of pixels", cells[key][:40])
        size = record.checked_size((record.whole("Width"), record.whole("Height")))
        return FilmMasks(size=size, runs={name: record.maybe(key) for key, name in STRUCTURES.items()})

    def _table(self, path: Path) -> ByteTable:
        return ByteTable.of(path, [TABLES[path.name][1], _RCA, *STRUCTURES, "Width", "Height"])
