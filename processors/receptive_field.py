"""How far a network looks and on which grid it must stand, measured by trying.

*Stride*: the smallest shift of the input that merely shifts the output. A network that
halves its input twice has stride 4, and windows must start on multiples of 4.
*Radius*: how far beyond the grid cell of an output pixel the input still matters. A halo of
that radius makes a window's core independent of where the raster was cut.

*Gaps*: what a dilated kernel sees may lie beyond a test image with nothing near its border to tell;
networks that have such are tried on long images too.

Measured on a twin that hides nothing (:mod:`.formats.twin`) where there is one; else on the network
itself, with noise in the ranges that pixels have.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .margin import lost_pixels
from .network import Network
from .probe import Probe
from .trial import tried
from .windows import round_up

STRIDES = (1, 2, 4, 8, 16, 32, 64)
SIZES = (256, 512, 1024)
"""Sides of the test images, tried until one is large enough; multiples of every stride."""
FAR = (128, 4096)
"""Sides of the image for what kernels with gaps see along one axis: far pixels, with none between
them, may lie beyond an image of the sizes above."""
FALLBACK_STRIDE = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceptiveField:
    """What was measured."""

    stride: int
    radius: int | None
    """Pixels; None where one pixel matters for the whole answer (or all that could be
    tested)."""


def measure(network: Network, multiple: int = 1) -> ReceptiveField:
    """Measure stride and radius of a network.

    Args:
        network: Any network; one of fixed size is tested at that size.
        multiple: Of which sides the network takes; tried as a stride as well.

    Raises:
        ValueError: The network does not return one score vector per input pixel.
    """
    divisors = (each for each in range(1, multiple + 1) if multiple % each == 0)
    strides = sorted({*STRIDES, *divisors})
    free = [round_up(side, multiple) for side in SIZES]
    sizes = [(network.height or side, network.width or side) for side in free]
    for height, width in dict.fromkeys(sizes):
        _check_shape(network, height, width)
        found = Probe(network, height, width, strides).measure()
        twin = network.twin()
        if found is not None and twin is not None and twin.is_global:
            return ReceptiveField(stride=found[0], radius=None)
        if found is not None:
            field = ReceptiveField(stride=found[0], radius=found[1])
            return _seen_from_afar(network, field, strides, multiple)
    return ReceptiveField(stride=math.lcm(FALLBACK_STRIDE, multiple), radius=None)


def _seen_from_afar(
    network: Network, field: ReceptiveField, strides: Sequence[int], multiple: int
) -> ReceptiveField:
    """Return what was measured, with a larger radius where gaps of kernels hid it."""
    if not network.has_gaps or network.height is not None or network.width is not None:
        return field
    narrow, long = (round_up(side, multiple) for side in FAR)
    radius = field.radius
    for height, width in ((long, narrow), (narrow, long)):
        reach = Probe(network, height, width, strides).reach_along(field.stride)
        radius = None if radius is None or reach is None else max(radius, reach)
    return replace(field, radius=radius)


def _check_shape(network: Network, height: int, width: int) -> None:
    given = tried(network, height, width).shape
    if len(given) not in (3, 4) or given[1:3] != (height, width):
        lost = lost_pixels(network, max(height, width))
        raise ValueError(
            f"gives {given[1:]} for an input of {height} x {width} pixels,"
            " not one score vector per pixel"
            + (f'; is it for the middle? "ModelPadding": {lost} in an .emd says so' if lost else "")
        )
