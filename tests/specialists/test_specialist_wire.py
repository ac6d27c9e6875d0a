"""Messages between processes: what is sent comes back; what is strange is refused before memory is taken."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sagittal.specialists.wire import WireError, receive, send

NUMBERS = st.sampled_from(["<u1", "<i2", ">i4", "<f4", "<f8", "|b1"])


@given(st.lists(NUMBERS.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(max_dims=4, min_side=0)))))
def test_what_is_sent_comes_back(arrays):
    stream = io.BytesIO()
    send(stream, {"a": "ü", "b": [1, None]}, arrays)
    stream.seek(0)
    header, back = receive(stream, 1 << 20)
    assert header == {"a": "ü", "b": [1, None]} and len(back) == len(arrays)
    for one, other in zip(arrays, back, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_an_array_that_is_not_in_order_is_sent_as_it_is_read():
    stream = io.BytesIO()
    turned = np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1)[::-1]
    send(stream, {}, [turned])
    stream.seek(0)
    np.testing.assert_array_equal(receive(stream, 1000)[1][0], turned)


def message(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack(">Q", len(text)) + text + data)


def described(dtype="<u1", shape=(2,)):
    return {"arrays": [{"dtype": dtype, "shape": list(shape)}]}


@pytest.mark.parametrize(
    "stream",
    [
        io.BytesIO(b""), io.BytesIO(b"\0" * 7), io.BytesIO(struct.pack(">Q", 1 << 60)), message(b"no json"),
        message(b"[" * 100_000), message([1]), message({}), message({"arrays": 3}),
        message({"arrays": [{}] * 65}), message({"arrays": [3]}), message(described("|O")),
        message(described("<U4")), message(described("nonsense")), message(described(shape=(-1,))),
        message(described(shape=(1.5,))), message(described(shape=(True,))),
        message(described(shape=(1 << 40,))), message(described(shape=(1,) * 5)), message(described(), b"x"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(stream):
    with pytest.raises(WireError):
        receive(stream, 100)


@pytest.mark.parametrize(("most", "fits"), [(7, False), (8, True)])
def test_arrays_larger_than_they_may_be_are_not_read(most, fits):
    stream = message(described("<f4", (2,)), bytes(8))
    if fits:
        assert receive(stream, most)[1][0].nbytes == 8
    else:
        with pytest.raises(WireError, match="more than 7 bytes"):
            receive(stream, most)
