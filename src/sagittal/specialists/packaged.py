"""Where the card of a package's specialist lies: among the files of its distribution, nothing imported."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

#: How the file of a package's card ends.
CARD_ENDING = ".specialist.yaml"
# Where a project keeps its modules.
_LAYOUTS = ("", "src")


def packaged_card(point: metadata.EntryPoint) -> Path | None:
    """The card that an entry point's distribution brings; ``None`` where it brings none.

    A distribution that is installed in place (``pip install -e``) lists no such files: its card lies beside
    the module that the entry point names, or beside a package above it.
    """
    if point.dist is None:
        return None
    wanted = f"{point.name}{CARD_ENDING}"
    for file in point.dist.files or ():
        if file.name == wanted:
            return Path(str(point.dist.locate_file(file)))
    root = _in_place(point.dist)
    if root is None or Path(wanted).name != wanted:
        return None
    parts = point.module.split(".")
    folders = [root.joinpath(own, *parts[:n]) for own in _LAYOUTS for n in range(len(parts), -1, -1)]
    return next((folder / wanted for folder in folders if (folder / wanted).is_file()), None)


def _in_place(dist: metadata.Distribution) -> Path | None:
    """The project's folder of a distribution that is installed in place (PEP 610)."""
    try:
        origin = json.loads(dist.read_text("direct_url.json") or "{}")
        url = urlsplit(origin["url"]) if origin.get("dir_info", {}).get("editable") else None
    except (ValueError, KeyError, TypeError, AttributeError):
        # Written by whoever installed it; what cannot be read says nothing.
        return None
    return Path(url2pathname(url.path)) if url is not None and url.scheme == "file" else None
