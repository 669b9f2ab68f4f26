"""Answers to questions as GeoJSON, GeoPackages and Parquet files."""

import json
import math
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from ..catalog import geometry, geopackage
from ..catalog.errors import UsageError, first_line
from ..catalog.geometry import srs_id_of
from ..catalog.geopackage import FeatureTable, quote
from ..catalog.query import Rows
from ..catalog.records import Column, Srs
from .spatial_functions import shape_of
from .srs import describe, reprojection

Systems = dict[int, str]
"""Definitions of reference systems by the numbers that geometries name."""

_LON_LAT = "EPSG:4326"


def as_text(value: Any) -> Any:
    """Return what stands for a value in text: WKT for a geometry, its size for other bytes."""
    if not isinstance(value, bytes):
        return value
    shape = shape_of(value)
    if shape is None:
        return f"<blob {len(value)} bytes>"
    return shapely.to_wkt(shape, rounding_precision=-1, trim=True)


def features(answer: Rows, systems: Systems) -> Iterator[dict[str, Any]]:
    """Yield the rows of an answer as GeoJSON features, in longitude and latitude.

    Raises:
        UsageError: No column holds geometries, or they have no place in longitude and latitude.
    """
    index = _geometry_column(answer)
    if index is None and answer.rows:
        raise UsageError("sql: no column of the answer holds geometries; select geom too")
    for row in answer.rows:
        shape = None if index is None else _lon_lat(row[index], systems)
        yield {
            "type": "Feature",
            "properties": {
                name: _json_value(value)
                for at, (name, value) in enumerate(zip(answer.columns, row, strict=True))
                if at != index
            },
            "geometry": None if shape is None else mapping(shape),
        }


def _json_value(value: Any) -> Any:
    """JSON knows no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else as_text(value)


def feature_collection(answer: Rows, systems: Systems) -> Iterator[str]:
    """Yield a GeoJSON FeatureCollection (RFC 7946: longitude and latitude) in lines.

    Raises:
        UsageError: No column holds geometries, or they have no place in longitude and latitude.
    """
    lines = map(partial(json.dumps, ensure_ascii=False), features(answer, systems))
    first = next(lines, None)
    yield '{"type": "FeatureCollection", "features": ['
    if first is not None:
        yield first
        yield from (f", {line}" for line in lines)
    yield "]}"


def write_geopackage(path: Path, layer: str, answer: Rows, systems: Systems) -> None:
    """Write an answer as a table of a new GeoPackage, bytes as bytes.

    Args:
        path: A file that is not there.
        layer: What the table is to be called.
        answer: The first column with geometries becomes the layer's; others are WKT.
        systems: The reference systems of geometries.
    """
    index = _geometry_column(answer)
    keep = [at for at in range(len(answer.columns)) if at != index]
    names = _names([answer.columns[at] for at in keep])
    values = [[_attribute(row[at], answer, at) for row in answer.rows] for at in keep]
    columns = [
        Column(name=name, sql_type=_sql_type(column))
        for name, column in zip(names, values, strict=True)
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        geometry.register_functions(connection)
        connection.execute("BEGIN")
        geopackage.create_container(connection, with_relations=False)
        shapes = [] if index is None else [row[index] for row in answer.rows]
        srs_id = _add_srs(connection, shapes, systems)
        table = _table(layer, columns, None if index is None else shapes, srs_id)
        geopackage.create_feature_table(connection, table)
        listed = [*([] if index is None else ["geom"]), *names]
        if listed:
            blobs = [] if index is None else [[_with_srs(blob, srs_id) for blob in shapes]]
            marks = ", ".join("?" for _ in listed)
            connection.executemany(
                f"INSERT INTO {quote(layer)} ({', '.join(map(quote, listed))}) VALUES ({marks})",
                zip(*blobs, *values, strict=True),
            )
        if index is not None:
            geopackage.refresh_contents(connection, (layer,))
        connection.execute("COMMIT")


def write_parquet(path: Path, answer: Rows, systems: Systems) -> None:
    """Write an answer as a Parquet file, GeoParquet where it has geometries.

    Raises:
        UsageError: pyarrow is not installed.
    """
    frame = as_frame(answer, systems)
    try:
        frame.to_parquet(path, index=False)
    except ImportError as error:
        raise UsageError("Parquet needs pyarrow: pip install 'pixelcat[parquet]'") from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"sql: not to be written as Parquet: {first_line(error)}") from error


def as_frame(answer: Rows, systems: Systems) -> pd.DataFrame:
    """Return an answer as a DataFrame; a GeoDataFrame where it has geometries.

    Whole numbers stay whole where some are NULL.
    """
    frame = pd.DataFrame(
        {
            name: pd.Series([row[at] for row in answer.rows], dtype=object).convert_dtypes()
            for at, name in enumerate(answer.columns)
        }
    )
    index = _geometry_column(answer)
    if index is None:
        return frame
    blobs = [row[index] for row in answer.rows]
    number = _one_system(blobs)
    name = answer.columns[index]
    shapes = geopandas.GeoSeries([shape_of(blob) for blob in blobs], crs=systems.get(number))
    return geopandas.GeoDataFrame(frame.assign(**{name: shapes}), geometry=name)


def _geometry_column(answer: Rows) -> int | None:
    for at in range(len(answer.columns)):
        first = next((row[at] for row in answer.rows if row[at] is not None), None)
        if isinstance(first, bytes) and first[:2] == b"GP" and shape_of(first) is not None:
            return at
    return None


def _lon_lat(blob: Any, systems: Systems) -> BaseGeometry | None:
    shape = shape_of(blob)
    if shape is None:
        return None
    definition = systems.get(srs_id_of(blob))
    if definition is None:
        raise UsageError(
            "sql: GeoJSON is in longitude and latitude, and these geometries have no reference"
            " system; choose another --format"
        )
    try:
        moved = reprojection(definition, _LON_LAT)(shapely.to_wkb(shape, flavor="iso"))
    except ValueError as error:
        raise UsageError(f"sql: not in longitude and latitude: {error}") from error
    return shapely.orient_polygons(shapely.from_wkb(moved))


def _attribute(value: Any, answer: Rows, at: int) -> Any:
    """Geometries beyond the first are written as text; other bytes stay."""
    return as_text(value) if shape_of(value) is not None else value


def _sql_type(values: Sequence[Any]) -> str:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return "INTEGER"
    if kinds and kinds <= {int, float}:
        return "DOUBLE"
    return "BLOB" if kinds == {bytes} else "TEXT"


def _names(columns: Sequence[str]) -> list[str]:
    """Return names of columns that differ in more than case, and from the row key's."""
    taken = {"fid", "geom"}
    result = []
    for column in columns:
        name, number = column, 1
        while name.lower() in taken:
            number += 1
            name = f"{column}_{number}"
        taken.add(name.lower())
        result.append(name)
    return result


def _one_system(blobs: Sequence[Any]) -> int:
    numbers = {srs_id_of(blob) for blob in blobs if shape_of(blob) is not None}
    if len(numbers) > 1:
        raise UsageError(
            f"sql: geometries of several reference systems ({', '.join(map(str, numbers))});"
            " bring them to one with ST_Transform"
        )
    return numbers.pop() if numbers else geopackage.UNDEFINED_CARTESIAN


def _add_srs(connection: sqlite3.Connection, blobs: Sequence[Any], systems: Systems) -> int:
    definition = systems.get(_one_system(blobs))
    if definition is None:
        return geopackage.UNDEFINED_CARTESIAN
    known = describe(definition)
    return geopackage.add_srs(connection, known or Srs(
        organization="NONE", code=0, name="unnamed", definition=definition
    ))  # fmt: skip


def _with_srs(blob: Any, srs_id: int) -> bytes | None:
    if shape_of(blob) is None:
        return None
    return geometry.encode(geometry.decode(blob), srs_id)


def _table(
    name: str, columns: Sequence[Column], blobs: Sequence[Any] | None, srs_id: int
) -> FeatureTable:
    shapes = [shape for blob in blobs or () if (shape := shape_of(blob)) is not None]
    kinds = {shape.geom_type.upper() for shape in shapes}
    heights = {shape.has_z for shape in shapes}
    return FeatureTable(
        name=name,
        columns=columns,
        geometry_type=None if blobs is None else kinds.pop() if len(kinds) == 1 else "GEOMETRY",
        srs_id=srs_id,
        has_z=heights.pop() if len(heights) == 1 else None,
        description="an answer of pixelcat sql",
    )


def layer_name(path: Path) -> str:
    """Return the name of a file as a name for its table."""
    name = re.sub(r"\W+", "_", path.stem).strip("_") or "answer"
    reserved = name.lower().startswith(("gpkg", "rtree_", "sqlite_"))
    return f"answer_{name}" if reserved else name
