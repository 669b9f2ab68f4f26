"""What a user says about an input, where it does not say it itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from ...catalog.errors import UsageError
from ..extent import Extent

MODES = ("mosaic", "separate")
MAX_PIXELS = 100_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanOptions:
    """How to look for images in an input."""

    layer: str | None = None
    """Only this feature class; None for all."""
    photo_columns: tuple[str, ...] = ()
    """Columns that hold photos: paths, links, or the encoded image; empty to find them."""
    media: Path | None = None
    """Folder that paths in such columns are relative to; None to try the usual places."""
    xy: tuple[str, str] | None = None
    """Columns with x and y (longitude and latitude) of a table without geometry."""
    source_kind: str | None = None
    """What the input is; None to find out."""
    mode: str | None = None
    """``mosaic``: all rasters of an input as one image; ``separate``: each for itself."""
    where: str | None = None
    """Which rasters of an input, in the SQL that it understands."""
    zoom: str | None = None
    """Level of tiles of a service."""
    max_pixels: int = MAX_PIXELS
    """Most that a service may be asked for."""
    extent: Extent | None = None
    """What of a service; files are scanned whatever the extent, and this is None."""
    cell_size: float | None = None
    """Of a service, in units of ``crs`` or else of its own reference system; None for files."""
    crs: str | None = None
    """Of a service, ``EPSG:n`` or WKT; None for its own, and for files."""

    @classmethod
    def checked(  # noqa: PLR0913  by keyword, as on the command line
        cls,
        *,
        layer: str | None = None,
        photo_columns: str | Sequence[str] = (),
        media: str | os.PathLike[str] | None = None,
        xy: Sequence[str] | None = None,
        source_kind: str | None = None,
        mode: str | None = None,
        where: str | None = None,
        zoom: str | int | None = None,
        max_pixels: int | None = None,
    ) -> Self:
        """Return what a user says, checked as far as it can be without the input.

        Raises:
            UsageError: The folder is none, or not two columns of coordinates.
        """
        folder = None if media is None else Path(media)
        if folder is not None and not folder.is_dir():
            raise UsageError(f"--media {folder}: no such folder")
        if xy is not None and (isinstance(xy, str) or len(xy) != 2 or not all(xy)):
            given = xy if isinstance(xy, str) else ",".join(xy)
            raise UsageError(f"--xy {given} is not two columns, as in --xy lon,lat")
        if mode is not None and mode not in MODES:
            raise UsageError(f"--mode {mode} is unknown; known are {', '.join(MODES)}")
        if max_pixels is not None and max_pixels <= 0:
            raise UsageError(f"--max-pixels {max_pixels}: expected a number above 0")
        names = [photo_columns] if isinstance(photo_columns, str) else photo_columns
        return cls(
            layer=layer,
            photo_columns=tuple(names),
            media=folder,
            xy=None if xy is None else (xy[0], xy[1]),
            source_kind=source_kind,
            mode=mode,
            where=where,
            zoom=None if zoom is None else str(zoom),
            max_pixels=MAX_PIXELS if max_pixels is None else max_pixels,
        )


class Attached(NamedTuple):
    """What of a database is attachments, in lower case."""

    layers: frozenset[str]
    """Layers that have attachments."""
    tables: Mapping[str, str]
    """Tables that hold or link them, each with its layer."""
