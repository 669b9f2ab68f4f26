"""The XML in which GDAL's driver WMS is told what to ask a service."""

from xml.sax.saxutils import escape

from .extent import Bounds
from .grid import Grid
from .image import Window

BLOCK = 512
"""Pixels at each side of what a service draws at a time."""
_CONNECTIONS = 4
"""Requests under way at a time."""
_NEVER = 599
"""No status means "nothing here": GDAL would make black pixels of it."""

TYPES = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "float32": "Float32",
    "float64": "Float64",
}
"""GDAL's names of NumPy's types."""


def element(name: str, value: object) -> str:
    """Return an element with text in it."""
    return f"<{name}>{escape(str(value))}</{name}>"


def drawn(
    service: str,
    grid: Grid,
    *,
    bands: int,
    dtype: str = "uint8",
    block: int = BLOCK,
    nodata: float | None = None,
) -> str:
    """Return the request for a raster that a service draws wherever it is asked to.

    Args:
        service: The element ``Service``.
        grid: The pixels.
        bands: Alpha included.
        dtype: Of the pixels.
        block: Side of what is asked for at a time, in pixels.
        nodata: Value of pixels without data, in all bands.
    """
    more = element("DataType", TYPES[dtype])
    if nodata is not None:
        more += f'<DataValues NoData="{" ".join([f"{nodata:.17g}"] * bands)}"/>'
    return _request(service, _window(grid.bounds, grid), bands, (block, block), more)


def tiles(
    url: str,
    grid: Grid,
    window: Window,
    *,
    tile: tuple[int, int],
    bands: int,
    from_bottom: int | None = None,
) -> str:
    """Return the request for a raster made of tiles.

    Args:
        url: With ``${x}`` and ``${y}``.
        grid: The pixels; they begin with a tile.
        window: Where they lie in all of the level.
        tile: Width and height of a tile.
        bands: Alpha included.
        from_bottom: Rows of tiles of the level where tiles are counted from the bottom.
    """
    column, row = window.column // tile[0], window.row // tile[1]
    if (
        from_bottom is not None
    ):  # GDAL counts from the bottom of the raster, and then takes this away
        row += -(-grid.height // tile[1]) - from_bottom
    more = element("TileLevel", 0) + element("TileX", column) + element("TileY", row)
    more += element("YOrigin", "top" if from_bottom is None else "bottom")
    service = f'<Service name="TMS">{element("ServerUrl", url)}</Service>'
    return _request(service, _window(grid.bounds, grid, more), bands, tile)


def _window(bounds: Bounds, grid: Grid, more: str = "") -> str:
    west, south, east, north = (f"{side:.17g}" for side in bounds)
    corners = {
        "UpperLeftX": west,
        "UpperLeftY": north,
        "LowerRightX": east,
        "LowerRightY": south,
        "SizeX": grid.width,
        "SizeY": grid.height,
    }
    return f"<DataWindow>{''.join(element(*each) for each in corners.items())}{more}</DataWindow>"


def _request(service: str, window: str, bands: int, block: tuple[int, int], more: str = "") -> str:
    parts = {
        "BandsCount": bands,
        "BlockSizeX": block[0],
        "BlockSizeY": block[1],
        "OverviewCount": 0,
        "MaxConnections": _CONNECTIONS,
        "ZeroBlockHttpCodes": _NEVER,
        "ZeroBlockOnServerException": "false",
    }
    described = "".join(element(*each) for each in parts.items())
    return f"<GDAL_WMS>{service}{window}{described}{more}</GDAL_WMS>"
