"""Checkpoints: a folder of safetensors, texts and a card. Nothing in it is ever executed.

    model.safetensors     weights, half or single precision; a matrix that two layers share is kept once
    card.json             what the model is, what it was made from, how well it does, what it accepts,
                          and the SHA-256 and size of every other file
    tokenizer.json, …     other texts that the model needs

Everything is distrusted on the way in: sizes before memory is taken, hashes before anything is parsed,
names, shapes and types of all tensors before one of them is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sagittal.errors import ConfigError, FileFormatError, IntegrityError
from sagittal.files import atomic_folder, sha256_file, storage_errors, write_json, write_text
from sagittal.study import KINDS, Study

SCHEMA: Literal["sagittal.checkpoint/1"] = "sagittal.checkpoint/1"
WEIGHTS, CARD = "model.safetensors", "card.json"
Precision = Literal["float16", "float32"]

#: Which tensors, by name.
Keep = Callable[[str], bool]

_LARGEST_TEXT = 16 << 20
_DTYPES: Mapping[str, torch.dtype] = {"float16": torch.float16, "float32": torch.float32}
#: Layers that a foreign config may ask for: each is an object, before any weight of it is.
MOST_LAYERS = 512


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _is_false(value: object) -> bool:
    # Cards of before there was the field stay as they are.
    return value is False


class Accepts(_Frozen):
    """Which studies a model can answer about; ``ask --model auto`` chooses by it."""

    kinds: tuple[str, ...] = Field(description="kinds of image that it was trained on")
    most_volumes: int = Field(ge=1, description="volumes at a time")
    most_sessions: int = Field(1, ge=1, description="visits at a time")
    regions: bool = Field(False, description="whether the asker may point at a place")
    pictures: bool = Field(
        default=False, description="whether it looks at one picture or slice; else at whole volumes"
    )
    either: bool = Field(
        default=False, exclude_if=_is_false, description="whether it looks at pictures, slices and volumes"
    )

    def why_not(self, study: Study, *, regions: bool = False, sliced: bool = False) -> str | None:
        """Why a study cannot be asked about; ``None`` when it can.

        Args:
            study: what was given.
            regions: whether the asker points at a place.
            sliced: whether one slice is named, so that a volume is a picture.
        """
        strange = sorted({image.kind for image in study.images} - set(self.kinds))
        if not study.images:
            return "there is no image"
        if strange:
            return f"it does not know {', '.join(KINDS[k] for k in strange)}"
        if regions and not self.regions:
            return "it cannot be pointed at a place"
        depth = self._wrong_depth(any(min(image.shape) == 1 for image in study.images), sliced)
        if depth is not None:
            return depth
        if len(study.images) > self.most_volumes:
            return f"it takes {self.most_volumes} {self._called} at most, and there are {len(study.images)}"
        if len(study.sessions) > self.most_sessions:
            return f"it takes {self.most_sessions} sessions at most, and there are {len(study.sessions)}"
        return None

    @property
    def _called(self) -> str:
        return "pictures" if self.pictures else "volumes"

    def _wrong_depth(self, flat: bool, sliced: bool) -> str | None:
        """Why one slice is too little, or a volume too much."""
        if self.either:
            return None
        if self.pictures:
            return None if flat or sliced else "it looks at one slice of a volume, and none is named"
        if flat:
            return "it looks at volumes, not at pictures"
        return "it looks at whole volumes, not at one slice" if sliced else None


class Score(_Frozen):
    """One figure of a model on one case, or over several."""

    data: str = Field(description="what it was measured on; simulated and real never mixed")
    metric: str
    of: str = Field("", description="structure or task")
    value: float
    case: str = Field("", description="which case, where it is one of several of the same data")
    cases: int = Field(1, ge=1)
    low: float | None = Field(None, description="lowest case")
    high: float | None = Field(None, description="highest case")


class Card(_Frozen):
    """What a reader should know about a model."""

    name: str = Field(min_length=1, max_length=100)
    summary: str = Field(description="what it does, in a sentence")
    licence: str
    data: tuple[str, ...] = Field(description="what it was trained on, with licences")
    recipe: str = Field(description="command that made it, with its seed")
    scores: tuple[Score, ...] = ()
    limits: tuple[str, ...] = Field(description="what it cannot do, and what it must not be used for")
    accepts: Accepts


class _FileEntry(_Frozen):
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)


class _Document(_Frozen):
    """``card.json``: the card, and what a reader needs to trust and build the model."""

    schema_: Literal["sagittal.checkpoint/1"] = Field(alias="schema")
    kind: str
    precision: Precision
    config: dict[str, Any]
    card: Card
    files: dict[str, _FileEntry]


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint: hashes checked, weights not yet read.

    Attributes:
        folder: where it lies.
        kind: which model (``voxelprompt``).
        config: of the model, as plain JSON.
        card: what to know about it.
        texts: the other files, by name.
        precision: of the weights on disk.
    """

    folder: Path
    kind: str
    config: Mapping[str, Any]
    card: Card
    texts: Mapping[str, str]
    precision: Precision

    def check_size(self, make: Callable[[], nn.Module], keep: Keep = lambda name: True) -> None:
        """Make sure that the weights on disk can be those of a model, before memory is taken for it.

        A config may claim any size; a file is as large as it is.

        Args:
            make: builds the model by the checkpoint's config; called without memory for weights.
            keep: names of tensors that the checkpoint holds.

        Raises:
            FileFormatError: the model has more parameters than the file has room for.
        """
        with torch.device("meta"):
            claimed = sum(p.numel() for name, p in make().named_parameters() if keep(name))
        held = (self.folder / WEIGHTS).stat().st_size // _DTYPES[self.precision].itemsize
        if claimed > held:
            raise FileFormatError(
                "The weights cannot be those of this model: its config is too large for them.",
                expected=f"at most {held} parameters, by the size of {WEIGHTS}",
                got=claimed,
            )

    def load_into(self, model: nn.Module, keep: Keep = lambda name: True) -> None:
        """Read the weights into a model, in the model's own precision.

        Args:
            model: of the same make.
            keep: names of tensors that the checkpoint holds; the others stay as they are.

        Raises:
            FileFormatError: the file is no safetensors, or its tensors' names, shapes or types are not
                those of the model.
        """
        own = {name: tensor for name, tensor in unshared(model).items() if keep(name)}
        path = self.folder / WEIGHTS
        try:
            with storage_errors(path), safe_open(path, framework="pt") as stored:
                _compare(own, stored, self.precision)
                with torch.no_grad():
                    for name, tensor in own.items():
                        tensor.copy_(stored.get_tensor(name))
        except SafetensorError as error:
            raise FileFormatError("The weights are damaged.", expected="a safetensors file", got=error) from (
                error
            )


def unshared(model: nn.Module) -> dict[str, Tensor]:
    """A model's tensors by name; of those that share memory, the first."""
    seen: set[int] = set()
    result = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            seen.add(tensor.data_ptr())
            result[name] = tensor
    return result


def save_checkpoint(
    folder: str | Path,
    model: nn.Module,
    *,
    kind: str,
    config: Mapping[str, Any],
    card: Card,
    texts: Mapping[str, str] | None = None,
    precision: Precision = "float16",
    keep: Keep = lambda name: True,
) -> Path:
    """Write a checkpoint, as a whole or not at all.

    Args:
        folder: a new or empty folder.
        model: whose weights are kept.
        kind, config: what a reader builds the model from.
        card: what to know about it.
        texts: further files (``tokenizer.json``).
        precision: of the weights; half precision rounds to 11 significant bits.
        keep: names of tensors to write; the others come from elsewhere (a base model).

    Returns:
        The folder.

    Raises:
        ConfigError: a weight is not finite in this precision, or a text's name is not a plain file's.
        StorageError: the folder is there already, or cannot be written.
    """
    texts = texts or {}
    for name in texts:
        if Path(name).name != name or name in (WEIGHTS, CARD, ""):
            raise ConfigError("A checkpoint's text has a plain file name of its own.", got=name)
    tensors = {name: _stored(name, t, precision) for name, t in unshared(model).items() if keep(name)}
    folder = Path(folder)
    with atomic_folder(folder) as temporary:
        save_file(tensors, temporary / WEIGHTS)
        for name, text in texts.items():
            write_text(temporary / name, text)
        files = {
            path.name: {"sha256": sha256_file(path), "bytes": path.stat().st_size}
            for path in sorted(temporary.iterdir())
        }
        document = {
            "schema": SCHEMA,
            "kind": kind,
            "precision": precision,
            "config": dict(config),
            "card": card.model_dump(mode="json"),
            "files": files,
        }
        write_json(temporary / CARD, document)
    return folder


def open_checkpoint(folder: str | Path, *, kind: str | None = None) -> Checkpoint:
    """Open a checkpoint and check every file against its card.

    Args:
        folder: where it lies.
        kind: which model is wanted; any when ``None``.

    Raises:
        IntegrityError: a file's size or hash is not what the card promises.
        FileFormatError: the card is damaged or of another version.
        ConfigError: it is another kind of model.
        StorageError: a file is missing or cannot be read.
    """
    folder = Path(folder)
    document = _document(folder / CARD)
    if kind is not None and document.kind != kind:
        raise ConfigError("The checkpoint is of another model.", expected=kind, got=document.kind)
    if WEIGHTS not in document.files:
        raise FileFormatError("The card names no weights.", expected=WEIGHTS, got=sorted(document.files))
    texts = {}
    for name, entry in document.files.items():
        if Path(name).name != name or name in ("", ".", ".."):
            raise FileFormatError("A checkpoint's files lie in its own folder.", got=name)
        _check_file(folder / name, entry)
        if name != WEIGHTS:
            texts[name] = _text(folder / name)
    return Checkpoint(folder, document.kind, document.config, document.card, texts, document.precision)


def _document(path: Path) -> _Document:
    text = _text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError("The card is damaged.", expected="JSON", got=error) from error
    schema = value.get("schema") if isinstance(value, dict) else None
    if schema != SCHEMA:
        raise FileFormatError(
            "The checkpoint's version is not known here.",
            expected=SCHEMA,
            got=schema,
            remedy="install the version of sagittal that wrote it, or train it again",
        )
    try:
        return _Document.model_validate(value)
    except ValidationError as error:
        raise FileFormatError("The card is damaged.", got=_first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}"


def _text(path: Path) -> str:
    with storage_errors(path):
        size = path.stat().st_size
        if size > _LARGEST_TEXT:
            raise FileFormatError(
                f"{path.name} is too large.", expected=f"at most {_LARGEST_TEXT} bytes", got=size
            )
        data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path.name} is not text.", expected="UTF-8", got=error) from error


def _check_file(path: Path, entry: _FileEntry) -> None:
    with storage_errors(path):
        size = path.stat().st_size
    if size != entry.bytes:
        raise IntegrityError(
            f"{path.name} is not the file that the card promises.",
            expected=f"{entry.bytes} bytes",
            got=f"{size} bytes",
            remedy="copy the checkpoint again",
        )
    found = sha256_file(path)
    if found != entry.sha256:
        raise IntegrityError(
            f"{path.name} is not the file that the card promises.",
            expected=f"SHA-256 {entry.sha256}",
            got=found,
            remedy="copy the checkpoint again",
        )


def _stored(name: str, tensor: Tensor, precision: Precision) -> Tensor:
    kept = tensor.detach().to("cpu", _DTYPES[precision]) if tensor.is_floating_point() else tensor.detach()
    if not bool(torch.isfinite(kept).all()):
        raise ConfigError(
            "A weight is not finite in the precision of the file.", expected=precision, got=name
        )
    return kept.contiguous()


def _compare(own: Mapping[str, Tensor], stored: Any, precision: Precision) -> None:
    names = set(stored.keys())
    if names != set(own):
        raise FileFormatError(
            "The weights are not those of this model.",
            expected=_some(sorted(set(own) - names)) or "no more tensors",
            got=_some(sorted(names - set(own))) or "none of them",
        )
    kinds = {"float16": "F16", "float32": "F32"}
    for name, tensor in own.items():
        part = stored.get_slice(name)
        shape, kind = tuple(part.get_shape()), part.get_dtype()
        right = kinds[precision] if tensor.is_floating_point() else kind
        if shape != tuple(tensor.shape) or kind != right:
            raise FileFormatError(
                f"The tensor {name} is not that of this model.",
                expected=f"{tuple(tensor.shape)} {right}",
                got=f"{shape} {kind}",
            )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
