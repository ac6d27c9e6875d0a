"""What an image shows, told from words that name an MR sequence.

Only sequences are told from words, and only where one reading is left. That an image is a CT or a
chest film is never told from a file's name: that comes from metadata or from the user.
"""

from __future__ import annotations

import re
from pathlib import Path

# Whole words (letters and digits between anything else), as data sets and scanners write them.
_WORDS = {
    "t1": "t1", "t1n": "t1", "t1w": "t1", "mprage": "t1", "spgr": "t1",
    "t1c": "t1c", "t1ce": "t1c", "t1gd": "t1c", "t1post": "t1c", "t1wce": "t1c",
    "t2": "t2", "t2w": "t2",
    "flair": "flair", "t2f": "flair", "fla": "flair",
    "pd": "pd", "pdw": "pd", "dwi": "dwi", "adc": "adc",
    "swi": "gre", "gre": "gre", "t2star": "gre", "t2s": "gre",
}  # fmt: skip
# A contrast agent that is named as such; "post" alone may be post-operative.
_CONTRAST = {"ce", "gd", "gad", "gadolinium", "contrast"}
_AMBIGUOUS = {"pre", "post", "postop", "preop"}
_SUFFIX = re.compile(r"(\.(nii|mgz|mgh|gz|dcm|png))+$", re.IGNORECASE)


def kind_from_words(text: str) -> str:
    """The MR sequence that a free text names, or ``unknown`` when it names none or several.

    Args:
        text: a series description, a channel name, a file's stem.

    Returns:
        One of :data:`sagittal.study.KINDS`.
    """
    words = set(re.findall(r"[a-z0-9]+", text.lower().replace("t2*", "t2star")))
    found = {_WORDS[word] for word in words if word in _WORDS}
    if found == {"t2", "flair"}:  # "T2 FLAIR" is how FLAIR is often written
        return "flair"
    if found == {"t1"} and words & _CONTRAST:
        return "t1c" if not words & {"non", "no", "without", "pre"} else "unknown"
    if found == {"t1"} and words & _AMBIGUOUS:
        return "unknown"
    return found.pop() if len(found) == 1 else "unknown"


def recognise_kind(path: str | Path) -> str:
    """The MR sequence that a file's name states by a common convention, else ``unknown``.

    ``BraTS-GLI-00001-000-t1c.nii.gz`` → ``t1c``; ``sub-01_T1w.nii`` → ``t1``; ``scan1.nii`` → ``unknown``.
    """
    return kind_from_words(_SUFFIX.sub("", Path(path).name))
