import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner
from PIL import Image

from pixelcat import ModelDefinition, classify, open_catalog
from pixelcat.catalog.errors import ItemError, ModelError, UsageError
from pixelcat.catalog.records import ClassDefinition
from pixelcat.cli import cli
from pixelcat.processors.options import options_of
from pixelcat.processors.prepare import prepare
from pixelcat.processors.raster_function import messages, relay
from pixelcat.processors.raster_function.configuration import batch_notes, read_configuration
from pixelcat.processors.raster_function.folder import FunctionFolder
from pixelcat.processors.raster_function.lookup import Lookup
from pixelcat.processors.raster_function.model_facts import configured_module
from pixelcat.processors.raster_function.output_info import output_classes, output_type
from pixelcat.processors.raster_function.parameters import read_parameters
from pixelcat.processors.raster_function.stand_ins import arcpy, prf_utils
from pixelcat.processors.raster_function.tensorflow1 import is_tensorflow1, tensorflow_names
from pixelcat.processors.trust import load_model

Function = Callable[..., Any]

SOURCES = Path(__file__).with_name("raster_functions")
UTM = {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "crs": "EPSG:32631"}
TWO_CLASSES = [{"Value": 0, "Name": "no", "Color": [0, 0, 0]}, {"Value": 1, "Name": "yes"}]


def model(folder: Path, source: str, name: str = "Land", **keys: Any) -> Path:
    """Write a model with a raster function: one of SOURCES by name, or its text."""
    folder.mkdir(parents=True, exist_ok=True)
    if "\n" not in source:
        name, source = source, (SOURCES / f"{source}.py").read_text()
    (folder / f"{name}.py").write_text(source)
    (folder / "weights.bin").write_bytes(b"no network")
    emd = {
        "Framework": "Templates",
        "ModelType": "ImageClassification",
        "ModelFile": ".\\weights.bin",
        "InferenceFunction": f".\\{name}.py",
        **keys,
    }
    path = folder / "model.emd"
    path.write_text(json.dumps(emd))
    return path


def prepared(path: Path, **arguments: Any) -> Any:
    definition = load_model(path, "run")
    return prepare(definition, options_of(definition, {k: str(v) for k, v in arguments.items()}))


def code(body: str, *, name: str = "Land", top: str = "") -> str:
    """Return a small raster function; the body replaces methods of a good one."""
    return f"""{top}
import numpy as np
class {name}:
    def getParameterInfo(self):
        return [{{"name": "raster", "dataType": "raster"}}]
    def getConfiguration(self, **scalars):
        return {{"tx": 16, "ty": 16}}
    def updateRasterInfo(self, **kwargs):
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
        return kwargs
    def updatePixels(self, tlc, shape, props, **blocks):
        return {{"output_pixels": np.zeros(shape, "u1")}}
{body}
"""


def neighbours(pixels: np.ndarray, valid: np.ndarray, modulus: int = 3) -> np.ndarray:
    """Return what Neighbours.py gives, computed at once for the whole raster."""
    known = np.where(valid, pixels, 0).astype(np.int64)
    total = np.pad(known[0] + 3 * known[-1], 1)
    height, width = valid.shape
    near = sum(total[y : y + height, x : x + width] for y in range(3) for x in range(3))
    return np.array([1, 2, 9])[near // 7 % modulus]


def scenes(folder: Path, write_raster: Function) -> list[tuple[Path, np.ndarray, np.ndarray]]:
    """Return files of odd sizes, with their pixels and what of them is valid."""
    rng = np.random.default_rng(5)
    made = []
    for number, (height, width) in enumerate([(101, 77), (1, 1), (48, 48), (16, 150), (70, 97)]):
        pixels = rng.integers(1, 256, (3, height, width), np.uint8)
        holes = rng.random((height, width)) < 0.2
        holes[height // 3 :, : width // 3] = True
        pixels[:, holes] = 0
        path = write_raster(folder / f"{number}.tif", pixels, nodata=0, **UTM)
        made.append((path, pixels, ~holes))
    for number, (height, width) in enumerate([(61, 83), (5, 200)], 5):
        pixels = rng.integers(0, 256, (3, height, width), np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(np.moveaxis(pixels, 0, -1)).save(path)
        made.append((path, pixels, np.ones((height, width), np.bool_)))
    return made


# what a good function gives


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ({}, {}),
        ({"batch_size": 4, "padding": 8, "modulus": "two"}, {"ExtractBands": [2, 0]}),
        ({"batch_size": 6, "padding": 3, "masked": "T", "bands": "1"}, {"ExtractBands": [0]}),
    ],
)
def test_class_maps_equal_one_computation_over_the_whole_raster(
    arguments: dict[str, Any], keys: dict[str, Any], tmp_path: Path,
    write_raster: Function, work: Function,
) -> None:  # fmt: skip
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=40, **keys)
    files = scenes(tmp_path, write_raster)
    ready = prepared(path, **arguments)
    bands = [1] if "bands" in arguments else keys.get("ExtractBands", [0, 1, 2])
    with closing(ready.classifier) as classifier:
        answers = work(classifier, [file for file, *_ in files], bands=ready.bands)
    for (_, pixels, valid), (output, raster) in zip(files, answers, strict=True):
        expected = neighbours(pixels[bands], valid, 2 if "modulus" in arguments else 3)
        if "masked" in arguments:
            valid = valid & (pixels[bands[0]] % 2 == 1)
        if not valid.any():
            assert output.status == "skipped"
            continue
        assert output.reason is None
        assert (raster[valid] == expected[valid]).all()
        assert not np.isin(raster[~valid], [0, 1, 2, 9]).any()
        assert all(stat.mean_confidence is None for stat in output.stats)


def test_classes_are_those_of_the_attribute_table_and_background(tmp_path: Path) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=32, Classes=TWO_CLASSES)
    with closing(prepared(path).classifier) as classifier:
        assert [(each.value, each.name) for each in classifier.classes] == [
            (0, "Background"), (1, "c1"), (2, "c2"), (9, "c9")
        ]  # fmt: skip
        assert classifier.classes[2].color == (1, 0, 9)


def test_pixels_are_rescaled_to_the_range_the_function_wants(
    tmp_path: Path, write_raster: Function, work: Function
) -> None:
    body = """
    def getConfiguration(self, **scalars):
        return {"tx": 20, "ty": 20, "dataRange": (0.0, 1.0), "inputMask": True}
    def updateRasterInfo(self, **kwargs):
        assert kwargs["raster_info"]["pixelType"] == "f4"
        kwargs["output_info"].update(bandCount=1, pixelType="u1")
    def updatePixels(self, tlc, shape, props, **blocks):
        pixels = blocks["raster_pixels"]
        assert pixels.dtype == np.float32 and not pixels[blocks["raster_mask"] == 0].any()
        return {"output_pixels": (pixels[0] > 0.5).astype("u1")}
    """
    path = model(tmp_path / "m", code(body), Classes=TWO_CLASSES)
    pixels = np.random.default_rng(2).integers(1, 1001, (1, 33, 47), np.uint16)
    raster = write_raster(tmp_path / "1.tif", pixels, nodata=1, **UTM)
    with closing(prepared(path, source_range="0,1000").classifier) as classifier:
        ((output, classes),) = work(classifier, [raster])
    assert output.reason is None
    valid = pixels[0] != 1
    assert (classes[valid] == (pixels[0] > 500)[valid]).all()


@pytest.fixture(scope="module")
def kernel() -> np.ndarray:
    """Small whole numbers: float32 adds them without rounding."""
    rng = np.random.default_rng(8)
    return rng.integers(-3, 4, (3, 3, 3, 4)).astype(np.float32)


def scores(pixels: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the scores of one convolution over a raster with zeros around it."""
    _, height, width = pixels.shape
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1))).astype(np.float64)
    return (
        sum(
            np.einsum("bhw,bc->hwc", padded[:, y : y + height, x : x + width], kernel[y, x])
            for y in range(3)
            for x in range(3)
        )
        + np.arange(4) / 8
    )  # ties are settled alike


CLASSES_4 = [{"Value": value, "Name": f"c{value}"} for value in range(4)]


def save_graph(kernel: np.ndarray, path: Path) -> None:
    from pixelcat.processors.tensorflow_setup import tensorflow

    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], name="image")
        scores = tf.nn.conv2d(tf.cast(image, tf.float32), kernel, 1, "SAME")
        tf.argmax(scores + np.arange(4, dtype=np.float32) / 8, axis=-1, name="classes")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def save_keras2(kernel: np.ndarray, path: Path) -> None:
    from pixelcat.processors.tensorflow_setup import tensorflow

    tensorflow()
    keras = pytest.importorskip("tf_keras")
    net = keras.Sequential([keras.layers.Conv2D(4, 3, padding="same", input_shape=(None, None, 3))])
    net.set_weights([kernel, np.arange(4, dtype=np.float32) / 8])
    net.save(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("source", "file", "save", "version"),
    [("Graph1", "net.pb", save_graph, "1"), ("Keras2", "net.h5", save_keras2, "2")],
)
def test_code_for_tensorflow_1_and_2_runs(
    source: str, file: str, save: Function, version: str, kernel: np.ndarray, tmp_path: Path,
    write_raster: Function, work: Function, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = model(tmp_path / "m", source, ModelFile=f".\\{file}", Classes=CLASSES_4)
    save(kernel, tmp_path / "m" / file)
    pixels = np.random.default_rng(3).integers(0, 256, (3, 90, 131), np.uint8)
    raster = write_raster(tmp_path / "1.tif", pixels, **UTM)
    ready = prepared(path)
    with closing(ready.classifier) as classifier:
        ((output, classes),) = work(classifier, [raster])
    assert output.reason is None
    assert ready.found["TensorFlow"] == version
    assert (classes == scores(pixels, kernel).argmax(axis=-1)).all()
    assert ("made by tf_keras" in capfd.readouterr().err) == (source == "Keras2")


def test_photos_of_a_survey_are_classified_and_the_same_arguments_go_on(
    tmp_path: Path, make_gpkg: Function, photo_bytes: Function, read_raster: Function
) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=32)
    photo = photo_bytes(kind="PNG")
    survey = make_gpkg([("image/png", photo)], [(1, 1), (2, 1)])
    asked = {"model": path, "output": tmp_path / "r.gpkg", "model_code": "run"}
    run = classify(survey, **asked, arguments={"padding": 2})
    assert (run.done, run.failed, run.layers) == (
        1,
        0,
        ("plots_classified", "plots_classified_summary"),
    )
    (raster,) = run.rasters.glob("*.tif")
    (tmp_path / "photo.png").write_bytes(photo)
    pixels = np.moveaxis(np.asarray(Image.open(tmp_path / "photo.png")), -1, 0)
    whole = np.ones(pixels.shape[1:], np.bool_)
    assert (read_raster(raster) == neighbours(pixels, whole)).all()
    again = classify(survey, **asked, arguments={"padding": 2})
    assert (again.id, again.classified_now) == (run.id, 0)
    assert classify(survey, **asked, arguments={"padding": 3}).id != run.id


def test_an_extent_leaves_the_answers_of_a_function_as_they_are(
    tmp_path: Path, write_raster: Function, read_raster: Function
) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=32)
    pixels = np.random.default_rng(5).integers(1, 256, (3, 101, 77), np.uint8)
    scene = write_raster(tmp_path / "a.tif", pixels, **UTM)
    west, north = UTM["transform"] @ (13, 41)
    east, south = UTM["transform"] @ (70, 88)
    run = classify(
        scene, model=path, output=tmp_path / "r.gpkg", model_code="run", arguments={"padding": 2},
        environment={"extent": (west, south, east, north)},
    )  # fmt: skip
    (raster,) = run.rasters.glob("*.tif")
    expected = neighbours(pixels, np.ones(pixels.shape[1:], np.bool_))
    assert (read_raster(raster) == expected[41:88, 13:70]).all()


# what a bad function does


def line(text: str) -> str:
    """Return the place of the line of Misbehaving.py that holds a text."""
    lines = (SOURCES / "Misbehaving.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"(Misbehaving.py:{number})"


EXPECTED = {
    1: f"failed in updatePixels: ValueError: two lines {line('raise ValueError')}",
    2: f"failed in updatePixels: SystemExit: enough {line('sys.exit')}",
    3: "ended its process (exit code 3) in updatePixels: my last words",
    4: "was killed by SIGSEGV in updatePixels",
    5: "did not answer within 3 s in updatePixels; --arg timeout=SECONDS allows more",
    6: "gave output_pixels of shape 15 x 16 for a block of 16 x 16 pixels",
    7: "gave output_pixels of shape 2 x 16 x 16 for a block of 16 x 16 pixels",
    8: "gave output_pixels of float32, not whole numbers",
    9: "gave values that are no class in 256 pixels: 7, 8",
    10: "failed in updatePixels: output_pixels is of type list, not an array",
    11: "failed in updatePixels: output_pixels is an array of object, not of numbers",
    12: None,
    13: None,
    14: None,
    15: None,
    16: "gave values that are no class in 256 pixels: 9223372036854775807",
    17: f"failed in updatePixels: KeyError: 'nothing' {line('nothing')}",
    18: None,
    19: None,
    20: f"gave values that are no class in 256 pixels: {2**62}",
    21: "gave output_pixels of float32, not whole numbers",
}


def test_each_bad_image_has_its_reason_and_the_others_are_classified(
    tmp_path: Path, write_raster: Function, work: Function, capfd: pytest.CaptureFixture[str]
) -> None:
    path = model(tmp_path / "m", "Misbehaving", Classes=TWO_CLASSES)
    pixels = np.random.default_rng(1).integers(0, 256, (1, 40, 50), np.uint8)
    files = []
    for number in EXPECTED:
        pixels[0, 0, 0] = number
        files.append(write_raster(tmp_path / f"{number}.tif", pixels))
    before = processes()
    started = time.monotonic()
    with closing(prepared(path, timeout=3).classifier) as classifier:
        answers = work(classifier, files)
        assert len(processes() - before) == 1
    assert time.monotonic() - started < 25  # 12 blocks of 3 s, were the rest not given up
    for (number, reason), (output, raster) in zip(EXPECTED.items(), answers, strict=True):
        pixels[0, 0, 0] = number
        if reason is None:
            assert output.reason is None
            assert (raster == (pixels[0] > 128)).all()
        else:
            assert output.status == "failed"
            assert output.reason == f"the raster function {reason}"
    assert not processes() - before
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == ["model:  [31mhello"] * 12


def processes() -> set[str]:
    """Return the processes of raster functions that tests of this process have started."""
    found = set()
    ours = f"PYTEST_XDIST_WORKER={os.environ.get('PYTEST_XDIST_WORKER', '')}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"raster_function.child" in (folder / "cmdline").read_bytes():
                theirs = (folder / "environ").read_bytes().split(b"\0")
                if ours in theirs or ours == b"PYTEST_XDIST_WORKER=":
                    found.add(folder.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def initialize(self, **kwargs):\n        raise OSError('no weights')",
         "the raster function failed in initialize: OSError: no weights (Land.py:14)"),
        ("import torch_of_nobody", "needs the Python module torch_of_nobody, which is not"),
        ("    def __init__(self):\n        arcpy.Raster",
         "arcpy.Raster exists in ArcGIS only; there is no arcpy here (Land.py:14)"),
        ("    x = = 1", "while it was loaded: SyntaxError: invalid syntax (Land.py:13)"),
        ("    def __init__(self):\n        import os; os._exit(9)",
         "ended its process (exit code 9) while it was loaded"),
        ("    def getParameterInfo(self):\n        return [{'name': 'a', 'dataType': 'rasters'}]",
         "only functions of one raster run"),
        ("    def getConfiguration(self, **scalars):\n        return {'tx': 0, 'ty': 5}",
         "padding 0 leaves nothing of a block"),
        ("    def getConfiguration(self, **scalars):\n        return {'tx': 'wide', 'ty': 5}",
         "tx of its configuration is 'wide', not a whole number"),
        ("    def getConfiguration(self, **scalars):\n        return {'extractBands': (-1,)}",
         "extractBands of its configuration is [-1], no list of bands"),
        ("    def updateRasterInfo(self, **given):\n        given['output_info']['pixelType'] = 'f4'",
         "pixelType of its output is f4 (probabilities); only class rasters are supported"),
        ("    def updateRasterInfo(self, **given):\n        given['output_info']['bandCount'] = 3",
         "its output has 3 bands; a class raster has one"),
        ("", "it names no classes"),
        ("class Other(Land): pass\nclass Another(Land): pass\nLand = 1", "no class Land, nor just"),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_function_that_cannot_be_used_is_refused(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as refused:
        prepared(model(tmp_path / "m", code(body)))
    assert message in str(refused.value)
    assert str(refused.value).startswith("model model: ")
    assert "\n" not in str(refused.value)
    assert not processes()


def test_arguments_are_checked_against_those_of_the_function(tmp_path: Path) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=32)
    for name, value, message in [
        ("paddding", 1, "argument paddding is unknown; did you mean padding?"),
        ("tile_size", 1, "argument tile_size is unknown"),
        ("padding", "wide", "argument padding=wide: expected numeric"),
        ("modulus", "Four", "argument modulus=Four: expected one of Two, Three"),
        ("timeout", 0, "argument timeout=0: expected number, more than 0"),
    ]:
        with pytest.raises(UsageError, match=message.replace("?", r"\?")):
            prepared(path, **{name: value})


def test_as_many_bands_are_given_as_the_function_takes(tmp_path: Path) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=8, ImageWidth=8, ExtractBands=[2, 0])
    with pytest.raises(ModelError, match="it takes 2 bands, 1 are named"):
        prepared(path, bands="1")


def test_no_more_than_a_hundred_lines_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    printed = relay.Printed("m")
    for number in range(150):
        printed.show(str(number))
    lines = capfd.readouterr().err.splitlines()
    assert lines[:100] == [f"m: {number}" for number in range(100)]
    assert lines[100:] == ["m: has printed more than 100 lines; the rest is not shown"]


def test_closing_ends_a_call_that_another_thread_waits_for(
    tmp_path: Path, write_raster: Function, work: Function
) -> None:
    path = model(tmp_path / "m", "Misbehaving", Classes=TWO_CLASSES)
    raster = write_raster(tmp_path / "1.tif", np.full((1, 9, 9), 5, np.uint8))
    classifier = prepared(path).classifier
    timer = threading.Timer(0.5, classifier.close)
    timer.start()
    ((output, _),) = work(classifier, [raster])
    timer.join()
    assert output.reason == "the raster function was stopped in updatePixels"
    assert not processes()


def test_a_function_may_clean_up_before_its_process_ends(tmp_path: Path) -> None:
    marker = tmp_path / "cleaned"
    top = f"""
import atexit, time
def clean():
    time.sleep(0.3)
    open({str(marker)!r}, "w").close()
atexit.register(clean)
"""
    prepared(model(tmp_path / "m", code("", top=top), Classes=TWO_CLASSES)).classifier.close()
    assert marker.exists()


# trust


@pytest.fixture
def marked(tmp_path: Path) -> tuple[Path, Path]:
    """A model, and the file that its code makes when any of it runs."""
    marker = tmp_path / "ran"
    top = f"open({str(marker)!r}, 'w').close()"
    return model(tmp_path / "m", code("", top=top), Classes=TWO_CLASSES), marker


@pytest.fixture
def scene(tmp_path: Path, write_raster: Function) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 30, 41), np.uint8)
    return write_raster(tmp_path / "scene.tif", pixels, **UTM)


def test_code_runs_only_where_it_is_trusted(
    marked: tuple[Path, Path], scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, marker = marked
    package = tmp_path / "land.dlpk"
    with zipfile.ZipFile(package, "w") as archive:
        for file in path.parent.iterdir():
            archive.write(file, file.name)
    for refused in (path, package):
        with pytest.raises(ModelError, match=r"Land\.py.*--trust-model-code.*--ignore-model-code"):
            classify(scene, model=refused, output=tmp_path / "r.gpkg")
        shown = CliRunner().invoke(cli, ["model", "info", str(refused)])
        assert "Land.py (runs only with --trust-model-code)" in shown.output
        checked = CliRunner().invoke(cli, ["model", "check", str(refused)])
        assert isinstance(checked.exception, ModelError)
    assert not (tmp_path / "r.gpkg").exists()
    assert not marker.exists()
    run = classify(scene, model=package, output=tmp_path / "r.gpkg", model_code="run")
    assert run.done == 1
    assert marker.exists()


def test_ignored_code_leaves_the_network(tmp_path: Path, model_emd: Path, scene: Path) -> None:
    folder = tmp_path / "m"
    shutil.copytree(model_emd.parent, folder)
    (folder / "Land.py").write_text("raise SystemExit")
    emd = json.loads(model_emd.read_text())
    (folder / "land.emd").write_text(json.dumps({**emd, "InferenceFunction": "Land.py"}))
    assert load_model(folder / "land.emd", "ignore").raster_function is None
    assert load_model(folder / "land.emd", "run").raster_function == folder / "Land.py"


def test_trust_and_ignore_exclude_each_other(marked: tuple[Path, Path]) -> None:
    flags = ["--trust-model-code", "--ignore-model-code"]
    answer = CliRunner().invoke(cli, ["model", "info", str(marked[0]), *flags])
    assert isinstance(answer.exception, UsageError)


def test_info_lists_the_arguments_and_check_runs_a_block(tmp_path: Path, scene: Path) -> None:
    path = model(tmp_path / "m", "Neighbours", ImageHeight=32, ImageWidth=32)
    call = ["model", "info", str(path), "--trust-model-code", "--format", "json"]
    shown = json.loads(CliRunner().invoke(cli, call).stdout)
    rows = {row["name"]: row for row in shown["arguments"]}
    assert list(rows) == ["padding", "batch_size", "modulus", "masked",
                          "bands", "source_range", "image_scale", "image_size", "class_map", "timeout"]  # fmt: skip
    assert (rows["modulus"]["type"], rows["modulus"]["default"]) == ("string", "Three")
    assert rows["modulus"]["domain"] == "Two, Three"
    call = ["model", "check", str(path), "--trust-model-code", "--format", "json"]
    call += ["--on", str(scene), "--arg", "batch_size=6"]
    shown = json.loads(CliRunner().invoke(cli, call).stdout)
    assert (shown["class"], shown["tile"], shown["bands"]) == ("Neighbours", "62 x 92", "all")
    assert "ArcGIS would take the next below, 4" in shown["notes"]
    assert sum(row["share"] for row in shown["classes"]) == pytest.approx(1, abs=1e-3)


def test_the_folder_of_the_model_stays_as_it_is(
    tmp_path: Path, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = "import helper.deep\nopen('note.txt', 'w').close()"
    body = """
    def initialize(self, **kwargs):
        open(__file__ + '.log', 'w').close()
        open(kwargs['model'] + '.log', 'w').close()
    """
    path = model(tmp_path / "m", code(body, top=top), Classes=TWO_CLASSES)
    (path.parent / "helper").mkdir()
    (path.parent / "helper" / "deep.py").write_text("")
    monkeypatch.chdir(path.parent)
    before = {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")}
    run = classify(scene, model=path, output=tmp_path / "r.gpkg", model_code="run")
    assert run.done == 1
    assert {file: file.stat().st_mtime_ns for file in path.parent.rglob("*")} == before


def test_folders_of_those_who_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    definition = ModelDefinition.load(model(tmp_path / "m", code("")))
    ours = FunctionFolder(definition)
    left = tmp_path / "pixelcat-model-left"
    left.mkdir()
    (left / "in_use").write_bytes(b"")
    (left / "link").symlink_to(tmp_path / "m")
    again = FunctionFolder(definition)
    assert ours.emd.exists()
    assert not left.exists()
    for folder in (ours, again):
        folder.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert len(list((tmp_path / "m").iterdir())) == 3


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_no_process_is_left_when_the_command_ends(
    number: int, code: int, tmp_path: Path, scene: Path
) -> None:
    """The function hangs where no thread of Python can run: in a regular expression."""
    marker = tmp_path / "hangs"
    body = f"""
    def updatePixels(self, tlc, shape, props, **blocks):
        open({str(marker)!r}, "w").close()
        import re
        re.match(r"(a|aa)+$", "a" * 60 + "b")
    """
    path = model(tmp_path / "m", globals()["code"](body), Classes=TWO_CLASSES)
    before = processes()
    command = subprocess.Popen(
        [sys.executable, "-m", "pixelcat", "classify", str(scene), "--model", str(path),
         "-o", str(tmp_path / "r.gpkg"), "--trust-model-code"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(marker.exists)
        assert len(processes() - before) == 1
        command.send_signal(number)
        assert command.wait(60) == code
    finally:
        command.kill()
        command.wait()
    if number != signal.SIGKILL:
        (run,) = open_catalog(tmp_path / "r.gpkg").status()
        assert (run["done"], run["failed"]) == (0, 0)  # the image is still to be done
    wait_for(lambda: not processes() - before)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


# the parts


def test_modules_of_the_model_come_before_stand_ins(tmp_path: Path) -> None:
    top = "from prf_utils import own\nimport attribute_table, arcpy.ia.util"
    path = model(tmp_path / "m", code("", top=top), Classes=TWO_CLASSES)
    (path.parent / "prf_utils.py").write_text("own = 1")
    prepared(path).classifier.close()


def test_a_function_in_a_folder_of_its_own_imports_from_both(tmp_path: Path) -> None:
    path = model(tmp_path / "m", code(""), Classes=TWO_CLASSES)
    (path.parent / "functions").mkdir()
    (path.parent / "beside.py").write_text("")
    (path.parent / "functions" / "near.py").write_text("")
    source = code("", name="Sole", top="import near, beside")
    (path.parent / "functions" / "Named.py").write_text(source)
    emd = json.loads(path.read_text())
    path.write_text(json.dumps({**emd, "InferenceFunction": "functions\\Named.py"}))
    ready = prepared(path)
    ready.classifier.close()
    assert (ready.found["class"], ready.device) == ("Sole", "CPU")


def test_a_configuration_is_found_whatever_its_case(tmp_path: Path) -> None:
    body = """
    def initialize(self, **kwargs):
        import importlib, json
        with open(kwargs["model"]) as file:
            definition = json.load(file)
        name = definition["ModelConfiguration"]["Name"]
        importlib.import_module(definition["Framework"] + "." + name)
    """
    keys = {"Framework": "Own", "ModelConfiguration": {"Name": "deeplab"}, "Classes": TWO_CLASSES}
    path = model(tmp_path / "m", code(body), **keys)
    (path.parent / "Own").mkdir()
    (path.parent / "Own" / "DeepLab.py").write_text("")
    prepared(path).classifier.close()


def test_what_only_arcgis_has_is_named() -> None:
    arcpy.SetProgressor("default", "x", 0, 1)
    assert arcpy.ia.util.get_available_device() == -1
    with pytest.raises(AttributeError, match=r"arcpy\.sa exists in ArcGIS only"):
        _ = arcpy.sa


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (6, 2, 3), (7, 1, 7), (16, 4, 4)]
)
def test_chips_put_together_are_the_block(count: int, rows: int, columns: int) -> None:
    assert prf_utils.calculate_rectangle_size_from_batch_size(count) == (rows, columns)
    height, width = prf_utils.get_tile_size(20, 24, 3, rows, columns)
    block = np.random.default_rng(0).integers(0, 9, (2, height + 6, width + 6))
    batch, *grid = prf_utils.tile_to_batch(block, 20, 24, 3, batch_height=rows, batch_width=columns)
    assert batch.shape == (count, 2, 20, 24)
    inner = prf_utils.batch_to_tile(batch[..., 3:-3, 3:-3], *grid)
    assert (inner == block[:, 3:-3, 3:-3]).all()
    short = prf_utils.tile_to_batch(block[:, :-1], 20, 24, 3, fixed_tile_size=False)
    assert short[1:] == (rows, columns)


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ("import tensorflow as tf\ntf.Session()", True),
        ("import tensorflow\ndef f():\n    tensorflow.gfile.GFile('x')", True),
        ("from tensorflow import placeholder", True),
        ("import tensorflow as tf\ntf.train.import_meta_graph('x')", True),
        ("import tensorflow as tf\ntf.keras.models.load_model('x')", False),
        ("import tensorflow as tf\ntf.compat.v1.Session()", False),
        ("import tensorflow.compat.v1 as tf\ntf.Session()", False),
        ("import tensorflow as tf\ntf.Session if tf.old else tf.only2", False),
        ("import torch as tf\ntf.Session()", False),
        ("x = tf.Session", False),
    ],
)
def test_code_is_told_by_the_names_it_uses(source: str, first: bool, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(source)
    names = set(tensorflow_names(tmp_path / "f.py", [tmp_path]))
    shared = {"keras": 1, "compat": 1, "old": 1}
    train = ModuleType("train")
    train2 = ModuleType("train")
    train.import_meta_graph = 1  # type: ignore[attr-defined]
    one = SimpleNamespace(Session=1, gfile=1, placeholder=1, train=train, **shared)
    two = SimpleNamespace(only2=1, train=train2, **shared)
    assert is_tensorflow1(names, two, one) == first


def test_modules_that_code_imports_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "TensorFlow").mkdir()
    (tmp_path / "f.py").write_text("import importlib, base")
    (tmp_path / "base.py").write_text("import f  # and round\nfrom TensorFlow import other")
    (tmp_path / "TensorFlow" / "other.py").write_text("import tensorflow as tf; tf.a.b")
    (tmp_path / "TensorFlow" / "DeepLab.py").write_text("import tensorflow; tensorflow.c()")
    properties = {"Framework": "TensorFlow", "ModelConfiguration": {"Name": "DeepLab"}}
    module = configured_module(properties)
    assert set(tensorflow_names(tmp_path / "f.py", [tmp_path], module)) == {"", "a", "a.b", "c"}


@pytest.fixture
def channel() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_arrive_as_they_were_sent(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    arrays = {"a": np.arange(6, dtype=">i4").reshape(2, 3)[:, ::2], "b": np.ones((0, 4), np.bool_)}
    messages.send(ours, {"x": "ü\n"}, arrays)
    got = messages.receive(theirs, deadline=time.monotonic() + 5, largest=99)
    assert got is not None
    assert got.header == {"x": "ü\n"}
    for name, array in arrays.items():
        assert got.arrays[name].dtype == array.dtype
        assert (got.arrays[name] == array).all()
    got.arrays["a"][0, 0] = 5  # functions write into what they get
    ours.close()
    assert messages.receive(theirs) is None


def test_what_is_no_message_is_refused(channel: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = channel
    messages.send(ours, {}, {"a": np.zeros(100)})
    with pytest.raises(ValueError, match="800 bytes"):
        messages.receive(theirs, largest=799)
    theirs.recv(800)
    ours.sendall(b"\xff" * 4)
    with pytest.raises(ValueError, match="header"):
        messages.receive(theirs)
    with pytest.raises(TimeoutError):
        messages.receive(theirs, deadline=time.monotonic() + 0.05)


@pytest.mark.parametrize(
    ("said", "meant"), [("u1", "u1"), ("u8", "u1"), ("U16", "u2"), ("uint32", "u4"), ("S8", "i1"),
                        ("int16", "i2"), ("f4", "f4"), ("float64", "f8"), ("i4", "i4")],
)  # fmt: skip
def test_pixel_types_are_understood_as_they_are_meant(said: str, meant: str) -> None:
    assert output_type(said) == meant


@pytest.mark.parametrize("said", [None, "", "f1", "u64", "complex"])
def test_a_type_that_is_none_is_refused(said: object) -> None:
    with pytest.raises(ModelError, match="pixelType"):
        output_type(said)


def table(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"rasterAttributeTable": json.dumps({"features": [{"attributes": r} for r in rows]})}


def test_both_spellings_of_the_attribute_table_are_read() -> None:
    rows = [{"VALUE": "0", "Class": "none", "Red": 300}, {"Classvalue": 5, "Classname": 1.5}]
    (none, five) = output_classes(table(*rows), ())
    assert (none.value, none.name) == (0, "none")
    assert (five.value, five.name) == (5, "1.5")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ({"rasterAttributeTable": "{"}, "not valid JSON"),
        (table({"Class": "x"}), "row 1 of its rasterAttributeTable has no value"),
        (table({"Value": 2**32}), "beyond 32 bits"),
        (table({"Value": 1}, {"Value": 1}), "repeats a value"),
        ({"rasterAttributeTable": 5}, "names no classes"),
    ],
)
def test_a_damaged_attribute_table_is_refused(output: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        output_classes(output, ())


def test_the_definition_lists_classes_where_the_table_does_not() -> None:
    listed = (ClassDefinition(value=3, name="x", color=(1, 2, 3)),)
    assert [each.value for each in output_classes(table(), listed)] == [0, 3]


def test_class_values_are_looked_up_where_they_count() -> None:
    values = np.array([[-4, 300], [7, 7]])
    lookup = Lookup([300, 7, -4])
    assert lookup.positions(values, np.ones((2, 2), np.bool_)).tolist() == [[2, 0], [1, 1]]
    values[1, 0] = 8
    assert lookup.positions(values, values < 7).tolist() == [[2, 0], [0, 0]]
    with pytest.raises(ItemError, match=r"in 6 pixels: 10, 11, 12, 13, 14, \.\.\."):
        lookup.positions(np.arange(10, 16), np.ones(6, np.bool_))


@pytest.mark.parametrize(
    ("asked", "said", "count", "hints"),
    [
        (4, {"tx": 112, "ty": 112, "padding": 4}, 0, []),
        (6, {"tx": 112, "ty": 112, "padding": 4}, 2, ["takes 4 at a time", "next below, 4"]),
        (6, {"tx": 168, "ty": 112, "padding": 4}, 1, ["next below, 4"]),
        (
            9,
            {"tx": 50, "ty": 50, "batch_size": 4},
            1,
            ["batch_size 9: the raster function takes 4"],
        ),
        (None, {}, 0, []),
    ],
)
def test_a_batch_that_is_not_what_it_seems_is_noted(
    asked: int | None, said: dict[str, Any], count: int, hints: list[str], tmp_path: Path
) -> None:
    path = model(tmp_path, code(""), ImageHeight=64, ImageWidth=64)
    definition = ModelDefinition.load(path)
    configuration = read_configuration(said, definition)
    notes = batch_notes(asked, configuration, definition)
    assert len(notes) == count
    for hint in hints:
        assert any(hint in note for note in notes)
    if not said:
        assert (configuration.height, configuration.width) == (64, 64)


def test_defaults_are_converted_as_arguments_are() -> None:
    listed = [
        {"name": "r", "dataType": "raster"},
        {"name": "a", "dataType": "numeric", "value": "4"},
        {"name": "b", "dataType": "numeric", "value": 0.5},
        {"name": "c", "dataType": "boolean", "value": "yes"},
        {"name": "d", "dataType": "string", "value": True, "domain": ["False", "True"]},
        {"name": "e", "dataType": "numeric", "value": "e.g. 4"},
        {"name": "f", "dataType": "string", "required": True, "description": "must be"},
        {"name": "device", "dataType": "numeric"},
    ]
    parameters = read_parameters(listed)
    assert parameters.raster == "r"
    assert parameters.scalars({"f": "x", "d": "false"}, {"device": -1, "model": "m"}) == {
        "a": 4, "b": 0.5, "c": True, "d": "False", "e": "e.g. 4", "f": "x", "device": -1,
    }  # fmt: skip
    with pytest.raises(UsageError, match=r"--arg f=\.\.\.: must be"):
        parameters.scalars({}, {})
