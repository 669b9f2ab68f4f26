"""The class rasters of a run as one raster: an index of tiles that GDAL's GTI driver opens.

GTI reads GeoPackages: an item of the file's metadata names the index, and the metadata of that
table says how its tiles make a raster (GDAL's documentation of the driver, "GTI").
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

from . import geometry, geopackage
from .geopackage import FeatureTable, quote
from .records import Column, Srs

_COLUMNS = (
    Column(name="location", sql_type="TEXT"),
    Column(name="image_name", sql_type="TEXT"),
    Column(name="item_id", sql_type="INTEGER"),
    Column(name="output_id", sql_type="INTEGER"),
)
MEMBERS = """
SELECT o.id, o.raster_path, i.id AS item_id, i.name FROM outputs o JOIN items i ON i.id = o.item_id
WHERE o.run_id = ? AND o.status = 'done' AND i.transform IS NOT NULL AND i.srs_id > 0 ORDER BY i.id
"""
"""SQL of the fields of :class:`Member`, for a run."""
METADATA_TABLES = """
CREATE TABLE gpkg_metadata (
  id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL,
  md_scope TEXT NOT NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL,
  mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (
  reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
  timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
  CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
  CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
"""
_GDAL = "http://gdal.org"


class Member(NamedTuple):
    """A class raster of a run that has a place on the ground."""

    output_id: int
    location: str
    """Relative to the folder of the catalog."""
    item_id: int
    image_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mosaic:
    """What an index of tiles shows."""

    srs: Srs
    tiles: Sequence[tuple[Member, bytes]]
    """Class rasters, each with its outline in that system as WKB."""
    definition: str
    """GTI's XML: what the raster is."""


def table_name(run_id: int) -> str:
    """Return the name of the index of a run."""
    return f"class_mosaic_{run_id}"


def members(connection: sqlite3.Connection, run_id: int) -> list[Member]:
    """Return the class rasters of a run that have a place on the ground, image by image."""
    return [Member(*row) for row in connection.execute(MEMBERS, (run_id,))]


def is_up_to_date(connection: sqlite3.Connection, run_id: int, listed: Sequence[Member]) -> bool:
    """Return whether the index of a run was made of these and no others."""
    (known,) = connection.execute("SELECT mosaic_of FROM runs WHERE id = ?", (run_id,)).fetchone()
    return bool(known == _state(listed) or (known is None and not listed))


def _state(listed: Sequence[Member]) -> str:
    text = "\n".join(f"{each.output_id} {each.location}" for each in listed)
    return hashlib.sha256(text.encode()).hexdigest()


def write(
    connection: sqlite3.Connection,
    run_id: int,
    listed: Sequence[Member],
    mosaic: Mosaic | None,
) -> None:
    """Write the index of a run anew, and make it what the file as a raster shows.

    Args:
        connection: A catalog in a transaction.
        run_id: The run.
        listed: The class rasters that it was made of.
        mosaic: What it shows; None for nothing.
    """
    name = table_name(run_id)
    _forget(connection, name)
    geopackage.drop_table(connection, name)
    if mosaic is not None:
        _create(connection, name, mosaic)
    _show(connection)
    connection.execute("UPDATE runs SET mosaic_of = ? WHERE id = ?", (_state(listed), run_id))


def _create(connection: sqlite3.Connection, name: str, mosaic: Mosaic) -> None:
    srs_id = geopackage.add_srs(connection, mosaic.srs)
    geopackage.create_feature_table(
        connection,
        FeatureTable(
            name=name,
            columns=_COLUMNS,
            geometry_type="POLYGON",
            srs_id=srs_id,
            description="class rasters as one raster, through GDAL's driver GTI",
        ),
    )
    connection.executemany(
        f"INSERT INTO {quote(name)} (geom, location, image_name, item_id, output_id)"
        " VALUES (?,?,?,?,?)",
        [
            (
                *(geometry.encode(outline, srs_id), each.location, each.image_name),
                *(each.item_id, each.output_id),
            )
            for each, outline in mosaic.tiles
        ],
    )
    geopackage.refresh_contents(connection, (name,))
    text = f'<Metadata domain="xml:GTI" format="xml">{mosaic.definition}</Metadata>'
    _say(connection, name, text)


def _show(connection: sqlite3.Connection) -> None:
    """Let the file as a raster be the index of the newest run that has one."""
    _forget(connection, None)
    rows = connection.execute(
        "SELECT table_name FROM gpkg_contents WHERE table_name GLOB 'class_mosaic_[0-9]*'"
    )
    names = sorted((row[0] for row in rows), key=lambda name: int(name.rpartition("_")[2]))
    if names:
        item = f'<MDI key="TILE_INDEX_LAYER">{escape(names[-1])}</MDI>'
        _say(connection, None, f"<Metadata>{item}</Metadata>")


def _say(connection: sqlite3.Connection, table: str | None, content: str) -> None:
    """Write metadata of a table, or of the file, as GDAL keeps them in GeoPackages."""
    row = connection.execute(
        "INSERT INTO gpkg_metadata (md_scope, md_standard_uri, mime_type, metadata)"
        " VALUES ('dataset', ?, 'text/xml', ?) RETURNING id",
        (_GDAL, f"<GDALMultiDomainMetadata>{content}</GDALMultiDomainMetadata>"),
    ).fetchone()
    connection.execute(
        "INSERT INTO gpkg_metadata_reference (reference_scope, table_name, md_file_id)"
        " VALUES (?, ?, ?)",
        ("geopackage" if table is None else "table", table, row[0]),
    )


def _forget(connection: sqlite3.Connection, table: str | None) -> None:
    """Remove what :func:`_say` wrote of a table, or of the file."""
    rows = connection.execute(
        "SELECT md_file_id FROM gpkg_metadata_reference r JOIN gpkg_metadata m ON m.id = r.md_file_id"
        " WHERE r.table_name IS ? AND m.md_standard_uri = ? AND r.row_id_value IS NULL",
        (table, _GDAL),
    ).fetchall()
    connection.executemany("DELETE FROM gpkg_metadata_reference WHERE md_file_id = ?", rows)
    connection.executemany("DELETE FROM gpkg_metadata WHERE id = ?", rows)
