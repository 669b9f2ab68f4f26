"""How far a network looks and on which grid it must stand, measured on the network itself.

*Stride*: the smallest shift of the input that merely shifts the output. A network that
halves its input twice has stride 4, and windows must start on multiples of 4.
*Radius*: how far from one changed input pixel the output changes. A halo of that radius
makes a window's core independent of where the raster was cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Network
from .tensorflow_setup import tensorflow

STRIDES = (1, 2, 4, 8, 16, 32, 64)
SIZES = (128, 256, 512)
"""Sides of the test images; multiples of every stride."""
FALLBACK_STRIDE = 32
_IMPULSES = (1.0, -1.0, 100.0, -100.0, 1e4, -1e4)
_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceptiveField:
    """What was measured."""

    stride: int
    radius: int | None
    """Pixels; None where one pixel changes the whole answer (or all that could be tested)."""


def measure(network: Network) -> ReceptiveField:
    """Measure stride and radius of a network on noise.

    Args:
        network: Any network; one of fixed size is tested at that size.

    Raises:
        ValueError: The network does not return one score vector per input pixel.
    """
    stride: int | None = None
    for height, width in _test_sizes(network):
        probe = _Probe(network, height, width)
        stride = stride or probe.stride()
        if stride is None:
            continue
        radius = probe.radius(stride)
        if radius is not None:
            return ReceptiveField(stride=stride, radius=radius)
    return ReceptiveField(stride=stride or FALLBACK_STRIDE, radius=None)


def _test_sizes(network: Network) -> Iterator[tuple[int, int]]:
    if network.height and network.width:
        yield network.height, network.width
        return
    for size in SIZES:
        yield network.height or size, network.width or size


class _Probe:
    """A network and a noise image of one size."""

    def __init__(self, network: Network, height: int, width: int) -> None:
        self._network = network
        self._height, self._width = height, width
        rng = np.random.default_rng(20261128)
        self._noise = rng.random(
            (height + STRIDES[-1], width + STRIDES[-1], network.bands), np.float32
        )
        tf = tensorflow()
        self._function = tf.function(
            network.call,
            input_signature=[tf.TensorSpec([2, height, width, network.bands], tf.float32)],
        )

    def _run(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[Any]:
        scores: NDArray[Any] = self._function(np.stack([first, second])).numpy()
        if scores.ndim != 4 or scores.shape[1:3] != (self._height, self._width):
            raise ValueError(
                f"gives {scores.shape[1:]} for an input of {self._height} x {self._width} pixels,"
                " not one score vector per pixel"
            )
        return scores

    def stride(self) -> int | None:
        """Return the smallest shift that merely shifts the middle of the output."""
        height, width = self._height, self._width
        base = self._noise[:height, :width]
        rows = slice(3 * height // 8, 5 * height // 8)
        columns = slice(3 * width // 8, 5 * width // 8)
        for stride in STRIDES:
            moved = self._noise[stride : stride + height, stride : stride + width]
            still, shifted = self._run(base, moved)
            expected = still[rows, columns]
            found = shifted[
                rows.start - stride : rows.stop - stride,
                columns.start - stride : columns.stop - stride,
            ]
            if found.shape != expected.shape:
                return None
            spread = float(np.ptp(expected)) or 1.0
            if float(np.abs(found - expected).max()) <= _TOLERANCE * spread:
                return stride
        return None

    def radius(self, stride: int) -> int | None:
        """Return how far an impulse reaches, or None where it reaches the border."""
        base = self._noise[: self._height, : self._width]
        reach = 0
        for row, column, impulse in self._impulses(stride):
            changed = base.copy()
            changed[row, column] += impulse
            unchanged = self._run(base, base)[1]
            touched = np.argwhere((self._run(base, changed)[1] != unchanged).any(axis=-1))
            if not len(touched):
                continue
            if (
                touched.min() == 0
                or (touched.max(axis=0) >= (self._height - 1, self._width - 1)).any()
            ):
                return None
            reach = max(reach, int(np.abs(touched - (row, column)).max()))
        return reach

    def _impulses(self, stride: int) -> Iterator[tuple[int, int, float]]:
        """Yield impulses of every strength, at every place of the stride cell at least once."""
        row, column = self._height // 2 // stride * stride, self._width // 2 // stride * stride
        for offset in range(max(stride, len(_IMPULSES))):
            shift = offset % stride
            yield row + shift, column + shift, _IMPULSES[offset % len(_IMPULSES)]
            yield row + shift, column + stride - 1 - shift, _IMPULSES[-1 - offset % len(_IMPULSES)]
