"""Questions that a catalog keeps: a view each, which every program can open."""

import re
import sqlite3
from dataclasses import dataclass

from . import geopackage
from .errors import UsageError
from .geopackage import FeatureTable, quote
from .ingest import now
from .output_columns import INTEGERS
from .table_names import RESERVED, is_name, refuse_taken

_NAME = re.compile(r"[A-Za-z_]\w{0,62}", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the answer to a question is like."""

    is_key: bool = False
    """The first column has every value once, and no NULL."""
    srs_id: int | None = None
    """The reference system of all geometries in ``geom``; None where there are none."""
    has_z: bool | None = None
    """Of these geometries; None where they differ."""
    hidden: str | None = None
    """Why other programs must not be shown it."""


def save(connection: sqlite3.Connection, name: str, sql: str, seen: Seen) -> str | None:
    """Keep a SELECT as a view, in place of a saved one of that name.

    Args:
        connection: A catalog, with the functions that the SELECT needs.
        name: Of the view.
        sql: The SELECT; the caller has made sure that it can be asked.
        seen: What its answer is like.

    Returns:
        Why other programs are not shown a view that looks as if they could be.

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
        note = _register(connection, name, seen)
    except sqlite3.Error as error:  # it asks itself, for one
        raise UsageError(f"sql: {' '.join(str(error).split())}") from error
    connection.execute(
        "INSERT INTO saved_queries (name, sql, saved_at) VALUES (?, ?, ?)",
        (name, sql, now()),
    )
    return note


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


def _register(connection: sqlite3.Connection, name: str, seen: Seen) -> str | None:
    """Show a view to other programs where a GeoPackage may: it begins with a key, a whole number.

    With a column ``geom`` of a layer it is a layer, in the reference system of its geometries.
    """
    columns = connection.execute(
        "SELECT name, upper(type) FROM pragma_table_info(?)", (name,)
    ).fetchall()
    key, kind = columns[0][0], dict(columns).get("geom")
    if columns[0][1] not in INTEGERS:
        return None
    if seen.hidden:
        return seen.hidden
    if not seen.is_key:
        return f"values of its first column {key} are missing or repeat; begin with one like fid"
    if not kind or seen.srs_id is None:
        geopackage.register_attributes(connection, name)
    else:
        table = FeatureTable(
            name=name, columns=(), geometry_type=kind, srs_id=seen.srs_id, has_z=seen.has_z
        )
        geopackage.register_geometry(connection, table, with_rtree=False)
    return None


def _saved(connection: sqlite3.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT name FROM saved_queries")
    return {name.lower(): name for (name,) in rows}
