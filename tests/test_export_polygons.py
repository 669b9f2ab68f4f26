"""Classes as polygons, against the class rasters themselves."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner
from pyproj import Geod, Transformer
from rasterio.features import rasterize

from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.processors.export_polygons import export_polygons

Function = Callable[..., Any]
UTM, LONLAT = "EPSG:32631", "EPSG:4326"
CELL = 10
PLACE = Affine(CELL, 0, 500_000, 0, -CELL, 5_000_000)
NAMES = {1: "Water", 2: "Crop", 9: "Built Up"}
COLORS = {1: "#0000ff", 2: "#ffff00", 9: "#ff0000"}


def noise(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice([1, 2, 9, 255], (height, width)).astype(np.uint8)


def burnt(frame: geopandas.GeoDataFrame, size: tuple[int, int], place: Affine) -> np.ndarray:
    pairs = zip(frame.geometry, frame["value"], strict=True)
    return rasterize(pairs, out_shape=size, transform=place, fill=255, dtype=np.uint8)


def is_tidy(frame: geopandas.GeoDataFrame) -> bool:
    """Return whether polygons are valid, and share their borders node by node."""
    shapes = frame.geometry.values
    return bool(shapely.is_valid(shapes).all() and shapely.coverage_is_valid(np.asarray(shapes)))


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson", ".parquet"])
def test_polygons_are_the_raster(class_catalog, tmp_path, suffix):
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        pytest.skip("pyarrow is absent")
    classes = noise(40, 50)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    path = tmp_path / f"landcover{suffix}"
    done = export_polygons(catalog, path)
    frame = geopandas.read_parquet(path) if suffix == ".parquet" else geopandas.read_file(path)
    assert done.polygons == len(frame)
    assert is_tidy(frame)
    for value, group in frame.groupby("value"):
        assert group["pixels"].sum() == (classes == value).sum()
        assert group["area_m2"].sum() == (classes == value).sum() * CELL**2
        assert set(group["class_name"]) == {NAMES[value]}
        assert set(group["color"]) == {COLORS[value]}
    if suffix == ".geojson":
        assert frame.crs == LONLAT
        document = json.loads(path.read_text())
        assert "crs" not in document
        assert all(shape.exterior.is_ccw for shape in frame.geometry)
        frame = frame.to_crs(UTM)
    assert frame.crs == UTM
    np.testing.assert_array_equal(burnt(frame, classes.shape, PLACE), classes)
    assert {file.name for file in tmp_path.iterdir()} == {
        catalog.name, "results_rasters", path.name,
    }  # fmt: skip


def test_areas_are_geodesic_in_degrees_and_rows_differ(class_catalog, tmp_path):
    classes = noise(30, 10)
    place = Affine(0.1, 0, 5, 0, -0.1, 55)
    catalog = class_catalog([("a.tif", classes, place, LONLAT)])
    export_polygons(catalog, tmp_path / "p.gpkg")
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    cells = np.array([
        abs(Geod(ellps="WGS84").geometry_area_perimeter(
            shapely.box(5, 55 - (r + 1) / 10, 5.1, 55 - r / 10))[0])
        for r in range(30)
    ])  # fmt: skip
    for _, row in frame.iterrows():
        inside = rasterize([row.geometry], classes.shape, transform=place).astype(bool)
        assert row["area_m2"] == pytest.approx((inside * cells[:, None]).sum(), rel=1e-6)


def test_a_rotated_raster_is_rotated_polygons(class_catalog, tmp_path):
    classes, place = noise(20, 20), PLACE @ Affine.rotation(25)
    catalog = class_catalog([("a.tif", classes, place, UTM)])
    export_polygons(catalog, tmp_path / "p.gpkg")
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    np.testing.assert_array_equal(burnt(frame, classes.shape, place), classes)
    assert is_tidy(frame)


def test_borders_of_tiles_do_not_show(class_catalog, tmp_path):
    left, right = np.full((30, 40), 1, np.uint8), np.full((30, 40), 1, np.uint8)
    right[10:20, 10:20] = 2
    places = [PLACE, PLACE @ Affine.translation(40, 0)]
    catalog = class_catalog([("a.tif", left, places[0], UTM), ("b.tif", right, places[1], UTM)])
    done = export_polygons(catalog, tmp_path / "p.gpkg")
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    assert done.polygons == 2
    assert list(frame["pixels"]) == [30 * 80 - 100, 100]
    assert is_tidy(frame)


def test_what_cannot_be_in_the_same_raster_is_missing(class_catalog, tmp_path):
    flat = np.full((5, 5), 1, np.uint8)
    rasters = [
        ("a.tif", flat, PLACE, UTM),
        ("b.tif", flat, PLACE @ Affine.translation(5, 0), UTM),
        ("c.tif", flat, Affine(0.1, 0, 3, 0, -0.1, 45), LONLAT),
        ("d.tif", flat, PLACE @ Affine.translation(20, 0) @ Affine.rotation(9), UTM),
    ]
    catalog = class_catalog(rasters)
    words = ["export", str(catalog), "--polygons", str(tmp_path / "p.gpkg")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 3
    assert "wrote 1 polygons" in result.stderr
    assert "missing: c.tif: in WGS 84" in result.stderr
    assert "missing: d.tif: rotated" in result.stderr


@pytest.mark.parametrize("min_area", [3601, 1e8, 1e30])
def test_more_than_the_raster_is_as_much_as_the_raster(class_catalog, tmp_path, min_area):
    """Everything joins the largest that is left, and what has joined nothing is told."""
    classes = np.full((6, 6), 1, np.uint8)
    classes[2, 3] = 2
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    words = ["export", str(catalog), "--polygons", str(tmp_path / "p.gpkg")]
    result = CliRunner().invoke(cli, [*words, "--min-area", str(min_area)])
    assert result.exit_code == 0, result.output
    assert "note: 1 are smaller" in result.stderr
    assert list(geopandas.read_file(tmp_path / "p.gpkg")["pixels"]) == [36]


def test_small_areas_get_the_class_of_the_largest_that_touches_them(class_catalog, tmp_path):
    classes = np.full((60, 60), 1, np.uint8)
    classes[:, 30:] = 2
    classes[5:8, 5:8] = 9  # 9 pixels, in water
    classes[20:23, 29:32] = 9  # 9 pixels, on the border
    classes[40:44, 40:44] = 9  # 16 pixels stay
    classes[50:, 50:] = 255
    classes[55, 55] = 1  # alone in NoData
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    done = export_polygons(catalog, tmp_path / "p.gpkg", min_area=1600)
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    found = burnt(frame, classes.shape, PLACE)
    assert (found[5:8, 5:8] == 1).all()
    assert np.isin(found[20:23, 29:32], (1, 2)).all()
    assert (found[40:44, 40:44] == 9).all()
    np.testing.assert_array_equal(found == 255, classes == 255)
    assert done.small == 1
    assert sorted(frame["area_m2"])[:2] == [100, 1600]
    assert is_tidy(frame)


def test_a_crowd_of_small_areas_grows_together(class_catalog, tmp_path):
    classes = np.random.default_rng(0).choice([1, 2, 9], (300, 300)).astype(np.uint8)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    done = export_polygons(catalog, tmp_path / "p.gpkg", min_area=2000)
    frame = geopandas.read_file(tmp_path / "p.gpkg")
    assert done.small == 0
    assert frame["area_m2"].min() >= 2000
    assert frame["pixels"].sum() == 300 * 300
    assert is_tidy(frame)


def test_too_many_polygons_are_refused(class_catalog, tmp_path):
    catalog = class_catalog([("a.tif", noise(60, 60), PLACE, UTM)])
    for most in (5, 1000):
        with pytest.raises(UsageError, match=f" {most} polygons; give --min-area"):
            export_polygons(catalog, tmp_path / "p.gpkg", max_polygons=most)
    assert not list(tmp_path.glob("*p.gpkg*"))


def test_nodata_alone_is_no_polygon(class_catalog, tmp_path):
    catalog = class_catalog([("a.tif", np.full((5, 5), 255, np.uint8), PLACE, UTM)])
    for suffix in (".gpkg", ".geojson", ".fgb"):
        done = export_polygons(catalog, tmp_path / f"p{suffix}")
        assert done.polygons == 0
        assert len(geopandas.read_file(tmp_path / f"p{suffix}")) == 0


def test_long_edges_in_geojson_stay_where_they_are(class_catalog, tmp_path):
    classes = np.full((10, 4000), 1, np.uint8)
    classes[5:] = 2
    place = Affine(100, 0, 300_000, 0, -100, 6_000_000)
    catalog = class_catalog([("a.tif", classes, place, UTM)])
    export_polygons(catalog, tmp_path / "p.geojson")
    frame = geopandas.read_file(tmp_path / "p.geojson")
    assert is_tidy(frame)
    middle = Transformer.from_crs(UTM, LONLAT, always_xy=True).transform(500_000, 6_000_000 - 499)
    assert frame.geometry[0].covers(shapely.Point(middle))
    assert not frame.geometry[1].covers(shapely.Point(middle))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("p.tif", {}, "ends in .gpkg, .geojson"),
        ("results.gpkg", {}, "exists and is left alone"),
        ("none/p.gpkg", {}, "does not exist"),
        ("p.gpkg", {"min_area": 0}, "more than 0"),
        ("p.gpkg", {"run": 5}, "no run 5"),
    ],
)
def test_mistakes_are_one_line(class_catalog, tmp_path, name, options, message):
    catalog = class_catalog([("a.tif", noise(5, 5), PLACE, UTM)])
    before = catalog.read_bytes()
    with pytest.raises(UsageError, match=message):
        export_polygons(catalog, tmp_path / name, **options)
    assert catalog.read_bytes() == before


def test_the_command_takes_all_of_it(class_catalog, tmp_path):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    words = ["export", str(catalog), "--polygons", str(tmp_path / "p.fgb"), "--min-area", "200"]
    result = CliRunner().invoke(cli, [*words, "--run", "1", "--max-polygons", "99"])
    assert result.exit_code == 0, result.stderr
    assert pyogrio.read_info(tmp_path / "p.fgb")["layer_name"] == "p"
    refused = CliRunner().invoke(cli, ["export", str(catalog), "--stac", "x", "--min-area", "2"])
    assert "--min-area goes with --polygons" in str(refused.exception)
