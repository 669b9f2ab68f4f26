import hashlib
import resource
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from pixelcat.catalog.errors import OutputError
from pixelcat.catalog.records import ClassDefinition
from pixelcat.io.publish import make_folder, publish, sweep, temporary_name
from pixelcat.io.raster_out import ClassRasterSpec, ClassRasterWriter, raster_type

UTM = Affine(30.0, 0.0, 500_000.0, 0.0, -30.0, 5_100_000.0)
Opened = Any


def spec(values: Sequence[int], height: int, width: int, **rest: Any) -> ClassRasterSpec:
    classes = [
        ClassDefinition(value=value, name=f"c{value}", color=(value % 256, 10, 200))
        for value in values
    ]
    rest = {"sidecars": "none", **rest}
    return ClassRasterSpec(width=width, height=height, classes=classes, **rest)


def write(path: Path, pixels: np.ndarray, values: Sequence[int], **rest: Any) -> str:
    writer = ClassRasterWriter(path, spec(values, *pixels.shape, **rest))
    try:
        writer.write_rows(pixels)
        return writer.finish()
    finally:
        writer.abandon()


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[Opened]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path, **options)
    with dataset:
        yield dataset


def noise(shape: tuple[int, int], values: Sequence[int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array(values), shape)


# the type


@pytest.mark.parametrize(
    ("values", "dtype", "nodata"),
    [
        (range(3), "uint8", 255),
        (range(255), "uint8", 255),
        ([1, 255], "uint8", 0),
        ([0, 255], "uint8", 1),
        ([*range(7), 255], "uint8", 7),
        (range(256), "uint16", 65535),
        ([0, 256], "uint16", 65535),
        ([0, 65535], "uint16", 1),
        ([0, 65536], "uint32", 2**32 - 1),
        ([-1, 0, 1], "int16", -32768),
        ([-32768, 5], "int16", 32767),
        ([-32768, 0, 32767], "int16", 1),
        ([-1, 40_000], "int32", -(2**31)),
    ],
)
def test_the_smallest_type_that_leaves_a_value_for_nodata(
    values: Sequence[int], dtype: str, nodata: int
) -> None:
    assert raster_type(list(values)) == (dtype, nodata)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(-(2**31) + 1, 2**31 - 2) | st.integers(-2, 258), min_size=1, max_size=300)
)
def test_nodata_is_never_a_class_and_everything_fits(values: list[int]) -> None:
    dtype, nodata = raster_type(values)
    assert nodata not in values
    numbers = np.array([*values, nodata])
    assert (numbers.astype(dtype) == numbers).all()


@pytest.mark.parametrize("values", [[2**32], [-(2**31) - 1], [-1, 2**31]])
def test_values_beyond_32_bits_are_refused(values: list[int]) -> None:
    with pytest.raises(OutputError, match="32 bits"):
        raster_type(values)


# the file


@pytest.mark.parametrize(
    "values",
    [[1, 2, 9], [0, 255], list(range(256)), [0, 300], [70_000, 1], [-1, 0, 1], [-40_000, 40_000]],
)
def test_every_class_and_nodata_read_back(tmp_path: Path, values: list[int]) -> None:
    dtype, nodata = raster_type(values)
    pixels = noise((40, 30), [*values, nodata]).astype(dtype)
    write(tmp_path / "c.tif", pixels, values)
    with opened(tmp_path / "c.tif") as dataset:
        assert dataset.dtypes == (dtype,)
        assert dataset.nodata == nodata
        assert (dataset.read(1) == pixels).all()
        assert ((dataset.dataset_mask() == 0) == (pixels == nodata)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (513, 40), (40, 512), (1100, 600)])
def test_every_raster_is_a_cloud_optimised_geotiff(tmp_path: Path, shape: tuple[int, int]) -> None:
    write(tmp_path / "c.tif", noise(shape, [1, 2]), [1, 2])
    with opened(tmp_path / "c.tif") as dataset:
        assert dataset.driver == "GTiff"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.shape == shape
        assert dataset.count == 1


def test_colours_and_transparent_nodata(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", noise((9, 9), [0, 3, 255]), [0, 3, 255])
    with opened(tmp_path / "c.tif") as dataset:
        colors = dataset.colormap(1)
        assert dataset.colorinterp == (ColorInterp.palette,)
    assert colors[0] == (0, 10, 200, 255)
    assert colors[3] == (3, 10, 200, 255)
    assert colors[255] == (255, 10, 200, 255)
    assert colors[1][3] == 0


def test_place_tags_and_band_name(tmp_path: Path) -> None:
    crs = rasterio.crs.CRS.from_epsg(32621).to_wkt()
    tags = {"PIXELCAT_RUN": "7", "PIXELCAT_IMAGE": "Föhre, 1.jpg"}
    write(tmp_path / "c.tif", noise((9, 9), [1]), [1], transform=UTM, crs=crs, tags=tags)
    with rasterio.open(tmp_path / "c.tif") as dataset:
        assert dataset.transform == UTM
        assert dataset.crs.to_epsg() == 32621
        assert tags.items() <= dataset.tags().items()
        assert dataset.descriptions == ("class",)


def test_a_photo_gets_no_place_on_the_ground(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", noise((9, 9), [1]), [1])
    with opened(tmp_path / "c.tif") as dataset:
        assert dataset.crs is None
        assert dataset.transform.is_identity


def test_small_rasters_have_no_overviews(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", noise((512, 512), [1, 2]), [1, 2])
    with opened(tmp_path / "c.tif") as dataset:
        assert dataset.overviews(1) == []


def test_overviews_hold_the_most_frequent_class_and_invent_none(tmp_path: Path) -> None:
    values = [1, 9, 200]
    pixels = np.repeat(np.repeat(noise((300, 350), values), 4, 0), 4, 1).astype(np.uint8)
    rare = np.zeros(pixels.shape, bool)
    rare[::2, ::2] = True  # one pixel of four in every 2 x 2 block
    noisy = np.where(rare, 200, pixels)
    write(tmp_path / "c.tif", noisy, values)
    with opened(tmp_path / "c.tif") as dataset:
        assert dataset.overviews(1)[:2] == [2, 4]
    with opened(tmp_path / "c.tif", overview_level=0) as dataset:
        assert (dataset.read(1) == pixels[::2, ::2]).all()
    with opened(tmp_path / "c.tif", overview_level=1) as dataset:
        assert set(np.unique(dataset.read(1))) <= set(values)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_rows_may_come_in_any_portions(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    height, width = data.draw(st.integers(1, 1300)), data.draw(st.integers(1, 40))
    pixels = noise((height, width), [0, 1, 2, 255], height).astype(np.uint8)
    path = tmp_path_factory.mktemp("rows") / "c.tif"
    writer = ClassRasterWriter(path, spec([0, 1, 2], height, width))
    row = 0
    while row < height:
        count = min(data.draw(st.integers(1, 700)), height - row)
        writer.write_rows(pixels[row : row + count])
        row += count
    writer.finish()
    with opened(path) as dataset:
        assert (dataset.read(1) == pixels).all()
    assert [each.name for each in path.parent.iterdir()] == ["c.tif"]


def test_portions_do_not_change_the_bytes(tmp_path: Path) -> None:
    pixels = noise((1100, 50), [1, 2])
    whole = write(tmp_path / "whole.tif", pixels, [1, 2])
    writer = ClassRasterWriter(tmp_path / "parts.tif", spec([1, 2], 1100, 50))
    for row in range(0, 1100, 37):
        writer.write_rows(pixels[row : row + 37])
    assert writer.finish() == whole
    assert (tmp_path / "parts.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_an_older_raster_is_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", np.full((600, 600), 1), [1, 2])
    write(tmp_path / "c.tif", np.full((5, 5), 2), [1, 2])
    with opened(tmp_path / "c.tif") as dataset:
        assert (dataset.read(1) == np.full((5, 5), 2)).all()
    assert len(list(tmp_path.iterdir())) == 1


# what goes wrong


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Limit how long files may get, as a full disk would; for as short as possible.

    The limit holds for the test runner's own output, too, where that goes to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_nothing_is_left(folder: Path, side: int, room: float) -> None:
    """Write a raster where there is room for a fraction of it."""
    pixels = noise((side, side), range(200)).astype(np.uint8)
    write(folder / "c.tif", pixels, range(200))
    size = (folder / "c.tif").stat().st_size
    (folder / "c.tif").unlink()
    with small_disk(int(room * size)), pytest.raises(OutputError, match=r"c\.tif"):
        write(folder / "c.tif", pixels, range(200))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("room", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path: Path, room: float) -> None:
    """Room is a fraction of the finished file: the draft fills up, or what is made of it."""
    assert_nothing_is_left(tmp_path, 1600, room)


@pytest.mark.parametrize("room", [0.85, 0.9, 0.95])
def test_a_raster_that_does_not_read_back_is_not_published(tmp_path: Path, room: float) -> None:
    """GDAL, writing blocks in threads, says nothing of a full disk here."""
    assert_nothing_is_left(tmp_path, 600, room)


def test_a_full_disk_leaves_the_older_raster(tmp_path: Path) -> None:
    write(tmp_path / "c.tif", np.full((5, 5), 1), [1, 2])
    before = (tmp_path / "c.tif").read_bytes()
    with small_disk(100_000), pytest.raises(OutputError):
        write(tmp_path / "c.tif", noise((1600, 1600), range(200)), range(200))
    assert (tmp_path / "c.tif").read_bytes() == before


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"c\.tif"):
        write(tmp_path / "nowhere" / "c.tif", noise((5, 5), [1]), [1])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_removed_meanwhile_is_said_to_be_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run_1"
    folder.mkdir()
    writer = ClassRasterWriter(folder / "c.tif", spec([1], 4, 4))
    writer.write_rows(np.ones((4, 4), np.uint8))
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match=r"c\.tif; its folder is gone\. GDAL says: "):
        writer.finish()


def test_a_folder_in_the_place_of_the_raster_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "c.tif").mkdir()
    with pytest.raises(OutputError, match=r"c\.tif"):
        write(tmp_path / "c.tif", noise((5, 5), [1]), [1])
    assert [each.name for each in tmp_path.iterdir()] == ["c.tif"]


def test_an_abandoned_raster_leaves_nothing(tmp_path: Path) -> None:
    writer = ClassRasterWriter(tmp_path / "c.tif", spec([1], 600, 600))
    writer.write_rows(np.ones((512, 600), np.uint8))
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_nothing_has_the_final_name_before_the_end(tmp_path: Path) -> None:
    writer = ClassRasterWriter(tmp_path / "c.tif", spec([1], 4, 4))
    writer.write_rows(np.ones((4, 4), np.uint8))
    assert [each.name.startswith(".") for each in tmp_path.iterdir()] == [True]
    writer.finish()
    assert [each.name for each in tmp_path.iterdir()] == ["c.tif"]


# publishing


def test_temporary_names_are_hidden_unique_and_beside_the_file() -> None:
    final = Path("/some/where/c.tif")
    names = {temporary_name(final) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {final.parent}
    assert all(name.name.startswith(".") and name.suffix == ".tif" for name in names)


def test_sweep_removes_what_was_left_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "run_1").mkdir()
    keep = [tmp_path / "c.tif", tmp_path / ".hidden", tmp_path / "run_1" / "d.tif"]
    leave = [temporary_name(tmp_path / "c.tif"), temporary_name(tmp_path / "run_1" / "d.tif")]
    for path in [*keep, *leave]:
        path.write_bytes(b"x")
    sweep(tmp_path)
    assert all(path.exists() for path in keep)
    assert not any(path.exists() for path in leave)


def test_publish_names_the_file_and_returns_its_hash(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    temporary = temporary_name(tmp_path / "c.bin")
    temporary.write_bytes(content)
    assert publish(temporary, tmp_path / "c.bin") == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "c.bin").read_bytes() == content
    assert not temporary.exists()


def test_publish_without_a_file_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        publish(tmp_path / "nothing", tmp_path / "c.bin")


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make folder"):
        make_folder(tmp_path / "file" / "below")
