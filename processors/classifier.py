"""The classifier: a network compiled into one function from pixels to class and confidence."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError, ModelError, UsageError
from ..catalog.records import ClassDefinition
from .definition import ModelDefinition
from .emd import numbered_classes
from .network import Network, model_format
from .options import DEFAULT_TILE, LARGEST_TILE, RunOptions
from .receptive_field import ReceptiveField, measure
from .scaling import Scaling
from .tensorflow_setup import explain, tensorflow
from .windows import Tiling, round_up

_KEPT_FUNCTIONS = 16
"""Compiled functions in memory: one does for all sizes of most networks."""


_Key = tuple[int | None, int | None, str]
"""Height and width of the windows, None for any; their dtype."""


class ClassBatch(NamedTuple):
    """The answer for a batch of windows, each array with shape (n, height, width)."""

    classes: NDArray[Any]
    """Positions in ``Classifier.classes``; uint8 or uint16."""
    confidence: NDArray[np.float32]
    """0 to 1; NaN where the network gave a score that is not finite."""


class Classifier(Protocol):
    """What the loop needs of a model."""

    classes: tuple[ClassDefinition, ...]
    """In the order in which ``ClassBatch.classes`` counts."""
    bands: int
    """Bands that the network takes."""
    tiling: Tiling
    batch_size: int

    def classify(self, batch: NDArray[Any]) -> ClassBatch:
        """Classify windows.

        Args:
            batch: Pixel values with shape (n, height, width, bands), unscaled; n is
                always ``batch_size``.

        Raises:
            ItemError: The network does not take windows of this shape or type.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A classifier and what was found out while preparing it."""

    classifier: Classifier
    notes: tuple[str, ...]
    """What the user should know, a line each."""


def prepare(definition: ModelDefinition, options: RunOptions) -> Prepared:
    """Load the network of a definition and compile it for a run.

    Raises:
        ModelError: The model cannot be used.
        UsageError: An argument does not fit the model.
    """
    network = model_format(definition.model_file).load(definition.model_file)
    _check_bands(definition, options, network)
    options.scaling.check(network.bands)
    try:
        field = measure(network)
    except Exception as error:  # TensorFlow raises many kinds for a network that does not fit
        raise ModelError(f"model {definition.model_file} does not run: {explain(error)}") from error
    tiling, notes = _tiling(network, options, field)
    return Prepared(
        classifier=_Compiled(
            network=network,
            classes=output_classes(definition.classes, network),
            scaling=options.scaling,
            threshold=options.threshold,
            tiling=tiling,
            batch_size=options.batch_size,
        ),
        notes=notes,
    )


def output_classes(
    listed: tuple[ClassDefinition, ...], network: Network
) -> tuple[ClassDefinition, ...]:
    """Match the classes of a definition with the channels of a network.

    A network with one channel tells two classes apart. Where the definition leaves out
    the background and no class has the value 0, the first channel is background, value 0.

    Raises:
        ModelError: The numbers do not match.
    """
    count = 2 if network.channels == 1 else network.channels
    if not listed:
        return numbered_classes(count)
    if len(listed) == count - 1 and all(each.value != 0 for each in listed):
        background = ClassDefinition(value=0, name="Background", color=(0, 0, 0))
        return (background, *listed)
    if len(listed) != count:
        raise ModelError(
            f"the definition lists {len(listed)} classes, the network tells {count} apart"
        )
    return listed


def _check_bands(definition: ModelDefinition, options: RunOptions, network: Network) -> None:
    if options.bands is not None and len(options.bands) != network.bands:
        raise ModelError(
            f"model {definition.name} takes {network.bands} bands, {len(options.bands)} are named"
        )


def _tiling(
    network: Network, options: RunOptions, field: ReceptiveField
) -> tuple[Tiling, tuple[str, ...]]:
    fixed = network.height is not None or network.width is not None
    height, width = _tile_size(network, options, field)
    stride = int(np.gcd.reduce([field.stride, height, width]))
    if fixed and field.radius is None:  # a guess at the stride must leave room for a halo
        stride = int(np.gcd.reduce([stride, max(height // 4, 1), max(width // 4, 1)]))
    padding, notes = _padding(options, field, stride, (height, width))
    try:
        tiling = Tiling(height=height, width=width, padding=padding, stride=stride, fixed=fixed)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return tiling, notes


def _tile_size(network: Network, options: RunOptions, field: ReceptiveField) -> tuple[int, int]:
    """Return the window size on the stride grid: the network's only one, else what was asked.

    Where nothing was asked and the network looks a known distance, the size cannot change
    the answer and is chosen for little halo.
    """
    asked = options.tile_size or options.nominal_tile or (DEFAULT_TILE, DEFAULT_TILE)
    if options.tile_size is None and field.radius is not None:
        halo = round_up(max(field.radius, options.padding or 0), field.stride)
        side = max(DEFAULT_TILE, *asked, min(8 * halo, LARGEST_TILE), 4 * halo)
        asked = (side, side)
    least = 2 * field.stride
    free = tuple(max(round_up(side, field.stride), least) for side in asked)
    return network.height or free[0], network.width or free[1]


def _padding(
    options: RunOptions, field: ReceptiveField, stride: int, tile: tuple[int, int]
) -> tuple[int, tuple[str, ...]]:
    """Return the halo: what was asked, else the measured radius, else a quarter of the tile."""
    if options.padding is not None:
        padding = round_up(options.padding, stride)
        if field.radius is not None and padding < field.radius:
            note = (
                f"padding {padding} is less than the {field.radius} pixels the model looks: seams"
            )
            return padding, (f"{note} are possible",)
        return padding, ()
    quarter = min(tile) // 4 // stride * stride
    if field.radius is None:
        return quarter, ("the model looks further than could be measured: seams are possible",)
    wanted = round_up(field.radius, stride)
    if 2 * wanted < min(tile):
        return wanted, ()
    note = f"the model looks {field.radius} pixels far, too far for its tile: seams are possible"
    return quarter, (note,)


class _Compiled:
    """A network compiled with scaling before it and arg-max and confidence behind it."""

    def __init__(
        self,
        *,
        network: Network,
        classes: tuple[ClassDefinition, ...],
        scaling: Scaling,
        threshold: float,
        tiling: Tiling,
        batch_size: int,
    ) -> None:
        self.classes = classes
        self.bands = network.bands
        self.tiling = tiling
        self.batch_size = batch_size
        self._network = network
        self._scaling = scaling
        self._threshold = threshold
        self._functions: OrderedDict[_Key, Callable[[Any], Any]] = OrderedDict()
        self._any_size = True
        """Whether tracing without a size has not failed yet."""

    def classify(self, batch: NDArray[Any]) -> ClassBatch:
        """Classify a batch; see :class:`Classifier`."""
        tf = tensorflow()
        try:
            function = self._function(batch.shape[1], batch.shape[2], str(batch.dtype))
            index, confidence = function(tf.constant(batch))
            answer = ClassBatch(index.numpy(), confidence.numpy())
        except (tf.errors.OpError, ValueError, TypeError) as error:
            size = f"{batch.shape[1]} x {batch.shape[2]}"
            raise ItemError(
                f"the model fails on a window of {size} pixels: {explain(error)}"
            ) from error
        if answer.classes.shape != batch.shape[:3]:
            given, wanted = (f"{a.shape[1]} x {a.shape[2]}" for a in (answer.classes, batch))
            raise ItemError(f"the model gives {given} pixels for a window of {wanted}")
        return answer

    def _function(self, height: int, width: int, dtype: str) -> Callable[[Any], Any]:
        """Return the function for a window size: its own for whole tiles, one for all others.

        Some networks (bilinear up-sampling in Keras) cannot be traced without a size; they
        get a function per size.
        """
        if (height, width) == (self.tiling.height, self.tiling.width):
            return self._traced(height, width, dtype)
        if self._any_size:
            try:
                return self._traced(None, None, dtype)
            except Exception:  # noqa: BLE001  tracing with the size tells what is wrong, if it is
                self._any_size = False
        return self._traced(height, width, dtype)

    def _traced(self, height: int | None, width: int | None, dtype: str) -> Callable[[Any], Any]:
        key = (height, width, dtype)
        if key not in self._functions:
            self._functions[key] = self._trace(height, width, dtype)
            if len(self._functions) > _KEPT_FUNCTIONS:
                self._functions.popitem(last=False)
        self._functions.move_to_end(key)
        return self._functions[key]

    def _trace(self, height: int | None, width: int | None, dtype: str) -> Callable[[Any], Any]:
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )

        tf = tensorflow()
        factors = self._scaling.factors(self.bands, dtype)

        def forward(pixels: Any) -> Any:
            values = tf.cast(pixels, tf.float32)
            if factors is not None:
                values = values * factors[0] + factors[1]
            return self._finish(self._network.call(values))

        spec = tf.TensorSpec([self.batch_size, height, width, self.bands], dtype)
        traced = tf.function(forward).get_concrete_function(spec)
        frozen: Callable[[Any], Any] = convert_variables_to_constants_v2(traced)
        return frozen

    def _finish(self, scores: Any) -> tuple[Any, Any]:
        """Turn scores into class index and confidence, inside the graph."""
        tf = tensorflow()
        scores = tf.cast(scores, tf.float32)
        finite = tf.reduce_all(tf.math.is_finite(scores), axis=-1)
        if self._network.channels == 1:
            index, confidence = self._positive(scores[..., 0])
        else:
            index, confidence = self._best(scores)
        small = tf.uint8 if len(self.classes) <= 256 else tf.uint16
        return tf.cast(index, small), tf.where(finite, confidence, np.float32(np.nan))

    def _positive(self, score: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        probability = tf.sigmoid(score) if self._network.scores == "logits" else score
        positive = probability >= self._threshold
        return positive, tf.where(positive, probability, 1.0 - probability)

    def _best(self, scores: Any) -> tuple[Any, Any]:
        tf = tensorflow()
        top = tf.reduce_max(scores, axis=-1)
        if self._network.scores in ("logits", "values"):
            top = tf.exp(top - tf.reduce_logsumexp(scores, axis=-1))
        return tf.argmax(scores, axis=-1, output_type=tf.int32), top
