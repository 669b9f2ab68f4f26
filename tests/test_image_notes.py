"""Images with more than one page: the first is classified, and the run says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin

from pixelcat import classify

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{NotGeoreferencedWarning.__module__}.NotGeoreferencedWarning"
)
Function = Callable[..., Any]
SIZE = (48, 40)
"""Width and height of all images."""


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), np.uint8)
    return Image.fromarray(pixels)


def with_overviews(path: Path, write_raster: Function) -> None:
    """A raster with directories that are no pages."""
    pixels = np.random.default_rng(1).integers(0, 256, (3, 512, 512), np.uint8)
    write_raster(path, pixels, transform=from_origin(0, 0, 1, 1), crs="EPSG:32632")
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])


def test_of_images_with_pages_the_first_is_classified_and_the_run_says_so(
    tmp_path: Path, exact_net: Function, write_raster: Function
) -> None:
    pages, single, folder = [picture(seed) for seed in range(3)], tmp_path / "one", tmp_path / "in"
    single.mkdir()
    folder.mkdir()
    lossless: dict[str, Any] = {"webp": {"lossless": True}, "png": {}, "tif": {}}
    for suffix, how in lossless.items():
        pages[0].save(single / f"{suffix}_image.{suffix}", **how)
        pages[0].save(
            folder / f"{suffix}_image.{suffix}", save_all=True, append_images=pages[1:], **how
        )
    pages[0].save(folder / "preview.jpg", "MPO", save_all=True, append_images=pages[1:])
    with_overviews(folder / "overviews.tif", write_raster)
    exact_net(poolings=1).save(tmp_path / "net.keras")

    def maps(source: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
        run = classify(
            source, model=tmp_path / "net.keras", output=tmp_path / f"{source.name}.gpkg"
        )
        assert run.failed == 0
        found = {}
        for path in run.rasters.glob("*.tif"):
            with rasterio.open(path) as file:
                found[path.name.partition("_")[2]] = file.read(1)
        return found, run.notes

    alone, quiet = maps(single)
    many, said = maps(folder)
    assert not any("pages" in note for note in quiet)
    assert any("3 with several pages or frames: the first is classified" in note for note in said)
    assert len(alone) == 3
    for name, classes in alone.items():
        assert (many[name] == classes).all()
