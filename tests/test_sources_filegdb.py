"""File geodatabases: relations, features and attachments, read and never written."""

import hashlib
import shutil
import tracemalloc
from dataclasses import replace

import fiona
import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.catalog.store import Catalog
from pixelcat.io.sources import reader, scan

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


def test_column_and_table_names_are_found_in_any_case(catalog, tmp_path, photo):
    path = tmp_path / "survey.gdb"
    write(path, "Plots", {"n": "int32"}, [(1,)], "Point", crs="EPSG:3857")
    columns = {"rel_objectid": "int32", "att_name": "str:50", "data": "bytes", "keywords": "str"}
    write(path, "plots__attach", columns, [(1, "a.jpg", photo, "gate")])
    (dataset,) = add(catalog, path, layer="PLOTS")
    assert dataset.layer == "Plots"
    assert links(catalog) == [(1, "a.jpg")]
    assert items(catalog) == [("a.jpg", "ready", None)]


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
    else:  # a table cut off behind its header may be read as far as it goes
        assert keep == 1000


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
