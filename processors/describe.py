"""Reports about a model: what its definition says, and what it does when it runs."""

import resource
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError, ModelError, SourceError
from ..io.image import Window, open_image
from .arguments import ARGUMENTS, FUNCTION_ARGUMENTS, Argument, parse_arguments
from .bands import band_indexes
from .batch import ClassBatch, Place, WindowBatch
from .class_list import read_classes
from .classifier import Classifier, Prepared
from .definition import ModelDefinition
from .formats import model_format
from .options import RunOptions, options_of
from .package_out import write_package
from .prepare import prepare
from .ranges import ranges
from .raster_function.parameters import Parameter
from .raster_function.prepare import function_parameters
from .read_window import read_whole_window
from .scaling import Scaling

_ROUNDS = 3


def info(definition: ModelDefinition, *, run_code: bool = False) -> dict[str, Any]:
    """Return what a definition says, by name; lists hold a dictionary per row.

    Args:
        definition: The model.
        run_code: Whether its raster function, if it has one, may run to list its arguments.

    Raises:
        ModelError: The raster function does not run.
    """
    options = options_of(definition, {})
    network = definition.raster_function is None
    known = ARGUMENTS if network else FUNCTION_ARGUMENTS
    listed: list[Parameter] = []
    if run_code and not network:
        listed = function_parameters(definition, options)
    return {
        "name": definition.name,
        "framework": definition.framework,
        "format": _format(definition),
        "model file": str(definition.model_file),
        **_code(definition, run_code),
        "definition sha256": definition.sha256,
        "weights sha256": definition.weights_sha256(),
        "bands": _listed(definition.bands, "the first ones" if network else "what it asks for"),
        "tile": _listed(definition.tile_size, "chosen by what the model looks at"),
        "classes": [
            {"value": c.value, "name": c.name, "color": "#{:02x}{:02x}{:02x}".format(*c.color)}
            for c in definition.classes
        ],
        "arguments": [
            *map(_parameter, listed),
            *(_argument(name, argument, options) for name, argument in known.items()),
        ],
    }


def _format(definition: ModelDefinition) -> str:
    if definition.raster_function is not None:
        return "a Python raster function"
    return model_format(definition.model_file).NAME


def _code(definition: ModelDefinition, run_code: bool) -> dict[str, str]:
    """Return a line about foreign code, if there is any."""
    if definition.raster_function is None:
        return {}
    said = "" if run_code else " (runs only with --trust-model-code)"
    return {"raster function": f"{definition.raster_function}{said}"}


def _argument(name: str, argument: Argument, options: RunOptions) -> dict[str, Any]:
    return {
        "name": name,
        "type": argument.type,
        "default": _listed(_default(options, name), ""),
        "domain": argument.domain,
        "meaning": argument.meaning,
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type,
        "default": _listed(parameter.value, ""),
        "domain": ", ".join(parameter.domain),
        "meaning": parameter.meaning,
    }


def pack(
    model: str, output: str, *, classes: str | None, bands: str | None, tile: int | None
) -> None:
    """Write a model as a package; what is given replaces what its definition says.

    Raises:
        ModelError: The model cannot be used, or a value cannot be meant.
        UsageError: A band list that is none.
        OutputError: The disk refused.
    """
    keys: dict[str, Any] = {}
    if classes is not None:
        keys["Classes"] = read_classes(Path(classes))
    if bands is not None:
        keys["ExtractBands"] = list(parse_arguments({"bands": bands})["bands"])
    if tile is not None:
        keys |= {"ImageHeight": tile, "ImageWidth": tile}
    write_package(ModelDefinition.load(model).with_keys(**keys), Path(output))


def check(
    definition: ModelDefinition, arguments: Mapping[str, str], image: str | None
) -> dict[str, Any]:
    """Load a model, run a batch, and return what was found.

    Args:
        definition: The model.
        arguments: Model arguments as text.
        image: A window of this image is classified; noise where there is none.

    Raises:
        ModelError: The model cannot be used.
        SourceError: The image cannot be read.
    """
    options = options_of(definition, arguments)
    prepared = prepare(definition, options)
    with closing(prepared.classifier) as classifier:
        pixels, valid, place = (
            _noise(classifier)
            if image is None
            else _window(Path(image), classifier, prepared.bands)
        )
        batch = WindowBatch(
            pixels=np.repeat(pixels[np.newaxis], classifier.batch_size, axis=0),
            valid=np.repeat(valid[np.newaxis], classifier.batch_size, axis=0),
            places=(place,) * classifier.batch_size,
        )
        try:
            answer, seconds = _timed(classifier, batch)
        except ItemError as error:
            raise ModelError(f"model {definition.name}: {error}") from error
        numbers, warnings = _numbers(prepared, options, pixels)
    known = ... if answer.valid is None else answer.valid[0]
    classes = answer.classes[0][known].ravel()
    share = np.bincount(classes, minlength=len(classifier.classes))
    tiling = classifier.tiling
    return {
        "name": definition.name,
        "format": _format(definition),
        **prepared.found,
        **numbers,
        "bands": classifier.bands or "all",
        "tile": f"{tiling.height} x {tiling.width}",
        "fixed size": tiling.fixed,
        "padding": tiling.padding,
        "batch size": classifier.batch_size,
        "megapixels per second": round(batch.pixels[..., 0].size / seconds / 1e6, 2),
        "peak memory MiB": _peak_memory_mib(),
        "notes": "; ".join((*prepared.notes, *warnings)) or "none",
        "classified on": image or "noise",
        "classes": [
            {
                "value": each.value,
                "name": each.name,
                "share": round(int(count) / max(classes.size, 1), 4),
            }
            for each, count in zip(classifier.classes, share, strict=True)
        ],
    }


def _numbers(
    prepared: Prepared, options: RunOptions, window: NDArray[Any]
) -> tuple[dict[str, str], list[str]]:
    """Return the ranges of what the network is fed and gives, and what looks wrong there."""
    network = prepared.network
    if network is None:
        return {}, []
    found = ranges(network, options.scaling, window)
    report = {
        "pixels": "{:g} to {:g}".format(*found.pixels),
        "fed to the network": "{:g} to {:g}".format(*found.fed),
        "output range": "{:.4g} to {:.4g}".format(*found.given),
    }
    if network.channels > 1:
        report["channels add up to"] = "{:.4g} to {:.4g}".format(*found.sums)
    return report, found.warnings(network.scores, scaled=options.scaling != Scaling())


def _timed(classifier: Classifier, batch: WindowBatch) -> tuple[ClassBatch, float]:
    """Return the answer for a batch and the seconds that one takes once all is compiled."""
    answer = _answer(classifier, batch)
    started = time.perf_counter()
    for _ in range(_ROUNDS):
        _answer(classifier, batch)
    return answer, (time.perf_counter() - started) / _ROUNDS


def _answer(classifier: Classifier, batch: WindowBatch) -> ClassBatch:
    blending = classifier.blending
    return (
        classifier.classify(batch) if blending is None else blending.decide(blending.scores(batch))
    )


def _noise(classifier: Classifier) -> tuple[NDArray[Any], NDArray[np.bool_], Place]:
    tiling = classifier.tiling
    shape = (tiling.height, tiling.width, classifier.bands or 3)
    place = Place(
        item_id=0,
        window=Window(0, 0, *shape[:2]),
        width=shape[1],
        height=shape[0],
        bands=shape[2],
        dtype="uint8",
        transform=Affine.identity(),
        crs=None,
    )
    noise = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    return noise, np.ones(shape[:2], np.bool_), place


def _window(
    path: Path, classifier: Classifier, named: tuple[int | str, ...] | None
) -> tuple[NDArray[Any], NDArray[np.bool_], Place]:
    """Return the window in the middle of an image, which of its pixels are valid, and its place."""
    tiling = classifier.tiling
    try:
        with open_image(path) as image:
            count = tiling.count(image.height, image.width)
            windows = tiling.windows(image.height, image.width)
            area = next(islice(windows, count // 2, None)).window
            bands = band_indexes(image, named or tuple(range(classifier.bands or image.bands)))
            return *read_whole_window(image, area, bands, tiling), Place.of(0, image, area)
    except ItemError as error:
        raise SourceError(f"{path}: {error}") from error


def _peak_memory_mib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (1 << 20 if sys.platform == "darwin" else 1 << 10))


def _default(options: RunOptions, name: str) -> Any:
    values = {**asdict(options.scaling), **asdict(options)}
    return values.get(name)


def _listed(value: Any, otherwise: str) -> Any:
    if value is None:
        return otherwise
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value
