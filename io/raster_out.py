"""Class rasters: their type, their colours and class names, their overviews."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetWriter

from ..catalog.errors import ItemError, OutputError
from ..catalog.records import ClassDefinition
from ..catalog.xml_text import xml_text
from .class_table import statistics
from .cog import CogWriter
from .control import Control
from .map_system import Destination
from .moved import MovedWriter
from .pyramid import BLOCK, halved
from .sidecars import TAG, Sidecars, chosen

_MOST_TILES = (1 << 31) // 8
"""Of libtiff: their offsets and sizes are lists of less than 2 GB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRasterFile:
    """Where a class raster goes, and what is said in it and beside it."""

    path: Path
    tags: Mapping[str, str] = field(default_factory=dict)
    sidecars: str = "auto"
    """Of :data:`.sidecars.CHOICES`."""


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
    control: Control | None = None
    """What else says where the pixels lie."""
    tags: Mapping[str, str] = field(default_factory=dict)
    moved_to: Destination | None = None
    """Another grid, on which the raster is published; rows come on that of the above."""
    sidecars: str = "auto"
    """Of :data:`.sidecars.CHOICES`."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the raster that is published."""
        shown = self.moved_to.grid if self.moved_to else self
        return shown.height, shown.width

    def check(self) -> None:
        """Refuse a raster of more tiles than a GeoTIFF can have.

        Raises:
            ItemError: It has.
        """
        for height, width in ((self.height, self.width), self.size):
            if -(-height // BLOCK) * -(-width // BLOCK) > _MOST_TILES:
                raise ItemError(
                    f"its class raster would have {width} x {height} pixels, more than a GeoTIFF"
                    " can hold; give a part of it by --extent, or tiles of it"
                )


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
    """Writes a class raster; overviews have the most frequent class. See :class:`~.cog.CogWriter`."""

    def __init__(self, path: Path, spec: ClassRasterSpec) -> None:
        """Start a raster.

        Raises:
            OutputError: The file cannot be made.
        """
        self.dtype, self.nodata = raster_type([each.value for each in spec.classes])
        self._spec = spec
        placed = spec.transform is not None
        self._beside = chosen(spec.sidecars, spec.classes, placed=placed)
        self._sidecars = Sidecars(path, self._beside)
        profile = {
            **profile_of(spec.width, spec.height, spec.transform, spec.crs),
            "count": 1,
            "dtype": self.dtype,
            "nodata": self.nodata,
        }
        how: dict[str, Any] = {"halve": halved, "describe": self._describe}
        moved = spec.moved_to
        self._writer = (
            CogWriter(path, profile, **how)
            if moved is None
            else MovedWriter(path, profile, moved.grid, moved.resampling, **how)
        )

    def _describe(self, dataset: DatasetWriter) -> None:
        dataset.set_band_description(1, "class")
        ours = {"PIXELCAT_CLASSES": self._class_names(), TAG: " ".join(self._beside)}
        dataset.update_tags(
            **self._spec.tags, **{name: text for name, text in ours.items() if text}
        )
        if self._spec.control is not None:
            self._spec.control.write(dataset)
        if self.dtype == "uint8":
            colors = {each.value: (*each.color, 255) for each in self._spec.classes}
            dataset.write_colormap(1, {**colors, self.nodata: (0, 0, 0, 0)})

    def _class_names(self) -> str:
        """Return class names by value: files are parted from what lies beside them."""
        names = {str(each.value): xml_text(each.name) for each in self._spec.classes}
        return json.dumps(names, ensure_ascii=False)

    def write_rows(self, rows: NDArray[Any]) -> None:
        """Add the next rows.

        Args:
            rows: Class values with shape (rows, width); NoData where invalid.

        Raises:
            OutputError: The disk refused.
        """
        self._writer.write_rows(rows[np.newaxis])

    def moved_rows(self) -> Iterator[NDArray[Any]]:
        """Yield the rows on the other grid, once all are written; none where there is no other.

        Raises:
            OutputError: The disk refused.
        """
        if isinstance(self._writer, MovedWriter):
            yield from (rows[0] for rows in self._writer.move())

    def finish(self, pixels: Mapping[int, int] | None = None) -> str:
        """Publish the raster with what belongs beside it, and return its SHA-256.

        Args:
            pixels: How many pixels each value has, where that is known.

        Raises:
            OutputError: The disk refused, or the file does not read back as written.
        """
        try:
            drafts = self._sidecars.drafts(self._spec.classes, pixels)
            digest = self._writer.finish(statistics(pixels or {}), drafts)
            self._sidecars.remove_older()
            return digest
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Remove the drafts."""
        self._sidecars.abandon()
        self._writer.abandon()


def profile_of(
    width: int, height: int, transform: Affine | None, crs: str | None
) -> dict[str, Any]:
    """Return size and place for ``rasterio.open``; a photo has no place."""
    placed = {} if transform is None else {"transform": transform, "crs": crs}
    return {**placed, "width": width, "height": height}
