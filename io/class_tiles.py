"""Class rasters as parts of one raster: what GDAL needs to know to show them together."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import shapely
from affine import Affine

from ..catalog.errors import OutputError
from ..catalog.records import ClassDefinition, Srs
from . import srs
from .class_table import add_classes, add_colors, has_categories
from .extent import bounds_of
from .rectangles import is_torn

_LESS = 1e-6
"""Of a pixel: GDAL rounds the number of rows and columns up, which the last digits must not do."""
DATA_TYPES = {
    "uint8": "Byte",
    "uint16": "UInt16",
    "uint32": "UInt32",
    "int16": "Int16",
    "int32": "Int32",
}
"""NumPy's names of types → GDAL's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """The header of a raster that has a place on the ground."""

    path: Path
    width: int
    height: int
    transform: Affine
    srs: Srs
    dtype: str
    nodata: float

    @property
    def is_upright(self) -> bool:
        """Whether its rows and columns run along the axes of its reference system."""
        return self.transform.b == self.transform.d == 0

    @property
    def cell(self) -> tuple[float, float]:
        """Width and height of a pixel."""
        return abs(self.transform.a), abs(self.transform.e)

    def outline(self, system: Srs) -> bytes | None:
        """Return its outline as WKB polygon, None where it has no place in a reference system.

        Nor has it one where that is cut open within the tile, as at the 180th meridian.
        """
        bounds = bounds_of(self.transform, self.width, self.height)
        if system != self.srs and is_torn(bounds, self.srs.definition, system.definition):
            return None
        return srs.outline(self.width, self.height, self.transform, self.srs, system)

    def footprint(self) -> bytes | None:
        """Return its outline in degrees as WKB multipolygon, None where it has no place there."""
        return srs.footprint(self.width, self.height, self.transform, self.srs)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassTile(Tile):
    """That of a class raster."""

    nodata: int


def read_tile(path: Path) -> ClassTile | None:
    """Return the header of a class raster, None where it has no place on the ground.

    Raises:
        OutputError: It cannot be read, or is none any more.
    """
    from .own_raster import own_raster
    from .raster import GDAL_ERRORS

    try:
        with own_raster(path) as dataset:
            if dataset.dtypes[0] not in DATA_TYPES or dataset.nodata is None:
                raise OutputError(f"{path} is no class raster any more; delete it, classify again")
            system = srs.describe(dataset.crs.to_wkt()) if dataset.crs else None
            if system is None:
                return None
            return ClassTile(
                path=path,
                width=dataset.width,
                height=dataset.height,
                transform=dataset.transform,
                srs=system,
                dtype=dataset.dtypes[0],
                nodata=int(dataset.nodata),
            )
    except GDAL_ERRORS as error:
        raise OutputError(f"cannot read {path}, which is recorded as done: {error}") from error


def read_tiles(paths: Iterable[Path]) -> Iterator[ClassTile | OutputError | None]:
    """Yield what :func:`read_tile` returns of each class raster, or raises."""
    for path in paths:
        try:
            yield read_tile(path)
        except OutputError as error:
            yield error


def common_system(tiles: Sequence[Tile]) -> Srs:
    """Return the reference system that most tiles are in."""
    return Counter(tile.srs for tile in tiles).most_common(1)[0][0]


def finest_cell(tiles: Sequence[Tile], system: Srs) -> tuple[float, float]:
    """Return the smallest width and height of a pixel among tiles in a reference system."""
    cells = [tile.cell for tile in tiles if tile.srs == system]
    return min(x for x, _ in cells), min(y for _, y in cells)


def index_definition(
    table: str,
    tiles: Sequence[ClassTile],
    outlines: Sequence[bytes],
    classes: Sequence[ClassDefinition],
) -> str:
    """Return the XML by which GDAL's driver GTI makes one raster of a table of tiles.

    Tiles of later items lie above those of earlier ones. Those in the reference system that most
    are in keep their pixels: the grid is that of the first of them with the finest.

    Args:
        table: The table.
        tiles: Class rasters.
        outlines: Of all that it shows, in the reference system that most are in, as WKB.
        classes: What the values mean.
    """
    system = common_system(tiles)
    across, down = finest_cell(tiles, system)
    own = [tile for tile in tiles if tile.srs == system]
    first = next((tile for tile in own if tile.cell == (across, down)), own[0])
    left, bottom, right, top = shapely.total_bounds(shapely.from_wkb(outlines))
    corner = first.transform.c, first.transform.f
    root = Element("GDALTileIndexDataset")
    for name, text in (
        ("IndexLayer", table),
        ("LocationField", "location"),
        ("SortField", "item_id"),
        ("ResX", repr(across)),
        ("ResY", repr(down)),
        ("MinX", repr(_on_grid(left, corner[0], across, math.floor))),
        ("MinY", repr(_on_grid(bottom, corner[1], down, math.floor) + _LESS * down)),
        ("MaxX", repr(_on_grid(right, corner[0], across, math.ceil) - _LESS * across)),
        ("MaxY", repr(_on_grid(top, corner[1], down, math.ceil))),
    ):
        SubElement(root, name).text = text
    root.append(class_band("Band", tiles[0], classes))
    return tostring(root, encoding="unicode")


def _on_grid(value: float, origin: float, cell: float, rounded: Callable[[float], int]) -> float:
    """Return the line of a grid before or behind a coordinate."""
    return origin + rounded(round((value - origin) / cell, 6)) * cell


def class_band(name: str, tile: ClassTile, classes: Sequence[ClassDefinition]) -> Element:
    """Return the description of a band of classes as GTI and VRT have it."""
    band = Element(name, band="1", dataType=DATA_TYPES[tile.dtype])
    SubElement(band, "Description").text = "class"
    SubElement(band, "NoDataValue").text = str(tile.nodata)
    if has_categories(classes):
        SubElement(band, "ColorInterp").text = "Palette"
        add_colors(band, classes)
    add_classes(band, classes)
    return band
