"""The rasters beside one image's class map, put together from the same cores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.records import ExtraRaster
from ..io.cog import CogWriter
from ..io.extra_out import NODATA, ExtraRasterSpec, extra_writer
from ..io.image import Window
from ..io.moved import MovedWriter
from ..io.raster_out import ClassRasterSpec
from .extras import Extra


@dataclass(frozen=True, kw_only=True, slots=True)
class _Map:
    extra: Extra
    path: Path
    writer: CogWriter | MovedWriter
    strips: dict[int, NDArray[Any]]
    """Rows that are not complete, shape (bands, rows, width), by their first row."""


class ExtraMaps:
    """Collects what belongs to the cores of a class map; none where nothing is asked for."""

    def __init__(self, extras: Sequence[Extra], path: Path, spec: ClassRasterSpec) -> None:
        """Take what is asked for; nothing is written yet.

        Args:
            extras: What to write.
            path: Of the class raster.
            spec: Its size and place, which are also those of the others.
        """
        self._extras = extras
        self._path = path
        self._spec = spec
        self._maps: list[_Map] = []

    def begin(self) -> None:
        """Start the rasters.

        Raises:
            OutputError: A file cannot be made.
        """
        for extra in self._extras:
            path = self._path.with_name(_file_name(self._path.name, extra.kind))
            writer = extra_writer(path, self._spec_of(extra))
            self._maps.append(_Map(extra=extra, path=path, writer=writer, strips={}))

    def _spec_of(self, extra: Extra) -> ExtraRasterSpec:
        spec = self._spec
        return ExtraRasterSpec(
            width=spec.width,
            height=spec.height,
            bands=extra.bands,
            dtype=extra.dtype,
            transform=spec.transform,
            crs=spec.crs,
            control=spec.control,
            tags={**spec.tags, "PIXELCAT_RASTER": extra.kind},
            moved_to=spec.moved_to,
        )

    def add_strip(self, row: int, height: int) -> None:
        """Make room for rows, which are NoData until something is added."""
        for each in self._maps:
            shape = (len(each.extra.bands), height, self._spec.width)
            dtype = each.extra.dtype
            each.strips[row] = np.full(shape, NODATA[dtype], dtype)

    def add(self, core: Window, valid: NDArray[np.bool_], arrays: Sequence[NDArray[Any]]) -> None:
        """Add what belongs to a core.

        Args:
            core: Where it lies; its strip is there.
            valid: Shape (height, width); other pixels stay NoData.
            arrays: One for each raster, shape (height, width, bands).
        """
        columns = slice(core.column, core.column + core.width)
        for each, values in zip(self._maps, arrays, strict=True):
            for band, target in enumerate(each.strips[core.row]):
                np.copyto(target[:, columns], values[..., band], where=valid)

    def write_strip(self, row: int) -> None:
        """Write the rows that begin here.

        Raises:
            OutputError: The disk refused.
        """
        for each in self._maps:
            each.writer.write_rows(each.strips.pop(row))

    def finish(self, raster_path: str) -> tuple[ExtraRaster, ...]:
        """Publish the rasters and return their rows in the catalog.

        Args:
            raster_path: What the catalog remembers as the place of the class raster.

        Raises:
            OutputError: The disk refused.
        """
        folder = raster_path.rpartition("/")[0]
        return tuple(
            ExtraRaster(
                kind=each.extra.kind,
                raster_path=f"{folder}/{each.path.name}" if folder else each.path.name,
                sha256=each.writer.finish(),
                data_type=each.extra.dtype,
                bands=len(each.extra.bands),
            )
            for each in self._maps
        )

    def abandon(self) -> None:
        """Remove what was written so far."""
        for each in self._maps:
            each.writer.abandon()


def _file_name(class_raster: str, kind: str) -> str:
    stem, _, suffix = class_raster.rpartition(".")
    return f"{stem}_{kind}.{suffix}"
