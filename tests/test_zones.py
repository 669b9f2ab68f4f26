"""How much of each class lies in polygons, against shapely and numpy alone."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner
from pyproj import Geod, Transformer

import pixelcat
from pixelcat.catalog.errors import PixelcatError, UsageError
from pixelcat.cli import cli

Function = Callable[..., Any]
UTM, LONLAT = "EPSG:32631", "EPSG:4326"
LEFT, TOP, CELL = 500_000, 5_000_000, 10
PLACE = Affine(CELL, 0, LEFT, 0, -CELL, TOP)
VALUES = {1: "water", 2: "crop", 9: "built_up"}


def noise(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice([1, 2, 9, 255], (height, width)).astype(np.uint8)


def at(x: float, y: float) -> tuple[float, float]:
    """Return the place of a column and a row."""
    return LEFT + x * CELL, TOP - y * CELL


def polygon(*points: tuple[float, float]) -> shapely.Polygon:
    return shapely.Polygon([at(*point) for point in points])


def shares(shape: Any, height: int, width: int, place: Affine) -> np.ndarray:
    """Return the part of each pixel that a polygon covers, by shapely, pixel by pixel."""
    corners = [[place @ (x, y) for x, y in ((c, r), (c + 1, r), (c + 1, r + 1), (c, r + 1))]
               for r in range(height) for c in range(width)]  # fmt: skip
    pixels = shapely.polygons(corners)
    covered = shapely.area(shapely.intersection(shape, pixels)) / shapely.area(pixels)
    return covered.reshape(height, width)


@pytest.fixture
def write_zones(tmp_path: Path) -> Function:
    def write(
        shapes: Any, crs: str | None = UTM, name: str = "fields.gpkg", **columns: Any
    ) -> Path:
        path = tmp_path / name
        frame = geopandas.GeoDataFrame(columns, geometry=list(shapes), crs=crs)
        frame.to_file(path, layer="fields", engine="pyogrio")
        return path

    return write


HOLED = shapely.Polygon(
    [at(2.3, 1.1), at(17.7, 3.4), at(14.2, 18.6), at(4.9, 15.5)],
    [[at(6, 6), at(6, 9.5), at(10.4, 9.5)]],
)
SEVERAL = shapely.MultiPolygon(
    [polygon((0.5, 0.5), (3.2, 0.5), (3.2, 3.9)), polygon((10, 10), (19.9, 10.2), (15, 19))]
)
TINY = polygon((5.2, 5.2), (5.4, 5.2), (5.4, 5.6))


@pytest.mark.parametrize("place", [PLACE, PLACE @ Affine.rotation(30)], ids=["upright", "rotated"])
def test_pixels_count_by_the_part_that_is_inside(class_catalog, write_zones, place):
    classes = noise(20, 24)
    catalog = class_catalog([("a.tif", classes, place, UTM)])

    def move(shape: Any) -> Any:
        """Lay a shape over the raster as it lies over one that is upright."""
        return shapely.transform(shape, lambda points: [place @ (~PLACE @ each) for each in points])

    shapes = [move(each) for each in (HOLED, SEVERAL, TINY)]
    done = pixelcat.zones(catalog, write_zones(shapes, code=["h", "s", "t"]))
    found = done.features()
    assert list(found["code"]) == ["h", "s", "t"]
    assert done.table == "fields_zones"
    for shape, (_, row) in zip(shapes, found.iterrows(), strict=True):
        covered = shares(shape, 20, 24, place)
        valid = covered[classes != 255].sum()
        assert row["pixels"] == pytest.approx(valid, abs=1e-6)
        assert row["nodata_pixels"] == pytest.approx(covered[classes == 255].sum(), abs=1e-6)
        assert row["area_m2"] == pytest.approx(valid * CELL**2, abs=1e-4)
        assert row["covered"] == pytest.approx(1)
        amounts = {name: covered[classes == value].sum() for value, name in VALUES.items()}
        for name, amount in amounts.items():
            assert row[f"area_m2_{name}"] == pytest.approx(amount * CELL**2, abs=1e-4)
            if valid:
                assert row[f"share_{name}"] == pytest.approx(amount / valid, abs=1e-6)
        if valid:
            best = max(amounts, key=amounts.get)
            assert row["dominant_class"].lower().replace(" ", "_") == best
        assert shapely.equals(row["geometry"], shape)


def test_large_rasters_are_read_block_by_block(class_catalog, write_zones):
    classes = noise(1500, 2300)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    over = polygon((1000.25, 900.5), (1100.25, 900.5), (1100.25, 1100), (1000.25, 1100))
    everything = polygon((-5, -5), (2400, -5), (2400, 1600), (-5, 1600))
    found = pixelcat.zones(catalog, write_zones([over, everything])).features()
    covered = np.zeros(classes.shape)
    covered[900:1100, 1000:1101] = 1
    covered[900] /= 2
    covered[:, 1000] *= 0.75
    covered[:, 1100] *= 0.25
    for row, expected in ((0, covered), (1, np.ones(classes.shape))):
        for value, name in VALUES.items():
            amount = expected[classes == value].sum() * CELL**2
            assert found[f"area_m2_{name}"][row] == pytest.approx(amount)
        assert found["nodata_pixels"][row] == pytest.approx(expected[classes == 255].sum())
    assert found["covered"][1] == pytest.approx(1500 * 2300 / (2405 * 1605))


def test_areas_are_geodesic_where_the_raster_is_in_degrees(class_catalog, write_zones):
    classes = noise(12, 10)
    place = Affine(0.01, 0, 5, 0, -0.01, 52)
    catalog = class_catalog([("a.tif", classes, place, LONLAT)])
    zone = shapely.box(5.005, 51.90, 5.095, 51.975)
    found = pixelcat.zones(catalog, write_zones([zone], crs=LONLAT)).features()
    covered = shares(zone, 12, 10, place)
    cells = [
        abs(Geod(ellps="WGS84").geometry_area_perimeter(
            shapely.box(5, 52 - (r + 1) / 100, 5.01, 52 - r / 100))[0])
        for r in range(12)
    ]  # fmt: skip
    metres = covered * np.array(cells)[:, None]
    for value, name in VALUES.items():
        assert found[f"area_m2_{name}"][0] == pytest.approx(
            metres[classes == value].sum(), rel=1e-7
        )
        share = metres[classes == value].sum() / metres[classes != 255].sum()
        assert found[f"share_{name}"][0] == pytest.approx(share)


@pytest.mark.parametrize("parts", ["one polygon", "a multipolygon"])
def test_zones_in_another_system_get_points_along_their_edges(class_catalog, write_zones, parts):
    """A parallel is no straight line in UTM: 3 degrees of it bend by kilometres."""
    classes = np.where(np.arange(4000)[:, None] < 2000, 1, 2).astype(np.uint8)
    classes = np.repeat(classes, 300, axis=1)
    place = Affine(1000, 0, 300_000, 0, -50, 6_100_000)
    catalog = class_catalog([("a.tif", classes, place, UTM)])
    zone = shapely.box(1, 54, 5, 54.5)
    given = zone if parts == "one polygon" else shapely.MultiPolygon([zone])
    row = pixelcat.zones(catalog, write_zones([given], crs=LONLAT)).features().iloc[0]
    dense = shapely.segmentize(zone, 0.001)
    move = Transformer.from_crs(LONLAT, UTM, always_xy=True).transform
    moved = shapely.transform(dense, move, interleaved=False)
    upper = shapely.box(300_000, 6_000_000, 600_000, 6_100_000)
    lower = shapely.box(300_000, 5_900_000, 600_000, 6_000_000)
    straight = shapely.transform(zone, move, interleaved=False)
    for name, half in (("water", upper), ("crop", lower)):
        area = moved.intersection(half).area
        assert row[f"area_m2_{name}"] == pytest.approx(area, rel=1e-5)
        assert straight.intersection(half).area != pytest.approx(area, rel=1e-3)


def test_tiles_are_summed_and_none_counts_twice(class_catalog, write_zones):
    """Of two tiles on one grid the later lies above, as in the mosaic of class rasters."""
    one, other, apart = noise(20, 20, 1), noise(20, 20, 2), noise(20, 20, 3)
    rasters = [
        ("a.tif", one, PLACE, UTM),
        ("b.tif", other, PLACE @ Affine.translation(15, 5), UTM),
        ("c.tif", apart, PLACE @ Affine.translation(35, 0), UTM),
    ]
    catalog = class_catalog(rasters)
    whole = np.full((25, 55), 0, np.uint8)  # 0: no raster
    whole[:20, :20] = one
    part = whole[5:25, 15:35]
    part[:] = np.where((other == 255) & (part != 0), part, other)
    whole[:20, 35:55] = apart
    zone = polygon((10.5, 2.5), (50.5, 4.5), (45, 24), (12, 18.5))
    done = pixelcat.zones(catalog, write_zones([zone]))
    row = done.features().iloc[0]
    covered = shares(zone, 25, 55, PLACE)
    for value, name in VALUES.items():
        assert row[f"area_m2_{name}"] == pytest.approx(covered[whole == value].sum() * 100)
    assert row["nodata_pixels"] == pytest.approx(covered[whole == 255].sum())
    assert row["covered"] == pytest.approx(covered[whole != 0].sum() / covered.sum())
    assert row["rasters"] == 3
    images = pixelcat.open_catalog(catalog).sql(
        "select image_name, pixels, classified_image from zone_images order by pixels desc"
    )
    assert {each["image_name"] for each in images} == {"a.tif", "b.tif", "c.tif"}
    assert sum(each["pixels"] for each in images) == pytest.approx(row["pixels"])
    assert row["image_name"] == images[0]["image_name"]
    assert row["classified_image"] == images[0]["classified_image"]
    assert done.notes == ()


def test_rasters_over_each_other_on_different_grids_are_told(class_catalog, write_zones):
    place = PLACE @ Affine.translation(4.5, 0)
    catalog = class_catalog(
        [("a.tif", noise(9, 9), PLACE, UTM), ("b.tif", noise(9, 9), place, UTM)]
    )
    done = pixelcat.zones(catalog, write_zones([polygon((0, 0), (5, 0), (5, 5))]))
    (note,) = done.notes
    assert note.startswith("1 pairs of class rasters lie over each other on different grids")
    assert "a.tif and b.tif" in note


def test_a_zone_without_an_answer_says_why(class_catalog, write_zones, gpkg_errors):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    bow = polygon((0, 0), (5, 5), (5, 0), (0, 5))
    shapes = [TINY, None, shapely.Polygon(), bow, polygon((99, 99), (99, 90), (90, 90)),
              shapely.Point(at(1, 1))]  # fmt: skip
    done = pixelcat.zones(catalog, write_zones(shapes, n=range(6)))
    found = done.features()
    assert (done.zones, done.without) == (6, 5)
    assert list(found["n"]) == [0, 1, 2, 3, 4, 5]
    assert pd.isna(found["reason"][0])
    for row, part in enumerate(
        ("no geometry", "empty", "Self-intersection", "outside", "Point"), 1
    ):
        assert part in found["reason"][row]
        assert np.isnan(found["pixels"][row]) and np.isnan(found["share_crop"][row])
    assert gpkg_errors(catalog) == []


def test_overlapping_zones_each_have_all_that_is_theirs(class_catalog, write_zones):
    classes = noise(9, 9)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    square = polygon((1, 1), (5, 1), (5, 5), (1, 5))
    found = pixelcat.zones(catalog, write_zones([square, square])).features()
    assert found["pixels"][0] == found["pixels"][1] == (classes[1:5, 1:5] != 255).sum()


def test_rows_per_class_are_linked_to_run_and_classes(class_catalog, write_zones):
    classes = noise(9, 9)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    pixelcat.zones(catalog, write_zones([polygon((0, 0), (9, 0), (9, 9), (0, 9))]))
    rows = pixelcat.open_catalog(catalog).sql(
        "select s.pixels, s.area_m2, s.fraction, c.value, z.run_id, f.area_m2 as total"
        " from zone_class_stats s join classes c on c.id = s.class_id"
        " join zone_layers z on z.id = s.zone_layer_id join fields_zones f on f.fid = s.zone_fid"
        " order by c.value"
    )
    assert [row["value"] for row in rows] == [1, 2, 9]
    for row in rows:
        assert row["run_id"] == 1
        assert row["pixels"] == (classes == row["value"]).sum()
        assert row["fraction"] == pytest.approx(row["area_m2"] / row["total"])


def test_nothing_is_done_where_nothing_has_changed(class_catalog, write_zones):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    square = polygon((1, 1), (5, 1), (5, 5), (1, 5))
    layer = write_zones([square], name="f.geojson")
    assert pixelcat.zones(catalog, layer).is_new
    before = catalog.read_bytes()
    layer.touch()
    again = pixelcat.zones(catalog, layer)
    assert (again.is_new, again.table) == (False, "fields_zones")
    assert catalog.read_bytes() == before
    layer.unlink()
    write_zones([polygon((1, 1), (6, 1), (6, 5))], name="f.geojson")
    assert pixelcat.zones(catalog, layer).is_new
    with closing(sqlite3.connect(catalog)) as database:
        assert database.execute("select count(*) from zone_layers").fetchone() == (1,)


def test_a_new_run_gives_new_numbers_and_names_keep_both(class_catalog, write_zones, gpkg_errors):
    first, second = noise(9, 9, 1), noise(9, 9, 2)
    catalog = class_catalog([("a.tif", first, PLACE, UTM)])
    layer = write_zones([polygon((0, 0), (9, 0), (9, 9), (0, 9))])
    pixelcat.zones(catalog, layer)
    class_catalog([("a.tif", second, PLACE, UTM)])
    done = pixelcat.zones(catalog, layer)
    old = pixelcat.zones(catalog, layer, run=1, out_features="fields_before")
    assert (done.table, done.run, done.is_new) == ("fields_zones", 2, True)
    assert (old.table, old.run) == ("fields_before", 1)
    assert done.features()["pixels"][0] == (second != 255).sum()
    assert old.features()["pixels"][0] == (first != 255).sum()
    assert not pixelcat.zones(catalog, layer).is_new
    assert not pixelcat.zones(catalog, layer, run=1, out_features="fields_before").is_new
    assert gpkg_errors(catalog) == []


def test_columns_of_the_layer_stay_as_they_are(class_catalog, write_zones):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    square = polygon((1, 1), (5, 1), (5, 5), (1, 5))
    layer = write_zones(
        [square, square], wide=pd.array([2**62 + 1, None], dtype="Int64"), pixels=["mine", "x"], day=["2024-02-29", None],
    )  # fmt: skip
    pixelcat.zones(catalog, layer)
    rows = pixelcat.open_catalog(catalog).sql("select * from fields_zones order by fid")
    assert rows[0]["pixels_source"] == "mine"
    assert rows[0]["wide"] == 2**62 + 1
    assert rows[0]["source_fid"] == 1
    assert isinstance(rows[0]["pixels"], float)


def test_a_class_raster_that_is_gone_is_told_and_counted_once_it_is_back(
    class_catalog, write_zones
):
    place = PLACE @ Affine.translation(9, 0)
    catalog = class_catalog(
        [("a.tif", noise(9, 9), PLACE, UTM), ("b.tif", noise(9, 9), place, UTM)]
    )
    raster = catalog.parent / "results_rasters/run_1/b.tif"
    hidden = raster.rename(raster.with_suffix(".away"))
    layer = write_zones([polygon((0, 0), (18, 0), (18, 9), (0, 9))])
    result = CliRunner().invoke(cli, ["zones", str(catalog), "--zones", str(layer)])
    assert result.exit_code == 3
    assert "missing: b.tif: its class raster" in result.stderr
    hidden.rename(raster)
    done = pixelcat.zones(catalog, layer)
    assert done.is_new
    assert done.features()["covered"][0] == pytest.approx(1)


def test_the_command_prints_what_it_has_made(class_catalog, write_zones):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    layer = write_zones([TINY])
    words = ["zones", str(catalog), "--zones", str(layer), "--format", "json"]
    result = CliRunner().invoke(cli, words)
    assert json.loads(result.stdout) == [
        {"table": "fields_zones", "run": 1, "zones": 1, "without": 0}
    ]
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "plots"}, "no layer plots with geometry; there are: fields"),
        ({"run": 7}, "has no run 7"),
        ({"out_features": "Items"}, "Items is a table or view of the catalog"),
        ({"out_features": "zone_classes"}, "zone_classes is a table or view of the catalog"),
        ({"out_features": "sqlite_x"}, "'sqlite_x' is no name for a table"),
        ({"out_features": "gpkg_foo"}, "'gpkg_foo' is no name for a table"),
        ({"out_features": " "}, "' ' is no name for a table"),
    ],
)
def test_mistakes_are_one_line(class_catalog, write_zones, options, message):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    with pytest.raises(UsageError, match=message):
        pixelcat.zones(catalog, write_zones([TINY]), **options)
    with closing(sqlite3.connect(catalog)) as database:
        assert database.execute("select count(*) from zone_layers").fetchone() == (0,)


def test_a_layer_without_reference_system_is_refused(class_catalog, write_zones):
    catalog = class_catalog([("a.tif", noise(9, 9), PLACE, UTM)])
    layer = write_zones([TINY], name="fields.shp")
    layer.with_suffix(".prj").unlink()
    with pytest.raises(PixelcatError, match="has no reference system"):
        pixelcat.zones(catalog, layer)


def test_photos_have_no_zones(class_catalog, write_zones):
    catalog = class_catalog([("a.jpg", noise(9, 9), None, None)])
    with pytest.raises(PixelcatError, match="no class raster with a place on the ground"):
        pixelcat.zones(catalog, write_zones([TINY]))


def test_a_layer_of_the_catalog_itself_gives_zones(class_catalog, write_zones, gpkg_errors):
    """It is read through the catalog's own copy of SQLite; nothing of it changes."""
    classes = noise(20, 24)
    catalog = class_catalog([("a.tif", classes, PLACE, UTM)])
    first = pixelcat.zones(catalog, write_zones([HOLED, TINY], code=["h", "t"]))
    with closing(sqlite3.connect(catalog)) as database:
        before = database.execute("SELECT * FROM fields_zones").fetchall()
    again = pixelcat.zones(catalog, catalog, layer="fields_zones", out_features="again")
    for one, other in ((first.features(), again.features()),):
        for column in ("code", "pixels", "area_m2", "dominant_class", "share_crop"):
            ours = other[column]
            assert list(one[column].fillna("none")) == list(ours.fillna("none"))
        assert one.geometry.equals(other.geometry)
    with closing(sqlite3.connect(catalog)) as database:
        assert database.execute("SELECT * FROM fields_zones").fetchall() == before
    assert gpkg_errors(catalog) == []
    repeated = pixelcat.zones(catalog, catalog, layer="fields_zones", out_features="again")
    assert not repeated.is_new


def test_zones_of_a_catalog_are_polygons_and_not_its_own_table(class_catalog, write_zones):
    catalog = class_catalog([("a.tif", noise(20, 24), PLACE, UTM)])
    pixelcat.zones(catalog, write_zones([HOLED]))
    for asked, message in (
        ({}, r"has several layers; choose one with --layer: .*fields_zones"),
        ({"layer": "items"}, "no layer items with geometry"),
        (
            {"layer": "fields_zones", "out_features": "Fields_Zones"},
            "--out-features Fields_Zones is the layer of zones; choose another name",
        ),
    ):
        with pytest.raises(PixelcatError, match=message):
            pixelcat.zones(catalog, catalog, **asked)


@pytest.mark.parametrize("shape", [shapely.Point(LEFT, TOP), HOLED.exterior], ids=["point", "line"])
def test_a_layer_of_points_or_lines_is_refused_in_a_line(class_catalog, write_zones, shape):
    catalog = class_catalog([("a.tif", noise(20, 24), PLACE, UTM)])
    shape = shapely.LineString(shape.coords) if shape.geom_type == "LinearRing" else shape
    message = f"layer fields is of type {shape.geom_type.lower()}; zones are polygons$"
    with pytest.raises(PixelcatError, match=message):
        pixelcat.zones(catalog, write_zones([shape, shape]))
