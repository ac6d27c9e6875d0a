"""Images and drawn masks on disk, each read once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from sagittal.errors import LabelError, LayoutError
from sagittal.example import FileRef
from sagittal.files import sha256_file, storage_errors


class Pictures:
    """Files below the folder that a set's paths count from.

    Args:
        root: that folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sha256 = cache(self._sha256)
        self.label = cache(self._label)

    def ref(self, path: str) -> FileRef:
        """A file by path and hash; raises as :meth:`_sha256`."""
        return FileRef(path=path, sha256=self.sha256(path))

    def _sha256(self, path: str) -> str:
        """The hash of a file's bytes.

        Raises:
            LayoutError: there is no such file.
        """
        full = self.root / path
        with storage_errors(full):
            there = full.is_file()
        if not there:
            raise LayoutError(
                "An image that a question asks about is not there.",
                expected=full,
                remedy="name the folder that the published paths count from, or ask for the words alone",
            )
        return sha256_file(full)

    def _label(self, path: str) -> int | None:
        """The one label of a drawn mask, as :func:`sagittal.io.raster.read_picture_mask` reads it.

        Returns:
            ``None`` for an empty mask.

        Raises:
            LayoutError: there is no such file.
            LabelError: several values, as an antialiased outline has.
            FileFormatError: it is no picture.
        """
        from sagittal.io.raster import read_picture_mask

        self.sha256(path)
        values = np.unique(read_picture_mask(self.root / path).data)
        present = [int(value) for value in values if value]
        if len(present) > 1:
            raise LabelError(
                "A drawn mask has one value.",
                got=f"{path}: {', '.join(map(str, present[:5]))}",
                remedy="store one structure a file, without grey edges",
            )
        return present[0] if present else None
