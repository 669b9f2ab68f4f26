"""Change rasters: what a pixel was in one run and is in another, as two bands.

Band 1 holds the class value in the first run, band 2 that in the second; each has the NoData of
the class raster that it is from, and its name. Both bands are of one type that holds all values.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import UsageError
from ..catalog.records import ClassDefinition
from .class_raster_in import ClassHeader
from .cog import CogWriter
from .places import check_place
from .publish import draft_folder, publish_folder
from .pyramid import halved
from .raster_out import profile_of, raster_type


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder that is there whole or not at all.

    Raises:
        UsageError: Something has its name, or the folder around it is not there.
    """
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists and is left alone; name a new folder")
    check_place(path)
    with draft_folder(path) as draft:
        draft.mkdir()
        yield draft
        publish_folder(draft, path)


class ChangeWriter:
    """Writes a change raster from top to bottom; a cloud-optimised GeoTIFF."""

    def __init__(
        self, path: Path, header: ClassHeader, runs: Sequence[Sequence[ClassDefinition]]
    ) -> None:
        """Start a raster.

        Args:
            path: Of the raster.
            header: Of the class rasters: its size and place.
            runs: The classes of both runs, in the order of their values.

        Raises:
            OutputError: The file cannot be made.
        """
        values = sorted({each.value for classes in runs for each in classes})
        self._dtype, nodata = raster_type(values)
        self._values = [np.array([*(each.value for each in c), nodata]) for c in runs]
        placed = header.transform if header.crs else None
        profile = {
            **profile_of(header.width, header.height, placed, header.crs),
            "count": 2, "dtype": self._dtype, "nodata": nodata,
        }  # fmt: skip
        self._writer = CogWriter(path, profile, halve=halved, describe=_describe)

    def write_rows(self, one: NDArray[Any], other: NDArray[Any]) -> None:
        """Add rows: places of classes in their lists, shape (rows, width); behind them NoData.

        Raises:
            OutputError: The disk refused.
        """
        bands = [values[places] for values, places in zip(self._values, (one, other), strict=True)]
        self._writer.write_rows(np.stack(bands).astype(self._dtype))

    def finish(self) -> None:
        """Publish the raster.

        Raises:
            OutputError: The disk refused, or the file does not read back as written.
        """
        self._writer.finish()

    def abandon(self) -> None:
        """Remove the draft."""
        self._writer.abandon()


def _describe(dataset: Any) -> None:
    dataset.set_band_description(1, "class before")
    dataset.set_band_description(2, "class after")
