"""Layers and tables whose columns name or hold photos; never written, never followed astray."""

import base64
import json
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path

import fiona
import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from click.testing import CliRunner

from pixelcat.catalog.errors import ItemError, SourceError, UsageError
from pixelcat.catalog.store import Catalog
from pixelcat.cli import cli
from pixelcat.io.csv_table import csv_format, csv_rows
from pixelcat.io.photo_cells import looks_like_photos, photos_in
from pixelcat.io.photo_paths import PhotoFolders
from pixelcat.io.safe_xml import parse_xml
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import reader, scan


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as opened:
        yield opened


@pytest.fixture
def photo(tmp_path, photo_bytes):
    """Return a function that writes a photo below the folder of the data."""

    def write(name, seed=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo_bytes(seed))
        return path

    return write


def layer(path, values, column="photo", name="plots", **more):
    """Write points with a column; the format is that of the suffix."""
    points = [shapely.Point(4 + n / 100, 45) for n in range(len(values))]
    frame = geopandas.GeoDataFrame({column: values, **more}, geometry=points, crs=4326)
    options = {".gpkg": {"layer": name}, ".kml": {"driver": "KML"}}.get(path.suffix, {})
    frame.to_file(path, engine="pyogrio", **options)
    return path


def table(source, name, rows, **types):
    """Add a table without geometry to a GeoPackage."""
    with closing(sqlite3.connect(source)) as database, database:
        columns = ", ".join(f'"{column}" {kind}' for column, kind in types.items())
        database.execute(f'CREATE TABLE "{name}" (fid INTEGER PRIMARY KEY, {columns})')
        marks = ", ".join("?" for _ in types)
        database.executemany(
            f'INSERT INTO "{name}" ({", ".join(map(json.dumps, types))}) VALUES ({marks})', rows
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?,?,?)",
            (name, "attributes", name),
        )


def found(path, **options):
    """Return the items of an input's only dataset: key → (status, features)."""
    (scanned,) = scan(path, options=ScanOptions.checked(**options))
    return {item.source_key: (item.status, item.feature_keys) for item in scanned.items}


def reasons(path, **options):
    (scanned,) = scan(path, options=ScanOptions.checked(**options))
    return {item.source_key: item.reason for item in scanned.items}


def csv(path, *lines, encoding="utf-8"):
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


# --- links -------------------------------------------------------------------------------


def test_a_photo_that_features_share_is_one_item_with_many_links(catalog, tmp_path, photo):
    photo("DCIM/1.jpg")
    values = ["DCIM/1.jpg", "DCIM/2.jpg", None, "", "DCIM/1.jpg"]
    (dataset,) = [catalog.add(each) for each in scan(layer(tmp_path / "s.gpkg", values))]
    rows = catalog.query(
        "SELECT i.source_key, i.kind, i.status, group_concat(f.source_fid) AS fids FROM items i"
        " JOIN features_items l ON l.related_id = i.id JOIN features f ON f.fid = l.base_id"
        " GROUP BY i.id ORDER BY i.id"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("DCIM/1.jpg", "file", "ready", "1,5"),
        ("DCIM/2.jpg", "file", "missing", "2"),
    ]
    assert (dataset.kind, dataset.layer, dataset.driver) == ("photo_columns", "plots", "GPKG")
    assert [column.name for column in dataset.columns] == ["photo"]


def test_spellings_of_one_file_are_one_item(tmp_path, photo):
    photo("DCIM/Ä 1.JPG")
    values = ["DCIM/Ä 1.JPG", "/DCIM/ä 1.jpg", "dcim\\ä 1.jpg", "./DCIM/Ä 1.JPG", "ä 1.jpg"]
    values.append("file:DCIM/%C3%84%201.JPG; Ä 1.jpg")
    path = layer(tmp_path / "s.gpkg", values)
    assert found(path) == {"DCIM/Ä 1.JPG": ("ready", ("1", "2", "3", "4", "5", "6"))}


# --- formats -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.gpkg", "s.shp", "s.geojson", "s.fgb", "s.kml", "s.csv"])
def test_layers_of_any_format_are_read(tmp_path, photo, name):
    photo("photos/a.jpg")
    path = tmp_path / name
    if name == "s.csv":
        csv(path, "code,photo", "007,a.jpg", ",", "008,b.jpg")
    else:
        layer(path, ["a.jpg", "b.jpg"], code=["007", "008"])
    (scanned,) = scan(path)
    features = list(scanned.features)
    items = {item.name: (item.status, len(item.feature_keys)) for item in scanned.items}
    assert items == {"a.jpg": ("ready", 1), "b.jpg": ("missing", 1)}
    assert sorted(feature.attributes["code"] for feature in features) == ["007", "008"]
    assert all((feature.geometry is None) == (name == "s.csv") for feature in features)


def test_cells_beyond_the_header_are_kept(tmp_path, photo):
    photo("a.jpg")
    path = csv(tmp_path / "s.csv", "id,photo", "1,a.jpg,x,,y", "2,b.jpg,,", "3", "4,c.jpg")
    (scanned,) = scan(path)
    assert [column.name for column in scanned.dataset.columns] == ["id", "photo", "more_cells"]
    kept = [feature.attributes["more_cells"] for feature in scanned.features]
    assert kept == ['["x", "", "y"]', None, None, None]
    csv(path, "id,photo,More_Cells", "1,a.jpg,x,y")
    (scanned,) = scan(path)
    assert scanned.dataset.columns[-1].name == "more_cells_2"
    csv(path, "id,photo", "1,a.jpg,,")
    (scanned,) = scan(path)
    assert len(scanned.dataset.columns) == 2


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("s.csv", b"", "an empty file"),
        ("s.csv", b"\n\n", "the first line names no columns"),
        ("s.csv", b"id,photo\n", r"there are columns and no rows \(s: id, photo\)"),
        ("nul.csv", b"id,photo\n1,a\0.jpg\n", "no text, it holds zero bytes"),
        ("s.csv", "id,photo\n1,a.jpg".encode("utf-16-le"), "no text, it holds zero bytes"),
        ("s.fgb", b"fgb\x03fgb\0" + b"q" * 50, "there are no layers in it"),
        ("s.xlsx", b"PK\x03\x04" + b"q" * 50, "cannot be read: damaged, or not what"),
        ("s.dbf", b"\x03aa", "cannot be read: damaged, or not what"),
        ("s.shp", b"\0\0\x27\x0a" + b"x" * 30, "its .shx file is missing"),
    ],
)
def test_a_table_without_anything_in_it_is_one_plain_line(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SourceError, match=rf"{name}: .*{reason}|{name}: {reason}") as refusal:
        list(scan(path))
    assert str(refusal.value).count(name) == 1


@pytest.mark.parametrize("suffix", ["xlsx", "ods"])
def test_sheets_keep_leading_zeros_and_their_header(tmp_path, suffix):
    path = tmp_path / f"s.{suffix}"
    fields = [np.array(["007", "008"], object), np.array(["a.jpg", None], object)]
    driver = suffix.upper()
    pyogrio.raw.write(path, None, fields, ["code", "photo"], driver=driver, layer="trees")
    (scanned,) = scan(path)
    assert scanned.dataset.layer == "trees"
    assert [f.attributes["code"] for f in scanned.features] == ["007", "008"]
    assert [item.source_key for item in scanned.items] == ["a.jpg"]


def test_a_feature_class_without_attachments_may_name_photos(make_gdb, photo_bytes):
    path = make_gdb([])
    schema = {"geometry": "Point", "properties": {"photo": "str", "picture": "bytes"}}
    with fiona.open(path, "w", driver="OpenFileGDB", layer="trees", schema=schema) as trees:
        trees.write({"geometry": None, "properties": {"photo": "a.jpg", "picture": None}})
        trees.write({"geometry": None, "properties": {"photo": "", "picture": photo_bytes()}})
    by_layer = {each.dataset.layer: each for each in scan(path)}
    assert {name: each.dataset.kind for name, each in by_layer.items()} == {
        "plots": "filegdb",
        "trees": "photo_columns",
    }
    items = list(by_layer["trees"].items)
    assert [item.source_key for item in items] == ["trees/picture/2", "a.jpg"]
    with reader(by_layer["trees"].dataset) as fetch:
        assert fetch(items[0]) == photo_bytes()


def test_rows_are_told_apart_in_views_and_tables_without_integer_key(tmp_path, photo_bytes):
    path = layer(tmp_path / "s.gpkg", ["x"], column="note")
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE keyed (code TEXT PRIMARY KEY, image BLOB)")
        database.execute("INSERT INTO keyed VALUES ('b', ?), ('a', NULL)", (photo_bytes(),))
        database.execute("CREATE VIEW seen AS SELECT rowid AS OGC_FID, image FROM keyed")
        database.execute("CREATE VIEW typed AS SELECT fid, note AS photo FROM plots")
        database.execute("CREATE VIEW keyless AS SELECT note AS photo FROM plots")
        database.executemany(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, ?, ?)",
            [(name, "attributes", name) for name in ("keyed", "seen", "typed", "keyless")],
        )
    scans = {each.dataset.layer: each for each in scan(path)}
    assert {name: [i.source_key for i in each.items] for name, each in scans.items()} == {
        "keyed": ["keyed/image/1"],
        "seen": ["seen/image/1"],
    }
    (scanned,) = scan(path, options=ScanOptions(layer="typed", photo_columns=("photo",)))
    assert [feature.source_fid for feature in scanned.features] == [1]


def test_a_layer_with_media_keeps_them_and_another_names_its_photos(
    tmp_path, make_gpkg, photo_bytes
):
    path = make_gpkg([("image/jpeg", photo_bytes())], [(1, 1)])
    layer(path, ["x.jpg"], name="trees")
    kinds = {each.dataset.layer: each.dataset.kind for each in scan(path)}
    assert kinds == {"plots": "geopackage", "trees": "photo_columns"}
    assert [each.dataset.layer for each in scan(path, "Trees")] == ["trees"]
    asked = ScanOptions(layer="plots", photo_columns=("PLOT_ID",))
    (scanned,) = scan(path, options=asked)
    assert [item.source_key for item in scanned.items] == ["P1", "P2", "P3"]


def test_a_list_in_geojson_is_a_list(tmp_path, photo):
    photo("b.jpg")
    feature = {"type": "Feature", "geometry": None, "properties": {"photos": ["a.jpg", "b.jpg"]}}
    path = tmp_path / "s.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    assert found(path) == {"a.jpg": ("missing", ("0",)), "b.jpg": ("ready", ("0",))}


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ";"), ("utf-8-sig", "\t"), ("cp1252", ","), ("utf-16", "|")],
)
def test_text_tables_stay_the_text_they_are(tmp_path, encoding, separator):
    lines = ["code,,Größe,code", '007,1e5,"1, 2\n3",x', "", "+4,,,", "05,z"]
    path = csv(tmp_path / "s.csv", *(x.replace(",", separator) for x in lines), encoding=encoding)
    form = csv_format(path)
    assert form.columns == ("code", "column_2", "Größe", "code_2")
    assert list(csv_rows(path, form)) == [
        (1, ["007", "1e5", f"1{separator} 2\n3", "x"]),
        (2, ["+4", None, None, None]),
        (3, ["05", "z", None, None]),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("photo.csv", "a photo"),
        ("s.shp", b"II*\x00"),
    ],
)
def test_a_file_that_only_has_the_name_of_a_table_is_none(tmp_path, photo_bytes, name, data):
    path = tmp_path / name
    path.write_bytes(photo_bytes() if data == "a photo" else data)
    (scanned,) = scan(path)
    assert scanned.dataset.kind == "file"


@pytest.mark.parametrize(
    ("name", "data"),
    [("s.json", '["a.jpg"]'), ("s.kml", "<OGRVRTDataSource></OGRVRTDataSource>")],
)
def test_a_file_that_begins_otherwise_than_its_format_is_never_opened(tmp_path, name, data):
    (tmp_path / name).write_text(data)
    with pytest.raises(SourceError, match=r"damaged, or not what its name says: it is"):
        list(scan(tmp_path / name))


def test_json_that_runs_commands_or_fetches_is_not_opened_as_such(tmp_path):
    path = tmp_path / "s.json"
    path.write_text('{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline"}')
    with pytest.raises(SourceError, match="describes other sources, which are not followed"):
        list(scan(path))


# --- values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, []),
        ("  ", []),
        (b"", []),
        ("a.jpg", ["a.jpg"]),
        ("a.jpg; b.png ;", ["a.jpg", "b.png"]),
        ("a.jpg,b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg|b.jpg", ["a.jpg", "b.jpg"]),
        ("a.jpg\r\nfiles/b\n", ["a.jpg", "files/b"]),
        ("plot 1, north.jpg", ["plot 1, north.jpg"]),
        ('["a.jpg", "b; c.jpg"]', ["a.jpg", "b; c.jpg"]),
        ('[{"url": "http://x.org/a.jpg", "id": "7"}]', ["http://x.org/a.jpg"]),
        ('[{"id": 7}]', ['[{"id": 7}]']),
        ("[" * 100_000, ["[" * 100_000]),
        ("[]", []),
        ("http://x.org/a.jpg?w=1,2", ["http://x.org/a.jpg?w=1,2"]),
        ('<p><img width=9 src="files/a&amp;b.jpg"/>text', ["files/a&b.jpg"]),
        (17, ["17"]),
        ("https://[x/a.jpg", ["https://[x/a.jpg"]),
    ],
)
def test_a_value_is_split_into_photos(value, expected):
    looks_like_photos(value)
    assert [photo.content for photo in photos_in(value)] == expected


@pytest.mark.parametrize(
    "text",
    ["data:" + ";a" * 200_000, "<img " * 50_000, "<img" + " src" * 100_000, "<img src=" * 50_000],
)
def test_a_hostile_text_takes_no_time(text):
    started = time.monotonic()
    looks_like_photos(text)
    assert time.monotonic() - started < 2


def test_links_are_listed_and_not_downloaded(tmp_path):
    path = csv(tmp_path / "s.csv", "photo", "https://x.org/a.jpg")
    assert found(path) == {"https://x.org/a.jpg": ("missing", ("1",))}
    assert reasons(path) == {"https://x.org/a.jpg": "is a link; links are not downloaded"}


def test_blobs_are_items_and_no_attributes(tmp_path, photo_bytes):
    path = layer(tmp_path / "s.gpkg", ["x"], column="note")
    images = [photo_bytes(n) for n in range(2)]
    rows = [("P1", images[0]), ("P2", None), ("P3", images[1]), ("P4", images[0][:40])]
    table(path, "a/b%", rows, plot="TEXT", image="BLOB")
    (scanned,) = scan(path)
    assert [column.name for column in scanned.dataset.columns] == ["plot"]
    assert next(iter(scanned.features)).attributes == {"plot": "P1"}
    items = list(scanned.items)
    assert [(i.source_key, i.status, i.kind) for i in items] == [
        ("a%2Fb%25/image/1", "ready", "attachment"),
        ("a%2Fb%25/image/3", "ready", "attachment"),
        ("a%2Fb%25/image/4", "unreadable", "attachment"),
    ]
    with reader(scanned.dataset) as fetch:
        assert [fetch(item) for item in reversed(items[:2])] == images[::-1]
        with closing(sqlite3.connect(path)) as database, database:
            database.execute('DELETE FROM "a/b%" WHERE fid = 3')
        with pytest.raises(ItemError, match="gone from its table"):
            fetch(items[1])


@pytest.mark.parametrize("suffix", [".csv", ".geojson", ".gpkg"])
def test_base64_is_decoded_and_fetched_in_any_order(tmp_path, photo_bytes, suffix):
    images = [photo_bytes(n) for n in range(12)]
    texts = [base64.b64encode(image).decode() for image in images]
    texts[1] = f"data:image/jpeg;base64,{texts[1]}"
    texts[2] = base64.encodebytes(images[2]).decode()
    texts[3] = f"data:image/jpeg;base64,{texts[3]};\ndata:image/png;name=x;base64,{texts[4]}"
    path = tmp_path / f"s{suffix}"
    if suffix == ".csv":
        csv(path, "code,photo", *(f'1,"{text}"' for text in texts))
    else:
        layer(path, texts)
    (scanned,) = scan(path)
    assert "photo" not in [column.name for column in scanned.dataset.columns]
    assert all("photo" not in feature.attributes for feature in scanned.features)
    items = list(scanned.items)
    assert {item.status for item in items} == {"ready"}
    assert [item.source_key.rpartition(".")[2] for item in items].count("2") == 1
    wanted = [*images[:4], images[4], *images[4:]]
    with reader(scanned.dataset) as fetch:
        assert [fetch(item) for item in items] == wanted
        assert [fetch(item) for item in reversed(items)] == wanted[::-1]


def test_a_table_that_is_gone_says_so(tmp_path, photo_bytes):
    path = csv(tmp_path / "s.csv", "photo", base64.b64encode(photo_bytes()).decode())
    (scanned,) = scan(path)
    (item,) = scanned.items
    path.unlink()
    with (
        reader(scanned.dataset) as fetch,
        pytest.raises(ItemError, match="its table cannot be read any more"),
    ):
        fetch(item)


def test_damaged_base64_is_a_row_with_a_reason(tmp_path, photo_bytes):
    text = base64.b64encode(photo_bytes()).decode()
    path = csv(tmp_path / "s.csv", "photo", text, text[:200] + "é" + text[200:], text[:101])
    statuses = [status for status, _ in found(path).values()]
    assert statuses == ["ready", "unreadable", "unreadable"]


# --- detection ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [["a.jpg", "later", None], ["DCIM/a", "x"], ["https://x.org/a.webp"], ["C:\\p\\a.HEIC"]],
)
def test_a_column_is_told_by_its_values(tmp_path, values):
    path = layer(tmp_path / "s.gpkg", values, note=["see a.jpg there"] * len(values))
    (scanned,) = scan(path)
    assert len({item.source_key for item in scanned.items}) == len([v for v in values if v])


def test_a_few_file_names_in_notes_make_no_photo_column(tmp_path):
    path = layer(tmp_path / "s.gpkg", ["a.jpg", "none", "none"], column="note")
    with pytest.raises(SourceError, match=r"\(looked at plots: note\); --photo-column NAME"):
        list(scan(path))
    assert len(found(path, photo_columns=["Note"])) == 2


def test_a_sparse_column_is_found(tmp_path):
    path = layer(tmp_path / "s.gpkg", [None] * 3000 + ["a.jpg"])
    assert found(path) == {"a.jpg": ("missing", ("3001",))}


def project(widgets="", relations="", layers=(("p", "s.gpkg", "plots"),), entity=""):
    """Return the text of a QGIS project; widgets go to the first layer."""
    maps = ""
    for number, (key, file, name) in enumerate(layers):
        fields = f"<fieldConfiguration>{widgets}</fieldConfiguration>" if number == 0 else ""
        maps += (
            f"<maplayer><id>{key}</id><datasource>./{file}|layername={name}</datasource>"
            f"{fields}</maplayer>"
        )
    return (
        f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'{entity}><qgis>"
        f"<relations>{relations}</relations><projectlayers>{maps}</projectlayers></qgis>"
    )


def widget(column="photo", **options):
    options = {"DocumentViewer": "1", **options}
    inner = "".join(
        f'<Option type="QString" name="{name}" value="{value}"/>'
        if not value.startswith("<")
        else value
        for name, value in options.items()
    )
    return (
        f'<field name="{column}"><editWidget type="ExternalResource"><config><Option type="Map">'
        f"{inner}</Option></config></editWidget></field>"
    )


def expression(text):
    return (
        '<Option type="Map" name="PropertyCollection"><Option type="Map" name="properties">'
        '<Option type="Map" name="propertyRootPath"><Option name="active" value="true"/>'
        f'<Option name="expression" value="{text}"/></Option></Option></Option>'
    )


@pytest.mark.parametrize("suffix", [".qgs", ".qgz"])
def test_a_project_says_what_is_a_photo(tmp_path, suffix):
    path = layer(tmp_path / "s.gpkg", ["one", "two"])
    text = project(widget())
    if suffix == ".qgz":
        with zipfile.ZipFile(tmp_path / "p.qgz", "w") as package:
            package.writestr("p.qgs", text)
    else:
        (tmp_path / "p.qgs").write_text(text)
    assert list(found(path)) == ["one", "two"]


@pytest.mark.parametrize(
    "options",
    [
        {"DefaultRoot": "shots"},
        {"DefaultRoot": ".\\shots"},
        {"root": expression("@project_folder || '/shots'")},
        {"root": expression("@project_path + '/shots'")},
    ],
)
def test_paths_are_relative_to_the_default_path_of_the_widget(tmp_path, photo, options):
    photo("shots/a.jpg")
    path = layer(tmp_path / "s.gpkg", ["a.jpg"])
    (tmp_path / "p.qgs").write_text(project(widget(RelativeStorage="2", **options)))
    assert found(path) == {"shots/a.jpg": ("ready", ("1",))}


def test_a_project_one_folder_up_may_hold_the_photos(tmp_path, photo):
    photo("DCIM/a.jpg")
    (tmp_path / "data").mkdir()
    path = layer(tmp_path / "data/s.gpkg", ["DCIM/a.jpg"])
    (tmp_path / "p.qgs").write_text(project(layers=[("p", "other/s.gpkg", "plots")]))
    assert found(path)["DCIM/a.jpg"][0] == "missing"
    (tmp_path / "p.qgs").write_text(project(layers=[("p", "data/s.gpkg", "plots")]))
    assert found(path) == {(tmp_path / "DCIM/a.jpg").as_posix(): ("ready", ("1",))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<qgis>",
        project(widget(), entity=' [<!ENTITY x "y">]'),
        project(widget(), entity=' [<!ENTITY x SYSTEM "file:///etc/hostname">]'),
        project(widget(StorageMode="1")),
        project(widget(DocumentViewer="0")),
        project(widget(), layers=[("p", "other.gpkg", "plots")]),
    ],
)
def test_a_project_that_is_broken_or_of_something_else_says_nothing(tmp_path, text):
    path = layer(tmp_path / "s.gpkg", ["one", "two"])
    (tmp_path / "p.qgs").write_text(text)
    (tmp_path / "p.qgz").write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SourceError, match="no layer has"):
        list(scan(path))


def test_entities_are_refused_and_a_doctype_is_not():
    with pytest.raises(ValueError, match="declares entities"):
        parse_xml(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    assert parse_xml(b"<!DOCTYPE a><a>b</a>").text == "b"


# --- where files are ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/a.jpg", "/sub/a.jpg"),
        ("sub/A.JPG", "SUB\\a.jpg"),
        ("files/a", "a"),
        ("photos/sub/a.jpg", "sub/a.jpg"),
        ("media/a.jpg", "a.jpg"),
        ("images/a.jpg", "a.jpg"),
        ("dcim/A.jpg", "a.jpg"),
        ("DCIM/plots_1.jpg", "/storage/emulated/0/QField/DCIM/plots_1.jpg"),
        ("DCIM/a b.jpg", "file:///sdcard/survey/DCIM/a%20b.jpg"),
        ("DCIM/a.jpg", "file://localhost/sdcard/DCIM/a.jpg"),
        ("DCIM/a.jpg", "file:///C:/Users/x/DCIM/a.jpg"),
        ("DCIM/a%20b.jpg", "DCIM/a%20b.jpg"),
        ("a.jpg", "D:\\field\\day 1\\a.jpg"),
        ("a.jpg", "\\\\server\\share\\a.jpg"),
        ("sub/a.jpg", "x/../sub/a.jpg"),
    ],
)
def test_a_path_is_found(tmp_path, photo, file, text):
    photo(file)
    (tmp_path / "x").mkdir(exist_ok=True)
    folders = PhotoFolders(tmp_path)
    assert folders.key(folders.find(text)) == file


def test_a_longer_end_of_a_path_goes_before_a_shorter_one(tmp_path, photo):
    photo("1.jpg")
    photo("b/1.jpg")
    folders = PhotoFolders(tmp_path)
    assert folders.key(folders.find("/old/a/b/1.jpg")) == "b/1.jpg"


def test_an_absolute_path_elsewhere_is_taken(tmp_path, photo):
    path = photo("elsewhere/a.jpg")
    (tmp_path / "data").mkdir()
    folders = PhotoFolders(tmp_path / "data")
    assert folders.key(folders.find(str(path))) == path.as_posix()
    assert folders.find(path.as_uri()) == path


def test_nothing_leads_out_of_the_folder_of_the_data(tmp_path, photo):
    secret = photo("secret/a.jpg")
    data = tmp_path / "data"
    (data / "DCIM").mkdir(parents=True)
    (data / "DCIM/link.jpg").symlink_to(secret)
    (data / "files").symlink_to(secret.parent)
    folders = PhotoFolders(data)
    inside = str(data / "DCIM/link.jpg")
    for text in ("../secret/a.jpg", "link.jpg", "files/a.jpg", "a.jpg", inside):
        with pytest.raises(ItemError, match=r"leads out of .*--media FOLDER"):
            folders.find(text)
    with pytest.raises(ItemError, match="leads out of"):
        folders.find(f"{data}/../secret/a.jpg")
    allowed = PhotoFolders(data, media=tmp_path)
    assert allowed.find("../secret/a.jpg") == secret
    assert allowed.key(allowed.find("link.jpg")) == "secret/a.jpg"


@pytest.mark.parametrize(
    "text", ["..", "../a.jpg", "../../a.jpg", "/x/../../a.jpg", "/x/../a.jpg", "C:\\x\\..\\a.jpg"]
)
def test_a_path_with_dots_is_never_found_by_its_end(tmp_path, photo, text):
    photo("data/a.jpg")
    photo("data/DCIM/a.jpg")
    photo("data/photos/x/b.jpg")
    folders = PhotoFolders(tmp_path / "data")
    with pytest.raises(ItemError, match=r"leads out of .*--media FOLDER"):
        folders.find(text)
    assert folders.key(folders.find("DCIM/../a.jpg")) == "a.jpg"
    with pytest.raises(ItemError, match="no such file"):
        folders.find("DCIM/../A.JPG")


def test_a_name_without_its_ending_is_found_where_one_image_has_it(tmp_path, photo):
    for name in ("a.JPG", "b.jpg", "b.png", "photos/c d.jpeg", "photos/e.jpg", "e", "v1.2.jpg"):
        photo(name)
    (tmp_path / "f.txt").write_text("no image")
    folders = PhotoFolders(tmp_path)
    names = {"A": "a.JPG", "C D": "photos/c d.jpeg", "/old/e": "e", "v1.2": "v1.2.jpg"}
    for text, name in names.items():
        assert folders.key(folders.find(text)) == name
    for text in ("b", "f", "v1"):
        with pytest.raises(ItemError, match="no such file"):
            folders.find(text)


def test_the_files_that_there_are_decide_what_is_a_list(tmp_path, photo):
    for name in ("a.jpg", "b.jpg", "a\nb.jpg", "x.jpg;y.jpg", "c, d.jpg"):
        photo(name)
    values = ["a;b", "a|b", "a, b", "a\nb", "a\nb.jpg", "a\nb.jpg\n", "x.jpg;y.jpg", "c, d.jpg"]
    path = layer(tmp_path / "s.gpkg", [*values, "a;nowhere", "a.jpg;b.jpg"])
    assert found(path, photo_columns="photo") == {
        "a.jpg": ("ready", ("1", "2", "3", "4", "10")),
        "b.jpg": ("ready", ("1", "2", "3", "4", "10")),
        "a\nb.jpg": ("ready", ("5", "6")),
        "x.jpg;y.jpg": ("ready", ("7",)),
        "c, d.jpg": ("ready", ("8",)),
        "a;nowhere": ("missing", ("9",)),
    }


@pytest.mark.parametrize("text", ["a\0.jpg", "x" * 3000 + ".jpg", "", "/", ".", "DCIM"])
def test_a_text_that_is_no_path_is_missing(tmp_path, photo, text):
    photo("DCIM/a.jpg")
    with pytest.raises(ItemError, match="no such file; looked in"):
        PhotoFolders(tmp_path).find(text)


def test_the_catalog_is_no_photo_and_stops_nothing(catalog, tmp_path):
    path = csv(tmp_path / "s.csv", "photo", "results.gpkg", "a.jpg")
    scanned = list(scan(path, options=ScanOptions(photo_columns=("photo",))))
    catalog.add(scanned[0])
    rows = catalog.query("SELECT source_key, reason FROM items ORDER BY id")
    assert rows[0]["reason"] == "is the catalog itself"
    assert len(rows) == 2


def test_what_is_no_image_is_told_by_its_bytes(tmp_path, photo):
    photo("files/noname")
    (tmp_path / "voice.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A ")
    (tmp_path / "text.jpg").write_bytes(b"no photo")
    (tmp_path / "far.vrt").write_text("<VRTDataset/>")
    path = csv(tmp_path / "s.csv", "photo", "files/noname", "voice.m4a", "text.jpg", "far.vrt")
    found_here = found(path, photo_columns="photo")
    assert [status for status, _ in found_here.values()] == [
        *("ready", "skipped", "unreadable", "unreadable")
    ]


def test_a_text_of_megabytes_is_one_row(tmp_path):
    path = csv(tmp_path / "s.csv", "photo", "a.jpg", "b.jpg", "x-" * 100_000)
    assert reasons(path)["s/photo/3"] == "is no path: 200000 characters"


def test_media_is_where_paths_start(tmp_path, photo):
    photo("else/DCIM/a.jpg")
    (tmp_path / "data").mkdir()
    path = csv(tmp_path / "data/s.csv", "photo", "DCIM/a.jpg")
    (scanned,) = scan(path, options=ScanOptions.checked(media=tmp_path / "else"))
    (item,) = scanned.items
    assert (item.source_key, item.status) == ("DCIM/a.jpg", "ready")
    with reader(scanned.dataset) as fetch:
        assert fetch(item) == tmp_path / "else/DCIM/a.jpg"
        (tmp_path / "else/DCIM/a.jpg").unlink()
        with pytest.raises(ItemError, match="is gone"):
            fetch(item)


# --- child tables ------------------------------------------------------------------------

GUIDS = ["{5F0C0B5E-0000-4000-8000-00000000000A}", "{5F0C0B5E-0000-4000-8000-00000000000B}"]


def test_photos_of_a_child_table_belong_to_its_parent(catalog, tmp_path, photo):
    photo("a.jpg")
    path = layer(tmp_path / "s.gpkg", GUIDS, column="uuid", name="apiary")
    keys = [*([GUIDS[1].strip("{}").lower()] * 2), GUIDS[0]]
    rows = list(zip(keys, ["a.jpg", "b.jpg", "a.jpg"], strict=True))
    table(path, "apiary_pictures", rows, apiary_id="TEXT", path="TEXT")
    (dataset,) = [catalog.add(each) for each in scan(path)]
    assert (dataset.layer, dataset.attachment_table) == ("apiary", "apiary_pictures")
    links = catalog.query(
        "SELECT f.source_fid AS fid, i.source_key AS key FROM features_items l JOIN features f"
        " ON f.fid = l.base_id JOIN items i ON i.id = l.related_id ORDER BY 1, 2"
    )
    assert [tuple(link.values()) for link in links] == [(1, "a.jpg"), (2, "a.jpg"), (2, "b.jpg")]


def test_an_orphan_of_a_child_table_says_so(catalog, tmp_path, photo):
    for name in "abcdef":
        photo(f"{name}.jpg", seed=ord(name))
    path = layer(tmp_path / "s.gpkg", list("vwxyz"), column="code")
    rows = [*zip("vwxyq", ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], strict=True)]
    table(path, "pics", [*rows, (None, "f.jpg")], plot="TEXT", path="TEXT")
    [catalog.add(each) for each in scan(path)]
    rows = catalog.query("SELECT status, reason FROM items ORDER BY id")
    assert [row["status"] for row in rows] == ["ready"] * 4 + ["missing"] * 2
    assert rows[4]["reason"] == "orphan attachment: no feature has code = 'q'"
    assert rows[5]["reason"] == "orphan attachment: no feature has code = None"


def test_a_project_names_the_parent_by_any_key(tmp_path, photo, photo_bytes):
    path = layer(tmp_path / "s.gpkg", [GUIDS[0], GUIDS[1]], column="uuid", name="plots")
    layer(path, [1, 2], column="number", name="other")
    table(path, "pics", [(2, photo_bytes())], plot="INTEGER", image="BLOB")
    relation = (
        '<relation referencingLayer="c" referencedLayer="p" strength="Association">'
        '<fieldRef referencingField="plot" referencedField="fid"/></relation>'
    )
    layers = [("p", "s.gpkg", "plots"), ("c", "s.gpkg", "pics"), ("o", "s.gpkg", "other")]
    (tmp_path / "p.qgs").write_text(project(relations=relation, layers=layers))
    (scanned,) = scan(path)
    assert scanned.dataset.layer == "plots"
    (item,) = scanned.items
    assert (item.source_key, item.feature_keys) == ("pics/image/1", ("2",))
    with reader(scanned.dataset) as fetch:
        assert fetch(item) == photo_bytes()


def test_a_child_with_too_few_of_its_parents_keys_says_so(catalog, tmp_path, photo):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        photo(name)
    path = layer(tmp_path / "s.gpkg", ["p1", "p2", "p3"], column="uid")
    rows = [("p1", "a.jpg"), ("p3", "b.jpg"), ("other", "c.jpg")]
    table(path, "pictures", rows, tree="TEXT", path="TEXT")
    words = "pictures: 2 of 3 values of tree are in uid of plots, too few to be sure"
    (alone,) = scan(path)
    assert (alone.dataset.layer, alone.dataset.options["note"][: len(words)]) == ("pictures", words)
    assert "--layer plots ties them" in alone.dataset.options["note"]
    (named,) = scan(path, "plots")
    assert "only 2 of 3 values" in named.dataset.options["note"]
    (dataset,) = [catalog.add(each) for each in scan(path, "plots")]
    assert (dataset.layer, dataset.attachment_table) == ("plots", "pictures")
    states = catalog.query("SELECT name, status, reason FROM items ORDER BY name")
    assert [(row["name"], row["status"]) for row in states] == [
        ("a.jpg", "ready"), ("b.jpg", "ready"), ("c.jpg", "missing"),
    ]  # fmt: skip
    (chosen,) = scan(path, "pictures")
    assert "note" not in chosen.dataset.options


def test_a_child_of_a_layer_with_media_says_how_it_is_tied(tmp_path, make_gpkg, photo, photo_bytes):
    path = make_gpkg([("image/jpeg", photo_bytes(1))], [(1, 1)])
    photo("a.jpg")
    table(path, "pictures", [("P1", "a.jpg"), ("P2", "b.jpg")], plot="TEXT", path="TEXT")
    media, pictures = scan(path)
    assert (media.dataset.layer, pictures.dataset.layer) == ("plots", "pictures")
    assert pictures.dataset.options["note"] == (
        "pictures: 2 of 2 values of plot are in plot_id of plots, which has attachments of its own,"
        " so these photos are not tied to plots; --layer plots --photo-column path ties them"
    )
    assert found(path, layer="plots", photo_columns="path") == {
        "a.jpg": ("ready", ("1",)), "b.jpg": ("missing", ("2",)),
    }  # fmt: skip


def test_a_child_without_parent_stands_alone(tmp_path):
    others = ["a.jpg", "one", "two"]  # a path is no key
    path = layer(tmp_path / "s.gpkg", ["v", "v", "w"], column="code", other=others)
    table(path, "pics", [("v", "a.jpg")], plot="TEXT", path="TEXT")
    (scanned,) = scan(path)
    assert (scanned.dataset.layer, scanned.dataset.geometry_type) == ("pics", None)


@pytest.mark.parametrize(
    ("parent", "child"), [("tree_no", "tree_no"), ("nr", "plot_id"), ("nr", "plots_fid")]
)
def test_whole_numbers_tie_a_child_where_names_agree(tmp_path, photo, parent, child):
    for name in ("a.jpg", "b.jpg"):
        photo(name)
    keys = [101, 102, 103] if parent == child else [1, 2, 3]
    path = layer(tmp_path / "s.gpkg", [101, 102, 103], column=parent)
    rows = [(keys[0], "a.jpg", 1), (keys[2], "b.jpg", 2)]
    table(path, "pics", rows, **{child: "INTEGER", "path": "TEXT", "size": "INTEGER"})
    links = {"a.jpg": ("ready", ("1",)), "b.jpg": ("ready", ("3",))}
    assert found(path) == found(path, layer="plots") == links


def test_whole_numbers_under_other_names_tie_where_the_user_says_so(tmp_path, photo):
    photo("a.jpg")
    path = layer(tmp_path / "s.gpkg", [101, 102, 103], column="nr")
    table(path, "pics", [(103, "a.jpg")], ref="INTEGER", path="TEXT")
    (alone,) = scan(path)
    assert alone.dataset.layer == "pics"
    assert alone.dataset.options["note"] == (
        "pics: 1 of 1 values of ref are in nr of plots, whole numbers under other names, so its"
        " photos are not tied to plots; --layer plots ties them"
    )
    assert found(path, layer="plots") == {"a.jpg": ("ready", ("3",))}


def test_a_table_of_photos_that_no_layer_knows_says_so(tmp_path):
    path = layer(tmp_path / "s.gpkg", ["p", "q"], column="code")
    table(path, "pics", [("x", "a.jpg")], plot="TEXT", path="TEXT")
    (alone,) = scan(path)
    assert alone.dataset.options["note"].startswith("pics: no layer has the values of a column")
    (chosen,) = scan(path, "pics")
    assert "note" not in chosen.dataset.options


def sites(path):
    """Write sites, plots of them in a table without geometry, and photos of plots."""
    layer(path, ["s1", "s2"], column="uuid", name="site")
    plots = [("p1", "s2"), ("p2", "s2"), ("p3", "s1")]
    table(path, "plot", plots, uuid="TEXT", site_id="TEXT")
    rows = [("p1", "a.jpg"), ("p2", "a.jpg"), ("p3", "b.jpg"), ("p1", "c.jpg"), ("p2", "d.jpg")]
    table(path, "photo", rows, plot_id="TEXT", path="TEXT")
    return path


@pytest.mark.parametrize("asked", [None, "site"])
def test_photos_reach_a_layer_through_a_table_between(tmp_path, asked):
    path = sites(tmp_path / "s.gpkg")
    (scanned,) = scan(path, asked)
    assert (scanned.dataset.layer, scanned.dataset.attachment_table) == ("site", "photo")
    assert scanned.dataset.options["note"] == "photo: tied to site through plot"
    owners = {item.name: item.feature_keys for item in scanned.items}
    assert owners == {"a.jpg": ("2",), "b.jpg": ("1",), "c.jpg": ("2",), "d.jpg": ("2",)}


def test_the_table_between_is_the_parent_where_the_user_says_so(tmp_path):
    items = found(sites(tmp_path / "s.gpkg"), layer="plot")
    assert items["a.jpg"] == ("missing", ("1", "2"))


# --- coordinates -------------------------------------------------------------------------


def test_columns_of_coordinates_make_points(catalog, tmp_path):
    lines = ["4.5;45,25;a.jpg", "x;y;b.jpg", "400;1;c.jpg", "nan;1;d.jpg"]
    path = csv(tmp_path / "s.csv", "Lon;Lat;photo", *lines)
    (scanned,) = scan(path, options=ScanOptions(xy=("lon", "lat")))
    dataset = catalog.add(scanned)
    assert (dataset.geometry_type, dataset.srs.code) == ("POINT", 4326)
    (row,) = catalog.query(
        "SELECT group_concat(geom IS NOT NULL) AS placed, json_extract(attributes, '$.Lat') AS y"
        " FROM features"
    )
    assert row == {"placed": "1,0,0,0", "y": "45,25"}


# --- refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "trees"}, "no layer trees; there are plots"),
        ({"photo_columns": ["pic"]}, "no column pic; there are plots: photo"),
        ({"xy": ("lon", "lat")}, "no column lon; there are plots: photo"),
    ],
)
def test_a_name_that_is_not_there_lists_those_that_are(tmp_path, options, message):
    path = layer(tmp_path / "s.gpkg", ["a.jpg"])
    with pytest.raises(SourceError, match=message):
        list(scan(path, options=ScanOptions.checked(**options)))


@pytest.mark.parametrize("name", ["a.jpg", "."])
def test_images_have_no_columns(tmp_path, photo, name):
    photo("a.jpg")
    with pytest.raises(SourceError, match="is no table and has no columns"):
        list(scan(tmp_path / name, options=ScanOptions(photo_columns=("x",))))


def test_options_are_checked_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match=r"--media .*: no such folder"):
        ScanOptions.checked(media=tmp_path / "none")
    for xy in ("lon", ("lon",), ("lon", "")):
        with pytest.raises(UsageError, match="is not two columns"):
            ScanOptions.checked(xy=xy)


@pytest.mark.parametrize("data", [b"", b"\n\n", b'"'])
def test_an_empty_text_table_is_one_line(tmp_path, data):
    path = tmp_path / "s.csv"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"s\.csv: "):
        list(scan(path))


@pytest.mark.parametrize("name", ["s.geojson", "s.fgb", "s.shp", "s.xlsx", "s.kml"])
def test_a_table_that_is_cut_off_is_one_line(tmp_path, name):
    path = tmp_path / name
    starts = {"s.geojson": b'{"type"', "s.fgb": b"fgb\x03fgb\x01", "s.shp": b"\x00\x00\x27\x0a"}
    path.write_bytes(starts.get(name, b"PK\x03\x04" if name == "s.xlsx" else b"<x><kml"))
    with pytest.raises(SourceError) as error:
        list(scan(path))
    assert "\n" not in str(error.value)


# --- end to end --------------------------------------------------------------------------


def test_a_table_is_classified_with_its_photos(tmp_path, photo, model_emd, photo_bytes):
    photo("shots/a.jpg")
    (tmp_path / "data").mkdir()
    encoded = base64.b64encode(photo_bytes(1)).decode()
    path = csv(
        tmp_path / "data/trees.csv",
        *("id,x,y,photo,scan", "01,4,45,a.jpg," + encoded, "02,5,46,b.jpg,", "03,,,a.jpg,"),
    )
    command = ["classify", str(path), "--model", str(model_emd), "-o", str(tmp_path / "r.gpkg")]
    command += ["--xy", "x,y", "--media", str(tmp_path / "shots"), "--format", "json"]
    command += ["--photo-column", "photo", "--photo-column", "scan"]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 3, answer.output
    assert "b.jpg: no such file" in answer.stderr
    with closing(sqlite3.connect(tmp_path / "r.gpkg")) as database:
        rows = database.execute(
            "SELECT id, image_name, attachment_id, status FROM trees_classified ORDER BY fid"
        ).fetchall()
    assert rows == [
        *(("01", "scan 1", 1, "done"), ("01", "a.jpg", None, "done")),
        *(("02", "b.jpg", None, "failed"), ("03", "a.jpg", None, "done")),
    ]


# --- real files --------------------------------------------------------------------------

GOLDEN = [
    # file, layer, features, links, ready items with features, missing items with features
    ("qfield/bee_farming/bees.gpkg", "apiary", 35, 35, (2, 14), (2, 21)),
    ("qfield/bee_farming/bees.gpkg", "area", 14, 14, (0, 0), (5, 14)),
    ("mergin/survey.gpkg", "notes", 3, 2, (2, 2), (0, 0)),
    ("mergin/survey.gpkg", "photos", 1, 1, (1, 1), (0, 0)),
]


@pytest.mark.shared_data
@pytest.mark.parametrize(("file", "name", "features", "links", "ready", "missing"), GOLDEN)
def test_a_real_survey_gives_its_golden_counts(
    catalog, shared_data, file, name, features, links, ready, missing
):
    source = shared_data / "attachments" / file
    every = {each.dataset.layer: each for each in scan(source)}
    assert name in every
    catalog.add(every[name])
    (row,) = catalog.query("SELECT count(*) AS n FROM features")
    assert row["n"] == features
    counts = {
        row["status"]: (row["items"], row["links"])
        for row in catalog.query(
            "SELECT i.status, count(DISTINCT i.id) AS items, count(l.id) AS links FROM items i"
            " JOIN features_items l ON l.related_id = i.id GROUP BY 1"
        )
    }
    assert counts.get("ready", (0, 0)) == ready
    assert counts.get("missing", (0, 0)) == missing
    assert sum(count for _, count in counts.values()) == links


@pytest.mark.shared_data
def test_a_real_survey_has_no_other_photo_layers(shared_data):
    source = shared_data / "attachments/qfield/bee_farming"
    layers = [each.dataset.layer for each in scan(source / "bees.gpkg")]
    assert sorted(layers) == ["apiary", "area"]


def test_sources_are_never_written(tmp_path, photo):
    photo("a.jpg")
    path = layer(tmp_path / "s.gpkg", ["a.jpg"])
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    before = {p.name: p.read_bytes() for p in Path(tmp_path).iterdir()}
    assert found(path)
    assert {p.name: p.read_bytes() for p in Path(tmp_path).iterdir()} == before


def test_letters_composed_or_not_are_one_name(tmp_path, photo_bytes):
    """A table from a telephone names ä as a and two dots."""
    (tmp_path / "B\u00e4ume.jpg").write_bytes(photo_bytes(1))
    (tmp_path / "t.csv").write_text("id,photo\n1,Ba\u0308ume.jpg\n", encoding="utf-8")
    (scanned,) = scan(tmp_path / "t.csv")
    assert [item.status for item in scanned.items] == ["ready"]


def test_a_form_beside_it_does_not_shorten_the_values_of_a_table(tmp_path, photo_bytes):
    """How long a value may be holds for the whole process."""
    image = photo_bytes(1) + b"\0" * 14_000_000
    text = base64.b64encode(image).decode()
    (tmp_path / "t.csv").write_text(f"id,photo\n1,{text}\n")
    (scanned,) = scan(tmp_path / "t.csv")
    (tmp_path / "form").mkdir()
    (tmp_path / "form/f.csv").write_text("SubmissionDate,KEY,photo\nx,y,a.jpg\n")
    list(scan(tmp_path / "form"))
    assert [item.status for item in scanned.items] == ["ready"]
