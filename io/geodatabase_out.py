"""New file geodatabases: layers, and tables of attachments, written with fiona."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import fiona
from fiona._err import CPLE_BaseError
from fiona.errors import FionaError

from ..catalog.errors import OutputError, PixelcatError, UsageError, first_line
from ..catalog.records import SqlValue
from .geodatabase_values import converted, shape
from .places import check_place
from .publish import draft_folder, publish_folder

_RESERVED = frozenset([
    "add", "alter", "and", "between", "by", "column", "create", "delete", "drop", "exists", "for",
    "from", "group", "in", "insert", "into", "is", "like", "not", "null", "or", "order", "select",
    "set", "table", "update", "values", "where",
    "objectid", "shape", "shape_length", "shape_area",
])  # fmt: skip
_MAX_NAME = 60
_ATTACHMENTS = {
    "geometry": "None",
    "properties": {
        "REL_OBJECTID": "int32",
        "CONTENT_TYPE": "str:150",
        "ATT_NAME": "str:250",
        "KEYWORDS": "str",
        "DATA_SIZE": "int32",
        "DATA": "bytes",
    },
}
_SHAPES = {
    frozenset({1}): "Point", frozenset({4}): "MultiPoint", frozenset({1, 4}): "MultiPoint",
    frozenset({2}): "LineString", frozenset({5}): "MultiLineString",
    frozenset({2, 5}): "MultiLineString", frozenset({3}): "Polygon",
    frozenset({6}): "MultiPolygon", frozenset({3, 6}): "MultiPolygon",
}  # fmt: skip
"""ISO WKB types that one layer can hold, and its type."""

Row = tuple[bytes | None, Sequence[SqlValue]]
"""WKB and the values of the columns."""


class Field(NamedTuple):
    """One column of a layer."""

    name: str
    kind: str
    """As fiona has it: ``int32``, ``float``, ``datetime``, ``bytes``, ``str:50``, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A feature class to be written, or a table."""

    name: str
    fields: Sequence[Field]
    wkb_types: frozenset[int] | None
    """ISO WKB types of its geometries; None for a table without geometry."""
    definition: str | None
    """Its reference system as WKT."""


class Attachment(NamedTuple):
    """One row of a table of attachments."""

    object_id: int
    """The number of the feature's row, from 1."""
    content_type: str
    name: str
    keywords: str | None
    data: bytes


@contextmanager
def new_geodatabase(path: Path) -> Iterator["Geodatabase"]:
    """Write a file geodatabase that is there whole or not at all.

    Raises:
        UsageError: Something has that name, or it is no name for a geodatabase.
        OutputError: The disk or GDAL refused.
    """
    if path.suffix.lower() != ".gdb":
        raise UsageError(f"{path}: a file geodatabase has a name that ends in .gdb")
    if path.exists():
        raise UsageError(f"{path} exists and is left alone; name a new one")
    check_place(path)
    try:
        with draft_folder(path) as draft:
            yield Geodatabase(draft)
            publish_folder(draft, path)
    except PixelcatError:
        raise
    except (FionaError, CPLE_BaseError, OSError) as error:
        raise OutputError(f"cannot write {path}: {first_line(error)}") from error


class Geodatabase:
    """A file geodatabase while it is written."""

    def __init__(self, path: Path) -> None:
        """Begin one that does not exist."""
        self._path = path
        self._taken: set[str] = set()

    def add_layer(self, layer: Layer, rows: Iterable[Row]) -> str:
        """Write a layer whose rows get the numbers 1, 2, 3, ...

        Returns:
            Its name: the wanted one as far as a geodatabase can have it and it is free.

        Raises:
            OutputError: One layer cannot hold such geometries.
        """
        name = _free(layer.name, self._taken)
        self._taken.add(f"{name}__attach".lower())
        used: set[str] = set()
        names = [_free(field.name, used) for field in layer.fields]
        schema = {
            "geometry": _geometry_type(layer),
            "properties": {n: field.kind for n, field in zip(names, layer.fields, strict=True)},
        }
        self._write(name, schema, _records(layer, names, rows), layer.definition)
        return name

    def add_attachments(self, layer: str, attachments: Iterable[Attachment]) -> None:
        """Write the table of attachments of a layer, one attachment at a time."""
        records = (
            {
                "geometry": None,
                "properties": {
                    "REL_OBJECTID": each.object_id,
                    "CONTENT_TYPE": each.content_type[:150],
                    "ATT_NAME": each.name[:250],
                    "KEYWORDS": each.keywords,
                    "DATA_SIZE": len(each.data),
                    "DATA": each.data,
                },
            }
            for each in attachments
        )
        self._write(f"{layer}__ATTACH", _ATTACHMENTS, records, None)

    def _write(
        self, name: str, schema: Any, records: Iterable[Any], definition: str | None
    ) -> None:
        system = {"crs_wkt": definition} if definition else {}
        with (
            fiona.Env(),  # outside one, what GDAL merely reports at the last rows becomes an error
            fiona.open(
                self._path, "w", driver="OpenFileGDB", layer=name, schema=schema, **system
            ) as file,
        ):
            file.writerecords(records)


def _free(wanted: str, taken: set[str]) -> str:
    """Return a name that a geodatabase takes as it is, and take it."""
    stem = re.sub(r"\W", "_", wanted)[:_MAX_NAME]
    if not stem or stem[0].isdigit():
        stem = f"_{stem}"
    if stem.lower() in _RESERVED:
        stem += "_"
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.lower())
    return name


def _geometry_type(layer: Layer) -> str:
    if layer.wkb_types is None:
        return "None"
    flat = frozenset(kind % 1000 for kind in layer.wkb_types)
    if flat not in _SHAPES:
        raise OutputError(
            f"{layer.name} has geometries that one layer of a geodatabase cannot hold:"
            " of several kinds, collections, or curves; name the others with --layer, once for each"
        )
    heights = any(kind // 1000 in (1, 3) for kind in layer.wkb_types)
    return ("3D " if heights else "") + _SHAPES[flat]


def _records(layer: Layer, names: Sequence[str], rows: Iterable[Row]) -> Iterator[Any]:
    multiple = _geometry_type(layer).removeprefix("3D ").startswith("Multi")
    kinds = [field.kind for field in layer.fields]
    for wkb, values in rows:
        yield {
            "geometry": None if wkb is None else shape(wkb, multiple=multiple),
            "properties": {
                name: None if value is None else converted(kind, value)
                for name, kind, value in zip(names, kinds, values, strict=True)
            },
        }
