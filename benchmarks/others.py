"""Other tools as ways to classify a scene with the same weights, where they are installed.

    python benchmarks/others.py TOOL MODEL          # imports alone; prints the peak memory
    python benchmarks/others.py TOOL MODEL SCENE    # imports, and one scene

They are called, as their documentation says, with the tiles that suit them best here: 512 pixels,
a quarter of which overlaps.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import networks
import same_weights
from child import peak_mb

_TILE, _OVERLAP, _BATCH = 512, 128, 4
_CENTIMETRES = 100
"""Per pixel of the scene: GeoDeep resamples to the resolution that a model names."""


class Tool(NamedTuple):
    """How to run a tool."""

    packages: tuple[str, ...]
    """What must be installed."""
    modules: tuple[str, ...]
    """What it imports before it does anything."""
    classify: Callable[[Path, Path, Path], Path]
    """Classify a scene with a model into a folder, and return the class raster."""


def pixelcat_tool(arguments: dict[str, str]) -> Tool:
    """Return pixelcat as one more tool."""

    def classify(scene: Path, model: Path, folder: Path) -> Path:
        import pixelcat

        output = folder / "results.gpkg"
        run = pixelcat.classify(scene, model=model, output=output, arguments=arguments, workers=0)
        if run.done != 1:
            raise RuntimeError(run.failures)
        return next(folder.rglob("*.tif"))

    return Tool(("pixelcat",), ("pixelcat.processors.classify", "tensorflow", "keras"), classify)


def _geodeep(scene: Path, model: Path, folder: Path) -> Path:
    segmentation = import_module("geodeep.segmentation")
    mask = import_module("geodeep").segment(str(scene), str(model.with_suffix(".onnx")))
    output = folder / "classes.tif"
    segmentation.save_mask_to_raster(scene, mask, output)
    return output


def _geodeep_unfiltered(scene: Path, model: Path, folder: Path) -> Path:
    """Leave out the median of 5 x 5 class numbers, which GeoDeep has no option for."""
    module = import_module("geodeep.geodeep")
    median = module.median_filter
    module.median_filter = lambda mask, _: mask
    try:
        return _geodeep(scene, model, folder)
    finally:
        module.median_filter = median


def _geoai(scene: Path, model: Path, folder: Path) -> Path:
    graph = pickle.loads(model.with_suffix(".steps").read_bytes())
    output = folder / "classes.tif"
    import_module("geoai.inference").predict_geotiff(
        same_weights.torch_network(graph), str(scene), str(output),
        tile_size=_TILE, overlap=_OVERLAP, batch_size=_BATCH, num_classes=networks.CLASSES,
        output_dtype="uint8", output_nodata=255, blend_mode="spline", device="cpu", verbose=False,
        postprocess_fn=lambda scores: scores.argmax(axis=0).astype("uint8"),
    )  # fmt: skip
    return output


_GEODEEP = (("geodeep", "onnx"), ("geodeep", "onnxruntime"))
OTHERS = {
    "GeoDeep": Tool(*_GEODEEP, _geodeep),
    "GeoDeep, no median": Tool(*_GEODEEP, _geodeep_unfiltered),
    "geoai spline": Tool(("geoai", "torch"), ("geoai.inference", "geoai.utils", "torch"), _geoai),
}


def missing(tool: Tool) -> list[str]:
    """Return which packages of a tool are not installed."""
    return [package for package in tool.packages if find_spec(package) is None]


def copy_weights(model: Path) -> None:
    """Write a Keras model for the other tools that are installed, beside it."""
    import keras

    graph = same_weights.steps(keras.models.load_model(model))
    model.with_suffix(".steps").write_bytes(pickle.dumps(graph))
    if missing(OTHERS["GeoDeep"]):
        return
    names = {str(number): f"class {number}" for number in range(networks.CLASSES)}
    properties = {
        "model_type": json.dumps("Segmentor"), "class_names": json.dumps(names),
        "resolution": str(_CENTIMETRES), "tiles_overlap": str(100 * _OVERLAP / _TILE),
        "seg_thresh": "0", "seg_small_segment": "0",
    }  # fmt: skip
    same_weights.save_onnx(graph, model.with_suffix(".onnx"), (1, 3, _TILE, _TILE), properties)


def added_mb(name: str, model: Path, scene: Path, arguments: dict[str, str]) -> float:
    """Return by how much a run raises the peak memory of a process that has imported a tool."""
    given = [f"{key}={value}" for key, value in arguments.items()]
    return _child(name, model, scene, *given) - _child(name, model)


def _child(*arguments: object) -> float:
    command = [sys.executable, __file__, *map(str, arguments)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return float(answer.stdout.splitlines()[-1])


def main(name: str, model: str, scene: str = "", *arguments: str) -> None:
    """Import a tool, let it classify a scene, and print the peak memory."""
    given = dict(text.split("=", 1) for text in arguments)
    tool = pixelcat_tool(given) if name == "pixelcat" else OTHERS[name]
    for module in tool.modules:
        import_module(module)
    if scene:
        with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
            tool.classify(Path(scene), Path(model), Path(folder))
    print(peak_mb())


if __name__ == "__main__":
    main(*sys.argv[1:])
