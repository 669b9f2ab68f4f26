import io
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import ModelError
from pixelcat.catalog.records import ClassDefinition
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.formats import keras3, model_format
from pixelcat.processors.options import resolve
from pixelcat.processors.prepare import prepare

Function = Callable[..., Any]


@pytest.fixture(scope="session")
def keras(keras_net: Function) -> Any:
    keras_net(poolings=0)  # sets TensorFlow up
    import keras

    return keras


@pytest.fixture
def save(tmp_path: Path, keras: Any) -> Callable[..., Path]:
    """Return a function that saves a network given as a function of Keras' layers."""

    def make(build: Function, *, size: int | None = None, bands: int = 3) -> Path:
        keras.utils.set_random_seed(5)
        inputs = keras.layers.Input((size, size, bands))
        keras.Model(inputs, build(keras.layers, inputs)).save(tmp_path / "net.keras")
        return tmp_path / "net.keras"

    return make


def refusal(path: Path) -> str:
    """Prepare what must be refused; the reason, one line that names the file."""
    with pytest.raises(ModelError) as caught:
        definition = ModelDefinition.load(path)
        prepare(definition, resolve(definition, {}))
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in message
    assert path.name in message
    return message


def head(layers: Any, x: Any) -> Any:
    return layers.Conv2D(3, 1)(x)


# files


@pytest.mark.parametrize(
    ("content", "looks_like"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
        (b"\x80\x04\x95\x10\x00.", "a Python pickle"),
        (b'{"class_name": "Functional"}', "a text file"),
        (bytes(range(256)) * 4, "unknown data"),
        (b"PK\x03\x04" + bytes(100), "a ZIP archive"),
    ],
)
def test_what_is_no_keras_file_is_called_by_its_name(
    tmp_path: Path, content: bytes, looks_like: str
) -> None:
    (tmp_path / "net.keras").write_bytes(content)
    assert looks_like in refusal(tmp_path / "net.keras")


def test_a_zip_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "a ZIP archive" in refusal(tmp_path / "net.keras")


def test_the_name_of_a_keras_file_does_not_matter(tmp_path: Path, save: Function) -> None:
    path = save(head).rename(tmp_path / "net.bin")
    assert model_format(path) is keras3
    assert keras3.load(path, {}).channels == 3


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.9, 0.99, 0.999])
def test_a_truncated_file_is_refused(save: Function, part: float) -> None:
    path = save(head)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refusal(path)


def _rewritten(path: Path, **members: bytes) -> Path:
    """Replace members of a Keras file, given without their suffix."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, members.get(name.partition(".")[0], data))
    return path


def _config(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json")


@pytest.mark.parametrize(
    "members",
    [
        {"config": b""},
        {"config": b"{"},
        {"config": b"[]"},
        {"config": b'{"class_name": "Functional"}'},
        {"config": b'{"class_name": "Dense", "module": "keras.layers", "config": {"units": 3}}'},
        {"config": b"\xff\xfe"},
        {"model": b""},
        {"model": b"not HDF5"},
    ],
)
def test_damaged_members_are_refused(save: Function, members: dict[str, bytes]) -> None:
    refusal(_rewritten(save(head), **members))


def test_the_weights_of_another_network_are_refused(
    save: Function, keras: Any, tmp_path: Path
) -> None:
    inputs = keras.layers.Input((None, None, 3))
    other = keras.Model(inputs, keras.layers.Conv2D(7, 3)(inputs))
    other.save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        weights = archive.read("model.weights.h5")
    refusal(_rewritten(save(head), model=weights))


def test_a_layer_that_keras_does_not_know_is_refused(save: Function) -> None:
    path = save(head)
    config = _config(path).replace(b'"Conv2D"', b'"Magic2D"')
    assert "Magic2D" in refusal(_rewritten(path, config=config))


# code in models


def test_a_lambda_layer_is_refused_without_being_run(
    tmp_path: Path, save: Function, keras: Any
) -> None:
    marker = str(tmp_path / "MARKER")

    def network(layers: Any, x: Any) -> Any:
        payload = layers.Lambda(lambda y: __import__("pathlib").Path(marker).touch() or y)
        return payload(head(layers, x))

    path = save(network)
    Path(marker).unlink()
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    with pytest.raises(ModelError, match="Lambda") as caught:
        classify(tmp_path / "photo.png", model=path, output=tmp_path / "r.gpkg")
    assert caught.value.exit_code == 4
    assert not Path(marker).exists()
    keras.saving.load_model(path, safe_mode=False, compile=False)
    assert Path(marker).exists()  # the payload was live


REFUSED = [
    *("cve_2025_12058_vocabulary", "cve_2025_1550_module_function", "cve_2025_8747_get_file"),
    *("cve_2025_9906_enable_unsafe", "cve_2026_1462_tfsmlayer", "lambda", "h5_bomb", "h5_extlink"),
    *("h5_external", "h5_virtual", "zipbomb_member", "two_outputs", "image_level_not_pixel"),
    *("half_resolution_output", "truncated", "empty", "html_error_page", "zipslip_assets"),
]
HARMLESS = ["good", "module_builtins_exec", "needs_4_bands", "nan_weights"]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_models_are_refused_and_leave_nothing(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras: Any, name: str
) -> None:
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    path = Path(shutil.copy(shared_data / "bad" / "models" / f"{name}.keras", folder))
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always", UserWarning)
        refusal(path)
    assert shown == []
    assert [each.name for each in tmp_path.rglob("*")] == ["inner", "folder", path.name]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", HARMLESS)
def test_models_whose_payload_is_not_reached_load_and_leave_nothing(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras: Any, name: str
) -> None:
    folder = tmp_path / "inner" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    path = Path(shutil.copy(shared_data / "bad" / "models" / f"{name}.keras", folder))
    assert keras3.load(path, {}).height == 32
    assert [each.name for each in tmp_path.rglob("*")] == ["inner", "folder", path.name]


# what a pixel classifier must look like


def test_two_inputs_are_refused(tmp_path: Path, keras: Any) -> None:
    first, second = keras.layers.Input((None, None, 3)), keras.layers.Input((None, None, 3))
    model = keras.Model([first, second], keras.layers.Add()([first, second]))
    model.save(tmp_path / "net.keras")
    assert "2 inputs" in refusal(tmp_path / "net.keras")


def test_two_outputs_are_refused(tmp_path: Path, keras: Any) -> None:
    inputs = keras.layers.Input((None, None, 3))
    outputs = [head(keras.layers, inputs), head(keras.layers, inputs)]
    keras.Model(inputs, outputs).save(tmp_path / "net.keras")
    assert "2 outputs" in refusal(tmp_path / "net.keras")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda layers, x: layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), "for each pixel"),
        (lambda layers, x: head(layers, layers.MaxPooling2D()(x)), "per pixel"),
        (lambda layers, x: head(layers, layers.UpSampling2D()(x)), "per pixel"),
        (lambda layers, x: layers.Conv2D(3, 4)(x), "per pixel"),
    ],
)
def test_what_does_not_score_each_pixel_is_refused(
    save: Function, build: Function, reason: str
) -> None:
    assert reason in refusal(save(build))


def test_a_network_that_does_not_run_says_what_is_wrong(save: Function) -> None:
    def network(layers: Any, x: Any) -> Any:
        return layers.Add()([x, layers.Reshape((-1, 9, 3))(x)])

    reason = refusal(save(network))
    assert "in user code" not in reason
    assert "Graph execution error" not in reason
    assert "does not run" in reason


def test_an_input_that_is_no_image_is_refused(tmp_path: Path, keras: Any) -> None:
    inputs = keras.layers.Input((32, 3))
    keras.Model(inputs, keras.layers.Dense(3)(inputs)).save(tmp_path / "net.keras")
    assert "(batch, height, width, bands)" in refusal(tmp_path / "net.keras")


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_network_that_was_never_built_is_refused(tmp_path: Path, keras: Any) -> None:
    keras.Sequential([keras.layers.Conv2D(3, 1)]).save(tmp_path / "net.keras")
    refusal(tmp_path / "net.keras")


def test_a_sequential_network_is_fine(tmp_path: Path, keras: Any) -> None:
    layers = keras.layers
    model = keras.Sequential([layers.Input((24, 40, 2)), layers.Conv2D(5, 1), layers.Softmax()])
    model.save(tmp_path / "net.keras")
    network = keras3.load(tmp_path / "net.keras", {})
    assert (network.height, network.width, network.bands, network.channels) == (24, 40, 2, 5)
    assert network.scores == "probabilities"


@pytest.mark.parametrize(
    ("last", "scores"),
    [
        (lambda layers: layers.Conv2D(3, 1), "logits"),
        (lambda layers: layers.Conv2D(3, 1, activation="softmax"), "probabilities"),
        (lambda layers: layers.Conv2D(3, 1, activation="sigmoid"), "sigmoid"),
        (lambda layers: layers.Conv2D(3, 1, activation="relu"), "values"),
        (lambda layers: layers.Conv2DTranspose(3, 1, activation="softmax"), "probabilities"),
        (lambda layers: layers.Activation("softmax"), "probabilities"),
        (lambda layers: layers.Activation("sigmoid"), "sigmoid"),
        (lambda layers: layers.Softmax(), "probabilities"),
        (lambda layers: layers.Activation("softmax", dtype="float32"), "probabilities"),
    ],
)
def test_the_last_layer_tells_what_scores_are(save: Function, last: Function, scores: str) -> None:
    assert keras3.load(save(lambda layers, x: last(layers)(x)), {}).scores == scores


def test_the_last_layer_of_a_network_within_a_network_tells(save: Function, keras: Any) -> None:
    def network(layers: Any, x: Any) -> Any:
        inner = keras.Sequential([layers.Input((None, None, 3)), layers.Softmax()])
        return keras.Sequential([layers.Input((None, None, 3)), inner])(head(layers, x))

    assert keras3.load(save(network), {}).scores == "probabilities"


@pytest.mark.parametrize("last", ["argmax", "argmax_with_axis", "cast"])
def test_an_arg_max_at_the_end_gives_class_values(
    save: Function, keras: Any, write_emd: Function, last: str
) -> None:
    ops = keras.ops

    def scores(layers: Any, x: Any) -> Any:
        return layers.Conv2D(3, 1)(layers.Conv2D(4, 5, padding="same", dilation_rate=2)(x))

    def network(layers: Any, x: Any) -> Any:
        values = ops.argmax(scores(layers, x), axis=-1)
        if last == "cast":
            return ops.cast(values, "uint8")
        return values if last == "argmax" else ops.expand_dims(values, -1)

    definition = ModelDefinition.load(
        _emd(write_emd, save(network), Classes=[{"Value": 0}, {"Value": 1}, {"Value": 2}])
    )
    ready = prepare(definition, resolve(definition, {}))
    assert ready.network is not None
    assert (ready.network.scores, ready.network.channels) == ("classes", 0)
    assert (ready.found["stride"], ready.found["looks"]) == (1, "4 pixels beyond")
    pixels = np.random.default_rng(3).random((1, 32, 32, 3), np.float32)
    values = ready.network.call(pixels).numpy().reshape(32, 32)
    ending = ModelDefinition.load(
        _emd(write_emd, save(scores), Classes=[{"Value": 0}, {"Value": 1}, {"Value": 2}])
    )
    alike = prepare(ending, resolve(ending, {})).network
    assert alike is not None
    assert np.array_equal(values, alike.call(pixels).numpy()[0].argmax(axis=-1))
    assert len(np.unique(values)) > 1


@pytest.mark.parametrize("activation", [None, "softmax"])
def test_up_sampling_at_the_end_does_not_change_what_scores_are(
    save: Function, prepared: Function, keras: Any, activation: str | None, as_batch: Function
) -> None:
    """As networks of the DeepLab kind end."""

    def network(layers: Any, x: Any) -> Any:
        scores = layers.Conv2D(3, 1, activation=activation)(layers.MaxPooling2D(4)(x))
        return layers.UpSampling2D(4, interpolation="bilinear")(scores)

    model = keras.saving.load_model(save(network))
    pixels = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3)).astype(np.float32)
    scores = model(pixels).numpy()
    if activation is None:
        exponents = np.exp(scores - scores.max(-1, keepdims=True))
        scores = exponents / exponents.sum(-1, keepdims=True)
    answer = prepared(model, batch_size=1).classifier.classify(as_batch(pixels))
    np.testing.assert_allclose(answer.confidence, scores.max(-1), atol=1e-5)


def test_half_precision_inside_is_fine(
    save: Function, prepared: Function, keras: Any, whole_image: Function, as_batch: Function
) -> None:
    model = keras.saving.load_model(
        save(lambda layers, x: layers.Conv2D(3, 1, dtype="mixed_float16")(x))
    )
    pixels = np.random.default_rng(1).integers(0, 256, (1, 20, 20, 3)).astype(np.float32)
    answer = prepared(model, batch_size=1).classifier.classify(as_batch(pixels))
    assert (answer.classes == model(pixels).numpy().argmax(-1)).all()


# classes, bands and the definition


def _emd(write_emd: Function, path: Path, **keys: Any) -> Path:
    kept = path.read_bytes()
    emd = write_emd(path.parent, **keys)
    path.write_bytes(kept)
    return emd


@pytest.mark.parametrize("values", [[1], [0, 1], [1, 2, 3, 4]])
def test_another_number_of_classes_than_channels_is_refused(
    save: Function, write_emd: Function, values: list[int]
) -> None:
    path = save(head)
    emd = _emd(write_emd, path, Classes=[{"Value": value} for value in values])
    with pytest.raises(ModelError, match=rf"{len(values)} classes, the network tells 3 apart"):
        definition = ModelDefinition.load(emd)
        prepare(definition, resolve(definition, {}))


@pytest.mark.parametrize(
    ("channels", "listed", "values"),
    [
        (3, [], [0, 1, 2]),
        (3, [5, 0, 9], [5, 0, 9]),
        (3, [5, 9], [0, 5, 9]),
        (1, [], [0, 1]),
        (1, [7], [0, 7]),
        (1, [3, 7], [3, 7]),
        (2, [7], [0, 7]),
    ],
)
def test_channels_get_the_listed_values_and_a_background_where_one_is_missing(
    save: Function, write_emd: Function, channels: int, listed: list[int], values: list[int]
) -> None:
    path = save(lambda layers, x: layers.Conv2D(channels, 1)(x))
    emd = _emd(write_emd, path, Classes=[{"Value": value} for value in listed])
    definition = ModelDefinition.load(emd)
    classes = prepare(definition, resolve(definition, {})).classifier.classes
    assert [each.value for each in classes] == values
    assert all(isinstance(each, ClassDefinition) and each.name for each in classes)


def test_another_number_of_bands_than_the_network_takes_is_refused(
    save: Function, write_emd: Function
) -> None:
    emd = _emd(write_emd, save(head), ExtractBands=[0, 1])
    with pytest.raises(ModelError, match="3 bands, 2 are named"):
        definition = ModelDefinition.load(emd)
        prepare(definition, resolve(definition, {}))


def test_a_scaling_for_another_number_of_bands_is_refused(
    save: Function, write_emd: Function
) -> None:
    emd = _emd(write_emd, save(head), Mean=[1, 2])
    with pytest.raises(ModelError, match="mean has 2 numbers"):
        definition = ModelDefinition.load(emd)
        prepare(definition, resolve(definition, {}))


@pytest.mark.parametrize("threshold", [0.25, 0.9])
@pytest.mark.parametrize("activation", ["sigmoid", None])
def test_one_channel_has_two_sides_of_a_threshold(
    save: Function,
    prepared: Function,
    keras: Any,
    activation: str | None,
    threshold: float,
    as_batch: Function,
) -> None:
    def network(layers: Any, x: Any) -> Any:
        return layers.Conv2D(1, 1, activation=activation)(layers.Rescaling(1 / 64, offset=-2)(x))

    model = keras.saving.load_model(save(network))
    classifier = prepared(model, batch_size=1, threshold=threshold).classifier
    pixels = np.random.default_rng(2).integers(0, 256, (1, 30, 30, 3)).astype(np.uint8)
    scores = model(pixels.astype(np.float32)).numpy()[..., 0]
    if activation is None:
        scores = 1 / (1 + np.exp(-scores))
    positive = scores >= threshold
    answer = classifier.classify(as_batch(pixels))
    assert 0 < positive.sum() < positive.size
    assert (answer.classes == positive).all()
    np.testing.assert_allclose(answer.confidence, np.where(positive, scores, 1 - scores), atol=1e-5)


# at work


def test_a_photo_with_too_few_bands_is_a_failed_image(
    save: Function, tmp_path: Path, write_raster: Function
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / "photo.png")
    write_raster(folder / "scene.tif", np.ones((4, 9, 9), np.uint8), photometric="MINISBLACK")
    path = save(head, bands=4)
    run = classify(folder, model=path, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (1, 1)
    (failure,) = run.failures
    assert failure.image == "photo.png"
    assert failure.reason.startswith("has 3 band(s), the model takes band 4; --arg bands=")


def test_scores_that_are_not_finite_fail_the_image(
    save: Function, tmp_path: Path, keras: Any
) -> None:
    path = save(head)
    model = keras.saving.load_model(path)
    kernel, bias = model.layers[-1].get_weights()
    kernel[0, 0, 0, 1] = np.nan
    model.layers[-1].set_weights([kernel, bias])
    model.save(path)
    Image.new("RGB", (9, 7)).save(tmp_path / "photo.png")
    run = classify(tmp_path / "photo.png", model=path, output=tmp_path / "r.gpkg")
    (failure,) = run.failures
    assert "not finite" in failure.reason
    assert "63 pixels" in failure.reason
    assert list(run.rasters.glob("*.tif")) == []


def test_scores_that_are_not_finite_somewhere_fail_that_image_alone(
    save: Function, tmp_path: Path, keras: Any
) -> None:
    """Pixels above 200 overflow."""

    def network(layers: Any, x: Any) -> Any:
        bright = layers.ReLU(threshold=200.0)(x)
        return head(layers, layers.Rescaling(1e38)(bright))

    path = save(network)
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, gray in (("a.png", 100), ("b.png", 250), ("c.png", 199)):
        Image.new("RGB", (9, 7), (gray,) * 3).save(folder / name)
    run = classify(folder, model=path, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (2, 1)
    assert run.failures[0].image == "b.png"
    assert "not finite" in run.failures[0].reason


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_confidence_is_nan_wherever_a_score_is_not_finite(
    save: Function, prepared: Function, keras: Any, activation: str | None, as_batch: Function
) -> None:
    """The other score is finite and greater."""

    def network(layers: Any, x: Any) -> Any:
        other = layers.Conv2D(1, 1, use_bias=False, activation=activation)(x)
        return layers.Concatenate()([layers.Rescaling(-1e38)(x), other])

    path = save(network, bands=1)
    pixels = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)
    classifier = prepared(keras.saving.load_model(path), batch_size=1).classifier
    confidence = classifier.classify(as_batch(pixels)).confidence
    assert (np.isnan(confidence) == (pixels[..., 0] > 3)).all()


@pytest.mark.parametrize("size", [(40, 40), (100, 128), (200, 150)])
def test_a_network_that_answers_in_its_own_size_fails_the_image(
    save: Function, tmp_path: Path, size: tuple[int, int]
) -> None:
    """At 256 x 256 pixels nothing is wrong with it."""
    path = save(lambda layers, x: head(layers, layers.Resizing(256, 256)(x)))
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    (tmp_path / "photo.png").write_bytes(buffer.getvalue())
    run = classify(tmp_path / "photo.png", model=path, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (0, 1)
    assert f"{size[0]} x {size[1]}" in run.failures[0].reason
    assert "\n" not in run.failures[0].reason


def test_code_that_a_file_does_not_bring_is_named_with_its_layer(
    keras: Any, save: Callable[..., Path]
) -> None:
    class Gate(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, pixels: Any) -> Any:
            return pixels

    def steep(x: Any) -> Any:
        return x * 2

    builds = {
        "layer gate_3 is a Gate": lambda layers, x: head(layers, Gate(name="gate_3")(x)),
        "layer last needs the function steep, which": lambda layers, x: layers.Conv2D(
            3, 1, activation=steep, name="last"
        )(x),
        "layer tenth is a Lambda, Python code": lambda layers, x: head(
            layers, layers.Lambda(lambda y: y / 10, name="tenth")(x)
        ),
    }
    for words, build in builds.items():
        message = refusal(save(build))
        assert words in message
        assert "SavedModel" in message


def test_what_is_wrong_with_a_layer_is_said_without_its_configuration(
    save: Callable[..., Path], tmp_path: Path
) -> None:
    with zipfile.ZipFile(save(head)) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    config = parts["config.json"].replace(b'"padding": "valid"', b'"padding": "steep"')
    with zipfile.ZipFile(tmp_path / "odd.keras", "w") as odd:
        for name, part in (parts | {"config.json": config}).items():
            odd.writestr(name, part)
    message = refusal(tmp_path / "odd.keras")
    assert "padding" in message
    assert message.endswith("steep")
