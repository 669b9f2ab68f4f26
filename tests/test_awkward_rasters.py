"""Rasters of awkward shapes, types and layouts through ``classify``, against one pass over each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from pixelcat import classify

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
TURNED = UTM @ Affine.rotation(30)
CRS = "EPSG:32631"
BANDS = (2, 0, 1)
"""What the network is given, in its order."""


class Case(NamedTuple):
    """Size and type of a raster, and what of it is no data."""

    size: tuple[int, int]
    profile: Mapping[str, Any] = MappingProxyType({})
    dtype: str = "uint8"
    bands: int = 3
    hidden: str = ""
    """By alpha, mask, NaN, or blocks that are not in the file."""


CASES = {
    "below_a_tile": Case((41, 23)),
    "one_column": Case((210, 1)),
    "one_row": Case((1, 230)),
    "one_pixel": Case((1, 1)),
    "odd": Case((131, 97)),
    "turned": Case((90, 110), {"transform": TURNED}),
    "south_up": Case((90, 110), {"transform": UTM @ Affine.scale(1, -1)}),
    "no_crs": Case((90, 110), {"crs": None}),
    "no_place": Case((90, 110), {"crs": None, "transform": None}),
    "many_bands": Case((90, 110), bands=40),
    "by_pixel": Case((90, 110), {"interleave": "pixel"}),
    "sixteen_bits": Case((90, 110), dtype="uint16"),
    "signed": Case((90, 110), dtype="int16"),
    "nan": Case((90, 110), dtype="float32", hidden="nan"),
    "double_nan": Case((90, 110), {"nodata": np.nan}, dtype="float64", hidden="nan"),
    "alpha": Case((90, 110), bands=4, hidden="alpha"),
    "mask": Case((90, 110), hidden="mask"),
    "nodata": Case((90, 110), {"nodata": 9}, hidden="nodata"),
    "striped": Case((300, 170), {"blockysize": 7, "compress": "deflate"}),
    "one_strip": Case((150, 170), {"blockysize": 150}),
    "tiled": Case((300, 170), {"tiled": True, "blockxsize": 16, "blockysize": 48}),
    "sparse": Case(
        (200, 300),
        {"tiled": True, "blockxsize": 64, "blockysize": 64, "nodata": 0},
        hidden="blocks",
    ),
    "sparse_zeros": Case((200, 300), {"tiled": True, "blockxsize": 64, "blockysize": 64}),
}


def pixels_of(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of a case and which of them are data."""
    case = CASES[name]
    rng = np.random.default_rng(list(CASES).index(name))
    pixels = rng.integers(10, 250, (case.bands, *case.size)).astype(case.dtype)
    valid = np.ones(case.size, np.bool_)
    if case.hidden in ("alpha", "mask", "nan", "nodata"):
        valid = rng.random(case.size) > 0.2
    if name.startswith("sparse"):
        pixels[:, 64:128, 64:192] = 0
    if case.hidden == "blocks":
        valid[64:128, 64:192] = False
    if case.hidden == "nan":
        pixels[0, ~valid] = np.nan
    if case.hidden == "nodata":
        pixels[:, ~valid] = 9
    if case.hidden == "alpha":
        pixels[3] = np.where(valid, 255, 0)
    return pixels, valid


def write(folder: Path, name: str, write_raster: Function) -> None:
    case = CASES[name]
    pixels, valid = pixels_of(name)
    path = folder / f"{name}.tif"
    placed = {"transform": UTM, "crs": CRS, **case.profile}
    profile = {key: value for key, value in placed.items() if value is not None}
    if name.startswith("sparse"):
        profile |= {"width": case.size[1], "height": case.size[0], "count": 3, "dtype": case.dtype}
        with rasterio.open(path, "w", driver="GTiff", SPARSE_OK="TRUE", **profile) as dataset:
            for row in range(0, case.size[0], 64):
                for column in range(0, case.size[1], 64):
                    part = pixels[:, row : row + 64, column : column + 64]
                    if part.any():
                        area = Window(column, row, part.shape[2], part.shape[1])
                        dataset.write(part, window=area)
        return
    if case.hidden == "alpha":
        profile |= {"photometric": "rgb", "alpha": "yes"}
    write_raster(path, pixels, mask=valid if case.hidden == "mask" else None, **profile)


@pytest.fixture(scope="module")
def net(exact_net: Function) -> Any:
    """A network of stride 4."""
    return exact_net(poolings=2)


@pytest.fixture(scope="module", params=[{"tile_size": 48}, {"tile_size": 48, "tile_multiple": 16}])
def found(
    request: pytest.FixtureRequest,
    net: Any,
    tmp_path_factory: pytest.TempPathFactory,
    write_raster: Function,
) -> dict[str, tuple[np.ndarray, Affine]]:
    """Class maps of all cases, made in one run, and their transforms."""
    folder = tmp_path_factory.mktemp("awkward")
    (folder / "in").mkdir()
    for name in CASES:
        write(folder / "in", name, write_raster)
    net.save(folder / "net.keras")
    run = classify(
        folder / "in", model=folder / "net.keras", output=folder / "r.gpkg",
        arguments={**request.param, "bands": ",".join(map(str, BANDS))},
    )  # fmt: skip
    assert run.done == len(CASES), run.failures
    maps = {}
    for path in run.rasters.glob("*.tif"):
        with rasterio.open(path) as dataset:
            maps[path.stem[7:]] = dataset.read(1), dataset.transform
    return maps


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_class_map_is_that_of_one_pass_over_the_whole_raster(
    name: str, found: dict[str, tuple[np.ndarray, Affine]], net: Any, whole_image: Function
) -> None:
    pixels, valid = pixels_of(name)
    classes, transform = found[name]
    given = np.where(valid, pixels[list(BANDS)], 0)
    expected = whole_image(net, given, stride=4, valid=valid).argmax(-1)
    assert (classes == np.where(valid, expected, 255)).all()
    place = {"transform": UTM, **CASES[name].profile}["transform"]
    assert transform.almost_equals(place or Affine.identity())


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_they_are_what_their_names_say(tmp_path: Path, write_raster: Function) -> None:
    for name in CASES:
        write(tmp_path, name, write_raster)
    with rasterio.open(tmp_path / "sparse.tif") as dataset:
        assert dataset.get_tag_item("BLOCK_OFFSET_1_0", "TIFF", 1) is not None
        assert dataset.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", 1) is None
    with rasterio.open(tmp_path / "alpha.tif") as dataset:
        assert dataset.colorinterp[3] == ColorInterp.alpha
    with rasterio.open(tmp_path / "striped.tif") as dataset:
        assert dataset.block_shapes[0] == (7, 170)


def test_complex_numbers_fail_with_a_reason_beside_a_raster_that_does_not(
    net: Any, tmp_path: Path, write_raster: Function
) -> None:
    (tmp_path / "in").mkdir()
    place = {"transform": UTM, "crs": CRS}
    write_raster(tmp_path / "in" / "good.tif", np.ones((3, 20, 30), np.uint8), **place)
    write_raster(tmp_path / "in" / "radar.tif", np.ones((3, 20, 30), np.complex64), **place)
    net.save(tmp_path / "net.keras")
    run = classify(tmp_path / "in", model=tmp_path / "net.keras", output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (1, 1)
    assert run.failures[0].image == "radar.tif"
    assert "complex64 pixels (complex numbers) cannot be classified" in run.failures[0].reason
