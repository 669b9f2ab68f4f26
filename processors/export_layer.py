"""A layer of a catalog as a file of another format."""

import os
import sqlite3
from pathlib import Path

from ..catalog.errors import OutputError
from ..catalog.layer_copy import stored_layer, write_geopackage
from ..catalog.query import read_only
from ..io.layer_out import LAYER_DRIVERS, write_layer
from ..io.publish import publish
from ..io.vector_out import check_target, working_folder


def export_layer(catalog: str | os.PathLike[str], layer: str, path: str | os.PathLike[str]) -> int:
    """Write a layer, table or view of a catalog to a new file, as it is at one moment.

    Args:
        catalog: The catalog.
        layer: Its name, such as ``plots_classified``.
        path: A new file: GeoPackage (with aliases and domains), GeoJSON, FlatGeobuf, CSV or
            (Geo)Parquet, by its suffix.

    Returns:
        The number of rows.

    Raises:
        UsageError: There is no such layer, or the file is there already.
        SourceError: The catalog is not there.
        OutputError: The disk or GDAL refused.
    """
    target = Path(path)
    driver = check_target(target, "--to", LAYER_DRIVERS)
    with read_only(catalog) as connection:
        connection.execute("BEGIN")  # what others write meanwhile is not seen
        found = stored_layer(connection, layer)
        with working_folder(target) as folder:
            draft = folder / target.name
            if driver == "GPKG":
                try:
                    count = write_geopackage(found, draft)
                except sqlite3.Error as error:
                    raise OutputError(f"cannot write {target}: {error}") from error
            else:
                count = write_layer(found, draft, driver)
            publish(draft, target)
    return count
