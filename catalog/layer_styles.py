"""The table ``layer_styles``, in which QGIS looks for the style of a layer that it opens."""

import sqlite3
from collections.abc import Iterable

from . import geopackage
from .qgis_style import StyledClass, style

_NAME = "pixelcat"
"""Of our styles: those that users save beside them stay, and go first where they say so."""
_TABLE = """
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
  f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
  styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT,
  owner TEXT(30), ui TEXT(30),
  update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""
_CLASSES = "SELECT name, color FROM classes WHERE ?1 IS NULL OR model_id = ?1 ORDER BY id"


def write(connection: sqlite3.Connection, tables: Iterable[str], model_id: int | None) -> None:
    """Write the styles of output tables, where they are not what they are to be.

    Args:
        connection: Of a catalog in a transaction.
        tables: Tables or views with a column ``dominant_class``.
        model_id: Whose classes they show; None for those of all models.
    """
    classes: dict[str, StyledClass] = {}
    for name, color in connection.execute(_CLASSES, (model_id,)):
        classes.setdefault(name, StyledClass(name, color))
    for table in tables:
        shape = connection.execute(
            "SELECT geometry_type_name FROM gpkg_geometry_columns WHERE table_name = ?", (table,)
        ).fetchone()
        columns = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        kind = shape and str(shape[0])
        qml = style(kind, list(classes.values()), [row[0] for row in columns])
        _write(connection, table, "geom" if shape else "", qml)


def _write(connection: sqlite3.Connection, table: str, geometry: str, qml: str) -> None:
    if not _exists(connection):
        connection.execute(_TABLE)
        geopackage.register_attributes(connection, "layer_styles")
    rows = connection.execute(
        "SELECT styleName, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        " WHERE f_table_name = ?",
        (table,),
    ).fetchall()
    if (_NAME, geometry, qml) in [row[:3] for row in rows]:
        return
    others = any(row[3] for row in rows if row[0] != _NAME)
    connection.execute(
        "DELETE FROM layer_styles WHERE f_table_name = ? AND styleName = ?", (table, _NAME)
    )
    connection.execute(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,"
        " f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner)"
        " VALUES ('', '', ?, ?, ?, ?, '', ?, 'made by pixelcat', '')",
        (table, geometry, _NAME, qml, not others),
    )


def forget(connection: sqlite3.Connection, table: str) -> None:
    """Remove all styles of a table that is to go for good."""
    if _exists(connection):
        connection.execute("DELETE FROM layer_styles WHERE f_table_name = ?", (table,))


def _exists(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'layer_styles'")
    return found.fetchone() is not None
