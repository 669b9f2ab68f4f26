"""The GeoPackage container: system tables, registration of tables, R-trees.

Written to OGC 12-128r18 (GeoPackage 1.3.1) through ``sqlite3`` alone: another copy of
SQLite in the same process would drop our POSIX locks (see ARCHITECTURE.md).
"""

import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from . import column_info
from .geometry import Bounds
from .geopackage_sql import RTREE, SYSTEM_TABLES
from .records import CodedDomains, Column, Srs

_ROUNDING = 1e-6
"""By how much of itself a number in an R-tree, of 32 bits, is away from the true one at most."""
APPLICATION_ID = 0x47504B47
USER_VERSION = 10300

WGS84 = Srs(
    organization="EPSG",
    code=4326,
    name="WGS 84 geodetic",
    definition='GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,'
    'AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,'
    'AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]',
)
UNDEFINED_CARTESIAN = -1

_TYPE = re.compile(
    r"BOOLEAN|TINYINT|SMALLINT|MEDIUMINT|INT|INTEGER|FLOAT|DOUBLE|REAL|DATE|DATETIME"
    r"|(TEXT|BLOB)(\(\d+\))?|GEOMETRY(COLLECTION)?|(MULTI)?(POINT|LINESTRING|POLYGON|CURVE|SURFACE)"
    r"|CIRCULARSTRING|COMPOUNDCURVE|CURVEPOLYGON"
)
_RTREE_NEW_ROW = (
    'NEW."fid", ST_MinX(NEW."geom"), ST_MaxX(NEW."geom"), ST_MinY(NEW."geom"), ST_MaxY(NEW."geom")'
)
_Z = {False: 0, True: 1, None: 2}
_DEFINITIONS = {
    "gpkg_rtree_index": "http://www.geopackage.org/spec120/#extension_rtree",
    "gpkg_related_tables": "http://www.geopackage.org/18-000.html",
    "gpkg_metadata": "http://www.geopackage.org/spec120/#extension_metadata",
    "gpkg_geom_": "http://www.geopackage.org/spec120/#extension_geometry_types",
}
"""Where extensions are defined, by the beginning of their name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureTable:
    """The shape of a typed table with a row key ``fid`` and, where mapped, a geometry ``geom``."""

    name: str
    columns: Sequence[Column]
    geometry_type: str | None
    """None makes an attributes table without geometry."""
    srs_id: int = UNDEFINED_CARTESIAN
    has_z: bool | None = False
    """None where only some geometries have heights."""
    has_m: bool = False
    """Whether some geometries have measures."""
    curves: Collection[str] = ()
    """Types of its geometries that are curves."""
    description: str = ""
    domains: CodedDomains = field(default_factory=dict)
    """What the codes in its columns mean."""


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def free_name(
    connection: sqlite3.Connection,
    wanted: str,
    suffixes: Sequence[str] = ("",),
    ours: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a name that no table has, with any of the suffixes: the wanted one, or numbered.

    Args:
        connection: Of the catalog.
        wanted: The name.
        suffixes: Of all tables that are to be named after it.
        ours: Names that may be taken again, by their lower-case spelling.
    """
    taken = {row[0].lower() for row in connection.execute("SELECT name FROM sqlite_master")}
    name, number = wanted, 1
    while name.lower() not in ours and any((name + end).lower() in taken for end in suffixes):
        number += 1
        name = f"{wanted}_{number}"
    return ours.get(name.lower(), name)


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run several statements inside the open transaction (``executescript`` would commit it)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def create_container(connection: sqlite3.Connection, *, with_relations: bool = True) -> None:
    """Make an empty SQLite file a GeoPackage, with or without the Related Tables extension."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {USER_VERSION}")
    run_script(connection, SYSTEM_TABLES)
    rows = [
        ("Undefined cartesian SRS", -1, "NONE", -1, "undefined", None),
        ("Undefined geographic SRS", 0, "NONE", 0, "undefined", None),
        (WGS84.name, 4326, "EPSG", 4326, WGS84.definition, "longitude/latitude in degrees"),
    ]
    connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,?)", rows)
    if with_relations:
        _add_extension(connection, "gpkgext_relations", None, "gpkg_related_tables")
    else:
        connection.execute("DROP TABLE gpkgext_relations")


def add_srs(connection: sqlite3.Connection, srs: Srs | None) -> int:
    """Return the ``srs_id`` of a reference system, adding it where it is new."""
    if srs is None:
        return UNDEFINED_CARTESIAN
    known = connection.execute(
        "SELECT srs_id FROM gpkg_spatial_ref_sys WHERE (upper(organization) = upper(:who) AND"
        " organization_coordsys_id = :code AND upper(:who) != 'NONE') OR definition = :wkt",
        {"who": srs.organization, "code": srs.code, "wkt": srs.definition},
    ).fetchone()
    if known:
        return int(known[0])
    taken = {row[0] for row in connection.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
    numbered = srs.organization.upper() == "EPSG" and srs.code not in taken
    srs_id = srs.code if numbered else max(100_000, *taken) + 1
    connection.execute(
        "INSERT INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,NULL)",
        (srs.name, srs_id, srs.organization, srs.code if numbered else srs_id, srs.definition),
    )
    return srs_id


def register_attributes(connection: sqlite3.Connection, *tables: str) -> None:
    """List tables or views in ``gpkg_contents`` so that every client sees them."""
    connection.executemany(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)",
        [(table, table) for table in tables],
    )


def register_relation(
    connection: sqlite3.Connection,
    base: tuple[str, str],
    related: tuple[str, str],
    mapping: str,
    kind: str = "attributes",
) -> None:
    """Declare a many-to-many link (OGC 18-000) between two (table, key column) pairs."""
    connection.execute(
        "INSERT INTO gpkgext_relations (base_table_name, base_primary_column, related_table_name,"
        " related_primary_column, relation_name, mapping_table_name) VALUES (?,?,?,?,?,?)",
        (*base, *related, kind, mapping),
    )
    _add_extension(connection, mapping, None, "gpkg_related_tables")


def add_metadata_extension(connection: sqlite3.Connection) -> None:
    """Declare the tables of metadata."""
    for table in ("gpkg_metadata", "gpkg_metadata_reference"):
        _add_extension(connection, table, None, "gpkg_metadata")


def register_geometry(
    connection: sqlite3.Connection, table: FeatureTable, *, with_rtree: bool = True
) -> None:
    """Register a table that has ``fid`` and ``geom`` as a feature class, with an R-tree."""
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)"
        " VALUES (?, 'features', ?, ?, ?)",
        (table.name, table.name, table.description, table.srs_id),
    )
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, ?, ?, ?)",
        (
            *(table.name, table.geometry_type, table.srs_id),
            *(_Z[table.has_z], 2 if table.has_m else 0),
        ),
    )
    for curve in table.curves:
        _add_extension(connection, table.name, "geom", f"gpkg_geom_{curve}")
    if with_rtree:
        escaped = table.name.replace('"', '""')
        run_script(connection, RTREE.format(t=escaped, new=_RTREE_NEW_ROW))
        _add_extension(connection, table.name, "geom", "gpkg_rtree_index")


def create_feature_table(connection: sqlite3.Connection, table: FeatureTable) -> None:
    """Create and register a typed feature table (or an attributes table)."""
    columns = [f"{quote(c.name)} {safe_type(c.sql_type)}" for c in table.columns]
    if table.geometry_type is not None:
        columns.insert(0, f"geom {safe_type(table.geometry_type)}")
    connection.execute(
        f"CREATE TABLE {quote(table.name)} ("
        + ", ".join(["fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL", *columns])
        + ")"
    )
    if table.geometry_type is None:
        register_attributes(connection, table.name)
    else:
        register_geometry(connection, table)
    column_info.write(connection, table.name, table.columns, table.domains)


def drop_table(connection: sqlite3.Connection, name: str) -> None:
    """Remove a table with its R-tree and every row that registers it."""
    for registry in ("gpkg_extensions", "gpkg_geometry_columns", "gpkg_contents"):
        connection.execute(f"DELETE FROM {registry} WHERE table_name = ?", (name,))
    connection.execute("DELETE FROM gpkgext_relations WHERE mapping_table_name = ?", (name,))
    column_info.forget(connection, name)
    connection.execute(f"DROP TABLE IF EXISTS {quote(f'rtree_{name}_geom')}")
    connection.execute(f"DROP TABLE IF EXISTS {quote(name)}")


def refresh_contents(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Write real extents and the time of change of feature tables into ``gpkg_contents``."""
    for name in tables:
        box = Bounds(*(_edge(connection, name, side) for side in Bounds._fields))
        connection.execute(
            "UPDATE gpkg_contents SET min_x=?, min_y=?, max_x=?, max_y=?,"
            " last_change=strftime('%Y-%m-%dT%H:%M:%fZ','now') WHERE table_name=?",
            (box.minx, box.miny, box.maxx, box.maxy, name),
        )


def _edge(connection: sqlite3.Connection, table: str, side: str) -> Any:
    """Return how far a feature table reaches: by its R-tree, whose numbers are rounded, and exactly."""
    index, least = quote(f"rtree_{table}_geom"), side.startswith("min")
    kind, sign = ("min", "<=") if least else ("max", ">=")
    (rough,) = connection.execute(f"SELECT {kind}({side}) FROM {index}").fetchone()
    if rough is None:
        return None
    slack = abs(rough) * _ROUNDING
    (exact,) = connection.execute(
        f"SELECT {kind}(ST_{side}(t.geom)) FROM {index} i JOIN {quote(table)} t ON t.fid = i.id"
        f" WHERE i.{side} {sign} ?",
        (rough + slack if least else rough - slack,),
    ).fetchone()
    return rough if exact is None else exact


def safe_type(sql_type: str) -> str:
    """Return the GeoPackage column type nearest to a declared SQLite type.

    GeoPackage types (clause 1.1.1.1.3) stay; others follow SQLite's affinity rules.
    """
    name = sql_type.upper().replace(" ", "")
    if _TYPE.fullmatch(name):
        return name
    affinities = (
        ("INT", "INTEGER"),
        *((text, "TEXT") for text in ("CHAR", "CLOB", "TEXT")),
        ("BLOB", "BLOB"),
        *((number, "DOUBLE") for number in ("REAL", "FLOA", "DOUB", "NUM", "DEC")),
    )
    return next((kind for part, kind in affinities if part in name), "TEXT")


def utc(text: str) -> str:
    """Return a time as GeoPackage writes it; one without a zone is taken as UTC, as GDAL does."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _add_extension(
    connection: sqlite3.Connection, table: str, column: str | None, extension: str
) -> None:
    definition = next(text for name, text in _DEFINITIONS.items() if extension.startswith(name))
    scope = "write-only" if extension == "gpkg_rtree_index" else "read-write"
    connection.execute(
        "INSERT INTO gpkg_extensions VALUES (?,?,?,?,?)",
        (table, column, extension, definition, scope),
    )
