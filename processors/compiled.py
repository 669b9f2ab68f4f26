"""A network compiled into one function: scaling before it, class and confidence behind it."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from ..catalog.records import ClassDefinition
from .network import Network
from .scaling import Scaling
from .tensorflow_setup import explain, tensorflow
from .windows import Tiling

_KEPT_FUNCTIONS = 16
"""Compiled functions in memory: one does for all sizes of most networks."""


_Key = tuple[int | None, int | None, str]
"""Height and width of the windows, None for any; their dtype."""


class ClassBatch(NamedTuple):
    """The answer for a batch of windows, each array with shape (n, height, width)."""

    classes: NDArray[Any]
    """Positions in ``Classifier.classes``; uint8 or uint16."""
    confidence: NDArray[np.float32]
    """0 to 1; NaN where the network gave a score that is not finite, or no class of its own."""


class Compiled:
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
        """Take a network and what surrounds it; compiled at the first window of each kind."""
        self.classes = classes
        self.bands = network.bands
        self.gives_confidence = network.scores != "classes"
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
        if self._network.scores == "classes":
            return self._by_value(scores)
        scores = tf.cast(scores, tf.float32)
        finite = tf.reduce_all(tf.math.is_finite(scores), axis=-1)
        if self._network.channels == 1:
            index, confidence = self._positive(scores[..., 0])
        else:
            index, confidence = self._best(scores)
        small = tf.uint8 if len(self.classes) <= 256 else tf.uint16
        return tf.cast(index, small), tf.where(finite, confidence, np.float32(np.nan))

    def _by_value(self, values: Any) -> tuple[Any, Any]:
        """Find each class value among the classes; one that is none becomes NaN."""
        tf = tensorflow()
        if len(values.shape) == 4:
            values = values[..., 0]
        known = tf.constant([each.value for each in self.classes], values.dtype)
        equal = tf.equal(values[..., tf.newaxis], known)
        index = tf.argmax(equal, axis=-1, output_type=tf.int32)
        small = tf.uint8 if len(self.classes) <= 256 else tf.uint16
        confidence = tf.where(tf.reduce_any(equal, axis=-1), 1.0, np.float32(np.nan))
        return tf.cast(index, small), confidence

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
