"""A layer of a catalog in the formats of others: GeoJSON and FlatGeobuf through fiona, CSV, Parquet."""

import base64
import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import fiona
import shapely
from fiona._err import CPLE_BaseError
from fiona.errors import FionaError

from ..catalog.errors import OutputError, first_line
from ..catalog.layer_copy import StoredLayer
from ..catalog.records import Column
from .layer_parquet import write_parquet

LAYER_DRIVERS = {
    ".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON", ".fgb": "FlatGeobuf", ".csv": "CSV",
    ".parquet": "Parquet", ".geoparquet": "Parquet",
}  # fmt: skip
"""What the suffix of a file means that is to hold a layer."""
_KINDS = {
    "BOOLEAN": "bool", "TINYINT": "int64", "SMALLINT": "int64", "MEDIUMINT": "int64",
    "INT": "int64", "INTEGER": "int64", "FLOAT": "float", "DOUBLE": "float", "REAL": "float",
    "DATE": "date", "DATETIME": "datetime",
}  # fmt: skip
_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (int,), "int64": (int,), "float": (int, float), "date": (str,), "datetime": (str,),
    "bytes": (bytes,),
}  # fmt: skip


def write_layer(layer: StoredLayer, path: Path, driver: str) -> int:
    """Write a layer to a new file.

    Args:
        layer: The layer.
        path: The file.
        driver: ``GeoJSON``, ``FlatGeobuf``, ``CSV`` or ``Parquet``.

    Returns:
        The number of rows.

    Raises:
        OutputError: The disk or GDAL refused.
    """
    try:
        if driver == "CSV":
            return _write_csv(layer, path)
        if driver == "Parquet":
            return write_parquet(layer, path, _kinds(layer, driver), _value)
        return _write_features(layer, path, driver)
    except (FionaError, CPLE_BaseError, RuntimeError, ValueError, OSError) as error:
        raise OutputError(f"cannot write {path}: {first_line(error)}") from error


def _write_csv(layer: StoredLayer, path: Path) -> int:
    count = 0
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        geometry = [] if layer.geometry_type is None else ["geometry"]
        writer.writerow([layer.key, *(column.name for column in layer.columns), *geometry])
        for key, wkb, values in layer.rows():
            count += 1
            shape = [wkb and shapely.from_wkb(wkb).wkt] if geometry else []
            writer.writerow([key, *(_text(value) for value in values), *shape])
    return count


def _write_features(layer: StoredLayer, path: Path, driver: str) -> int:
    kinds = _kinds(layer, driver)
    schema = {
        "geometry": "Unknown" if layer.geometry_type else "None",
        "properties": {c.name: kind for c, kind in zip(layer.columns, kinds, strict=True)},
    }
    options = {"RFC7946": "YES", "COORDINATE_PRECISION": "9"}
    if driver == "FlatGeobuf":  # its index takes no rows without geometry
        whole = all(wkb is not None for _, wkb, _ in layer.rows())
        options = {"SPATIAL_INDEX": "YES" if whole and layer.geometry_type else "NO"}
    system = {"crs_wkt": layer.srs.definition} if layer.srs else {}
    count = 0
    with (
        fiona.Env(),
        fiona.open(
            path, "w", driver=driver, layer=layer.name, schema=schema, **system, **options
        ) as file,
    ):
        for record in _records(layer, kinds):
            file.write(record)
            count += 1
    return count


def _records(layer: StoredLayer, kinds: Sequence[str]) -> Iterator[Any]:
    for _, wkb, values in layer.rows():
        yield {
            "geometry": wkb and shapely.geometry.mapping(shapely.from_wkb(wkb)),
            "properties": {
                column.name: None if value is None else _value(value, kind)
                for column, kind, value in zip(layer.columns, kinds, values, strict=True)
            },
        }


def _kinds(layer: StoredLayer, driver: str) -> list[str]:
    """Return the type of each column as fiona has it; text where SQLite has let others in."""
    kinds = [_declared(column, driver) for column in layer.columns]
    for _, _, values in layer.rows():
        for place, value in enumerate(values):
            if value is not None and kinds[place] != "str" and not _fits(value, kinds[place]):
                kinds[place] = "str"
    return kinds


def _declared(column: Column, driver: str) -> str:
    if driver == "Parquet" and column.sql_type.startswith("BLOB"):
        return "bytes"
    kind = _KINDS.get(column.sql_type, "str")
    return "datetime" if kind == "date" and driver == "FlatGeobuf" else kind


def _fits(value: Any, kind: str) -> bool:
    if not isinstance(value, _TYPES[kind]):
        return False
    if kind == "bool":
        return value in (0, 1)
    if kind not in ("date", "datetime"):
        return True
    try:
        _value(value, kind)
    except ValueError:
        return False
    return True


def _value(value: Any, kind: str) -> Any:
    if kind == "bool":
        return bool(value)
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "datetime":
        found = datetime.fromisoformat(value)
        return (
            found if found.tzinfo or len(value) == len("2000-01-01") else found.replace(tzinfo=UTC)
        )
    return _text(value) if kind == "str" else value


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value if value is None else str(value)
