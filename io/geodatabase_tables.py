"""What the tables of a file geodatabase say of its raster datasets.

A raster NAME has four tables that no listing shows: ``fras_bnd_NAME`` (a row per band: sizes,
type, place), ``fras_blk_NAME`` (the blocks of pixels), ``fras_ras_NAME`` and ``fras_aux_NAME``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
from affine import Affine
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from ..catalog.errors import ItemError, SourceError
from . import srs
from .esri_items import file_geodatabase_items
from .gdal_words import in_plain_words
from .geodatabase_blocks import BlockFormat
from .zipped_geodatabase import gdal_path

BANDS, BLOCKS = "fras_bnd_", "fras_blk_"
_MOSAIC = "AMD_"
_TABLES = (BANDS, BLOCKS, "fras_ras_", "fras_aux_")
_CATALOG, _SYSTEMS = "GDB_SystemCatalog", "GDB_SpatialRefs"
_MOST_BLOCK, _MOST_SIDE = 32_768, 2**31 - 1
_OGR_ERRORS = (DataSourceError, DataLayerError, FeatureError, UnicodeDecodeError, ValueError)

Rows = tuple[list[int], dict[str, Any]]
"""Row keys, and an array per column."""


def raster_names(path: Path) -> list[str]:
    """Return the raster datasets of a file geodatabase, as they were made.

    Columns of rasters in layers, and catalogs of mosaic datasets, have such tables too.

    Raises:
        SourceError: Its table of tables cannot be read.
    """
    tables = _table_numbers(path)
    known = {name.lower() for name in tables}
    names = [name.removeprefix(BANDS) for name in tables if name.startswith(BANDS)]
    whole = [name for name in names if f"{BLOCKS}{name}".lower() in known]
    layers = {name.lower() for name in _listed(path)} if whole else set()
    return [n for n in whole if n.lower() not in layers and not n.startswith(_MOSAIC)]


def layers_beside(path: Path, rasters: Sequence[str]) -> list[str]:
    """Return the layers and tables of a geodatabase besides those of its rasters."""
    own = {f"{prefix}{name}".lower() for name in rasters for prefix in (*_TABLES, "VAT_")}
    return [name for name in _listed(path) if name.lower() not in own]


def _listed(path: Path) -> list[str]:
    try:
        return [str(name) for name, _ in pyogrio.list_layers(gdal_path(path))]
    except DataSourceError:  # what GDAL says where there are rasters alone
        return []


def table_file(path: Path, name: str) -> Path:
    """Return the file of a table of a geodatabase that is a folder.

    Raises:
        ItemError: There is no such table.
    """
    numbers = _table_numbers(path)
    if name not in numbers:
        raise ItemError(f"{name} is gone from its geodatabase")
    return path / f"a{numbers[name]:08x}.gdbtable"


def read_rows(uri: str, table: str, columns: list[str], where: str | None = None) -> Rows:
    """Return rows of a table, hidden or not.

    Raises:
        ItemError: It cannot be read, or lacks a column.
    """
    try:
        meta, keys, _, values = pyogrio.raw.read(
            uri, layer=table, columns=columns, where=where, return_fids=True,
            read_geometry=False, LIST_ALL_TABLES="YES",
        )  # fmt: skip
    except _OGR_ERRORS as error:
        raise ItemError(f"table {table}: {in_plain_words(error)}") from error
    found = dict(zip([str(name) for name in meta["fields"]], values, strict=True))
    if lacking := [name for name in columns if name not in found]:
        raise ItemError(f"table {table} has no column {lacking[0]}; the raster is not read")
    return [int(key) for key in keys], found


@dataclass(frozen=True, kw_only=True, slots=True)
class RasterTable:
    """A raster dataset, as its tables describe it."""

    width: int
    height: int
    bands: tuple[int, ...]
    """Row keys of its bands, in their order."""
    band_names: tuple[str | None, ...]
    blocks: BlockFormat
    first: tuple[int, int]
    """Row and column of its upper left pixel, counted from the origin of the blocks."""
    transform: Affine | None
    crs: str | None
    """WKT."""


_NUMBERS = (
    *("sequence_nbr", "raster_id", "srid", "band_width", "band_height", "band_types"),
    *("block_width", "block_height"),
)
_PLACES = ("block_origin_x", "block_origin_y", "eminx", "eminy", "emaxx", "emaxy")
_SHARED = ("band_width", "band_height", "band_types", "block_width", "block_height", *_PLACES)


def describe_raster(uri: str, name: str) -> RasterTable:
    """Read what there is to know of a raster but its pixels.

    Raises:
        ItemError: Damaged, or of a kind that is not read; says why.
    """
    keys, columns = read_rows(uri, BANDS + name, [*_NUMBERS, *_PLACES, "name"])
    if not keys:
        raise ItemError("has no bands")
    if len(set(columns["raster_id"].tolist())) > 1:
        raise ItemError("is a catalog of several rasters; export them to TIFF")
    if any(len(set(columns[each].tolist())) > 1 for each in _SHARED):
        raise ItemError("has bands of different sizes, places or types; export it to TIFF")
    order = np.argsort(columns["sequence_nbr"], kind="stable")
    fact = {each: columns[each][order[0]].item() for each in (*_NUMBERS, *_PLACES)}
    width, height = int(fact["band_width"]), int(fact["band_height"])
    block = int(fact["block_height"]), int(fact["block_width"])
    if not (min(width, height) > 0 and max(width, height) <= _MOST_SIDE):
        raise ItemError(f"declares {width} x {height} pixels; damaged")
    if not (min(block) > 0 and max(block) <= _MOST_BLOCK):
        raise ItemError(f"declares blocks of {block[1]} x {block[0]} pixels; damaged")
    first, transform = _place(fact, width, height)
    return RasterTable(
        width=width,
        height=height,
        bands=tuple(keys[index] for index in order),
        band_names=tuple(columns["name"][index] or None for index in order),
        blocks=BlockFormat.of(*block, int(fact["band_types"])),
        first=first,
        transform=transform,
        crs=_system(uri, name, int(fact["srid"])),
    )


def _place(fact: dict[str, Any], width: int, height: int) -> tuple[tuple[int, int], Affine | None]:
    """Return the first pixel counted from the origin of the blocks, and where pixels lie.

    The bounds run from the centre of the first pixel to that of the last, so that those of a
    single row or column tell nothing of its height or width.
    """
    if not all(math.isfinite(fact[name]) for name in _PLACES):
        raise ItemError("has bounds that are no numbers; damaged")
    if min(width, height) == 1:
        return (0, 0), None
    cell_x = (fact["emaxx"] - fact["eminx"]) / (width - 1)
    cell_y = (fact["emaxy"] - fact["eminy"]) / (height - 1)
    if not (cell_x > 0 and cell_y > 0):
        raise ItemError("has bounds without an area; damaged")
    column = (fact["eminx"] - fact["block_origin_x"]) / cell_x
    row = (fact["block_origin_y"] - fact["emaxy"]) / cell_y
    if max(abs(row), abs(column)) > _MOST_SIDE:
        raise ItemError("has blocks far away from its bounds; damaged")
    left = fact["block_origin_x"] + (round(column) - 0.5) * cell_x
    top = fact["block_origin_y"] - (round(row) - 0.5) * cell_y
    return (round(row), round(column)), Affine(cell_x, 0, left, 0, -cell_y, top)


def _system(uri: str, name: str, number: int) -> str | None:
    """Return the reference system: as the item of the raster has it, or by its number."""
    text = file_geodatabase_items(uri).rasters.get(name.lower())
    if text is None and number > 0:
        keys, columns = read_rows(uri, _SYSTEMS, ["SRTEXT"])
        text = dict(zip(keys, columns["SRTEXT"], strict=True)).get(number)
    known = srs.describe(text) if text else None
    return known.definition if known else None


def _table_numbers(path: Path) -> dict[str, int]:
    """Return the tables, and the numbers that their files go by."""
    try:
        keys, columns = read_rows(gdal_path(path), _CATALOG, ["Name"])
    except ItemError as error:
        raise SourceError(f"{path}: not a readable file geodatabase: {error}") from error
    return dict(zip(columns["Name"].tolist(), keys, strict=True))
