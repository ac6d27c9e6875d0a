"""The wordings that VILA-M3's authors published for triggers, as questions: they test, and never train.

The files are replies of a language model that was asked for wordings, with the call that they are meant for
or with the tumour that they ask about; the questions stand in them as numbered lists. “How many are there?”
names nothing that could be called for, so that its file is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sagittal.errors import FileFormatError
from sagittal.evaluation.vila_m3.triggers import TriggerItem
from sagittal.files import storage_errors
from sagittal.specialists.triggers import Trigger, find_triggers

#: Cards that were shown with them (VILA-M3 §3.2): of the specialists that the paper has.
SHOWN = ("VISTA3D", "BRATS", "TorchXRayVision")
_PREFIX = "llama_gen_expert_qa_"
_ARGUMENTS, _LESIONS = f"{_PREFIX}vista3d.json", f"{_PREFIX}lesions.json"
_NUMBERED = re.compile(r"^\s*\d+\.\s+(?:Q:\s*)?(\S.*?)\s*$", re.MULTILINE)


def read_published(folder: str | Path) -> list[TriggerItem]:
    """The questions of the published files.

    Args:
        folder: that holds ``llama_gen_expert_qa_vista3d.json`` and ``llama_gen_expert_qa_lesions.json``.

    Raises:
        FileFormatError: they are no such files.
        StorageError: one of them cannot be read.
    """
    found: list[TriggerItem] = []
    for name in (_ARGUMENTS, _LESIONS):
        path = Path(folder) / name
        with storage_errors(path):
            data = path.read_bytes()
        try:
            found += _items(name, json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError("These are no published wordings.", got=f"{path}: {error}") from error
    return found


def _items(name: str, entries: list[Mapping[str, str]]) -> Iterator[TriggerItem]:
    for number, entry in enumerate(entries):
        call = _call(name, entry)
        # Replies were written with Python's quotes around them, and its escapes.
        reply = entry["reply"].strip("'").replace("\\n", "\n")
        for place, question in enumerate(_NUMBERED.findall(reply)):
            own = f"{name.removeprefix(_PREFIX).removesuffix('.json')}-{number}-{place}"
            yield TriggerItem(own, question, ("ct",), False, SHOWN, (call,), "one")


def _call(name: str, entry: Mapping[str, str]) -> Trigger:
    if name == _ARGUMENTS:
        [call] = find_triggers(entry["exp_model"])
        return call
    return Trigger("VISTA3D", entry["tumor"].strip("'").removesuffix("s"))
