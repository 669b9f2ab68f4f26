"""Photos fed to a model at another size, and class maps at the size of the photo or the model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.io.image import Window, open_image
from pixelcat.io.resized import PhotoScale

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def brightest(tmp_path_factory: pytest.TempPathFactory, keras_net: Function) -> Path:
    """A network that says which of three bands is the greatest."""
    keras_net(poolings=0)  # sets Keras up
    import keras

    inputs = keras.layers.Input((None, None, 3))
    layer = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(np.eye(3).reshape(1, 1, 3, 3))
    path = tmp_path_factory.mktemp("net") / "net.keras"
    model.save(path)
    return path


def blocks(path: Path, rows: int, columns: int, side: int) -> np.ndarray:
    """Write a photo of squares of one colour each; returns the greatest band of each square."""
    rng = np.random.default_rng(rows)
    winners = rng.integers(0, 3, (rows, columns))
    small = np.full((rows, columns, 3), 40, np.uint8)
    np.put_along_axis(small, winners[..., np.newaxis], 200, axis=2)
    Image.fromarray(small.repeat(side, 0).repeat(side, 1)).save(path)
    return winners


@pytest.fixture(scope="module")
def classes(read_raster: Function) -> Function:
    """Return a function that reads the only class map of a run."""

    def read(run: Any) -> np.ndarray:
        assert run.done == 1, run.failures
        (raster,) = run.rasters.glob("*.tif")
        found: np.ndarray = read_raster(raster)
        return found

    return read


@pytest.mark.parametrize("arguments", [{"image_scale": 0.25}, {"image_size": 30}])
@pytest.mark.parametrize("class_map", ["photo", "model"])
def test_a_smaller_photo_is_classified_and_its_map_shown_as_asked(
    tmp_path: Path, brightest: Path, classes: Function, arguments: dict[str, float], class_map: str
) -> None:
    winners = blocks(tmp_path / "a.png", 20, 30, 4)
    run = classify(
        tmp_path / "a.png", model=brightest, output=tmp_path / "r.gpkg",
        arguments={**arguments, "class_map": class_map, "tile_size": 16},
    )  # fmt: skip
    expected = winners.repeat(4, 0).repeat(4, 1) if class_map == "photo" else winners
    assert (classes(run) == expected).all()
    (row,) = run.sql("select valid_pixels, width, height from outputs")
    assert (row["height"], row["width"]) == expected.shape
    assert row["valid_pixels"] == expected.size
    stats = run.sql("select value, pixels from class_stats order by value")
    assert [each["pixels"] for each in stats] == np.bincount(expected.ravel()).tolist()


@settings(deadline=None, max_examples=12)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    factor=st.floats(0.05, 3),
    blend=st.sampled_from(["crop", "hann"]),
)
def test_every_pixel_of_the_map_has_the_class_of_the_nearest(
    tmp_path_factory: pytest.TempPathFactory,
    brightest: Path,
    classes: Function,
    height: int,
    width: int,
    factor: float,
    blend: str,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    noise = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(folder / "a.png")
    both = []
    for shown in ("photo", "model"):
        arguments = {"image_scale": factor, "tile_size": 16, "blend": blend, "class_map": shown}
        output = folder / f"{shown}.gpkg"
        run = classify(folder / "a.png", model=brightest, output=output, arguments=arguments)
        both.append(classes(run))
    photo, model = both
    assert photo.shape == (height, width)
    assert model.shape == (max(1, round(height * factor)), max(1, round(width * factor)))
    rows = ((np.arange(height) + 0.5) * model.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * model.shape[1] / width).astype(int)
    assert (photo == model[np.ix_(rows, columns)]).all()


def test_a_map_of_the_ground_keeps_its_size(
    tmp_path: Path, brightest: Path, classes: Function, write_raster: Function
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 30, 40), np.uint8)
    scene = write_raster(
        tmp_path / "a.tif", pixels, transform=Affine(10, 0, 0, 0, -10, 0), crs="EPSG:32631"
    )
    run = classify(
        scene, model=brightest, output=tmp_path / "r.gpkg",
        arguments={"image_scale": 0.5, "class_map": "model"},
    )  # fmt: skip
    assert (classes(run) == pixels.argmax(0)).all()


def test_transparent_pixels_weigh_nothing(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., :3] = (10, 20, 250)
    pixels[:2, :2] = (90, 80, 70, 255)
    pixels[0, 0, 3] = 0  # a quarter of the first square is transparent
    pixels[:2, 2:] = (90, 80, 70, 0)
    pixels[0, 2, 3] = 255  # three quarters of the second one are
    pixels[2:, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as stored, PhotoScale(factor=0.5).of(stored) as image:
        raster = image.read(Window(0, 0, 2, 2), (0, 1, 2))
    assert raster.valid.tolist() == [[True, False], [True, True]]
    assert raster.data[:, 0, 0].tolist() == [90, 80, 70]
    assert raster.data[:, 0, 1].tolist() == [0, 0, 0]
    assert raster.data[:, 1, 1].tolist() == [10, 20, 250]


@pytest.mark.parametrize("wrong", [{"image_scale": 0}, {"image_size": 0}, {"class_map": "half"}])
def test_a_size_that_cannot_be_is_refused(
    tmp_path: Path, brightest: Path, wrong: dict[str, Any]
) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="expected"):
        classify(tmp_path / "a.png", model=brightest, output=tmp_path / "r.gpkg", arguments=wrong)


def test_a_photo_that_would_become_too_large_is_failed(tmp_path: Path, brightest: Path) -> None:
    Image.new("RGB", (90, 90)).save(tmp_path / "a.png")
    run = classify(
        tmp_path / "a.png", model=brightest, output=tmp_path / "r.gpkg",
        arguments={"image_size": 40_000},
    )  # fmt: skip
    assert run.failed == 1
    assert "500 million" in run.failures[0].reason


@pytest.fixture
def command(tmp_path: Path, brightest: Path) -> Function:
    """Return a function that classifies a photo of squares from the command line."""

    def run(*options: str) -> tuple[np.ndarray, Any]:
        winners = blocks(tmp_path / "a.png", 20, 30, 4)
        paths = [str(tmp_path / "a.png"), "-m", str(brightest), "-o", str(tmp_path / "r.gpkg")]
        return winners, CliRunner().invoke(cli, ["classify", *paths, *options])

    return run


@pytest.mark.parametrize(
    ("options", "is_photo"),
    [
        (["--image-scale", "0.25"], True),
        (["--image-size", "30", "--class-map", "photo"], True),
        (["--image-scale", "0.25", "--class-map", "model"], False),
        (["--image-size", "30", "--arg", "class_map=model"], False),
        (["--image-scale", "0.25", "--arg", "image_scale=.250"], True),
        (["--image-scale", "0.25", "--arguments", "image_scale 0.25;class_map model"], False),
    ],
)
def test_sizes_have_options_of_their_own(
    tmp_path: Path,
    command: Function,
    read_raster: Function,
    options: list[str],
    is_photo: bool,
) -> None:
    winners, answer = command(*options)
    assert answer.exit_code == 0, answer.output
    (raster,) = tmp_path.glob("r_rasters/run_1/*.tif")
    expected = winners.repeat(4, 0).repeat(4, 1) if is_photo else winners
    assert (read_raster(raster) == expected).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["--image-scale", "0.5", "--arg", "image_scale=0.25"],
            "--image-scale 0.5 and argument image_scale=0.25 differ",
        ),
        (["--class-map", "photo", "--arguments", "class_map model"], "--class-map photo and"),
        (["--image-scale", "half"], "image_scale=half: expected number"),
        (["--image-size", "0"], "image_size=0: expected integer"),
        (
            ["--image-size", "512", "--image-scale", "0.5"],
            "image_scale and image_size both say how large photos are fed",
        ),
        (["--class-map", "screen"], "expected photo, model"),
    ],
)
def test_a_size_that_cannot_be_meant_is_a_mistake_of_the_command(
    tmp_path: Path, command: Function, options: list[str], words: str
) -> None:
    _, answer = command(*options)
    assert isinstance(answer.exception, UsageError)
    assert words in str(answer.exception)
    assert not (tmp_path / "r.gpkg").exists()
