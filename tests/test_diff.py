"""Two runs compared, against numpy."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

import pixelcat
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli

Function = Callable[..., Any]
UTM = "EPSG:32631"
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
NAMES = {1: "Water", 2: "Crop", 9: "Built Up", 255: "NoData"}


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([1, 2, 9, 255], (height, width)).astype(np.uint8)


@pytest.fixture
def two_runs(class_catalog: Function) -> Any:
    """A catalog with two runs: ``a`` in both, ``b`` of another size, ``c`` and ``d`` in one."""
    first, second = noise(700, 30, 1), noise(700, 30, 2)
    class_catalog([
        ("a.tif", first, PLACE, UTM), ("b.tif", noise(5, 5, 3), PLACE, UTM),
        ("c.tif", noise(5, 5, 3), PLACE, UTM), ("d.tif", noise(5, 5, 3), PLACE, UTM),
    ])  # fmt: skip
    shifted = PLACE @ Affine.translation(0.5, 0)
    path = class_catalog([
        ("a.tif", second, PLACE, UTM), ("b.tif", noise(5, 6, 3), PLACE, UTM),
        ("c.tif", None, PLACE, UTM), ("d.tif", noise(5, 5, 3), shifted, UTM),
    ])  # fmt: skip
    return path, first, second


def test_every_pixel_is_counted(two_runs):
    path, first, second = two_runs
    found = pixelcat.diff(path, 1, 2)
    row = found.items[0]
    either = (first != 255) | (second != 255)
    assert row["pixels"] == either.sum()
    assert row["stayed"] == ((first == second) & either).sum()
    assert row["changed"] == (first != second).sum()
    assert row["changed_share"] == pytest.approx((first != second).sum() / either.sum())
    pairs = {(each["from_class"], each["to_class"]): each for each in found.transitions}
    for one, one_name in NAMES.items():
        for other, other_name in NAMES.items():
            if one == other == 255:
                assert (one_name, other_name) not in pairs
                continue
            count = ((first == one) & (second == other)).sum()
            assert pairs[one_name, other_name]["pixels"] == count
            assert pairs[one_name, other_name]["area_m2"] == pytest.approx(count * 100)
    for value, name in NAMES.items():
        (total,) = (each for each in found.classes if each["class_name"] == name)
        both = ((first == value) & (second == value)).sum()
        assert (total["before"], total["after"]) == (
            (first == value).sum(),
            (second == value).sum(),
        )
        assert total["stayed"] == both
        assert total["lost"] == (first == value).sum() - both
        assert total["gained"] == (second == value).sum() - both


def test_what_cannot_be_compared_is_told(two_runs):
    found = pixelcat.diff(two_runs[0], 1, 2)
    reasons = {row["image_name"]: row["reason"] for row in found.items}
    assert reasons["a.tif"] is None
    assert reasons["b.tif"] == "5 x 5 pixels in one run, 6 x 5 in the other: not compared"
    assert reasons["c.tif"] == "failed in run 2: is torn"
    assert reasons["d.tif"] == "lies on different grids in the two runs: not compared"
    assert found.not_compared == 3


def test_an_image_of_one_run_is_told(class_catalog):
    path = class_catalog(
        [("a.tif", noise(5, 5, 1), PLACE, UTM), ("b.tif", noise(5, 5, 1), PLACE, UTM)]
    )
    class_catalog([("a.tif", noise(5, 5, 2), PLACE, UTM)])
    found = pixelcat.diff(path, 1, 2)
    assert [row["reason"] for row in found.items] == [None, "only in run 1"]
    assert [row["reason"] for row in pixelcat.diff(path, 2, 1).items] == [None, "only in run 1"]


def test_photos_have_pixels_and_no_areas(class_catalog):
    path = class_catalog([("a.jpg", noise(5, 5, 1), None, None)])
    class_catalog([("a.jpg", noise(5, 5, 2), None, None)], model="other")
    found = pixelcat.diff(path, 1, 2)
    assert found.items[0]["reason"] is None
    assert {row["area_m2"] for row in found.transitions} == {None}
    assert {row["before_m2"] for row in found.classes} == {None}


def test_change_rasters_have_both_classes(two_runs, tmp_path):
    path, first, second = two_runs
    words = ["diff", str(path), "1", "2", "--raster", str(tmp_path / "changes")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 3
    assert "wrote 1 change rasters" in result.stderr
    (file,) = (tmp_path / "changes").iterdir()
    assert file.name == "1_a.tif"
    with rasterio.open(file) as raster:
        np.testing.assert_array_equal(raster.read(1), first)
        np.testing.assert_array_equal(raster.read(2), second)
        assert raster.nodata == 255
        assert raster.transform == PLACE
        assert raster.descriptions == ("class before", "class after")
    with pytest.raises(UsageError, match="exists and is left alone"):
        pixelcat.diff(path, 1, 2, raster=tmp_path / "changes")


def test_the_command_prints_each_table(two_runs):
    path = str(two_runs[0])
    found = pixelcat.diff(path, 1, 2)
    result = CliRunner().invoke(cli, ["diff", path, "1", "2", "--format", "json"])
    assert json.loads(result.stdout)["items"] == found.items
    shown = ["--format", "csv", "--show", "transitions"]
    lines = CliRunner().invoke(cli, ["diff", path, "1", "2", *shown]).stdout.splitlines()
    assert lines[0] == "item_id,image_name,from_class,to_class,pixels,area_m2"
    assert len(lines) == 1 + len(found.transitions)
    table = CliRunner().invoke(cli, ["diff", path, "1", "2"]).stdout
    assert "From class to class" in table


def test_a_run_that_is_not_there(class_catalog):
    path = class_catalog([("a.tif", noise(5, 5, 1), PLACE, UTM)])
    with pytest.raises(UsageError, match="has no run 7"):
        pixelcat.diff(path, 1, 7)
