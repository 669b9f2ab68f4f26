"""Zones: any layer of polygons, and how much of each class lies in each of them.

A table per layer keeps its columns and gets shares and areas as columns; the same as rows, and
which class rasters a zone lies in, are in tables that all layers share.
"""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import PurePath

from . import geometry, geopackage
from .errors import UsageError
from .geometry import CURVES
from .geopackage import FeatureTable, quote
from .ingest import now
from .output_columns import output_columns
from .table_names import is_name, refuse_taken
from .zone_rows import ClassRow, Zone, ZoneLayer, insert_shared, our_columns, rows

_FORM = 1
"""Of the tables; to be raised where the same zones and class rasters give other rows."""
_TYPES = {3: "POLYGON", 6: "MULTIPOLYGON", **CURVES}
"""Types of geometries, by their number in WKB, that a table of zones may be of."""


def classes(connection: sqlite3.Connection, run_id: int) -> list[ClassRow]:
    """Return the classes of the model of a run, in the order of their values."""
    rows = connection.execute(
        "SELECT c.id, c.value, c.name FROM classes c JOIN runs r USING (model_id)"
        " WHERE r.id = ? ORDER BY c.value",
        (run_id,),
    )
    return [ClassRow(*row) for row in rows]


def up_to_date(
    connection: sqlite3.Connection, layer: ZoneLayer, run_id: int, name: str | None
) -> str | None:
    """Return the table of a layer where writing it anew would change nothing, else None.

    Args:
        connection: Of the catalog.
        layer: The layer as it is now.
        run_id: Whose class rasters it is to show.
        name: What the user calls the table.

    Raises:
        UsageError: It is no name for a table, or something else has it.
    """
    if name is not None and not is_name(name):
        raise UsageError(f"--out-features {name!r} is no name for a table; choose another")
    known = _known(connection, layer, name)
    if known is None:
        if name is not None:
            refuse_taken(connection, name)
        return None
    number, table, built_from = known
    return table if built_from == _state(connection, layer, run_id, number) else None


def write(
    connection: sqlite3.Connection,
    layer: ZoneLayer,
    run_id: int,
    zones: Sequence[Zone],
    name: str | None,
    *,
    is_whole: bool,
) -> str:
    """Write the table of a layer of zones anew, and what the shared tables say of it.

    Args:
        connection: A catalog in a transaction.
        layer: The layer.
        run_id: Whose class rasters it shows.
        zones: Its rows, in their order.
        name: What the user calls the table; default ``<layer>_zones``.
        is_whole: Whether all class rasters could be read; else the same command does it again.

    Returns:
        The name of the table.
    """
    known = _known(connection, layer, name)
    if known is None:
        wanted = name or f"{layer.name or PurePath(layer.uri).stem}_zones"
        table = geopackage.free_name(connection, wanted)
    else:
        number, table, _ = known
        connection.execute("DELETE FROM zone_layers WHERE id = ?", (number,))
    listed = classes(connection, run_id)
    _create(connection, table, layer, run_id, zones, listed)
    geopackage.refresh_contents(connection, (table,))
    row = connection.execute(
        "INSERT INTO zone_layers (uri, layer, zones_sha256, run_id, table_name, is_named, made_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (layer.uri, layer.name, layer.sha256, run_id, table, name is not None, now()),
    ).fetchone()
    insert_shared(connection, row[0], zones, listed)
    if is_whole:
        state = _state(connection, layer, run_id, row[0])
        connection.execute("UPDATE zone_layers SET built_from = ? WHERE id = ?", (state, row[0]))
    return table


def _known(
    connection: sqlite3.Connection, layer: ZoneLayer, name: str | None
) -> tuple[int, str, str | None] | None:
    """Return number, table and state of the layer that a name means, or of this one."""
    which = "lower(table_name) = lower(?)" if name else "(uri, layer) = (?, ?) AND NOT is_named"
    found: tuple[int, str, str | None] | None = connection.execute(
        f"SELECT id, table_name, built_from FROM zone_layers WHERE {which}",
        (name,) if name else (layer.uri, layer.name),
    ).fetchone()
    return found


def _state(connection: sqlite3.Connection, layer: ZoneLayer, run_id: int, number: int) -> str:
    """Return what differs after anything has changed that a table shows, or the table itself."""
    outputs = connection.execute(
        "SELECT count(*), sum(id) FROM outputs WHERE run_id = ? AND status = 'done'", (run_id,)
    )
    present = connection.execute(
        "SELECT c.table_name, c.last_change FROM gpkg_contents c JOIN zone_layers USING (table_name)"
        " JOIN sqlite_master m ON m.name = c.table_name WHERE zone_layers.id = ?",
        (number,),
    )
    parts = [_FORM, layer.uri, layer.name, layer.sha256, layer.srs.definition, run_id]
    return json.dumps([*parts, outputs.fetchone(), present.fetchone()])


def _create(
    connection: sqlite3.Connection,
    table: str,
    layer: ZoneLayer,
    run_id: int,
    zones: Sequence[Zone],
    listed: Sequence[ClassRow],
) -> None:
    columns = output_columns(layer.columns, our_columns(listed))
    srs_id = geopackage.add_srs(connection, layer.srs)
    kinds = {geometry.kind(zone.geometry) for zone in zones if zone.geometry}
    heights = {kind.has_z for kind in kinds} or {layer.has_z}
    types = {_TYPES.get(kind.number, "GEOMETRY") for kind in kinds} or {layer.geometry_type}
    geopackage.drop_table(connection, table)
    geopackage.create_feature_table(
        connection,
        FeatureTable(
            name=table,
            columns=columns,
            geometry_type=types.pop() if len(types) == 1 else "GEOMETRY",
            srs_id=srs_id,
            has_z=heights.pop() if len(heights) == 1 else None,
            curves=[name for number, name in CURVES.items() if number in {k.number for k in kinds}],
            description="made by pixelcat",
            domains=layer.domains,
        ),
    )
    names = ["fid", "geom", *(column.name for column in columns)]
    connection.executemany(
        f"INSERT INTO {quote(table)} ({', '.join(map(quote, names))})"
        f" VALUES ({', '.join('?' for _ in names)})",
        (
            (fid, wkb and geometry.encode(wkb, srs_id), *values)
            for fid, wkb, *values in rows(connection, layer, run_id, zones, listed)
        ),
    )
