"""NoData, bands, cell sizes of definitions, the run's identity, and what is refused."""

import json
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner
from PIL import Image
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from pixelcat import classify
from pixelcat.catalog.errors import PixelcatError, SourceError, UsageError
from pixelcat.cli import cli
from pixelcat.io.grid import GridOptions
from pixelcat.io.image import Window, open_image
from pixelcat.io.warped import on_grid
from pixelcat.processors.environment import environment_of

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


@pytest.fixture(scope="module")
def net(exact_net: Function) -> Any:
    """A network that looks at single pixels of three bands."""
    return exact_net(poolings=0)


@pytest.fixture(scope="module")
def model(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("net") / "net.keras"
    net.save(path)
    return path


@pytest.fixture
def raster(tmp_path: Path, write_raster: Function) -> Path:
    """Four bands of noise, 60 rows of 70 pixels of 10 m, many of them 0; no NoData declared."""
    pixels = np.random.default_rng(5).integers(0, 4, (4, 60, 70)).astype(np.uint8) * 60
    pixels[:, 10:30, 20:40] = 0
    place = {"transform": UTM, "crs": "EPSG:32631", "photometric": "minisblack"}
    return Path(write_raster(tmp_path / "a.tif", pixels, **place))


@pytest.fixture
def classes(read_raster: Function) -> Function:
    """Return a function that reads the only class map of a run."""

    def read(run: Any) -> np.ndarray:
        assert run.done == 1, run.failures
        (path,) = run.rasters.glob("*.tif")
        found: np.ndarray = read_raster(path)
        return found

    return read


# NoData


def test_values_that_mark_nodata(
    raster: Path, model: Path, net: Any, tmp_path: Path, whole_image: Function, classes: Function
) -> None:
    with rasterio.open(raster) as dataset:
        pixels = dataset.read()
    for text, values in (("0", (0, 0, 0)), ("0,60,180,7", (0, 60, 180)), ([60], (60, 60, 60))):
        run = classify(
            raster, model=model, output=tmp_path / f"{text}.gpkg", environment={"nodata": text}
        )
        valid = (pixels[:3] != np.array(values)[:, np.newaxis, np.newaxis]).any(0)
        expected = whole_image(net, pixels[:3], stride=1, valid=valid).argmax(-1)
        assert not valid.all()
        assert (classes(run) == np.where(valid, expected, 255)).all()


@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_nodata_that_does_not_fit_the_type_of_a_raster(
    tmp_path: Path, model: Path, write_raster: Function, classes: Function, dtype: str
) -> None:
    pixels = np.full((3, 20, 30), 9, dtype)
    pixels[:, 5] = -9999 if dtype != "uint16" else 0
    path = write_raster(tmp_path / "a.tif", pixels, transform=UTM, crs="EPSG:32631")
    run = classify(path, model=model, output=tmp_path / "r.gpkg", environment={"nodata": -9999})
    assert ((classes(run) == 255).all(1) == (pixels[0] == -9999).all(1)).all()


def test_nodata_for_bands_that_an_image_does_not_have(
    raster: Path, model: Path, tmp_path: Path
) -> None:
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment={"nodata": "0,0,0"})
    assert [each.reason for each in run.failures] == ["has 4 band(s), --nodata has 3 values"]


def test_nodata_of_photos(model: Path, tmp_path: Path, classes: Function) -> None:
    pixels = np.full((30, 40, 3), 90, np.uint8)
    pixels[:10] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    run = classify(
        tmp_path / "a.png", model=model, output=tmp_path / "r.gpkg", environment={"nodata": 0}
    )
    assert ((classes(run) == 255) == (pixels[..., 0] == 0)).all()


# grids


@pytest.mark.parametrize("size", ["1e-9", "1e-4"])
def test_a_grid_larger_than_any_memory_fails_its_raster_at_once(
    raster: Path, model: Path, tmp_path: Path, size: str
) -> None:
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment={"cell_size": size})
    (failure,) = run.failures
    assert failure.reason.startswith("would have ")
    assert failure.reason.endswith("give a larger --cell-size")


@pytest.mark.parametrize("size", [130, 150, 370, 500, 900])
def test_cells_that_reach_beyond_the_raster_are_the_mean_of_what_there_is(
    tmp_path: Path, model: Path, net: Any, write_raster: Function, classes: Function, size: int
) -> None:
    pixels = np.random.default_rng(8).integers(0, 256, (3, 67, 71), np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels, transform=UTM, crs="EPSG:32631")
    run = classify(path, model=model, output=tmp_path / "r.gpkg", environment={"cell_size": size})
    step = size // 10
    rows, columns = (max(1, round(length / step)) for length in (67, 71))
    mean = [
        [
            pixels[:, r * step : (r + 1) * step, c * step : (c + 1) * step].mean(axis=(1, 2))
            for c in range(columns)
        ]
        for r in range(rows)
    ]
    fed = np.floor(np.array(mean) + 0.5).astype(np.float32)
    expected = net(fed[np.newaxis]).numpy()[0].argmax(-1)
    found = classes(run)
    assert found.shape == (rows, columns)
    assert (found == expected).all()


# the command line


def ask(*args: object) -> Any:
    return CliRunner().invoke(cli, ["classify", *map(str, args)], catch_exceptions=True)


def test_the_options_of_the_command_line(
    raster: Path,
    model: Path,
    net: Any,
    tmp_path: Path,
    whole_image: Function,
    read_raster: Function,
) -> None:
    output = tmp_path / "r.gpkg"
    given = (
        *(raster, "--model", model, "--output", output, "--bands", "3,1,0", "--nodata", 0),
        *("--extent", "500105,4999650,500405,4999950", "--extent-crs", "EPSG:32631"),
    )
    assert ask(*given).exit_code == 0
    with rasterio.open(raster) as dataset:
        pixels = dataset.read()[[3, 1, 0]]
    valid = pixels.any(0)
    expected = np.where(valid, whole_image(net, pixels, stride=1, valid=valid).argmax(-1), 255)
    (path,) = (tmp_path / "r_rasters").rglob("*.tif")
    assert (read_raster(path) == expected[5:35, 10:40]).all()
    (stored,) = (
        json.loads(text) for (text,) in sqlite3.connect(output).execute("select options from runs")
    )
    assert stored["bands"] == [3, 1, 0]
    assert stored["environment"] == {
        "extent": {"bounds": [500105.0, 4999650.0, 500405.0, 4999950.0], "crs": "EPSG:32631"},
        "mask": None,
        "grid": {"cell_size": None, "crs": None, "snap": None},
        "nodata": [0.0],
    }


def test_a_negative_extent_is_no_option(raster: Path, model: Path, tmp_path: Path) -> None:
    answer = ask(
        *(raster, "--model", model, "--output", tmp_path / "r.gpkg"),
        *("--extent", "-10,-10,-5,-5", "--extent-crs", 4326, "--format", "json"),
    )
    assert answer.exit_code == 0
    assert "note: 1 skipped: lies outside the extent" in answer.output


def test_bands_are_named_once(raster: Path, model: Path, tmp_path: Path) -> None:
    answer = ask(
        raster, "-m", model, "-o", tmp_path / "r.gpkg", "--bands", "0,1,2", "--arg", "bands=1,2,3"
    )
    assert isinstance(answer.exception, UsageError)
    assert "differ; give one" in str(answer.exception)


# identity


def test_the_environment_is_part_of_what_a_run_is(
    raster: Path, model: Path, tmp_path: Path
) -> None:
    area = geopandas.GeoSeries([shapely.box(500_100, 4_999_500, 500_300, 4_999_900)], crs=32631)
    area.to_file(tmp_path / "mask.gpkg", layer="a")

    def run(**environment: Any) -> tuple[int, int]:
        made = classify(raster, model=model, output=tmp_path / "r.gpkg", environment=environment)
        return made.id, made.classified_now

    extent = {"extent": (500_100, 4_999_500, 500_300, 4_999_900)}
    assert run() == (1, 1)
    assert run(**extent) == (2, 1)
    assert run(**extent, extent_crs="EPSG:32631") == (3, 1)
    assert run(extent="500100 4999500 500300 4999900") == (2, 0)
    assert run(mask=tmp_path / "mask.gpkg") == (4, 1)
    assert run(mask=str(tmp_path / "mask.gpkg")) == (4, 0)
    assert run(cell_size="20") == (5, 1)
    assert run(cellSize=20.0) == (5, 0)
    assert run(crs=4326) == (6, 1)
    assert run(crs="epsg:4326") == (6, 0)
    assert run() == (1, 0)
    (plain,) = sqlite3.connect(tmp_path / "r.gpkg").execute("select options from runs where id = 1")
    assert "environment" not in json.loads(plain[0])  # as in catalogs from before there was one
    area.buffer(20).to_file(tmp_path / "mask.gpkg", layer="a")
    assert run(mask=tmp_path / "mask.gpkg") == (7, 1)


# what the definition says of cell sizes


@pytest.fixture(scope="module")
def meant_for(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Function:
    """Return a function that writes a definition with cell sizes, in units of a system."""
    folder = tmp_path_factory.mktemp("emd")
    net.save(folder / "net.keras")

    def write(least: float, greatest: float, wkid: int | None) -> Path:
        system = {"wkid": wkid, "latestWkid": wkid}
        emd = {
            "Framework": "Keras",
            "ModelType": "ImageClassification",
            "ModelFile": "net.keras",
            "mincellsize": {"x": least, "y": least, "spatialReference": system},
            "MaxCellSize": {"x": greatest, "y": greatest, "spatialReference": system},
        }
        path = folder / "net.emd"
        path.write_text(json.dumps(emd))
        return path

    return write


@pytest.mark.parametrize(
    ("limits", "environment", "note"),
    [
        ((5, 10, 32631), {}, None),
        ((10, 10, None), {}, None),
        (
            (5, 9, 3857),
            {},
            "cells of 10 are beyond the largest that the model is meant for, 9 metres",
        ),
        (
            (15, 30, 32631),
            {},
            "cells of 10 are beyond the smallest that the model is meant for, 15",
        ),
        ((15, 30, 32631), {"cell_size": 20}, None),
        ((5, 10, 32631), {"cell_size": 20}, "cells of 20 are beyond the largest"),
        ((34, 40, 2225), {}, "cells of 32.8083 are beyond the smallest"),
        ((1e-6, 1e-5, 4326), {}, "cells of 8.98315e-05 are beyond the largest that the model is"),
        ((5e-5, 1e-4, 4326), {}, None),
    ],
)
def test_a_raster_with_cells_that_a_model_is_not_meant_for(
    raster: Path,
    meant_for: Function,
    tmp_path: Path,
    limits: tuple[Any, ...],
    environment: dict[str, Any],
    note: str | None,
) -> None:
    model = meant_for(*limits)
    for _ in range(2):  # said again where nothing is left to do
        run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment=environment)
        assert run.done == 1
        if note is None:
            assert run.notes == ()
        else:
            assert len(run.notes) == 1
            assert f"a.tif: its {note}" in run.notes[0]
            assert "--cell-size" in run.notes[0]


def test_cells_in_degrees_are_compared_on_the_ground(
    tmp_path: Path, meant_for: Function, write_raster: Function
) -> None:
    pixels = np.ones((3, 10, 10), np.uint8)
    place = Affine(0.001, 0, 5, 0, -0.001, 60)  # 55.8 m by 111.4 m
    path = write_raster(tmp_path / "a.tif", pixels, transform=place, crs="EPSG:4326")
    model = meant_for(10, 75, 3857)
    run = classify(path, model=model, output=tmp_path / "r.gpkg")
    assert "a.tif: its cells of 78.8" in run.notes[0]


# what is refused


@pytest.mark.parametrize(
    ("environment", "error", "message"),
    [
        ({"extent": "1,2,3"}, UsageError, "expected xmin,ymin,xmax,ymax, or a file"),
        ({"extent": (4, 2, 3, 5)}, UsageError, "nothing lies between"),
        ({"extent": "1,nan,3,4"}, UsageError, "expected xmin,ymin,xmax,ymax, or a file"),
        ({"extent": "gone.gpkg"}, SourceError, "no such file"),
        ({"extent": "photo.png"}, SourceError, "has no place on the ground"),
        ({"extent": "text.txt"}, SourceError, "not an image but"),
        ({"extent": "two.gpkg"}, UsageError, "has the layers one, two; choose one"),
        ({"extent": "two.gpkg|layername=three"}, UsageError, "no layer three with geometry"),
        ({"extent": "two.gpkg|layername=one", "extent_crs": 4326}, UsageError, "its own reference"),
        ({"extent_crs": 4326}, UsageError, "give both"),
        ({"extent": (0, 0, 1, 1), "extent_crs": "Atlantis"}, UsageError, "is no reference system"),
        ({"crs": 999999}, UsageError, "is no reference system"),
        ({"cell_size": 0}, UsageError, "expected a number above 0"),
        ({"cell_size": "ten"}, UsageError, "expected a number above 0"),
        ({"nodata": "none"}, UsageError, "expected a number"),
        ({"mask": "two.gpkg|layername=one"}, UsageError, "has no polygons"),
        ({"mask": "a.tif"}, UsageError, "declares no NoData"),
        ({"mask": "photo.png"}, SourceError, "has no place on the ground"),
        ({"snap": "photo.png"}, SourceError, "has no place on the ground"),
        ({"snap": "two.gpkg"}, UsageError, "is no raster"),
        ({"snaprastr": "a.tif"}, UsageError, "did you mean snap?"),
        ({"snap": "a.tif", "snapRaster": "a.tif"}, UsageError, "given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_made(
    raster: Path,
    model: Path,
    tmp_path: Path,
    environment: dict[str, Any],
    error: type[PixelcatError],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (9, 9)).save("photo.png")
    Path("text.txt").write_text("no image", encoding="utf-8")
    for name in ("one", "two"):
        points = geopandas.GeoSeries([shapely.Point(1, 2)], crs=4326)
        points.to_file("two.gpkg", layer=name)
    with pytest.raises(error, match=message.replace("?", "[?]")):
        classify(raster, model=model, output="r.gpkg", environment=environment)
    assert not Path("r.gpkg").exists()


def test_a_snap_raster_in_another_reference_system_fails_the_image(
    raster: Path, model: Path, tmp_path: Path, write_raster: Function
) -> None:
    like = write_raster(
        tmp_path / "s.tif", np.ones((1, 2, 2), np.uint8), crs=4326,
        transform=Affine(1, 0, 0, 0, -1, 0),
    )  # fmt: skip
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment={"snap": like})
    assert "give --crs EPSG:4326" in run.failures[0].reason


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"crs": 3857}, "has no reference system; --crs cannot apply"),
        ({"extent": "0,0,1,1", "extent_crs": 4326}, "has no reference system, and the extent has"),
    ],
)
def test_a_raster_without_a_reference_system(
    tmp_path: Path, model: Path, write_raster: Function, environment: dict[str, Any], reason: str
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 60, 70), np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels, transform=UTM)
    run = classify(path, model=model, output=tmp_path / "r.gpkg", environment=environment)
    assert reason in run.failures[0].reason
    own = {"extent": (500_100, 4_999_500, 500_300, 4_999_900), "cell_size": 20}
    run = classify(path, model=model, output=tmp_path / "own.gpkg", environment=own)
    assert run.sql("select width, height from outputs") == [{"width": 10, "height": 20}]


@pytest.mark.parametrize("place", [UTM, UTM @ Affine.scale(0.2, 5), UTM @ Affine.scale(1, -1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_means_of_larger_cells_are_those_of_gdal(
    place: Affine, dtype: str, tmp_path: Path, write_raster: Function
) -> None:
    """Of pixels that are no squares too, of which a cell may be lower than one."""
    pixels = np.random.default_rng(5).integers(0, 251, (1, 190, 170)).astype(dtype)
    path = write_raster(tmp_path / "a.tif", pixels, transform=place, crs="EPSG:32631")
    for size in (37.0, 23.3):
        with open_image(path) as image:
            grid = GridOptions(cell_size=size).grid_of(image)
            found = on_grid(image, grid).read(Window(0, 0, grid.height, grid.width), (0,))
        with (
            rasterio.open(path) as dataset,
            WarpedVRT(
                dataset, crs=dataset.crs, transform=grid.transform, width=grid.width,
                height=grid.height, resampling=Resampling.average, dtype="float64",
                tolerance=1e-9, XSCALE=1, YSCALE=1,
            ) as warped,
        ):  # fmt: skip
            expected = warped.read(1)
        assert found.valid.all()
        exact = expected if dtype == "float32" else np.floor(expected.round(6) + 0.5)
        inside = (slice(-1), slice(-1))  # what reaches beyond the raster is tested above
        np.testing.assert_allclose(found.data[0][inside], exact[inside], rtol=1e-6)


@pytest.mark.parametrize("option", ["crs", "map_crs"])
@pytest.mark.parametrize("system", ["EPSG:5773", "EPSG:4978"])
def test_systems_that_are_no_map_are_refused(option: str, system: str) -> None:
    with pytest.raises(UsageError, match=f"{system} is no map"):
        environment_of({option: system})


def test_an_unknown_way_to_resample_is_named_first() -> None:
    with pytest.raises(UsageError, match="--map-resampling cubic: expected nearest or mode"):
        environment_of({"map_resampling": "cubic"})


@pytest.fixture
def unplaced_layer(tmp_path: Path) -> Path:
    """A GeoPackage with a polygon in a reference system that nobody named."""
    path = tmp_path / "unplaced.gpkg"
    shapes = geopandas.GeoSeries([shapely.box(500_100, 4_999_500, 500_300, 4_999_900)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes.to_file(path)
    return path


@pytest.mark.parametrize("option", ["extent", "mask"])
def test_a_layer_in_an_unknown_system_is_in_that_of_each_raster(
    raster: Path, model: Path, tmp_path: Path, unplaced_layer: Path, option: str
) -> None:
    run = classify(
        raster, model=model, output=tmp_path / "r.gpkg", environment={option: unplaced_layer}
    )
    assert run.sql("select valid_pixels from outputs") == [{"valid_pixels": 20 * 40}]


def test_a_mask_may_reach_beyond_what_a_system_can_show(
    raster: Path, model: Path, tmp_path: Path
) -> None:
    middle = geopandas.GeoSeries([shapely.Point(500_350, 4_999_700)], crs=32631).to_crs(4326)[0]
    world = shapely.box(-180, -90, 180, 90).difference(middle.buffer(1e-3))
    geopandas.GeoSeries([world], crs=4326).to_file(tmp_path / "world.gpkg")
    environment = {"mask": tmp_path / "world.gpkg"}
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment=environment)
    (row,) = run.sql("select valid_pixels from outputs")
    hole = 3.14 * (1e-3 * 111_000) * (1e-3 * 78_600) / 100
    assert row["valid_pixels"] == pytest.approx(60 * 70 - hole, rel=0.02)


def test_cells_larger_than_a_raster_are_told(raster: Path, model: Path, tmp_path: Path) -> None:
    run = classify(raster, model=model, output=tmp_path / "r.gpkg", environment={"cell_size": 5000})
    assert run.failures[0].reason == (
        "is 700 x 600 metres and holds the centre of no pixel of 5000; give a smaller --cell-size"
    )


@pytest.mark.parametrize(
    ("of_raster", "of_snap", "reason"),
    [
        ("EPSG:32631", None, "which has no reference system that is known"),
        (None, "EPSG:32631", "has no reference system, and the snap raster"),
    ],
)
def test_a_snap_raster_without_a_common_system(
    model: Path, tmp_path: Path, write_raster: Function, of_raster: str | None,
    of_snap: str | None, reason: str,
) -> None:  # fmt: skip
    pixels = np.ones((3, 60, 70), np.uint8)
    path = write_raster(tmp_path / "a.tif", pixels, transform=UTM, crs=of_raster)
    snap = write_raster(tmp_path / "snap.tif", pixels, transform=UTM, crs=of_snap)
    run = classify(path, model=model, output=tmp_path / "r.gpkg", environment={"snap": snap})
    assert reason in run.failures[0].reason
