"""``zones()``: how much of each class of a run lies in the polygons of a layer."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from ..catalog.errors import OutputError, UsageError
from ..catalog.geopackage import quote
from ..catalog.records import Srs
from ..catalog.zone_rows import Zone, ZoneLayer
from ..catalog.zone_store import ZoneCatalog
from ..io.class_tiles import ClassTile, finest_cell
from ..io.pixel_space import NoPlaceError, mover, to_pixels
from ..io.zone_layer import ZoneShape, read_zones
from .overlaps import Overlaps, find_overlaps
from .run_tiles import RunTiles
from .zone_sums import ZonedRaster, ZoneSums

if TYPE_CHECKING:
    import geopandas

OUTSIDE = "lies outside every class raster of the run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Zones:
    """A table of zones in a catalog."""

    catalog: Path
    table: str
    """Its name: the layer's columns, then shares and areas of classes."""
    run: int
    zones: int
    without: int
    """Those of which there is nothing to say; each has its reason."""
    is_new: bool
    """False where the table was up to date and nothing was written."""
    missing: tuple[str, ...]
    """A line for each class raster that could not be read and is not counted."""
    notes: tuple[str, ...]

    def features(self) -> "geopandas.GeoDataFrame":
        """Return the table: one row per zone."""
        from ..io.frames import read_table

        return read_table(self.catalog, self.table)


def zones(
    catalog: str | os.PathLike[str],
    zones: str | os.PathLike[str],
    *,
    layer: str | None = None,
    run: int | None = None,
    out_features: str | None = None,
) -> Zones:
    """Write how much of each class lies in each polygon of a layer into the catalog.

    Pixels on the border of a polygon count by the part of them that is inside. Where class
    rasters of a run lie over each other on one grid, a pixel counts once: in the later one.

    Args:
        catalog: A catalog with classified rasters that have a place on the ground.
        zones: A file of layers, the folder of a geodatabase, or a catalog, also this one.
        layer: Its layer with the polygons; not needed where there is only one.
        run: Whose class rasters; default the newest run that has some with a place.
        out_features: Name of the table; default ``<layer>_zones``.

    Raises:
        UsageError: There is no such layer or run, it has no class raster with a place, or the name
            of the table is none or that of another.
        SourceError: The catalog is not there, or the layer cannot be read.
        CatalogError: The catalog cannot be used.
    """
    path = Path(catalog).resolve()
    tiles = RunTiles(path, run)
    known, rows = read_zones(Path(zones), layer)
    if known.uri == str(path) and (out_features or "").lower() == known.name.lower():
        raise UsageError(
            f"--out-features {out_features} is the layer of zones; choose another name"
        )
    run_id = int(tiles.run["id"])
    with ZoneCatalog(path) as opened:
        table = opened.zone_table(known, run_id, out_features)
        is_new = table is None
        notes: tuple[str, ...] = ()
        if table is None:
            values = [each.value for each in opened.classes(run_id)]
            found, notes = _sums(tiles, known, rows, values)
            table = opened.write_zones(
                known, run_id, found, out_features, is_whole=not tiles.missing
            )
        (counted,) = opened.query(
            f"SELECT count(*) AS n FROM {quote(table)} WHERE reason IS NOT NULL"
        )
    return Zones(
        catalog=path, table=table, run=run_id, zones=len(rows), without=counted["n"],
        is_new=is_new, missing=tuple(tiles.missing), notes=notes,
    )  # fmt: skip


def _sums(
    tiles: RunTiles, layer: ZoneLayer, rows: Sequence[ZoneShape], values: Sequence[int]
) -> tuple[list[Zone], tuple[str, ...]]:
    """Return zones with what lies in them, and what is to be said about it."""
    headers = [tile for _, tile in tiles.known]
    overlaps = find_overlaps(headers)
    sums = ZoneSums(len(rows), values)
    reasons: dict[int, str] = {n: row.reason for n, row in enumerate(rows) if row.reason}
    for raster in _rasters(tiles, overlaps, layer, rows, reasons):
        try:
            sums.add(raster)
        except OutputError as error:
            tiles.missing.append(str(error))
    found = [_zone(number, row, sums, reasons.get(number)) for number, row in enumerate(rows)]
    return found, _notes(tiles, overlaps)


def _rasters(
    tiles: RunTiles,
    overlaps: Overlaps,
    layer: ZoneLayer,
    rows: Sequence[ZoneShape],
    reasons: dict[int, str],
) -> Iterator[ZonedRaster]:
    """Yield class rasters with the zones over them, system by system."""
    systems: dict[Srs, list[int]] = defaultdict(list)
    for number, (_, tile) in enumerate(tiles.known):
        systems[tile.srs].append(number)
    for system, listed in systems.items():
        numbers, shapes = _placed([tiles.known[n][1] for n in listed], layer, rows, reasons, system)
        tree = shapely.STRtree(shapes)
        for number in listed:
            member, tile = tiles.known[number]
            near = np.sort(tree.query(_box(tile)))
            if len(near):
                yield ZonedRaster(
                    output_id=member.output_id,
                    tile=tile,
                    neighbours=overlaps.neighbours[number],
                    numbers=numbers[near],
                    shapes=to_pixels(shapes[near], tile.transform),
                )


def _placed(
    tiles: Sequence[ClassTile],
    layer: ZoneLayer,
    rows: Sequence[ZoneShape],
    reasons: dict[int, str],
    system: Srs,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the numbers of zones that have a place in a reference system, and their polygons."""
    numbers, shapes = [], []
    try:
        move = mover(layer.srs.definition, system.definition, min(finest_cell(tiles, system)))
    except NoPlaceError:
        move = None
    for number, row in enumerate(rows):
        if row.shape is None:
            continue
        try:
            if move is None:
                raise NoPlaceError
            shapes.append(move(row.shape))
            numbers.append(number)
        except NoPlaceError:
            reasons.setdefault(number, f"has no place in {system.name}, that of class rasters")
    return np.array(numbers, np.int64), np.array(shapes, object)


def _box(tile: ClassTile) -> Any:
    corners = [(0, 0), (tile.width, 0), (tile.width, tile.height), (0, tile.height)]
    return shapely.polygons([tile.transform @ corner for corner in corners])


def _zone(number: int, row: ZoneShape, sums: ZoneSums, reason: str | None) -> Zone:
    pixels = sums.pixels[number].tolist()
    rasters = sums.rasters[number]
    if rasters:
        reason = None
    elif reason is None:
        reason = OUTSIDE
    return Zone(
        source_fid=row.feature.source_fid,
        geometry=row.feature.geometry,
        attributes=row.feature.attributes,
        reason=reason,
        pixels=pixels[:-1],
        area_m2=sums.area_m2[number].tolist() if sums.has_scale else None,
        nodata_pixels=pixels[-1],
        covered=min(1.0, float(sums.covered[number])),
        rasters=rasters,
    )


def _notes(tiles: RunTiles, overlaps: Overlaps) -> tuple[str, ...]:
    if not overlaps.others:
        return ()
    one, other = (tiles.known[n][0].image_name for n in overlaps.others[0])
    note = (
        f"{len(overlaps.others)} pairs of class rasters lie over each other on different grids,"
        f" such as {one} and {other}: there both count"
    )
    return (note,)
