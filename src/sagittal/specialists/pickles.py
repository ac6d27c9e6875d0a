"""Pickles of whole networks, looked through before their own library reads them.

Such a file says which functions to call with which arguments. torch's ``weights_only`` takes none that has a
network's source beside it, and torch wrote that until 2020. Here a file is read with stand-ins for what it
names: layers that only take a state, tensors that are nothing. Who names anything else is refused; what
passes names only these, so that a second, trusting reader finds nothing else to call.
"""

from __future__ import annotations

import pickle
import tarfile
from collections import OrderedDict
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch

from sagittal.errors import FileFormatError
from sagittal.files import storage_errors

# Numbers of the older format: its own sign, its version, the machine, the network, names of the tensors.
_PICKLES = 5
# By their first bytes torch tells archives from the older format.
_ARCHIVE = b"PK\x03\x04"
# What damaged pickles are known to raise.
_DAMAGE = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    MemoryError, OverflowError, RecursionError, RuntimeError,
)  # fmt: skip


class _Layer:
    """A layer: restored, never called."""

    def __init__(self, *_: object, **__: object) -> None:
        raise pickle.UnpicklingError("a layer is called, not restored")

    def __setstate__(self, state: object) -> None:
        pass


class _Numbers:
    """A tensor, an array, a type of numbers, and what makes them."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _encode(text: str, encoding: str) -> bytes:
    """How bytes are written where a pickle has none."""
    return text.encode({"latin1": "latin1"}[encoding])


_PLAIN: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    **{f"torch._utils.{name}": _Numbers for name in (
        "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")},
    **{f"torch.{kind}Storage": _Numbers for kind in (
        "Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")},
    **{f"{home}.{name}": _Numbers for home in ("numpy.core.multiarray", "numpy._core.multiarray")
       for name in ("_reconstruct", "scalar")},
    "numpy.ndarray": _Numbers,
    "numpy.dtype": _Numbers,
    "_codecs.encode": _encode,
}  # fmt: skip


class _Reader(pickle.Unpickler):
    def __init__(self, stream: IO[bytes], layers: Collection[str]) -> None:
        super().__init__(stream)
        self._layers = layers

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self._layers:
            return _Layer
        if full not in _PLAIN:
            raise pickle.UnpicklingError(f"it names {full}")
        return _PLAIN[full]

    def persistent_load(self, pid: Any) -> Any:
        # ("storage", …), or of the older format ("module", the class, its file, its source).
        if isinstance(pid, tuple) and pid and pid[0] in ("storage", "module"):
            return pid[1] if pid[0] == "module" else _Numbers()
        raise pickle.UnpicklingError("it refers to something else than tensors")


def check_pickle(path: Path, layers: Collection[str]) -> None:
    """Refuse a file of torch's that names anything but layers, tensors and numbers.

    Args:
        path: of the file.
        layers: that it may hold, by module and name.

    Raises:
        FileFormatError: it does, or is no such file.
        StorageError: it cannot be read.
    """
    with storage_errors(path), path.open("rb") as stream:
        try:
            if stream.read(len(_ARCHIVE)) == _ARCHIVE:
                _Reader(BytesIO(_pickle_of_archive(path)), layers).load()
                return
            _refuse_tar(stream)
            stream.seek(0)
            for _ in range(_PICKLES):
                _Reader(stream, layers).load()
        except _DAMAGE as error:
            told = str(error).strip().splitlines() or [type(error).__name__]
            raise FileFormatError(
                "These weights are refused: reading them could run a program.",
                expected="layers, tensors and numbers", got=f"{path}: {told[0]}",
                remedy="fetch them anew from where their makers publish them",
            ) from error  # fmt: skip


def _pickle_of_archive(path: Path) -> bytes:
    """As torch itself finds it: another reader of archives could be shown another one."""
    reader = torch._C.PyTorchFileReader(str(path))
    if "constants.pkl" in reader.get_all_records():
        raise pickle.UnpicklingError("it is TorchScript")
    content: bytes = reader.get_record("data.pkl")
    return content


def _refuse_tar(stream: IO[bytes]) -> None:
    """The oldest format of torch's, which it still tries before all others."""
    stream.seek(0)
    try:
        tarfile.open(fileobj=stream, mode="r:").close()
    except tarfile.TarError:
        return
    raise pickle.UnpicklingError("it is a tar archive")
