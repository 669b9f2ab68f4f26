"""Cutting a raster into windows whose cores join without a seam.

A window is a core plus a halo of ``padding`` pixels. Origins and sizes are multiples of
the network's total stride, because a network that halves its input answers differently
when the origin moves by a pixel. At the border of the raster a window ends on the border
and reaches further inwards instead, so that every window of a raster has one shape and
no pixel is invented but those up to the next multiple of the stride.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..io.image import Window


class Span(NamedTuple):
    """One window along one axis, in pixels of the raster."""

    start: int
    """First pixel of the window."""
    stop: int
    """One past its last; may lie beyond the raster by less than the stride."""
    core_start: int
    core_stop: int


class TileWindow(NamedTuple):
    """What is read, and which part of it is kept."""

    window: Window
    core: Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """How rasters are cut, the same for every raster of a run."""

    height: int
    """Of a window, halo included."""
    width: int
    padding: int
    """Halo in pixels; a multiple of the stride."""
    stride: int = 1
    """Window origins and sizes are multiples of it."""
    fixed: bool = False
    """The network accepts windows of exactly this size and no other."""

    def __post_init__(self) -> None:
        """Check that a core is left and that everything lies on the stride grid.

        Raises:
            ValueError: It does not.
        """
        if min(self.height, self.width) <= 2 * self.padding:
            raise ValueError(
                f"padding {self.padding} leaves nothing of a tile of {self.height} x {self.width}"
                f" pixels; it must be less than half the tile"
            )
        for name in ("height", "width", "padding"):
            if getattr(self, name) % self.stride:
                raise ValueError(
                    f"{name} {getattr(self, name)} is no multiple of the stride {self.stride}"
                )

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of a raster after filling it up to what windows can cover."""
        return (
            _padded(height, self.height, self.stride, self.fixed),
            _padded(width, self.width, self.stride, self.fixed),
        )

    def count(self, height: int, width: int) -> int:
        """Return the number of windows of a raster."""
        return len(self._rows(height)) * len(self._columns(width))

    def windows(self, height: int, width: int) -> Iterator[TileWindow]:
        """Yield the windows of a raster row by row; their cores cover each pixel once."""
        columns = self._columns(width)
        for row in self._rows(height):
            for column in columns:
                yield TileWindow(
                    Window(
                        row.start, column.start, row.stop - row.start, column.stop - column.start
                    ),
                    Window(
                        row.core_start,
                        column.core_start,
                        row.core_stop - row.core_start,
                        column.core_stop - column.core_start,
                    ),
                )

    def _rows(self, height: int) -> list[Span]:
        return spans(
            height, _padded(height, self.height, self.stride, self.fixed), self.height, self.padding
        )

    def _columns(self, width: int) -> list[Span]:
        return spans(
            width, _padded(width, self.width, self.stride, self.fixed), self.width, self.padding
        )


def spans(length: int, padded: int, tile: int, padding: int) -> list[Span]:
    """Cut one axis into windows.

    Args:
        length: Pixels of the raster.
        padded: The same, filled up to what windows can cover; at least ``length``.
        tile: Length of a window where the raster is long enough.
        padding: Halo on each inner side.
    """
    if padded <= tile:
        return [Span(0, padded, 0, length)]
    step = tile - 2 * padding
    last = -(-(padded - tile) // step)
    starts = [min(index * step, padded - tile) for index in range(last + 1)]
    edges = [0, *(index * step + padding for index in range(1, last + 1)), length]
    return [
        Span(start, start + tile, core_start, core_stop)
        for start, core_start, core_stop in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def round_up(number: int, multiple: int) -> int:
    """Return the smallest multiple that is at least ``number``."""
    return -(-number // multiple) * multiple


def _padded(length: int, tile: int, stride: int, fixed: bool) -> int:
    padded = round_up(length, stride)
    return max(padded, tile) if fixed else padded
