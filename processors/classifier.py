"""The classifier: what the loop needs of a model, and how a model becomes one."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ModelError, UsageError
from ..catalog.records import ClassDefinition
from .compiled import ClassBatch, Compiled
from .definition import ModelDefinition
from .emd import numbered_classes
from .formats import model_format
from .network import Network
from .options import DEFAULT_TILE, LARGEST_TILE, RunOptions
from .receptive_field import ReceptiveField, measure
from .tensorflow_setup import explain
from .windows import Tiling, round_up

_BACKGROUND = ClassDefinition(value=0, name="Background", color=(0, 0, 0))


class Classifier(Protocol):
    """What the loop needs of a model."""

    classes: tuple[ClassDefinition, ...]
    """In the order in which ``ClassBatch.classes`` counts."""
    gives_confidence: bool
    """False for a network that gives class values and no scores; confidence is then 1."""
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
    network: Network
    field: ReceptiveField
    notes: tuple[str, ...]
    """What the user should know, a line each."""


def prepare(definition: ModelDefinition, options: RunOptions) -> Prepared:
    """Load the network of a definition and compile it for a run.

    Raises:
        ModelError: The model cannot be used.
        UsageError: An argument does not fit the model.
    """
    path = definition.model_file
    network = model_format(path).load(path, definition.properties)
    _check_bands(definition, options, network)
    options.scaling.check(network.bands)
    try:
        field = measure(network)
    except Exception as error:  # TensorFlow raises many kinds for a network that does not fit
        raise ModelError(f"model {definition.model_file} does not run: {explain(error)}") from error
    tiling, notes = _tiling(network, options, field)
    return Prepared(
        classifier=Compiled(
            network=network,
            classes=output_classes(definition.classes, network),
            scaling=options.scaling,
            threshold=options.threshold,
            tiling=tiling,
            batch_size=options.batch_size,
        ),
        network=network,
        field=field,
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
    if network.scores == "classes":
        return _classes_by_value(listed)
    count = 2 if network.channels == 1 else network.channels
    if not listed:
        return numbered_classes(count)
    if len(listed) == count - 1 and all(each.value != 0 for each in listed):
        return (_BACKGROUND, *listed)
    if len(listed) != count:
        raise ModelError(
            f"the definition lists {len(listed)} classes, the network tells {count} apart"
        )
    return listed


def _classes_by_value(listed: tuple[ClassDefinition, ...]) -> tuple[ClassDefinition, ...]:
    """Return the classes of a network that gives class values and no scores."""
    if not listed:
        raise ModelError("the network gives class values; list its Classes in an .emd")
    return listed if any(each.value == 0 for each in listed) else (_BACKGROUND, *listed)


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
