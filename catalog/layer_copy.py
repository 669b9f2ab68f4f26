"""A layer of a catalog as others are given it: its columns and rows, and as a new GeoPackage."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import column_info, geometry, geopackage
from .errors import UsageError
from .geometry import register_functions
from .geopackage import FeatureTable, quote, safe_type
from .records import CodedDomains, Column, Srs


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLayer:
    """A layer, table or view of a catalog."""

    connection: sqlite3.Connection
    name: str
    key: str
    """The column that names its rows."""
    columns: Sequence[Column]
    domains: CodedDomains
    geometry_type: str | None
    has_z: bool | None
    srs: Srs | None
    """None where it has no geometry, or no place."""

    def rows(self) -> Iterator[tuple[int, bytes | None, list[Any]]]:
        """Yield key, WKB and values of each row, by its key."""
        listed = [quote(column.name) for column in self.columns]
        shape = "NULL" if self.geometry_type is None else "geom"
        for key, blob, *values in self.connection.execute(
            f"SELECT {', '.join([quote(self.key), shape, *listed])} FROM {quote(self.name)}"
            f" ORDER BY {quote(self.key)}"
        ):
            yield key, None if blob is None else geometry.decode(blob), values


def stored_layer(connection: sqlite3.Connection, name: str) -> StoredLayer:
    """Return a layer, table or view that a catalog lists.

    Raises:
        UsageError: There is none of that name.
    """
    listed = [row[0] for row in connection.execute("SELECT table_name FROM gpkg_contents")]
    found = next((each for each in listed if each.lower() == name.lower()), None)
    if found is None:
        shown = sorted(each for each in listed if not each.startswith("_"))
        raise UsageError(f"there is no layer {name}; there are: {', '.join(shown)}")
    columns = [
        Column(name=row[0], sql_type=safe_type(row[1]))
        for row in connection.execute("SELECT name, type FROM pragma_table_info(?)", (found,))
    ]
    place = connection.execute(
        "SELECT g.geometry_type_name, g.z, s.organization, s.organization_coordsys_id, s.srs_name,"
        " s.definition FROM gpkg_geometry_columns g JOIN gpkg_spatial_ref_sys s USING (srs_id)"
        " WHERE g.table_name = ?",
        (found,),
    ).fetchone()
    own = [column for column in columns[1:] if place is None or column.name != "geom"]
    described = column_info.describe(connection, found, own)
    kind, z, *system = place or (None, 0)
    return StoredLayer(
        connection=connection,
        name=found,
        key=columns[0].name,
        columns=described,
        domains=column_info.coded_domains(connection, described),
        geometry_type=kind,
        has_z={0: False, 1: True}.get(z),
        srs=_srs(system),
    )


def _srs(system: Sequence[Any]) -> Srs | None:
    if not system or system[3] == "undefined":
        return None
    organization, code, name, definition = system
    return Srs(organization=organization, code=code, name=name, definition=definition)


def write_geopackage(layer: StoredLayer, path: Path) -> int:
    """Write a layer into a new GeoPackage, value by value, with aliases and domains.

    Returns:
        The number of rows.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        register_functions(target)
        target.execute("BEGIN")
        geopackage.create_container(target)
        target.execute("DROP TABLE gpkgext_relations")  # valid only where something is related
        target.execute("DELETE FROM gpkg_extensions WHERE table_name = 'gpkgext_relations'")
        srs_id = geopackage.add_srs(target, layer.srs)
        heads = {geometry.kind(wkb) for _, wkb, _ in layer.rows() if wkb}
        curves = [
            geometry.CURVES[n] for n in sorted({k.number for k in heads}) if n in geometry.CURVES
        ]
        geopackage.create_feature_table(
            target,
            FeatureTable(
                name=layer.name,
                columns=layer.columns,
                geometry_type=layer.geometry_type,
                srs_id=srs_id,
                has_z=layer.has_z,
                curves=curves,
                domains=layer.domains,
            ),
        )
        count = _insert(target, layer, srs_id)
        if layer.geometry_type is not None:
            geopackage.refresh_contents(target, (layer.name,))
        target.execute("COMMIT")
    return count


def _insert(target: sqlite3.Connection, layer: StoredLayer, srs_id: int) -> int:
    names = ["fid", *(["geom"] if layer.geometry_type else []), *(c.name for c in layer.columns)]
    statement = (
        f"INSERT INTO {quote(layer.name)} ({', '.join(map(quote, names))})"
        f" VALUES ({', '.join('?' for _ in names)})"
    )
    count = 0
    for key, wkb, values in layer.rows():
        count += 1
        shape = [wkb and geometry.encode(wkb, srs_id)] if layer.geometry_type else []
        target.execute(statement, (key, *shape, *values))
    return count
