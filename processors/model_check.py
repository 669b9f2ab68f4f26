"""What a model does when it runs: ``model check``."""

import resource
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError, ModelError, SourceError
from ..io.image import Window, open_image
from .bands import band_indexes
from .batch import ClassBatch, Place, WindowBatch
from .classifier import Classifier, Prepared
from .definition import ModelDefinition
from .describe import format_name
from .options import RunOptions, options_of
from .prepare import prepare
from .ranges import ranges
from .read_window import read_whole_window
from .scaling import Scaling

_ROUNDS = 3


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
        count = classifier.batch_of(*valid.shape)
        batch = WindowBatch(
            pixels=np.repeat(pixels[np.newaxis], count, axis=0),
            valid=np.repeat(valid[np.newaxis], count, axis=0),
            places=(place,) * count,
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
