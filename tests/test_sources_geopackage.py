"""GeoPackages with related media: which photo belongs to which feature; never written."""

import hashlib
import os
import shutil
import sqlite3
import struct
import tempfile
import tracemalloc
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import shapely

from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.catalog.records import Item
from pixelcat.catalog.store import Catalog
from pixelcat.io.sources import reader, scan


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


@pytest.fixture
def photo(photo_bytes):
    return ("image/jpeg", photo_bytes())


@pytest.fixture
def survey(make_gpkg, photo):
    """P1 to P3; P1 and P3 share the one photo."""
    return make_gpkg([photo], [(1, 1), (3, 1)])


def add(catalog, path, layer=None):
    return [catalog.add(each) for each in scan(path, layer)]


def rows(catalog, sql):
    return [tuple(row.values()) for row in catalog.query(sql)]


def items(catalog):
    return rows(catalog, "SELECT source_key, status, reason FROM items ORDER BY id")


def links(catalog):
    return rows(
        catalog,
        "SELECT f.source_fid, i.source_key FROM features_items l JOIN features f"
        " ON f.fid = l.base_id JOIN items i ON i.id = l.related_id ORDER BY 1, l.ordinal",
    )


def change(path, script, *parameters):
    """Run SQL on a source; the triggers of its R-tree are dropped first, they need GDAL."""
    with closing(sqlite3.connect(path)) as database, database:
        triggers = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        if parameters:
            database.execute(script, parameters)
        else:
            database.executescript(script)
    return path


# --- links -------------------------------------------------------------------------------


def test_photos_belong_to_features_through_the_mapping(catalog, make_gpkg, photo, photo_bytes):
    media = [photo, ("image/png", photo_bytes(2, kind="PNG"))]
    (dataset,) = add(catalog, make_gpkg(media, [(3, 2), (1, 1), (3, 1)]))
    assert links(catalog) == [(1, "photos/1"), (3, "photos/1"), (3, "photos/2")]
    assert (dataset.layer, dataset.attachment_table) == ("plots", "photos")
    assert (dataset.geometry_type, dataset.srs.code) == ("POINT", 4326)


def test_a_shared_photo_is_one_item(catalog, survey):
    add(catalog, survey)
    assert items(catalog) == [("photos/1", "ready", None)]
    assert links(catalog) == [(1, "photos/1"), (3, "photos/1")]


def test_a_mapping_row_that_is_there_twice_is_one_link(catalog, make_gpkg, photo):
    add(catalog, make_gpkg([photo], [(1, 1), (1, 1)]))
    assert links(catalog) == [(1, "photos/1")]


@pytest.mark.parametrize("extension", ["related_tables", "gpkg_related_tables"])
def test_either_name_of_the_extension_is_understood(catalog, survey, extension):
    change(
        survey,
        "CREATE TABLE IF NOT EXISTS gpkg_extensions (table_name, column_name, extension_name,"
        " definition, scope); INSERT INTO gpkg_extensions VALUES ('gpkgext_relations', NULL,"
        f" '{extension}', 'http://www.geopackage.org/18-000.html', 'read-write')",
    )
    add(catalog, survey)
    assert len(links(catalog)) == 2


def test_names_in_another_case_are_the_same_tables(catalog, make_gpkg, photo):
    path = make_gpkg([photo, photo], [(1, 1), (3, 2)])
    change(
        path,
        "UPDATE gpkgext_relations SET base_table_name = 'PLOTS', related_table_name = 'Photos',"
        " mapping_table_name = 'Plots_Photos'",
    )
    change(path, "UPDATE gpkg_contents SET table_name = 'Plots' WHERE table_name = 'plots'")
    (dataset,) = add(catalog, path)
    assert dataset.layer == "plots"
    assert links(catalog) == [(1, "photos/1"), (3, "photos/2")]
    with reader(dataset) as fetch:
        (first, _) = catalog.query("SELECT source_key FROM items ORDER BY id")
        assert fetch(Item(kind="attachment", source_key=first["source_key"], name="")) == photo[1]


def test_a_photo_that_no_feature_has_is_skipped(catalog, make_gpkg, photo):
    add(catalog, make_gpkg([photo, photo], [(1, 1)]))
    assert items(catalog)[1] == ("photos/2", "skipped", "not linked to any feature")


def test_a_photo_whose_feature_is_gone_is_missing(catalog, make_gpkg, photo):
    add(catalog, make_gpkg([photo, photo], [(1, 1), (77, 2), (78, 2)]))
    ((key, status, reason),) = items(catalog)[1:]
    assert (key, status) == ("photos/2", "missing")
    assert reason.startswith("orphan attachment: no feature has fid")
    assert "77" in reason
    assert "78" in reason


def test_a_mapping_row_to_no_photo_is_an_item_that_is_missing(catalog, make_gpkg, photo):
    add(catalog, make_gpkg([photo], [(1, 1), (2, 99)]))
    assert [key for key, *_ in items(catalog)] == ["photos/1", "photos/99"]
    assert links(catalog) == [(1, "photos/1"), (2, "photos/99")]


def test_keys_of_any_name_are_followed(catalog, survey):
    change(
        survey,
        "ALTER TABLE photos RENAME COLUMN id TO photo_no; ALTER TABLE plots ADD COLUMN code INTEGER;"
        " UPDATE plots SET code = 100 + fid; UPDATE plots_photos SET base_id = 100 + base_id;"
        " UPDATE gpkgext_relations SET base_primary_column = 'code',"
        " related_primary_column = 'photo_no'",
    )
    (dataset,) = add(catalog, survey)
    assert links(catalog) == [(1, "photos/1"), (3, "photos/1")]
    (scanned,) = scan(survey)
    with reader(dataset) as fetch:
        assert [len(fetch(item)) for item in scanned.items] == [
            row[0] for row in rows(catalog, "SELECT byte_size FROM items")
        ]


def two_layers(path):
    """Give the survey a second layer, trees, that shares its media table."""
    return change(
        path,
        "CREATE TABLE trees (id INTEGER PRIMARY KEY, kind TEXT); INSERT INTO trees VALUES (1, 'oak');"
        "CREATE TABLE trees_photos (base_id INTEGER, related_id INTEGER);"
        "INSERT INTO trees_photos VALUES (1, 2);"
        "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('trees', 'attributes');"
        "INSERT INTO gpkgext_relations VALUES (2, 'trees', 'id', 'photos', 'id', 'media',"
        " 'trees_photos')",
    )


def test_a_photo_of_another_layer_is_not_an_item_of_this_one(catalog, make_gpkg, photo):
    path = two_layers(make_gpkg([photo, photo, photo], [(1, 1)]))
    add(catalog, path, "PLOTS")
    assert items(catalog) == [
        ("photos/1", "ready", None),
        ("photos/3", "skipped", "not linked to any feature"),
    ]


def test_a_photo_that_no_layer_has_is_counted_once(catalog, make_gpkg, photo):
    add(catalog, two_layers(make_gpkg([photo, photo, photo], [(1, 1)])))
    assert rows(
        catalog,
        "SELECT d.layer, i.source_key, i.status FROM items i JOIN datasets d"
        " ON d.id = i.dataset_id ORDER BY 2",
    ) == [
        ("plots", "photos/1", "ready"),
        ("trees", "photos/2", "ready"),
        ("plots", "photos/3", "skipped"),
    ]


def test_a_photo_that_went_to_another_layer_says_where_it_is(catalog, make_gpkg, photo):
    path = two_layers(make_gpkg([photo] * 4, [(1, 1), (2, 3), (3, 4)]))
    add(catalog, path)
    change(
        path,
        "DELETE FROM plots_photos WHERE related_id > 1; INSERT INTO trees_photos VALUES (1, 3);"
        "DELETE FROM photos WHERE id = 4",
    )
    add(catalog, path)
    gone = rows(catalog, "SELECT source_key, reason FROM items WHERE status = 'missing'")
    assert gone == [
        ("photos/3", "no longer in this layer: it belongs to trees now"),
        ("photos/4", "no longer in the source"),
    ]
    assert links(catalog) == [(1, "photos/1"), (1, "photos/2"), (1, "photos/3")]


def test_each_layer_with_media_is_a_dataset(catalog, make_gpkg, photo):
    path = two_layers(make_gpkg([photo, photo], [(1, 1)]))
    plots, trees = add(catalog, path)
    assert (plots.layer, trees.layer) == ("plots", "trees")
    assert (trees.geometry_type, trees.srs) == (None, None)
    assert [(c.name, c.sql_type) for c in trees.columns] == [("id", "INTEGER"), ("kind", "TEXT")]
    assert links(catalog) == [(1, "photos/1"), (1, "photos/2")]


# --- what a photo is ---------------------------------------------------------------------


def test_every_photo_is_listed_with_what_it_is(catalog, make_gpkg, photo):
    media = [
        photo,
        ("image/jpeg", b"%PDF-1.4"),
        ("application/pdf", b"%PDF-1.4"),
        ("image/jpeg", None),
        ("image/jpeg", b""),
    ]
    add(catalog, make_gpkg(media, [(1, n) for n in range(1, 6)]))
    assert [(status, reason) for _, status, reason in items(catalog)] == [
        ("ready", None),
        ("unreadable", "not an image but a PDF"),
        ("skipped", "not an image but a PDF"),
        ("missing", "has no data (NULL)"),
        ("unreadable", "is empty (0 bytes)"),
    ]


@pytest.mark.parametrize("name", ["name", "FileName", "title"])
def test_a_photo_is_called_by_its_name_where_it_has_one(catalog, make_gpkg, photo, name):
    path = make_gpkg([photo, photo], [(1, 1), (1, 2)])
    change(path, f"ALTER TABLE photos ADD {name} TEXT; UPDATE photos SET {name} = 'N' WHERE id = 1")
    add(catalog, path)
    assert rows(catalog, "SELECT name FROM items") == [("N",), ("photos 2",)]


def test_photos_are_fetched_byte_for_byte(make_gpkg, photo, photo_bytes):
    media = [photo, ("image/png", photo_bytes(2, kind="PNG"))]
    (scanned,) = scan(make_gpkg(media, [(1, 1), (1, 2)]))
    with reader(scanned.dataset) as fetch:
        assert [fetch(item) for item in scanned.items] == [data for _, data in media]


def test_a_photo_that_is_gone_says_so(survey):
    (scanned,) = scan(survey)
    (item,) = scanned.items
    with reader(scanned.dataset) as fetch, pytest.raises(ItemError, match="gone from its GeoPack"):
        fetch(replace(item, source_key="photos/77"))


def test_photos_are_streamed_one_at_a_time(make_gpkg, photo):
    large = (photo[0], photo[1].ljust(1_000_000, b"\0"))
    (scanned,) = scan(make_gpkg([large] * 60, [(1, n) for n in range(1, 61)]))
    tracemalloc.start()
    count = sum(item.byte_size == 1_000_000 for item in scanned.items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60
    assert peak < 10_000_000


# --- features ----------------------------------------------------------------------------


def test_attributes_are_exact(catalog, survey):
    values = {
        "big": ("INTEGER", 2**63 - 1),
        "real": ("DOUBLE", 0.1),
        "whole": ("MEDIUMINT", None),
        "note": ("TEXT(20)", "Bärlauch 🌻"),
        "day": ("DATE", "2024-02-29"),
        "time": ("DATETIME", "2024-02-29T01:02:03.004Z"),
        "flag": ("BOOLEAN", 1),
        "sketch": ("BLOB", bytes(range(256))),
    }
    for name, (kind, value) in values.items():
        change(survey, f"ALTER TABLE plots ADD COLUMN {name} {kind}")
        change(survey, f"UPDATE plots SET {name} = ? WHERE fid = 1", value)
    (scanned,) = scan(survey)
    columns = {column.name: column.sql_type for column in scanned.dataset.columns}
    assert columns.pop("plot_id").startswith("TEXT")
    assert columns == {name: kind for name, (kind, _) in values.items()}
    first, second, _ = scanned.features
    expected = {name: value for name, (_, value) in values.items()}
    assert first.attributes == {"plot_id": "P1", **expected}
    assert second.attributes == {"plot_id": "P2", **dict.fromkeys(values)}
    assert shapely.from_wkb(first.geometry).wkt == "POINT (4.01 45)"


def test_a_column_called_fid_that_is_no_key_is_kept(catalog, survey, start_run):
    change(
        survey,
        "CREATE TABLE sites (id INTEGER PRIMARY KEY, FID TEXT, geom TEXT);"
        "INSERT INTO sites VALUES (1, 'theirs', 'not a shape'), (3, NULL, NULL);"
        "INSERT INTO gpkg_contents (table_name, data_type) VALUES ('sites', 'attributes');"
        "UPDATE gpkgext_relations SET base_table_name = 'sites', base_primary_column = 'id'",
    )
    (dataset,) = add(catalog, survey)
    assert [column.name for column in dataset.columns] == ["id", "FID", "geom"]
    table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    assert rows(catalog, f"SELECT id, FID_source, geom_source FROM {table}") == [
        (1, "theirs", "not a shape"),
        (3, None, None),
    ]


def blob(wkb):
    return struct.pack("<2sBBi", b"GP", 0, 1, 4326) + wkb


SHAPES = {
    "no blob": b"\x00" * 40,
    "cut off": b"GP\x00",
    "cut off WKB": blob(b"\x01\x01\x00"),
    "unknown envelope": b"GP\x00\x0f" + b"\x00" * 60,
    "text": "POINT (1 2)",
    "a curve": blob(struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)),
    "a TIN": blob(
        struct.pack("<BII", 1, 16, 1) + struct.pack("<BIII8d", 1, 17, 1, 4, 0, 0, 1, 0, 1, 1, 0, 0)
    ),
    "empty": blob(shapely.to_wkb(shapely.Point())),
    "not finite": blob(shapely.to_wkb(shapely.Point(float("inf"), 1))),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_feature_with_a_broken_or_odd_shape_keeps_its_photo(catalog, survey, start_run, shape):
    change(survey, "UPDATE plots SET geom = ? WHERE fid = 1", SHAPES[shape])
    (dataset,) = add(catalog, survey)
    catalog.write_feature_class(dataset.id, start_run(catalog))
    assert links(catalog) == [(1, "photos/1"), (3, "photos/1")]
    assert rows(catalog, "SELECT geom IS NULL FROM features")[1:] == [(0,), (0,)]


def test_text_that_is_not_utf_8_stops_no_scan(catalog, survey):
    change(survey, "UPDATE plots SET plot_id = CAST(? AS TEXT) WHERE fid = 1", b"Stra\xdfe")
    add(catalog, survey)
    assert links(catalog) == [(1, "photos/1"), (3, "photos/1")]


# --- refusals ----------------------------------------------------------------------------


def test_a_missing_layer_lists_those_that_are_there(survey):
    with pytest.raises(SourceError, match="no layer trees; there are plots, photos, plots_photos"):
        list(scan(survey, "trees"))


@pytest.mark.parametrize("name", ["photos", "Plots_Photos"])
def test_a_table_of_media_is_no_layer(survey, name):
    with pytest.raises(
        SourceError, match=rf"{name} is where plots has its photos; use --layer plots"
    ):
        list(scan(survey, name))


def test_a_layer_without_media_says_what_was_looked_at(survey):
    change(
        survey,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);"
        "INSERT INTO notes VALUES (1, 'an oak'); INSERT INTO gpkg_contents"
        " (table_name, data_type) VALUES ('notes', 'attributes')",
    )
    with pytest.raises(SourceError, match=r"layer notes has no related media.*--photo-col"):
        list(scan(survey, "notes"))


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE gpkgext_relations",
        "UPDATE gpkgext_relations SET relation_name = 'attributes'",
        "DROP TABLE plots_photos",
    ],
)
def test_photos_without_a_usable_relation_are_found_by_their_column(survey, script):
    change(survey, script)
    (found,) = scan(survey)
    assert (found.dataset.kind, found.dataset.layer) == ("photo_columns", "photos")
    assert [item.status for item in found.items] == ["ready"]


def test_map_icons_are_no_photos(survey):
    change(
        survey,
        "ALTER TABLE photos RENAME TO nga_icon; UPDATE gpkgext_relations"
        " SET related_table_name = 'nga_icon'",
    )
    with pytest.raises(
        SourceError, match=r"no layer has related media.*\(looked at plots: plot_id"
    ):
        list(scan(survey))


def test_a_media_table_without_data_is_named(survey):
    change(survey, "ALTER TABLE photos RENAME COLUMN data TO bytes")
    with pytest.raises(SourceError, match="media table photos has no column data"):
        [list(each.items) for each in scan(survey)]


def test_a_catalog_is_no_input(tmp_path):
    Catalog(tmp_path / "other.gpkg", create=True).close()
    with pytest.raises(SourceError, match=r"other\.gpkg is a pixelcat catalog, not an input"):
        list(scan(tmp_path / "other.gpkg"))


def test_a_database_that_is_no_geopackage_is_refused(tmp_path):
    change(tmp_path / "birds.gpkg", "CREATE TABLE birds (name)")
    with pytest.raises(SourceError, match=r"birds\.gpkg is an SQLite database but no GeoPackage"):
        list(scan(tmp_path / "birds.gpkg"))


def read_all(path):
    return [(list(each.features), list(each.items)) for each in scan(path)]


@pytest.mark.parametrize("keep", [16, 100, 4096, 20_000, 60_000])
def test_a_geopackage_that_is_cut_off_is_one_line(survey, keep):
    survey.write_bytes(survey.read_bytes()[:keep])
    with pytest.raises(SourceError, match=r"survey\.gpkg: cannot be read as a GeoP") as refusal:
        read_all(survey)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("damage", [b"\xff", b"\x00", b"'"], ids=["0xff", "zeros", "quotes"])
@pytest.mark.parametrize("place", [b"gpkg_contentsgpkg_contents", b"CREATE TABLE gpkg_contents"])
def test_a_geopackage_with_a_damaged_schema_is_one_line(survey, place, damage):
    data = survey.read_bytes()
    survey.write_bytes(data.replace(place, damage * len(place)))
    with pytest.raises(SourceError, match=r"survey\.gpkg: cannot be read as a GeoP") as refusal:
        read_all(survey)
    assert "\n" not in str(refusal.value)


# --- the source stays as it is -----------------------------------------------------------


def fingerprint(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def in_wal_mode(path):
    """Leave a GeoPackage in WAL mode, as QGIS and QField do."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    return path


@pytest.mark.parametrize("prepare", [Path, in_wal_mode], ids=["rollback journal", "WAL"])
def test_reading_leaves_the_folder_as_it_was(tmp_path, survey, prepare):
    folder = tmp_path / "delivery"
    folder.mkdir()
    path = prepare(shutil.move(survey, folder / "survey.gpkg"))
    before = fingerprint(folder)
    (scanned,) = scan(path)
    assert len(list(scanned.features)) == 3
    (item,) = scanned.items
    with reader(scanned.dataset) as fetch:
        fetch(item)
    assert fingerprint(folder) == before


@pytest.fixture
def read_only_folder():
    """A folder whose files an ordinary user may read and not write, and to be that user."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)

        def give(*files):
            copies = [Path(shutil.copy(file, folder)) for file in files]
            for copy in copies:
                copy.chmod(0o444)
            folder.chmod(0o555)
            return copies[0]

        root = os.geteuid() == 0
        if root:
            give_as_root, nobody = give, 65_534

            def give(*files):
                path = give_as_root(*files)
                os.seteuid(nobody)
                return path

        yield give
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_wal_geopackage_on_a_read_only_medium_opens(survey, read_only_folder):
    path = read_only_folder(in_wal_mode(survey))
    (scanned,) = scan(path)
    assert len(list(scanned.features)) == 3
    assert [item.status for item in scanned.items] == ["ready"]


def test_unsaved_rows_in_a_wal_are_never_left_out_in_silence(survey, read_only_folder):
    """A photo that lies in the -wal file only: it is read, or the input is refused."""
    in_wal_mode(survey)
    with closing(sqlite3.connect(survey)) as database:
        database.execute("INSERT INTO photos SELECT 2, content_type, data FROM photos")
        database.commit()
        path = read_only_folder(survey, survey.with_name("survey.gpkg-wal"))
    try:
        (scanned,) = scan(path)
        found = len(list(scanned.items))
    except SourceError as error:
        assert "survey.gpkg" in str(error)
    else:
        assert found == 2


def test_a_half_written_geopackage_is_never_read_as_it_is(tmp_path, survey):
    """A crash left its journal: what is read is the state before, or the input is refused."""
    torn = tmp_path / "torn"
    torn.mkdir()
    change(
        survey,
        "WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n LIMIT 3000)"
        " INSERT INTO plots (fid, plot_id) SELECT i, hex(zeroblob(50)) FROM n;",
    )
    with closing(sqlite3.connect(survey, isolation_level=None)) as database:
        database.execute("PRAGMA cache_size = 5")
        database.execute("BEGIN")
        database.execute("UPDATE plots SET plot_id = 'half'")
        for name in ("survey.gpkg", "survey.gpkg-journal"):
            shutil.copy(survey.with_name(name), torn)
        database.execute("ROLLBACK")
    assert b"half" in (torn / "survey.gpkg").read_bytes()
    before = fingerprint(torn)
    try:
        (scanned,) = scan(torn / "survey.gpkg")
        found = {feature.attributes["plot_id"] for feature in scanned.features}
    except SourceError as error:
        assert "survey.gpkg" in str(error)
    else:
        assert "half" not in found
    assert fingerprint(torn) == before


def test_a_source_open_for_writing_elsewhere_is_read(survey):
    with closing(sqlite3.connect(survey, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        (scanned,) = scan(survey)
        assert len(list(scanned.items)) == 1


# --- real GeoPackages --------------------------------------------------------------------

GOLDEN = [
    # file, layer, features, items by content type, skipped, links, features with a photo
    ("rte.gpkg", "cats_feature", 4, {"image/jpeg": 3}, 0, 6, 4),
    ("nga_dgiwg_example.gpkg", "nga_features", 3, {"image/jpeg": 1, "image/png": 1}, 0, 4, 3),
    ("super.gpkg", "geometry1", 3, {"image/png": 1}, 0, 2, 2),
    ("super.gpkg", "geometry2", 3, {"image/jpeg": 1, "image/png": 1}, 0, 5, 3),
]


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "layer", "features", "types", "skipped", "count", "covered"), GOLDEN
)
def test_a_real_geopackage_gives_its_golden_counts(
    catalog, shared_data, file, layer, features, types, skipped, count, covered
):
    add(catalog, shared_data / "attachments/geopackage_rte" / file, layer)
    assert rows(catalog, "SELECT count(*) FROM features") == [(features,)]
    found = rows(catalog, "SELECT content_type, count(*) FROM items GROUP BY 1 ORDER BY 1")
    assert dict(found) == types
    assert [status for _, status, _ in items(catalog)].count("skipped") == skipped
    assert len(links(catalog)) == count
    assert len({feature for feature, _ in links(catalog)}) == covered


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "gdal_relation_mapping_table.gpkg",
            r"no layer has related media.*\(looked at a: -; b: -\)",
        ),
        ("gdal_sample.gpkg", "no layer has related media"),
    ],
)
def test_a_real_geopackage_without_media_says_so(shared_data, file, message):
    with pytest.raises(SourceError, match=message):
        list(scan(shared_data / "attachments/geopackage_rte" / file))


@pytest.mark.shared_data
@pytest.mark.parametrize("folder", ["db_gpkg", "db_sqlite_fuzz"])
def test_hostile_databases_are_read_or_refused_in_one_line(shared_data, tmp_path, folder):
    for source in sorted((shared_data / "bad" / folder).iterdir()):
        copy = Path(shutil.copyfile(source, tmp_path / source.name))
        before = copy.read_bytes()
        try:
            read_all(copy)
        except SourceError as error:
            assert "\n" not in str(error)
        assert copy.read_bytes() == before


def test_a_link_to_a_media_row_that_is_not_there_is_an_item(make_gpkg, photo_bytes):
    path = make_gpkg([("image/jpeg", photo_bytes(1))], [(1, 1), (2, 77)])
    (scanned,) = scan(path)
    lost = [item for item in scanned.items if item.status == "missing"]
    assert [(item.source_key.rpartition("/")[2], item.feature_keys) for item in lost] == [
        ("77", ("2",)),
    ]
    assert "has no row 77" in lost[0].reason
