"""Rasters, extents and masks across the 180th meridian and around the poles."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer
from rasterio.warp import transform_bounds

from pixelcat import classify
from pixelcat.catalog import geometry
from pixelcat.catalog.errors import UsageError
from pixelcat.catalog.store import Catalog
from pixelcat.io.sources import scan
from pixelcat.processors.environment import environment_of
from pixelcat.processors.export_mosaic import export_stac

Function = Callable[..., Any]
EAST = Affine(0.5, 0, 170, 0, -0.5, -10)
"""40 x 20 pixels of half a degree: 170 to 190."""
WORLD = Affine(2, 0, -180, 0, -2, 20)
"""180 x 20 pixels of two degrees."""
FIJI = Affine(3000, 0, 760_000, 0, -3000, 8_150_000)
"""Metres of UTM zone 60; of 60 pixels some 20 lie beyond 180."""


@pytest.fixture(scope="module")
def model(exact_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that looks at single pixels of three bands."""
    path = tmp_path_factory.mktemp("net") / "net.keras"
    exact_net(poolings=0).save(path)
    return path


@pytest.fixture
def raster(tmp_path: Path, write_raster: Function) -> Function:
    """Return a function that writes noise at a place."""

    def write(transform: Affine, crs: str = "EPSG:4326", size: tuple[int, int] = (20, 40)) -> Path:
        """Size is (rows, columns)."""
        pixels = np.random.default_rng(3).integers(0, 256, (3, *size), np.uint8)
        return Path(write_raster(tmp_path / "a.tif", pixels, transform=transform, crs=crs))

    return write


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Function:
    """Return a function that classifies a raster; returns its class raster, open, or the run."""

    def classified(path: Path, **environment: Any) -> Any:
        output = tmp_path / f"{len(list(tmp_path.glob('*.gpkg')))}.gpkg"
        done = classify(path, model=model, output=output, environment=environment)
        rasters = list(done.rasters.glob("*.tif"))
        return rasterio.open(rasters[0]) if rasters else done

    return classified


def footprint(path: Path) -> Any:
    """Return the footprint of a raster."""
    (found,) = [item.footprint for each in scan(path) for item in each.items]
    return shapely.from_wkb(found)


def centres(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y of all pixels."""
    columns, rows = np.meshgrid(np.arange(dataset.width) + 0.5, np.arange(dataset.height) + 0.5)
    x, y = dataset.transform @ (columns, rows)
    return x, y


def by_place(dataset: Any) -> dict[tuple[float, float], int]:
    """Return the classes of a raster in degrees by where on the globe their pixels are."""
    x, y = centres(dataset)
    values = dataset.read(1)
    known = values != dataset.nodata
    places = zip(np.round(x[known] % 360, 6), np.round(y[known], 6), strict=True)
    return dict(zip(places, values[known].tolist(), strict=True))


# footprints


@pytest.mark.parametrize("west", [170, -190])
def test_a_footprint_is_cut_at_the_meridian(raster: Function, west: float) -> None:
    found = footprint(raster(Affine(0.5, 0, west, 0, -0.5, -10)))
    assert found.geom_type == "MultiPolygon"
    boxes = sorted(part.bounds for part in found.geoms)
    assert boxes == [(-180, -20, -170, -10), (170, -20, 180, -10)]


@pytest.mark.parametrize(
    ("transform", "bounds"),
    [
        (Affine(9, 0, 0, 0, -9, 90), (-180, -90, 180, 90)),
        (Affine(9, 0, -180.25, 0, -9, 90), (-180, -90, 180, 90)),
        (Affine(4, 0, -180, 0, -4, 40), (-180, -40, -20, 40)),
        (Affine(0.5, 0, 340, 0, -0.5, 10), (-20, 0, 0, 10)),
    ],
)
def test_a_footprint_that_needs_no_cut_has_none(
    raster: Function, transform: Affine, bounds: tuple[float, ...]
) -> None:
    found = footprint(raster(transform))
    assert found.is_valid
    assert found.bounds == pytest.approx(bounds)
    assert found.area == pytest.approx(shapely.box(*bounds).area)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (FIJI, "EPSG:32760"),
        (Affine(3000, 0, 120_000, 0, -3000, 8_150_000), "EPSG:32701"),
        (Affine(1e5, 0, -2e6, 0, -1e5, 1e6), "EPSG:3413"),
        (Affine(3e4, 0, 0, 0, -3e4, 6e5), "EPSG:3413"),
        (Affine(3e4, 0, -1.2e6, 0, -3e4, 0), "EPSG:3031"),
        (Affine(2e4, 0, -4e5, 0, -2e4, 2e6), "EPSG:3413"),
        (Affine(1000, 0, 20_020_000, 0, -1000, 0), "EPSG:3857"),
    ],
    ids=["zone 60", "zone 1", "pole inside", "pole at a corner", "south", "beside", "Mercator"],
)
def test_a_footprint_holds_its_pixels_and_no_others(
    raster: Function, transform: Affine, crs: str
) -> None:
    found = footprint(raster(transform, crs, size=(20, 40)))
    assert found.is_valid
    assert found.bounds[0] >= -180
    assert found.bounds[2] <= 180
    columns, rows = np.meshgrid(np.arange(-1, 41) + 0.5, np.arange(-1, 21) + 0.5)
    away = np.minimum.reduce([columns, rows, 40 - columns, 20 - rows])
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(
        *(transform @ (columns, rows))
    )
    assert (shapely.intersects_xy(found, lon, lat) == (away > 0)).all()


def test_the_footprints_of_older_catalogs_become_multipolygons(
    tmp_path: Path, raster: Function, run: Function, gpkg_errors: Function
) -> None:
    run(raster(EAST)).close()
    path = tmp_path / "0.gpkg"
    with sqlite3.connect(path) as database:
        geometry.register_functions(database)
        around = geometry.encode(shapely.to_wkb(shapely.box(-180, -20, 180, -10)), 4326)
        database.execute("UPDATE footprints SET geom = ?", (around,))
        database.execute(
            "UPDATE gpkg_geometry_columns SET geometry_type_name = 'POLYGON'"
            " WHERE geometry_type_name = 'MULTIPOLYGON'"
        )
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'MULTIPOLYGON', 'POLYGON')"
            " WHERE name = 'footprints'"
        )
        database.execute("DELETE FROM _sqlite_migrations WHERE name LIKE '0010%'")
    database.close()
    with Catalog(path) as catalog:
        assert catalog.query("SELECT fingerprint FROM datasets") == [{"fingerprint": None}]
    assert gpkg_errors(path) == []
    (shape,) = geopandas.read_file(path, layer="footprints").geometry
    assert shape.geom_type == "MultiPolygon"
    run(tmp_path / "a.tif").close()


def test_stac_says_west_and_east_of_what_crosses(
    tmp_path: Path, raster: Function, run: Function
) -> None:
    run(raster(EAST)).close()
    export_stac(tmp_path / "0.gpkg", tmp_path / "items.json")
    (item,) = json.loads((tmp_path / "items.json").read_text())["features"]
    assert item["bbox"] == [170, -20, -170, -10]
    assert item["geometry"]["type"] == "MultiPolygon"


# extents


@pytest.mark.parametrize(
    ("place", "size"),
    [
        (EAST, (20, 40)),
        (Affine(0.5, 0, -190, 0, -0.5, -10), (20, 40)),
        (Affine(2, 0, 0, 0, -2, 0), (20, 180)),
        (Affine(2, 0, -180, 0, -2, 0), (20, 180)),
        (Affine(2, 0, -181, 0, -2, 0), (20, 180)),
    ],
)
@pytest.mark.parametrize(
    ("extent", "across"),
    [
        ((175, -18, -172, -12), (175, 188)),
        ((-179, -18, -172, -12), (181, 188)),
        ((175, -18, 188, -12), (175, 188)),
        ((-185, -18, -172, -12), (175, 188)),
    ],
)
@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:4258"])
def test_an_extent_across_the_meridian(
    raster: Function,
    run: Function,
    place: Affine,
    size: tuple[int, int],
    extent: tuple[float, ...],
    across: tuple[float, float],
    crs: str | None,
) -> None:
    path = raster(place, size=size)
    with run(path) as whole, run(path, extent=extent, extent_crs=crs) as part:
        expected = {
            (x, y): value
            for (x, y), value in by_place(whole).items()
            if across[0] <= x < across[1] and -18 < y <= -12
        }
        assert by_place(part) == expected
        assert part.height == len({y for _, y in expected})


def test_an_extent_in_degrees_over_a_zone_that_crosses(raster: Function, run: Function) -> None:
    path = raster(FIJI, "EPSG:32760", size=(60, 60))
    with run(path) as whole, run(path, extent="179,-18,-179,-17", extent_crs=4326) as part:
        x, y = centres(whole)
        west, south, east, north = transform_bounds(4326, 32760, 179, -18, 181, -17)
        inside = (x >= west) & (x < east) & (y > south) & (y <= north)
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        assert part.shape == (len(rows), len(columns))
        assert (part.read(1).ravel() == whole.read(1)[inside]).all()


@pytest.mark.parametrize(
    "bounds", [(-180, 75, 180, 90), (100, 78, -120, 86), (-180, -90, 180, 90), (20, 80, 60, 89)]
)
def test_an_extent_in_degrees_over_a_pole(
    raster: Function, run: Function, bounds: tuple[float, ...]
) -> None:
    place = Affine(1e5, 0, -2e6, 0, -1e5, 2e6)
    path = raster(place, "EPSG:3413", size=(40, 40))
    with run(path, extent=bounds, extent_crs="EPSG:4326") as part:
        west, south, east, north = bounds
        lon, lat = np.meshgrid(
            np.linspace(west, east + 360 * (west > east), 2000), np.linspace(south, north, 500)
        )
        x, y = Transformer.from_crs(4326, 3413, always_xy=True).transform(lon, lat)
        columns, rows = (np.arange(40) + 0.5) * 1e5 - 2e6, 2e6 - (np.arange(40) + 0.5) * 1e5
        columns = columns[(columns >= x.min() - 100) & (columns < x.max() + 100)]
        rows = rows[(rows > y.min() - 100) & (rows <= y.max() + 100)]
        assert part.shape == (len(rows), len(columns))
        assert part.transform @ (0.5, 0.5) == pytest.approx((columns[0], rows[0]))


def test_an_extent_where_a_map_is_cut_open_has_both_sides(raster: Function, run: Function) -> None:
    half = 20037508.342789244
    path = raster(Affine(half / 50, 0, -half, 0, -half / 50, half), "EPSG:3857", size=(100, 100))
    zone = (500_000, 7_000_000, 1_400_000, 8_000_000)
    with run(path, extent=zone, extent_crs="EPSG:32760") as part:
        assert part.width == 100
        filled = np.flatnonzero((part.read(1) != part.nodata).any(axis=0))
    lon = (filled + 0.5) * 3.6 - 180
    assert ((lon > 176) | (lon < -173)).all()
    assert (lon > 0).any()
    assert (lon < 0).any()


def test_the_extent_of_a_layer_that_is_cut_is_its_narrow_side(
    tmp_path: Path, raster: Function, run: Function
) -> None:
    cut = [shapely.box(178, -18, 180, -14), shapely.box(-180, -17, -178, -12)]
    geopandas.GeoSeries([shapely.MultiPolygon(cut)], crs=4326).to_file(tmp_path / "fiji.geojson")
    with run(raster(EAST), extent=tmp_path / "fiji.geojson") as part:
        assert part.bounds == pytest.approx((178, -18, 182, -12))


def test_places_all_over_the_world_are_not_led_the_other_way_round(tmp_path: Path) -> None:
    towns = geopandas.GeoSeries(shapely.points([-120, -60, 0, 60, 170], [1, 2, 3, 4, 5]), crs=4326)
    towns.to_file(tmp_path / "towns.geojson")
    extent = environment_of({"extent": tmp_path / "towns.geojson"}).extent
    assert extent is not None
    assert extent.bounds == (-120, 1, 170, 5)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"extent": "14,50,13,51"}, "nothing lies between, unless 359 degrees"),
        ({"extent": "500000,0,400000,9"}, "nothing lies between; expected"),
        ({"extent": "179,0,-179,9", "extent_crs": 3857}, "nothing lies between; expected"),
        ({"extent": "170,9,-170,0"}, "nothing lies between; expected"),
        ({"extent": "180,-20,-180,20"}, "nothing lies between; expected"),
        ({"extent": "180,-20,-180,20", "extent_crs": 4326}, "nothing lies between; expected"),
    ],
)
def test_a_swapped_extent_is_no_way_round_the_globe(
    environment: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        environment_of(environment)


def test_metres_have_no_way_round_the_globe(raster: Function, run: Function) -> None:
    done = run(raster(FIJI, "EPSG:32760"), extent="170,0,-170,9")
    assert "is in metres" in done.failures[0].reason


# masks


def test_polygons_of_a_mask_lie_where_they_are_on_the_globe(
    tmp_path: Path, raster: Function, run: Function
) -> None:
    cut = [shapely.box(178, -18, 180, -14), shapely.box(-180, -17, -178, -12)]
    geopandas.GeoSeries([shapely.MultiPolygon(cut)], crs=4326).to_file(tmp_path / "fiji.geojson")
    path = raster(EAST)
    with run(path) as whole, run(path, mask=tmp_path / "fiji.geojson") as part:
        assert by_place(part) == {
            (x, y): value
            for (x, y), value in by_place(whole).items()
            if (178 < x < 180 and -18 < y < -14) or (180 < x < 182 and -17 < y < -12)
        }


@pytest.mark.parametrize(
    ("place", "crs"),
    [
        (EAST, "EPSG:4326"),
        (WORLD, "EPSG:4326"),
        (Affine(2e5, 0, -20037508.342789244, 0, -2e5, -8e5), "EPSG:3857"),
    ],
)
@pytest.mark.parametrize("zone", [32760, 32701])
def test_polygons_in_metres_across_the_meridian(
    tmp_path: Path, raster: Function, run: Function, place: Affine, crs: str, zone: int
) -> None:
    ends = Transformer.from_crs(4326, zone, always_xy=True)
    corners = ends.transform([176, 184, 184, 176], [-19, -19, -11, -11])
    area = geopandas.GeoSeries([shapely.Polygon(np.column_stack(corners))], crs=zone)
    area.to_file(tmp_path / "area.gpkg")
    path = raster(place, crs, size=(20, 200 if "3857" in crs else 180))
    with run(path) as whole, run(path, mask=tmp_path / "area.gpkg") as part:
        x, y = centres(whole)
        lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
        lon = np.asarray(lon) % 360
        values = part.read(1)
        inside = (np.abs(lon - 180) < 3.7) & (np.abs(np.asarray(lat) + 15) < 3.7)
        outside = (np.abs(lon - 180) > 4.3) | (np.abs(np.asarray(lat) + 15) > 4.3)
        assert inside.any()
        assert (values[inside] == whole.read(1)[inside]).all()
        assert (values[outside] == part.nodata).all()


def test_a_raster_as_mask_counts_longitudes_its_own_way(
    tmp_path: Path, raster: Function, run: Function, write_raster: Function
) -> None:
    path = raster(WORLD, size=(20, 180))
    marks = np.ones((1, 10, 180), np.uint8)
    marks[:, :, 3:] = 0
    marks[:, :, 100:120] = 1
    mask = write_raster(
        tmp_path / "m.tif", marks, transform=Affine(2, 0, 0, 0, -2, 10), crs="EPSG:4326", nodata=0
    )
    with run(path) as whole, run(path, mask=mask) as part:
        assert by_place(part) == {
            (x, y): value
            for (x, y), value in by_place(whole).items()
            if -10 < y < 10 and (x < 6 or 200 < x < 240)
        }


# other grids


@pytest.mark.parametrize("option", ["crs", "map_crs"])
def test_a_zone_that_crosses_goes_on_beyond_180_in_degrees(
    raster: Function, run: Function, option: str
) -> None:
    path = raster(FIJI, "EPSG:32760", size=(60, 60))
    with run(path, **{option: "EPSG:4326"}) as moved:
        assert 50 < moved.width < 80
        assert moved.bounds.left < 180 < moved.bounds.right
        values = moved.read(1)
        x, y = Transformer.from_crs(4326, 32760, always_xy=True).transform(*centres(moved))
        column, row = ~FIJI @ (np.asarray(x), np.asarray(y))
        inside = (column > 1) & (row > 1) & (column < 59) & (row < 59)
        assert (values[inside] != moved.nodata).all()


@pytest.mark.parametrize("option", ["crs", "map_crs"])
@pytest.mark.parametrize(("place", "crs"), [(FIJI, "EPSG:32760"), (EAST, "EPSG:4326")])
def test_a_system_that_is_cut_open_within_a_raster_is_refused(
    raster: Function, run: Function, option: str, place: Affine, crs: str
) -> None:
    done = run(raster(place, crs, size=(40, 60)), **{option: "EPSG:3857"})
    assert "crosses the meridian where EPSG:3857 is cut open" in done.failures[0].reason


@pytest.mark.parametrize("option", ["crs", "map_crs"])
def test_a_grid_in_degrees_ends_less_than_a_row_before_the_south_pole(
    raster: Function, run: Function, option: str
) -> None:
    around = Affine(1e5, 0, -1e6, 0, -1e5, 1.5e6)
    with run(raster(around, "EPSG:3031", size=(30, 30)), **{option: "EPSG:4326"}) as south:
        assert -90 < south.bounds.bottom < -90 + south.transform.a
    with run(raster(around, "EPSG:3413", size=(30, 30)), **{option: "EPSG:4326"}) as north:
        assert north.bounds.top == 90


def test_degrees_beyond_180_are_brought_to_a_zone(raster: Function, run: Function) -> None:
    path = raster(EAST)
    with run(path, crs="EPSG:32760") as moved:
        x, y = Transformer.from_crs(32760, 4326, always_xy=True).transform(*centres(moved))
        column, row = ~EAST @ (np.asarray(x) % 360, np.asarray(y))
        inside = (column > 1) & (row > 1) & (column < 39) & (row < 19)
        assert (column[inside] > 30).any()
        assert (moved.read(1)[inside] != moved.nodata).all()


@pytest.mark.parametrize("west", [0, -180, -181])
def test_the_world_is_whole_in_another_system(raster: Function, run: Function, west: float) -> None:
    path = raster(Affine(2, 0, west, 0, -2, 60), size=(60, 180))
    with run(path, crs="EPSG:3857") as moved:
        values = moved.read(1)
    filled = (values != moved.nodata).mean(axis=0)
    assert (filled[1:-1] > 0.9).all()


def test_a_mosaic_is_not_laid_around_the_globe(
    tmp_path: Path, model: Path, write_raster: Function
) -> None:
    folder = tmp_path / "tiles"
    folder.mkdir()
    for name, west in (("east", 178.0), ("west", -180.0)):
        pixels = np.ones((3, 30, 40), np.uint8)
        place = Affine(0.05, 0, west, 0, -0.05, -15)
        write_raster(folder / f"{name}.tif", pixels, crs="EPSG:4326", transform=place)
    run = classify(folder, model=model, output=tmp_path / "r.gpkg", mode="mosaic")
    (row,) = run.sql("select reason from items")
    assert "lies on both sides of the 180th meridian" in row["reason"]
    both = classify(folder, model=model, output=tmp_path / "s.gpkg", mode="separate")
    assert both.done == 2
