"""File geodatabases: relations, features and attachments, read and never written."""

import hashlib
import re
import shutil
import sqlite3
import struct
import tracemalloc
import zipfile
from contextlib import closing
from dataclasses import replace

import fiona
import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from pixelcat.catalog import schema_sql
from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.catalog.store import Catalog
from pixelcat.io import fingerprint
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import filegdb, reader, scan

GUIDS = [f"{{0A1B2C3D-0000-4000-8000-00000000000{n}}}" for n in range(3)]


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


def write(path, layer, properties, records, geometry="None", **options):
    """Append a layer to a geodatabase."""
    schema = {"geometry": geometry, "properties": properties}
    with fiona.open(path, "w", driver="OpenFileGDB", layer=layer, schema=schema, **options) as file:
        for values in records:
            shape = {"type": "Point", "coordinates": (1.0, 2.0)} if geometry == "Point" else None
            file.write(
                {"geometry": shape, "properties": dict(zip(properties, values, strict=True))}
            )


ATTACHMENTS = {"REL_OBJECTID": "int32", "ATT_NAME": "str:250", "DATA": "bytes"}
RELATION = """<typens:DERelationshipClassInfo
 xmlns:typens="http://www.esri.com/schemas/ArcGIS/10.8"><Name>plots__ATTACHREL</Name>
<IsAttachmentRelationship>true</IsAttachmentRelationship>
<OriginClassNames><Name>{origin}</Name></OriginClassNames>
<DestinationClassNames><Name>{table}</Name></DestinationClassNames>
<OriginClassKeys><RelationshipClassKey><ObjectKeyName>{key}</ObjectKeyName>
<KeyRole>esriRelKeyRoleOriginPrimary</KeyRole></RelationshipClassKey>
<RelationshipClassKey><ObjectKeyName>{foreign}</ObjectKeyName>
<KeyRole>esriRelKeyRoleOriginForeign</KeyRole></RelationshipClassKey></OriginClassKeys>
</typens:DERelationshipClassInfo>"""


def declare(path, *definitions):
    """Append documents to GDB_Items."""
    with fiona.open(path, "a", layer="GDB_Items") as items:
        blank = dict.fromkeys(items.schema["properties"])
        for number, definition in enumerate(definitions):
            values = {
                "UUID": f"{{0A1B2C3D-0000-4000-9000-00000000000{number}}}",
                "Type": "{B606A7E1-FA5B-439C-849C-6E9C2481537B}",
                "Name": f"item {number}",
                "Definition": definition,
            }
            items.write({"geometry": None, "properties": blank | values})


# --- relations ---------------------------------------------------------------------------


def test_attachments_belong_to_features_by_objectid(catalog, make_gdb, photo):
    (dataset,) = add(catalog, make_gdb([(3, "a.jpg", None, photo), (1, "b.jpg", None, photo)]))
    assert links(catalog) == [(1, "b.jpg"), (3, "a.jpg")]
    assert (dataset.layer, dataset.attachment_table) == ("plots", "plots__ATTACH")
    assert (dataset.key_field, dataset.driver) == ("REL_OBJECTID", "OpenFileGDB")


def test_attachments_of_a_feature_keep_their_order(catalog, make_gdb, photo):
    names = ["z.jpg", "a.jpg", "m.jpg"]
    add(catalog, make_gdb([(2, name, None, photo) for name in names]))
    assert links(catalog) == [(2, name) for name in names]
    assert rows(catalog, "SELECT ordinal FROM features_items ORDER BY 1") == [(0,), (1,), (2,)]


@pytest.mark.parametrize(
    "spell",
    [str, str.lower, lambda guid: guid.strip("{}"), lambda guid: f" {guid.strip('{}').lower()} "],
    ids=["as stored", "lower case", "no braces", "neither"],
)
@pytest.mark.parametrize("at_feature", [str, lambda guid: guid.strip("{}").lower()])
def test_attachments_belong_to_features_by_globalid(catalog, tmp_path, photo, spell, at_feature):
    path = tmp_path / "survey.gdb"
    features = [(at_feature(guid), n) for n, guid in enumerate(GUIDS, 1)]
    write(
        path, "plots", {"GLOBALID": "str:38", "plot": "int32"}, features, "Point", crs="EPSG:3857"
    )
    attachments = {"REL_GLOBALID": "str:40", "ATT_NAME": "str:50", "DATA": "bytes"}
    photos = [(spell(GUIDS[2]), "a.jpg", photo), (spell(GUIDS[0]), "b.jpg", photo)]
    write(path, "plots__ATTACH", attachments, photos)
    add(catalog, path)
    assert links(catalog) == [(1, "b.jpg"), (3, "a.jpg")]
    assert rows(catalog, "SELECT global_id FROM features") == [(g.strip("{}"),) for g in GUIDS]
    assert rows(catalog, "SELECT json_extract(attributes, '$.GLOBALID') FROM features") == [
        (at_feature(guid),) for guid in GUIDS
    ]


def test_a_globalid_column_of_another_name_is_known_from_gdb_items(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    features = [("their own", guid) for guid in GUIDS]
    columns = {"GLOBALID": "str:38", "GlobalID_2": "str:38"}
    write(path, "plots", columns, features, "Point", crs="EPSG:3857")
    attachments = {"REL_GLOBALID": "str:38", "ATT_NAME": "str:50", "DATA": "bytes"}
    write(path, "plots__ATTACH", attachments, [(GUIDS[1], "a.jpg", photo)])
    declare(
        path,
        "<DEFeatureClassInfo><Name>plots</Name><GlobalIDFieldName>GlobalID_2</GlobalIDFieldName>"
        "</DEFeatureClassInfo>",
    )
    add(catalog, path)
    assert links(catalog) == [(2, "a.jpg")]


@pytest.mark.parametrize("origin", ["plots", "main.plots", "\\fd\\plots"])
def test_a_renamed_attachment_table_is_found_through_gdb_items(catalog, tmp_path, photo, origin):
    path = tmp_path / "survey.gdb"
    write(path, "plots", {"n": "int32"}, [(1,), (2,)], "Point", crs="EPSG:3857")
    columns = {"PLOT": "int32", "ATT_NAME": "str:50", "DATA": "bytes"}
    write(path, "Photos", columns, [(2, "a.jpg", photo)])
    declare(path, RELATION.format(origin=origin, table="Photos", key="OBJECTID", foreign="PLOT"))
    (dataset,) = add(catalog, path)
    assert (dataset.attachment_table, dataset.key_field) == ("Photos", "PLOT")
    assert links(catalog) == [(2, "a.jpg")]


def test_a_feature_class_in_a_feature_dataset_has_its_photos(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "plots", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857", FEATURE_DATASET="fd")
    write(path, "plots__ATTACH", ATTACHMENTS, [(1, "a.jpg", photo)])
    (dataset,) = add(catalog, path, layer="plots")
    assert (dataset.layer, dataset.srs.code) == ("plots", 3857)
    assert links(catalog) == [(1, "a.jpg")]


@pytest.mark.parametrize(
    "definition", ["<a", "<!DOCTYPE a []><a/>", "<DERelationshipClassInfo/>", "no XML at all"]
)
def test_an_unreadable_document_is_passed_over(catalog, make_gdb, photo, definition):
    path = make_gdb([(1, "a.jpg", None, photo)])
    declare(path, definition)
    add(catalog, path)
    assert links(catalog) == [(1, "a.jpg")]


def test_newer_columns_of_attachments_are_tolerated(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    newer = ["KEYWORDS", "EXIFINFO", "ATT_TITLE", "ATT_ALT_TEXT", "ATT_CAPTION", "ATT_CREDIT"]
    columns = {
        "GLOBALID": "str:38",
        "REL_OBJECTID": "int32",
        "CONTENT_TYPE": "str",
        "SIZE": "int32",
        **dict.fromkeys(newer, "str"),
        "ATT_NAME": "str:250",
        "DATA": "bytes",
        "UNHEARD_OF": "float",
    }
    write(path, "plots", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    values = (GUIDS[0], 1, "image/jpeg", 5, *["front view"] * 6, "a.jpg", photo, 0.5)
    write(path, "plots__ATTACH", columns, [values, (*[None] * 11, photo, None)])
    add(catalog, path)
    assert items(catalog) == [
        ("a.jpg", "ready", None),
        ("attachment 2", "missing", "orphan attachment: no feature has REL_OBJECTID NULL"),
    ]


def test_texts_keep_their_width(make_gdb, tmp_path):
    write(tmp_path / "survey.gdb", "plots", {"wide": "str"}, [("a",)], "Point", crs="EPSG:3857")
    (without,) = scan(tmp_path / "survey.gdb", options=ScanOptions(photo_columns=("wide",)))
    assert [column.sql_type for column in without.dataset.columns] == ["INTEGER", "TEXT"]
    (scanned,) = scan(make_gdb([], name="other.gdb"))
    assert [column.sql_type for column in scanned.dataset.columns] == [
        *("INTEGER", "TEXT(10)", "DOUBLE", "MEDIUMINT"),
    ]


@pytest.mark.parametrize("photo_columns", [(), ("plot_id",)])
def test_aliases_and_coded_domains_are_read(make_gdb, photo_columns):
    path = make_gdb([])
    declare(
        path,
        "<DEFeatureClassInfo><Name>plots</Name><GPFieldInfoExs>"
        "<GPFieldInfoEx><Name>TREES</Name><AliasName>Number of trees</AliasName></GPFieldInfoEx>"
        "<GPFieldInfoEx><Name>plot_id</Name><AliasName>plot_id</AliasName>"
        "<DomainName>Plots</DomainName></GPFieldInfoEx></GPFieldInfoExs></DEFeatureClassInfo>",
        "<GPCodedValueDomain2><DomainName>Plots</DomainName>"
        "<FieldType>esriFieldTypeString</FieldType><CodedValues><CodedValue>"
        "<Name>By the gate</Name><Code>P1</Code></CodedValue></CodedValues></GPCodedValueDomain2>",
        "<GPCodedValueDomain2><DomainName>Unused</DomainName>"
        "<FieldType>esriFieldTypeString</FieldType></GPCodedValueDomain2>",
    )
    (scanned,) = scan(path, options=ScanOptions(photo_columns=photo_columns))
    assert [(c.name, c.alias, c.domain) for c in scanned.dataset.columns] == [
        ("OBJECTID", None, None),
        ("plot_id", None, "Plots"),
        ("slope", None, None),
        ("trees", "Number of trees", None),
    ]
    assert scanned.dataset.domains == {"Plots": {"P1": "By the gate"}}


def test_attachments_keep_their_keywords_and_globalid(catalog, survey_with_keywords):
    add(catalog, survey_with_keywords)
    assert rows(catalog, "SELECT name, keywords, global_id FROM items ORDER BY id") == [
        ("a.jpg", "canopy photo", "ABCDEF01-0000-4000-8000-000000000000"),
        ("b.jpg", None, "ABCDEF01-0000-4000-8000-000000000001"),
        ("list.pdf", "sketch", "ABCDEF01-0000-4000-8000-000000000002"),
    ]


def test_a_catalog_without_keywords_gets_them(tmp_path, survey_with_keywords, monkeypatch):
    monkeypatch.setattr(fingerprint, "_SETTLED_S", -1.0)
    path = tmp_path / "old.gpkg"
    earlier = re.search("CREATE VIEW item_results [^;]+;", schema_sql.VIEWS)[0]
    with Catalog(path, create=True) as catalog:
        add(catalog, survey_with_keywords)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "DELETE FROM _sqlite_migrations WHERE name = '0008_keywords'; DROP VIEW item_results;"
            "ALTER TABLE items DROP COLUMN keywords; ALTER TABLE items DROP COLUMN global_id;"
            + earlier
        )
    with Catalog(path) as catalog:
        add(catalog, survey_with_keywords)
        found = rows(catalog, "SELECT keywords FROM items ORDER BY id")
    assert found == [("canopy photo",), (None,), ("sketch",)]


def test_column_and_table_names_are_found_in_any_case(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "Plots", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    columns = {"rel_objectid": "int32", "att_name": "str:50", "data": "bytes", "keywords": "str"}
    write(path, "plots__attach", columns, [(1, "a.jpg", photo, "gate")])
    (dataset,) = add(catalog, path, layer="PLOTS")
    assert dataset.layer == "Plots"
    assert links(catalog) == [(1, "a.jpg")]
    assert items(catalog) == [("a.jpg", "ready", None)]
    with reader(dataset) as fetch:
        assert fetch(next(iter(next(scan(path)).items))) == photo


def test_a_table_without_geometry_has_attachments_too(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "visits", {"who": "str"}, [("Ada",), ("Ben",)])
    write(path, "visits__ATTACH", ATTACHMENTS, [(2, "a.jpg", photo)])
    (dataset,) = add(catalog, path)
    assert (dataset.geometry_type, dataset.srs) == (None, None)
    assert links(catalog) == [(2, "a.jpg")]


def test_each_feature_class_with_attachments_is_a_dataset(catalog, tmp_path, make_gdb, photo):
    path = make_gdb([(1, "a.jpg", None, photo)])
    write(path, "trees", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    write(path, "trees__ATTACH", ATTACHMENTS, [(1, "b.jpg", photo)])
    assert [dataset.layer for dataset in add(catalog, path)] == ["plots", "trees"]
    assert [each.dataset.layer for each in scan(path, "trees")] == ["trees"]


def test_attachments_whose_feature_class_is_gone_are_listed(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "plots__ATTACH", ATTACHMENTS, [(1, "a.jpg", photo)])
    add(catalog, path)
    assert items(catalog) == [
        ("a.jpg", "missing", "orphan attachment: no feature has REL_OBJECTID 1")
    ]


def test_an_attachment_table_without_a_key_is_refused(tmp_path):
    path = tmp_path / "survey.gdb"
    write(path, "plots__ATTACH", {"ATT_NAME": "str"}, [("a.jpg",)])
    with pytest.raises(SourceError, match="plots__ATTACH has neither REL_GLOBALID nor"):
        list(scan(path))


def test_an_attachment_table_is_no_layer(make_gdb, photo_bytes):
    path = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes())])
    with pytest.raises(SourceError, match=r"is where plots has its photos; use --layer plots"):
        list(scan(path, "plots__attach"))


# --- what an attachment is ---------------------------------------------------------------


def test_every_attachment_is_listed_with_what_it_is(catalog, make_gdb, photo):
    text = b"%PDF-1.4 a report"
    attachments = [
        (1, "good.jpg", "image/jpeg", photo),
        (1, "report.jpg", "image/jpeg", text),
        (1, "report.pdf", "application/pdf", text),
        (1, "photo.pdf", "application/pdf", photo),
        (1, "no bytes.jpg", "image/jpeg", None),
        (1, "empty.jpg", "image/jpeg", b""),
        (9, "orphan.jpg", "image/jpeg", photo),
        (None, "loose.jpg", "image/jpeg", photo),
        (1, "no type.jpg", None, text),
        (1, "no type", None, text),
    ]
    add(catalog, make_gdb(attachments))
    orphan = "orphan attachment: no feature has REL_OBJECTID"
    assert items(catalog) == [
        ("good.jpg", "ready", None),
        ("report.jpg", "unreadable", "not an image but a PDF"),
        ("report.pdf", "skipped", "not an image but a PDF"),
        ("photo.pdf", "ready", None),
        ("no bytes.jpg", "missing", "has no data (NULL)"),
        ("empty.jpg", "unreadable", "is empty (0 bytes)"),
        ("orphan.jpg", "missing", f"{orphan} 9"),
        ("loose.jpg", "missing", f"{orphan} NULL"),
        ("no type.jpg", "unreadable", "not an image but a PDF"),
        ("no type", "skipped", "not an image but a PDF"),
    ]


def test_the_type_of_an_attachment_is_told_from_its_bytes(catalog, make_gdb, photo_bytes):
    add(catalog, make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes(kind="PNG"))]))
    assert rows(catalog, "SELECT declared_type, content_type FROM items") == [
        ("image/jpeg", "image/png")
    ]


def test_a_nameless_attachment_is_named_by_its_id(catalog, make_gdb, photo):
    add(catalog, make_gdb([(1, None, None, photo)]))
    assert rows(catalog, "SELECT name, source_key FROM items") == [("attachment 1", "1")]


def test_attachments_are_fetched_byte_for_byte(make_gdb, photo_bytes):
    photos = [photo_bytes(1), photo_bytes(2, kind="PNG")]
    (scanned,) = scan(make_gdb([(1, "same.jpg", None, data) for data in photos]))
    with reader(scanned.dataset) as fetch:
        found = {item.source_key: fetch(item) for item in reversed(list(scanned.items))}
    assert found == {"1": photos[0], "2": photos[1]}


def test_an_attachment_that_is_gone_says_so(make_gdb, photo):
    (scanned,) = scan(make_gdb([(1, "a.jpg", None, photo)]))
    (item,) = scanned.items
    with reader(scanned.dataset) as fetch, pytest.raises(ItemError, match="gone from its geodata"):
        fetch(replace(item, source_key="77"))


def test_a_geodatabase_that_is_gone_says_so(make_gdb, photo):
    path = make_gdb([(1, "a.jpg", None, photo)])
    (scanned,) = scan(path)
    shutil.rmtree(path)
    with pytest.raises(SourceError, match=r"survey\.gdb"), reader(scanned.dataset):
        pass
    with pytest.raises(SourceError, match=r"survey\.gdb: no such file or folder"):
        list(scan(path))


def test_attachments_are_streamed_one_at_a_time(make_gdb, photo):
    large = photo.ljust(1_000_000, b"\0")
    path = make_gdb([(1, "a.jpg", None, large)] * 200)
    (scanned,) = scan(path)
    tracemalloc.start()
    count = sum(item.byte_size == 1_000_000 for item in scanned.items)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200
    assert peak < 20_000_000


def test_a_source_is_never_written(catalog, make_gdb, photo):
    def fingerprint():
        return {p.name: hashlib.sha256(p.read_bytes()).digest() for p in path.iterdir()}

    path = make_gdb([(1, "a.jpg", None, photo)])
    before = fingerprint()
    (dataset,) = add(catalog, path)
    with reader(dataset) as fetch:
        fetch(next(iter(next(scan(path)).items)))
    assert fingerprint() == before


# --- zipped ------------------------------------------------------------------------------


def zipped(path, name="survey.zip", inside="survey.gdb/", **options):
    """Zip a geodatabase beside it."""
    archive = path.with_name(name)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED, **options) as file:
        for each in sorted(path.iterdir()):
            file.write(each, inside + each.name)
    return archive


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("survey.zip", "survey.gdb/"),
        ("a b {c}.ZIP", "export of today/Größe 1.gdb/"),
        ("survey.gdb.zip", ""),
    ],
)
def test_a_zipped_geodatabase_gives_what_the_folder_gives(tmp_path, make_gdb, photo, name, inside):
    path = make_gdb([(3, "a.jpg", None, photo), (1, "b.jpg", None, photo), (9, "c", None, b"")])
    archive = zipped(path, name, inside)
    (folder,), (packed,) = scan(path), scan(archive)
    assert replace(packed.dataset, uri="") == replace(folder.dataset, uri="")
    assert packed.dataset.uri == str(archive)
    assert list(packed.features) == list(folder.features)
    assert (found := list(packed.items)) == list(folder.items)
    with reader(packed.dataset) as fetch:
        assert [fetch(item) for item in found] == [photo, photo, b""]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, name])


def test_of_a_zipped_geodatabase_any_attachment_can_be_fetched(make_gdb, photo_bytes):
    photos = [photo_bytes(n) for n in range(6)]
    path = zipped(make_gdb([(1, "a.jpg", None, data) for data in photos]))
    (scanned,) = scan(path)
    found = list(scanned.items)
    with reader(scanned.dataset) as fetch:
        for number in (1, 1, 4, 2, 0, 5):
            assert fetch(found[number]) == photos[number]
        with pytest.raises(ItemError, match="gone from its geodatabase"):
            fetch(replace(found[0], source_key="77"))
        assert fetch(found[3]) == photos[3]


def test_attachments_of_a_zipped_geodatabase_are_read_once_from_end_to_end(make_gdb, monkeypatch):
    (scanned,) = scan(zipped(make_gdb([(1, "a.jpg", None, b"%d" % n) for n in range(50)])))
    found = list(scanned.items)
    monkeypatch.setattr(fiona.Collection, "__getitem__", None)  # random access
    with reader(scanned.dataset) as fetch:
        assert [fetch(item) for item in found[::7]] == [b"%d" % n for n in range(0, 50, 7)]


def test_an_archive_of_anything_else_is_left_to_others(tmp_path, make_gdb):
    assert not filegdb.matches(tmp_path / "none.zip")
    archive = tmp_path / "form.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("media/a00000001.gdbtable.jpg", b"")
    assert not filegdb.matches(archive)
    archive.write_bytes(b"PK\x03\x04 cut off")
    assert not filegdb.matches(archive)
    assert filegdb.matches(zipped(make_gdb([])))


def test_an_archive_of_two_geodatabases_is_refused(make_gdb):
    path = make_gdb([])
    zipped(path, inside="a.gdb/")
    archive = zipped(path, inside="b.gdb/")
    with pytest.raises(SourceError, match=r"several geodatabases \(a\.gdb, b\.gdb\); unzip it"):
        list(scan(archive))


@pytest.mark.parametrize(
    ("name", "inside", "reason"),
    [
        ("survey.zip", "../survey.gdb/", "has no safe name"),
        ("survey.dat", "survey.gdb/", r"rename it to \.zip"),
        ("survey.zip", "survey/", r"name the archive survey\.gdb\.zip"),
        ("survey.zip", "", r"name the archive survey\.gdb\.zip"),
    ],
)
def test_an_archive_that_gdal_would_not_take_is_refused(make_gdb, name, inside, reason):
    with pytest.raises(SourceError, match=reason):
        list(scan(zipped(make_gdb([]), name, inside)))


def test_a_zip_bomb_and_an_encrypted_archive_are_refused(make_gdb):
    archive = zipped(make_gdb([]))
    with zipfile.ZipFile(archive, "a") as file:
        entry = file.infolist()[-1]
        file.writestr("survey.gdb/last", b"")
        entry.file_size = 1 << 32
    with pytest.raises(SourceError, match="that is no geodatabase"):
        list(scan(archive))
    data = bytearray(archive.read_bytes())
    directory = data.index(b"PK\x01\x02")
    struct.pack_into("<H", data, directory + 8, 1)
    archive.write_bytes(data)
    with pytest.raises(SourceError, match="is encrypted; unzip it"):
        list(scan(archive))


def test_an_archive_that_is_gone_says_so(make_gdb, photo):
    archive = zipped(make_gdb([(1, "a.jpg", None, photo)]))
    (scanned,) = scan(archive)
    archive.unlink()
    with (
        pytest.raises(SourceError, match=r"survey\.zip: not a readable ZIP"),
        reader(scanned.dataset),
    ):
        pass


def test_in_a_folder_geodatabases_are_inputs_of_their_own(make_gdb, tmp_path):
    archive = zipped(make_gdb([]), "survey.zip")
    archive.with_name("mobile.geodatabase").write_bytes(b"SQLite format 3\x00")
    (scanned,) = scan(tmp_path)
    assert {item.name: item.reason for item in scanned.items} == {
        "survey.gdb": "a file geodatabase; give it as an input of its own",
        "survey.zip": "a zipped file geodatabase; give it as an input of its own",
        "mobile.geodatabase": "a mobile geodatabase; give it as an input of its own",
    }


# --- features ----------------------------------------------------------------------------


@pytest.fixture
def typed(tmp_path, photo):
    """Three features with a column of every type; the second is NULL wherever it can be."""
    path = tmp_path / "typed.gdb"
    frame = geopandas.GeoDataFrame(
        {
            "large": pd.array([2**53 + 1, None, -(2**53) - 1], dtype="Int64"),
            "full": np.array([2**53 + 1, 0, -1]),
            "small": pd.array([-7, None, 7], dtype="Int16"),
            "whole": pd.array([2**31 - 1, None, 0], dtype="Int32"),
            "single": np.array([0.1, np.nan, 2.5], np.float32),
            "real": [0.1, None, 1e300],
            "text": ["Bärlauch 🌻", None, ""],
            "time": pd.to_datetime(["2024-05-06T07:08:09.250Z", None, "1999-12-31T23:59:59.000Z"]),
            "status": ["wet", None, "dry"],
        },
        geometry=[shapely.Point(4e5, 5e6, 12.5), None, shapely.Point(4.1e5, 5e6, 0)],
        crs=32631,
    )
    pyogrio.write_dataframe(
        frame,
        path,
        layer="plots",
        driver="OpenFileGDB",
        layer_options={"TARGET_ARCGIS_VERSION": "ARCGIS_PRO_3_2_OR_LATER"},
    )
    write(path, "plots__ATTACH", ATTACHMENTS, [(1, "a.jpg", photo)])
    return path


VALUES = {
    "large": ("INTEGER", [2**53 + 1, None, -(2**53) - 1]),
    "full": ("INTEGER", [2**53 + 1, 0, -1]),
    "small": ("SMALLINT", [-7, None, 7]),
    "whole": ("MEDIUMINT", [2**31 - 1, None, 0]),
    "single": ("FLOAT", [float(np.float32(0.1)), None, 2.5]),
    "real": ("DOUBLE", [0.1, None, 1e300]),
    "text": ("TEXT", ["Bärlauch 🌻", None, ""]),
    "time": ("DATETIME", ["2024-05-06T07:08:09.250Z", None, "1999-12-31T23:59:59.000Z"]),
    "status": ("TEXT", ["wet", None, "dry"]),
    "OBJECTID": ("INTEGER", [1, 2, 3]),
}


@pytest.mark.parametrize("name", VALUES)
def test_attributes_are_exact(typed, name):
    (scanned,) = scan(typed)
    types = {column.name: column.sql_type for column in scanned.dataset.columns}
    values = [feature.attributes[name] for feature in scanned.features]
    assert (types[name], values) == VALUES[name]
    assert [type(value) for value in values] == [type(value) for value in VALUES[name][1]]


def test_every_column_is_listed_in_order(typed):
    (scanned,) = scan(typed)
    names = [column.name for column in scanned.dataset.columns]
    assert names == ["OBJECTID", *(name for name in VALUES if name != "OBJECTID")]
    assert [list(feature.attributes) for feature in scanned.features] == [
        [*names[1:], "OBJECTID"]
    ] * 3


@pytest.mark.filterwarnings("ignore:Field day of type Date will be written as a DateTime")
@pytest.mark.parametrize(
    ("options", "kind", "suffix"),
    [
        ({}, "DATETIME", "T00:00:00.000Z"),  # before ArcGIS Pro 3.2 a date is a time
        ({"TARGET_ARCGIS_VERSION": "ARCGIS_PRO_3_2_OR_LATER"}, "DATE", ""),
    ],
)
def test_dates_are_dates(tmp_path, photo, options, kind, suffix):
    path = tmp_path / "survey.gdb"
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapely.points([[1, 2]] * 3)),
        [np.array(["2024-02-29", "NaT", "1900-01-01"], "datetime64[D]")],
        ["day"],
        layer="plots",
        driver="OpenFileGDB",
        geometry_type="Point",
        crs="EPSG:3857",
        **options,
    )
    write(path, "plots__ATTACH", ATTACHMENTS, [(1, "a.jpg", photo)])
    (scanned,) = scan(path)
    assert [(c.name, c.sql_type) for c in scanned.dataset.columns][1:] == [("day", kind)]
    days = [feature.attributes["day"] for feature in scanned.features]
    assert days == [f"2024-02-29{suffix}", None, f"1900-01-01{suffix}"]


def test_geometry_keeps_its_system_and_z(typed):
    (scanned,) = scan(typed)
    dataset = scanned.dataset
    assert (dataset.geometry_type, dataset.has_z) == ("POINT", True)
    assert (dataset.srs.organization, dataset.srs.code) == ("EPSG", 32631)
    first, second, _ = scanned.features
    assert shapely.from_wkb(first.geometry).wkt == "POINT Z (400000 5000000 12.5)"
    expected = geopandas.GeoSeries([shapely.Point(4e5, 5e6)], crs=32631).to_crs(4326)[0]
    located = shapely.from_wkb(first.location)
    assert located.equals_exact(expected, 1e-9)
    assert not located.has_z
    assert (second.geometry, second.location) == (None, None)


def test_a_layer_without_reference_system_has_no_location(tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "plots", {"n": "int32"}, [(1,)], "Point")
    write(path, "plots__ATTACH", ATTACHMENTS, [(1, "a.jpg", photo)])
    (scanned,) = scan(path)
    (feature,) = scanned.features
    assert scanned.dataset.srs is None
    assert feature.location is None
    assert shapely.from_wkb(feature.geometry).wkt == "POINT (1 2)"


def test_features_beyond_one_chunk_are_all_read(tmp_path, photo):
    path = tmp_path / "survey.gdb"
    count = 20_001
    frame = geopandas.GeoDataFrame(
        {"n": np.arange(count, dtype=np.int32)},
        geometry=shapely.points(np.arange(count) / 1000.0, 45.0),
        crs=4326,
    )
    pyogrio.write_dataframe(frame, path, layer="plots", driver="OpenFileGDB")
    write(path, "plots__ATTACH", ATTACHMENTS, [(count, "a.jpg", photo)])
    (scanned,) = scan(path)
    numbers = [(feature.source_fid, feature.attributes["n"]) for feature in scanned.features]
    assert numbers == [(n + 1, n) for n in range(count)]


# --- refusals ----------------------------------------------------------------------------


def test_a_missing_layer_lists_those_that_are_there(make_gdb):
    with pytest.raises(SourceError, match="no layer trees; there are plots, plots__ATTACH"):
        list(scan(make_gdb([]), "trees"))


def test_a_layer_without_attachments_says_what_was_looked_at(make_gdb):
    path = make_gdb([])
    write(path, "trees", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    with pytest.raises(SourceError, match=r"layer Trees has no .*attachments.*\(looked at trees"):
        list(scan(path, "Trees"))


def test_no_attachments_at_all_lists_the_layers(tmp_path):
    path = tmp_path / "survey.gdb"
    write(path, "plots", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    write(path, "trees", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    with pytest.raises(SourceError, match=r"no layer has .*attachments.*plots: -; trees: -"):
        list(scan(path))


def test_an_empty_attachment_table_is_no_error(catalog, make_gdb):
    add(catalog, make_gdb([]))
    assert items(catalog) == []
    assert rows(catalog, "SELECT count(*) FROM features") == [(3,)]


@pytest.mark.parametrize("keep", [0, 40, 1000])
@pytest.mark.parametrize("table", ["a00000001.gdbtable", "the attachments", "the features"])
def test_a_damaged_geodatabase_is_one_line(catalog, make_gdb, photo, table, keep):
    path = make_gdb([(1, "a.jpg", None, photo)])
    by_size = sorted(path.glob("*.gdbtable"))
    file = {"the features": by_size[-2], "the attachments": by_size[-1]}.get(table, path / table)
    file.write_bytes(file.read_bytes()[:keep])
    try:
        add(catalog, path)
    except SourceError as error:
        assert "\n" not in str(error)
        assert "survey.gdb" in str(error)
        assert ".cpp" not in str(error)
    else:  # a table cut off behind its header may be read as far as it goes
        assert keep == 1000
        assert len(items(catalog)) == 1


def test_attachments_whose_rows_are_damaged_are_counted(catalog, make_gdb, photo_bytes):
    photos = [(n % 3 + 1, f"{n}.jpg", "image/jpeg", photo_bytes(n)) for n in range(12)]
    path = make_gdb(photos)
    file = max(path.glob("*.gdbtable"), key=lambda each: each.stat().st_size)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    add(catalog, path)
    found = rows(catalog, "SELECT status, count(*), min(reason) FROM items GROUP BY 1 ORDER BY 1")
    assert [status for status, _, _ in found] == ["ready", "unreadable"]
    assert sum(count for _, count, _ in found) == 12
    assert "copy the geodatabase again" in found[1][2]


def test_a_geodatabase_that_was_not_copied_whole_is_refused(make_gdb, photo):
    path = make_gdb([(1, "a.jpg", None, photo)])
    file = max(path.glob("*.gdbtablx"))
    file.unlink()
    with pytest.raises(SourceError, match=rf"not complete, {file.name} is missing; copy it again"):
        list(scan(path))


# --- real geodatabases -------------------------------------------------------------------


@pytest.mark.shared_data
def test_a_geodatabase_made_by_arcgis_gives_all_its_photos(catalog, shared_data):
    path = shared_data / "attachments/derived/esri_points_with_photos.gdb"
    (dataset,) = add(catalog, path)
    assert (dataset.layer, dataset.attachment_table) == ("points", "points__ATTACH")
    assert rows(catalog, "SELECT count(*) FROM features") == [(7,)]
    assert len(links(catalog)) == 8
    assert len({feature for feature, _ in links(catalog)}) == 7
    assert rows(
        catalog,
        "SELECT content_type, status, count(*), count(DISTINCT sha256) FROM items GROUP BY 1, 2",
    ) == [("image/jpeg", "ready", 7, 6), ("image/png", "ready", 1, 1)]
    assert rows(catalog, "SELECT count(*) FROM items WHERE duplicate_of NOT NULL") == [(1,)]


@pytest.mark.shared_data
def test_declared_attachments_without_rows_are_no_error(catalog, shared_data):
    add(catalog, shared_data / "attachments/filegdb/relationships.gdb", layer="points")
    assert rows(catalog, "SELECT layer, attachment_table, key_field FROM datasets") == [
        ("points", "points__ATTACH", "REL_OBJECTID")
    ]
    assert rows(catalog, "SELECT count(*) FROM features UNION ALL SELECT count(*) FROM items") == [
        (0,),
        (0,),
    ]


@pytest.mark.shared_data
def test_a_geodatabase_without_attachments_lists_its_layers(shared_data):
    with pytest.raises(SourceError, match=r"fd1_lyr1: .*fd1_lyr2: .*standalone: .*fd2_lyr: "):
        list(scan(shared_data / "attachments/filegdb/featuredataset.gdb"))


@pytest.mark.shared_data
def test_a_zipped_geodatabase_made_by_arcgis_gives_all_its_photos(catalog, shared_data, tmp_path):
    path = shutil.copytree(
        shared_data / "attachments/derived/esri_points_with_photos.gdb", tmp_path / "points.gdb"
    )
    add(catalog, zipped(path, inside="points.gdb/"))
    assert rows(catalog, "SELECT status, count(*) FROM items GROUP BY 1") == [("ready", 8)]
    assert len({feature for feature, _ in links(catalog)}) == 7


@pytest.mark.shared_data
def test_coded_domains_of_a_real_geodatabase_are_read(shared_data, tmp_path):
    path = shutil.copytree(shared_data / "attachments/filegdb/Domains.gdb", tmp_path / "roads.gdb")
    write(path, "Roads__ATTACH", ATTACHMENTS, [])
    (scanned,) = scan(path)
    assert {column.name: column.domain for column in scanned.dataset.columns if column.domain} == {
        "MaxSpeed": "SpeedLimit",
        "MedianType": "MedianType",
        "SurfaceType": "RoadSurfaceType",
    }
    assert scanned.dataset.domains == {
        "MedianType": {"0": "None", "1": "Cement"},
        "RoadSurfaceType": {"1": "Asphalt", "2": "Gravel", "3": "Oiled Sand", "4": "Dirt"},
    }
