"""Whether a catalog is the GeoPackage that it should be, with our tables in it."""

import sqlite3
from collections.abc import Iterator

from . import schema
from .database import Database
from .geometry import register_functions
from .geopackage import APPLICATION_ID, quote
from .integrity import has_table

_REGISTRIES = (
    ("gpkg_contents", "table_name"),
    ("gpkg_geometry_columns", "table_name"),
    ("gpkg_extensions", "table_name"),
    ("gpkgext_relations", "base_table_name"),
    ("gpkgext_relations", "related_table_name"),
    ("gpkgext_relations", "mapping_table_name"),
)
"""Tables of the container that name others, and in which column."""
_NAMES = (
    "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view', 'trigger')"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
)


def problems(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with schema and container, a line each.

    A catalog of an older pixelcat is not wrong: the next run brings it to the present schema.
    """
    applied = _applied(connection)
    newer = sorted(applied - schema.known())
    if newer:
        yield f"was made by a newer pixelcat ({newer[-1]}); upgrade pixelcat"
    elif applied == schema.known():
        yield from _missing(connection)
    yield from _wrong_header(connection)
    yield from _unknown_names(connection)
    yield from _wrong_rtrees(connection)


def _applied(connection: sqlite3.Connection) -> set[str]:
    table = schema.MIGRATIONS.migrations_table
    if not has_table(connection, table):
        return set()
    return {
        row[0]
        for row in connection.execute(
            f"SELECT name FROM {quote(table)} WHERE migration_set = ?", (schema.MIGRATIONS.name,)
        )
    }


def _missing(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield tables, views and triggers that a new catalog has and this one lacks."""
    empty = sqlite3.connect(":memory:", isolation_level=None)
    try:
        register_functions(empty)
        schema.MIGRATIONS.apply(Database(empty, execute_plugins=False))
        expected = set(empty.execute(_NAMES))
    finally:
        empty.close()
    for kind, name in sorted(expected - set(connection.execute(_NAMES))):
        yield f"{kind} {name} is missing"


def _wrong_header(connection: sqlite3.Connection) -> Iterator[str]:
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found != APPLICATION_ID:
        yield f"does not say that it is a GeoPackage: its application_id is {found}"


def _unknown_names(connection: sqlite3.Connection) -> Iterator[str]:
    for registry, column in _REGISTRIES:
        if not has_table(connection, registry):
            yield f"table {registry} is missing"
            continue
        for (name,) in connection.execute(
            f"SELECT DISTINCT {column} FROM {registry} WHERE {column} NOT NULL"
            f" AND lower({column}) NOT IN (SELECT lower(name) FROM sqlite_master) ORDER BY 1"
        ):
            yield f"{registry} names {name}, and there is no such table"


def _wrong_rtrees(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield spatial indexes that are missing, damaged, or not of the rows of their table."""
    if not has_table(connection, "gpkg_extensions"):
        return
    for (table,) in connection.execute(
        "SELECT table_name FROM gpkg_extensions WHERE extension_name = 'gpkg_rtree_index'"
    ).fetchall():
        index = f"rtree_{table}_geom"
        if not has_table(connection, table):
            continue
        if not has_table(connection, index):
            yield f"the spatial index of {table} is missing"
            continue
        (found,) = connection.execute("SELECT rtreecheck(?)", (index,)).fetchone()
        (indexed,) = connection.execute(f"SELECT count(*) FROM {quote(index)}").fetchone()
        (placed,) = connection.execute(
            f"SELECT count(*) FROM {quote(table)} WHERE geom NOT NULL AND NOT ST_IsEmpty(geom)"
        ).fetchone()
        if found != "ok":
            yield f"the spatial index of {table} is damaged: {found.splitlines()[0]}"
        elif indexed != placed:
            yield f"the spatial index of {table} has {indexed} rows, the table {placed}"
