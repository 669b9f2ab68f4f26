import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner

from pixelcat import ModelDefinition, classify
from pixelcat.catalog.errors import ModelError, UsageError
from pixelcat.cli import cli
from pixelcat.processors.argument_texts import split_text
from pixelcat.processors.arguments import ARGUMENTS
from pixelcat.processors.formats import model_format
from pixelcat.processors.options import resolve
from pixelcat.processors.prepare import prepare
from pixelcat.processors.receptive_field import ReceptiveField, measure

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def tf() -> Any:
    from pixelcat.processors.tensorflow_setup import tensorflow

    return tensorflow()


@pytest.fixture(scope="module")
def net(keras_net: Function) -> Any:
    return keras_net(poolings=1, seed=11)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 90, 131), np.uint8)
    path = tmp_path / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=131, height=90, count=3, dtype="uint8",
        transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), crs="EPSG:32631",
    ) as file:  # fmt: skip
        file.write(pixels)
    return path


def freeze(tf: Any, function: Any, spec: Any) -> Any:
    """Return the frozen function of a traced one; its graph has no variables."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(tf.function(function).get_concrete_function(spec))


def as_keras(tf: Any, net: Any, folder: Path) -> Path:
    net.save(folder / "net.keras")
    return folder / "net.keras"


def as_hdf5(tf: Any, net: Any, folder: Path) -> Path:
    net.save(folder / "net.h5")
    return folder / "net.h5"


def as_saved_model(tf: Any, net: Any, folder: Path) -> Path:
    module = tf.Module()
    module.net = net
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    serve = tf.function(lambda image: {"scores": net(image, training=False)}).get_concrete_function(
        spec
    )
    tf.saved_model.save(module, str(folder / "saved"), signatures=serve)
    return folder / "saved"


def as_frozen_graph(tf: Any, net: Any, folder: Path) -> Path:
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    frozen = freeze(tf, lambda image: net(image, training=False), spec)
    (folder / "net.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    return folder / "net.pb"


def as_tflite(tf: Any, net: Any, folder: Path) -> Path:
    spec = tf.TensorSpec([None, 512, 512, 3], tf.float32)
    frozen = freeze(tf, lambda image: net(image, training=False), spec)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    (folder / "net.tflite").write_bytes(converter.convert())
    return folder / "net.tflite"


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("save", [as_keras, as_hdf5, as_saved_model, as_frozen_graph])
def test_all_formats_of_the_same_weights_give_the_same_class_map(
    tf: Any, net: Any, save: Function, scene: Path, tmp_path: Path, whole_image: Function
) -> None:
    run = classify(scene, model=save(tf, net, tmp_path), output=tmp_path / "r.gpkg")
    assert run.exit_code == 0
    (raster,) = run.rasters.glob("*.tif")
    with rasterio.open(raster) as file, rasterio.open(scene) as source:
        expected = whole_image(net, source.read(), stride=2).argmax(axis=-1)
        assert (file.read(1) == expected).all()


@pytest.fixture
def deeplab(tf: Any, net: Any, tmp_path: Path) -> Path:
    """A graph with the names of DeepLab exports: uint8 in, int64 class numbers out."""
    graph = tf.Graph()
    weights = np.random.default_rng(4).normal(size=(3, 3, 3, 4)).astype(np.float32)
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], name="ImageTensor")
        scores = tf.nn.conv2d(tf.cast(image, tf.float32) / 255.0 - 0.5, weights, 1, "SAME")
        tf.argmax(scores, axis=-1, output_type=tf.int64, name="SemanticPredictions")
    path = tmp_path / "deeplab.pb"
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def emd(folder: Path, model: str, **keys: Any) -> Path:
    path = folder / f"{Path(model).stem}.emd"
    path.write_text(json.dumps({"Framework": "TensorFlow", "ModelFile": model, **keys}))
    return path


def test_class_numbers_of_a_frozen_graph_are_class_values(
    tf: Any, deeplab: Path, scene: Path, tmp_path: Path
) -> None:
    classes = [{"Value": value, "Name": f"c{value}"} for value in range(4)]
    definition = emd(tmp_path, "deeplab.pb", Classes=classes)
    run = classify(scene, model=definition, output=tmp_path / "r.gpkg")
    (raster,) = run.rasters.glob("*.tif")
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(deeplab.read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        with rasterio.open(scene) as source:
            pixels = np.moveaxis(source.read(), 0, -1)[np.newaxis]
        expected = session.run("SemanticPredictions:0", {"ImageTensor:0": pixels})[0]
    with rasterio.open(raster) as file:
        assert (file.read(1) == expected).all()
    assert run.sql("select distinct mean_confidence from class_stats") == [
        {"mean_confidence": None}
    ]


@pytest.mark.parametrize("ends", ["scores", "classes"])
def test_a_graph_that_takes_one_image_at_a_time_runs(
    tf: Any, scene: Path, tmp_path: Path, ends: str
) -> None:
    """As exports of DeepLab for serving do; a soft-max may be enlarged at the end."""
    kernel = np.random.default_rng(4).integers(-2, 3, (3, 3, 3, 4)).astype(np.float32)
    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.uint8, [1, None, None, 3], name="ImageTensor")
        scores = tf.nn.conv2d(tf.cast(image, tf.float32) / 255.0, kernel, 1, "SAME")
        if ends == "classes":
            tf.argmax(scores, axis=-1, output_type=tf.int32, name="SemanticPredictions")
        else:
            soft = tf.nn.softmax(scores)
            tf.image.resize(soft, tf.shape(image)[1:3], name="SemanticPredictions")
            names = [node.name for node in graph.as_graph_def().node]
            tf.identity(graph.get_tensor_by_name(f"{names[-1]}:0"), name="end")
    (tmp_path / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    keys = {} if ends == "classes" else {"OutputName": "end"}
    classes = [{"Value": value} for value in range(4)]
    path = emd(tmp_path, "net.pb", Classes=classes, **keys)
    network = model_format(tmp_path / "net.pb").load(tmp_path / "net.pb", keys)
    assert network.scores == ("classes" if ends == "classes" else "probabilities")
    run = classify(scene, model=path, output=tmp_path / "r.gpkg", arguments={"tile_size": 64})
    (raster,) = run.rasters.glob("*.tif")
    with rasterio.open(raster) as file, rasterio.open(scene) as source:
        pixels = np.moveaxis(source.read(), 0, -1)[np.newaxis].astype(np.float32)
        expected = tf.nn.conv2d(pixels / 255.0, kernel, 1, "SAME").numpy()[0]
        second, best = np.moveaxis(np.sort(expected, -1)[..., -2:], -1, 0)
        sure = best - second > 1e-4
        assert sure.mean() > 0.95
        assert (file.read(1) == expected.argmax(-1))[sure].all()


def test_the_reach_of_class_numbers_is_that_of_the_scores_before(deeplab: Path) -> None:
    network = model_format(deeplab).load(deeplab, {})
    assert measure(network) == ReceptiveField(stride=1, radius=1)


def test_class_numbers_without_a_list_of_classes_are_refused(deeplab: Path) -> None:
    definition = ModelDefinition.load(deeplab)
    with pytest.raises(ModelError, match="list its Classes"):
        prepare(definition, resolve(definition, {}))


def test_a_class_that_is_not_listed_fails_the_image(
    deeplab: Path, scene: Path, tmp_path: Path
) -> None:
    definition = emd(tmp_path, "deeplab.pb", Classes=[{"Value": 1}, {"Value": 2}])
    run = classify(scene, model=definition, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (0, 1)
    assert "unlisted classes" in run.failures[0].reason


def test_a_tflite_model_of_fixed_size_runs(tf: Any, net: Any, tmp_path: Path) -> None:
    path = as_tflite(tf, net, tmp_path)
    network = model_format(path).load(path, {})
    assert (network.height, network.width, network.channels) == (512, 512, 3)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 512, 512, 3)).astype(np.float32)
    np.testing.assert_allclose(network.call(pixels).numpy(), net(pixels).numpy(), atol=1e-4)


def test_what_tensorflow_lite_has_to_say_is_for_nobody(
    tf: Any, net: Any, scene: Path, tmp_path: Path
) -> None:
    words = ["classify", scene, "-m", as_tflite(tf, net, tmp_path), "-o", tmp_path / "r.gpkg"]
    done = subprocess.run(
        [sys.executable, "-m", "pixelcat", *words, "--workers", "1"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.parametrize("operation", ["write", "read", "print"])
@pytest.mark.parametrize("container", ["graph", "saved_model"])
def test_a_graph_that_reaches_outside_is_refused_and_never_run(
    tf: Any, tmp_path: Path, operation: str, container: str
) -> None:
    marker = tmp_path / "MARKER"

    def hostile(image: Any) -> Any:
        if operation == "write":
            done = tf.raw_ops.WriteFile(filename=str(marker), contents="x")
        elif operation == "read":
            done = tf.raw_ops.ReadFile(filename="/etc/hostname")
        else:
            done = tf.raw_ops.PrintV2(input="x", output_stream=f"file://{marker}")
        with tf.control_dependencies([done]):
            return tf.identity(image)

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")
    if container == "graph":
        path = tmp_path / "net.pb"
        path.write_bytes(freeze(tf, hostile, spec).graph.as_graph_def().SerializeToString())
    else:
        path = tmp_path / "saved"
        serve = tf.function(hostile).get_concrete_function(spec)
        tf.saved_model.save(tf.Module(), str(path), signatures=serve)
    with pytest.raises(ModelError, match=r"reaches outside of itself \((Write|Read|Print)"):
        model_format(path).load(path, {})
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_hdf5_file_with_code_is_refused_before_it_is_loaded(
    keras_net: Function, tmp_path: Path
) -> None:
    import keras

    inputs = keras.layers.Input((None, None, 3))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x, name="spy")(inputs)).save(
        tmp_path / "net.h5"
    )
    with pytest.raises(ModelError, match="layer spy is a Lambda"):
        model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("os", "system", "is a system of os,"),
        ("builtins", "function", "a function of builtins without a name"),
        ("keras.utils", "get_file", "is a get_file of keras.utils,"),
        ("evil.layers", "X", "is a X of evil.layers,"),
    ],
)
def test_an_hdf5_file_that_names_foreign_modules_is_refused(
    keras_net: Function, tmp_path: Path, module: str, name: str, words: str
) -> None:
    import h5py

    keras_net(poolings=0).save(tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["activation"] = {
            "module": module, "class_name": name, "config": {}, "registered_name": name,
        }  # fmt: skip
        file.attrs["model_config"] = json.dumps(config)
    with pytest.raises(ModelError, match=words):
        model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_hdf5_file_that_keras_3_cannot_read_back_is_none_of_keras_2(
    tf: Any, net: Any, tmp_path: Path
) -> None:
    import keras

    inputs = keras.layers.Input((None, None, 3))
    keras.Model(inputs, keras.ops.argmax(net(inputs), axis=-1)).save(tmp_path / "net.h5")
    with pytest.raises(ModelError) as caught:
        model_format(tmp_path / "net.h5").load(tmp_path / "net.h5", {})
    message = str(caught.value)
    assert f"was written by Keras {keras.__version__}, which cannot read all that it" in message
    assert message.endswith("Unknown layer: 'Argmax'; save it as .keras")
    assert "keras2" not in message


def test_two_outputs_need_a_name(tf: Any, net: Any, tmp_path: Path) -> None:
    module = tf.Module()
    module.net = net
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="image")

    def both(image: Any) -> dict[str, Any]:
        scores = net(image, training=False)
        return {"scores": scores, "spread": tf.reduce_max(scores, axis=-1)}

    serve = tf.function(both).get_concrete_function(spec)
    tf.saved_model.save(module, str(tmp_path / "saved"), signatures=serve)
    found = model_format(tmp_path / "saved")
    with pytest.raises(
        ModelError, match="2 outputs; choose one of scores, spread with --arg output"
    ):
        found.load(tmp_path / "saved", {})
    assert found.load(tmp_path / "saved", {"OutputName": "scores"}).scores == "probabilities"


# packages


@pytest.fixture
def package(model_emd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Function:
    """Return a function that packs the small model, with members added."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def pack(name: str = "land.dlpk", folder: str = "", **more: str) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in (model_emd, model_emd.parent / "net.keras"):
                archive.write(path, folder + path.name)
            for member, text in more.items():
                archive.writestr(member, text)
        return tmp_path / name

    return pack


def test_a_package_gives_what_its_files_give(
    package: Function, model_emd: Path, scene: Path, tmp_path: Path
) -> None:
    loose = classify(scene, model=model_emd, output=tmp_path / "a.gpkg")
    packed = classify(scene, model=package(), output=tmp_path / "b.gpkg")
    rasters = [next(run.rasters.glob("*.tif")).name for run in (loose, packed)]
    assert rasters[0] == rasters[1]
    hashes = "select definition_sha256, weights_sha256 from models"
    assert loose.sql(hashes) == packed.sql(hashes)


def test_the_same_model_by_two_paths_is_one_model(
    package: Function, model_emd: Path, scene: Path, tmp_path: Path
) -> None:
    for model in (model_emd, package(), package("again.dlpk", folder="inside/")):
        run = classify(scene, model=model, output=tmp_path / "r.gpkg")
    assert run.sql("select count(*) as n from models") == [{"n": 1}]
    assert run.classified_now == 0


def test_the_shallowest_definition_wins(package: Function) -> None:
    assert ModelDefinition.load(package(**{"other/b.emd": "{}"})).name == "land"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"b.emd": "{}"}, "several definitions: b.emd, land.emd"),
        ({"../out.py": "x"}, "leads out of the package"),
        ({"/out.py": "x"}, "leads out of the package"),
        ({"a/../../out.py": "x"}, "leads out of the package"),
        ({"c:out.py": "x"}, "leads out of the package"),
        ({"LAND.emd": "{}"}, "stands there twice"),
        ({"aux.txt": "x"}, "reserve"),
        ({"big": "0" * 3_000_000}, "packed more than 200 times"),
        ({f"{n}.txt": "" for n in range(300)}, "more than 200"),
    ],
)
def test_an_unsafe_package_is_refused(
    package: Function, tmp_path: Path, members: dict[str, str], reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        ModelDefinition.load(package(**members))
    assert not list(tmp_path.rglob("out.py"))


@pytest.mark.shared_data
def test_of_many_bad_packages_only_the_good_are_accepted(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixelcat.processors.package import unpack

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    accepted = set()
    for path in sorted((shared_data / "bad/archives").iterdir()):
        try:
            unpack(path)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            accepted.add(path.name)
    assert accepted == {"ok.dlpk", "py_inside.dlpk", "two_emd.dlpk"}


def test_what_killed_processes_had_unpacked_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixelcat.processors.package import unpack

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    models = tmp_path / "cache/pixelcat/models"
    left = models / f".tmp-{'0f' * 16}"
    (left / "inside").mkdir(parents=True)
    (left / "inside/net.keras").write_bytes(b"half")
    with zipfile.ZipFile(tmp_path / "net.dlpk", "w") as package:
        package.writestr("inside/net.emd", "{}")
        package.writestr("inside/weights/net.keras", "weights")
    definition = unpack(tmp_path / "net.dlpk")
    assert list(models.iterdir()) == [definition.parents[1]]
    assert (definition.parent / "weights/net.keras").read_text() == "weights"
    assert unpack(tmp_path / "net.dlpk") == definition


def test_a_definition_may_be_given_as_text(
    model_emd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model_emd.parent)
    definition = ModelDefinition.load(model_emd.read_text())
    assert [each.value for each in definition.classes] == [1, 2, 9]


# classes, arguments, packing


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.csv", "value,name,color\n1,Water,#0000ff\n5,Crop,#ffff00\n9,Built Up,#ff0000\n"),
        ("classes.csv", "Name, Value\nWater, 1\nCrop, 5\nBuilt Up, 9\n"),
        ("classes.json", '[{"Value": 1, "Name": "Water"}, {"Value": 5}, {"Value": 9}]'),
        ("classes.json", '{"Classes": [{"Value": 1}, {"Value": 5}, {"Value": 9}]}'),
    ],
)
def test_classes_of_a_bare_model_come_from_a_file(
    model_emd: Path, scene: Path, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    run = classify(
        scene,
        model=model_emd.parent / "net.keras",
        output=tmp_path / "r.gpkg",
        classes=tmp_path / name,
    )
    rows = run.sql("select value from classes order by value")
    assert [row["value"] for row in rows] == [1, 5, 9]
    (raster,) = run.rasters.glob("*.tif")
    with rasterio.open(raster) as file:
        assert set(np.unique(file.read(1))) <= {1, 5, 9}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("classes.csv", "Water\nCrop\n", "columns value, name, color"),
        ("classes.csv", "value,name\none,Water\n", "no integer Value"),
        ("classes.json", "{", "not valid JSON"),
        ("classes.json", '{"classes": []}', "no list of classes"),
    ],
)
def test_a_file_without_classes_is_refused(
    model_emd: Path, scene: Path, tmp_path: Path, name: str, text: str, reason: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match=reason):
        classify(scene, model=model_emd, output=tmp_path / "r.gpkg", classes=tmp_path / name)


def test_a_file_of_classes_that_is_not_there_is_a_usage_error(
    model_emd: Path, scene: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"missing\.csv: no such file"):
        classify(
            scene, model=model_emd, output=tmp_path / "r.gpkg", classes=tmp_path / "missing.csv"
        )


def test_arguments_as_arcgis_writes_them() -> None:
    assert split_text("padding 56;batch_size 16; tile_size  224 ;") == {
        "padding": "56",
        "batch_size": "16",
        "tile_size": "224",
    }
    with pytest.raises(UsageError, match="'padding' is not a name and a value"):
        split_text("batch_size 4;padding")


def test_a_packed_model_is_the_model(
    model_emd: Path, scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "classes.csv").write_text(
        "value,name,color\n3,a,#010203\n4,b,#040506\n7,c,#070809\n"
    )
    command = [
        *("model", "pack", str(model_emd.parent / "net.keras"), "--tile", "64", "--bands", "2,1,0"),
        *("--classes", str(tmp_path / "classes.csv"), "-o"),
    ]
    for name in ("a.dlpk", "b.dlpk"):
        result = CliRunner().invoke(cli, [*command, str(tmp_path / name)])
        assert result.exit_code == 0, result.output
    assert (tmp_path / "a.dlpk").read_bytes() == (tmp_path / "b.dlpk").read_bytes()
    definition = ModelDefinition.load(tmp_path / "a.dlpk")
    assert [each.value for each in definition.classes] == [3, 4, 7]
    assert definition.classes[0].color == (1, 2, 3)
    assert (definition.bands, definition.tile_size) == ((2, 1, 0), (64, 64))
    assert classify(scene, model=tmp_path / "a.dlpk", output=tmp_path / "r.gpkg").done == 1


def test_reports_say_what_a_model_is_and_does(model_emd: Path, scene: Path) -> None:
    info = CliRunner().invoke(cli, ["model", "info", str(model_emd), "--format", "json"])
    report = json.loads(info.stdout)
    assert [each["name"] for each in report["classes"]] == ["Water", "Crop", "Built Up"]
    assert {each["name"] for each in report["arguments"]} == set(ARGUMENTS)
    check = CliRunner().invoke(
        cli, ["model", "check", str(model_emd), "--on", str(scene), "--format", "json"]
    )
    report = json.loads(check.stdout)
    assert (report["stride"], report["output"], report["bands"]) == (2, "probabilities", 3)
    assert sum(each["share"] for each in report["classes"]) == pytest.approx(1, abs=1e-3)


# real models


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["rgbiswir.keras", "rgbiswir_frozen.pb"])
def test_a_real_model_in_two_containers(shared_data: Path, tmp_path: Path, name: str) -> None:
    run = classify(
        shared_data / "imagery/rstoolbox/sen2.tif",
        model=shared_data / "models/dl_l8s2_uv" / name,
        output=tmp_path / "r.gpkg",
        arguments={
            "bands": "B2,B3,B4,B8,B11,B12", "scale": 1e-4, "offset": -0.1, "threshold": 1e-4
        },
    )  # fmt: skip
    rows = run.sql("select value, pixels from class_stats")
    assert {row["value"]: row["pixels"] for row in rows} == {0: 58_529, 1: 10}


@pytest.mark.shared_data
def test_a_tflite_model_of_single_pixels(shared_data: Path, tmp_path: Path) -> None:
    run = classify(
        shared_data / "imagery/rstoolbox/sen2.tif",
        model=shared_data / "models/fractionalcover3/fcModel_32x32x32.tflite",
        output=tmp_path / "r.gpkg",
        arguments={"bands": "B3,B4,B8,B11,B12", "scale": 1e-4, "offset": -0.1},
    )
    rows = run.sql("select value, pixels from class_stats")
    assert {row["value"]: row["pixels"] for row in rows} == {0: 2090, 1: 45_042, 2: 11_407}


@pytest.mark.shared_data
def test_a_keras_2_file_is_loaded_or_says_what_to_install(
    shared_data: Path, tmp_path: Path
) -> None:
    model = shared_data / "models/dl_l8s2_uv/landsatbiomeRGBISWIR7.hdf5"
    arguments = {"bands": "B2,B3,B4,B8,B11,B12", "scale": 1e-4, "offset": -0.1, "threshold": 1e-4}
    scene = shared_data / "imagery/rstoolbox/sen2.tif"
    if importlib.util.find_spec("tf_keras") is None:
        with pytest.raises(ModelError, match=r"pip install 'pixelcat\[keras2\]'"):
            classify(scene, model=model, output=tmp_path / "r.gpkg", arguments=arguments)
        return
    run = classify(scene, model=model, output=tmp_path / "r.gpkg", arguments=arguments)
    rows = run.sql("select value, pixels from class_stats")
    assert {row["value"]: row["pixels"] for row in rows} == {0: 58_529, 1: 10}
