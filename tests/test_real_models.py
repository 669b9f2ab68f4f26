"""Real models on real imagery: counts measured outside pixelcat with the models' own runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from pixelcat import classify

pytestmark = pytest.mark.shared_data

REFLECTANCE = {"scale": 0.0001, "offset": -0.1}


def pixels(image: Path, model: Path, output: Path, **arguments: Any) -> dict[int, int]:
    run = classify(image, model=model, output=output, arguments=arguments)
    assert run.exit_code == 0
    rows = run.sql(
        "select s.value, s.pixels from class_stats s join outputs o on o.id = s.output_id"
        " where o.run_id = ?",
        [run.id],
    )
    return {row["value"]: row["pixels"] for row in rows}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("32x32x32", {0: 2090, 1: 45042, 2: 11407}),
        ("64x64x64", {0: 1777, 1: 52126, 2: 4636}),
        ("256x64x256", {0: 1893, 1: 44869, 2: 11777}),
        ("256x128x256", {0: 1590, 1: 53172, 2: 3777}),
    ],
)
def test_fractional_cover_of_a_sentinel_scene(
    shared_data: Path, tmp_path: Path, layers: str, expected: dict[int, int]
) -> None:
    found = pixels(
        shared_data / "imagery/rstoolbox/sen2.tif",
        shared_data / f"models/fractionalcover3/fcModel_{layers}_conv.keras",
        tmp_path / "r.gpkg",
        bands="B3,B4,B8,B11,B12",
        tile_size=100,
        **REFLECTANCE,
    )
    assert found == expected


@pytest.mark.parametrize(("bands", "clouds"), [("2,1,0,3", 26), ("6,5,4,7", 7)])
@pytest.mark.parametrize("tile_size", [96, 256])
def test_clouds_in_two_dates_of_one_file(
    shared_data: Path, tmp_path: Path, bands: str, clouds: int, tile_size: int
) -> None:
    found = pixels(
        shared_data / "imagery/ftw_inference-img.tif",
        shared_data / "models/dl_l8s2_uv/rgbi.keras",
        tmp_path / "r.gpkg",
        bands=bands,
        scale=0.0001,
        tile_size=tile_size,
    )
    assert found == {0: 219_062 - clouds, 1: clouds}


def test_a_clear_scene_has_no_clouds(shared_data: Path, tmp_path: Path) -> None:
    found = pixels(
        shared_data / "imagery/rstoolbox/sen2.tif",
        shared_data / "models/dl_l8s2_uv/rgbiswir.keras",
        tmp_path / "r.gpkg",
        bands="B2,B3,B4,B8,B11,B12",
        tile_size=128,
        **REFLECTANCE,
    )
    assert found == {0: 247 * 237, 1: 0}


def test_scene_with_a_collar_of_nodata(shared_data: Path, tmp_path: Path, model_emd: Path) -> None:
    image = shared_data / "imagery/rasterio/RGB.byte.tif"
    with rasterio.open(image) as dataset:
        valid = dataset.dataset_mask() != 0
    run = classify(image, model=model_emd, output=tmp_path / "r.gpkg")
    (row,) = run.sql("select raster_path, valid_pixels from outputs")
    with rasterio.open(tmp_path / row["raster_path"]) as dataset:
        classes = dataset.read(1)
        assert ((classes != dataset.nodata) == valid).all()
    assert row["valid_pixels"] == int(valid.sum())


# the same weights in several containers


def class_map(image: Path, model: Path, output: Path, **arguments: Any) -> np.ndarray:
    run = classify(image, model=model, output=output, arguments=arguments)
    (raster,) = run.rasters.glob("*.tif")
    with rasterio.open(raster) as dataset:
        return np.asarray(dataset.read(1))


def cut(image: Path, output: Path, side: int) -> Path:
    """Write the upper left corner of a raster, with all its bands."""
    with rasterio.open(image) as source:
        profile = source.profile | {"width": side, "height": side}
        with rasterio.open(output, "w", **profile) as target:
            target.write(source.read(window=((0, side), (0, side))))
            target.descriptions = source.descriptions
    return output


@pytest.mark.parametrize(
    ("name", "threshold", "different"),
    [
        ("landsatbiomeRGBISWIR7.hdf5", 0.00005, 0),
        ("rgbiswir_frozen.pb", 0.00005, 0),
        ("rgbiswir_savedmodel", 0.00005, 10),
        ("rgbiswir_savedmodel", 0.5, 0),
    ],
)
def test_containers_of_one_cloud_model_agree(
    shared_data: Path, tmp_path: Path, name: str, threshold: float, different: int
) -> None:
    """The SavedModel takes 32 x 32 pixels and no other size, and looks 22 pixels far.

    A side of 224 pixels suits any grid that a graph without layers may be measured to have.
    """
    models = shared_data / "models/dl_l8s2_uv"
    arguments = {"bands": "B2,B3,B4,B8,B11,B12", "threshold": threshold, **REFLECTANCE}
    image = cut(shared_data / "imagery/rstoolbox/sen2.tif", tmp_path / "cut.tif", 224)
    wanted = class_map(image, models / "rgbiswir.keras", tmp_path / "a.gpkg", **arguments)
    found = class_map(image, models / name, tmp_path / "b.gpkg", **arguments)
    assert (wanted == 1).sum() == (62 if threshold < 0.5 else 0)
    assert (found != wanted).sum() == different


@pytest.mark.parametrize("layers", ["32x32x32", "64x64x64", "256x64x256", "256x128x256"])
def test_containers_of_one_cover_model_agree(
    shared_data: Path, tmp_path: Path, layers: str
) -> None:
    models = shared_data / "models/fractionalcover3"
    image = shared_data / "imagery/rstoolbox/sen2.tif"
    arguments = {"bands": "B3,B4,B8,B11,B12", **REFLECTANCE}
    keras, lite = (
        class_map(image, models / f"fcModel_{layers}{end}", tmp_path / f"{n}.gpkg", **arguments)
        for n, end in enumerate(("_conv.keras", ".tflite"))
    )
    assert (keras == lite).all()
    assert set(np.unique(keras)) == {0, 1, 2}
