"""A network compiled into one function: scaling before it, class and confidence behind it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError, PixelcatError
from .batch import Batches, ClassBatch, WindowBatch
from .extras import Extra, FullDecision
from .network import Network
from .scaling import Scaling
from .tensorflow_setup import (
    before_softmax,
    compiled,
    explain,
    frozen,
    fused,
    reduced,
    tensorflow,
)
from .windows import Tiling, wider

_KEPT_FUNCTIONS = 16
"""Compiled functions in memory: one for each size of window of large rasters, one for others."""


class _Kind(NamedTuple):
    """What a compiled function is made for."""

    windows: int | None
    """In a batch; None for any, as below."""
    height: int | None
    width: int | None
    dtype: str
    is_map: bool
    is_one_size: bool
    """One of its own for a size of window."""


@contextmanager
def _failing(height: int, width: int) -> Iterator[None]:
    """Turn whatever TensorFlow and Keras raise for a window into the reason of its images."""
    try:
        yield
    except (PixelcatError, MemoryError):
        raise
    except Exception as error:
        raise ItemError(
            f"the model fails on a window of {height} x {width} pixels: {explain(error)}"
        ) from error


class Compiled:
    """A network compiled with scaling before it and arg-max and confidence behind it."""

    def __init__(
        self,
        *,
        networks: tuple[Network, Network],
        decision: FullDecision,
        scaling: Scaling,
        tiling: Tiling,
        batches: Batches,
        blend: bool = False,
        precision: str = "float32",
    ) -> None:
        """Take a network and what surrounds it; compiled at the first window of each kind.

        Args:
            networks: For photos and for maps; the same one, or with other turns.
            decision: From their scores to classes and what is asked for beside them.
            scaling: From pixel values to network input.
            tiling: How rasters are cut.
            batches: How windows are taken.
            blend: Whether scores of overlapping windows are averaged.
            precision: ``float32``, ``bfloat16`` or ``float16``.
        """
        self.classes = decision.decision.classes
        self.bands = networks[0].bands
        self.gives_confidence = decision.decision.scores != "classes"
        self.tiling = tiling
        self.batch_of, self.at_once, self._most = batches
        self.blending = self if blend else None
        self._networks = networks
        self._decision = decision
        self._scaling = scaling
        self._precision = precision
        self._finish = None if blend else decision
        self._functions: OrderedDict[_Kind, Callable[[Any], Any]] = OrderedDict()
        self._tracing = threading.Lock()
        self._any_size = True
        """Whether tracing without a size has not failed yet."""

    def classify(self, batch: WindowBatch) -> ClassBatch:
        """Classify a batch; see :class:`Classifier`."""
        classes, confidence, *extras = self._run(batch)
        return ClassBatch(classes=classes, confidence=confidence, extras=tuple(extras))

    def scores(self, batch: WindowBatch) -> NDArray[np.float32]:
        """Return the scores of a batch; see :class:`Blending`."""
        scores: NDArray[np.float32] = self._run(batch)[0]
        return scores

    def decide(self, scores: NDArray[np.float32]) -> ClassBatch:
        """Choose classes; see :class:`Blending`."""
        with _failing(*scores.shape[1:3]):
            answer = self._decision(tensorflow().constant(scores))
            classes, confidence, *extras = (tensor.numpy() for tensor in answer)
        return ClassBatch(classes=classes, confidence=confidence, extras=tuple(extras))

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What a batch holds beside classes and confidence."""
        return self._decision.listed

    def rechecking(self) -> "Compiled":
        """Return the same model for larger halos; see :class:`Classifier`."""
        other = copy(self)
        other.tiling = wider(self.tiling)
        decision = self._decision.decision
        other._finish = FullDecision(decision, ("lack",) if self.gives_confidence else ())
        other._decision, other._functions = other._finish, OrderedDict()
        return other

    def remarks(self) -> tuple[str, ...]:
        """Return what was found while classifying; see :class:`Classifier`."""
        if self._most is None:
            return ()
        return (f"memory was short: the model was asked about {self._most} windows at a time",)

    def close(self) -> None:
        """Do nothing: TensorFlow keeps what it has."""

    def _run(self, batch: WindowBatch) -> tuple[NDArray[Any], ...]:
        with _failing(*batch.pixels.shape[1:3]):
            answer = self._answer(batch.pixels, self._kind(batch))
        if answer[0].shape[:3] != batch.pixels.shape[:3]:
            given_size, wanted = (f"{a.shape[1]} x {a.shape[2]}" for a in (answer[0], batch.pixels))
            raise ItemError(f"the model gives {given_size} pixels for a window of {wanted}")
        return answer

    def _answer(self, pixels: NDArray[Any], kind: _Kind) -> tuple[NDArray[Any], ...]:
        """Ask about windows, about half of them at a time where memory is short."""
        tf = tensorflow()
        count = len(pixels)
        if self._most is None or count <= self._most:
            try:
                with reduced(self._precision):
                    given = self._function(kind._replace(windows=count))(tf.constant(pixels))
                return tuple(part.numpy() for part in given)
            except tf.errors.ResourceExhaustedError:
                if count == 1:
                    raise
                self._most = count // 2
        most = self._most
        parts = [
            self._answer(pixels[start : start + most], kind) for start in range(0, count, most)
        ]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))

    def _kind(self, batch: WindowBatch) -> _Kind:
        """Return what is asked for: a function of its own where windows of a size are many."""
        count, height, width = batch.pixels.shape[:3]
        tile = self.tiling.height, self.tiling.width
        return _Kind(
            windows=count,
            height=height,
            width=width,
            dtype=str(batch.pixels.dtype),
            is_map=batch.is_map and self._networks[0] is not self._networks[1],
            is_one_size=batch.is_of_many or (height, width) == tile,
        )

    def _function(self, kind: _Kind) -> Callable[[Any], Any]:
        """Return the function for a window size: its own, or one for all others.

        Some networks (bilinear up-sampling in Keras) cannot be traced without a size; they
        get a function per size.
        """
        with self._tracing:
            if kind.is_one_size:
                return self._traced(kind)
            if self._any_size:
                try:
                    return self._traced(kind._replace(windows=None, height=None, width=None))
                except Exception:  # noqa: BLE001  tracing with the size tells what is wrong
                    self._any_size = False
            return self._traced(kind)

    def _traced(self, kind: _Kind) -> Callable[[Any], Any]:
        if kind not in self._functions:
            self._functions[kind] = self._trace(kind)
            if len(self._functions) > _KEPT_FUNCTIONS:
                self._functions.popitem(last=False)
        self._functions.move_to_end(kind)
        return self._functions[kind]

    def _trace(self, kind: _Kind) -> Callable[[Any], Any]:
        """Compile the network, with the decision behind it as a loop of its own or within.

        A network that looks at single pixels becomes one loop with the decision: nothing of it
        has to wait in memory.
        """
        tf = tensorflow()
        spec = tf.TensorSpec([kind.windows, kind.height, kind.width, self.bands], kind.dtype)
        scores = self._scoring(kind)
        if self._finish is None:
            return compiled(frozen(scores, spec), spec)
        finish = self._finish
        network, decide = self._parted(frozen(scores, spec), finish)
        given = network.outputs[0].shape
        if kind.is_one_size:
            if self._networks[kind.is_map].by_pixel and self._precision == "float32":
                whole = fused(lambda pixels: decide(network(pixels)[0]), spec)
                if whole is not None:
                    return whole
            loop = fused(decide, tf.TensorSpec(given, network.outputs[0].dtype))
            if loop is not None:
                ask = compiled(network, spec)
                return lambda pixels: loop(ask(pixels)[0])
        if given.rank is None or given[-1] is None:  # freezing forgot what tracing knows
            return compiled(frozen(lambda pixels: finish(scores(pixels)), spec), spec)
        return compiled(lambda pixels: decide(network(pixels)[0]), spec)

    @staticmethod
    def _parted(network: Any, finish: FullDecision) -> tuple[Any, FullDecision]:
        """Return a frozen network and the decision behind it, which takes over its soft-max.

        By itself a soft-max takes a seventh of the time of a small U-Net.
        """
        scores = before_softmax(network) if finish.decision.scores == "probabilities" else None
        return (network, finish) if scores is None else (scores, finish.before_softmax())

    def _scoring(self, kind: _Kind) -> Callable[[Any], Any]:
        tf = tensorflow()
        factors = self._scaling.factors(self.bands, kind.dtype)
        network = self._networks[kind.is_map]

        def scores(pixels: Any) -> Any:
            values = tf.cast(pixels, tf.float32)
            if factors is not None:
                values = values * factors[0] + factors[1]
            return network.call(values)

        return scores
