"""Class maps that nothing lists any more are removed, and nothing else is, whatever a catalog says."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelcat import classify

Function = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("precious.tif", "precious.tif"),
        ("r_rasters/run_1/mine.tif", "r_rasters/run_1/mine.tif"),
        ("r_rasters/run_1/000009_a.tif", "precious.tif"),
    ],
)
def test_what_no_run_has_written_stays(
    photos: Path, model_emd: Path, tmp_path: Path, name: str, place: str
) -> None:
    """Somebody has changed the catalog, or put a link in place of a class map."""
    asked = {"model": model_emd, "output": tmp_path / "r.gpkg"}
    first = classify(photos, **asked)
    (made,) = first.sql("select classified_image from item_results where image_name = '0.png'")
    precious = tmp_path / place
    (tmp_path / made["classified_image"]).rename(precious)
    if name != place:
        (tmp_path / name).symlink_to(precious)
    with closing(sqlite3.connect(tmp_path / "r.gpkg")) as database, database:
        changed = database.execute(
            "UPDATE outputs SET raster_path = ? WHERE raster_path = ?",
            (name, made["classified_image"]),
        )
        assert changed.rowcount == 1
    (photos / "0.png").unlink()
    run = classify(photos, **asked)
    assert run.done == 1
    assert precious.is_file()
    assert (tmp_path / name).exists()
