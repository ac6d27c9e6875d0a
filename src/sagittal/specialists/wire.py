"""What a specialist's process and ours say to each other: a JSON header, then arrays as plain bytes.

Never pickle. Sizes are checked before memory is taken, on the side that trusts the other least: ours.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct(">Q")
_LONGEST_HEADER = 4 << 20
_MOST_ARRAYS = 64
#: Kinds of numbers that travel: whole ones, signed or not, and floating ones.
_KINDS = "uifb"


class WireError(Exception):
    """The other side ended, or did not keep to this page; says how."""


def send(stream: IO[bytes], header: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write one message.

    Args:
        stream: to write to.
        header: JSON; ``arrays`` is set here.
        arrays: of numbers.
    """
    described = [{"dtype": a.dtype.str, "shape": list(a.shape)} for a in arrays]
    text = json.dumps({**header, "arrays": described}).encode()
    stream.write(_LENGTH.pack(len(text)) + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    stream.flush()


def receive(stream: IO[bytes], most_bytes: int) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    """Read one message.

    Args:
        stream: to read from.
        most_bytes: of all arrays together.

    Raises:
        WireError: the stream ended, or what came is no message.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > _LONGEST_HEADER:
        raise WireError(f"a header of {length} bytes")
    try:
        header = json.loads(_exactly(stream, length))
    except (ValueError, RecursionError):
        raise WireError("a header that is not JSON") from None
    if not isinstance(header, dict):
        raise WireError("a header that is no object")
    return header, _arrays(stream, header.pop("arrays", None), most_bytes)


def _arrays(stream: IO[bytes], described: Any, most_bytes: int) -> list[NDArray[Any]]:
    if not isinstance(described, list) or len(described) > _MOST_ARRAYS:
        raise WireError("a message without a list of arrays")
    plans = [_plan(one) for one in described]
    if sum(size for _, _, size in plans) > most_bytes:
        raise WireError(f"more than {most_bytes} bytes of arrays")
    return [np.frombuffer(_exactly(stream, size), dtype).reshape(shape) for dtype, shape, size in plans]


def _plan(described: Any) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type, shape and bytes of an array that is announced."""
    try:
        dtype = np.dtype(str(described["dtype"]))
        shape = tuple(described["shape"])
    except (TypeError, KeyError, ValueError, SyntaxError):
        raise WireError("an array that is not described") from None
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 31 for n in shape)
    if dtype.kind not in _KINDS or not whole or len(shape) > 4:
        raise WireError(f"an array of {dtype} and shape {shape}")
    return dtype, shape, math.prod(shape) * dtype.itemsize


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise WireError("an end")
    return data
