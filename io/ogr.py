"""Feature layers through OGR (pyogrio): their columns as GeoPackage types, their rows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from ..catalog.errors import SourceError
from ..catalog.own_process import is_own_process
from ..catalog.records import Column, Feature, SqlValue
from .crs import crs_of
from .gdal_words import in_plain_words
from .ogr_values import SQL_TYPES, sql_values

_FIRST_CHUNK = 4
_CHUNK = 20_000
_CHUNK_BYTES = 32 << 20
"""How much text and how many bytes may be in memory at once, all columns together."""

if is_own_process():  # a file may name an address; we fetch what users give, and GDAL nothing
    pyogrio.set_gdal_config_options({"GDAL_HTTP_PROXY": "127.0.0.1:1"})

Chunk = tuple[NDArray[np.int64], NDArray[Any] | None, dict[str, list[SqlValue]]]
"""Row keys, geometry as WKB, and the values of each column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerInfo:
    """What a layer is made of."""

    columns: tuple[Column, ...] = ()
    """Attribute columns; the row key comes first where it has a name of its own."""
    row_key: str | None = None
    geometry_type: str | None = None
    has_z: bool = False
    crs: str | None = None

    def find(self, name: str | None) -> str | None:
        """Return an attribute column by name in any case; None for the row key or no column."""
        if name is None or (self.row_key and name.lower() == self.row_key.lower()):
            return None
        return next((c.name for c in self.columns if c.name.lower() == name.lower()), None)


def layer_info(path: Path | str, layer: str, **open_options: str) -> LayerInfo:
    """Return what a layer is made of."""
    info = pyogrio.read_info(path, layer=layer, **open_options)
    columns = [
        Column(name=str(name), sql_type=SQL_TYPES.get((kind, subtype), "TEXT"))
        for name, kind, subtype in zip(
            info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True
        )
    ]
    row_key = info["fid_column"] or None
    if row_key and row_key.lower() != "fid":
        columns.insert(0, Column(name=row_key, sql_type="INTEGER"))
    kind = info["geometry_type"]
    return LayerInfo(
        columns=tuple(columns),
        row_key=row_key,
        geometry_type=_geometry_type(kind),
        has_z=bool(kind) and (" Z" in kind or kind.startswith("2.5D")),
        crs=info["crs"],
    )


def read_features(
    path: Path | str, layer: str, info: LayerInfo, *, global_id: str | None, **open_options: str
) -> Iterator[Feature]:
    """Yield the features of a layer in chunks of bounded size.

    Args:
        path: The data source, as GDAL calls it.
        layer: The layer.
        info: Its columns; those left out are not read.
        global_id: The column that holds a GUID by which attachments refer to features.
        open_options: Of the GDAL driver.
    """
    for fids, geometry, fields in read_chunks(path, layer, info, geometry=True, **open_options):
        yield from _features(fids, geometry, info, fields, global_id)


def read_chunks(
    path: Path | str, layer: str, info: LayerInfo, *, geometry: bool, **open_options: str
) -> Iterator[Chunk]:
    """Yield the rows of a layer as columns, so many at a time as fit into some memory.

    Raises:
        SourceError: The layer cannot be read to its end.
    """
    start, size = 0, _FIRST_CHUNK
    names = [c.name for c in info.columns if c.name != info.row_key]
    types = {column.name: column.sql_type for column in info.columns}
    while True:
        try:
            meta, fids, shapes, fields = pyogrio.raw.read(
                path,
                layer=layer,
                columns=names,
                skip_features=start,
                max_features=size,
                return_fids=True,
                read_geometry=geometry and info.geometry_type is not None,
                datetime_as_string=True,
                **open_options,
            )
        except Exception as error:
            raise SourceError(f"{path}: layer {layer}: {in_plain_words(error)}") from error
        if not len(fids):
            return
        _restore_large_numbers(path, layer, info, meta, fids, fields, **open_options)
        found = [str(name) for name in meta["fields"]]
        values = [sql_values(types[name], field) for name, field in zip(found, fields, strict=True)]
        yield fids, shapes, dict(zip(found, values, strict=True))
        start += len(fids)
        size = _next_chunk(values, len(fids))


def _next_chunk(values: list[list[SqlValue]], rows: int) -> int:
    """Return how many rows like these stay below the limit of memory."""
    long = sum(len(v) for column in values for v in column if isinstance(v, str | bytes))
    return max(1, min(_CHUNK, _CHUNK_BYTES * rows // max(1, long)))


def _restore_large_numbers(
    path: Path | str,
    layer: str,
    info: LayerInfo,
    meta: dict[str, Any],
    fids: NDArray[np.int64],
    fields: list[NDArray[Any]],
    **open_options: str,
) -> None:
    """Read 64-bit columns with NULLs again, without the NULLs that made them floats."""
    for index, name in enumerate(meta["fields"]):
        wide = any(c.name == name and c.sql_type == "INTEGER" for c in info.columns)
        if not wide or fields[index].dtype.kind != "f":
            continue
        quoted = '"' + str(name).replace('"', '""') + '"'
        _, known, _, (exact,) = pyogrio.raw.read(
            path,
            layer=layer,
            columns=[name],
            read_geometry=False,
            return_fids=True,
            where=f"{quoted} IS NOT NULL{_between(info, fids)}",
            **open_options,
        )
        values = dict(zip(known.tolist(), exact.tolist(), strict=True))
        fields[index] = np.array([values.get(fid) for fid in fids.tolist()], dtype=object)


def _between(info: LayerInfo, fids: NDArray[np.int64]) -> str:
    if info.row_key is None:
        return ""
    return f" AND {info.row_key} BETWEEN {int(fids.min())} AND {int(fids.max())}"


def locations(geometry: Any, crs: str | None) -> list[bytes | None]:
    """Return geometries as two-dimensional WKB in longitude and latitude.

    None where there is no way: no geometry, no system, a curve.

    Args:
        geometry: WKB of each feature, None where it has no geometry.
        crs: Their reference system as WKT or ``EPSG:n``.
    """
    if crs is None or not len(geometry):
        return [None] * len(geometry)
    shapes = [_shape(wkb) for wkb in geometry]
    try:
        placed = geopandas.GeoSeries(shapes, crs=crs_of(crs)).force_2d().to_crs(4326)
    except ProjError:  # a local system, such as GeoPackages have for unknown
        return [None] * len(shapes)
    boxes = shapely.bounds(placed.values)
    return [
        wkb if np.isfinite(box).all() else None
        for wkb, box in zip(placed.to_wkb(), boxes, strict=True)
    ]


def normalise_guid(text: str) -> str:
    """Return a GUID in upper case, with hyphens and without braces, however it was written."""
    plain = text.strip().strip("{}").upper()
    if not re.fullmatch(r"[0-9A-F]{32}", plain):
        return plain
    return "-".join((plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:]))


def _shape(wkb: bytes | None) -> Any:
    try:
        return shapely.from_wkb(wkb, on_invalid="ignore")
    except NotImplementedError:  # shapely reads no curves
        return None


def _features(
    fids: NDArray[np.int64],
    geometry: NDArray[Any] | None,
    info: LayerInfo,
    fields: dict[str, list[SqlValue]],
    global_id: str | None,
) -> Iterator[Feature]:
    shapes = [None] * len(fids) if geometry is None else list(geometry)
    places = locations(shapes, info.crs) if geometry is not None else shapes
    for index, (fid, shape, place) in enumerate(zip(fids, shapes, places, strict=True)):
        attributes = {name: values[index] for name, values in fields.items()}
        if info.row_key:
            attributes[info.row_key] = int(fid)
        guid = attributes.get(global_id) if global_id else None
        yield Feature(
            source_fid=int(fid),
            global_id=normalise_guid(str(guid)) if guid else None,
            geometry=shape,
            location=place,
            attributes=attributes,
        )


def _geometry_type(kind: str | None) -> str | None:
    """Return the GeoPackage name of a geometry type as OGR writes it (``Point Z``)."""
    if kind is None:
        return None
    name = kind.removeprefix("2.5D ").removesuffix(" ZM").removesuffix(" Z").removesuffix(" M")
    return {"Unknown": "GEOMETRY"}.get(name, name.upper())
