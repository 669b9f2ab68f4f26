"""What a model does when it runs: ``model check``."""

import resource
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError, ModelError, SourceError, UsageError
from ..io.environment import Environment
from ..io.image import Window, open_image
from .bands import band_indexes
from .batch import ClassBatch, Place, WindowBatch
from .classifier import Classifier, Prepared
from .definition import ModelDefinition
from .describe import format_name
from .environment import environment_of
from .options import RunOptions, options_of
from .prepare import prepare
from .ranges import ranges
from .read_window import read_whole_window
from .scaling import Scaling
from .tensorflow_setup import refusing

_ROUNDS = 3


class _Sample(NamedTuple):
    """What a model is run on."""

    pixels: NDArray[Any]
    """Shape (height, width, bands)."""
    valid: NDArray[np.bool_]
    """Shape (height, width)."""
    counted: NDArray[np.bool_]
    """Which pixels are asked for."""
    place: Place


def check(
    definition: ModelDefinition,
    arguments: Mapping[str, str],
    image: str | None,
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Load a model, run a batch, and return what was found.

    Args:
        definition: The model.
        arguments: Model arguments as text.
        image: A window of this image is classified; noise where there is none.
        environment: What of the image, and on which grid; see :func:`.classify.classify`.

    Raises:
        UsageError: An argument is wrong, or there is an environment and no image.
        ModelError: The model cannot be used.
        SourceError: The image cannot be read.
    """
    options = replace(
        options_of(definition, arguments), environment=environment_of(environment or {})
    )
    if image is None and options.environment != Environment():
        raise UsageError("extent, mask, cell size and the like say what of an image; give --on too")
    prepared = prepare(definition, options)
    with closing(prepared.classifier) as classifier:
        pixels, valid, counted, place = (
            _noise(classifier)
            if image is None
            else _window(Path(image), classifier, prepared.bands, options.environment)
        )
        count = classifier.batch_of(*valid.shape)
        batch = WindowBatch(
            pixels=np.repeat(pixels[np.newaxis], count, axis=0),
            valid=np.repeat(valid[np.newaxis], count, axis=0),
            places=(place,) * count,
        )
        with refusing(definition.model_file, "does not run"):
            try:
                answer, seconds = _timed(classifier, batch)
            except ItemError as error:
                raise ModelError(f"model {definition.name}: {error}") from error
            numbers, warnings = _numbers(prepared, options, pixels)
    known = counted if answer.valid is None else counted & answer.valid[0]
    classes = answer.classes[0][known].ravel()
    share = np.bincount(classes, minlength=len(classifier.classes))
    tiling = classifier.tiling
    return {
        "name": definition.name,
        "format": format_name(definition),
        **prepared.found,
        **numbers,
        "bands": classifier.bands or "all",
        "tile": f"{tiling.height} x {tiling.width}",
        "fixed size": tiling.fixed,
        "padding": tiling.padding,
        "batch size": count,
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


def _noise(classifier: Classifier) -> _Sample:
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
    everywhere = np.ones(shape[:2], np.bool_)
    return _Sample(noise, everywhere, everywhere, place)


def _window(
    path: Path,
    classifier: Classifier,
    named: tuple[int | str, ...] | None,
    environment: Environment,
) -> _Sample:
    """Return the window in the middle of what is asked for of an image."""
    tiling = classifier.tiling
    asked = named or tuple(range(classifier.bands))
    try:
        with (
            open_image(path) as stored,
            environment.of(stored, asked) as image,
            environment.part_of(image) as part,
        ):
            windows = tiling.windows(image.height, image.width, within=part.window)
            areas = [each.window for each in windows]
            area = areas[len(areas) // 2]
            bands = band_indexes(image, asked or tuple(range(image.bands)))
            pixels, valid = read_whole_window(image, area, bands, tiling)
            counted = valid & part.wanted(area)
            return _Sample(pixels, valid, counted, Place.of(0, image, area))
    except ItemError as error:
        raise SourceError(f"{path}: {error}") from error


def _peak_memory_mib() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak // (1 << 20 if sys.platform == "darwin" else 1 << 10))
