"""Networks that answer for the middle of a window only, Esri's ``ModelPadding``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .network import Network, Twin
from .tensorflow_setup import tensorflow
from .trial import tried
from .windows import round_up

_SIZES = (256, 320)


def margin_of(network: Network, said: int | None = None, multiple: int = 1) -> tuple[int, float]:
    """Return the pixels at each side of a window without an answer, and what a window takes.

    The margin is 0 where the network gives one score vector per input pixel, or answers in a
    size of another kind. The second number is bytes per pixel, while the network answers.

    Args:
        network: Any network. The answer of one that takes any size must be smaller by the
            same number of pixels at every size.
        said: What the definition says; a network of fixed size is believed only then, as one
            that shrinks its input looks the same.
        multiple: Of which sides the network takes.
    """
    sizes = [round_up(size, multiple) for size in _SIZES]
    height, width = network.height or sizes[0], network.width or sizes[0]
    held = tried(network, height, width).bytes_per_pixel
    margin = lost_pixels(network, sizes[0])
    fixed = network.height is not None
    if not margin or margin != (said if fixed else lost_pixels(network, sizes[1])):
        margin = 0
    return margin, held


def with_margin(network: Network, margin: int) -> Network:
    """Return a network whose answer has the size of its input, with zeros where it has none."""
    if not margin:
        return network
    return replace(
        network,
        call=_padded(network.call, margin),
        twin=lambda: _padded_twin(network.twin(), margin),
        margin=margin,
    )


def _padded_twin(twin: Twin | None, margin: int) -> Twin | None:
    return None if twin is None else replace(twin, call=_padded(twin.call, margin))


def lost_pixels(network: Network, size: int) -> int:
    """Return by how many pixels the answer is smaller at each side; 0 where that is no number."""
    height, width = network.height or size, network.width or size
    given = tried(network, height, width).shape
    if len(given) not in (3, 4):
        return 0
    lost = {height - given[1], width - given[2]}
    least = min(lost)
    return least // 2 if len(lost) == 1 and least > 0 and least % 2 == 0 else 0


def _padded(call: Callable[[Any], Any], margin: int) -> Callable[[Any], Any]:
    def padded(pixels: Any) -> Any:
        given = call(pixels)
        sides = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        return tensorflow().pad(given, sides[: len(given.shape)])

    return padded
