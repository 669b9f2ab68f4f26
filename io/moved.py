"""Finished rasters brought to another reference system: classes are moved, not pixels of imagery.

Rows come on the grid on which they were classified, into a file of their own; once that is whole
it is read through a warped VRT, block by block, so that memory holds a row of blocks.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from ..catalog.errors import OutputError
from .cog import CogWriter
from .georeference import unplaced
from .grid import Grid
from .publish import discard, temporary_name
from .pyramid import BLOCK, Halving
from .raster import GDAL_ERRORS
from .warped import SAME_EVERYWHERE


class MovedWriter:
    """Writes a raster as :class:`.cog.CogWriter` does, and publishes it on another grid."""

    def __init__(
        self,
        path: Path,
        profile: dict[str, Any],
        grid: Grid,
        resampling: str,
        *,
        halve: Halving,
        **options: Any,
    ) -> None:
        """Start a raster.

        Args:
            path: Of the raster.
            profile: Of the rows that come, for ``rasterio.open``.
            grid: Where they are moved.
            resampling: As GDAL calls it.
            halve: How overviews are made.
            options: For :class:`.cog.CogWriter`.

        Raises:
            OutputError: The file cannot be made.
        """
        self._path = path
        self._grid = grid
        self._resampling = Resampling[resampling]
        self._own = temporary_name(path)
        self._is_moved = False
        place = {"width": grid.width, "height": grid.height}
        moved = {**profile, **place, "transform": grid.transform, "crs": grid.crs}
        self._writer = CogWriter(path, moved, halve=halve, **options)
        try:
            self._draft = CogWriter(self._own, profile, halve=halve, describe=lambda _: None)
        except BaseException:
            self._writer.abandon()
            raise

    def write_rows(self, rows: NDArray[Any]) -> None:
        """Add the next rows on the grid that they have, shape (bands, rows, width).

        Raises:
            OutputError: The disk refused.
        """
        self._draft.write_rows(rows)

    def move(self) -> Iterator[NDArray[Any]]:
        """Bring the rows to the other grid once they are all there.

        Yields:
            The rows there, from top to bottom, shape (bands, rows, width).

        Raises:
            OutputError: The disk refused.
        """
        self._draft.finish()
        try:
            with unplaced():
                dataset = rasterio.open(self._own, OVERVIEW_LEVEL="NONE")
            with dataset, self._warped(dataset) as warped:
                for top in range(0, self._grid.height, BLOCK):
                    rows = self._read(warped, top)
                    self._writer.write_rows(rows)
                    yield rows
        except GDAL_ERRORS as error:
            raise OutputError(f"cannot write {self._path}: {error}") from error
        finally:
            discard(self._own)
        self._is_moved = True

    def _warped(self, dataset: Any) -> Any:
        grid = self._grid
        return WarpedVRT(
            dataset,
            crs=grid.crs,
            transform=grid.transform,
            width=grid.width,
            height=grid.height,
            resampling=self._resampling,
            **SAME_EVERYWHERE,
        )

    def _read(self, warped: Any, top: int) -> NDArray[Any]:
        """Return rows block by block: below a turned row of a large raster lies all of it."""
        height = min(BLOCK, self._grid.height - top)
        blocks = [
            warped.read(window=Window(left, top, min(BLOCK, self._grid.width - left), height))
            for left in range(0, self._grid.width, BLOCK)
        ]
        return np.concatenate(blocks, axis=2)

    def finish(
        self,
        statistics: Mapping[str, str] = MappingProxyType({}),
        beside: Mapping[Path, Path] = MappingProxyType({}),
    ) -> str:
        """Publish the raster and return its SHA-256.

        Args:
            statistics: Of its first band, as GDAL names them.
            beside: Finished files to be published with it, by their temporary names.

        Raises:
            OutputError: The disk refused, or the file does not read back as written.
        """
        if not self._is_moved:
            for _ in self.move():
                pass
        return self._writer.finish(statistics, beside)

    def abandon(self) -> None:
        """Remove the drafts."""
        self._draft.abandon()
        discard(self._own)
        self._writer.abandon()
