"""Answers merged over turned windows, blended over overlapping ones, and classes never chosen."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from pixelcat import classify
from pixelcat.catalog.errors import ModelError, UsageError
from pixelcat.processors.argument_texts import split_text
from pixelcat.processors.arguments import parse_arguments
from pixelcat.processors.blend import hann
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.options import resolve
from pixelcat.processors.prepare import prepare

Function = Callable[..., Any]

GROUND = {"transform": Affine(10, 0, 0, 0, -10, 0), "crs": "EPSG:32631"}
SIZES = [(61, 90), (33, 17), (128, 64), (5, 200)]
MERGE = {"mean": np.mean, "max": np.max, "min": np.min}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, write_raster: Function) -> list[Any]:
    """Pairs of a map and its pixels, and the same pixels as photos."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(8)
    pixels = [rng.integers(0, 256, (3, *size), np.uint8) for size in SIZES]
    return [
        (
            write_raster(folder / f"{n}.tif", p, **GROUND),
            write_raster(folder / f"{n + 50}.tif", p),
            p,
        )
        for n, p in enumerate(pixels, 1)
    ]


def turned(image: np.ndarray, number: int) -> np.ndarray:
    """Return one of the eight symmetries of (bands, height, width) pixels."""
    rotated = np.rot90(image, number % 4, axes=(1, 2))
    return rotated[:, :, ::-1] if number >= 4 else rotated


def turned_back(scores: np.ndarray, number: int) -> np.ndarray:
    """Undo it for (height, width, channels) scores."""
    scores = scores[:, ::-1] if number >= 4 else scores
    return np.rot90(scores, -(number % 4), axes=(0, 1))


def clear(scores: np.ndarray) -> np.ndarray:
    """Where no other class is as close as float32 rounding."""
    second, best = np.moveaxis(np.sort(scores, -1)[..., -2:], -1, 0)
    return np.asarray(best - second > 1e-5)


@pytest.mark.parametrize("policy", MERGE)
@pytest.mark.parametrize("kind", ["map", "photo"])
def test_turned_windows_give_what_turned_images_give(
    policy: str, kind: str, keras_net: Function, prepared: Function, work: Function,
    whole_image: Function, images: Sequence[Any],
) -> None:  # fmt: skip
    model = keras_net(poolings=1, seed=4, channels=4)
    ready = prepared(model, tile_size=40, test_time_augmentation=True, merge_policy=policy)
    assert ready.notes == ()
    files = [ground if kind == "map" else photo for ground, photo, _ in images]
    turns = range(8) if kind == "map" else (0, 4)
    compared = 0
    for (_, _, image), (output, classes) in zip(images, work(ready.classifier, files), strict=True):
        _, height, width = image.shape
        even = np.pad(image, ((0, 0), (0, height % 2), (0, width % 2)), mode="reflect")
        answers = [
            turned_back(whole_image(model, turned(even, number), stride=2), number)
            for number in turns
        ]
        merged = MERGE[policy](answers, axis=0)[:height, :width]
        merged /= merged.sum(-1, keepdims=True)
        sure = clear(merged)
        assert (classes == merged.argmax(-1))[sure].all()
        compared += sure.sum()
        mean = sum(stat.mean_confidence * stat.pixels for stat in output.stats if stat.pixels)
        assert mean / (height * width) == pytest.approx(merged.max(-1).mean(), abs=1e-4)
    assert compared > 0.95 * sum(image[0].size for *_, image in images)


def test_class_values_are_put_to_the_vote(
    keras_net: Function, tmp_path: Path, read_raster: Function, images: Sequence[Any]
) -> None:
    """The network says 7 where a pixel is brighter than its right neighbour, else 3."""
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    slope = keras.layers.Conv2D(1, 3, padding="same", use_bias=False, activation="hard_sigmoid")
    steep = slope(keras.layers.Rescaling(1e9)(inputs))
    keras.Model(inputs, keras.layers.Rescaling(4, offset=3)(steep)).save(tmp_path / "net.keras")
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[1, 1, 0], kernel[1, 2, 0] = 1, -1
    slope.kernel.assign(kernel)
    model = keras.Model(inputs, keras.layers.Rescaling(4, offset=3)(steep))
    model.save(tmp_path / "net.keras")
    emd = {
        "ModelFile": "net.keras", "Scores": "classes", "test_time_augmentation": "Yes",
        "Classes": [{"Value": 3, "Name": "down"}, {"Value": 5, "Name": "flat"},
                    {"Value": 7, "Name": "up"}],
    }  # fmt: skip
    (tmp_path / "net.emd").write_text(json.dumps(emd))
    ground, _, image = images[0]
    run = classify(ground, model=tmp_path / "net.emd", output=tmp_path / "r.gpkg")
    assert run.done == 1, run.failures
    values = image[0].astype(int)
    padded = np.pad(values, 1)
    votes = np.zeros((*values.shape, 2), int)
    for row, column in ((1, 2), (1, 0), (0, 1), (2, 1)):
        near = padded[row : row + values.shape[0], column : column + values.shape[1]]
        votes[..., 0] += values < near
        votes[..., 1] += values > near
    split = (votes[..., 0] != votes[..., 1]) & (votes.sum(-1) == 4)
    (raster,) = run.rasters.glob("*.tif")
    found = read_raster(raster)
    assert split.mean() > 0.5
    assert (found == np.where(votes[..., 1] > votes[..., 0], 7, 3))[split].all()


def test_a_fixed_window_that_is_no_square_is_only_mirrored(
    keras_net: Function, prepared: Function, work: Function, whole_image: Function,
    images: Sequence[Any],
) -> None:  # fmt: skip
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((64, 96, 3))
    layer = keras.layers.Conv2D(3, 5, padding="same", activation="softmax")
    model = keras.Model(inputs, layer(keras.layers.Rescaling(1 / 64)(inputs)))
    free = keras.layers.Input((None, None, 3))
    same = keras.Model(free, layer(keras.layers.Rescaling(1 / 64)(free)))
    ready = prepared(model, test_time_augmentation=True)
    ground, _, image = images[2]
    ((_, classes),) = work(ready.classifier, [ground])
    answers = [
        turned_back(whole_image(same, turned(image, number), stride=1), number)
        for number in (0, 2, 4, 6)
    ]
    merged = np.mean(answers, axis=0)
    inner = np.zeros(classes.shape, bool)
    inner[2:-2, 2:62] = True  # right of it the window, filled up, meets invented pixels
    sure = clear(merged) & inner
    assert (classes == merged.argmax(-1))[sure].all()


# blending


def test_weights_of_neighbours_add_up_to_one() -> None:
    weights = hann(40, 10, 0)
    assert weights.min() > 0
    np.testing.assert_allclose(weights[20:] + weights[:20], 1, atol=1e-6)
    padded = hann(50, 10, 5)
    assert (padded[:5] == 0).all()
    assert (padded[-5:] == 0).all()
    np.testing.assert_allclose(padded[5:15] + padded[35:45], 1, atol=1e-6)


@pytest.mark.parametrize("padding", [None, 8])
def test_blended_scores_are_weighted_means(
    padding: int | None, keras_net: Function, prepared: Function, work: Function,
    images: Sequence[Any],
) -> None:  # fmt: skip
    """A network that looks at the whole window; every window is asked by Keras alone."""
    keras_net(poolings=0)
    import keras

    keras.utils.set_random_seed(2)
    inputs = keras.layers.Input((None, None, 3))
    x = keras.layers.Rescaling(1 / 64, offset=-2.0)(inputs)
    x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
    whole = keras.layers.GlobalMaxPooling2D(keepdims=True)(x)
    x = keras.layers.Multiply()([x, keras.layers.Dense(6)(whole)])
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))
    given = {} if padding is None else {"padding": padding}
    ready = prepared(model, tile_size=32, batch_size=3, blend="hann", **given)
    tiling = ready.classifier.tiling
    assert tiling.padding == (padding or 8)
    assert ready.notes == ()
    results = work(ready.classifier, [ground for ground, *_ in images])
    for (_, _, image), (_, classes) in zip(images, results, strict=True):
        _, height, width = image.shape
        total = np.zeros((height + 31, width + 31, 3))
        weight = np.zeros((height + 31, width + 31, 1))
        for window, _ in tiling.windows(height, width):
            rows = slice(window.row, window.row + window.height)
            columns = slice(window.column, window.column + window.width)
            below, right = max(0, rows.stop - height), max(0, columns.stop - width)
            cut = np.pad(image[:, rows, columns], ((0, 0), (0, below), (0, right)), mode="reflect")
            scores = model(np.moveaxis(cut, 0, -1)[np.newaxis].astype(np.float32)).numpy()[0]
            exponents = np.exp(scores - scores.max(-1, keepdims=True))
            ramp = [
                np.sin(np.clip((np.minimum(i, n - 1 - i) + 0.5) / 16, 0, 1) * np.pi / 2) ** 2
                for n in scores.shape[:2]
                for i in [np.arange(n)]
            ]
            share = np.outer(*ramp)[..., np.newaxis]
            total[rows, columns] += share * exponents / exponents.sum(-1, keepdims=True)
            weight[rows, columns] += share
        expected = total[:height, :width] / weight[:height, :width]
        sure = clear(expected)
        assert sure.mean() > 0.95
        assert (classes == expected.argmax(-1))[sure].all(), image.shape


def test_blending_leaves_nodata_alone(
    keras_net: Function, prepared: Function, work: Function, write_raster: Function, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    image = rng.integers(1, 256, (3, 150, 170), np.uint8)
    hole = np.zeros(image.shape[1:], bool)
    hole[:70, 20:] = True
    hole[100:103, 50:60] = True
    image[:, hole] = 0
    path = write_raster(tmp_path / "1.tif", image, nodata=0)
    ready = prepared(keras_net(), tile_size=32, blend="hann")
    ((output, classes),) = work(ready.classifier, [path])
    assert output.valid_pixels == (~hole).sum()
    assert ((classes == 255) == hole).all()


def test_seams_of_a_network_that_sees_everything_vanish(
    keras_net: Function, prepared: Function
) -> None:
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    mean = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    x = keras.layers.Subtract()([inputs, mean])
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))
    (note,) = prepared(model, tile_size=32).notes
    assert "blend=hann" in note


# the background


@pytest.mark.parametrize(
    ("values", "given", "background"),
    [
        ([1, 2], {}, False),
        ([1, 2], {"predict_background": "yes"}, True),
        ([0, 1, 2], {}, True),
        ([0, 1, 2], {"predict_background": "F"}, False),
        ([4, 0, 2], {"predict_background": "False"}, False),
        ([1, 2, 3], {}, None),
        ([1, 2, 3], {"predict_background": "0"}, None),
    ],
)
def test_the_background_is_chosen_only_where_it_may_be(
    values: list[int], given: dict[str, str], background: bool | None, keras_net: Function,
    whole_image: Function, work: Function, tmp_path: Path, images: Sequence[Any],
) -> None:  # fmt: skip
    """None: there is no background; the first channel is a class like the others."""
    model = keras_net(poolings=0, seed=5)
    model.save(tmp_path / "net.keras")
    emd = {"ModelFile": "net.keras", "Classes": [{"Value": value} for value in values]}
    (tmp_path / "net.emd").write_text(json.dumps(emd))
    definition = ModelDefinition.load(tmp_path / "net.emd")
    ready = prepare(definition, resolve(definition, parse_arguments(given)))
    expected = 1 if (values == [1, 2] and not given) or (background is None and given) else 0
    assert len(ready.notes) == expected
    values = [0, *values] if len(values) == 2 else values
    ground, _, image = images[0]
    ((_, classes),) = work(ready.classifier, [ground])
    scores = whole_image(model, image, stride=1)
    if background is False:
        scores[..., values.index(0)] = -1
    sure = clear(scores)
    assert (classes == np.array(values)[scores.argmax(-1)])[sure].all()
    assert (0 in classes) == bool(background)


def test_one_class_alone_is_not_left(keras_net: Function, prepared: Function) -> None:
    with pytest.raises(UsageError, match="scores for 3 classes"):
        prepared(keras_net(channels=1, activation="sigmoid"), predict_background=False)


# what the output is


@pytest.mark.parametrize("scores", ["fractions", "logits", "values", "probabilities"])
def test_scores_may_be_told(
    scores: str, keras_net: Function, prepared: Function, work: Function, whole_image: Function,
    images: Sequence[Any],
) -> None:  # fmt: skip
    model = keras_net(poolings=0, activation=None, seed=3)
    ready = prepared(model, scores=scores)
    assert ready.found["output"] == scores
    assert ready.found["told by"] == "the definition or the argument"
    ground, _, image = images[0]
    ((output, classes),) = work(ready.classifier, [ground])
    given = whole_image(model, image, stride=1).astype(np.float64)
    assert (classes == given.argmax(-1))[clear(given)].all()
    if scores == "fractions":
        shares = np.maximum(given, 0)
        total = shares.sum(-1)
        sure = np.divide(shares.max(-1), total, out=np.zeros_like(total), where=total > 0)
    elif scores == "probabilities":
        sure = given.max(-1)
    else:
        sure = 1 / np.exp(given - given.max(-1, keepdims=True)).sum(-1)
    mean = sum(stat.mean_confidence * stat.pixels for stat in output.stats if stat.pixels)
    assert mean / classes.size == pytest.approx(sure.mean(), abs=1e-3)


@pytest.mark.parametrize("wanted", ["classes_out", "1"])
def test_one_of_several_outputs_is_chosen(wanted: str, keras_net: Function, tmp_path: Path) -> None:
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    edges = keras.layers.Conv2D(2, 1, name="edges_out")(inputs)
    classes = keras.layers.Conv2D(5, 1, name="classes_out", activation="softmax")(inputs)
    keras.Model(inputs, [edges, classes]).save(tmp_path / "net.keras")
    definition = ModelDefinition.load(tmp_path / "net.keras")
    ready = prepare(definition, resolve(definition, parse_arguments({"output": wanted})))
    assert len(ready.classifier.classes) == 5
    with pytest.raises(ModelError, match="choose one of edges_out, classes_out"):
        prepare(definition, resolve(definition, {}))
    with pytest.raises(UsageError, match="no output 7"):
        prepare(definition, resolve(definition, {"output": "7"}))


# arguments as text


def test_arguments_as_json() -> None:
    text = '{"padding": 56, "bands": [2, "nir"], "predict_background": false}'
    assert parse_arguments(split_text(text)) == {
        "padding": 56, "bands": (2, "nir"), "predict_background": False,
    }  # fmt: skip
    with pytest.raises(UsageError, match="not valid JSON"):
        split_text("{padding: 56}")


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "t", "Y", "yes"])
def test_true_as_arcgis_writes_it(text: str) -> None:
    assert parse_arguments({"test_time_augmentation": text}) == {"test_time_augmentation": True}


@pytest.mark.parametrize(
    ("name", "text", "domain"),
    [
        ("predict_background", "maybe", "true, false"),
        ("merge_policy", "median", "mean, max, min"),
        ("blend", "gauss", "crop, hann"),
        ("scores", "votes", "logits, probabilities"),
        ("tile_multiple", "0", "1 to 4096"),
    ],
)
def test_a_value_outside_the_domain_is_told_the_domain(name: str, text: str, domain: str) -> None:
    with pytest.raises(UsageError, match=domain):
        parse_arguments({name: text})


def test_a_tile_multiple_is_kept_to(keras_net: Function, prepared: Function) -> None:
    tiling = prepared(keras_net(poolings=1), tile_multiple=6, tile_size=50).classifier.tiling
    assert tiling.stride == 6
    assert (tiling.height, tiling.padding % 6) == (54, 0)


# windows of the usual size


LARGE = (1300, 1400)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, write_raster: Function) -> tuple[Path, Any]:
    """A map larger than a window of the usual size, both ways."""
    pixels = np.random.default_rng(12).integers(0, 256, (3, *LARGE), np.uint8)
    path = tmp_path_factory.mktemp("large") / "1.tif"
    return write_raster(path, pixels, **GROUND), pixels


def test_turned_windows_join_as_one_turned_image(
    exact_net: Function, prepared: Function, work: Function, whole_image: Function,
    large: tuple[Path, Any],
) -> None:  # fmt: skip
    """In every pixel: both sides are even, so that no turned image meets invented pixels."""
    model = exact_net(poolings=1, activation=None)
    path, pixels = large
    ready = prepared(model, test_time_augmentation="true", scores="logits", tile_size=1040)
    tiling = ready.classifier.tiling
    assert tiling.count(*LARGE) > 1
    ((_, classes),) = work(ready.classifier, [path])
    total = np.zeros((*LARGE, 3))
    for number in range(8):
        scores = whole_image(model, turned(pixels, number), stride=2)
        exponents = np.exp(scores - scores.max(-1, keepdims=True), dtype=np.float64)
        total += turned_back(exponents / exponents.sum(-1, keepdims=True), number)
    sure = clear(total / 8)
    assert sure.mean() > 0.99
    assert (classes == total.argmax(-1))[sure].all()


def test_blending_a_network_that_looks_less_far_than_its_overlap_changes_next_to_nothing(
    exact_net: Function, prepared: Function, work: Function, whole_image: Function,
    large: tuple[Path, Any],
) -> None:  # fmt: skip
    """But at the ends of windows, where an answer is wrong and weighs little, yet not nothing."""
    model = exact_net(poolings=1, activation=None)
    path, pixels = large
    ready = prepared(model, blend="hann", scores="logits", padding=32)
    tiling = ready.classifier.tiling
    assert tiling.count(*LARGE) > 1
    ((_, classes),) = work(ready.classifier, [path])
    differs = classes != whole_image(model, pixels, stride=2).argmax(-1)
    inside = np.ones(LARGE, np.bool_)
    for window, _ in tiling.windows(*LARGE):
        for start, length, axis in (
            (window.row, window.height, 0),
            (window.column, window.width, 1),
        ):
            for edge in (start, start + length):
                if 0 < edge < LARGE[axis]:
                    near = slice(max(0, edge - 8), edge + 8)
                    inside[(slice(None), near) if axis else near] = False
    assert not (differs & inside).any()
    assert differs.mean() < 1e-3
