"""Cutting a raster into windows whose cores join without a seam.

A window is a core plus a halo of ``padding`` pixels. Origins and sizes are multiples of
the network's total stride, because a network that halves its input answers differently
when the origin moves by a pixel. At the border of the raster a window ends on the border
and reaches further inwards instead, so that every window of a raster has one shape and
no pixel is invented but those up to the next multiple of the stride. Where the size of a
window changes no answer, the tiling is *flexible*: windows are as much smaller than the largest
as they can be without more of them, so that little is computed twice.

A network that answers for the middle of a window only has a *margin*; windows then begin
that far before the raster. A raster function of ArcGIS wants whole blocks from the corner
of the raster on; such a tiling is *anchored*.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ..io.image import Window, overlap

_LEAST_HALO = 32
"""Of windows that others are compared with."""
_ROW_PIXELS = 1 << 25
"""Of the cores of a row of flexible windows: classes of a row wait in memory."""


class Span(NamedTuple):
    """One window along one axis, in pixels of the raster."""

    start: int
    """First pixel of the window; negative where the tiling has a margin."""
    stop: int
    """One past its last; may lie beyond the raster."""
    core_start: int
    core_stop: int


class TileWindow(NamedTuple):
    """What is read, and which part of it is kept."""

    window: Window
    core: Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """How rasters are cut, the same for every raster of one size."""

    height: int
    """Of the largest windows, halo included."""
    width: int
    padding: int
    """Halo in pixels; a multiple of the stride."""
    stride: int = 1
    """Window origins and sizes are multiples of it."""
    fixed: bool = False
    """The network accepts windows of exactly this size and no other."""
    margin: int = 0
    """Pixels at each side of a window for which the network has no answer."""
    anchored: bool = False
    """Windows are whole blocks counted from the corner of the raster."""
    fill: Literal["reflect", "constant"] = "reflect"
    """What stands for pixels beyond the raster: the raster mirrored, or 0 (``np.pad``)."""
    radius: int | None = None
    """How far the answer for a pixel depends on others; None where nobody knows."""
    overlapping: bool = False
    """The answers of overlapping windows are averaged, not cut to their cores."""
    flexible: bool = False
    """Rasters are cut into smaller windows where these are no more."""

    def __post_init__(self) -> None:
        """Check that a core is left and that everything lies on the stride grid.

        Raises:
            ValueError: It does not.
        """
        if self.padding < self.margin:
            raise ValueError(
                f"padding {self.padding} is less than the {self.margin} pixels at each side of a"
                " window for which the network has no answer"
            )
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
        """Return the size of a raster after filling it up to what windows can cover.

        The margin is part of it, at both sides.
        """
        return self._padded(height, self.height), self._padded(width, self.width)

    def window_of(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of the windows of a raster that is larger than one of them."""
        if not self.flexible:
            return self.height, self.width
        core = self.height - 2 * self.padding
        core = max(min(core, _ROW_PIXELS // width), core // 2, self.stride)
        tall = core // self.stride * self.stride + 2 * self.padding
        return self._even(height, tall), self._even(width, self.width)

    def count(self, height: int, width: int) -> int:
        """Return the number of windows of a raster."""
        tall, wide = self.window_of(height, width)
        return len(self._spans(height, tall)) * len(self._spans(width, wide))

    def reach(self, window: TileWindow) -> Window:
        """Return the pixels whose classes depend on the answer for a window."""
        return window.window if self.overlapping else window.core

    def windows(
        self, height: int, width: int, within: Window | None = None
    ) -> Iterator[TileWindow]:
        """Yield the windows of a raster row by row; their cores cover each pixel once.

        Args:
            height: Of the raster in pixels.
            width: The same.
            within: Leave out windows on which no pixel in here depends.
        """
        area = within or Window(0, 0, height, width)
        for window in self._all_windows(height, width):
            if overlap(self.reach(window), area) is not None:
                yield window

    def _all_windows(self, height: int, width: int) -> Iterator[TileWindow]:
        tall, wide = self.window_of(height, width)
        columns = self._spans(width, wide)
        for row in self._spans(height, tall):
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

    def _spans(self, length: int, tile: int) -> list[Span]:
        return spans(length, self._padded(length, tile), tile, self.padding, self.margin)

    def _even(self, length: int, tile: int) -> int:
        """Return the least length of windows of which no more are needed than of the largest."""
        padded = self._padded(length, tile)
        if padded <= tile:
            return tile
        count = len(self._spans(length, tile))
        return round_up(-(-(padded + 2 * self.padding * (count - 1)) // count), self.stride)

    def _padded(self, length: int, tile: int) -> int:
        if self.anchored:
            return round_up(length, tile - 2 * self.padding) + 2 * self.margin
        padded = round_up(length + 2 * self.margin, self.stride)
        return max(padded, tile) if self.fixed else padded


def spans(length: int, padded: int, tile: int, padding: int, margin: int = 0) -> list[Span]:
    """Cut one axis into windows.

    Args:
        length: Pixels of the raster.
        padded: The same with the margin at both sides, filled up to what windows can cover.
        tile: Length of a window where the raster is long enough.
        padding: Halo on each inner side; at least the margin.
        margin: Pixels at each end of a window without an answer.
    """
    if padded <= tile:
        return [Span(-margin, padded - margin, 0, length)]
    step = tile - 2 * padding
    last = -(-(padded - tile) // step)
    starts = [min(index * step, padded - tile) - margin for index in range(last + 1)]
    edges = [0, *(index * step + padding - margin for index in range(1, last + 1)), length]
    return [
        Span(start, start + tile, core_start, core_stop)
        for start, core_start, core_stop in zip(starts, edges[:-1], edges[1:], strict=True)
    ]


def wider(tiling: Tiling) -> Tiling:
    """Return a tiling for the same network with twice the halo and other seams.

    The halo is 32 pixels at least, and less than twice where windows of a fixed size have no
    room for it. Whole blocks stay as they are.
    """
    if tiling.anchored:
        return tiling
    height, width, stride = tiling.height, tiling.width, tiling.stride
    halo = round_up(max(2 * tiling.padding, _LEAST_HALO), stride)
    if tiling.fixed:
        halo = min(halo, (min(height, width) - 1) // 2 // stride * stride)
    else:
        height, width = max(height, 4 * halo), max(width, 4 * halo)
    return replace(tiling, height=height, width=width, padding=max(halo, tiling.padding))


def round_up(number: int, multiple: int) -> int:
    """Return the smallest multiple that is at least ``number``."""
    return -(-number // multiple) * multiple
