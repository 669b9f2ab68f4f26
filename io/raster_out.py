"""Class rasters: cloud-optimised GeoTIFFs written row by row."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter
from rasterio.windows import Window as RasterioWindow

from ..catalog.errors import OutputError
from ..catalog.records import ClassDefinition
from .publish import publish, temporary_name
from .pyramid import BLOCK, Pyramid
from .raster import GDAL_ERRORS, unplaced

_CHECK_ROWS = 1024
_COG = {
    "driver": "COG",
    "compress": "DEFLATE",
    "level": 1,
    "blocksize": BLOCK,
    "num_threads": "ALL_CPUS",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRasterSpec:
    """What a class raster is, pixels apart."""

    width: int
    height: int
    classes: Sequence[ClassDefinition]
    transform: Affine | None = None
    """None for a photo: its class map has no place on the ground either."""
    crs: str | None = None
    """WKT."""
    tags: Mapping[str, str] = field(default_factory=dict)


def raster_type(values: Sequence[int]) -> tuple[str, int]:
    """Return the smallest integer type for class values, and a NoData value that is no class.

    uint8, uint16 or uint32; int16 or int32 where a value is negative. Not int8: readers
    built on GDAL before 3.7 take it for uint8.
    """
    signed = min(values) < 0
    for dtype in ("int16", "int32") if signed else ("uint8", "uint16", "uint32"):
        info = np.iinfo(dtype)
        if info.min <= min(values) and max(values) <= info.max:
            free = (info.min, info.max) if signed else (info.max, info.min)
            for nodata in (*free, *range(info.max)[:512]):
                if nodata not in values:
                    return dtype, int(nodata)
    raise OutputError(f"class values {min(values)} to {max(values)} do not fit 32 bits")


class ClassRasterWriter:
    """Writes a class raster from top to bottom, then publishes it.

    Rows go to a temporary tiled file beside the final one, which becomes a COG with
    overviews (most frequent class) when the last row is there. The COG is read back and
    compared before it gets its name: GDAL does not report every full disk.
    """

    def __init__(self, path: Path, spec: ClassRasterSpec) -> None:
        """Start a raster.

        Raises:
            OutputError: The file cannot be made.
        """
        self.dtype, self.nodata = raster_type([each.value for each in spec.classes])
        self._path = path
        self._spec = spec
        self._checksum = 0
        self._pyramid: Pyramid | None = None
        try:
            self._pyramid = Pyramid(path, self._profile())
            self._describe(self._pyramid.full)
        except (*GDAL_ERRORS, OSError) as error:
            self.abandon()
            raise OutputError(f"cannot write {path}: {error}") from error

    def _profile(self) -> dict[str, Any]:
        spec = self._spec
        placed = {} if spec.transform is None else {"transform": spec.transform, "crs": spec.crs}
        return {
            **placed,
            "driver": "GTiff",
            "width": spec.width,
            "height": spec.height,
            "count": 1,
            "dtype": self.dtype,
            "nodata": self.nodata,
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "compress": "ZSTD",
            "zstd_level": 1,
            "bigtiff": "IF_SAFER",
        }

    def _describe(self, dataset: DatasetWriter) -> None:
        dataset.set_band_description(1, "class")
        dataset.update_tags(**self._spec.tags)
        if self.dtype == "uint8":
            colors = {each.value: (*each.color, 255) for each in self._spec.classes}
            dataset.write_colormap(1, {**colors, self.nodata: (0, 0, 0, 0)})

    def write_rows(self, rows: NDArray[Any]) -> None:
        """Add the next rows.

        Args:
            rows: Class values with shape (rows, width); NoData where invalid.

        Raises:
            OutputError: The disk refused.
        """
        rows = np.ascontiguousarray(rows, dtype=self.dtype)
        self._checksum = zlib.crc32(rows.data, self._checksum)
        try:
            self._drafts.write(rows)
        except GDAL_ERRORS as error:
            raise OutputError(f"cannot write {self._path}: {error}") from error

    @property
    def _drafts(self) -> Pyramid:
        if self._pyramid is None:
            raise ValueError(f"{self._path} was abandoned")
        return self._pyramid

    def finish(self) -> str:
        """Publish the raster and return its SHA-256.

        Raises:
            OutputError: The disk refused, or the file does not read back as written.
        """
        final = temporary_name(self._path)
        try:
            self._drafts.copy(final, **_COG)
            self._check(final)
            return publish(final, self._path)
        except GDAL_ERRORS as error:
            raise OutputError(f"cannot write {self._path}: {error}") from error
        finally:
            final.unlink(missing_ok=True)
            self.abandon()

    def abandon(self) -> None:
        """Remove the drafts."""
        if self._pyramid is not None:
            self._pyramid.remove()
            self._pyramid = None

    def _check(self, path: Path) -> None:
        checksum = 0
        with unplaced():
            dataset = rasterio.open(path)
        with dataset:
            for row in range(0, self._spec.height, _CHECK_ROWS):
                height = min(_CHECK_ROWS, self._spec.height - row)
                area = RasterioWindow(0, row, self._spec.width, height)
                checksum = zlib.crc32(dataset.read(1, window=area).data, checksum)
        if checksum != self._checksum:
            raise OutputError(f"{self._path} does not read back as written; is the disk full?")
