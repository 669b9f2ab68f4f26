"""Single files and folders: every file is an item, told by content and not by name."""

import io
import os
import re
import shutil
import sys
import unicodedata
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path, PurePath

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin
from pyproj import Transformer
from rasterio.errors import NotGeoreferencedWarning

from pixelcat.catalog.errors import ItemError, SourceError
from pixelcat.catalog.store import Catalog
from pixelcat.io.names import safe_stem
from pixelcat.io.sources import reader, scan


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture
def write_tif():
    """Return a function that writes a GeoTIFF of ones."""

    def write(path, *, transform=None, crs=None, width=40, height=30):
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint8", "width": width}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", **profile, height=height, transform=transform, crs=crs
            ) as file:
                file.write(np.ones((1, height, width), np.uint8))
        return path

    return write


def items(path):
    (scanned,) = scan(path)
    return list(scanned.items)


def item(path):
    (found,) = items(path)
    return found


def states(path):
    return [(each.source_key, each.status, each.reason) for each in items(path)]


UTM = Affine(30, 0, 700_000, 0, -30, -2_800_000)

# --- one file ----------------------------------------------------------------------------


def test_a_file_is_one_item(photos, photo_bytes):
    path = photos / "a.jpg"
    path.write_bytes(photo_bytes())
    (scanned,) = scan(path)
    assert (scanned.dataset.kind, scanned.dataset.uri) == ("file", str(path))
    assert [(each.kind, each.source_key, each.status) for each in scanned.items] == [
        ("file", "a.jpg", "ready")
    ]


def test_a_relative_path_is_stored_absolute(photos, photo_bytes, monkeypatch):
    (photos / "a.jpg").write_bytes(photo_bytes())
    monkeypatch.chdir(photos)
    (scanned,) = scan(Path("a.jpg"))
    assert scanned.dataset.uri == str(photos / "a.jpg")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"%PDF-1.4", "not an image but a PDF"),
        (b"name,height\n1,2\n", "not an image but a text file"),
        (b"<html><body>404", "not an image but a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not an image but a Git LFS pointer"),
        (b"PK\x03\x04" + b"\0" * 40, "not an image but a ZIP archive"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0" + b"\0" * 40, "not an image but a video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0" + b"\0" * 40, "damaged HEIF header"),
        (b"\0\0\0\x18ftypavif\0\0\0\0" + b"\0" * 40, "damaged AVIF header"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 60, "not an image but an HDF5 file"),
    ],
)
def test_a_file_that_is_no_image_says_what_it_is(photos, data, reason):
    path = photos / "photo.jpg"
    path.write_bytes(data)
    found = item(path)
    assert found.status == "unreadable"
    assert found.reason.startswith(reason)
    assert "\n" not in found.reason


def test_a_missing_path_is_refused(photos):
    with pytest.raises(SourceError, match=r"nowhere\.tif: no such file or folder"):
        list(scan(photos / "nowhere.tif"))


@pytest.mark.parametrize("kind", ["an image", "a folder"])
def test_a_layer_of_something_without_layers_is_refused(photos, photo_bytes, kind):
    path = photos if kind == "a folder" else photos / "a.jpg"
    (photos / "a.jpg").write_bytes(photo_bytes())
    with pytest.raises(SourceError, match=f"is {kind} and has no layers; leave out --layer"):
        list(scan(path, "plots"))


def test_a_file_is_fetched_as_a_path(photos, photo_bytes):
    path = photos / "a.jpg"
    path.write_bytes(photo_bytes())
    (scanned,) = scan(path)
    (found,) = scanned.items
    with reader(scanned.dataset) as fetch:
        assert fetch(found) == path
        path.unlink()
        with pytest.raises(ItemError, match=r"a\.jpg is gone"):
            fetch(found)
        os.mkfifo(path)
        with pytest.raises(ItemError, match=r"a\.jpg is no regular file any more"):
            fetch(found)


# --- folders -----------------------------------------------------------------------------


def test_a_folder_is_read_with_its_sub_folders_in_a_fixed_order(photos, photo_bytes):
    names = ["b.jpg", "A/z.jpg", "A/deep/er/x.jpg", "a.jpg", "c/a.jpg"]
    for name in names:
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).write_bytes(photo_bytes())
    found = [(each.source_key, each.name) for each in items(photos)]
    expected = ["a.jpg", "b.jpg", "A/z.jpg", "A/deep/er/x.jpg", "c/a.jpg"]
    assert found == [(key, PurePath(key).name) for key in expected]


def test_the_items_of_a_folder_are_fetched_as_paths(photos, photo_bytes):
    (photos / "A").mkdir()
    (photos / "A" / "z.jpg").write_bytes(photo_bytes())
    (scanned,) = scan(photos)
    (found,) = scanned.items
    with reader(scanned.dataset) as fetch:
        assert fetch(found) == photos / "A" / "z.jpg"
        with pytest.raises(ItemError, match=r"y\.jpg is gone"):
            fetch(replace(found, source_key="A/y.jpg"))


def test_files_are_told_by_content_not_by_name(photos, photo_bytes, write_tif):
    (photos / "photo").write_bytes(photo_bytes())
    (photos / "photo.txt").write_bytes(photo_bytes(kind="PNG"))
    (photos / "notes.jpg").write_bytes(b"no photo")
    (photos / "notes.txt").write_bytes(b"no photo")
    write_tif(photos / "scene.jpg")
    assert states(photos) == [
        ("notes.jpg", "unreadable", "not an image but a text file"),
        ("notes.txt", "skipped", "not an image but a text file"),
        ("photo", "ready", None),
        ("photo.txt", "ready", None),
        ("scene.jpg", "ready", None),
    ]
    assert [each.content_type for each in items(photos)][2:] == [
        "image/jpeg",
        "image/png",
        "image/tiff",
    ]


@pytest.mark.parametrize("text", ["BMW, parked", "II*", "GIF89 is older than PNG", "RIFF"])
def test_notes_that_begin_like_an_image_are_no_image(photos, text):
    (photos / "notes.txt").write_text(text + " and more of the same" * 9)
    assert states(photos) == [("notes.txt", "skipped", "not an image but a text file")]


def test_hidden_files_and_folders_are_left_out(photos, photo_bytes):
    for name in ("a.jpg", ".b.jpg", ".thumbs/c.jpg", "sub/.DS_Store"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(photo_bytes())
    assert states(photos) == [("a.jpg", "ready", None)]


@pytest.mark.parametrize("name", ["scene.tif.ovr", "scene.tif.msk", "scene.TIF.AUX.XML"])
def test_companions_of_a_raster_are_skipped(photos, write_tif, name):
    write_tif(photos / "scene.tif")
    write_tif(photos / name)
    assert (name, "skipped", "belongs to another raster") in states(photos)


def test_databases_in_a_folder_are_skipped_and_named(photos, photo_bytes, make_gdb, make_gpkg):
    (photos / "a.jpg").write_bytes(photo_bytes())
    shutil.move(make_gdb([]), photos / "survey.gdb")
    shutil.move(make_gpkg([], []), photos / "survey.gpkg")
    advice = "give it as an input of its own"
    assert states(photos) == [
        ("a.jpg", "ready", None),
        ("survey.gdb", "skipped", f"a file geodatabase; {advice}"),
        ("survey.gpkg", "skipped", f"a GeoPackage; {advice}"),
    ]


def test_a_link_that_points_nowhere_says_so(photos, photo_bytes):
    (photos / "a.jpg").write_bytes(photo_bytes())
    (photos / "b.jpg").symlink_to(photos / "nowhere.jpg")
    (photos / "c.jpg").symlink_to(photos / "a.jpg")
    (photos / "d.jpg").symlink_to("/dev/zero")
    assert states(photos) == [
        ("a.jpg", "ready", None),
        ("b.jpg", "unreadable", "link points nowhere"),
        ("c.jpg", "ready", None),
        ("d.jpg", "unreadable", "not a regular file"),
    ]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(photos, photo_bytes, tmp_path):
    (photos / "a.jpg").write_bytes(photo_bytes())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.jpg").write_bytes(photo_bytes(1))
    (photos / "b.jpg").symlink_to(elsewhere / "secret.jpg")
    (photos / "c").symlink_to(elsewhere)
    (tmp_path / "link").symlink_to(photos)
    reason = "a link that leads out of the folder; give what it leads to"
    for folder in (photos, tmp_path / "link"):
        assert states(folder) == [
            ("a.jpg", "ready", None),
            ("b.jpg", "unreadable", reason),
            ("c", "skipped", "a link to a folder; give it as an input of its own"),
        ]


def test_tables_that_name_photos_of_the_folder_are_hinted_at(photos, photo_bytes):
    (photos / "sub").mkdir()
    (photos / "a.jpg").write_bytes(photo_bytes())
    (photos / "sub/b.jpg").write_bytes(photo_bytes(1))
    for name, text in (
        ("other.csv", "id,photo\n1,nowhere.jpg\n2,other.jpg\n"),
        ("remarks.csv", "id,remark\n1,a tree\n2,see a.jpg\n"),
        ("empty.csv", ""),
        ("header.csv", "id,photo\n"),
        ("zero.csv", "id,photo\n1,a\0.jpg\n"),
        ("sub/inner.csv", "id,photo\n1,b.jpg\n"),
    ):
        (photos / name).write_text(text)
    (scanned,) = scan(photos)
    assert "note" not in scanned.dataset.options
    (photos / "trees.csv").write_text("id;photo\n1;sub/b.jpg\n2;\n3;gone.jpg\n")
    (scanned,) = scan(photos)
    assert scanned.dataset.options["note"] == (
        "trees.csv in photos names photos that lie there; give photos/trees.csv instead to tie"
        " them to its rows"
    )


@pytest.mark.parametrize("name", ["trees.kml", "trees.geojson", "trees.shp", "trees.gpx"])
def test_layers_that_name_photos_of_the_folder_are_hinted_at(photos, photo_bytes, name):
    (photos / "a.jpg").write_bytes(photo_bytes())
    values = {"cmt" if name.endswith(".gpx") else "photo": ["a.jpg", "gone.jpg"]}
    frame = geopandas.GeoDataFrame(values, geometry=[shapely.Point(4, 45)] * 2, crs=4326)
    options = {"driver": "KML"} if name.endswith(".kml") else {}
    frame.to_file(photos / name, engine="pyogrio", **options)
    (scanned,) = scan(photos)
    assert f"give photos/{name} instead" in scanned.dataset.options["note"]
    assert scanned.dataset.options["note"].startswith(f"{name} in photos names photos")


@pytest.mark.parametrize("inside", [None, "notes.txt", "a00000002.gdbtable"])
def test_a_folder_called_gdb_that_is_no_geodatabase_is_refused(tmp_path, inside):
    folder = tmp_path / "broken.gdb"
    folder.mkdir()
    if inside:
        (folder / inside).write_text("anything")
    with pytest.raises(
        SourceError, match=r"broken\.gdb: named like a file geodatabase and is none"
    ):
        list(scan(folder))


@pytest.mark.parametrize(
    ("keep", "reason"), [(1.0, "a ZIP archive; unpack it"), (0.5, "a damaged ZIP archive; get it")]
)
def test_an_archive_of_photos_is_none_of_our_inputs(tmp_path, photo_bytes, keep, reason):
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", photo_bytes())
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(SourceError, match=rf"photos\.zip: {reason}"):
        list(scan(path))
    ((_, status, words),) = states(tmp_path)
    assert (status, words.partition(";")[0]) == ("skipped", reason.partition(";")[0])


def test_the_layer_in_an_archive_is_what_to_give(tmp_path, photo_bytes):
    path = tmp_path / "survey.kmz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("files/a.jpg", photo_bytes())
        archive.writestr("doc.kml", "<kml/>")
    with pytest.raises(SourceError, match=r"a ZIP archive; unpack it and give doc\.kml$"):
        list(scan(path))


@pytest.mark.parametrize("name", ["s.gpkg", "s.kml", "s.shp", "s.geojson", "s.xlsx", "s.fgb"])
@pytest.mark.parametrize(
    ("data", "what"), [(b"", "an empty file"), (b"<?xml version='1.0'?><k", "an XML file")]
)
def test_damaged_data_is_no_image_and_refused(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=rf"s\.\w+: damaged, or not .*: it is {what}$"):
        list(scan(tmp_path / name))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_is_refused_and_not_read():
    with pytest.raises(SourceError, match=r"^/dev/zero: neither a regular file nor a folder$"):
        list(scan(Path("/dev/zero")))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_as_input_is_refused(tmp_path):
    os.mkfifo(tmp_path / "p.jpg")
    with pytest.raises(SourceError, match="neither a regular file nor a folder"):
        list(scan(tmp_path / "p.jpg"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(photos, photo_bytes):
    (photos / "a.jpg").write_bytes(photo_bytes())
    os.mkfifo(photos / "b.jpg")
    assert states(photos)[1] == ("b.jpg", "unreadable", "not a regular file")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_not_utf_8_stops_no_scan(photos, photo_bytes, tmp_path):
    """From a ZIP archive made on an old Windows: ``caf\\xe9.jpg``."""
    (photos / "a.jpg").write_bytes(photo_bytes(1))
    odd = os.path.join(os.fsencode(photos), b"caf\xe9.jpg")  # noqa: PTH118  bytes
    with open(odd, "wb") as file:
        file.write(photo_bytes(2))
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        for each in scan(photos):
            catalog.add(each)
        rows = catalog.query("SELECT name FROM items")
    assert len(rows) == 2
    assert rows[0] == {"name": "a.jpg"}


@pytest.mark.parametrize(
    "name", ["100%.jpg", "a'b\".jpg", "é ö 🌻.jpg", "a;b.jpg", " .jpg", "-o.jpg"]
)
def test_odd_names_are_kept(photos, photo_bytes, name):
    (photos / name).write_bytes(photo_bytes())
    assert states(photos) == [(name, "ready", None)]


def test_an_empty_folder_is_refused(photos):
    with pytest.raises(SourceError, match="photos is empty"):
        list(scan(photos))


def test_our_own_catalog_and_rasters_are_no_items(photos, photo_bytes):
    (photos / "a.jpg").write_bytes(photo_bytes())
    with Catalog(photos / "results.gpkg", create=True) as catalog:
        (catalog.rasters / "run_1").mkdir(parents=True)
        (catalog.rasters / "run_1" / "1.tif").write_bytes(photo_bytes())
        (photos / "results.gpkg-journal").touch()
        assert states(photos) == [("a.jpg", "ready", None)]


def test_photos_named_like_the_catalog_are_items(photos, photo_bytes):
    """A catalog called ``plot`` beside ``plot1.jpg``: nothing is left out in silence."""
    for name in ("plot1.jpg", "plot.jpg", "other_rasters/plot.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes(photo_bytes())
    with Catalog(photos / "plot", create=True):
        assert [key for key, *_ in states(photos)] == [
            "plot.jpg",
            "plot1.jpg",
            "other_rasters/plot.jpg",
        ]


# --- where an image is -------------------------------------------------------------------


def test_a_georeferenced_raster_has_a_footprint_in_degrees(photos, write_tif):
    found = item(write_tif(photos / "scene.tif", transform=UTM, crs="EPSG:32621"))
    outline = shapely.from_wkb(found.footprint)
    assert (found.srs.organization, found.srs.code) == ("EPSG", 32621)
    assert found.transform == tuple(UTM)[:6]
    to_degrees = Transformer.from_crs(32621, 4326, always_xy=True).transform
    corners = [to_degrees(*(UTM @ corner)) for corner in ((0, 0), (40, 0), (40, 30), (0, 30))]
    assert outline.contains(shapely.Point(to_degrees(*(UTM @ (20, 15)))))
    assert outline.hausdorff_distance(shapely.Polygon(corners)) < 1e-6


def test_a_footprint_follows_curved_edges(photos, write_tif):
    """Edges straight in a conic system bend in degrees: the corners alone would not do."""
    wide = Affine(50_000, 0, 2_500_000, 0, -50_000, 5_000_000)
    path = write_tif(photos / "europe.tif", transform=wide, crs="EPSG:3035", width=80, height=40)
    outline = shapely.from_wkb(item(path).footprint)
    assert len(outline.geoms[0].exterior.coords) > 40


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (None, None),
        (UTM, None),  # coordinates, nobody knows of what
        (Affine(30, 0, 1e9, 0, -30, 1e9), "EPSG:32621"),  # nowhere on the globe
    ],
)
def test_a_raster_without_a_place_has_no_footprint(photos, write_tif, transform, crs):
    found = item(write_tif(photos / "scene.tif", transform=transform, crs=crs))
    assert found.status == "ready"
    assert found.footprint is None


def exif_photo(tags=None, gps=None):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update(tags or {})
    exif.get_ifd(0x8825).update(gps or {})
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def degrees(d, m, s):
    return tuple(TiffImagePlugin.IFDRational(round(part * 100), 100) for part in (d, m, s))


def test_a_photo_says_when_and_where_it_was_taken(photos):
    gps = {1: "S", 2: degrees(25, 30, 36), 3: "W", 4: degrees(54, 15, 0)}
    (photos / "a.jpg").write_bytes(exif_photo({0x9003: "2024:05:06 07:08:09"}, gps))
    found = item(photos / "a.jpg")
    assert (found.lat, found.lon) == (pytest.approx(-25.51), -54.25)
    assert found.taken_at == "2024-05-06T07:08:09"
    assert (found.orientation, found.width, found.height) == (6, 20, 30)
    assert found.footprint is None


@pytest.mark.parametrize(
    "gps",
    [
        {1: "N", 2: degrees(0, 0, 0), 3: "E", 4: degrees(0, 0, 0)},
        {1: "N", 2: degrees(95, 0, 0), 3: "E", 4: degrees(4, 0, 0)},
        {1: "N", 2: degrees(45, 0, 0)},
        {1: "N", 2: (TiffImagePlugin.IFDRational(0, 0),) * 3, 3: "E", 4: degrees(4, 0, 0)},
    ],
    ids=["null island", "beyond the pole", "half", "not a number"],
)
def test_a_position_that_cannot_be_is_none(photos, gps):
    (photos / "a.jpg").write_bytes(exif_photo({0x9003: "    :  :     :  :  "}, gps))
    found = item(photos / "a.jpg")
    assert (found.status, found.lon, found.lat, found.taken_at) == ("ready", None, None, None)


@pytest.mark.shared_data
def test_real_geotagged_photos_are_placed(shared_data):
    found = items(shared_data / "attachments/photos/gps")
    assert [each.status for each in found] == ["ready"] * 9
    assert all(43.46 <= each.lat <= 43.48 and 11.87 <= each.lon <= 11.9 for each in found)
    assert all(each.taken_at.startswith("2008-") for each in found)


# --- names for our own files -------------------------------------------------------------


@given(st.text(max_size=200))
@example("..")
@example("../../etc/passwd")
@example("C:\\photos\\CON.jpg")
@example("a/b\\..\\c\x00\n.jpg")
@example(" ... ")
@example("\ud800")
@example("é" * 100)
@example("e\u0301" * 100)
def test_a_stem_is_a_harmless_name(name):
    stem = safe_stem(name)
    assert stem == unicodedata.normalize("NFC", stem)
    assert 0 < len(stem.encode()) <= 80
    assert PurePath(stem).name == stem
    assert not set(stem) & set('/\\:*?"<>| \x00\n')
    assert not stem.startswith(".")
    assert not stem.endswith((".", " "))
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", stem)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("IMG_0001.JPG", "IMG_0001"),
        ("Photo 1.jpg", "Photo_1"),
        ("dir/plot 7.b.tif", "plot_7.b"),
        ("C:\\data\\x.png", "x"),
        ("Füße.jpg", "Füße"),
        ("フィールド.jpg", "フィールド"),
        ("...", "image"),
        ("", "image"),
        ("con.jpg", "_con"),
        ("NUL.txt__same.png", "_NUL.txt__same"),
        ("COM1", "_COM1"),
        ("lpt9.tar.gz", "_lpt9.tar"),
        ("COM².png", "_COM²"),
        ("CON" + "_" * 90 + "x.png", "_CON"),
        ("console.png", "console"),
    ],
)
def test_a_stem_is_recognisable(name, stem):
    assert safe_stem(name) == stem
