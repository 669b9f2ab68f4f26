"""Cloud-optimised GeoTIFFs written row by row, and published once they are whole."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window

from ..catalog.errors import OutputError
from .georeference import unplaced
from .publish import discard, publish, temporary_name
from .pyramid import BLOCK, Halving, Pyramid
from .raster import GDAL_ERRORS

_CHECK_ROWS = 1024
_DRAFT = {
    "driver": "GTiff",
    "tiled": True,
    "blockxsize": BLOCK,
    "blockysize": BLOCK,
    "compress": "ZSTD",
    "zstd_level": 1,
    "bigtiff": "IF_SAFER",
}
_COG = {
    "driver": "COG",
    "compress": "DEFLATE",
    "level": 1,
    "blocksize": BLOCK,
    "num_threads": "ALL_CPUS",
    "bigtiff": "IF_SAFER",
}


class CogWriter:
    """Writes a raster from top to bottom, then publishes it.

    Rows go to a temporary tiled file beside the final one, which becomes a COG with overviews
    when the last row is there. The COG is read back and compared before it gets its name: GDAL
    does not report every full disk.
    """

    def __init__(
        self,
        path: Path,
        profile: dict[str, Any],
        *,
        halve: Halving,
        describe: Callable[[DatasetWriter], None],
        **options: Any,
    ) -> None:
        """Start a raster.

        Args:
            path: Of the raster.
            profile: Its width, height, count, dtype, nodata and place, for ``rasterio.open``.
            halve: How overviews are made.
            describe: Writes tags, colours and the like.
            options: Creation options of the COG, over ours.

        Raises:
            OutputError: The file cannot be made.
        """
        self._path = path
        self._options = {**_COG, **options}
        self._size = (profile["height"], profile["width"])
        self._dtype = profile["dtype"]
        self._checksums = [0] * profile["count"]
        self._pyramid: Pyramid | None = None
        try:
            self._pyramid = Pyramid(path, {**_DRAFT, **profile}, halve)
            describe(self._pyramid.full)
        except (*GDAL_ERRORS, OSError) as error:
            self.abandon()
            raise OutputError(f"cannot write {path}: {error}") from error

    def write_rows(self, rows: NDArray[Any]) -> None:
        """Add the next rows.

        Args:
            rows: Shape (bands, rows, width); NoData where invalid.

        Raises:
            OutputError: The disk refused.
        """
        rows = np.ascontiguousarray(rows, dtype=self._dtype)
        self._checksums = _continued(self._checksums, rows)
        try:
            self._drafts.write(rows)
        except GDAL_ERRORS as error:
            raise OutputError(f"cannot write {self._path}: {error}") from error

    @property
    def _drafts(self) -> Pyramid:
        if self._pyramid is None:
            raise ValueError(f"{self._path} was abandoned")
        return self._pyramid

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
        final = temporary_name(self._path)
        try:
            self._drafts.copy(final, statistics, **self._options)
            self._check(final)
            return publish(final, self._path, beside)
        except GDAL_ERRORS as error:
            why = "is the disk full?" if self._path.parent.is_dir() else "its folder is gone."
            raise OutputError(f"cannot write {self._path}; {why} GDAL says: {error}") from error
        finally:
            discard(final)
            self.abandon()

    def abandon(self) -> None:
        """Remove the drafts."""
        if self._pyramid is not None:
            self._pyramid.remove()
            self._pyramid = None

    def _check(self, path: Path) -> None:
        height, width = self._size
        checksums = [0] * len(self._checksums)
        with unplaced():
            dataset = rasterio.open(path)
        with dataset:
            for row in range(0, height, _CHECK_ROWS):
                area = Window(0, row, width, min(_CHECK_ROWS, height - row))
                checksums = _continued(checksums, dataset.read(window=area))
        if checksums != self._checksums:
            raise OutputError(f"{self._path} does not read back as written; is the disk full?")


def _continued(checksums: list[int], rows: NDArray[Any]) -> list[int]:
    """Return the checksum of each band with further rows, which may come in any portions."""
    return [zlib.crc32(band.data, known) for band, known in zip(rows, checksums, strict=True)]
