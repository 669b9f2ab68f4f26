"""What a model file of Keras may name: hostile files do nothing, ordinary networks load."""

import inspect
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pixelcat.catalog.errors import ModelError
from pixelcat.cli import cli
from pixelcat.processors.formats import hdf5, keras3, keras_names, model_format
from pixelcat.processors.formats.keras_policy import check_config

Config = dict[str, Any]
Function = Callable[..., Any]


@pytest.fixture(scope="module")
def keras(keras_net: Function) -> Any:
    keras_net(poolings=0)  # sets TensorFlow up
    import keras

    return keras


@pytest.fixture(scope="module")
def canary(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a SavedModel and the file that it writes as soon as it is loaded."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("canary")
    marker = folder / "MARKER"

    class Table(tf.saved_model.experimental.TrackableResource):  # type: ignore[misc]
        def _create_resource(self) -> Any:
            return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

        def _initialize(self) -> None:
            tf.io.write_file(str(marker), "written by a model")

    class Module(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.table = Table()

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])  # type: ignore[untyped-decorator]
        def __call__(self, pixels: Any) -> Any:
            return pixels

    module = Module()
    tf.saved_model.save(module, str(folder / "model"), signatures=module.__call__)
    marker.unlink(missing_ok=True)
    return folder / "model", marker


@pytest.fixture(scope="module")
def plain(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file whose last two layers are a convolution and a function of Keras."""
    inputs = keras.layers.Input((None, None, 3))
    x = keras.layers.Conv2D(3, 1, activation="softmax", name="head")(inputs)
    path = tmp_path_factory.mktemp("plain") / "net.keras"
    keras.Model(inputs, keras.ops.switch(0, [keras.ops.relu, keras.ops.relu], x)).save(path)
    return path


def rewritten(source: Path, target: Path, change: Callable[[Config], object]) -> Path:
    """Write a Keras file with another configuration."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return target


def function(module: str | None, name: object) -> Config:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


def entry(module: object, name: object, **config: object) -> Config:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def head(config: Config) -> Config:
    found: Config = next(
        each for each in config["config"]["layers"] if each["config"].get("name") == "head"
    )
    return found


def without_switch(config: Config) -> None:
    """Let the convolution be the last layer."""
    config["config"]["layers"].pop()
    config["config"]["output_layers"] = ["head", 0, 0]


def calling(name: object, *operands: object) -> Callable[[Config], None]:
    """Call a function of Keras with constants, while the model is loaded."""

    def change(config: Config) -> None:
        node = config["config"]["layers"][-1]["inbound_nodes"][0]
        module, _, last = str(name).rpartition(".")
        node["args"] = [0, [function(module, last)], *operands]

    return change


def in_head(**keys: object) -> Callable[[Config], None]:
    """Change the configuration of a convolution in an otherwise plain network."""

    def change(config: Config) -> None:
        without_switch(config)
        head(config)["config"].update(keys)

    return change


def as_head(**keys: object) -> Callable[[Config], None]:
    """Change what the convolution says that it is."""

    def change(config: Config) -> None:
        without_switch(config)
        head(config).update(keys)

    return change


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        model_format(path).load(path, {})
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert "\n" not in message
    assert len(message) < 500 + len(str(path))
    return message


# the canary


def test_without_the_policy_the_canary_would_sing(
    keras: Any, plain: Path, canary: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, marker = canary
    path = rewritten(plain, tmp_path / "a.keras", calling("keras.layers.TFSMLayer", str(folder)))
    with pytest.raises(Exception, match=r"."):
        keras.saving.load_model(path, compile=False, safe_mode=True)
    assert marker.exists()
    marker.unlink()


@pytest.mark.parametrize("definition", [False, True])
@pytest.mark.parametrize("command", ["classify", "check", "info"])
def test_no_command_lets_a_file_load_a_graph_that_nobody_scanned(
    plain: Path,
    canary: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    definition: bool,
) -> None:
    folder, marker = canary
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    model = rewritten(plain, tmp_path / "net.keras", calling("keras.layers.TFSMLayer", str(folder)))
    if definition:
        model = tmp_path / "net.emd"
        model.write_text(json.dumps({"Framework": "Keras", "ModelFile": "net.keras"}))
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    words = {
        "classify": ["classify", str(tmp_path / "photo.png"), "-m", str(model), "-o", "r.gpkg"],
        "check": ["model", "check", str(model)],
        "info": ["model", "info", str(model)],
    }
    result = CliRunner().invoke(cli, words[command])
    if command == "info":  # reads the definition and nothing of the network
        assert result.exit_code == 0
    else:
        assert isinstance(result.exception, ModelError)
        assert "is a Switch of keras.src.ops.core" in str(result.exception)
    assert not marker.exists()
    assert list((tmp_path / "work").iterdir()) == []


# names

CALLED = [
    *("keras.layers.TFSMLayer", "keras.datasets.mnist.load_data", "keras.utils.get_file"),
    *("keras.applications.vgg16.VGG16", "keras.saving.load_model", "keras.models.load_model"),
    *("keras.config.enable_unsafe_deserialization", "keras.config.set_backend"),
    *("keras.preprocessing.image.save_img", "keras.layers.TorchModuleWrapper"),
    *("keras.layers.Conv2D", "keras.ops.map", "keras.ops.custom_gradient", "keras.ops.vectorize"),
    *("keras.activations.get", "keras.activations.deserialize", "keras.callbacks.ModelCheckpoint"),
    *("keras._tf_keras.keras.utils.get_file", "tf_keras.utils.get_file", "os.system"),
    *("tensorflow.keras.utils.get_file", "builtins.exec", "builtins.get", "shutil.rmtree"),
    *("keras.src.utils.file_utils.get_file", "keras.metrics.Mean", "keras.random.normal"),
    *("keras_hub.models.Backbone", "keras.distribution.initialize", "keras.export.ExportArchive"),
]


@pytest.mark.parametrize("name", CALLED)
def test_a_function_that_does_more_than_compute_is_refused(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    module, _, last = name.rpartition(".")
    called = refused(
        rewritten(plain, tmp_path / "a.keras", in_head(activation=function(module, last)))
    )
    assert "layer head needs" in called
    assert last in called
    assert "SavedModel" in called
    deep = [[{"x": [function(module, last)]}]]
    within = refused(rewritten(plain, tmp_path / "b.keras", as_head(inbound_nodes=deep)))
    assert last in within
    bare = {**function(None, last), "registered_name": "relu"}
    refused(rewritten(plain, tmp_path / "c.keras", in_head(kernel_initializer=bare)))
    assert list((tmp_path / "work").iterdir()) == []


OPERATIONS = [
    *("Switch", "Cond", "Map", "Scan", "AssociativeScan", "WhileLoop", "ForiLoop"),
    *("VectorizedMap", "Operation", "CustomGradient", "Vectorize", "Function"),
]


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_that_takes_a_function_is_refused(
    plain: Path, tmp_path: Path, name: str
) -> None:
    for module in ("keras.src.ops.core", "keras.ops", "keras.src.ops.numpy", None):
        change = as_head(module=module, class_name=name, registered_name=None)
        assert name in refused(rewritten(plain, tmp_path / "a.keras", change))


LAYERS = [
    *("TFSMLayer", "Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup"),
    *("IntegerLookup", "TextVectorization", "Layer", "Evil", "deserialize"),
]
MODULES = [
    *("keras.layers", "keras", "keras.src.layers", "keras.src.export.tfsm_layer", "builtins"),
    *("keras._tf_keras.keras.layers", "tf_keras.layers", "tensorflow.keras.layers", "os", None),
    *("keras.layers.", "keras.src.layers..x", "Keras.layers", "keras\n.layers", "evil.keras.layers"),
]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_does_more_than_compute_is_refused_whatever_its_module_is_called(
    plain: Path, canary: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    folder, marker = canary
    held = {"name": "head", "filepath": str(folder), "vocabulary": "/etc/hostname"}
    for module in MODULES:
        change = as_head(module=module, class_name=name, config=held, registered_name=name)
        message = refused(rewritten(plain, tmp_path / "a.keras", change))
        assert name in message
        assert "layer head" in message
    legacy = as_head(class_name=name, config=held)

    def without_module(config: Config) -> None:
        legacy(config)
        del head_like(config)["module"]

    assert name in refused(rewritten(plain, tmp_path / "b.keras", without_module))
    assert not marker.exists()


def head_like(config: Config) -> Config:
    found: Config = config["config"]["layers"][-1]
    return found


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m not in ("keras.layers", None, "keras.src.layers", "tf_keras.layers")],
)
def test_even_a_good_name_must_come_from_where_keras_has_it(
    plain: Path, tmp_path: Path, module: str
) -> None:
    change = as_head(module=module, class_name="Conv2D")
    assert "is a Conv2D of" in refused(rewritten(plain, tmp_path / "a.keras", change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (in_head(activation="os.system"), "layer head needs the activation os.system"),
        (in_head(activation="keras.utils.get_file"), "the activation keras.utils.get_file"),
        (in_head(activation="deserialize"), "the activation deserialize"),
        (in_head(activation=""), "the activation ,"),
        (in_head(kernel_initializer="keras.datasets.mnist.load_data"), "the initializer keras."),
        (in_head(kernel_initializer="TFSMLayer"), "the initializer TFSMLayer"),
        (in_head(bias_regularizer="Lambda"), "the regularizer Lambda"),
        (in_head(bias_constraint="exec"), "the constraint exec"),
        (in_head(activation=entry("builtins", "__lambda__", code="x")), "is a Lambda"),
        (in_head(activation=entry(None, "__lambda__", value="x")), "is a Lambda"),
        (in_head(x=entry("builtins", "__typespec__", a=1)), "is a __typespec__"),
        (in_head(x=[[{"y": entry("keras.layers", "TFSMLayer")}]]), "is a TFSMLayer"),
        (in_head(dtype=entry("keras", "Lambda")), "is a Lambda"),
        (in_head(dtype=entry("keras.src.saving.saving_lib", "H5IOStore")), "is a H5IOStore"),
        (in_head(quantization_config=entry("keras.quantizers", "GPTQConfig")), "GPTQConfig"),
        (in_head(kernel_initializer=entry("keras.layers", "Zeros")), "is a Zeros of keras.layers"),
        (as_head(registered_name="Custom>Evil"), "is a Custom>Evil"),
        (as_head(registered_name=["Evil"]), "is a ['Evil']"),
        (as_head(class_name=["Conv2D"]), "a class whose name is no text"),
        (as_head(class_name=None), "a class whose name is no text"),
        (as_head(module=5), "a class whose name is no text"),
        (as_head(class_name="function", config={"a": 1}), "without a name"),
        (as_head(build_config={"x": entry("keras.layers", "TFSMLayer")}), "is a TFSMLayer"),
        (as_head(compile_config={"loss": function("keras.utils", "get_file")}), "get_file"),
        (as_head(name="bad\n\x1b[31mname", class_name="Evil"), "layer bad [31mname is a Evil"),
        (as_head(name="x" * 10_000, class_name="y" * 10_000), "xxx... is a yyy"),
        (as_head(class_name="TFOpLambda", config={"function": "io.write_file"}), "io.write_file"),
        *(
            (as_head(class_name=name, module=module, config={"function": "io.write_file"}), "io.w")
            for name in ("TFOpLambdaV2", "tf_op_lambda", "Slicing_Op_LambdaV1")
            for module in ("tf_keras.layers", None)
        ),
        *(
            (as_head(class_name=name, config={"function": "cast"}), "is a Lambda")
            for name in ("LambdaV2", "lambda", "__Lambda__", "LAMBDA")
        ),
        *(
            (as_head(class_name="TFOpLambda", config={"function": f"{place}{name}"}), name)
            for place in ("", "compat.v1.")
            for name in ("image.decode_image", "image.decode_jpeg", "image.encode_png", "io.cast")
        ),
        (in_head(x=entry("keras.metrics", "MeanMetricWrapper", fn="f")), "MeanMetricWrapper"),
        (as_head(module="antigravity", class_name="TFOpLambda"), "a TFOpLambda of antigravity"),
        (in_head(x=entry("antigravity", "TensorShape")), "is a TensorShape of antigravity"),
        (in_head(x=entry("antigravity", "__tuple__")), "is a __tuple__ of antigravity"),
        (in_head(activation={**function("builtins", "relu"), "registered_name": "Evil"}), "Evil"),
        (as_head(class_name="SlicingOpLambda", config=[]), "of TensorFlow"),
    ],
)  # fmt: skip
def test_every_other_place_for_a_name_is_looked_at(
    plain: Path, tmp_path: Path, change: Callable[[Config], object], words: str
) -> None:
    assert words in refused(rewritten(plain, tmp_path / "a.keras", change))


def test_a_network_within_a_network_is_looked_at(plain: Path, tmp_path: Path) -> None:
    def nested(config: Config) -> None:
        inner = json.loads(json.dumps(config))
        without_switch(config)
        head(config).update(inner, name="inner", inbound_nodes=head(config)["inbound_nodes"])

    assert "is a Switch" in refused(rewritten(plain, tmp_path / "a.keras", nested))


def test_a_configuration_that_is_too_deep_is_refused_in_one_line(
    plain: Path, tmp_path: Path
) -> None:
    for depth in (150, 900, 100_000):
        within = "[" * depth + "]" * depth
        path = rewritten(plain, tmp_path / "a.keras", in_head(marker="HERE"))
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name).decode("latin-1") for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part.replace('"HERE"', within).encode("latin-1"))
        assert "nested more than 100 deep" in refused(path)


# containers


def test_a_configuration_of_too_many_parts_is_refused() -> None:
    """Keras took a minute for 30 MB of empty lists."""
    for text in ("[" + "[]," * 1_000_000 + "0]", b"[" + b"{}," * 1_000_000 + b"0]"):
        with pytest.raises(ModelError, match="more than 1000000 parts, which no network has"):
            check_config(Path("net.keras"), text, compiles=False)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_with_two_configurations_is_refused(plain: Path, tmp_path: Path) -> None:
    path = rewritten(plain, tmp_path / "a.keras", without_switch)
    with zipfile.ZipFile(plain) as hostile, zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", hostile.read("config.json"))
    assert "holds config.json twice" in refused(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_that_is_hdf5_and_a_keras_file_at_once_is_read_as_what_was_looked_at(
    keras: Any, plain: Path, canary: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, marker = canary
    keras.saving.load_model(rewritten(plain, tmp_path / "a.keras", without_switch)).save(
        tmp_path / "good.h5"
    )
    path = tmp_path / "both.keras"
    path.write_bytes((tmp_path / "good.h5").read_bytes())
    hostile = rewritten(plain, tmp_path / "b.keras", calling("keras.layers.TFSMLayer", str(folder)))
    with zipfile.ZipFile(hostile) as source, zipfile.ZipFile(path, "a") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert zipfile.is_zipfile(path)
    assert model_format(path) is hdf5
    assert hdf5.load(path, {}).channels == 3
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("place", ["activation", "layer", "network"])
def test_hdf5_files_have_the_same_policy(
    keras: Any, plain: Path, canary: tuple[Path, Path], tmp_path: Path, place: str
) -> None:
    folder, marker = canary
    path = tmp_path / "net.h5"
    keras.saving.load_model(rewritten(plain, tmp_path / "a.keras", without_switch)).save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        if place == "activation":
            head(config)["config"]["activation"] = function("keras.layers", "TFSMLayer")
        elif place == "layer":
            head(config).update(entry("keras.layers", "TFSMLayer", filepath=str(folder)))
        else:
            with zipfile.ZipFile(plain) as archive:
                config = json.loads(archive.read("config.json"))
            calling("keras.layers.TFSMLayer", str(folder))(config)
        file.attrs["model_config"] = json.dumps(config)
    message = refused(path)
    assert "SavedModel" in message
    assert ("Switch" if place == "network" else "TFSMLayer") in message
    assert not marker.exists()


def test_an_hdf5_file_whose_configuration_is_no_text_is_damaged(keras: Any, tmp_path: Path) -> None:
    for value in (5, np.arange(3), b"\xff\xfe", h5py.Empty("S1")):
        with h5py.File(tmp_path / "net.h5", "w") as file:
            file.attrs["model_config"] = value
        assert "its configuration is damaged" in refused(tmp_path / "net.h5")


# what must still load


def test_operations_that_compute_load(keras: Any, tmp_path: Path) -> None:
    ops, inputs = keras.ops, keras.layers.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation=ops.silu)(inputs)
    x = ops.repeat(ops.repeat(ops.max_pool(x, 2), 2, axis=1), 2, axis=2)
    x = ops.roll(x, 1, axis=1) - ops.mean(x, axis=-1, keepdims=True)
    x = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])[:, 1:-1, 1:-1, :]
    x = x + np.float32([1, 2, 3, 4])
    x = ops.layer_normalization(ops.where(x > 0, x, ops.exp(x)), axis=-1)
    x = keras.layers.Dense(3, activation=keras.activations.gelu, kernel_regularizer="l2")(x)
    keras.Model(inputs, ops.softmax(x)).save(tmp_path / "net.keras")
    assert keras3.load(tmp_path / "net.keras", {}).channels == 3


def _small(applications: Any, name: str, **how: Any) -> Any:
    return getattr(applications, name)(
        include_top=False, weights=None, input_shape=(96, 96, 3), **how
    )


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("ConvNeXtTiny", {}),
        ("EfficientNetV2B0", {}),
        ("MobileNetV3Small", {"minimalistic": True}),
    ],
)
def test_networks_that_keras_brings_are_let_through(
    keras: Any, name: str, how: dict[str, Any]
) -> None:
    inputs = keras.layers.Input((96, 96, 3))
    network = keras.Model(inputs, _small(keras.applications, name, **how)(inputs))
    text = json.dumps(keras.saving.serialize_keras_object(network))
    check_config(Path("net.keras"), text, compiles=False)


def test_layers_of_networks_that_keras_brings_come_from_there_only(
    keras: Any, plain: Path, tmp_path: Path
) -> None:
    inputs = keras.layers.Input((None, None, 3))
    scale = keras.src.applications.convnext.LayerScale(0.5, 3, name="scale")
    x = keras.layers.Conv2D(3, 1, activation="softmax", name="head")(scale(inputs))
    keras.Model(inputs, x).save(tmp_path / "net.keras")
    assert keras3.load(tmp_path / "net.keras", {}).channels == 3
    for module in ("keras.applications.imagenet_utils", "os.applications.convnext"):
        change = as_head(**entry(module, "LayerScale", init_values=1, projection_dim=3))
        path = rewritten(plain, tmp_path / "bad.keras", change)
        assert "LayerScale" in refused(path)


def test_losses_of_their_own_do_not_matter_at_the_top_and_those_of_keras_nowhere(
    keras: Any, tmp_path: Path
) -> None:
    def dice(truth: Any, scores: Any) -> Any:
        return truth * scores

    layers = keras.layers
    inner = keras.Sequential([layers.Input((None, None, 3)), layers.Conv2D(3, 1)], name="inner")
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 5)
    inner.compile(keras.optimizers.AdamW(schedule), "mse", metrics=[keras.metrics.MeanIoU(3)])
    inputs = layers.Input((None, None, 3))
    whole = keras.Model(inputs, layers.Softmax()(inner(inputs)))
    whole.compile("sgd", dice)
    whole.save(tmp_path / "net.keras")
    assert keras3.load(tmp_path / "net.keras", {}).channels == 3


def test_what_the_lists_name_is_a_function_that_takes_no_function(keras: Any) -> None:
    taken = {"fn", "f", "fun", "func", "function", "body", "cond", "branches", "true_fn", "pred"}
    found = 0
    for listed, modules in (
        (keras_names.OPERATIONS, (keras.ops, keras.ops.image)),
        (keras_names.ACTIVATIONS, (keras.activations,)),
        (keras_names.MEASURES, (keras.losses, keras.metrics)),
    ):
        for it in (getattr(module, name, None) for module in modules for name in listed):
            if it is not None:
                assert inspect.isfunction(it)
                assert not taken & set(inspect.signature(it).parameters)
                found += 1
    assert found > 350


def test_functions_of_tensorflow_on_the_list_are_there_and_take_no_function(keras: Any) -> None:
    import tensorflow as tf

    taken = {"fn", "f", "func", "function", "body", "cond", "filename", "path"}
    for name in keras_names.GRAPH_FUNCTIONS:
        place, _, last = name.rpartition(".")
        if place == "__operators__":
            continue
        at = [getattr(root, place) if place else root for root in (tf, tf.compat.v1)]
        found = next(getattr(each, last) for each in at if hasattr(each, last))
        assert not taken & set(inspect.signature(found).parameters), name


def test_classes_on_the_lists_take_no_function(keras: Any) -> None:
    taken = {"fn", "f", "func", "function"}
    for listed, module in (
        (keras_names.LAYERS, keras.layers),
        (keras_names.APPLICATIONS, keras.src.applications.convnext),
        (keras_names.APPLICATIONS, keras.src.applications.inception_resnet_v2),
        (keras_names.METRICS, keras.metrics),
        (keras_names.LOSSES, keras.losses),
        (keras_names.OPTIMIZERS, keras.optimizers),
    ):
        for it in (getattr(module, name, None) for name in listed):
            assert it is None or not taken & set(inspect.signature(it.__init__).parameters), it


def test_networks_of_keras_2_may_call_functions_that_compute() -> None:
    for name in ("math.multiply", "__operators__.getitem", "nn.relu", "compat.v1.image.resize"):
        layer = {"class_name": "TFOpLambda", "config": {"name": "a", "function": name}}
        check_config(Path("net.h5"), json.dumps(layer), compiles=True)
