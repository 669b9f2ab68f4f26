"""Tables of a catalog as (Geo)DataFrames, read through ``sqlite3`` alone."""

import os
from collections.abc import Sequence

import geopandas
import pandas as pd
import shapely

from ..catalog import geometry
from ..catalog.errors import UsageError
from ..catalog.geopackage import quote
from ..catalog.output_columns import INTEGERS
from ..catalog.query import read_only
from ..catalog.records import SqlValue
from .crs import crs_of
from .spatial_functions import register


def read_table(
    path: str | os.PathLike[str],
    name: str,
    where: tuple[str, Sequence[SqlValue]] = ("1", ()),
) -> "pd.DataFrame":
    """Return a table or view of a catalog; a GeoDataFrame where it has a geometry.

    Times are in UTC; whole numbers are ``Int64`` where some are NULL.

    Args:
        path: The catalog.
        name: The table.
        where: Which rows, as SQL of ours with its parameters.

    Raises:
        UsageError: No such table.
        SourceError: No such catalog.
        CatalogError: Damaged, or no catalog.
    """
    with read_only(path) as connection:
        register(connection)  # for saved queries
        known = connection.execute(
            "SELECT name FROM sqlite_master WHERE lower(name) = lower(?) AND type IN"
            " ('table', 'view')",
            (name,),
        ).fetchone()
        if known is None:
            raise UsageError(f"{path} has no table {name}")
        condition, parameters = where
        cursor = connection.execute(
            f"SELECT * FROM {quote(known[0])} WHERE {condition}", parameters
        )
        columns = [column[0] for column in cursor.description]
        rows = cursor.fetchall()
        types = dict(
            connection.execute("SELECT name, upper(type) FROM pragma_table_info(?)", (known[0],))
        )
        shape = connection.execute(
            "SELECT g.column_name, s.definition FROM gpkg_geometry_columns g JOIN"
            " gpkg_spatial_ref_sys s USING (srs_id) WHERE lower(g.table_name) = lower(?)",
            (name,),
        ).fetchone()
    frame = pd.DataFrame.from_records(rows, columns=columns)
    for index, column in enumerate(columns):
        typed = _typed([row[index] for row in rows], types.get(column, ""))
        if typed is not None:
            frame[column] = typed
    if shape is None:
        return frame
    column, definition = shape
    shapes = shapely.from_wkb(
        [None if blob is None else geometry.decode(blob) for blob in frame.pop(column)]
    )
    crs = None if definition == "undefined" else crs_of(definition)
    return geopandas.GeoDataFrame(frame, geometry=shapes, crs=crs)


def _typed(values: Sequence[SqlValue], sql_type: str) -> "pd.api.extensions.ExtensionArray | None":
    """Return a column that pandas would make text or floats of; None for others, and for odd values.

    Times are in UTC; whole numbers some of which are NULL stay whole, and exact.
    """
    known = [value for value in values if value is not None]
    if sql_type == "DATETIME" and all(isinstance(value, str) for value in known):
        try:
            return pd.to_datetime(pd.Series(values, dtype=object), utc=True, format="ISO8601").array
        except ValueError:
            return None
    is_whole = sql_type in INTEGERS and all(isinstance(value, int) for value in known)
    return pd.array(values, dtype="Int64") if is_whole and len(known) < len(values) else None
