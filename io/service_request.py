"""What a service is asked for the pieces of a raster: the same request is the same image."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from affine import Affine

from .grid import Grid
from .image import Window, overlap

BLOCK = 512
"""Pixels at each side of what a service draws at a time."""
_NAMES = re.compile(r"\{(x|y|west|south|east|north|width|height)\}")


class Piece(NamedTuple):
    """A tile, or what is drawn at a time."""

    column: int
    row: int
    window: Window
    """Pixels of the raster; a tile may reach beyond it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A raster that comes in pieces."""

    template: str
    """Address of a piece with names in braces: ``x`` and ``y`` of a tile; ``west``, ``south``,
    ``east``, ``north``, ``width`` and ``height`` of what is drawn. It holds no secrets."""
    transform: tuple[float, ...]
    """Pixel to map, six numbers."""
    width: int
    height: int
    block: tuple[int, int]
    """Width and height of a piece."""
    bands: int
    """Alpha included."""
    has_alpha: bool
    """Whether the last band says where there is data."""
    dtype: str = "uint8"
    nodata: float | None = None
    """Value of pixels without data, in all bands."""
    first: tuple[int, int] | None = None
    """Column and row of the first pixel, counted from the corner of the first tile; None where
    pieces are drawn."""
    from_bottom: int | None = None
    """Rows of tiles, where they are counted from the bottom."""

    def cost(self, window: Window) -> tuple[int, int]:
        """Return how many pieces a window of the raster needs, and their pixels."""
        columns, rows = self._touched(window)
        wide, high = self.block
        width, height = len(columns) * wide, len(rows) * high
        if self.first is None:
            width = min(columns.stop * wide, self.width) - columns.start * wide
            height = min(rows.stop * high, self.height) - rows.start * high
        return len(columns) * len(rows), width * height

    def pieces(self, window: Window) -> Iterator[Piece]:
        """Yield the pieces that a window of the raster needs, row by row."""
        wide, high = self.block
        left, top = self.first or (0, 0)
        all_of_it = Window(0, 0, self.height, self.width)
        columns, rows = self._touched(window)
        for row in rows:
            for column in columns:
                place = Window(row * high - top, column * wide - left, high, wide)
                if self.first is None:
                    place = overlap(place, all_of_it) or place
                yield Piece(column, row, place)

    def _touched(self, window: Window) -> tuple[range, range]:
        """Return the columns and the rows of pieces that a window needs."""
        left, top = self.first or (0, 0)
        return (
            _steps(left + window.column, window.width, self.block[0]),
            _steps(top + window.row, window.height, self.block[1]),
        )

    def address(self, piece: Piece) -> str:
        """Return what is asked for a piece."""
        row = piece.row if self.from_bottom is None else self.from_bottom - 1 - piece.row
        window = piece.window
        place = Affine(*self.transform)
        west, north = place @ (window.column, window.row)
        east, south = place @ (window.column + window.width, window.row + window.height)
        sides = {"west": west, "south": south, "east": east, "north": north}
        values = {
            "x": str(piece.column),
            "y": str(row),
            "width": str(window.width),
            "height": str(window.height),
            **{name: f"{value:.17g}" for name, value in sides.items()},
        }
        return _NAMES.sub(lambda found: values[found[1]], self.template)


def drawn(
    template: str,
    grid: Grid,
    *,
    bands: int,
    has_alpha: bool,
    dtype: str = "uint8",
    nodata: float | None = None,
    most: int = BLOCK,
) -> Request:
    """Return the request for a raster that a service draws wherever it is asked to.

    Args:
        template: See :class:`Request`.
        grid: The pixels.
        bands: Alpha included.
        has_alpha: Whether the last one is alpha.
        dtype: Of the pixels.
        nodata: Value of pixels without data, in all bands.
        most: Pixels of a side that the service draws.
    """
    side = min(BLOCK, most)
    return Request(
        template=template,
        transform=tuple(grid.transform)[:6],
        width=grid.width,
        height=grid.height,
        block=(side, side),
        bands=bands,
        has_alpha=has_alpha,
        dtype=dtype,
        nodata=nodata,
    )


def _steps(start: int, length: int, step: int) -> range:
    return range(start // step, -(-(start + length) // step))
