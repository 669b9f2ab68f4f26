"""Networks that answer for the middle of a window only, Esri's ``ModelPadding``."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from .network import Network
from .tensorflow_setup import tensorflow
from .windows import round_up

_SIZES = (256, 320)


def with_margin(network: Network, said: int | None = None, multiple: int = 1) -> Network:
    """Return a network whose answer has the size of its input, with zeros where it has none.

    A network that already gives one score vector per input pixel is returned as it is, and so
    is one that answers in a size of another kind.

    Args:
        network: Any network. The answer of one that takes any size must be smaller by the
            same number of pixels at every size.
        said: What the definition says; a network of fixed size is believed only then, as one
            that shrinks its input looks the same.
        multiple: Of which sides the network takes.
    """
    sizes = [round_up(size, multiple) for size in _SIZES]
    margin = _lost(network, sizes[0])
    fixed = network.height is not None
    if not margin or margin != (said if fixed else _lost(network, sizes[1])):
        return network
    twin = network.twin
    return replace(
        network,
        call=_padded(network.call, margin),
        twin=None if twin is None else replace(twin, call=_padded(twin.call, margin)),
        margin=margin,
    )


def _lost(network: Network, size: int) -> int:
    """Return by how many pixels the answer is smaller at each side; 0 where that is no number."""
    height, width = network.height or size, network.width or size
    given = answer_shape(network, height, width)
    if len(given) not in (3, 4):
        return 0
    lost = {height - given[1], width - given[2]}
    least = min(lost)
    return least // 2 if len(lost) == 1 and least > 0 and least % 2 == 0 else 0


def answer_shape(network: Network, height: int, width: int) -> tuple[int, ...]:
    """Return the shape of the answer for one window, as it is when the network runs."""
    return _shape_of(network.call, (1, height, width, network.bands))


@lru_cache(maxsize=1)
def _shape_of(call: Callable[[Any], Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the answer to an input; asked twice in a row for most networks."""
    tf = tensorflow()
    # a concrete function: TensorFlow would complain about one that is traced for each size
    run = tf.function(lambda pixels: call(pixels)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32)
    )
    return tuple(run(tf.zeros(shape)).shape)


def _padded(call: Callable[[Any], Any], margin: int) -> Callable[[Any], Any]:
    def padded(pixels: Any) -> Any:
        given = call(pixels)
        sides = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        return tensorflow().pad(given, sides[: len(given.shape)])

    return padded
