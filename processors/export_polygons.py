"""Polygons of the classes of a run, from its finished class rasters and never tile by tile."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np

from ..catalog.errors import UsageError
from ..catalog.records import ClassDefinition
from ..io.class_tiles import ClassTile, class_band, common_system
from ..io.polygonize import ClassGrid, ClassPolygons
from ..io.vector_out import check_target, working_folder, write_frame
from ..io.vrt_out import write_vrt
from .run_tiles import RunTiles

MOST_POLYGONS = 500_000


@dataclass(frozen=True, kw_only=True, slots=True)
class PolygonExport:
    """What was written."""

    polygons: int
    small: int
    """Those smaller than asked for: they touch nothing that is large enough."""
    missing: tuple[str, ...]
    """A line for each class raster that is not in it, and why."""


def export_polygons(
    catalog: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    run: int | None = None,
    min_area: float | None = None,
    max_polygons: int = MOST_POLYGONS,
) -> PolygonExport:
    """Write the classes of a run as polygons that neither overlap nor leave gaps.

    Class rasters side by side are one raster: no border of theirs shows. Columns are ``value``,
    ``class_name``, ``color``, ``pixels`` and ``area_m2``. NoData is no polygon.

    Args:
        catalog: The catalog.
        path: A new file: GeoPackage, GeoJSON, FlatGeobuf or GeoParquet, by its suffix.
        run: Whose class rasters; default the newest run that has some with a place.
        min_area: In m²: smaller areas get the class of the largest that touches them.
        max_polygons: More are refused.

    Raises:
        UsageError: There is no such run, it has no class raster with a place on the ground, there
            are more polygons, or the file is there already.
        OutputError: The disk refused, or a class raster is damaged.
    """
    target = Path(path)
    driver = check_target(target, "--polygons")
    _check_numbers(min_area, max_polygons)
    tiles = RunTiles(Path(catalog).resolve(), run)
    shown, left = _one_system([tile for _, tile in tiles.known], tiles)
    classes = sorted(tiles.classes, key=lambda each: each.value)
    with working_folder(target) as folder:
        raster = shown[0].path
        if len(shown) > 1:
            raster = folder / "mosaic.vrt"
            write_vrt(raster, shown, [class_band("VRTRasterBand", shown[0], classes)])
        grid = ClassGrid(raster, [each.value for each in classes], folder)
        if min_area is not None:
            grid.drop_small(min_area)
        is_geojson = driver == "GeoJSON"
        found = grid.polygons(max_polygons, steps=is_geojson)
        frame = _frame(found, classes)
        write_frame(frame.to_crs(4326) if is_geojson else frame, target, folder)
    small = 0
    if min_area is not None and found.area_m2 is not None:
        small = int((found.area_m2 < min_area * (1 - 1e-9)).sum())
    return PolygonExport(polygons=len(frame), small=small, missing=(*tiles.missing, *left))


def _check_numbers(min_area: float | None, max_polygons: int) -> None:
    if min_area is not None and not 0 < min_area < float("inf"):
        raise UsageError(f"--min-area {min_area:g}: give square metres, more than 0")
    if max_polygons < 1:
        raise UsageError(f"--max-polygons {max_polygons}: give at least 1")


def _one_system(tiles: Sequence[ClassTile], run: RunTiles) -> tuple[list[ClassTile], list[str]]:
    """Return class rasters that can be one raster, and a line for each other."""
    if len(tiles) == 1:
        return list(tiles), []
    system = common_system(tiles)
    shown = [tile for tile in tiles if tile.srs == system and tile.is_upright]
    if not shown:
        raise UsageError(
            f"run {run.run['id']}: every class raster is rotated; only a single one can be polygons"
        )
    left = [
        f"{member.image_name}: "
        + ("rotated" if tile.srs == system else f"in {tile.srs.name}, others in {system.name}")
        for member, tile in run.known
        if tile.srs != system or not tile.is_upright
    ]
    return shown, left


def _frame(found: ClassPolygons, classes: Sequence[ClassDefinition]) -> geopandas.GeoDataFrame:
    """Return polygons with what is known of them, class by class."""
    order = np.argsort(found.classes, kind="stable")
    places = found.classes[order]
    values = np.array([each.value for each in classes], np.int64)
    names = np.array([each.name for each in classes], object)
    colors = np.array(["#{:02x}{:02x}{:02x}".format(*each.color) for each in classes], object)
    columns = {
        "value": values[places],
        "class_name": names[places],
        "color": colors[places],
        "pixels": found.pixels[order],
        "area_m2": np.full(len(order), np.nan) if found.area_m2 is None else found.area_m2[order],
    }
    return geopandas.GeoDataFrame(columns, geometry=found.shapes[order], crs=found.crs)
