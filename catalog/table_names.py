"""Names that users give to tables and views of a catalog."""

import sqlite3

from .errors import UsageError

RESERVED = ("gpkg", "rtree_", "sqlite_", "class_mosaic_")
"""What names of tables of SQLite, GeoPackage and ours begin with."""


def is_name(name: str) -> bool:
    """Return whether a table of a user may be called so."""
    is_text = bool(name.strip()) and name.isprintable()
    return is_text and not name.lower().startswith(RESERVED)


def refuse_taken(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a name that a table or view has.

    Raises:
        UsageError: There is one.
    """
    taken = connection.execute("SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?)", (name,))
    if taken.fetchone():
        raise UsageError(f"{name} is a table or view of the catalog; choose another name")
