"""The catalog as a GeoPackage: valid, readable by every client, and its geometry blobs."""

import sqlite3
import struct

import fiona
import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import example, given
from hypothesis import strategies as st

from pixelcat.catalog import geometry
from pixelcat.catalog.geopackage import safe_type
from pixelcat.catalog.output_columns import SUMMARY_COLUMNS, output_columns, share_names
from pixelcat.catalog.records import Column, Dataset, Feature, Item, Scan, Srs
from pixelcat.catalog.store import Catalog
from pixelcat.io.sources import scan

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POINTS = st.tuples(NUMBERS, NUMBERS)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.fixture
def photo(photo_bytes):
    return ("image/jpeg", photo_bytes())


@pytest.fixture
def georeferenced(tmp_path):
    """A folder with a small raster of 30 m pixels in UTM zone 21 N."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    with rasterio.open(
        folder / "scene.tif", "w", driver="GTiff", width=8, height=6, count=3, dtype="uint8",
        crs=32621, transform=Affine(30, 0, 700_000, 0, -30, -2_800_000),
    ) as file:  # fmt: skip
        file.write(np.ones((3, 6, 8), np.uint8))
    return folder


@pytest.fixture
def sources(make_gdb, make_gpkg, georeferenced, photo):
    """An input of every kind."""
    gdb = make_gdb([(1, "a.jpg", *photo), (2, "b.pdf", "application/pdf", b"%PDF-1.4")])
    return [gdb, make_gpkg([photo], [(1, 1), (2, 1)]), georeferenced, georeferenced / "scene.tif"]


@pytest.fixture
def catalog_file(tmp_path, sources, start_run):
    """A closed catalog of inputs of every kind, feature classes written."""
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True) as catalog:
        datasets = [catalog.add(each) for source in sources for each in scan(source)]
        for model in ("land", "water"):
            run = start_run(catalog, model)
            for dataset in datasets[:2]:
                catalog.write_feature_class(dataset.id, run)
    return path


def one_feature(shape, **dataset):
    """A scan of one feature with one attachment."""
    wkb = shapely.to_wkb(shape, flavor="iso")
    flat = shapely.to_wkb(shapely.force_2d(shape))
    return Scan(
        dataset=Dataset(**{"kind": "filegdb", "uri": "/a.gdb", "layer": "plots", **dataset}),
        features=[Feature(source_fid=1, geometry=wkb, location=flat)],
        items=[Item(kind="attachment", source_key="1", name="a.jpg", feature_keys=("1",))],
    )


# --- the container -----------------------------------------------------------------------


def test_an_empty_catalog_is_a_valid_geopackage(tmp_path, gpkg_errors):
    Catalog(tmp_path / "results.gpkg", create=True).close()
    assert gpkg_errors(tmp_path / "results.gpkg") == []


def test_a_catalog_of_every_input_kind_is_a_valid_geopackage(catalog_file, gpkg_errors):
    assert gpkg_errors(catalog_file) == []


def test_a_catalog_added_to_twice_is_a_valid_geopackage(catalog_file, sources, gpkg_errors):
    with Catalog(catalog_file) as catalog:
        for source in sources:
            for each in scan(source):
                catalog.add(each)
    assert gpkg_errors(catalog_file) == []


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("POINT", "POINT Z (1 2 3)"),
        ("POINT", "POINT M (1 2 3)"),
        ("LINESTRING", "LINESTRING ZM (1 2 3 4, 5 6 7 8)"),
        ("MULTIPOLYGON", "MULTIPOLYGON (((0 0, 2 0, 2 2, 0 0)))"),
        ("GEOMETRY", "POLYGON EMPTY"),
        ("POINT", None),
        (None, None),
    ],
)
def test_every_geometry_gives_a_valid_geopackage(tmp_path, start_run, gpkg_errors, kind, shape):
    path = tmp_path / "results.gpkg"
    shape = shapely.from_wkt(shape)
    with Catalog(path, create=True) as catalog:
        has_z = bool(shape is not None and shapely.has_z(shape))
        dataset = catalog.add(one_feature(shape, geometry_type=kind, has_z=has_z))
        catalog.write_feature_class(dataset.id, start_run(catalog))
    assert gpkg_errors(path) == []


@pytest.mark.parametrize(
    ("shapes", "declared", "z"),
    [
        (["POINT Z (1 2 3)", "POINT Z (1 2 3)"], True, 1),
        (["POINT Z (1 2 3)", "POINT (1 2)"], True, 2),
        (["POINT (1 2)", None], True, 0),
        (["POINT M (1 2 3)"], False, 0),
        (["POINT Z EMPTY"], True, 1),
        ([struct.pack("<BII", 1, 1005, 0)], True, 1),
        ([None], True, 1),
    ],
)
def test_heights_are_said_as_they_are(tmp_path, start_run, gpkg_errors, shapes, declared, z):
    path = tmp_path / "results.gpkg"
    features = [
        Feature(
            source_fid=number,
            geometry=shape
            if isinstance(shape, bytes)
            else shapely.to_wkb(shapely.from_wkt(shape), flavor="iso"),
        )
        for number, shape in enumerate(shapes)
    ]
    with Catalog(path, create=True) as catalog:
        scanned = one_feature(None, geometry_type="GEOMETRY", has_z=declared)
        dataset = catalog.add(Scan(dataset=scanned.dataset, features=features))
        catalog.write_feature_class(dataset.id, start_run(catalog))
        assert catalog.query("SELECT z, m FROM gpkg_geometry_columns WHERE table_name LIKE 'plots%'"
                             ) == [{"z": z, "m": 0}] * 2  # fmt: skip
    assert gpkg_errors(path) == []


@pytest.mark.parametrize("kind", ["GEOMETRY", "CIRCULARSTRING"])
def test_curves_are_declared(tmp_path, start_run, gpkg_errors, kind):
    path = tmp_path / "results.gpkg"
    arc = struct.pack("<BII6d", 1, 8, 3, 0, 0, 1, 1, 2, 0)
    with Catalog(path, create=True) as catalog:
        scanned = one_feature(None, geometry_type=kind)
        features = [Feature(source_fid=1, geometry=arc)]
        dataset = catalog.add(Scan(dataset=scanned.dataset, features=features))
        for _ in range(2):
            table, _ = catalog.write_feature_class(dataset.id, start_run(catalog))
        query = "SELECT extension_name AS name FROM gpkg_extensions WHERE table_name = ? ORDER BY 1"
        assert [row["name"] for row in catalog.query(query, (table,))] == [
            *("gpkg_geom_CIRCULARSTRING", "gpkg_rtree_index"),
        ]
    assert gpkg_errors(path) == []


@pytest.mark.parametrize(
    "layer", ["Land cover", 'a "quoted" one', "x; DROP TABLE items", "Füße 🌻", "{t}", "1"]
)
def test_any_layer_name_gives_a_valid_geopackage(tmp_path, start_run, gpkg_errors, layer):
    path = tmp_path / "results.gpkg"
    with Catalog(path, create=True) as catalog:
        scanned = one_feature(shapely.Point(1, 2), layer=layer, geometry_type="POINT")
        table, summary = catalog.write_feature_class(catalog.add(scanned).id, start_run(catalog))
    assert (table, summary) == (f"{layer}_classified", f"{layer}_classified_summary")
    assert gpkg_errors(path) == []
    assert len(pyogrio.read_dataframe(path, layer=table)) == 1


def test_the_file_says_geopackage_1_3(catalog_file):
    with sqlite3.connect(catalog_file) as database:
        application_id = database.execute("PRAGMA application_id").fetchone()[0]
        user_version = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    assert application_id.to_bytes(4, "big") == b"GPKG"
    assert user_version == 10300


def test_every_table_and_view_is_in_the_contents(catalog_file):
    with sqlite3.connect(catalog_file) as database:
        tables = {
            row[0]
            for row in database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
                " AND name NOT LIKE 'gpkg%' AND name NOT LIKE 'rtree%' AND name NOT LIKE 'sqlite%'"
            )
        }
        contents = {row[0] for row in database.execute("SELECT table_name FROM gpkg_contents")}
    database.close()
    assert contents == tables
    assert {"items", "item_results", "plots_classified", "plots_classified_2_summary"} <= tables


def test_foreign_keys_hold(catalog_file):
    with sqlite3.connect(catalog_file) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()


@pytest.mark.parametrize("reader", ["pyogrio", "fiona"])
def test_every_table_opens(catalog_file, reader):
    if reader == "pyogrio":
        names = pyogrio.list_layers(catalog_file)[:, 0]
        rows = {name: len(pyogrio.read_dataframe(catalog_file, layer=name)) for name in names}
    else:
        rows = {}
        for name in fiona.listlayers(catalog_file):
            with fiona.open(catalog_file, layer=name) as layer:
                rows[name] = len(list(layer))
    expected = {
        "datasets": 4,
        "features": 6,
        "items": 5,
        "footprints": 2,
        "runs": 2,
        "plots_classified": 3,
        "plots_classified_2_summary": 3,
        "item_results": 0,
        "feature_class_stats": 0,
    }
    assert {name: rows[name] for name in expected} == expected


@pytest.mark.parametrize("suffix", ["", "_summary"])
def test_the_feature_class_has_the_geometry_and_columns_of_its_source(
    catalog_file, sources, suffix
):
    source = geopandas.read_file(sources[0], layer="plots")
    ours = geopandas.read_file(catalog_file, layer=f"plots_classified{suffix}")
    assert ours.crs.to_epsg() == 3857
    assert ours.geometry.geom_equals(source.geometry).all()
    columns = ["plot_id", "slope", "trees"]
    assert ours[columns].equals(source[columns])


def test_extents_and_r_trees_are_those_of_the_features(catalog_file):
    with sqlite3.connect(catalog_file) as database:
        extent = database.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents"
            " WHERE table_name = 'plots_classified'"
        ).fetchone()
        boxes = database.execute(
            "SELECT id, minx, maxx, miny, maxy FROM rtree_plots_classified_geom ORDER BY id"
        ).fetchall()
    database.close()
    assert extent == (500_010, 5_000_001, 500_030, 5_000_003)
    expected = [
        (n, 500_000 + 10 * n, 500_000 + 10 * n, 5_000_000 + n, 5_000_000 + n) for n in (1, 2, 3)
    ]
    assert np.allclose(boxes, expected, atol=0.5, rtol=0)  # an R-tree holds 32-bit floats


@pytest.mark.parametrize("layer", ["features", "footprints"])
def test_extents_are_not_rounded_as_r_trees_are(catalog_file, layer):
    with sqlite3.connect(catalog_file) as database:
        extent = database.execute(
            "SELECT min_x, min_y, max_x, max_y FROM gpkg_contents WHERE table_name = ?", (layer,)
        ).fetchone()
    database.close()
    assert extent == tuple(geopandas.read_file(catalog_file, layer=layer).total_bounds)


def test_locations_and_footprints_are_in_degrees(catalog_file, sources):
    features = geopandas.read_file(catalog_file, layer="features")
    expected = geopandas.read_file(sources[0], layer="plots").to_crs(4326)
    assert features.crs.to_epsg() == 4326
    assert features.geometry[:3].geom_equals_exact(expected.geometry, 1e-9).all()
    footprints = geopandas.read_file(catalog_file, layer="footprints")
    centre = geopandas.GeoSeries([shapely.Point(700_120, -2_800_090)], crs=32621).to_crs(4326)[0]
    assert footprints.contains(centre).tolist() == [True, True]


def test_the_r_tree_follows_a_feature_that_moves_and_one_that_loses_its_shape(tmp_path):
    def boxes(catalog):
        return [
            tuple(row.values())
            for row in catalog.query("SELECT minx, maxx, miny, maxy FROM rtree_features_geom")
        ]

    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        catalog.add(one_feature(shapely.Point(1, 2)))
        assert boxes(catalog) == [(1, 1, 2, 2)]
        catalog.add(one_feature(shapely.box(3, 4, 5, 6)))
        assert boxes(catalog) == [(3, 5, 4, 6)]
        catalog.add(one_feature(None))
        assert boxes(catalog) == []


def test_a_user_edits_features_with_the_r_tree_kept(catalog_file):
    """QGIS edits output layers; its SQL functions fill the R-tree, ours do so here."""
    with sqlite3.connect(catalog_file) as database:
        geometry.register_functions(database)
        moved = geometry.encode(shapely.to_wkb(shapely.Point(1, 2)), 3857)
        database.execute("UPDATE plots_classified SET geom = ? WHERE fid = 1", (moved,))
        database.execute("UPDATE plots_classified SET geom = NULL WHERE fid = 2")
        database.execute("UPDATE plots_classified SET fid = 99 WHERE fid = 3")
        database.execute("DELETE FROM plots_classified_summary")
        boxes = database.execute(
            "SELECT id, minx FROM rtree_plots_classified_geom ORDER BY id"
        ).fetchall()
        left = database.execute("SELECT count(*) FROM rtree_plots_classified_summary_geom")
        assert left.fetchone() == (0,)
    database.close()
    assert boxes == [(1, 1), (99, 500_030)]


# --- reference systems -------------------------------------------------------------------


def srs_ids(catalog, *systems):
    for number, srs in enumerate(systems):
        catalog.add(one_feature(shapely.Point(1, 2), uri=f"/{number}.gdb", srs=srs))
    return [row["srs_id"] for row in catalog.query("SELECT srs_id FROM datasets ORDER BY id")]


def test_reference_systems_are_registered_once_and_never_mixed_up(tmp_path):
    utm = Srs(organization="EPSG", code=32621, name="UTM 21N", definition="PROJCS[utm]")
    esri = Srs(organization="ESRI", code=32621, name="another", definition="PROJCS[esri]")
    local = Srs(organization="NONE", code=0, name="site grid", definition="LOCAL_CS[grid]")
    other = Srs(organization="NONE", code=0, name="other grid", definition="LOCAL_CS[other]")
    systems = (utm, esri, local, other, utm, esri, local, other)
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        ids = srs_ids(catalog, *systems)
        names = catalog.query("SELECT srs_id, srs_name FROM gpkg_spatial_ref_sys")
    assert ids[:4] == ids[4:]
    assert ids[0] == 32621
    assert len(set(ids)) == 4
    known = {row["srs_id"]: row["srs_name"] for row in names}
    assert [known[srs_id] for srs_id in ids[:4]] == [srs.name for srs in systems[:4]]


def test_a_source_without_reference_system_gets_the_undefined_one(tmp_path):
    with Catalog(tmp_path / "results.gpkg", create=True) as catalog:
        assert srs_ids(catalog, None) == [-1]


# --- geometry blobs ----------------------------------------------------------------------


@st.composite
def shapes(draw):
    """Any point, line, polygon or collection of them, empty ones included."""
    points = draw(st.lists(POINTS, min_size=3, max_size=6))
    return draw(
        st.sampled_from(
            [
                shapely.Point(points[0]),
                shapely.Point(*points[0], 7.0),
                shapely.LineString(points),
                shapely.Polygon(points),
                shapely.MultiPoint(points),
                shapely.GeometryCollection([shapely.Point(points[0]), shapely.LineString(points)]),
                shapely.Point(),
                shapely.Polygon(),
                shapely.GeometryCollection(),
            ]
        )
    )


@given(shapes(), st.sampled_from([-1, 0, 4326, 32621, 100_001]))
def test_a_geometry_survives_the_blob(shape, srs_id):
    wkb = shapely.to_wkb(shape, flavor="iso")
    blob = geometry.encode(wkb, srs_id)
    assert geometry.decode(blob) == wkb
    assert struct.unpack_from("<i", blob, 4) == (srs_id,)
    found = geometry.bounds(blob)
    if shape.is_empty:
        assert found is None
    else:
        minx, miny, maxx, maxy = shape.bounds
        assert found == (minx, maxx, miny, maxy)


@given(shapes())
def test_bounds_of_a_blob_without_envelope_are_those_of_its_geometry(shape):
    blob = struct.pack("<2sBBi", b"GP", 0, 1, 4326) + shapely.to_wkb(shape)
    found = geometry.bounds(blob)
    if shape.is_empty:
        assert found is None
    else:
        minx, miny, maxx, maxy = shape.bounds
        assert found == (minx, maxx, miny, maxy)


@pytest.mark.parametrize(("envelope", "doubles"), [(0, 0), (1, 4), (2, 6), (3, 6), (4, 8)])
@pytest.mark.parametrize("order", ["<", ">"])
def test_blobs_of_other_writers_are_decoded(envelope, doubles, order):
    flags = envelope << 1 | (order == "<")
    box = (1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0)[:doubles]
    header = struct.pack(f"{order}2sBBi{doubles}d", b"GP", 0, flags, 4326, *box)
    wkb = shapely.to_wkb(shapely.LineString([(1, 3), (2, 4)]))
    assert geometry.decode(header + wkb) == wkb
    assert geometry.bounds(header + wkb) == (1, 2, 3, 4)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(b"GP\x00".__add__))
def test_what_is_no_blob_is_refused_or_taken_as_it_is(blob):
    try:
        assert blob.endswith(geometry.decode(blob))
    except ValueError as error:
        assert "not a GeoPackage geometry" in str(error)


# --- names and types ---------------------------------------------------------------------


@given(st.lists(NAMES, max_size=8).map(lambda names: list(enumerate(names))))
@example([(1, "x_3"), (2, "x"), (3, "x")])
@example([(1, "Crop"), (2, "crop"), (3, "CROP!")])
@example([(0, ""), (1, "0"), (2, "\x00")])
def test_share_columns_are_unique_and_can_be_made(classes):
    names = share_names(classes)
    assert len(names) == len(classes)
    with sqlite3.connect(":memory:") as database:
        columns = ", ".join(f"{name} DOUBLE" for name in [*names, "last"])  # without quotes
        database.execute(f"CREATE TABLE summary ({columns})")
        made = [row[1] for row in database.execute("PRAGMA table_info(summary)")]
    database.close()
    assert made == [*names, "last"]


OWN = [column.name for column in SUMMARY_COLUMNS]
SOURCE_NAMES = st.sampled_from([*OWN, "fid", "geom", "Images", "images_source"]) | NAMES


@given(st.lists(SOURCE_NAMES, max_size=10))
@example(["Fid", "FID", "fid_source", "GEOM"])
def test_output_columns_are_unique_and_keep_their_order(names):
    source = [Column(name=name, sql_type="TEXT") for name in names]
    columns = [column.name for column in output_columns(source, SUMMARY_COLUMNS)]
    assert columns[len(names) :] == OWN
    assert all(ours.startswith(theirs) for ours, theirs in zip(columns, names, strict=False))
    lower = ["fid", "geom", *(name.lower() for name in columns)]
    assert len(set(lower)) == len(lower)


@given(st.text(max_size=20))
@example("DOUBLE PRECISION")
@example("LINESTRING")
@example("VARCHAR(10, 2)")
@example("TEXT); DROP TABLE items; --")
def test_any_declared_type_becomes_one_that_a_geopackage_may_have(declared):
    assert safe_type(declared).partition("(")[0] in {
        *("BOOLEAN", "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER", "FLOAT", "DOUBLE"),
        *("REAL", "TEXT", "BLOB", "DATE", "DATETIME", "GEOMETRY", "GEOMETRYCOLLECTION"),
        *("POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON"),
    }


@pytest.mark.parametrize("kind", ["BOOLEAN", "TEXT(50)", "MEDIUMINT", "DATETIME", "BLOB(9)"])
def test_a_geopackage_type_stays(kind):
    assert safe_type(kind) == kind
