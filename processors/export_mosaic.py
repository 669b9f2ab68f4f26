"""The class rasters of a run as one raster or as a list that other programs read."""

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
import shapely

from ..catalog import query as catalog_query
from ..catalog.class_mosaic import MEMBERS, Member
from ..catalog.errors import OutputError, UsageError
from ..catalog.records import ClassDefinition
from ..io import meridian
from ..io.class_tiles import ClassTile, Tile, class_band, common_system, read_tile
from ..io.extra_out import NODATA, STEPS
from ..io.extra_tiles import ExtraTile, extra_bands, read_extra_tile
from ..io.publish import write_new
from ..io.vrt_out import write_style, write_vrt
from .class_mosaic import CLASSES, class_definitions
from .extras import KINDS

_RUN = """
SELECT r.id, m.name AS model, coalesce(r.finished_at, r.started_at) AS at
FROM runs r JOIN models m ON m.id = r.model_id WHERE :run IS NULL OR r.id = :run
ORDER BY EXISTS (SELECT 1 FROM outputs o JOIN items i ON i.id = o.item_id
  WHERE o.run_id = r.id AND o.status = 'done' AND i.transform IS NOT NULL) DESC, r.id DESC LIMIT 1
"""
_EXTRAS = """
SELECT e.output_id, e.kind, e.raster_path, e.data_type, e.bands FROM extra_rasters e
JOIN outputs o ON o.id = e.output_id WHERE o.run_id = ? ORDER BY e.id
"""
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_STAC = "1.0.0"
_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
)
_RASTER_EXTENSION = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"


class _Extra(NamedTuple):
    """A raster beside a class raster."""

    kind: str
    location: str
    dtype: str
    bands: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MosaicExport:
    """What was written."""

    rasters: int
    missing: tuple[str, ...]
    """A line for each class raster that is not in it, and why."""


def export_mosaic(
    catalog: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    run: int | None = None,
    raster: str = "classes",
) -> MosaicExport:
    """Write a virtual raster (``.vrt``) of the class rasters of a run, side by side.

    Args:
        catalog: The catalog.
        path: The file.
        run: Whose class rasters; default the newest run that has some with a place.
        raster: ``confidence``, ``probabilities`` or ``entropy`` for the rasters that a run with
            ``also`` wrote beside them.

    Raises:
        UsageError: There is no such run, it has no such raster with a place on the ground, or
            something has the name of the file.
        OutputError: The disk refused.
    """
    tiles = _Tiles(Path(catalog).resolve(), run, _checked(raster))
    system = common_system([tile for _, tile in tiles.known])
    shown = [tile for _, tile in tiles.known if tile.srs == system and tile.is_upright]
    left = [
        f"{member.image_name}: in {tile.srs.name}, a virtual raster has one reference system"
        if tile.srs != system
        else f"{member.image_name}: rotated, which a virtual raster cannot show"
        for member, tile in tiles.known
        if tile.srs != system or not tile.is_upright
    ]
    if not shown:
        raise UsageError(f"run {tiles.run['id']}: every class raster is rotated; no mosaic")
    write_vrt(Path(path), shown, tiles.bands(shown[0]))
    if raster == "classes":
        write_style(Path(path), tiles.classes)
    return MosaicExport(rasters=len(shown), missing=(*tiles.missing, *left))


def export_stac(
    catalog: str | os.PathLike[str], path: str | os.PathLike[str], *, run: int | None = None
) -> MosaicExport:
    """Write a STAC ItemCollection of the class rasters of a run, with links relative to it.

    Arguments and errors are those of :func:`export_mosaic`. The properties are those of STAC
    1.0 with its extensions ``projection`` and ``classification``; rasters beside the class rasters are
    further assets, with the extension ``raster``.
    """
    target = Path(path)
    tiles = _Tiles(Path(catalog).resolve(), run, "classes")
    items, left = [], []
    for member, tile in tiles.known:
        outline = tile.footprint()
        if outline is None:
            left.append(f"{member.image_name}: has no place on the globe")
            continue
        left += [
            f"{member.image_name}: its raster of {extra.kind} {extra.location} is gone"
            for extra in tiles.extras[member.output_id]
            if not (tiles.folder / extra.location).is_file()
        ]
        items.append(_stac_item(member, tile, outline, tiles, target))
    document = {"type": "FeatureCollection", "features": items}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_new(target, text, (".json", ".geojson"))
    return MosaicExport(rasters=len(items), missing=(*tiles.missing, *left))


def _checked(raster: str) -> str:
    known = ("classes", *KINDS)
    if raster not in known:
        raise UsageError(
            f"--raster {raster}: there is no such raster; known are {', '.join(known)}"
        )
    return raster


class _Tiles:
    """The class rasters of a run that have a place on the ground."""

    def __init__(self, catalog: Path, run: int | None, raster: str) -> None:
        rows = catalog_query.query(catalog, _RUN, {"run": run}).dicts()
        if not rows:
            what = "no run yet" if run is None else f"no run {run}"
            raise UsageError(f"{catalog.name} has {what}")
        self.run: Mapping[str, Any] = rows[0]
        number = (self.run["id"],)
        self._raster = raster
        listed = catalog_query.query(catalog, MEMBERS, number).rows
        self.folder = catalog.parent
        self.extras: defaultdict[int, list[_Extra]] = defaultdict(list)
        """By the output."""
        for output, *extra in catalog_query.query(catalog, _EXTRAS, number).rows:
            self.extras[output].append(_Extra(*extra))
        self.classes: list[ClassDefinition] = class_definitions(
            catalog_query.query(catalog, CLASSES, number).dicts()
        )
        self.known: list[tuple[Member, ClassTile | ExtraTile]] = []
        self.missing: list[str] = []
        self._what = "class raster" if raster == "classes" else f"raster of {raster}"
        for member in (Member(*row) for row in listed):
            location = self._location(member)
            if location is not None:
                self._add(catalog.parent, member._replace(location=location))
        if not self.known:
            raise UsageError(
                f"run {self.run['id']} of {catalog.name} has no {self._what} with a place on the"
                " ground" + (f" that can be read: {self.missing[0]}" if self.missing else "")
            )

    def bands(self, tile: ClassTile | ExtraTile) -> list[Element]:
        """Return the bands of a virtual raster of such tiles."""
        if isinstance(tile, ExtraTile):
            return extra_bands(tile)
        return [class_band("VRTRasterBand", tile, self.classes)]

    def _location(self, member: Member) -> str | None:
        if self._raster == "classes":
            return member.location
        extras = self.extras[member.output_id]
        return next((each.location for each in extras if each.kind == self._raster), None)

    def _add(self, folder: Path, member: Member) -> None:
        path = folder / member.location
        if not path.is_file():
            self.missing.append(f"{member.image_name}: its {self._what} {member.location} is gone")
            return
        try:
            tile = read_tile(path) if self._raster == "classes" else read_extra_tile(path)
        except OutputError as error:
            self.missing.append(f"{member.image_name}: {error}")
            return
        if tile is None:
            self.missing.append(f"{member.image_name}: {member.location} lost its place")
        else:
            self.known.append((member, tile))


def _stac_item(
    member: Member, tile: Tile, outline: bytes, tiles: _Tiles, target: Path
) -> dict[str, Any]:
    shape = shapely.from_wkb(outline)
    system = tile.srs
    folder = target.resolve().parent
    beside = tiles.extras[member.output_id]
    extras = [extra for extra in beside if (tiles.folder / extra.location).is_file()]
    return {
        "type": "Feature",
        "stac_version": _STAC,
        "stac_extensions": [*_EXTENSIONS, *([_RASTER_EXTENSION] if extras else [])],
        "id": Path(member.location).stem,
        "geometry": json.loads(shapely.to_geojson(shape)),
        "bbox": list(meridian.box(np.array([shape]))),
        "properties": {
            "datetime": tiles.run["at"],
            "title": member.image_name,
            "proj:epsg": system.code if system.organization.upper() == "EPSG" else None,
            "proj:shape": [tile.height, tile.width],
            "proj:transform": [*tile.transform][:6],
            **({} if system.code else {"proj:wkt2": system.definition}),
            "pixelcat:run": tiles.run["id"],
            "pixelcat:model": tiles.run["model"],
        },
        "links": [],
        "assets": {
            "classes": {
                "href": _relative(tile.path, folder),
                "type": _COG,
                "roles": ["data"],
                "classification:classes": _stac_classes(tiles.classes, int(tile.nodata)),
            },
            **{extra.kind: _stac_extra(extra, tiles.folder, folder) for extra in extras},
        },
    }


def _stac_extra(extra: _Extra, catalog: Path, folder: Path) -> dict[str, Any]:
    nodata = NODATA[extra.dtype]
    band: dict[str, Any] = {"data_type": extra.dtype, "nodata": nodata}
    if math.isnan(nodata):
        band["nodata"] = "nan"
    else:
        band |= {"scale": 1 / STEPS, "offset": 0}
    return {
        "href": _relative(catalog / extra.location, folder),
        "type": _COG,
        "title": extra.kind,
        "roles": ["data"],
        "raster:bands": [band] * extra.bands,
    }


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder)).as_posix()


def _stac_classes(classes: Sequence[ClassDefinition], nodata: int) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        {
            "value": each.value,
            "name": "".join(c if c.isascii() and c.isalnum() else "_" for c in each.name),
            "description": each.name,
            "color_hint": "".join(f"{part:02X}" for part in each.color),
        }
        for each in classes
    ]
    return [*listed, {"value": nodata, "name": "nodata", "description": "no data", "nodata": True}]
