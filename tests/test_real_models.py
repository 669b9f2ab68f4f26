"""Real models on real imagery: counts measured outside pixelcat with the models' own runtime."""

from pathlib import Path
from typing import Any

import pytest

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
    import rasterio

    image = shared_data / "imagery/rasterio/RGB.byte.tif"
    with rasterio.open(image) as dataset:
        valid = dataset.dataset_mask() != 0
    run = classify(image, model=model_emd, output=tmp_path / "r.gpkg")
    (row,) = run.sql("select raster_path, valid_pixels from outputs")
    with rasterio.open(tmp_path / row["raster_path"]) as dataset:
        classes = dataset.read(1)
        assert ((classes != dataset.nodata) == valid).all()
    assert row["valid_pixels"] == int(valid.sum())
