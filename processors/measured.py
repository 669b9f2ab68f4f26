"""How a network is built: measured once, and remembered in the user's cache."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Self

from ..catalog.errors import ModelError
from .cache import cache_folder, keep
from .definition import ModelDefinition
from .margin import margin_of, with_margin
from .network import Network
from .options import RunOptions
from .receptive_field import ReceptiveField, measure
from .tensorflow_setup import explain

_THREES = 96
"""Sides that suit networks that divide them by 3 and by 2."""
_LEAST_BYTES = 1.0
"""Per pixel: no network holds less."""
_FURTHEST = 1 << 20
"""Pixels: nothing that is measured is larger."""
_EDITION = 3
"""Of the way to measure: with another one nothing is remembered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What is found out about a network by trying it."""

    margin: int
    """Pixels at each side of a window without an answer."""
    bytes_per_pixel: float
    """What the network holds per pixel of a window while it answers."""
    stride: int
    radius: int | None

    @classmethod
    def of_json(cls, text: str) -> Self | None:
        """Return what a file of the cache says, None where it cannot be meant."""
        try:
            said = json.loads(text)
            known = cls(**said)
        except (ValueError, TypeError, RecursionError):
            return None
        whole = [known.margin, known.stride, 0 if known.radius is None else known.radius]
        held = known.bytes_per_pixel
        is_sound = (
            all(type(number) is int and 0 <= number <= _FURTHEST for number in whole)
            and known.stride >= 1
            and type(held) in (int, float)
            and held >= _LEAST_BYTES
        )
        return known if is_sound else None

    @property
    def field(self) -> ReceptiveField:
        """How far the network looks and on which grid it must stand."""
        return ReceptiveField(stride=self.stride, radius=self.radius)

    def applied_to(self, network: Network) -> Network:
        """Return a network that knows this of itself."""
        return replace(
            with_margin(network, self.margin),
            bytes_per_pixel=self.bytes_per_pixel,
            by_pixel=(self.stride, self.radius) == (1, 0),
        )


def memory_of(definition: ModelDefinition, options: RunOptions) -> Path:
    """Return the file that remembers a network; to be asked before the network is loaded."""
    return cache_folder("measured") / f"{_key(definition, options)}.json"


def measured(
    network: Network, definition: ModelDefinition, options: RunOptions, memory: Path
) -> Measured:
    """Return what is known of a network, measuring it where nothing is.

    Args:
        network: The network.
        definition: Its model.
        options: The arguments of the run.
        memory: What :func:`memory_of` gave before the network was loaded.

    Raises:
        ModelError: The network does not run.
    """
    known = _remembered(memory)
    if known is None:
        known = _tried_sizes(network, definition, options.tile_multiple)
        if memory == memory_of(definition, options):  # else its file was replaced meanwhile
            keep(memory, json.dumps(asdict(known)))
    return known


def _key(definition: ModelDefinition, options: RunOptions) -> str:
    """Return a name for everything that a measurement depends on."""
    said = json.dumps(options.properties(definition), sort_keys=True, default=str)
    software = [version(name) for name in ("pixelcat", "tensorflow", "keras")]
    parts = [definition.weights_sha256(), said, options.tile_multiple, *software, _EDITION]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def _remembered(path: Path) -> Measured | None:
    try:
        return Measured.of_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _tried_sizes(network: Network, definition: ModelDefinition, multiple: int) -> Measured:
    """Measure a network at sizes that most take, else at multiples of 3 and powers of 2."""
    errors = []
    for each in (multiple, math.lcm(multiple, _THREES)):
        try:
            return _at_multiples(network, definition.model_padding, each)
        except Exception as error:  # noqa: BLE001  TensorFlow raises many kinds
            errors.append(error)
    hint = " (does it take sides that are multiples of something? --arg tile_multiple=N)"
    raise ModelError(
        f"model {definition.model_file} does not run: {explain(errors[0])}"
        f"{hint if network.height is None else ''}"
    ) from errors[0]


def _at_multiples(network: Network, said: int | None, multiple: int) -> Measured:
    margin, held = margin_of(network, said, multiple)
    field = measure(with_margin(network, margin), multiple)
    held = max(held, _LEAST_BYTES)
    return Measured(margin=margin, bytes_per_pixel=held, stride=field.stride, radius=field.radius)
