"""What ``model check`` finds, and models that must not do what they want to."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from pixelcat.catalog.errors import ModelError, SourceError, UsageError
from pixelcat.processors.definition import ModelDefinition
from pixelcat.processors.formats import model_format
from pixelcat.processors.model_check import check

Function = Callable[..., Any]


@pytest.fixture
def scene(write_raster: Function, tmp_path: Path) -> Path:
    pixels = np.random.default_rng(6).integers(900, 9000, (3, 60, 70)).astype(np.uint16)
    path: Path = write_raster(tmp_path / "scene.tif", pixels)
    return path


def per_pixel(path: Path, kernel: np.ndarray, activation: str | None = None) -> Path:
    """Write a network of one 1 x 1 convolution."""
    import keras

    bands, channels = kernel.shape
    inputs = keras.layers.Input((None, None, bands))
    layer = keras.layers.Conv2D(channels, 1, use_bias=False, activation=activation)
    model = keras.Model(inputs, layer(inputs))
    layer.kernel.assign(kernel.reshape(1, 1, bands, channels))
    model.save(path)
    return path


def report(model: Path, scene: Path | None, **arguments: str) -> dict[str, Any]:
    return check(ModelDefinition.load(model), arguments, None if scene is None else str(scene))


def test_counts_fed_to_a_network_as_they_are_are_pointed_out(
    keras_net: Function, scene: Path, tmp_path: Path
) -> None:
    keras_net(poolings=0)
    model = per_pixel(tmp_path / "net.keras", np.eye(3))
    found = report(model, scene)
    assert "fed values up to 8" in found["notes"]
    assert found["output"] == "logits"
    assert "activation linear" in found["told by"]
    scaled = report(model, scene, scale="0.0001")
    assert scaled["notes"] == "none"
    assert scaled["fed to the network"].startswith("0.09")


def test_channels_that_add_up_to_one_are_taken_for_fractions(
    keras_net: Function, scene: Path, tmp_path: Path
) -> None:
    """Each channel is a band, the last one what is missing to 1."""
    keras_net(poolings=0)
    import keras

    inputs = keras.layers.Input((None, None, 3))
    total = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(inputs)
    rest = keras.layers.Conv2D(1, 1, kernel_initializer="ones", bias_initializer="ones")
    last = rest(keras.layers.Rescaling(-1)(total))
    joined = keras.layers.Concatenate()([inputs, last])
    model = keras.Model(inputs, keras.layers.Conv2D(4, 1, use_bias=False)(joined))
    model.layers[-1].kernel.assign(np.eye(4).reshape(1, 1, 4, 4))
    model.save(tmp_path / "net.keras")
    found = report(tmp_path / "net.keras", scene, scale="0.00001")
    assert found["channels add up to"] == "1 to 1"
    assert "--arg scores=fractions" in found["notes"]
    told = report(tmp_path / "net.keras", scene, scale="0.00001", scores="fractions")
    assert told["notes"] == "none"
    wrong = report(tmp_path / "net.keras", scene, scale="0.1", scores="fractions")
    assert "wrong scaling" in wrong["notes"]


def test_a_check_without_an_image_and_with_everything_asked(
    keras_net: Function, tmp_path: Path
) -> None:
    keras_net().save(tmp_path / "net.keras")
    found = report(
        tmp_path / "net.keras", None, test_time_augmentation="t", blend="hann", tile_size="64"
    )
    assert found["classified on"] == "noise"
    assert sum(row["share"] for row in found["classes"]) == pytest.approx(1, abs=1e-3)
    json.dumps(found)


# hostile files, of several makers


REFUSED = {
    **dict.fromkeys(["frozen_pyfunc.pb", "frozen_readfile.pb", "frozen_writefile.pb"], "outside"),
    **dict.fromkeys(
        ["savedmodel_pyfunc", "savedmodel_readfile", "savedmodel_writefile"], "outside"
    ),
    "truncated_frozen.pb": "damaged",
    "garbage.h5": "unknown data",
    "lfs_pointer.h5": "Git LFS pointer",
    "lambda.h5": "is a Lambda",
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_graphs_are_refused_and_leave_nothing(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = shared_data / "bad/models" / name
    copy = shutil.copytree if source.is_dir() else shutil.copy
    path = Path(copy(source, tmp_path / name))
    before = sorted(each.name for each in tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=REFUSED[name]):
        model_format(path).load(path, {})
    assert sorted(each.name for each in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        *((name, True) for name in ("WriteFile", "EagerPyFunc", "ImmutableConst", "LMDBDataset")),
        *((name, True) for name in ("CSVDataset", "RecordInput", "Abort", "DecodeProtoV2")),
        *((name, True) for name in ("FileSystemSetConfiguration", "CreateSummaryFileWriter")),
        *((name, False) for name in ("Conv2D", "ReadVariableOp", "StatefulPartitionedCall")),
        *((name, False) for name in ("While", "HashTableV2", "LookupTableFindV2", "Assert")),
        *((name, False) for name in ("RandomUniform", "TensorArrayV3", "ResourceGather")),
    ],
)
def test_what_an_operation_may_touch_is_known(operation: str, refused: bool) -> None:
    from pixelcat.processors.formats.graph import reaches_out

    assert reaches_out(operation) == refused


def test_a_lite_model_that_calls_tensorflow_to_write_is_refused(tmp_path: Path) -> None:
    from pixelcat.processors.tensorflow_setup import tensorflow

    tf = tensorflow()
    marker = tmp_path / "MARKER"

    def hostile(image: Any) -> Any:
        with tf.control_dependencies([tf.raw_ops.WriteFile(filename=str(marker), contents="x")]):
            return tf.identity(image) * 2.0

    traced = tf.function(hostile).get_concrete_function(tf.TensorSpec([1, 32, 32, 3], tf.float32))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS,
    ]  # fmt: skip
    (tmp_path / "net.tflite").write_bytes(converter.convert())
    with pytest.raises(ModelError, match="outside of itself \\(FlexWriteFile\\)"):
        model_format(tmp_path / "net.tflite").load(tmp_path / "net.tflite", {})
    assert not marker.exists()


# what strangers found: Keras 2 calls whatever TensorFlow exports


def with_layer(path: Path, layer: dict[str, Any], feeds: bool = True) -> Path:
    """Write a Keras 2 file whose configuration holds a layer that no Keras would save."""
    import h5py

    tf_keras = pytest.importorskip("tf_keras")
    inputs = tf_keras.layers.Input((None, None, 3), name="image")
    model = tf_keras.Model(inputs, tf_keras.layers.Conv2D(3, 1, name="scores")(inputs))
    model.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"].append(layer)
        if feeds:
            config["config"]["output_layers"] = [[layer["name"], 0, 0]]
        file.attrs["model_config"] = json.dumps(config)
    return path


def class_method(marker: Path) -> dict[str, Any]:
    return {
        "class_name": "ClassMethod", "name": "spy",
        "config": {
            "name": "spy", "trainable": True, "dtype": "float32",
            "cls_symbol": "io.TFRecordWriter", "method_name": "__call__",
        },
        "inbound_nodes": [[["_CONSTANT_VALUE", -1, str(marker), {"kwargs": {}}]]],
    }  # fmt: skip


def operation_layer(marker: Path) -> dict[str, Any]:
    node = {"name": "w", "op": "ReadFile", "input": ["x"]}
    return {
        "class_name": "TensorFlowOpLayer", "name": "spy",
        "config": {"name": "spy", "node_def": node, "constants": {}, "dtype": "float32"},
        "inbound_nodes": [[["scores", 0, 0, {}]]],
    }  # fmt: skip


def lambda_operation(marker: Path) -> dict[str, Any]:
    return {
        "class_name": "TFOpLambda", "name": "spy",
        "config": {"name": "spy", "function": "io.write_file"},
        "inbound_nodes": [["_CONSTANT_VALUE", -1, str(marker), {"contents": "x"}]],
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [class_method, operation_layer, lambda_operation])
def test_a_keras_2_file_calls_no_function_that_touches_anything(
    tmp_path: Path, make: Callable[[Path], dict[str, Any]]
) -> None:
    marker = tmp_path / "MARKER"
    path = with_layer(tmp_path / "net.h5", make(marker), feeds=make is not class_method)
    with pytest.raises(ModelError, match="spy"):
        model_format(path).load(path, {})
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore")
def test_arithmetic_on_tensors_in_a_keras_2_file_is_no_code(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    inputs = tf_keras.layers.Input((None, None, 3))
    scores = tf_keras.layers.Conv2D(3, 3, padding="same")(inputs * 2 - 1)
    model = tf_keras.Model(inputs, scores[..., :2] / 3)
    model.save(tmp_path / "net.h5")
    network = model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})
    pixels = np.random.default_rng(1).random((1, 20, 20, 3)).astype(np.float32)
    np.testing.assert_allclose(network.call(pixels), model(pixels), atol=1e-5)


def saved_with(folder: Path, spy: Callable[[Any, Any], None]) -> Path:
    """Write a SavedModel whose signature does something else as well."""
    from pixelcat.processors.tensorflow_setup import tensorflow

    tf = tensorflow()
    module = tf.Module()
    module.weight = tf.Variable([2.0])

    def serve(image: Any) -> Any:
        spy(tf, image)
        return {"scores": tf.concat([image, image * module.weight], -1)}

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    signature = tf.function(serve).get_concrete_function(spec)
    tf.saved_model.save(module, str(folder), signatures=signature)
    return folder


@pytest.mark.parametrize("operation", ["Save", "SaveV2", "MergeV2Checkpoints", "RestoreV2"])
def test_a_saved_model_saves_nothing_when_it_is_called(tmp_path: Path, operation: str) -> None:
    marker = str(tmp_path / "MARKER")

    def spy(tf: Any, image: Any) -> None:
        if operation == "Save":
            tf.raw_ops.Save(filename=marker, tensor_names=["a"], data=[image])
        elif operation == "SaveV2":
            tf.raw_ops.SaveV2(
                prefix=marker, tensor_names=["a"], shape_and_slices=[""], tensors=[image]
            )
        elif operation == "RestoreV2":
            tf.raw_ops.RestoreV2(
                prefix=marker, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
            )
        else:
            tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[marker], destination_prefix=marker)

    path = saved_with(tmp_path / "saved", spy)
    with pytest.raises(ModelError, match=rf"outside of itself \({operation}\)"):
        model_format(path).load(path, {})
    assert not list(tmp_path.glob("MARKER*"))


def test_the_checkpoint_of_a_saved_model_is_its_own_affair(tmp_path: Path) -> None:
    path = saved_with(tmp_path / "saved", lambda tf, image: None)
    network = model_format(path).load(path, {})
    assert network.call(np.ones((1, 4, 4, 3), np.float32)).numpy()[0, 0, 0].tolist() == [
        1, 1, 1, 2, 2, 2,
    ]  # fmt: skip


# what strangers found later: other files by way of storage, names and collections


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["external", "virtual", "link"])
def test_weights_in_other_files_are_refused(tmp_path: Path, keras_net: Function, kind: str) -> None:
    import h5py

    keras_net(poolings=0).save(tmp_path / "net.h5")
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["bias"] = np.zeros(8, np.float32)
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        group = file["model_weights"]
        if kind == "external":
            storage = [(str(tmp_path / "secret"), 0, 32)]
            group.create_dataset("spy", (8,), np.float32, external=storage)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((8,), np.float32)
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "bias", (8,))
            group.create_virtual_dataset("spy", layout)
        else:
            group["spy"] = h5py.ExternalLink("other.h5", "bias")
    with pytest.raises(ModelError, match=r"reads another file \(/model_weights/spy\)"):
        model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_holds_itself_is_looked_at_once(tmp_path: Path, keras_net: Function) -> None:
    import h5py

    keras_net(poolings=0).save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        file["model_weights/again"] = file["/"]
    assert model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {}).bands == 3


@pytest.mark.filterwarnings("ignore")
def test_a_configuration_without_bottom_is_refused(tmp_path: Path, keras_net: Function) -> None:
    import h5py

    keras_net(poolings=0).save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        file.attrs["model_config"] = "[" * 60_000
    with pytest.raises(ModelError, match="nested more than 100 deep"):
        model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """Rewrite the protocol buffer of a SavedModel."""
    from tensorflow.core.protobuf import saved_model_pb2

    message = saved_model_pb2.SavedModel()
    message.ParseFromString((path / "saved_model.pb").read_bytes())
    change(message.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    return path


def saver_function(meta: Any) -> Any:
    """Return the function that saves the checkpoint, renamed as nothing calls it by name."""
    library = meta.graph_def.library.function
    return next(f for f in library if "traced_save" in f.signature.name)


@pytest.mark.parametrize("trick", ["write", "implements", "initializer", "restore"])
def test_the_saver_of_a_saved_model_does_nothing_else(tmp_path: Path, trick: str) -> None:
    def change(meta: Any) -> None:
        function = saver_function(meta)
        if trick == "write":
            function.node_def.add(name="spy", op="WriteFile")
        elif trick == "implements":
            function.attr["api_implements"].s = b"abc"
        elif trick == "initializer":
            meta.graph_def.node.add(name="spy", op="SaveV2")
            meta.collection_def["table_initializer"].node_list.value.append("spy")
        else:
            meta.graph_def.node.add(name="spy", op="SaveV2")
            meta.saver_def.restore_op_name = "spy"

    path = changed(saved_with(tmp_path / "saved", lambda tf, image: None), change)
    with pytest.raises(ModelError, match=r"outside of itself \(.*(WriteFile|SaveV2)"):
        model_format(path).load(path, {})


def test_names_from_outside_do_not_command_the_terminal(tmp_path: Path, write_emd: Any) -> None:
    classes = [{"Value": 1, "Name": "a\x1b[31mb\n"}]
    path = write_emd(tmp_path, ModelName="x\x1b]0;y\x07\nz\x00", Classes=classes)
    definition = ModelDefinition.load(path)
    assert definition.name == "x ]0;y z"
    assert definition.classes[0].name == "a [31mb"


def test_the_environment_says_what_of_the_image(
    keras_net: Function, write_raster: Function, tmp_path: Path
) -> None:
    """Values 1 in the left half, 3 in the right one, 2 in the first rows, which are NoData."""
    keras_net(poolings=0)
    model = per_pixel(tmp_path / "net.keras", np.array([[1.0, -1.0]]))
    pixels = np.ones((1, 60, 70), np.uint8)
    pixels[:, :, 35:] = 3
    pixels[:, :20] = 2
    place = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "crs": "EPSG:32631"}
    path = write_raster(tmp_path / "a.tif", pixels, **place)

    def fed(**environment: Any) -> str:
        found = check(ModelDefinition.load(model), {"tile_size": "16"}, str(path), environment)
        assert sum(each["share"] for each in found["classes"]) == pytest.approx(1)
        return str(found["fed to the network"])

    west = (500_000, 4_999_400, 500_160, 4_999_560)
    east = (500_500, 4_999_400, 500_700, 4_999_560)
    assert [fed(extent=west), fed(extent=east)] == ["1 to 1", "3 to 3"]
    assert fed(extent=(500_005, 4_999_845, 500_155, 4_999_995)) == "2 to 2"
    assert fed(extent=east, cell_size=20).endswith(" to 3")
    hidden = check(
        ModelDefinition.load(model), {"tile_size": "16"}, str(path), {"nodata": 3, "extent": east}
    )
    assert hidden["fed to the network"] == "0 to 0"
    assert [each["share"] for each in hidden["classes"]] == [0, 0]
    with pytest.raises(UsageError, match="give --on too"):
        check(ModelDefinition.load(model), {}, None, {"cell_size": 3})
    with pytest.raises(SourceError, match="lies outside the extent"):
        fed(extent=(0, 0, 1, 1))
