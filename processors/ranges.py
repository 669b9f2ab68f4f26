"""What a network is fed and what it gives: the numbers by which a wrong scaling shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Network, Scores
from .scaling import Scaling
from .tensorflow_setup import tensorflow

_LARGE = 255.0
"""No 8-bit pixel is larger; values beyond it come from sensors' raw counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranges:
    """Least and greatest numbers of one window."""

    pixels: tuple[float, float]
    fed: tuple[float, float]
    """After scaling."""
    given: tuple[float, float]
    """What the network gave, over all channels."""
    sums: tuple[float, float]
    """Over the channels of a pixel."""

    def warnings(self, scores: Scores, *, scaled: bool) -> list[str]:
        """Return what looks wrong, a sentence each.

        Args:
            scores: What the output is taken for.
            scaled: Whether the definition or the arguments scale the pixels.
        """
        found = []
        if not scaled and self.fed[1] > _LARGE:
            found.append(
                f"the network is fed values up to {self.fed[1]:g} as they are; one trained on"
                " reflectance or normalised values wants scale, data_range, or mean and std"
            )
        add_up = self.sums[0] > 0.9 and self.sums[1] < 1.1
        inside = self.given[0] > -0.1 and self.given[1] < 1.1
        if scores == "logits" and add_up:
            found.append("the channels add up to 1: fractions, not logits? --arg scores=fractions")
        if scores == "fractions" and not (self.given[0] > -0.5 and self.given[1] < 2):
            found.append(f"fractions reach {self.given[0]:g} to {self.given[1]:g}: wrong scaling?")
        if scores in ("probabilities", "sigmoid") and not inside:
            found.append(f"the output reaches {self.given[0]:g} to {self.given[1]:g}: {scores}?")
        return found


def ranges(network: Network, scaling: Scaling, window: NDArray[Any]) -> Ranges:
    """Ask a network about one window.

    Args:
        network: The network.
        scaling: From pixel values to its input.
        window: Pixel values with shape (height, width, bands).
    """
    tf = tensorflow()
    values = window.astype(np.float32)
    factors = scaling.factors(window.shape[-1], str(window.dtype))
    if factors is not None:
        values = values * factors[0] + factors[1]
    given = network.call(tf.constant(values[np.newaxis])).numpy().astype(np.float64)[0]
    if network.margin:
        inner = slice(network.margin, -network.margin)
        given = given[inner, inner]
    sums = given.sum(axis=-1) if network.channels else given
    return Ranges(
        pixels=_limits(window), fed=_limits(values), given=_limits(given), sums=_limits(sums)
    )


def _limits(numbers: NDArray[Any]) -> tuple[float, float]:
    return float(numbers.min()), float(numbers.max())
