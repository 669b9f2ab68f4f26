"""The class rasters of a run as one raster or as a list that other programs read."""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from ..catalog.class_mosaic import Member
from ..catalog.errors import UsageError
from ..catalog.records import ClassDefinition
from ..io import meridian
from ..io.class_tiles import Tile, class_band, common_system
from ..io.extra_out import NODATA, STEPS
from ..io.extra_tiles import extra_bands
from ..io.publish import write_new
from ..io.vrt_out import write_style, write_vrt
from .also import KINDS
from .run_tiles import AnyTile, ExtraFile, RunTiles

_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_STAC = "1.0.0"
_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
)
_RASTER_EXTENSION = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"


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
    tiles = RunTiles(Path(catalog).resolve(), run)
    if raster == "classes":
        shown, missing = _in_one_system(tiles.known, tiles)
        bands = [class_band("VRTRasterBand", shown[0], tiles.classes)]
        write_vrt(Path(path), shown, bands)
        write_style(Path(path), tiles.classes)
        return MosaicExport(rasters=len(shown), missing=(*tiles.missing, *missing))
    if raster not in KINDS:
        known = ", ".join(("classes", *KINDS))
        raise UsageError(f"--raster {raster}: there is no such raster; known are {known}")
    extras, lost = tiles.of_kind(raster)
    placed, missing = _in_one_system(extras, tiles)
    write_vrt(Path(path), placed, extra_bands(placed[0]))
    return MosaicExport(rasters=len(placed), missing=(*lost, *missing))


def _in_one_system(
    known: Sequence[tuple[Member, AnyTile]], tiles: RunTiles
) -> tuple[list[AnyTile], list[str]]:
    """Return the tiles that a virtual raster can show, and why it cannot show others."""
    system = common_system([tile for _, tile in known])
    shown = [tile for _, tile in known if tile.srs == system and tile.is_upright]
    if not shown:
        raise UsageError(f"run {tiles.run['id']}: every class raster is rotated; no mosaic")
    return shown, [
        f"{member.image_name}: in {tile.srs.name}, a virtual raster has one reference system"
        if tile.srs != system
        else f"{member.image_name}: rotated, which a virtual raster cannot show"
        for member, tile in known
        if tile.srs != system or not tile.is_upright
    ]


def export_stac(
    catalog: str | os.PathLike[str], path: str | os.PathLike[str], *, run: int | None = None
) -> MosaicExport:
    """Write a STAC ItemCollection of the class rasters of a run, with links relative to it.

    Arguments and errors are those of :func:`export_mosaic`. The properties are those of STAC
    1.0 with its extensions ``projection`` and ``classification``; rasters beside the class rasters are
    further assets, with the extension ``raster``.
    """
    target = Path(path)
    tiles = RunTiles(Path(catalog).resolve(), run)
    items, left = [], []
    for member, tile in tiles.known:
        outline = tile.footprint()
        if outline is None:
            left.append(f"{member.image_name}: has no place on the globe")
            continue
        left += [
            f"{member.image_name}: its raster of {problem}"
            for _, problem in tiles.beside(member)
            if problem is not None
        ]
        items.append(_stac_item(member, tile, outline, tiles, target))
    document = {"type": "FeatureCollection", "features": items}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_new(target, text, (".json", ".geojson"))
    return MosaicExport(rasters=len(items), missing=(*tiles.missing, *left))


def _stac_item(
    member: Member, tile: Tile, outline: bytes, tiles: RunTiles, target: Path
) -> dict[str, Any]:
    shape = shapely.from_wkb(outline)
    system = tile.srs
    folder = target.resolve().parent
    extras = [extra for extra, problem in tiles.beside(member) if problem is None]
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


def _stac_extra(extra: ExtraFile, catalog: Path, folder: Path) -> dict[str, Any]:
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
