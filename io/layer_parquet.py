"""A layer of a catalog as Parquet, GeoParquet 1.1 where it has geometries, through pyarrow."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from pyproj import CRS

from ..catalog import geometry
from ..catalog.layer_copy import StoredLayer

_ROWS = 10_000
"""Of a row group: as many are in memory."""
_GEOMETRY = "geom"
_TYPES = (
    *("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon"),
    "GeometryCollection",
)
"""By their number in WKB, from 1."""


def write_parquet(
    layer: StoredLayer, path: Path, kinds: Sequence[str], value: Callable[[Any, str], Any]
) -> int:
    """Write a layer, group of rows by group of rows.

    Args:
        layer: The layer.
        path: The file.
        kinds: Of each column ``bool``, ``int64``, ``float``, ``date``, ``datetime``, ``bytes`` or
            ``str``.
        value: Gives a value of the catalog as one of such a kind.

    Returns:
        The number of rows.

    Raises:
        ValueError: A geometry is a curve, which GeoParquet does not have.
        OSError: The disk refused.
    """
    from pyarrow import parquet, table

    schema = _schema(layer, kinds)
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as file:
        for rows in _groups(layer):
            count += len(rows)
            columns: list[list[Any]] = [[key for key, _, _ in rows]]
            for place, kind in enumerate(kinds):
                found = (values[place] for _, _, values in rows)
                columns.append(
                    [None if each is None else _utc(value(each, kind)) for each in found]
                )
            if layer.geometry_type:
                columns.append([wkb for _, wkb, _ in rows])
            named = dict(zip(schema.names, columns, strict=True))
            file.write_table(table(named, schema=schema))
    return count


def _groups(layer: StoredLayer) -> Iterator[list[tuple[int, bytes | None, list[Any]]]]:
    rows = layer.rows()
    while group := list(islice(rows, _ROWS)):
        yield group


def _utc(value: Any) -> Any:
    """Return a time that says no zone as one in UTC, which times of a GeoPackage are in."""
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value


def _schema(layer: StoredLayer, kinds: Sequence[str]) -> Any:
    import pyarrow as pa

    types = {
        "bool": pa.bool_(), "int64": pa.int64(), "float": pa.float64(), "date": pa.date32(),
        "datetime": pa.timestamp("us", "UTC"), "bytes": pa.binary(), "str": pa.string(),
    }  # fmt: skip
    fields = [(layer.key, pa.int64())]
    fields += [(c.name, types[kind]) for c, kind in zip(layer.columns, kinds, strict=True)]
    if not layer.geometry_type:
        return pa.schema(fields)
    fields.append((_GEOMETRY, pa.binary()))
    return pa.schema(fields, metadata={"geo": json.dumps(_geo(layer))})


def _geo(layer: StoredLayer) -> dict[str, Any]:
    """Return what https://geoparquet.org/releases/v1.1.0/ asks to be said of the geometries."""
    found = {geometry.kind(wkb) for _, wkb, _ in layer.rows() if wkb}
    if curves := {each.number for each in found if not 1 <= each.number <= len(_TYPES)}:
        raise ValueError(f"GeoParquet has no {geometry.CURVES.get(min(curves), 'such geometry')}")
    names = sorted(_TYPES[each.number - 1] + " Z" * each.has_z for each in found)
    system = CRS(layer.srs.definition).to_json_dict() if layer.srs else None
    column = {"encoding": "WKB", "geometry_types": names, "crs": system}
    return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}
