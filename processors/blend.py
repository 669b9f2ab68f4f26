"""Blending: the scores of overlapping windows averaged under a Hann window.

For networks that see the whole window at once (global pooling, attention), whose answers for
one pixel differ from window to window. The weight of a pixel rises over the overlap of two
windows, ``2 * padding`` pixels, as sin² from 0 to 1 and falls the same way; weights are
normalised by their sum, so at the border of the image, too, they add up to 1.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..io.image import Window
from .classifier import Blending
from .messages import Begun, Classes, Failed, Scored, Task
from .windows import Tiling


def blended(
    stream: Iterable[Begun | Failed | Scored], blending: Blending, tiling: Tiling
) -> Iterator[Begun | Failed | Classes]:
    """Add up the scores of windows and yield the classes of rows that are complete.

    Memory holds, for each image in hand, one row of windows of scores.
    """
    sums: dict[int, _Sums] = {}
    for message in stream:
        key = message.task.key
        if isinstance(message, Begun):
            sums[key] = _Sums(message, tiling)
            yield message
        elif isinstance(message, Failed):
            sums.pop(key, None)
            yield message
        elif key in sums:
            yield from sums[key].add(message, blending)
            if sums[key].is_complete:
                del sums[key]


def hann(length: int, padding: int, margin: int = 0) -> NDArray[np.float32]:
    """Return the weights along one axis of a window.

    Args:
        length: Pixels of the window.
        padding: Half the overlap with a neighbour.
        margin: Pixels at each end without an answer; their weight is 0.
    """
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) - margin + 0.5
    overlap = max(2 * (padding - margin), 1)
    rise = np.sin(np.clip(distance / overlap, 0, 1) * np.pi / 2) ** 2
    return np.where(distance > 0, rise, 0).astype(np.float32)


class _Sums:
    """Weighted sums of the scores of one image, from the first incomplete row on."""

    def __init__(self, begun: Begun, tiling: Tiling) -> None:
        self._task: Task = begun.task
        self._part = part = begun.class_map.part
        self._tiling = tiling
        windows = [each.window for each in tiling.windows(*begun.class_map.size, within=part)]
        self._starts = sorted({window.row for window in windows})
        self._missing = {row: sum(w.row == row for w in windows) for row in self._starts}
        self._window_height = windows[0].height
        self._row = part.row
        """First row that has not been yielded."""
        self._end = part.row + part.height
        self._scores: NDArray[np.float32] | None = None
        """Shape (rows, width, classes), of the part asked for."""
        self._weights = np.zeros((0, part.width), np.float32)
        self._valid = np.zeros((0, part.width), np.bool_)

    @property
    def is_complete(self) -> bool:
        return self._row == self._end

    def add(self, scored: Scored, blending: Blending) -> Iterator[Classes]:
        """Add one window; yields the rows that no later window reaches."""
        window = scored.window
        self._reach(max(0, window.place.window.row) + self._window_height)
        there, here = self._places(window.core)
        self._valid[there] = window.kept[here]
        if scored.scores is not None:
            self._add_scores(window.place.window, scored.scores)
        self._missing[window.place.window.row] -= 1
        while self._starts and not self._missing[self._starts[0]]:
            self._starts.pop(0)
            stop = self._starts[0] if self._starts else self._end
            if stop > self._row:
                yield self._finished(stop, blending)

    def _reach(self, stop: int) -> None:
        """Make room for rows up to ``stop``."""
        short = min(stop, self._end) - self._row - len(self._weights)
        if short > 0:
            self._weights = np.pad(self._weights, ((0, short), (0, 0)))
            self._valid = np.pad(self._valid, ((0, short), (0, 0)))
            if self._scores is not None:
                self._scores = np.pad(self._scores, ((0, short), (0, 0), (0, 0)))

    def _places(self, area: Window) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return where what is needed of an area lies in the sums, and in the area."""
        part = self._part
        top, left = max(area.row, self._row), max(area.column, part.column)
        bottom = max(min(area.row + area.height, self._end), top)
        right = max(min(area.column + area.width, part.column + part.width), left)

        def seen_from(row: int, column: int) -> tuple[slice, slice]:
            return slice(top - row, bottom - row), slice(left - column, right - column)

        return seen_from(self._row, part.column), seen_from(area.row, area.column)

    def _add_scores(self, area: Window, scores: NDArray[np.float32]) -> None:
        tiling = self._tiling
        down = hann(area.height, tiling.padding, tiling.margin)
        across = hann(area.width, tiling.padding, tiling.margin)
        weights = down[:, np.newaxis] * across
        there, here = self._places(area)
        if self._scores is None:
            self._scores = np.zeros((*self._weights.shape, scores.shape[-1]), np.float32)
        self._scores[there] += scores[here] * weights[here][..., np.newaxis]
        self._weights[there] += weights[here]

    def _finished(self, stop: int, blending: Blending) -> Classes:
        count = stop - self._row
        valid, weights = self._valid[:count], self._weights[:count]
        answer = None
        if self._scores is not None and valid.any():
            known = np.where(weights > 0, weights, np.float32(1))[..., np.newaxis]
            answer = blending.decide((self._scores[:count] / known).astype(np.float32))
        classes = Classes(
            task=self._task,
            core=Window(self._row, self._part.column, count, self._part.width),
            valid=valid,
            index=None if answer is None else answer.classes,
            confidence=None if answer is None else answer.confidence,
            extras=() if answer is None else answer.extras,
        )
        self._row = stop
        self._valid, self._weights = self._valid[count:], self._weights[count:]
        if self._scores is not None:
            self._scores = self._scores[count:]
        return classes
