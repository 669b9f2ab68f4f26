"""How much memory a run takes, and windows and queues that keep it below a limit.

What does not depend on the raster: the libraries and the model (what the process holds when it
is loaded), GDAL's cache, two queues, and what the network holds while it answers for a batch. What
does is in :mod:`.row_memory`.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalog.errors import UsageError
from ..io.raster import CACHE_BYTES
from .classifier import ROOM
from .network import Network
from .options import RunOptions
from .trial import tried
from .windows import round_up

FOR_NETWORK, _FOR_QUEUE = 0.6, 0.05
"""Shares of what is free: the rest is for rows of class values and what allocators waste."""
_COMPILING = 96 << 20
"""What compiling for a window size leaves behind, and the catalog."""
_CLASS_AND_CONFIDENCE = 5
"""Bytes of an answer for a pixel."""
_KEPT = 3
"""Copies of an answer: on the device, as an array, and waiting to be written."""
_WARM = 256
"""Pixels a side."""


@dataclass(frozen=True, slots=True)
class Free:
    """Bytes that are left for windows and queues, whatever the process holds."""

    size: int


class Budget:
    """What a run may take of memory."""

    def __init__(self, limit: int | Free, network: Network) -> None:
        """Look at what is free now, with the model loaded.

        Args:
            limit: Bytes for the whole process, or those that are left.
            network: The model, tried.

        Raises:
            UsageError: Less than the process holds already.
        """
        free = limit.size if isinstance(limit, Free) else free_of(limit)
        if free <= 0 and not isinstance(limit, Free):
            held = limit - free
            raise UsageError(
                f"--max-memory {limit >> 20}M: with this model pixelcat holds {held >> 20}M before"
                " it reads a pixel"
            )
        self.pixels = int(free * FOR_NETWORK / network.bytes_per_pixel)
        """Of a batch."""
        self.room = min(ROOM, int(free * _FOR_QUEUE))
        """Bytes that may wait between two stages."""

    def batch_of(self, asked: Callable[[int, int], int]) -> Callable[[int, int], int]:
        """Return how many windows of a size make a batch, where ``asked`` may be too many."""
        return lambda height, width: max(
            1, min(asked(height, width), self.pixels // (height * width))
        )


def with_answers(network: Network, options: RunOptions, classes: int) -> Network:
    """Return a network that counts what is kept of its answers among what it holds.

    Args:
        network: The network.
        options: The arguments of the run.
        classes: How many there are.
    """
    size = 4 if options.also_type == "float32" else 1
    answer = _CLASS_AND_CONFIDENCE
    answer += size * sum(classes if kind == "probabilities" else 1 for kind in options.also)
    if options.blend == "hann":
        answer += 4 * classes
    return replace(network, bytes_per_pixel=network.bytes_per_pixel + _KEPT * answer)


def warm_up(network: Network, grid: int) -> None:
    """Let a network answer once: what it loads for that counts among what the process holds.

    Args:
        network: The network.
        grid: Of which pixels its windows are multiples.
    """
    side = round_up(_WARM, grid)
    tried(network, network.height or side, network.width or side)


def free_of(limit: int) -> int:
    """Return how many bytes a limit leaves besides what the process holds, or soon will."""
    return limit - _resident() - CACHE_BYTES - _COMPILING


def _resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
