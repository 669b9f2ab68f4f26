import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelcat import classify
from pixelcat.catalog.errors import ModelError
from pixelcat.processors.formats import model_format

pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")

Function = Callable[..., Any]


def convolution(
    path: Path,
    *,
    bands_first: bool = True,
    argmax: bool = False,
    size: Any = None,
    count: Any = "n",
) -> np.ndarray:
    """Write a 3 x 3 convolution of three bands to four classes; returns its kernel."""
    helper, kinds = onnx.helper, onnx.TensorProto
    kernel = np.random.default_rng(2).integers(-3, 4, (4, 3, 3, 3)).astype(np.float32)
    weights = onnx.numpy_helper.from_array(kernel, "kernel")
    sides = [size or "h", size or "w"]
    source = [count, 3, *sides] if bands_first else [count, *sides, 3]
    nodes = [helper.make_node("Conv", ["bands", "kernel"], ["scores"], pads=[1, 1, 1, 1])]
    if bands_first:
        nodes.insert(0, helper.make_node("Identity", ["image"], ["bands"]))
    else:
        nodes.insert(0, helper.make_node("Transpose", ["image"], ["bands"], perm=[0, 3, 1, 2]))
    name, kind, shape = "scores", kinds.FLOAT, [count, 4, *sides]
    if argmax:
        nodes.append(helper.make_node("ArgMax", ["scores"], ["classes"], axis=1, keepdims=0))
        name, kind, shape = "classes", kinds.INT64, [count, *sides]
    elif not bands_first:
        nodes.append(helper.make_node("Transpose", ["scores"], ["last"], perm=[0, 2, 3, 1]))
        name, shape = "last", [count, *sides, 4]
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("image", kinds.FLOAT, source)],
        [helper.make_tensor_value_info(name, kind, shape)], [weights],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return kernel


def expected(kernel: np.ndarray, image: np.ndarray) -> np.ndarray:
    _, height, width = image.shape
    padded = np.pad(image.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    scores = np.zeros((4, height, width))
    for row in range(3):
        for column in range(3):
            near = padded[:, row : row + height, column : column + width]
            scores += np.einsum("cb,bhw->chw", kernel[:, :, row, column], near)
    return np.asarray(scores.argmax(0))


@pytest.mark.parametrize(
    "options",
    [{}, {"bands_first": False}, {"argmax": True}, {"size": 64}, {"count": 1}],
    ids=["bands first", "bands last", "class numbers", "fixed size", "one at a time"],
)
def test_the_class_map_is_that_of_the_network(
    options: dict[str, Any], write_raster: Function, read_raster: Function, tmp_path: Path
) -> None:
    kernel = convolution(tmp_path / "net.onnx", **options)
    image = np.random.default_rng(1).integers(0, 256, (3, 75, 141), np.uint8)
    scene = write_raster(tmp_path / "scene.tif", image)
    classes = [{"Value": value, "Name": f"c{value}"} for value in range(4)]
    (tmp_path / "net.emd").write_text(
        json.dumps({"Framework": "ONNX", "ModelFile": "net.onnx", "Classes": classes})
    )
    run = classify(scene, model=tmp_path / "net.emd", output=tmp_path / "r.gpkg")
    assert run.done == 1, run.failures
    (raster,) = run.rasters.glob("*.tif")
    found, wanted = read_raster(raster), expected(kernel, image)
    if "size" in options:  # right and below, a fixed window meets invented pixels
        found, wanted = found[:-1, :-1], wanted[:-1, :-1]
    assert (found == wanted).all()
    assert bool(run.sql("select mean_confidence from outputs")[0]["mean_confidence"]) != (
        "argmax" in options
    )


def test_a_layout_that_cannot_be_guessed_is_asked_for(tmp_path: Path) -> None:
    helper, kinds = onnx.helper, onnx.TensorProto
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])], "net",
        [value("a", kinds.FLOAT, ["n", 8, 8, 8])], [value("b", kinds.FLOAT, ["n", 8, 8, 8])],
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, ir_version=9), str(path))
    with pytest.raises(ModelError, match="ModelFormat NCHW or NHWC"):
        model_format(path).load(path, {})
    assert model_format(path).load(path, {"ModelFormat": "nchw"}).bands == 8


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    convolution(tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "net.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        model_format(tmp_path / "net.onnx").load(tmp_path / "net.onnx", {})


@pytest.mark.parametrize("length", [b"\x08", b"\x88\x00", b"\x88\x80\x00"])
def test_numbers_in_other_files_are_refused(tmp_path: Path, length: bytes) -> None:
    """However the length of the key is written."""
    convolution(tmp_path / "net.onnx")
    content = (tmp_path / "net.onnx").read_bytes()
    entry = b"\x0a" + length + b"location\x12\x07ext.bin"
    (tmp_path / "net.onnx").write_bytes(content + b"\x72" + bytes([len(entry)]) + entry)
    with pytest.raises(ModelError, match="reads other files"):
        model_format(tmp_path / "net.onnx").load(tmp_path / "net.onnx", {})
