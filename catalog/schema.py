"""The tables and views of a catalog, and how an old catalog becomes a new one."""

import sqlite3

from . import geometry, geopackage
from .class_mosaic import METADATA_TABLES
from .database import Database, Migrations
from .errors import CatalogError
from .geopackage import FeatureTable
from .schema_sql import (
    EXTRA_RASTERS,
    KEYWORDS,
    SAVED_QUERIES,
    SHARED_LAYERS,
    STATS_BY_FEATURE,
    STATS_BY_ITEM,
    TABLES,
    VERIFICATIONS,
    VIEWS,
)
from .zones_sql import ZONE_NAMES, ZONE_TABLES

MIGRATIONS = Migrations("pixelcat")

_ATTRIBUTES = (
    *("datasets", "items", "features_items", "models", "classes", "runs", "outputs"),
    *("class_stats", "result_layers", "current_outputs", "item_results", "item_class_stats"),
    "feature_class_stats",
    Migrations.migrations_table,
)


@MIGRATIONS(name="0001_initial")
def _initial(db: Database) -> None:
    connection: sqlite3.Connection = db.conn
    geopackage.create_container(connection)
    geopackage.run_script(connection, TABLES)
    geopackage.run_script(connection, VIEWS)
    geopackage.register_attributes(connection, *_ATTRIBUTES)
    for name, geometry_type, description in (
        ("features", "GEOMETRY", "Every source feature, in longitude and latitude"),
        ("footprints", "POLYGON", "Extent of every georeferenced image"),
        ("classified_footprints", "POLYGON", "The same with its newest result of each model"),
    ):
        table = FeatureTable(
            name=name,
            columns=(),
            geometry_type=geometry_type,
            srs_id=4326,
            description=description,
        )
        geopackage.register_geometry(connection, table, with_rtree=not name.startswith("class"))
    geopackage.register_relation(connection, ("features", "fid"), ("items", "id"), "features_items")


@MIGRATIONS(name="0002_sources")
def _sources(db: Database) -> None:
    """Datasets know their options and whether they changed; images may be unsupported."""
    connection: sqlite3.Connection = db.conn
    geopackage.run_script(
        connection,
        "ALTER TABLE datasets ADD COLUMN options TEXT NOT NULL DEFAULT '{}';\n"
        "ALTER TABLE datasets ADD COLUMN fingerprint TEXT;\n"
        "ALTER TABLE items ADD COLUMN direction DOUBLE;",
    )
    _change_sql(connection, "items", "'unreadable')", "'unreadable','unsupported')")


@MIGRATIONS(name="0003_shared_layers")
def _shared_layers(db: Database) -> None:
    """An output table may show several datasets: its name is no longer unique."""
    geopackage.run_script(db.conn, SHARED_LAYERS)


@MIGRATIONS(name="0004_extra_rasters")
def _extra_rasters(db: Database) -> None:
    """Confidence, probabilities and entropy beside class rasters."""
    geopackage.run_script(db.conn, EXTRA_RASTERS)
    geopackage.register_attributes(db.conn, "extra_rasters", "item_extra_rasters")


@MIGRATIONS(name="0005_verifications")
def _verifications(db: Database) -> None:
    """Class rasters compared with classes computed anew."""
    geopackage.run_script(db.conn, VERIFICATIONS)
    geopackage.register_attributes(db.conn, "verifications")


@MIGRATIONS(name="0006_stats_by_item")
def _stats_by_item(db: Database) -> None:
    """Names of images repeat: statistics say which image and which input they are of."""
    geopackage.run_script(db.conn, STATS_BY_ITEM)


@MIGRATIONS(name="0007_built_from")
def _built_from(db: Database) -> None:
    """Output tables that would become what they are need not be written again."""
    db.conn.execute("ALTER TABLE result_layers ADD COLUMN built_from TEXT")


@MIGRATIONS(name="0008_keywords")
def _keywords(db: Database) -> None:
    """Attachments have keywords and a GlobalID of their own; those known are read again."""
    geopackage.run_script(db.conn, KEYWORDS)


@MIGRATIONS(name="0009_class_mosaic")
def _class_mosaic(db: Database) -> None:
    """The class rasters of a run can be seen as one raster, which metadata describe."""
    geopackage.run_script(db.conn, METADATA_TABLES)
    geopackage.add_metadata_extension(db.conn)
    db.conn.execute("ALTER TABLE runs ADD COLUMN mosaic_of TEXT")


@MIGRATIONS(name="0010_footprints_cut")
def _footprints_cut(db: Database) -> None:
    """Footprints may be in two parts, at the 180th meridian; what lay around the globe is read anew."""
    connection: sqlite3.Connection = db.conn
    rows = connection.execute("SELECT fid, item_id, geom FROM footprints").fetchall()
    wide = [item for _, item, blob in rows if (box := geometry.bounds(blob)) and _is_wide(box)]
    connection.executemany(
        "UPDATE datasets SET fingerprint = NULL WHERE id = (SELECT dataset_id FROM items WHERE id = ?)",
        [(item,) for item in wide],
    )
    connection.executemany(
        "UPDATE footprints SET geom = ? WHERE fid = ?",
        [(geometry.as_multipolygon(blob), fid) for fid, _, blob in rows],
    )
    connection.execute(
        "UPDATE gpkg_geometry_columns SET geometry_type_name = 'MULTIPOLYGON'"
        " WHERE table_name IN ('footprints', 'classified_footprints')"
    )
    _change_sql(connection, "footprints", "geom POLYGON", "geom MULTIPOLYGON")


def _is_wide(box: geometry.Bounds) -> bool:
    return box.maxx - box.minx > 180 or box.maxx > 180 or box.minx < -180


def _change_sql(connection: sqlite3.Connection, table: str, old: str, new: str) -> None:
    """Change how a table is declared, as https://sqlite.org/lang_altertable.html section 7 has it."""
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = ?", (old, new, table)
    )
    connection.execute(f"PRAGMA schema_version = {version + 1}")
    connection.execute("PRAGMA writable_schema = OFF")


@MIGRATIONS(name="0011_zones")
def _zones(db: Database) -> None:
    """How much of each class lies in the polygons of a layer."""
    geopackage.run_script(db.conn, ZONE_TABLES)
    geopackage.register_attributes(db.conn, *ZONE_NAMES)


@MIGRATIONS(name="0012_saved_queries")
def _saved_queries(db: Database) -> None:
    """Questions of a user that the catalog keeps, each as a view."""
    geopackage.run_script(db.conn, SAVED_QUERIES)
    geopackage.register_attributes(db.conn, "saved_queries")


@MIGRATIONS(name="0013_commands")
def _commands(db: Database) -> None:
    """A run knows what it was asked for: places of model and inputs, options; never secrets."""
    db.conn.execute("ALTER TABLE runs ADD COLUMN command TEXT")


@MIGRATIONS(name="0014_stats_by_feature")
def _stats_by_feature(db: Database) -> None:
    """Statistics are looked up output by output (hence the plus), not outputs row by row of them."""
    geopackage.run_script(db.conn, STATS_BY_FEATURE)


def upgrade(db: Database, path: str) -> None:
    """Bring a catalog to the present schema, in one transaction: half of one is no catalog.

    Raises:
        CatalogError: The file is another database, or a newer pixelcat made it.
    """
    tables = set(db.table_names()) - {MIGRATIONS.migrations_table}
    applied = [migration.name for migration in MIGRATIONS.applied(db)]
    if tables and not applied:
        raise CatalogError(f"{path} exists and is not a pixelcat catalog; choose another -o")
    newer = [name for name in applied if name not in known()]
    if newer:
        raise CatalogError(f"{path} was made by a newer pixelcat ({newer[-1]}); upgrade pixelcat")
    db.execute("PRAGMA legacy_alter_table = ON")  # views of a user may show what is altered
    with db.atomic():
        MIGRATIONS.apply(db)
    db.execute("PRAGMA legacy_alter_table = OFF")


def known() -> set[str]:
    """Return the names of our migrations: those that an empty database lacks."""
    empty = Database(memory=True)
    try:
        return {migration.name for migration in MIGRATIONS.pending(empty)}
    finally:
        empty.close()
