"""What a user says about an input, where it does not say it itself."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypedDict, Unpack

from ..catalog.errors import UsageError
from .extent import Extent
from .limits import MAX_PIXELS as MAX_IMAGE_PIXELS
from .limits import Limits

MAX_PIXELS = 100_000_000

Mode = Literal["mosaic", "separate"]

_MODES: dict[str, Mode] = {
    "mosaic": "mosaic",
    "separate": "separate",
    "process_as_mosaicked_image": "mosaic",
    "process_items_separately": "separate",
    "process_candidate_items_only": "separate",
}
_CANDIDATES = "candidate IN (1, 2)"
"""What ArcGIS calls the candidate items of a mosaic dataset."""


class SourceOptions(TypedDict, total=False):
    """How to look at a mosaic or a service, as it comes from the user."""

    mode: str | None
    """``mosaic``, ``separate``, or as ArcGIS calls them; None for the way of the input."""
    where: str | None
    """SQL over the columns of the index: only these items."""
    source_kind: str | None
    """What the input is, where that is not to be found out."""
    asset: str | None
    """The asset of STAC items."""
    paths: str | os.PathLike[str] | None
    """Table of the paths of an Esri mosaic dataset; FILE or ``FILE|layername=NAME``."""
    mosaic_order: str | None
    """``first``, ``last``, or the first by a column: ``COLUMN`` or ``COLUMN desc``."""
    skip_missing: bool
    """Make mosaics of the members that are there."""
    allow_outside: bool
    """A VRT, tile index or STAC items may name files outside their own folder; STAC items in a
    file, rasters in the web."""
    zoom: str | int | None
    """Level of tiles of a service."""
    max_pixels: int | None
    """Most that a service may be asked for."""
    max_image_pixels: int | None
    """Most that a photo, an attachment, or a raster without a place may have."""
    allow_truncated: bool
    """Take JPEGs that end too early: what is missing of them is NoData."""


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
    mode: Mode | None = None
    """Rasters as one image, or each of them; None for the way of the input."""
    where: str | None = None
    source_kind: str | None = None
    asset: str | None = None
    paths: str | None = None
    mosaic_order: str | None = None
    skip_missing: bool = False
    allow_outside: bool = False
    zoom: str | None = None
    """Level of tiles of a service."""
    max_pixels: int = MAX_PIXELS
    """Most that a service may be asked for."""
    max_image_pixels: int = MAX_IMAGE_PIXELS
    allow_truncated: bool = False
    extent: Extent | None = None
    """What of a service; files are scanned whatever the extent, and this is None."""
    cell_size: float | None = None
    """Of a service, in units of ``crs`` or else of its own reference system; None for files."""
    crs: str | None = None
    """Of a service, ``EPSG:n`` or WKT; None for its own, and for files."""

    @classmethod
    def checked(
        cls,
        *,
        layer: str | None = None,
        photo_columns: str | Sequence[str] = (),
        media: str | os.PathLike[str] | None = None,
        xy: Sequence[str] | None = None,
        **source: Unpack[SourceOptions],
    ) -> Self:
        """Return what a user says, checked as far as it can be without the input.

        Raises:
            TypeError: There is no option of a name.
            UsageError: The folder is none, not two columns of coordinates, an unknown mode.
        """
        unknown = source.keys() - SourceOptions.__annotations__.keys()
        if unknown:
            raise TypeError(f"got an unexpected keyword argument {min(unknown)!r}")
        folder = None if media is None else Path(media)
        if folder is not None and not folder.is_dir():
            raise UsageError(f"--media {folder}: no such folder")
        if xy is not None and (isinstance(xy, str) or len(xy) != 2 or not all(xy)):
            given = xy if isinstance(xy, str) else ",".join(xy)
            raise UsageError(f"--xy {given} is not two columns, as in --xy lon,lat")
        pixels, most = source.get("max_pixels"), source.get("max_image_pixels")
        for option, number in (("--max-pixels", pixels), ("--max-image-pixels", most)):
            if number is not None and number <= 0:
                raise UsageError(f"{option} {number}: expected a number above 0")
        names = [photo_columns] if isinstance(photo_columns, str) else photo_columns
        paths, order = source.get("paths"), source.get("mosaic_order")
        if order is not None and not order.strip():
            raise UsageError("--mosaic-order is first, last or a column, as in 'datetime desc'")
        return cls(
            layer=layer,
            photo_columns=tuple(names),
            media=folder,
            xy=None if xy is None else (xy[0], xy[1]),
            mode=_mode(source.get("mode")),
            where=source.get("where") or _candidates(source.get("mode")),
            source_kind=source.get("source_kind"),
            asset=source.get("asset"),
            paths=None if paths is None else os.fspath(paths),
            mosaic_order=order,
            skip_missing=source.get("skip_missing", False),
            allow_outside=source.get("allow_outside", False),
            zoom=None if source.get("zoom") is None else str(source.get("zoom")),
            max_pixels=MAX_PIXELS if pixels is None else pixels,
            max_image_pixels=MAX_IMAGE_PIXELS if most is None else most,
            allow_truncated=source.get("allow_truncated", False),
        )

    def limits_of(self, kind: str = "") -> Limits:
        """Return what is taken of the images of an input of a kind."""
        return Limits.of_kind(kind, self.max_image_pixels, cut_off=self.allow_truncated)

    def given(self) -> tuple[str, ...]:
        """Return the options of mosaics and services that are given, as they are called."""
        said = {
            "--mode mosaic": self.mode == "mosaic",
            "--where": self.where,
            "--zoom": self.zoom,
            "--asset": self.asset,
            "--paths": self.paths,
            "--mosaic-order": self.mosaic_order,
            "--skip-missing": self.skip_missing,
            "--allow-outside": self.allow_outside,
        }
        return tuple(name for name, value in said.items() if value)


def _mode(text: str | None) -> Mode | None:
    if text is None:
        return None
    mode = _MODES.get(text.strip().lower())
    if mode is None:
        raise UsageError(f"--mode {text}: expected mosaic or separate, or as ArcGIS calls them")
    return mode


def _candidates(mode: str | None) -> str | None:
    is_asked = mode is not None and mode.strip().lower() == "process_candidate_items_only"
    return _CANDIDATES if is_asked else None


class Attached(NamedTuple):
    """What of a database is attachments, in lower case."""

    layers: frozenset[str]
    """Layers that have attachments."""
    tables: Mapping[str, str]
    """Tables that hold or link them, each with its layer."""
