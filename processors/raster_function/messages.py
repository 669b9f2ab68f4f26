"""What pixelcat and the process of a raster function send each other.

A message is the length of its header (4 bytes), the header as JSON, and the bytes of the
arrays that the header lists. Nothing that is received is ever run.
"""

import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

NUMERIC = "biuf"
"""Kinds of arrays that travel, as NumPy writes them."""
_LENGTH = struct.Struct("!I")
_LONGEST_HEADER = 64 << 20


class Message(NamedTuple):
    """One message."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


def send(channel: socket.socket, header: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Send a message.

    Args:
        channel: A connected stream; its time-out, if any, is for the whole header or array.
        header: What JSON can hold.
        arrays: Arrays of numbers by name.

    Raises:
        OSError: The other side has gone, or does not take the message in time.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    listed = [(name, array.dtype.str, array.shape) for name, array in whole.items()]
    text = json.dumps({"header": header, "arrays": listed}).encode()
    channel.sendall(_LENGTH.pack(len(text)) + text)
    for array in whole.values():
        channel.sendall(array.reshape(-1).view(np.uint8).data)


def receive(
    channel: socket.socket, *, deadline: float | None = None, largest: int | None = None
) -> Message | None:
    """Return the next message, None where the other side has closed the channel.

    Args:
        channel: A connected stream.
        deadline: On the clock of ``time.monotonic()``; None waits for ever.
        largest: Most bytes that an array may have; None for any number.

    Raises:
        TimeoutError: Nothing whole came before the deadline.
        ValueError: What came is no message.
        OSError: The channel broke.
    """
    start = _bytes(channel, _LENGTH.size, deadline)
    if start is None:
        return None
    (length,) = _LENGTH.unpack(start)
    if length > _LONGEST_HEADER:
        raise ValueError("a header that is too long")
    text = _bytes(channel, length, deadline)
    if text is None:
        return None
    parsed = json.loads(text)
    arrays = {}
    for name, kind, shape in parsed["arrays"]:
        array = _array(channel, np.dtype(kind), tuple(map(int, shape)), deadline, largest)
        if array is None:
            return None
        arrays[str(name)] = array
    return Message(dict(parsed["header"]), arrays)


def _array(
    channel: socket.socket,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    deadline: float | None,
    largest: int | None,
) -> NDArray[Any] | None:
    """Return an array that may be written to, None where the channel was closed."""
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in NUMERIC or min(shape, default=0) < 0:
        raise ValueError("an array that holds no numbers")
    if largest is not None and size > largest:
        raise ValueError(f"an array of {size} bytes")
    data = _bytes(channel, size, deadline)
    return None if data is None else np.frombuffer(data, dtype).reshape(shape)


def _bytes(channel: socket.socket, size: int, deadline: float | None) -> bytearray | None:
    """Return so many bytes, None where the channel was closed before."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
        count = channel.recv_into(view)
        if not count:
            return None
        view = view[count:]
    return data
