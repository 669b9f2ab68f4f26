"""The class rasters of a run as one raster or as a list that other programs read."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

from ..catalog.class_mosaic import Member
from ..catalog.errors import UsageError
from ..catalog.records import ClassDefinition
from ..io.class_tiles import ClassTile, common_system
from ..io.publish import write_new
from ..io.vrt_out import write_vrt
from .run_tiles import RunTiles

_STAC = "1.0.0"
_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class MosaicExport:
    """What was written."""

    rasters: int
    missing: tuple[str, ...]
    """A line for each class raster that is not in it, and why."""


def export_mosaic(
    catalog: str | os.PathLike[str], path: str | os.PathLike[str], *, run: int | None = None
) -> MosaicExport:
    """Write a virtual raster (``.vrt``) of the class rasters of a run, side by side.

    Args:
        catalog: The catalog.
        path: The file.
        run: Whose class rasters; default the newest run that has some with a place.

    Raises:
        UsageError: There is no such run, it has no class raster with a place on the ground, or
            something has the name of the file.
        OutputError: The disk refused.
    """
    tiles = RunTiles(Path(catalog).resolve(), run)
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
    write_vrt(Path(path), shown, tiles.classes)
    return MosaicExport(rasters=len(shown), missing=(*tiles.missing, *left))


def export_stac(
    catalog: str | os.PathLike[str], path: str | os.PathLike[str], *, run: int | None = None
) -> MosaicExport:
    """Write a STAC ItemCollection of the class rasters of a run, with links relative to it.

    Arguments and errors are those of :func:`export_mosaic`. The properties are those of STAC
    1.0 with its extensions ``projection`` and ``classification``.
    """
    target = Path(path)
    tiles = RunTiles(Path(catalog).resolve(), run)
    items, left = [], []
    for member, tile in tiles.known:
        outline = tile.outline()
        if outline is None:
            left.append(f"{member.image_name}: has no place on the globe")
            continue
        items.append(_stac_item(member, tile, outline, tiles, target))
    document = {"type": "FeatureCollection", "features": items}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    write_new(target, text, (".json", ".geojson"))
    return MosaicExport(rasters=len(items), missing=(*tiles.missing, *left))


def _stac_item(
    member: Member, tile: ClassTile, outline: bytes, tiles: RunTiles, target: Path
) -> dict[str, Any]:
    shape = shapely.from_wkb(outline)
    system = tile.srs
    relative = os.path.relpath(tile.path.resolve(), target.resolve().parent)
    return {
        "type": "Feature",
        "stac_version": _STAC,
        "stac_extensions": list(_EXTENSIONS),
        "id": Path(member.location).stem,
        "geometry": json.loads(shapely.to_geojson(shape)),
        "bbox": list(shape.bounds),
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
                "href": Path(relative).as_posix(),
                "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                "roles": ["data"],
                "classification:classes": _stac_classes(tiles.classes, tile.nodata),
            }
        },
    }


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
