"""Published sets of questions about single images → :class:`~sagittal.example.Example`.

:func:`load_vqa_set` is the one entry; :data:`SETS` says which sets there are, where their form was seen and
what could not be checked. The published splits leak images: ours goes by patient, as far as the files tell
patients apart, and by image otherwise.
"""

from __future__ import annotations

from sagittal.builders.vqa_sets.loading import LoadedSet, load_vqa_set
from sagittal.builders.vqa_sets.sets import SETS

__all__ = ["SETS", "LoadedSet", "load_vqa_set"]
