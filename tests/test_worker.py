import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from pixelcat.catalog.errors import OutputError
from pixelcat.catalog.records import Dataset, Item, Output
from pixelcat.processors.messages import Task
from pixelcat.processors.worker import Worker

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def unet(exact_net: Function) -> Any:
    return exact_net()


@pytest.fixture(scope="module")
def classifier(unet: Any, prepared: Function) -> Any:
    return prepared(unet, tile_size=32, batch_size=3).classifier


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Nine photos, each of a size of its own; ids 1 to 9."""
    rng = np.random.default_rng(4)
    paths = []
    for number in range(1, 10):
        size = (30 + 9 * number, 95 - 7 * number, 3)
        paths.append(tmp_path / f"{number}.jpg")
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(paths[-1])
    return paths


def hashes(results: list[tuple[Output, Any]]) -> list[str | None]:
    return [output.sha256 for output, _ in results]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage(path: Path) -> None:
    """Wipe out a part of the pixels of a compressed raster; its header stays."""
    content = bytearray(path.read_bytes())
    middle = slice(len(content) * 6 // 10, len(content) * 7 // 10)
    content[middle] = bytes(middle.stop - middle.start)
    path.write_bytes(content)


# images that fail


@pytest.mark.parametrize("bad", [{1}, {5}, {9}, {4, 5, 6}])
def test_a_cut_off_photo_fails_alone_and_once(
    photos: list[Path], classifier: Any, work: Function, bad: set[int]
) -> None:
    good = [path for path in photos if int(path.stem) not in bad]
    expected = dict(zip(good, hashes(work(classifier, good)), strict=True))
    for number in bad:
        cut(photos[number - 1])
    for path, (output, classes) in zip(photos, work(classifier, photos), strict=True):
        assert output.item_id == int(path.stem)
        if output.item_id in bad:
            assert output.status == "failed"
            assert "cut off or damaged" in str(output.reason)
            assert output.stats == ()
            assert output.raster_path is output.sha256 is classes is None
        else:
            assert output.status == "done"
            assert output.sha256 == expected[path]


def test_a_raster_damaged_in_its_lower_part_fails_after_its_first_windows(
    photos: list[Path],
    unet: Any,
    prepared: Function,
    work: Function,
    write_raster: Function,
    tmp_path: Path,
) -> None:
    """They wait in a batch, and are classified with windows of the images that follow."""
    classifier = prepared(unet, tile_size=32, batch_size=50).classifier
    pixels = np.random.default_rng(1).integers(0, 256, (3, 400, 64), np.uint8)
    raster = write_raster(
        tmp_path / "20.tif", pixels, tiled=True, blockxsize=64, blockysize=16, compress="deflate"
    )
    expected = hashes(work(classifier, photos))
    damage(raster)
    first, *rest = work(classifier, [raster, *photos])
    assert first[0].status == "failed"
    assert "cut off or damaged" in first[0].reason
    assert "\n" not in first[0].reason
    assert hashes(rest) == expected


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("1.jpg", b""),
        ("1.jpg", b"%PDF-1.7 nothing"),
        ("1.txt", b"just words"),
        ("1.png", b"\x89PNG\r\n\x1a\n" + bytes(40)),
    ],
)
def test_what_is_no_image_fails_with_a_reason(
    tmp_path: Path, classifier: Any, work: Function, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    ((output, _),) = work(classifier, [tmp_path / name])
    assert output.status == "failed"
    assert output.reason
    assert "\n" not in output.reason


def test_a_file_that_is_gone_fails(tmp_path: Path, classifier: Any, work: Function) -> None:
    ((output, _),) = work(classifier, [tmp_path / "1.jpg"])
    assert (output.status, "is gone" in str(output.reason)) == ("failed", True)


def test_a_network_that_fails_on_a_shape_fails_those_images_once_each(
    photos: list[Path], exact_net: Function, prepared: Function, work: Function, write_raster: Any
) -> None:
    """It takes windows 256 pixels wide and no others."""
    import keras

    inner = exact_net(poolings=0)
    inputs = keras.layers.Input((None, None, 3))
    fussy = keras.layers.Add()([inner(inputs), keras.layers.Reshape((-1, 256, 3))(inner(inputs))])
    classifier = prepared(keras.Model(inputs, fussy), tile_size=256, batch_size=2).classifier
    folder = photos[0].parent
    wide = [
        write_raster(folder / f"{n}.tif", np.full((3, 40 + n, 256), n, np.uint8)) for n in (21, 23)
    ]
    results = work(classifier, [wide[0], *photos[:5], wide[1]])
    assert [output.status for output, _ in results] == ["done", *["failed"] * 5, "done"]
    for output, _ in results[1:-1]:
        assert "the model fails on a window of" in str(output.reason)
        assert "\n" not in str(output.reason)
        assert "in user code" not in str(output.reason)
        assert "Graph execution error" not in str(output.reason)


def test_every_task_gets_exactly_one_output(photos: list[Path], classifier: Any) -> None:
    cut(photos[3])
    photos[6].write_bytes(b"nothing")
    folder = photos[0].parent / "out"
    folder.mkdir()
    outputs = list(Worker(classifier).run(tasks(photos, folder)))
    assert sorted(output.item_id for output in outputs) == list(range(1, 10))
    assert len(list(folder.glob("*.tif"))) == 7


def tasks(files: list[Path], folder: Path) -> Iterator[Task]:
    for file in files:
        number = int(file.stem)
        yield Task(
            item=Item(kind="file", source_key=file.name, name=file.name, id=number, sha256="x"),
            dataset=Dataset(kind="file", uri=str(file), id=number),
            raster=folder / f"{number}.tif",
            raster_path=f"{number}.tif",
        )


# NoData


@pytest.mark.parametrize("size", [(5, 7), (100, 90)])
def test_an_image_of_nodata_alone_is_skipped_with_a_reason(
    tmp_path: Path, classifier: Any, work: Function, write_raster: Function, size: tuple[int, int]
) -> None:
    path = write_raster(tmp_path / "1.tif", np.zeros((3, *size), np.uint8), nodata=0)
    ((output, classes),) = work(classifier, [path])
    assert output.status == "skipped"
    assert "NoData" in str(output.reason)
    assert classes is None


def test_windows_without_valid_pixels_are_never_classified(
    tmp_path: Path, unet: Any, work: Function, write_raster: Function, prepared: Function
) -> None:
    """A network that gives NaN for 0 would fail the image if it saw them."""
    import keras

    inputs = keras.layers.Input((None, None, 3))
    scores = keras.layers.Conv2D(2, 1, bias_initializer="ones")(inputs)
    model = keras.Model(inputs, keras.layers.Multiply()([scores, keras.ops.reciprocal(scores)]))
    classifier = prepared(model, tile_size=16, padding=0).classifier
    pixels = np.zeros((3, 64, 64), np.uint8)
    pixels[:, 16:48, 16:48] = 9
    path = write_raster(tmp_path / "1.tif", pixels, nodata=0)
    ((output, classes),) = work(classifier, [path])
    assert output.status == "done"
    assert ((classes != 255) == (pixels[0] > 0)).all()


# bands


@pytest.mark.parametrize("bands", [(2, 1, 0), (4, 4, 0), ("nir", "RED", 1)])
def test_bands_are_chosen_by_index_or_name(
    tmp_path: Path,
    unet: Any,
    classifier: Any,
    work: Function,
    whole_image: Function,
    write_raster: Function,
    bands: tuple[int | str, ...],
) -> None:
    names = ["blue", "green", "red", "swir", "nir"]
    pixels = np.random.default_rng(3).integers(0, 256, (5, 40, 50), np.uint8)
    path = write_raster(tmp_path / "1.tif", pixels, photometric="MINISBLACK")
    with rasterio.Env(), _quietly_opened(path) as dataset:
        dataset.descriptions = names
    ((_, classes),) = work(classifier, [path], bands=bands)
    chosen = [band if isinstance(band, int) else names.index(band.lower()) for band in bands]
    assert (classes == whole_image(unet, pixels[chosen], stride=2).argmax(-1)).all()


def _quietly_opened(path: Path) -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rasterio.open(path, "r+")


@pytest.mark.parametrize(
    ("bands", "reason"),
    [((0, 1, 3), "has 3 band(s), the model takes band 4"), (("nir", 0, 1), "has no band nir")],
)
def test_a_band_that_is_not_there_fails_the_image(
    photos: list[Path],
    classifier: Any,
    work: Function,
    bands: tuple[int | str, ...],
    reason: str,
) -> None:
    results = work(classifier, photos[:2], bands=bands)
    assert [output.status for output, _ in results] == ["failed", "failed"]
    assert all(reason in str(output.reason) for output, _ in results)


# numbers


def test_statistics_are_those_of_the_raster(
    photos: list[Path], unet: Any, classifier: Any, work: Function, whole_image: Function
) -> None:
    for path, (output, classes) in zip(photos, work(classifier, photos), strict=True):
        pixels = np.moveaxis(np.asarray(Image.open(path)), -1, 0)
        scores = whole_image(unet, pixels, stride=2)
        counts = np.bincount(classes.ravel(), minlength=3)
        assert [stat.pixels for stat in output.stats] == counts.tolist()
        assert [stat.value for stat in output.stats] == [0, 1, 2]
        assert output.valid_pixels == pixels[0].size
        assert sum(stat.fraction for stat in output.stats) == pytest.approx(1)
        assert (output.width, output.height) == (pixels.shape[2], pixels.shape[1])
        confidence = scores.max(-1)
        for stat in output.stats:
            mean = confidence[classes == stat.value].mean() if stat.pixels else None
            assert stat.mean_confidence == pytest.approx(mean, abs=1e-5)
            assert stat.area_m2 is None
        assert output.mean_confidence == pytest.approx(confidence.mean(), abs=1e-5)
        assert output.dominant is not None
        assert output.dominant.value == counts.argmax()


def test_16_bit_pixels_are_not_cut_to_8(
    tmp_path: Path,
    unet: Any,
    classifier: Any,
    work: Function,
    whole_image: Function,
    write_raster: Function,
) -> None:
    pixels = np.random.default_rng(5).integers(0, 2**14, (3, 40, 41)).astype(np.uint16)
    for dtype in ("uint16", "int16", "float32"):
        path = write_raster(tmp_path / f"{dtype}.tif", pixels.astype(dtype))
        ((_, classes),) = work(classifier, [path])
        assert (classes == whole_image(unet, pixels, stride=2).argmax(-1)).all()


def test_images_of_several_types_share_a_run(
    photos: list[Path], classifier: Any, work: Function, write_raster: Function
) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (3, 64, 64))
    folder = photos[0].parent
    mixed = [
        write_raster(folder / f"{n}.tif", pixels.astype(dtype))
        for n, dtype in enumerate(("uint8", "uint16", "float32", "int16", "uint8"), 31)
    ]
    results = work(classifier, [*mixed, *photos])
    first = results[0][1]
    assert all((classes == first).all() for _, classes in results[:5])
    assert hashes(results[5:]) == hashes(work(classifier, photos))


# trouble with the disk, and leaving early


def test_a_folder_that_is_gone_stops_the_run_with_an_output_error(
    photos: list[Path], classifier: Any
) -> None:
    before = set(threading.enumerate())
    worker = Worker(classifier)
    with pytest.raises(OutputError, match=r"1\.tif"):
        list(worker.run(tasks(photos, photos[0].parent / "nowhere")))
    assert set(threading.enumerate()) <= before


def test_leaving_early_ends_the_threads_and_leaves_no_drafts(
    photos: list[Path], classifier: Any
) -> None:
    folder = photos[0].parent / "out"
    folder.mkdir()
    before = set(threading.enumerate())
    outputs = Worker(classifier).run(tasks(photos, folder))
    assert next(outputs).status == "done"
    outputs.close()
    assert set(threading.enumerate()) <= before
    assert sorted(path.name for path in folder.iterdir()) == ["1.tif", "1.tif.aux.xml"]
