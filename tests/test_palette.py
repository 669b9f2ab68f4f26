"""Images with a palette: colours for a model that takes colours, numbers for one that takes one band."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from pixelcat import classify

Function = Callable[..., Any]
SIZE = (60, 75)
ENTRIES = 40
PLACE = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "crs": "EPSG:32631"}


@pytest.fixture(scope="module")
def nets(exact_net: Function) -> dict[int, Any]:
    """Networks that take one band, and three."""
    return {bands: exact_net(poolings=1, bands=bands) for bands in (1, 3)}


@pytest.fixture(scope="module")
def models(nets: dict[int, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("net")
    for bands, net in nets.items():
        net.save(folder / f"net{bands}.keras")
    return {bands: folder / f"net{bands}.keras" for bands in nets}


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.random.default_rng(5).integers(0, ENTRIES, SIZE, np.uint8)


@pytest.fixture(scope="module")
def colors() -> np.ndarray:
    return np.random.default_rng(6).integers(0, 256, (ENTRIES, 3), np.uint8)


@pytest.fixture
def write(tmp_path: Path, numbers: np.ndarray, colors: np.ndarray) -> Function:
    """Return a function that writes them in some format; an entry may be transparent."""

    def make(kind: str, hidden: int | None = None) -> Path:
        path = tmp_path / f"a{hidden}.{kind}"
        if kind in ("tif", "vrt"):
            tiff(path.with_suffix(".tif"), hidden)
            return path
        image = Image.fromarray(numbers, "P")
        image.putpalette(colors.tobytes())
        image.save(path, **({} if hidden is None else {"transparency": hidden}))
        return path

    def tiff(path: Path, hidden: int | None) -> None:
        import rasterio
        import rasterio.shutil

        profile = {"width": SIZE[1], "height": SIZE[0], "count": 1, "dtype": "uint8"}
        with rasterio.open(path, "w", driver="GTiff", **profile, **PLACE) as dataset:
            dataset.write(numbers, 1)
            dataset.write_colormap(1, {n: (*map(int, c), 255) for n, c in enumerate(colors)})
        if hidden is not None:  # TIFF knows no alpha in palettes, virtual rasters do
            rasterio.shutil.copy(path, path.with_suffix(".vrt"), driver="VRT")
            text = path.with_suffix(".vrt").read_text(encoding="utf-8")
            entry = '<Entry c1="{}" c2="{}" c3="{}" c4="255" />'.format(*colors[hidden])
            assert entry in text
            path.with_suffix(".vrt").write_text(
                text.replace(entry, entry.replace('"255" />', '"0" />')), encoding="utf-8"
            )

    return make


KINDS = [("tif", None), ("png", None), ("gif", None), ("vrt", 7), ("png", 7), ("gif", 7)]


@pytest.mark.parametrize("bands", [1, 3])
def test_a_model_gets_colors_where_it_takes_three_bands_and_else_numbers(
    write: Function,
    nets: dict[int, Any],
    models: dict[int, Path],
    numbers: np.ndarray,
    colors: np.ndarray,
    tmp_path: Path,
    whole_image: Function,
    read_raster: Function,
    bands: int,
) -> None:
    paths = [write(*kind) for kind in KINDS]
    run = classify(paths, model=models[bands], output=tmp_path / "r.gpkg")
    assert run.done == len(KINDS), run.failures
    pixels = numbers[np.newaxis] if bands == 1 else np.moveaxis(colors[numbers], -1, 0)
    rasters = {row["name"]: row["path"] for row in run.sql(
        "select i.name, o.raster_path as path from outputs o join items i on i.id = o.item_id"
    )}  # fmt: skip
    for path, (_, hidden) in zip(paths, KINDS, strict=True):
        valid = np.ones(SIZE, np.bool_) if hidden is None else numbers != hidden
        scores = whole_image(nets[bands], pixels, stride=2, valid=valid)
        found = read_raster(tmp_path / rasters[path.name])
        assert (found == np.where(valid, scores.argmax(-1), 255)).all()


@pytest.mark.parametrize(
    ("chosen", "expected"), [("0,0,0", None), ("2,1,0", [2, 1, 0]), ("blue,red,green", [2, 0, 1])]
)
def test_bands_say_what_is_wanted(
    write: Function,
    nets: dict[int, Any],
    models: dict[int, Path],
    numbers: np.ndarray,
    colors: np.ndarray,
    tmp_path: Path,
    whole_image: Function,
    read_raster: Function,
    chosen: str,
    expected: list[int] | None,
) -> None:
    """The first band alone, however often, is the one that the file has."""
    run = classify(
        write("tif"), model=models[3], output=tmp_path / "r.gpkg", arguments={"bands": chosen}
    )
    assert run.done == 1, run.failures
    pixels = (
        numbers[np.newaxis].repeat(3, axis=0)
        if expected is None
        else np.moveaxis(colors[numbers], -1, 0)[expected]
    )
    (raster,) = run.rasters.glob("*.tif")
    scores = whole_image(nets[3], pixels, stride=2)
    assert (read_raster(raster) == scores.argmax(-1)).all()


def test_colors_are_resampled_and_not_numbers(
    write: Function,
    nets: dict[int, Any],
    models: dict[int, Path],
    numbers: np.ndarray,
    colors: np.ndarray,
    tmp_path: Path,
    whole_image: Function,
    read_raster: Function,
) -> None:
    run = classify(
        write("tif"), model=models[3], output=tmp_path / "r.gpkg",
        environment={"cell_size": 30, "nodata": 3},
    )  # fmt: skip
    known = numbers != 3
    blocks = np.where(known[..., np.newaxis], colors[numbers], 0.0).reshape(20, 3, 25, 3, 3)
    counts = known.reshape(20, 3, 25, 3).sum(axis=(1, 3))
    means = np.floor(blocks.sum(axis=(1, 3)) / np.maximum(counts, 1)[..., np.newaxis] + 0.5)
    valid = counts >= 4.5
    scores = whole_image(nets[3], np.moveaxis(means, -1, 0), stride=2, valid=valid)
    (raster,) = run.rasters.glob("*.tif")
    assert (read_raster(raster) == np.where(valid, scores.argmax(-1), 255)).all()
