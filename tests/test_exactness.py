"""The promise: the class map equals one pass of the network over the whole image."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import ModelError

Function = Callable[..., Any]

SIZES = [
    (1, 1),
    (32, 32),
    (1, 53),
    (61, 1),
    (2, 3),
    (17, 90),
    (63, 33),
    (64, 128),
    (127, 65),
    (141, 99),
]
"""Height and width: one pixel, one pixel wide, smaller than a tile, odd, whole tiles."""


class Net(NamedTuple):
    """A network and the window sizes to try on it; the halo must fit in."""

    poolings: int
    interpolation: str
    activation: str | None
    channels: int
    tiles: tuple[int, ...]

    @property
    def stride(self) -> int:
        return 2**self.poolings

    def build(self, exact_net: Function, **options: Any) -> Any:
        return exact_net(
            poolings=self.poolings,
            interpolation=self.interpolation,
            activation=self.activation,
            channels=self.channels,
            **options,
        )


NETS = {
    "no pooling": Net(0, "nearest", "softmax", 3, (9,)),
    "logits": Net(1, "nearest", None, 5, (16,)),
    "soft-max": Net(1, "nearest", "softmax", 3, (32, 64)),
    "bilinear": Net(1, "bilinear", None, 3, (45,)),
    "one channel": Net(2, "nearest", "sigmoid", 1, (40,)),
    "one logit": Net(1, "bilinear", None, 1, (64,)),
    "two poolings, bilinear": Net(2, "bilinear", "softmax", 4, (64,)),
}


def noise(size: tuple[int, int], seed: int, bands: int = 3) -> np.ndarray:
    """Blocks of several sizes and single pixels, so that every layer has something to see."""
    rng = np.random.default_rng(seed)
    fine = rng.integers(0, 256, (bands, *size))
    coarse = rng.integers(0, 256, (bands, size[0] // 7 + 1, size[1] // 5 + 1))
    blocks = coarse.repeat(7, 1).repeat(5, 2)[:, : size[0], : size[1]]
    return np.where(rng.random(size) < 0.5, fine, blocks).astype(np.uint8)


def positions(net: Net, scores: np.ndarray) -> np.ndarray:
    """Turn scores into class positions as the documentation words it."""
    if net.channels > 1:
        return scores.argmax(-1)
    return (scores[..., 0] >= (0.5 if net.activation else 0.0)).astype(int)


@pytest.fixture(scope="module")
def rasters(
    tmp_path_factory: pytest.TempPathFactory, write_raster: Function
) -> list[tuple[Path, np.ndarray]]:
    """A raster of each size with its pixels."""
    folder = tmp_path_factory.mktemp("rasters")
    images = [noise(size, seed) for seed, size in enumerate(SIZES)]
    return [
        (write_raster(folder / f"{n}.tif", image), image) for n, image in enumerate(images, 100)
    ]


@pytest.mark.parametrize(
    ("name", "tile"), [(name, tile) for name, net in NETS.items() for tile in net.tiles]
)
def test_every_pixel_equals_one_pass_over_the_whole_image(
    name: str,
    tile: int,
    exact_net: Function,
    prepared: Function,
    work: Function,
    whole_image: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    net = NETS[name]
    model = net.build(exact_net)
    ready = prepared(model, tile_size=tile, batch_size=3)
    assert ready.notes == ()
    assert ready.classifier.tiling.stride == net.stride
    results = work(ready.classifier, [path for path, _ in rasters])
    seen = set()
    for (_, image), (_, classes) in zip(rasters, results, strict=True):
        expected = positions(net, whole_image(model, image, stride=net.stride))
        assert (classes == expected).all(), image.shape
        seen |= set(expected.ravel())
    assert len(seen) > 1


@pytest.mark.parametrize("seed", range(3))
def test_random_weights_too(
    seed: int,
    keras_net: Function,
    prepared: Function,
    work: Function,
    whole_image: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    """Weights as Keras draws them; only scores closer than float32 rounding may swap."""
    poolings = seed % 3
    model = keras_net(poolings=poolings, seed=seed, interpolation=("nearest", "bilinear")[seed % 2])
    results = work(prepared(model, tile_size=56).classifier, [path for path, _ in rasters])
    compared = 0
    for (_, image), (_, classes) in zip(rasters, results, strict=True):
        scores = whole_image(model, image, stride=2**poolings)
        second, best = np.sort(scores, -1)[..., -2:].T
        clear = (best - second).T > 1e-5
        assert (classes == scores.argmax(-1))[clear].all(), image.shape
        compared += int(clear.sum())
    assert compared > 0.9 * sum(image[0].size for _, image in rasters)


@pytest.fixture(scope="module")
def unet(exact_net: Function) -> Any:
    return NETS["soft-max"].build(exact_net)


@pytest.fixture(scope="module")
def unet_classifier(unet: Any, prepared: Function) -> Any:
    return prepared(unet, tile_size=24, batch_size=4).classifier


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_any_size_with_or_without_nodata(
    size: tuple[int, int],
    seed: int,
    data: st.DataObject,
    unet: Any,
    unet_classifier: Any,
    work: Function,
    whole_image: Function,
    write_raster: Function,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    image = noise(size, seed).clip(1)
    valid = np.ones(size, bool)
    if data.draw(st.booleans()):
        top, left = data.draw(st.integers(0, size[0])), data.draw(st.integers(0, size[1]))
        valid[top : top + 40, left : left + 40] = False
    valid[0, 0] = True
    path = tmp_path_factory.mktemp("any") / "1.tif"
    write_raster(path, np.where(valid, image, 0).astype(np.uint8), nodata=0)
    ((output, classes),) = work(unet_classifier, [path])
    expected = whole_image(unet, image, stride=2, valid=valid).argmax(-1)
    assert (classes[valid] == expected[valid]).all()
    assert (classes[~valid] == 255).all()
    assert output.valid_pixels == valid.sum()


def test_without_a_halo_pixels_differ(
    unet: Any,
    prepared: Function,
    work: Function,
    whole_image: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    """What the tests above would find, were the halo missing."""
    ready = prepared(unet, tile_size=24, padding=0)
    assert any("seams are possible" in note for note in ready.notes)
    path, image = rasters[-1]
    ((_, classes),) = work(ready.classifier, [path])
    wrong = classes != whole_image(unet, image, stride=2).argmax(-1)
    assert 0.001 < wrong.mean() < 0.5


def test_a_larger_halo_than_needed_changes_nothing(
    unet: Any,
    unet_classifier: Any,
    prepared: Function,
    work: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    paths = [path for path, _ in rasters]
    generous = prepared(unet, tile_size=64, padding=23).classifier
    for (_, classes), (_, expected) in zip(
        work(generous, paths), work(unet_classifier, paths), strict=True
    ):
        assert (classes == expected).all()


def test_tile_and_halo_off_the_stride_grid_are_rounded_onto_it(
    exact_net: Function,
    prepared: Function,
    work: Function,
    whole_image: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    net = NETS["two poolings, bilinear"]
    model = net.build(exact_net)
    ready = prepared(model, tile_size=61, padding=23)
    assert (ready.classifier.tiling.height, ready.classifier.tiling.padding) == (64, 24)
    path, image = rasters[-1]
    ((_, classes),) = work(ready.classifier, [path])
    assert (classes == whole_image(model, image, stride=4).argmax(-1)).all()


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_size_does_not_change_the_bytes(
    batch_size: int,
    unet: Any,
    unet_classifier: Any,
    prepared: Function,
    work: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    paths = [path for path, _ in rasters]
    classifier = prepared(unet, tile_size=24, batch_size=batch_size).classifier
    hashes = [output.sha256 for output, _ in work(classifier, paths)]
    assert hashes == [output.sha256 for output, _ in work(unet_classifier, paths)]


def test_an_image_alone_gives_the_bytes_it_gives_among_others(
    unet_classifier: Any, work: Function, rasters: Sequence[tuple[Path, np.ndarray]]
) -> None:
    paths = [path for path, _ in rasters]
    together = [output.sha256 for output, _ in work(unet_classifier, paths)]
    backwards = [output.sha256 for output, _ in work(unet_classifier, paths[::-1])]
    alone = [work(unet_classifier, [path])[0][0].sha256 for path in paths]
    assert together == alone == backwards[::-1]
    assert len(set(together)) == len(paths)


# networks of fixed size


def test_a_network_of_fixed_size(
    exact_net: Function,
    prepared: Function,
    work: Function,
    whole_image: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    """Larger rasters are cut; smaller ones are filled by reflection."""
    ready = prepared(exact_net(size=32))
    assert (ready.classifier.tiling.height, ready.classifier.tiling.width) == (32, 32)
    free = exact_net()  # the same weights, any size
    results = work(ready.classifier, [path for path, _ in rasters])
    for (_, image), (_, classes) in zip(rasters, results, strict=True):
        expected = whole_image(free, image, stride=2, least=32).argmax(-1)
        assert (classes == expected).all(), image.shape


def test_a_network_of_fixed_height_alone(
    exact_net: Function,
    prepared: Function,
    work: Function,
    whole_image: Function,
    write_raster: Function,
    tmp_path: Path,
) -> None:
    free = exact_net(poolings=0)
    import keras

    inputs = keras.layers.Input((16, None, 3))
    ready = prepared(keras.Model(inputs, free(inputs)), tile_size=40)
    assert ready.classifier.tiling.height == 16
    image = noise((50, 90), 8)
    ((_, classes),) = work(ready.classifier, [write_raster(tmp_path / "1.tif", image)])
    assert (classes == whole_image(free, image, stride=1).argmax(-1)).all()


# invalid pixels


def holes(size: tuple[int, int], seed: int) -> np.ndarray:
    """A collar and specks of invalid pixels."""
    valid = np.random.default_rng(seed).random(size) > 0.05
    valid[:10] = valid[:, -15:] = False
    return valid


@pytest.mark.parametrize("kind", ["nodata", "nan", "infinite", "alpha", "mask", "png alpha"])
def test_invalid_pixels_get_no_class_and_count_as_zero(
    kind: str,
    unet: Any,
    unet_classifier: Any,
    work: Function,
    whole_image: Function,
    write_raster: Function,
    tmp_path: Path,
) -> None:
    size = (83, 71)
    image, valid = noise(size, 3).clip(1), holes(size, 4)
    path = _with_invalid(kind, image, valid, tmp_path, write_raster)
    ((output, classes),) = work(unet_classifier, [path])
    expected = whole_image(unet, image, stride=2, valid=valid).argmax(-1)
    assert (classes[~valid] == 255).all()
    assert (classes[valid] == expected[valid]).all()
    assert output.valid_pixels == valid.sum()
    assert sum(stat.pixels for stat in output.stats) == valid.sum()


def _with_invalid(
    kind: str, image: np.ndarray, valid: np.ndarray, folder: Path, write_raster: Function
) -> Path:
    path = folder / "1.tif"
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    if kind == "nodata":
        return write_raster(path, np.where(valid, image, 0).astype(np.uint8), nodata=0)
    if kind in ("nan", "infinite"):
        bad = np.nan if kind == "nan" else -np.inf
        pixels = image.astype(np.float32)
        pixels[1, ~valid] = bad  # in one band alone
        return write_raster(path, pixels)
    if kind == "alpha":
        return write_raster(path, np.concatenate([image, alpha[np.newaxis]]), alpha="yes")
    if kind == "mask":
        return write_raster(path, image, mask=valid)
    Image.fromarray(np.moveaxis(np.concatenate([image, alpha[np.newaxis]]), 0, -1)).save(
        folder / "1.png"
    )
    return folder / "1.png"


def test_a_value_that_is_nodata_in_one_band_only_is_data(
    unet: Any,
    unet_classifier: Any,
    work: Function,
    whole_image: Function,
    write_raster: Function,
    tmp_path: Path,
) -> None:
    image = noise((40, 40), 9).clip(1)
    image[0, ::2] = 0
    ((_, classes),) = work(unet_classifier, [write_raster(tmp_path / "1.tif", image, nodata=0)])
    assert (classes == whole_image(unet, image, stride=2).argmax(-1)).all()


# through the front door


@pytest.mark.parametrize("name", ["soft-max", "two poolings, bilinear"])
def test_classify_gives_the_same(
    name: str,
    exact_net: Function,
    whole_image: Function,
    read_raster: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
    tmp_path: Path,
) -> None:
    net = NETS[name]
    model = net.build(exact_net)
    model.save(tmp_path / "net.keras")
    run = classify(
        rasters[0][0].parent,
        model=tmp_path / "net.keras",
        output=tmp_path / "r.gpkg",
        arguments={"tile_size": net.tiles[0]},
    )
    assert (run.done, run.failed, run.notes) == (len(rasters), 0, ())
    places = {
        row["image_name"]: row["classified_image"]
        for row in run.sql("select image_name, classified_image from item_results")
    }
    for path, image in rasters:
        expected = positions(net, whole_image(model, image, stride=net.stride))
        assert (read_raster(tmp_path / places[path.name]) == expected).all()


def test_photos_of_many_sizes_with_bilinear_up_sampling(
    exact_net: Function, whole_image: Function, read_raster: Function, tmp_path: Path
) -> None:
    """Keras cannot trace such a network without knowing the size."""
    model = exact_net(interpolation="bilinear")
    model.save(tmp_path / "net.keras")
    folder = tmp_path / "photos"
    folder.mkdir()
    images = {f"{n}.png": noise((20 + 7 * n, 90 - 11 * n), n) for n in range(8)}
    for name, image in images.items():
        Image.fromarray(np.moveaxis(image, 0, -1)).save(folder / name)
    run = classify(folder, model=tmp_path / "net.keras", output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (8, 0)
    for row in run.sql("select image_name, classified_image from item_results"):
        classes = read_raster(tmp_path / row["classified_image"])
        expected = whole_image(model, images[row["image_name"]], stride=2).argmax(-1)
        assert (classes == expected).all()


# networks that answer for the middle of a window only


def shrinking(size: int | None, dilation: int = 1) -> Any:
    """Return a network of two convolutions without padding: 1 + dilation pixels are lost."""
    import keras

    rng = np.random.default_rng(5)
    inputs = keras.layers.Input((size, size, 3))
    hidden = keras.layers.Conv2D(4, 3, use_bias=False)
    last = keras.layers.Conv2D(3, 3, dilation_rate=dilation)
    model = keras.Model(inputs, last(keras.layers.ReLU()(hidden(inputs))))
    hidden.kernel.assign(rng.integers(-1, 2, hidden.kernel.shape))
    last.kernel.assign(rng.integers(-1, 2, last.kernel.shape))
    last.bias.assign(np.array([1, 2, 3]) / 8)
    return model


def middle(model: Any, image: np.ndarray, margin: int) -> np.ndarray:
    """Return the classes of one pass over the image, mirrored at every border."""
    sides = ((0, 0), (margin, margin), (margin, margin))
    padded = np.moveaxis(np.pad(image, sides, mode="reflect"), 0, -1)[np.newaxis]
    return np.asarray(model(padded.astype(np.float32)).numpy()[0].argmax(-1))


@pytest.mark.parametrize("tile", [32, 33, 512])
def test_a_network_without_padding_sees_the_mirrored_border(
    tile: int,
    keras_net: Function,
    prepared: Function,
    work: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    keras_net(poolings=0)  # sets Keras up
    model = shrinking(None, dilation=3)
    ready = prepared(model, tile_size=tile, batch_size=2)
    assert ready.found["margin"] == 4
    assert ready.classifier.tiling.padding == 4
    for (_, image), (_, classes) in zip(
        rasters, work(ready.classifier, [path for path, _ in rasters]), strict=True
    ):
        assert (classes == middle(model, image, 4)).all(), image.shape


def test_a_network_of_fixed_size_shrinks_as_its_definition_says(
    tmp_path: Path,
    keras_net: Function,
    read_raster: Function,
    rasters: Sequence[tuple[Path, np.ndarray]],
) -> None:
    """As Esri's ModelPadding; without it, an answer of half the size could mean anything."""
    keras_net(poolings=0)
    model = shrinking(40, dilation=9)
    model.save(tmp_path / "net.keras")
    free = shrinking(None, dilation=9)
    free.set_weights(model.get_weights())
    classes = [{"Value": value, "Name": str(value)} for value in range(3)]
    emd = {"Framework": "Keras", "ModelFile": "net.keras", "ModelPadding": 10, "Classes": classes}
    path = tmp_path / "net.emd"
    path.write_text(json.dumps(emd))
    raster, image = rasters[-1]
    run = classify(raster, model=path, output=tmp_path / "r.gpkg")
    assert run.notes == ()
    (written,) = run.rasters.glob("*.tif")
    assert (read_raster(written) == middle(free, image, 10)).all()
    with pytest.raises(ModelError, match="per pixel"):
        classify(raster, model=tmp_path / "net.keras", output=tmp_path / "other.gpkg")
