"""A network tried on one window of zeros: what it gives, and what it holds meanwhile."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from .network import Network
from .tensorflow_setup import frozen, tensorflow

_IN_PLACE = {"BiasAdd", "Relu", "Relu6", "Add", "AddV2", "Sigmoid", "Tanh", "Softmax", "Mul", "Elu"}
"""Operations that write over their input where nobody else needs it."""
_NO_COPY = {"Identity", "Reshape", "Const", "Placeholder", "NoOp", "ExpandDims", "Squeeze"}


class Trial(NamedTuple):
    """What was seen."""

    shape: tuple[int, ...]
    """Of the answer, as it is when the network runs."""
    bytes_per_pixel: float
    """Of a window that the network answers for: the most that is alive at once when its
    operations run in order, outputs that a later one still needs; twice that, as convolutions
    copy them into a layout of their own."""


def tried(network: Network, height: int, width: int) -> Trial:
    """Try a network on a window of zeros.

    Raises:
        Exception: What TensorFlow says against a window of this size.
    """
    return _tried(network.call, (1, height, width, network.bands))


@lru_cache(maxsize=1)
def _tried(call: Callable[[Any], Any], shape: tuple[int, ...]) -> Trial:
    """Run a network; for most of them the same is asked several times in a row."""
    tf = tensorflow()
    run = frozen(call, tf.TensorSpec(shape, tf.float32))
    (answer,) = run(tf.zeros(shape))
    held = 2 * _most_alive(run.graph.get_operations())
    return Trial(shape=tuple(answer.shape), bytes_per_pixel=held / (shape[1] * shape[2]))


def _most_alive(operations: list[Any]) -> int:
    last_use = {tensor.ref(): place for place, op in enumerate(operations) for tensor in op.inputs}
    alive: dict[Any, int] = {}
    most = 0
    for place, op in enumerate(operations):
        ends = [tensor.ref() for tensor in op.inputs if last_use[tensor.ref()] == place]
        if op.type in _IN_PLACE | _NO_COPY:
            for ended in ends:
                alive.pop(ended, None)
        alive |= {tensor.ref(): _size(tensor) for tensor in op.outputs if op.type != "Const"}
        most = max(most, sum(alive.values()))
        for ended in ends:
            alive.pop(ended, None)
    return most


def _size(tensor: Any) -> int:
    count = tensor.shape.num_elements()
    return 0 if count is None else int(count) * int(tensor.dtype.size)
