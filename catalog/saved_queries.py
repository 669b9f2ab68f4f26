"""Questions that a catalog keeps: a view each, which every program can open."""

import re
import sqlite3

from . import geopackage
from .errors import UsageError
from .geometry import srs_id_of
from .geopackage import FeatureTable, quote
from .ingest import now
from .output_columns import INTEGERS
from .table_names import RESERVED, is_name, refuse_taken

_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)


def save(connection: sqlite3.Connection, name: str, sql: str) -> None:
    """Keep a SELECT as a view, in place of a saved one of that name.

    The caller has made sure that it can be asked: SQLite takes a view of tables that it lacks.

    Raises:
        UsageError: It is no SELECT, has parameters, or something else has the name.
    """
    if not _NAME.fullmatch(name) or not is_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of a query: letters, digits and _, a letter first,"
            f" and none of {', '.join(RESERVED)} in front"
        )
    if name.lower() in _saved(connection):
        forget(connection, name)
    refuse_taken(connection, name)
    try:
        connection.execute(f"CREATE VIEW {quote(name)} AS {sql}")
    except sqlite3.Error as error:
        raise UsageError(f"sql: {' '.join(str(error).split())}") from error
    _register(connection, name)
    connection.execute(
        "INSERT INTO saved_queries (name, sql, saved_at) VALUES (?, ?, ?)",
        (name, sql, now()),
    )


def forget(connection: sqlite3.Connection, name: str) -> None:
    """Remove a saved query.

    Raises:
        UsageError: None has that name.
    """
    known = _saved(connection).get(name.lower())
    if known is None:
        raise UsageError(f"no query {name} is saved; see 'pixelcat sql CATALOG --saved'")
    connection.execute("DELETE FROM saved_queries WHERE name = ?", (known,))
    for registry in ("gpkg_geometry_columns", "gpkg_contents"):
        connection.execute(f"DELETE FROM {registry} WHERE table_name = ?", (known,))
    connection.execute(f"DROP VIEW IF EXISTS {quote(known)}")


def _register(connection: sqlite3.Connection, name: str) -> None:
    """Show a view to other programs where a GeoPackage may: it begins with a whole number.

    With a column ``geom`` of a layer it is a layer, in the reference system of its first row.
    """
    columns = connection.execute(
        "SELECT name, upper(type) FROM pragma_table_info(?)", (name,)
    ).fetchall()
    if columns[0][1] not in INTEGERS:
        return
    kind = dict(columns).get("geom")
    first = (
        kind
        and connection.execute(
            f"SELECT geom FROM {quote(name)} WHERE geom IS NOT NULL LIMIT 1"
        ).fetchone()
    )
    if not first:
        return geopackage.register_attributes(connection, name)
    table = FeatureTable(
        name=name, columns=(), geometry_type=kind, srs_id=srs_id_of(first[0]), has_z=None
    )
    return geopackage.register_geometry(connection, table, with_rtree=False)


def _saved(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name FROM saved_queries")
    return {name.lower(): name for (name,) in rows}
