"""A network as the rest of pixelcat sees it: pixels in, scores out, whatever file it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Scores = Literal["logits", "probabilities", "sigmoid", "fractions", "values", "classes"]
"""What the output is: unbounded logits; a distribution over the classes; one independent
probability per channel; the share of each class in a pixel, about 0 to 1; scores of which only
the order is known; or no scores but the class values themselves, without a channel axis or with
one channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Twin:
    """What a network looks like to a measurement."""

    call: Callable[[Any], Any]
    """Float32 tensor (n, height, width, bands) → (n, height, width, channels)."""
    is_global: bool = False
    """Whether the network looks at the whole image; the twin does not."""
    is_structural: bool = True
    """Whether its weights are positive and nothing in it hides how far it looks; False for
    the network itself up to its arg-max."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A loaded network."""

    call: Callable[[Any], Any]
    """Float32 tensor (n, height, width, bands) → scores (n, height, width, channels)."""
    twin: Callable[[], Twin | None]
    """Makes one for measuring; None where there is none, and the network itself is measured."""
    height: int | None
    """Of the only input size it accepts; None where any will do."""
    width: int | None
    bands: int
    channels: int
    """Output channels; 0 where the output is class values."""
    scores: Scores
    reason: str = ""
    """How ``scores`` was told."""
    margin: int = 0
    """Pixels at each side of a window without an answer; ``call`` gives zeros there."""
    bytes_per_pixel: float = 0.0
    """What it holds per pixel of a window while it answers, estimated; 0 where not yet known."""
    by_pixel: bool = False
    """Whether it is known to look at single pixels only."""
    has_gaps: bool = True
    """Whether kernels may leave out pixels between those that they see: far ones are easily missed."""
