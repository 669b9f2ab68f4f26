"""A network tried on noise of one size: on which grid it stands, and how far it looks there."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Network
from .tensorflow_setup import function_of, tensorflow

_AMPLITUDES = (1.0, 255.0, 10_000.0)
"""Of the noise: reflectance, 8-bit pixels, 12- to 16-bit pixels."""
_IMPULSE = 1e4
"""Added to one pixel: outweighs every bias."""
_SPARSE = np.array([*[0.0] * 62, 1.0, -1.0], np.float32)
_ROUNDING = 1e-6
"""Relative difference that float32 sums of one input may have, as threads share them."""
_SHIFTED = 1e-4
"""The same for scores of a shifted input, which a steep activation makes larger; another phase
makes far more."""
_SILENT = 1e-6
"""Where no score of an answer to noise is larger than this part of the largest answer's, it
lies in the tail of a sigmoid, of which mostly rounding is left."""


class Probe:
    """A network (or its twin) and noise images of one size."""

    def __init__(self, network: Network, height: int, width: int, strides: Sequence[int]) -> None:
        """Try nothing yet.

        Args:
            network: The network.
            height: Of the noise in pixels; a multiple of every stride, as the width.
            width: The same.
            strides: Grids to be tried, in rising order.
        """
        self.height, self.width = height, width
        self._strides = strides
        twin = network.twin()
        self._is_twin = twin is not None and twin.is_structural
        self._shifted = _ROUNDING if self._is_twin else _SHIFTED
        call = _comparable(network) if twin is None else twin.call
        self._noise = self._make_noise(network.bands)
        self._dense = np.random.default_rng(8).uniform(0.5, 1.5, [height, width, network.bands])
        self._dense = self._dense.astype(np.float32)
        self._amplitudes: tuple[float, ...] = (1.0,) if self._is_twin else _AMPLITUDES
        tf = tensorflow()
        spec = tf.TensorSpec([1, height, width, network.bands], tf.float32)
        self._scores = function_of(call, spec)
        self._moved = cache(self._answer)  # for each stride the same is asked again
        self._touched_by = cache(self._touched)
        self._depends_on = cache(self._depended)

    def _make_noise(self, bands: int) -> NDArray[np.float32]:
        """Return noise larger than the image by the greatest shift.

        For a twin few pixels are not 0, and as many are negative as positive: averages over
        many pixels, as a twin takes them, then still differ from place to place.
        """
        rng = np.random.default_rng(20261128)
        shape = (self.height + self._strides[-1], self.width + self._strides[-1], bands)
        noise = rng.random(shape, np.float32)
        if self._is_twin:
            noise *= rng.choice(_SPARSE, shape[:2])[..., np.newaxis]
        return noise

    def measure(self) -> tuple[int, int] | None:
        """Return stride and radius, or None where this image is too small to tell."""
        if not self._choose_amplitudes():
            return None
        reach = self._reach(1)
        stride = None if reach is None else self._stride(reach)
        radius = None if stride is None else self._reach(stride)
        return None if stride is None or radius is None else (stride, radius)

    def reach_along(self, stride: int) -> int | None:
        """Return the radius along the longer side; None where that is too short to tell.

        Args:
            stride: Of the network.
        """
        if not self._choose_amplitudes():
            return None
        return self._reach(stride, (int(self.width > self.height),))

    def _choose_amplitudes(self) -> bool:
        """Keep those of which the answers tell something, and return whether there is one."""
        loudest = {each: np.abs(self._moved(0, each)).max() for each in self._amplitudes}
        loudest = {each: most for each, most in loudest.items() if np.isfinite(most)}
        least = _SILENT * max(loudest.values(), default=0.0)
        self._amplitudes = tuple(each for each, most in loudest.items() if most >= least)
        return bool(self._amplitudes)

    def _reach(self, stride: int, axes: tuple[int, ...] = (0, 1)) -> int | None:
        """Return how far beyond a cell of the grid pixels matter; None if up to the border.

        The first pixel of a cell looks furthest back, its last pixel furthest ahead.
        """
        first = np.array([self.height, self.width]) // 2 // stride * stride
        reaches = [self._reach_of(pixel, stride, axes) for pixel in (first, first + stride - 1)]
        known = [reach for reach in reaches if reach is not None]
        return max(known) if len(known) == len(reaches) else None

    def _reach_of(self, pixel: NDArray[np.int64], stride: int, axes: tuple[int, ...]) -> int | None:
        """Ask both ways, as both miss something.

        Gradients stop at inactive units; what an impulse does far away can drown in rounding.
        """
        row, column = (int(place) for place in pixel)
        masks = [self._touched_by(row, column)]
        masks += [self._depends_on(row, column, amplitude) for amplitude in self._amplitudes]
        if any(np.take(mask, [0, -1], axis).any() for mask in masks for axis in axes):
            return None
        if self._is_twin and not any(mask.any() for mask in masks):
            return None  # whatever matters lies beyond this image
        kept = list(axes)
        touched, *needed = (np.argwhere(mask)[:, kept] for mask in masks)
        pixel = pixel[kept]
        cell = pixel // stride * stride
        distances = [0]
        for inputs in needed:
            if len(inputs):
                distances += [*(cell - inputs.min(axis=0))]
                distances += [*(inputs.max(axis=0) - (cell + stride - 1))]
        if len(touched):
            cells = touched // stride * stride
            distances += [*(cells.max(axis=0) - pixel)]
            distances += [*(pixel - (cells.min(axis=0) + stride - 1))]
        return int(max(distances))

    def _stride(self, reach: int) -> int | None:
        for stride in self._strides:
            known = [self._only_shifts(stride, reach, noise) for noise in self._amplitudes]
            if self._is_twin and all(known):
                known.append(self._moves(stride))
            if None in known:
                return None
            if all(known):
                return stride
        return None

    def _moves(self, shift: int) -> bool | None:
        """Return whether what an output pixel depends on moves with it, None at the border.

        Weights of a twin are positive and nothing cancels out, so this is exact.
        """
        row, column = self.height // 2, self.width // 2
        masks = [self._depends_on(row + by, column + by, 1.0) for by in (0, shift)]
        if any(mask[[0, -1]].any() or mask[:, [0, -1]].any() for mask in masks):
            return None
        here, there = map(np.argwhere, masks)
        return bool(np.array_equal(here + shift, there))

    def _only_shifts(self, shift: int, reach: int, amplitude: float) -> bool | None:
        """Return whether the answer moves with the input, None if all of it feels the border.

        Equal up to float32 rounding: on the right grid the scores are the same bits on some
        processors, on others what a pixel gets depends a little on where it stands.
        """
        margin = reach + 2 * shift  # other phases of the grid look up to a shift further
        rows, columns = slice(margin, self.height - margin), slice(margin, self.width - margin)
        still, moved = self._moved(0, amplitude), self._moved(shift, amplitude)
        expected = still[rows, columns]
        if not expected.size:
            return None
        found = moved[
            rows.start - shift : rows.stop - shift, columns.start - shift : columns.stop - shift
        ]
        return bool(np.abs(found - expected).max() <= self._shifted * np.abs(expected).max())

    def _answer(self, shift: int, amplitude: float) -> NDArray[Any]:
        """Return what the network answers to noise moved up and left, (height, width, channels)."""
        rows, columns = slice(shift, shift + self.height), slice(shift, shift + self.width)
        return self._run(self._noise[rows, columns] * np.float32(amplitude))

    def _touched(self, row: int, column: int) -> NDArray[np.bool_]:
        """Return which outputs change with one input pixel, shape (height, width).

        By more than rounding: where threads share a sum, the same input can give other last bits.
        """
        changed = self._noise[: self.height, : self.width].copy()
        changed[row, column] += _IMPULSE
        still = self._moved(0, 1.0)
        rounding = _ROUNDING * np.abs(still).max()
        return np.asarray(~(np.abs(self._run(changed) - still) <= rounding).all(axis=-1))

    def _depended(self, row: int, column: int, amplitude: float) -> NDArray[np.bool_]:
        """Return which inputs one output pixel depends on, shape (height, width).

        A twin is asked with no pixel at 0, which would hide the other factor of a product.
        """
        tf = tensorflow()
        noise = self._noise[: self.height, : self.width] * np.float32(amplitude)
        pixels = tf.constant((self._dense if self._is_twin else noise)[np.newaxis])
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            scores = tf.cast(self._scores(pixels)[0, row, column], tf.float32)
            weights = np.random.default_rng(7).uniform(0.5, 1.5, scores.shape[0])
            total = tf.reduce_sum(scores * weights.astype(np.float32))
        gradient = tape.gradient(total, pixels)
        if gradient is None:
            return np.zeros((self.height, self.width), np.bool_)
        return np.asarray((gradient.numpy()[0] != 0).any(axis=-1))

    def _run(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        scores: NDArray[Any] = self._scores(pixels[np.newaxis]).numpy()[0]
        return scores


def _comparable(network: Network) -> Callable[[Any], Any]:
    """Return class values as a channel of floats, so that they can be measured like scores."""
    if network.scores != "classes":
        return network.call

    def call(pixels: Any) -> Any:
        tf = tensorflow()
        values = tf.cast(network.call(pixels), tf.float32)
        return values if len(values.shape) == 4 else values[..., tf.newaxis]

    return call
