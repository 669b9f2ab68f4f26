"""The rows of tables of zones, and their columns."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .output_columns import share_names
from .records import CodedDomains, Column, SqlValue, Srs

COLUMNS = (
    Column(name="source_fid", sql_type="INTEGER"),
    Column(name="run_id", sql_type="INTEGER"),
    Column(name="rasters", sql_type="INTEGER"),
    Column(name="item_id", sql_type="INTEGER"),
    Column(name="image_name", sql_type="TEXT"),
    Column(name="classified_image", sql_type="TEXT"),
    Column(name="pixels", sql_type="DOUBLE"),
    Column(name="nodata_pixels", sql_type="DOUBLE"),
    Column(name="covered", sql_type="DOUBLE"),
    Column(name="area_m2", sql_type="DOUBLE"),
    Column(name="dominant_class", sql_type="TEXT"),
    Column(name="dominant_share", sql_type="DOUBLE"),
    Column(name="reason", sql_type="TEXT"),
)


class ClassRow(NamedTuple):
    """A class of the model of a run."""

    id: int
    value: int
    name: str


class InRaster(NamedTuple):
    """How much of a zone lies in a class raster."""

    output_id: int
    pixels: float
    nodata_pixels: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Zone:
    """One zone: a row of its layer, and what lies in it."""

    source_fid: int
    geometry: bytes | None
    """WKB in the reference system of its layer."""
    attributes: Mapping[str, SqlValue]
    reason: str | None
    """Why there is nothing to say of it; None where there is."""
    pixels: Sequence[float] = ()
    """Of each class, in the order of the classes; fractions of pixels count as such."""
    area_m2: Sequence[float] | None = None
    """The same as areas; None where the class rasters have no ground scale."""
    nodata_pixels: float = 0.0
    covered: float = 0.0
    """The share of its area that class rasters cover, NoData included, 0 to 1."""
    rasters: Sequence[InRaster] = ()

    @property
    def shares(self) -> list[float]:
        """The share of each class in what is classified: of the area where that is known."""
        amounts = self.pixels if self.area_m2 is None else self.area_m2
        total = sum(amounts)
        return [amount / total for amount in amounts] if total else []


@dataclass(frozen=True, kw_only=True, slots=True)
class ZoneLayer:
    """A layer of zones as its file has it."""

    uri: str
    """Absolute path of the file."""
    name: str
    columns: Sequence[Column]
    domains: CodedDomains
    geometry_type: str
    has_z: bool
    srs: Srs
    sha256: str
    """Of columns, values and geometries."""


def our_columns(listed: Sequence[ClassRow]) -> list[Column]:
    """Return the columns that a table of zones has beside those of its layer."""
    shares = share_names([(each.value, each.name) for each in listed])
    areas = [f"area_m2_{share.removeprefix('share_')}" for share in shares]
    return [*COLUMNS, *(Column(name=name, sql_type="DOUBLE") for name in (*shares, *areas))]


def rows(
    connection: sqlite3.Connection,
    layer: ZoneLayer,
    run_id: int,
    zones: Sequence[Zone],
    listed: Sequence[ClassRow],
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table of zones, numbered from 1: number, WKB, then its columns."""
    images = _images(connection, zones)
    for fid, zone in enumerate(zones, 1):
        yield (
            *(fid, zone.geometry),
            *(zone.attributes.get(column.name) for column in layer.columns),
            *(zone.source_fid, run_id, *_summary(zone, listed, images)),
        )


def insert_shared(
    connection: sqlite3.Connection,
    zone_layer_id: int,
    zones: Sequence[Zone],
    listed: Sequence[ClassRow],
) -> None:
    """Write the rows of zones in the tables that all layers share."""
    connection.executemany(
        "INSERT INTO zone_outputs (zone_layer_id, zone_fid, output_id, pixels, nodata_pixels)"
        " VALUES (?, ?, ?, ?, ?)",
        ((zone_layer_id, fid, *each) for fid, zone in enumerate(zones, 1) for each in zone.rasters),
    )
    connection.executemany(
        "INSERT INTO zone_class_stats (zone_layer_id, zone_fid, class_id, pixels, area_m2,"
        " fraction) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (zone_layer_id, fid, *row)
            for fid, zone in enumerate(zones, 1)
            for row in _class_rows(zone, listed)
        ),
    )


def _class_rows(zone: Zone, listed: Sequence[ClassRow]) -> Iterator[tuple[Any, ...]]:
    """Yield class, pixels, area and share of each class that a zone has."""
    for index, share in enumerate(zone.shares):
        if zone.pixels[index]:
            area = None if zone.area_m2 is None else zone.area_m2[index]
            yield listed[index].id, zone.pixels[index], area, share


def _images(
    connection: sqlite3.Connection, zones: Sequence[Zone]
) -> dict[int, tuple[int, str, str]]:
    """Return image, its name and the path of each class raster in which zones lie."""
    found = {}
    for number in {each.output_id for zone in zones for each in zone.rasters}:
        found[number] = connection.execute(
            "SELECT i.id, i.name, o.raster_path FROM outputs o JOIN items i ON i.id = o.item_id"
            " WHERE o.id = ?",
            (number,),
        ).fetchone()
    return found


def _summary(
    zone: Zone, listed: Sequence[ClassRow], images: Mapping[int, tuple[int, str, str]]
) -> list[Any]:
    """Return what ``our_columns`` hold, from ``rasters`` on."""
    if zone.reason is not None:
        return [*[None] * (len(COLUMNS) - 3), zone.reason, *[None] * 2 * len(listed)]
    main = max(zone.rasters, key=lambda each: (each.pixels, each.nodata_pixels))
    shares, areas = zone.shares, zone.area_m2
    best = max(range(len(shares)), key=shares.__getitem__, default=None)
    blank = [None] * len(listed)
    return [
        *(len(zone.rasters), *images[main.output_id]),
        *(sum(zone.pixels), zone.nodata_pixels, zone.covered),
        None if areas is None else sum(areas),
        *((None, None) if best is None else (listed[best].name, shares[best])),
        None,
        *(shares or blank),
        *(blank if areas is None else areas),
    ]
