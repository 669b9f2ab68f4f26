"""A tile index as GDAL's GTI driver reads it: a layer of footprints with a path each."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import shapely

from ...catalog.errors import SourceError, UsageError
from ...catalog.records import Feature, Scan, Srs
from .. import srs
from ..extent import Extent
from ..gti_facts import ROOT, Facts, facts_of_database, facts_of_xml, frame_of, order_of
from ..member_paths import MemberFolders
from ..members import Frame, Member, Members
from ..scan_options import ScanOptions
from ..sqlite_source import is_sqlite
from ..table_formats import is_table_file
from ..tables import Table, open_tables
from .mosaics import reader_of, scan_members

KIND = "gti"
IS_WHOLE = False

_LOCATION = "location"
_HEAD_BYTES = 1 << 16
_RASTERS = (".tif", ".tiff", ".vrt", ".jp2", ".img", ".asc")
"""Names of rasters with a place; a layer that names photos is no tile index."""


def matches(path: Path) -> bool:
    """Return whether this is a tile index.

    By name (``.gti`` with XML, ``.gti.gpkg`` and the like), or a layer of polygons with a
    column ``location`` that names rasters. A GeoPackage without that name may hold anything.
    """
    if not path.is_file():
        return False
    if path.suffix.lower() == ".gti":
        return ROOT.encode() in _head(path)
    if ".gti" in [suffix.lower() for suffix in path.suffixes[:-1]]:
        return True
    companion = path.with_suffix(".dbf") if path.suffix.lower() == ".shp" else path
    if path.suffix.lower() not in (".shp", ".geojson", ".json", ".fgb", ".sqlite"):
        return False
    is_possible = companion.is_file() and _LOCATION.encode() in _head(companion).lower()
    return is_possible and is_table_file(path) and _names_rasters(path)


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield the tile index as one dataset."""
    return scan_members(KIND, _index, path, options)


reader = partial(reader_of, lambda path, options: _index(path, options))


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD_BYTES)


def _names_rasters(path: Path) -> bool:
    try:
        tables = open_tables(path)
    except SourceError:
        return False
    for table in tables:
        column = _column(table, _LOCATION)
        if column and "POLYGON" in (table.geometry_type or ""):
            _, (value,) = next(table.rows([column]), (0, (None,)))
            if isinstance(value, str) and value.lower().endswith(_RASTERS):
                return True
    return False


def _index(path: Path, options: ScanOptions) -> Members:
    facts: Facts = facts_of_xml(path) if path.suffix.lower() == ".gti" else {}
    data = path
    if "INDEXDATASET" in facts:
        data = path.parent / facts["INDEXDATASET"]
        if not data.is_file():
            raise SourceError(f"{path}: its index {data} is missing")
        if not (options.allow_outside or data.resolve().is_relative_to(path.parent.resolve())):
            raise SourceError(f"{path}: its index {data} lies outside; --allow-outside lets it")
    facts = {**facts_of_database(data), **facts}
    table = _table(data, options.layer or facts.get("INDEXLAYER"))
    column = _column(table, facts.get("LOCATIONFIELD", _LOCATION))
    if column is None:
        listing = ", ".join(each.name for each in table.columns) or "none"
        raise SourceError(f"{path}: no column {_LOCATION} with paths; there are {listing}")
    folders = MemberFolders(data.parent, options.media, allow_outside=options.allow_outside)
    listed = tuple(_members(list(table.features()), column, folders, table.srs))
    frame = _frame(path, facts, table.srs)
    if (field := facts.get("SORTFIELD")) and _column(table, field) is None:
        listing = ", ".join(each.name for each in table.columns)
        raise SourceError(f"{path}: no column {field} to sort by (SortField); there are {listing}")
    found = Members(listed=listed, frame=frame, order=order_of(facts))
    if "FILTER" not in facts:
        return found
    try:
        chosen = found.chosen(facts["FILTER"], "first", f"the filter of {path.name}")
    except UsageError as error:
        raise SourceError(str(error)) from error
    return replace(found, listed=chosen.listed)


def _frame(path: Path, facts: Facts, system: Srs | None) -> Frame:
    """Return the grid that is asked for: in the system of the footprints, as GDAL has it."""
    try:
        frame = frame_of(facts)
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from error
    if frame.crs is None and (frame.cell or frame.bounds) and system:
        return replace(frame, crs=srs.short_name(system.definition))
    return frame


def _table(path: Path, layer: str | None) -> Table:
    if not (is_sqlite(path) or is_table_file(path)):
        raise SourceError(f"{path}: no layer of footprints; a tile index has one")
    tables = open_tables(path)
    if layer is not None:
        chosen = [table for table in tables if table.name.lower() == layer.lower()]
    else:
        chosen = [table for table in tables if _column(table, _LOCATION)] or tables
    if len(chosen) != 1:
        listing = ", ".join(table.name for table in tables) or "none"
        raise SourceError(f"{path}: which layer is the tile index? --layer says it: {listing}")
    return chosen[0]


def _column(table: Table, name: str) -> str | None:
    names = {column.name.lower(): column.name for column in table.columns}
    return names.get(name.lower())


def _members(
    features: list[Feature], column: str, folders: MemberFolders, system: Srs | None
) -> Iterator[Member]:
    crs = srs.short_name(system.definition) if system else None
    shapes = shapely.from_wkb([feature.geometry for feature in features])
    for feature, bounds in zip(features, shapely.bounds(shapes).tolist(), strict=True):
        key, file, lost = folders.find(feature.attributes.get(column))
        placed = bool(np.isfinite(bounds).all())
        yield Member(
            key=key,
            path=file,
            lost=lost,
            attributes=feature.attributes,
            outline=Extent(bounds=tuple(bounds), crs=crs) if placed else None,
        )
