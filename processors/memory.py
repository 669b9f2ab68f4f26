"""How much memory a run takes, and windows and queues that keep it below a limit.

What does not depend on the raster: the libraries and the model (what the process holds when it
is loaded), GDAL's cache, two queues, and what the network holds while it answers for a batch.
"""

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..catalog.errors import UsageError
from ..io.raster import CACHE_BYTES
from .classifier import ROOM
from .network import Network
from .tensorflow_setup import frozen, tensorflow

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_FOR_NETWORK, _FOR_QUEUE = 0.6, 0.05
"""Shares of what is free: the rest is for rows of class values and what allocators waste."""
_SAMPLE_SIDE = 192
"""Of a window to look at: a multiple of what most networks divide it by."""
_IN_PLACE = {"BiasAdd", "Relu", "Relu6", "Add", "AddV2", "Sigmoid", "Tanh", "Softmax", "Mul", "Elu"}
"""Operations that write over their input where nobody else needs it."""
_NO_COPY = {"Identity", "Reshape", "Const", "Placeholder", "NoOp", "ExpandDims", "Squeeze"}


def parse_bytes(text: str) -> int:
    """Return a number of bytes: ``4G``, ``1500M``, ``2.5 GB``.

    Raises:
        UsageError: No such number.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)i?b?\s*", text.lower())
    if not found:
        raise UsageError(f"--max-memory {text}: expected a size like 4G or 1500M")
    size = int(float(found[1]) * _UNITS[found[2]])
    if size < 1 << 20:
        raise UsageError(f"--max-memory {text}: less than 1M; expected a size like 4G or 1500M")
    return size


class Budget:
    """What a run may take of memory."""

    def __init__(self, limit: int, network: Network, multiple: int = 1) -> None:
        """Look at what is free now, with the model loaded.

        Args:
            limit: Bytes for the whole process.
            network: The model.
            multiple: Of which sides the network takes.

        Raises:
            UsageError: Less than the process holds already.
        """
        needed = bytes_per_pixel(network, multiple)
        held = _resident() + CACHE_BYTES
        free = limit - held
        if free <= 0:
            raise UsageError(
                f"--max-memory {limit >> 20}M: with this model pixelcat holds {held >> 20}M before"
                " it reads a pixel"
            )
        self.pixels = int(free * _FOR_NETWORK / needed)
        """Of a batch."""
        self.room = min(ROOM, int(free * _FOR_QUEUE))
        """Bytes that may wait between two stages."""

    def batch_of(self, asked: Callable[[int, int], int]) -> Callable[[int, int], int]:
        """Return how many windows of a size make a batch, where ``asked`` may be too many."""
        return lambda height, width: max(
            1, min(asked(height, width), self.pixels // (height * width))
        )


def bytes_per_pixel(network: Network, multiple: int = 1) -> float:
    """Return what a network holds per pixel of a window while it answers.

    The most that is alive at once when its operations run in order, outputs that a later one
    still needs; twice that, as convolutions copy them into a layout of their own.

    Args:
        network: The network.
        multiple: Of which sides it takes.
    """
    tf = tensorflow()
    side = math.lcm(_SAMPLE_SIDE, multiple)
    height, width = network.height or side, network.width or side
    spec = tf.TensorSpec([1, height, width, network.bands], tf.float32)
    operations = frozen(network.call, spec).graph.get_operations()
    return 2 * _most_alive(operations) / (height * width)


def _most_alive(operations: list[Any]) -> int:
    last_use = {tensor.ref(): place for place, op in enumerate(operations) for tensor in op.inputs}
    alive: dict[Any, int] = {}
    most = 0
    for place, op in enumerate(operations):
        ends = [tensor.ref() for tensor in op.inputs if last_use[tensor.ref()] == place]
        if op.type in _IN_PLACE | _NO_COPY:
            for ended in ends:
                alive.pop(ended, None)
        alive |= {tensor.ref(): _size(tensor) for tensor in op.outputs if op.type != "Const"}
        most = max(most, sum(alive.values()))
        for ended in ends:
            alive.pop(ended, None)
    return most


def _size(tensor: Any) -> int:
    count = tensor.shape.num_elements()
    return 0 if count is None else int(count) * int(tensor.dtype.size)


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
