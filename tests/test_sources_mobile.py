"""Esri mobile geodatabases and replicas: relations, points, versions; read and never written."""

import hashlib
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace

import geopandas
import pytest
import shapely

from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.catalog.store import Catalog
from pixelcat.io.esri_geometry import point_wkb
from pixelcat.io.esri_items import SpatialReference
from pixelcat.io.sources import geopackage, mobile_geodatabase, reader, scan

GRID = SpatialReference("EPSG:3857", -20037700, -30241100, 10000, -100000, 10000)
GUIDS = [f"{{0A1B2C3D-0000-4000-8000-00000000000{n}}}" for n in range(1, 4)]
FOREVER = "julianday('9999-12-31 23:59:59')"

TABLES = """
CREATE TABLE GDB_Items (ObjectID integer primary key not null, UUID uuidtext, Type uuidtext,
  Name text(226), Definition xmltext);
CREATE TABLE GDB_TableRegistry (registration_id INTEGER PRIMARY KEY, table_name TEXT(128),
  rowid_column TEXT(32));
CREATE TABLE st_geometry_columns (gcid INTEGER PRIMARY KEY, f_table_name CLOB,
  f_geometry_column CLOB, geometry_type INT32, coord_dimension INT32, srid INTEGER,
  spatial_index_type CLOB);
CREATE TABLE st_aux_spatial_reference_systems (srid INTEGER PRIMARY KEY, auth_name TEXT(256),
  auth_srid INT32, srtext TEXT(2048), falsex FLOAT64, falsey FLOAT64, xyunits FLOAT64,
  falsez FLOAT64, zunits FLOAT64);
INSERT INTO st_aux_spatial_reference_systems VALUES
  (300001, 'EPSG', 3857, '', -20037700, -30241100, 10000, -100000, 10000);
CREATE TABLE plots (OBJECTID integer primary key not null, plot_id text(10), slope float64,
  trees int16, kind int32, seen realdate, GlobalID_2 uuidtext, photo blob, Shape geometryblob);
CREATE TABLE plots__ATTACH (ATTACHMENTID integer primary key not null, GLOBALID uuidtext,
  REL_OBJECTID int32, REL_GLOBALID uuidtext, CONTENT_TYPE text(150), ATT_NAME text(250),
  DATA_SIZE int32, DATA blob, KEYWORDS text(50), EXIFINFO text);
CREATE VIRTUAL TABLE st_spindex__plots_Shape USING rtree(pkid, minx, maxx, miny, maxy);
"""
RELATION = """<DERelationshipClassInfo><Name>main.plots__ATTACHREL</Name>
<IsAttachmentRelationship>true</IsAttachmentRelationship>
<OriginClassNames><Name>main.plots</Name></OriginClassNames>
<DestinationClassNames><Name>main.{table}</Name></DestinationClassNames>
<OriginClassKeys><RelationshipClassKey><ObjectKeyName>{origin}</ObjectKeyName>
<KeyRole>esriRelKeyRoleOriginPrimary</KeyRole></RelationshipClassKey>
<RelationshipClassKey><ObjectKeyName>{foreign}</ObjectKeyName>
<KeyRole>esriRelKeyRoleOriginForeign</KeyRole></RelationshipClassKey></OriginClassKeys>
</DERelationshipClassInfo>"""
PLOTS = """<?xml version="1.0" encoding="UTF-8"?>
<typens:DEFeatureClassInfo xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.7">
<Name>main.plots</Name><OIDFieldName>OBJECTID</OIDFieldName><GPFieldInfoExs>
<GPFieldInfoEx><Name>main.plots.plot_id</Name><AliasName>Plot number</AliasName></GPFieldInfoEx>
<GPFieldInfoEx><Name>slope</Name><AliasName>slope</AliasName></GPFieldInfoEx>
<GPFieldInfoEx><Name>kind</Name><AliasName>Kind of plot</AliasName><DomainName>Kinds</DomainName>
</GPFieldInfoEx></GPFieldInfoExs><GlobalIDFieldName>GlobalID_2</GlobalIDFieldName>
</typens:DEFeatureClassInfo>"""
KINDS = """<GPCodedValueDomain2><DomainName>Kinds</DomainName><CodedValues>
<CodedValue><Name>Meadow</Name><Code>1</Code></CodedValue>
<CodedValue><Name>Forest &amp; scrub</Name><Code>2</Code></CodedValue></CodedValues>
</GPCodedValueDomain2>"""
REL_OBJECTID = RELATION.format(table="plots__ATTACH", origin="OBJECTID", foreign="REL_OBJECTID")
REL_GLOBALID = RELATION.format(table="plots__ATTACH", origin="GlobalID_2", foreign="REL_GLOBALID")


def whole_number(value):
    """Encode a whole number as ArcSDE does, by hand."""
    sign, value = 0x40 if value < 0 else 0, abs(value)
    first, value = sign | value & 0x3F, value >> 6
    rest = []
    while value:
        rest.append(value & 0x7F)
        value >>= 7
    data = [first, *rest]
    return bytes([byte | 0x80 for byte in data[:-1]] + data[-1:])


def point(x, y, z=None):
    """Encode a point as Esri does."""
    numbers = [round((x + 20037700) * 10000), round((y + 30241100) * 10000)]
    if z is not None:
        numbers.append(round((z + 100000) * 10000))
    body = b"".join(map(whole_number, numbers))
    head = bytes([0x64, 0xE1, 0x93, 0x04, 1, 0, 0, 0, 4 if z is None else 6, 1])
    return head + len(body).to_bytes(4, "little") + bytes([1, z is not None, 0, 0]) + body


@pytest.fixture
def make_geodatabase(tmp_path):
    def make(
        attachments, *, definitions=(PLOTS, KINDS), script="", geometry_type=1, name="s.geodatabase"
    ):
        """Attachments are (number of the plot, name, declared type, bytes)."""
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(TABLES)
            database.execute("PRAGMA application_id = 0x45737269")
            database.execute(
                "INSERT INTO st_geometry_columns VALUES (1, 'plots', 'Shape', ?, 2, 300001, '')",
                (geometry_type,),
            )
            database.executemany(
                "INSERT INTO GDB_Items (Name, Definition) VALUES ('', ?)",
                [(d,) for d in definitions],
            )
            for n, guid in enumerate(GUIDS, 1):
                x, y = 500_000.0 + 10 * n, 5_000_000.0 + n
                day = None if n == 3 else 2460437.25 + n
                database.execute(
                    "INSERT INTO plots VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)",
                    (n, f"P{n}", None if n == 2 else n / 2, n, n, day, guid, point(x, y)),
                )
                database.execute(
                    "INSERT INTO st_spindex__plots_Shape VALUES (?, ?, ?, ?, ?)",
                    (n, x - 1, x + 1, y - 1, y + 1),
                )
            for n, label, declared, data in attachments:
                guid = GUIDS[n - 1] if n in (1, 2, 3) else "{FFFFFFFF-0000-4000-8000-000000000000}"
                database.execute(
                    "INSERT INTO plots__ATTACH (REL_OBJECTID, REL_GLOBALID, CONTENT_TYPE, ATT_NAME,"
                    " DATA) VALUES (?, ?, ?, ?, ?)",
                    (n, guid, declared, label, data),
                )
            database.executescript(script)
        return path

    return make


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


@pytest.fixture
def photo(photo_bytes):
    return photo_bytes()


def add(catalog, path, layer=None):
    return [catalog.add(each) for each in scan(path, layer)]


def rows(catalog, sql):
    return [tuple(row.values()) for row in catalog.query(sql)]


def items(catalog):
    return rows(catalog, "SELECT name, status, reason FROM items ORDER BY id")


def links(catalog):
    return rows(
        catalog,
        "SELECT f.source_fid, i.name FROM features_items l JOIN features f ON f.fid = l.base_id"
        " JOIN items i ON i.id = l.related_id ORDER BY 1, l.ordinal",
    )


# --- what it is --------------------------------------------------------------------------


def test_a_mobile_geodatabase_is_told_by_its_header(make_geodatabase, make_gpkg, tmp_path):
    path = make_geodatabase([], name="survey.sqlite")
    assert mobile_geodatabase.matches(path)
    assert geopackage.matches(path)  # hence the order of the registry
    assert not mobile_geodatabase.matches(make_gpkg([], []))
    assert not mobile_geodatabase.matches(tmp_path)


def test_a_file_that_only_has_the_suffix_is_refused_in_one_line(tmp_path):
    path = tmp_path / "survey.geodatabase"
    path.write_bytes(b"SQLite format 3\x00" + bytes(200))
    with pytest.raises(SourceError, match=r"survey\.geodatabase: cannot be read as a mobile"):
        list(scan(path))


# --- relations ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definitions", "key"),
    [
        ([REL_OBJECTID], "REL_OBJECTID"),
        ([REL_GLOBALID], "REL_GLOBALID"),
        ([PLOTS], "REL_GLOBALID"),  # by the name of the table, GlobalID as GDB_Items calls it
    ],
)
def test_attachments_belong_to_features(catalog, make_geodatabase, photo, definitions, key):
    path = make_geodatabase(
        [(3, "a.jpg", None, photo), (1, "b.jpg", None, photo)], definitions=definitions
    )
    (dataset,) = add(catalog, path)
    assert links(catalog) == [(1, "b.jpg"), (3, "a.jpg")]
    assert (dataset.layer, dataset.attachment_table) == ("plots", "plots__ATTACH")
    assert (dataset.kind, dataset.driver, dataset.key_field) == (
        *("mobile_geodatabase", "SQLite", key),
    )


def test_without_gdb_items_tables_go_by_their_names(catalog, make_geodatabase, photo):
    path = make_geodatabase(
        [(2, "a.jpg", None, photo)],
        script="DROP TABLE GDB_Items; ALTER TABLE plots__ATTACH DROP COLUMN REL_GLOBALID;",
    )
    add(catalog, path)
    assert links(catalog) == [(2, "a.jpg")]


def test_a_renamed_attachment_table_is_found_through_gdb_items(catalog, make_geodatabase, photo):
    relation = RELATION.format(table="Photos", origin="OBJECTID", foreign="REL_OBJECTID")
    path = make_geodatabase(
        [(2, "a.jpg", None, photo)],
        definitions=[relation],
        script="ALTER TABLE plots__ATTACH RENAME TO Photos;",
    )
    (dataset,) = add(catalog, path)
    assert dataset.attachment_table == "Photos"
    assert links(catalog) == [(2, "a.jpg")]


@pytest.mark.parametrize("number", [7001, 1])
def test_of_two_possible_keys_the_one_that_fits_is_taken(catalog, make_geodatabase, photo, number):
    path = make_geodatabase(
        [(1, "a.jpg", None, photo)],
        definitions=[],
        script="ALTER TABLE plots__ATTACH DROP COLUMN REL_GLOBALID;"
        " ALTER TABLE plots RENAME COLUMN OBJECTID TO FID_1; ALTER TABLE plots ADD OBJECTID int32;"
        " UPDATE plots SET OBJECTID = 7000 + FID_1;"
        f" UPDATE plots__ATTACH SET REL_OBJECTID = {number};",
    )
    add(catalog, path)
    assert links(catalog) == [(1, "a.jpg")]


@pytest.mark.parametrize("spell", [str.lower, lambda guid: guid.strip("{}")])
def test_guids_link_however_they_are_written(catalog, make_geodatabase, photo, spell):
    path = make_geodatabase(
        [(1, "a.jpg", None, photo)],
        definitions=[REL_GLOBALID],
        script=f"UPDATE plots__ATTACH SET REL_GLOBALID = '{spell(GUIDS[1])}';",
    )
    add(catalog, path)
    assert links(catalog) == [(2, "a.jpg")]


def test_every_attachment_is_listed_with_what_it_is(catalog, make_geodatabase, photo):
    path = make_geodatabase(
        [
            (1, "good.jpg", "image/jpeg", photo),
            (1, "report.pdf", "application/pdf", b"%PDF-1.4"),
            (1, "no bytes.jpg", "image/jpeg", None),
            (1, "empty.jpg", "image/jpeg", b""),
            (9, "orphan.jpg", "image/jpeg", photo),
            (2, None, None, photo),
        ],
        definitions=[REL_OBJECTID],
    )
    add(catalog, path)
    assert items(catalog) == [
        ("good.jpg", "ready", None),
        ("report.pdf", "skipped", "not an image but a PDF"),
        ("no bytes.jpg", "missing", "has no data (NULL)"),
        ("empty.jpg", "unreadable", "is empty (0 bytes)"),
        ("orphan.jpg", "missing", "orphan attachment: no feature has REL_OBJECTID 9"),
        ("attachment 6", "ready", None),
    ]


def test_attachments_whose_feature_class_is_gone_are_listed(catalog, make_geodatabase, photo):
    path = make_geodatabase([(1, "a.jpg", None, photo)], definitions=[], script="DROP TABLE plots;")
    add(catalog, path)
    ((_, status, reason),) = items(catalog)
    assert (status, reason[:37]) == ("missing", "orphan attachment: no feature has REL")


def test_refusals_list_what_is_there(make_geodatabase):
    path = make_geodatabase([], script="CREATE TABLE visits (OBJECTID integer primary key);")
    with pytest.raises(SourceError, match=r"layer visits has no attachments .*plots"):
        list(scan(path, "visits"))
    with pytest.raises(SourceError, match="no layer trees; there are plots, plots__ATTACH, visits"):
        list(scan(path, "trees"))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DROP TABLE plots__ATTACH")
    with pytest.raises(SourceError, match="no attachments on any of plots, visits"):
        list(scan(path))


# --- fetching ----------------------------------------------------------------------------


def test_attachments_are_fetched_byte_for_byte(make_geodatabase, photo_bytes):
    photos = [photo_bytes(1), photo_bytes(2, kind="PNG")]
    (scanned,) = scan(make_geodatabase([(1, "same.jpg", None, data) for data in photos]))
    with reader(scanned.dataset) as fetch:
        items = list(scanned.items)
        assert [fetch(item) for item in reversed(items)] == photos[::-1]
        with pytest.raises(ItemError, match="gone from its geodatabase"):
            fetch(replace(items[0], source_key="77"))


def test_attachments_are_streamed_one_at_a_time(make_geodatabase, photo):
    large = photo.ljust(1_000_000, b"\0")
    (scanned,) = scan(make_geodatabase([(1, "a.jpg", None, large)] * 100))
    tracemalloc.start()
    count = sum(item.byte_size == 1_000_000 for item in scanned.items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 100
    assert peak < 10_000_000


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_source_is_never_written(catalog, make_geodatabase, photo, mode):
    path = make_geodatabase([(1, "a.jpg", None, photo)])
    with closing(sqlite3.connect(path)) as database:
        assert database.execute(f"PRAGMA journal_mode = {mode}").fetchone() == (mode,)
    before = hashlib.sha256(path.read_bytes()).digest()
    path.chmod(0o444)
    (dataset,) = add(catalog, path)
    with reader(dataset) as fetch:
        assert fetch(next(iter(next(scan(path)).items))) == photo
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert not list(path.parent.glob(f"{path.name}-*"))


# --- features ----------------------------------------------------------------------------


def test_features_keep_their_columns_types_and_values(make_geodatabase):
    (scanned,) = scan(make_geodatabase([]))
    assert [(c.name, c.sql_type) for c in scanned.dataset.columns] == [
        ("OBJECTID", "INTEGER"),
        ("plot_id", "TEXT(10)"),
        ("slope", "DOUBLE"),
        ("trees", "SMALLINT"),
        ("kind", "MEDIUMINT"),
        ("seen", "DATETIME"),
        ("GlobalID_2", "TEXT(38)"),
        ("photo", "BLOB"),
    ]
    first, second, third = (feature.attributes for feature in scanned.features)
    assert list(first.values())[:-1] == [1, "P1", 0.5, 1, 1, "2024-05-07T18:00:00.000Z", GUIDS[0]]
    assert (second["slope"], third["seen"]) == (None, None)


def test_points_have_their_place(make_geodatabase):
    (scanned,) = scan(make_geodatabase([]))
    dataset, features = scanned.dataset, list(scanned.features)
    assert (dataset.geometry_type, dataset.has_z, dataset.srs.code) == ("POINT", False, 3857)
    assert "note" not in dataset.options
    shapes = [shapely.from_wkb(feature.geometry) for feature in features]
    assert shapes[0].wkt == "POINT (500010 5000001)"
    expected = geopandas.GeoSeries(shapes, crs=3857).to_crs(4326)
    assert all(
        shapely.from_wkb(feature.location).equals_exact(place, 1e-9)
        for feature, place in zip(features, expected, strict=True)
    )


@pytest.mark.parametrize("x", [-20037700.0, -0.5, 0.0, 6_378_137.1234, 20037508.34])
@pytest.mark.parametrize("z", [None, -12.5, 8848.0])
def test_points_are_decoded_exactly(x, z):
    wkb = point_wkb(point(x, -x / 2, z), GRID, has_z=z is not None)
    shape = shapely.from_wkb(wkb)
    assert (shape.x, shape.y) == pytest.approx((x, -x / 2), abs=6e-5)
    assert shape.has_z == (z is not None)
    assert z is None or shape.z == pytest.approx(z, abs=6e-5)


@pytest.mark.parametrize("keep", range(30))
def test_a_damaged_point_is_no_point(keep):
    assert point_wkb(point(1e6, 2e6)[:keep] + b"\xff", GRID, has_z=True) is None


def test_a_feature_with_a_damaged_geometry_stays(make_geodatabase):
    path = make_geodatabase(
        [], script="UPDATE plots SET Shape = x'6400' WHERE OBJECTID = 1;"
        " UPDATE plots SET Shape = NULL WHERE OBJECTID = 2;"
    )  # fmt: skip
    (scanned,) = scan(path)
    assert [feature.geometry is None for feature in scanned.features] == [True, True, False]


@pytest.mark.parametrize("geometry_type", [5, 6, 1004])
def test_other_geometries_are_their_boxes_and_a_note_says_so(make_geodatabase, geometry_type):
    (scanned,) = scan(make_geodatabase([], geometry_type=geometry_type))
    dataset, features = scanned.dataset, list(scanned.features)
    assert (dataset.geometry_type, dataset.has_z) == ("POLYGON", False)
    assert dataset.options["note"] == (
        "geometries other than points are shown as their bounding boxes"
    )
    shape = shapely.from_wkb(features[0].geometry)
    assert shape.equals(shapely.box(500_009, 5_000_000, 500_011, 5_000_002))
    assert shape.is_valid


def test_without_a_spatial_index_there_are_no_boxes(make_geodatabase):
    path = make_geodatabase([], geometry_type=6, script="DROP TABLE st_spindex__plots_Shape;")
    (scanned,) = scan(path)
    assert [feature.geometry for feature in scanned.features] == [None] * 3


def test_aliases_and_coded_domains_are_read(make_geodatabase):
    (scanned,) = scan(make_geodatabase([]))
    columns = {column.name: column for column in scanned.dataset.columns}
    assert (columns["plot_id"].alias, columns["plot_id"].domain) == ("Plot number", None)
    assert (columns["kind"].alias, columns["kind"].domain) == ("Kind of plot", "Kinds")
    assert columns["slope"].alias is None
    assert scanned.dataset.domains == {"Kinds": {"1": "Meadow", "2": "Forest & scrub"}}


@pytest.mark.parametrize("definition", ["<a", "", None, b"\x00", "<!DOCTYPE a []><a/>", "<a/>"])
def test_an_unreadable_document_is_passed_over(make_geodatabase, photo, definition):
    path = make_geodatabase([(1, "a.jpg", None, photo)], definitions=[definition, REL_OBJECTID])
    (scanned,) = scan(path)
    assert scanned.dataset.key_field == "REL_OBJECTID"


@pytest.mark.parametrize("geometry_type", [1, 5])
def test_the_output_feature_class_is_a_valid_geopackage(
    catalog, make_geodatabase, photo, start_run, gpkg_errors, geometry_type
):
    path = make_geodatabase([(1, "a.jpg", None, photo)], geometry_type=geometry_type)
    (dataset,) = add(catalog, path)
    table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
    assert rows(catalog, f"SELECT plot_id, seen, trees FROM {table} WHERE fid = 3") == [
        ("P3", None, 3)
    ]
    catalog.close()
    assert gpkg_errors(catalog.path) == []


# --- replicas ----------------------------------------------------------------------------

REPLICA = f"""
ALTER TABLE plots RENAME TO old_plots;
CREATE TABLE plots (OBJECTID int32 not null, plot_id text(10), GlobalID_2 uuidtext,
  Shape geometryblob, gdb_archive_oid integer primary key not null, gdb_from_date realdate,
  gdb_to_date realdate);
INSERT INTO plots SELECT OBJECTID, plot_id, GlobalID_2, Shape, OBJECTID + 10, 2461161.5, {FOREVER}
  FROM old_plots;
INSERT INTO plots SELECT OBJECTID, 'before', GlobalID_2, Shape, OBJECTID, 2461161.5, 2461162.5
  FROM old_plots;
DROP TABLE old_plots;
ALTER TABLE plots__ATTACH RENAME TO old_attach;
CREATE TABLE plots__ATTACH (ATTACHMENTID int32 not null, REL_GLOBALID uuidtext,
  CONTENT_TYPE text(150), ATT_NAME text(250), DATA blob,
  gdb_archive_oid integer primary key not null, gdb_from_date realdate, gdb_to_date realdate);
INSERT INTO plots__ATTACH SELECT ATTACHMENTID, REL_GLOBALID, CONTENT_TYPE, 'before.jpg', x'00',
  ATTACHMENTID, 2461161.5, 2461162.5 FROM old_attach;
INSERT INTO plots__ATTACH SELECT ATTACHMENTID, REL_GLOBALID, CONTENT_TYPE, ATT_NAME, DATA,
  ATTACHMENTID + 10, 2461162.5, {FOREVER} FROM old_attach ORDER BY ATTACHMENTID DESC;
DROP TABLE old_attach;
"""


def test_of_a_replica_only_present_rows_are_read(catalog, make_geodatabase, photo_bytes):
    photos = [photo_bytes(1), photo_bytes(2)]
    attachments = [(n, f"{n}.jpg", None, data) for n, data in enumerate(photos, 1)]
    path = make_geodatabase(attachments, script=REPLICA)
    (dataset,) = add(catalog, path)
    assert rows(catalog, "SELECT source_fid, attributes ->> 'plot_id' FROM features") == [
        *((1, "P1"), (2, "P2"), (3, "P3")),
    ]
    assert [column.name for column in dataset.columns] == ["OBJECTID", "plot_id", "GlobalID_2"]
    assert links(catalog) == [(1, "1.jpg"), (2, "2.jpg")]
    with reader(dataset) as fetch:
        assert [fetch(item) for item in next(scan(path)).items] == photos


def test_in_a_replica_a_repeated_key_loses_no_row(catalog, make_geodatabase, photo):
    repeat = (
        "UPDATE plots SET OBJECTID = 1 WHERE OBJECTID = 3 AND gdb_to_date > 5e6;"
        " UPDATE plots__ATTACH SET ATTACHMENTID = 1 WHERE gdb_to_date > 5e6;"
    )
    path = make_geodatabase([(1, "a.jpg", None, photo)] * 2, script=REPLICA + repeat)
    (dataset,) = add(catalog, path)
    assert rows(catalog, "SELECT count(*), count(DISTINCT source_fid) FROM features") == [(3, 3)]
    assert items(catalog) == [("a.jpg", "ready", None)] * 2
    with reader(dataset) as fetch:
        assert [fetch(item) for item in next(scan(path)).items] == [photo] * 2


# --- Esri's own files --------------------------------------------------------------------


@pytest.mark.shared_data
def test_trailheads_have_their_photos(catalog, shared_data):
    path = shared_data / "attachments/derived/LA_Trails_with_attach.geodatabase"
    (dataset,) = add(catalog, path)
    assert (dataset.geometry_type, dataset.srs.code) == ("POINT", 3857)
    assert rows(catalog, "SELECT count(*), count(geom) FROM features") == [(475, 475)]
    assert rows(catalog, "SELECT status, count(*) FROM items GROUP BY 1") == [("ready", 4)]
    assert (len(links(catalog)), len({fid for fid, _ in links(catalog)})) == (4, 2)


@pytest.mark.shared_data
def test_a_replica_has_its_present_photos(catalog, shared_data):
    path = shared_data / "attachments/derived/canyonlands_replica_with_attach.geodatabase"
    (dataset,) = add(catalog, path)
    assert dataset.geometry_type == "POLYGON"
    assert rows(catalog, "SELECT count(*), count(geom) FROM features") == [(55, 55)]
    assert items(catalog) == [("Photo0.jpg", "ready", None), ("Photo1.jpg", "ready", None)]
    assert len(links(catalog)) == 2


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "table", "count"),
    [
        ("usa", "USMajorCities", 118),
        ("LA_Trails", "Trailheads", 475),
        ("militaryoverlay", "Units", 4),
        ("militaryoverlay", "Air", 2),
    ],
)
def test_points_lie_in_the_boxes_of_their_index(shared_data, tmp_path, file, table, count):
    source = shared_data / f"attachments/mobile_geodatabase/{file}.geodatabase"
    path = tmp_path / "copy.geodatabase"
    path.write_bytes(source.read_bytes())
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE {table}__ATTACH (ATTACHMENTID INTEGER, REL_OBJECTID, DATA)")
        boxes = database.execute(
            f"SELECT minx, miny, maxx, maxy FROM st_spindex__{table}_Shape ORDER BY pkid"
        ).fetchall()
    (scanned,) = scan(path, table)
    shapes = [shapely.from_wkb(feature.geometry) for feature in scanned.features]
    assert len(shapes) == len(boxes) == count
    assert all(shapely.box(*box).covers(shape) for shape, box in zip(shapes, boxes, strict=True))
    assert all(shape.has_z == (file == "militaryoverlay") for shape in shapes)


@pytest.mark.shared_data
def test_domains_of_a_real_geodatabase_are_read(shared_data, tmp_path):
    path = tmp_path / "copy.geodatabase"
    source = shared_data / "attachments/mobile_geodatabase/militaryoverlay.geodatabase"
    path.write_bytes(source.read_bytes())
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE Units__ATTACH (ATTACHMENTID, REL_OBJECTID, DATA)")
    (scanned,) = scan(path)
    columns = {column.name: column for column in scanned.dataset.columns}
    assert (columns["modifier1"].alias, columns["echelon"].domain) == ("Modifier 1", "Echelons")
    assert scanned.dataset.domains["Echelons"]["21"] == "Division"


def test_attachments_keep_their_keywords_and_globalid(catalog, make_geodatabase, photo):
    script = f"UPDATE plots__ATTACH SET KEYWORDS = 'canopy photo', GLOBALID = '{GUIDS[0].lower()}'"
    add(catalog, make_geodatabase([(1, "a.jpg", "image/jpeg", photo)], script=script))
    own = GUIDS[0].strip("{}").upper()
    assert rows(catalog, "SELECT keywords, global_id FROM items") == [("canopy photo", own)]
