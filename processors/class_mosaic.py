"""The class rasters of a run as one raster, within the catalog."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..catalog.class_mosaic import Member, Mosaic, table_name
from ..catalog.errors import ItemError, OutputError
from ..catalog.listed_rasters import listed_raster
from ..catalog.records import ClassDefinition
from ..catalog.store import Catalog
from ..io.class_tiles import ClassTile, common_system, index_definition

ReadTiles = Callable[[Sequence[Path]], Iterable[ClassTile | OutputError | None]]
"""Paths of class rasters → their headers; see :func:`pixelcat.io.class_tiles.read_tiles`."""

CLASSES = """
SELECT c.value, c.name, c.color FROM classes c JOIN runs r USING (model_id)
WHERE r.id = ? ORDER BY c.value
"""
"""SQL of the classes of a run."""


def write_class_mosaic(catalog: Catalog, run_id: int, read: ReadTiles) -> tuple[str, ...]:
    """Let the catalog open as a raster in GDAL: the class rasters of a run, side by side.

    Args:
        catalog: The catalog.
        run_id: The run; an index that lists its class rasters already stays as it is.
        read: Gives their headers.

    Returns:
        What is to be said: which class rasters cannot be shown.
    """
    listed = catalog.mosaic_members(run_id)
    if listed is None:
        return ()
    tiles, notes = _tiles(catalog, listed, read)
    if not tiles:
        catalog.write_mosaic(run_id, listed, None)
        return notes
    headers = [tile for _, tile in tiles]
    system = common_system(headers)
    placed = [(member, tile.outline(system)) for member, tile in tiles]
    known = [(member, outline) for member, outline in placed if outline is not None]
    mosaic = Mosaic(
        srs=system,
        tiles=known,
        definition=index_definition(
            table_name(run_id),
            headers,
            [outline for _, outline in known],
            class_definitions(catalog.query(CLASSES, (run_id,))),
        ),
    )
    catalog.write_mosaic(run_id, listed, mosaic)
    lost = [member.image_name for member, outline in placed if outline is None]
    return (*notes, *(f"{name} has no place in the mosaic of class rasters" for name in lost))


def _tiles(
    catalog: Catalog, listed: list[Member], read: ReadTiles
) -> tuple[list[tuple[Member, ClassTile]], tuple[str, ...]]:
    """Return class rasters that can be tiles, and how many cannot."""
    tiles: list[tuple[Member, ClassTile]] = []
    left: Counter[str] = Counter()
    found, paths = [], []
    for member in listed:
        try:
            paths.append(listed_raster(catalog.path.parent, member.location))
            found.append(member)
        except ItemError:
            left["cannot be read"] += 1
    for member, tile in zip(found, read(paths), strict=True):
        if isinstance(tile, OutputError):
            left["cannot be read"] += 1
        elif tile is None:
            left["without a place on the ground"] += 1
        elif not tile.is_upright:
            left["rotated"] += 1
        else:
            tiles.append((member, tile))
    return tiles, tuple(f"not in the mosaic of class rasters: {n} {why}" for why, n in left.items())


def class_definitions(rows: Sequence[Mapping[str, Any]]) -> list[ClassDefinition]:
    """Return the classes that :data:`CLASSES` finds."""
    return [
        ClassDefinition(value=row["value"], name=row["name"], color=_rgb(row["color"]))
        for row in rows
    ]


def _rgb(color: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue
