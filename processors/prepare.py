"""From a model definition to a classifier that is ready to run."""

import math
from dataclasses import replace

from ..catalog.errors import ModelError, UsageError
from .augment import MAP_TURNS, PHOTO_TURNS, Turn, augmented, likely
from .batch import Batches
from .classifier import ROOM, Prepared
from .decision import Decision
from .definition import ModelDefinition
from .device import processors
from .extras import FullDecision, check_scores, no_scores
from .formats import model_format
from .formats.hints import NoSuchOutputError
from .measured import measured, memory_of
from .memory import Budget, Free, warm_up, with_answers
from .network import Network
from .options import RunOptions
from .output_classes import Classes, excluded_class, output_classes
from .precision import in_precision
from .raster_function.prepare import prepare_function
from .receptive_field import ReceptiveField
from .tensorflow_setup import device_name, refusing
from .tile import tiling_for

_SMALL = 1 << 30
"""Bytes of a batch in the network: of larger ones there is one in memory."""


def prepare(
    definition: ModelDefinition,
    options: RunOptions,
    max_memory: int | Free | None = None,
    *,
    shortages: int = 0,
) -> Prepared:
    """Load the network of a definition and compile it, or start its raster function.

    Args:
        definition: The model.
        options: The arguments of the run.
        max_memory: Bytes that the process should stay below.
        shortages: How often memory was not enough for a batch; each halves it.

    Raises:
        ModelError: The model cannot be used.
        UsageError: An argument does not fit the model.
    """
    if definition.raster_function is not None:
        if options.also:
            raise no_scores(definition.name, options.also)
        return prepare_function(definition, options)
    memory = memory_of(definition, options)
    loaded = _loaded(definition, options)
    _check_asked(definition, options, loaded)
    known = measured(loaded, definition, options, memory)
    network, field = known.applied_to(loaded), known.field
    classes = _classes(definition, options, network)
    budget = None
    if max_memory is not None:
        network = with_answers(network, options, len(classes))
        with refusing(definition.model_file, "does not run"):
            warm_up(network, math.lcm(field.stride, options.tile_multiple))
        budget = Budget(max_memory, network)
    tiling, notes = tiling_for(network, options, field, None if budget is None else budget.pixels)
    excluded, more = excluded_class(
        options.predict_background, definition.classes, classes, network
    )
    decision = Decision(
        scores=network.scores, classes=classes, threshold=options.threshold, excluded=excluded
    )
    networks = _asked(network, decision, options)
    final = replace(decision, scores=networks[0].scores)
    check_scores(final, options.also, definition.name)
    batch_of = options.batch_of if budget is None else budget.batch_of(options.batch_of)
    batch = batch_of(tiling.height, tiling.width)
    pixels = batch * tiling.height * tiling.width
    return Prepared(
        classifier=in_precision(
            options.precision,
            networks=networks,
            decision=FullDecision(final, options.also, options.also_type),
            scaling=options.scaling,
            tiling=tiling,
            batches=Batches(
                size=batch_of,
                at_once=_at_once(network, pixels, budget, shortages),
                most=max(1, batch >> shortages) if shortages else None,
            ),
            blend=options.blend == "hann",
        ),
        network=network,
        found=_found(network, field),
        notes=notes + more,
        device=device_name(),
        bands=options.bands,
        room=ROOM if budget is None else budget.room,
    )


def _check_asked(definition: ModelDefinition, options: RunOptions, network: Network) -> None:
    """Check bands and scaling against the network.

    Raises:
        UsageError: The arguments do not fit it.
        ModelError: The definition does not.
    """
    try:
        options.scaling.check(network.bands)
        if options.bands is not None and len(options.bands) != network.bands:
            raise ModelError(
                f"model {definition.name} takes {network.bands} bands,"
                f" {len(options.bands)} are named"
            )
    except ModelError as error:
        own = options.scaling == definition.scaling and options.bands == definition.bands
        raise error if own else UsageError(str(error)) from error


def _loaded(definition: ModelDefinition, options: RunOptions) -> Network:
    path = definition.model_file
    try:
        with refusing(path, "cannot be loaded"):
            return model_format(path).load(path, options.properties(definition))
    except NoSuchOutputError as error:
        raise error if options.output is None else UsageError(str(error)) from error


def _classes(definition: ModelDefinition, options: RunOptions, network: Network) -> Classes:
    try:
        return output_classes(definition.classes, network)
    except ModelError as error:
        raise error if options.scores is None else UsageError(str(error)) from error


def _asked(network: Network, decision: Decision, options: RunOptions) -> tuple[Network, Network]:
    """Return the networks for photos and for maps as the arguments want them."""
    if options.test_time_augmentation:
        return (
            augmented(network, decision, PHOTO_TURNS, options.merge_policy),
            augmented(network, decision, _map_turns(network), options.merge_policy),
        )
    if options.blend == "hann":
        network = likely(network, decision)
    return network, network


def _map_turns(network: Network) -> tuple[Turn, ...]:
    """Return the turns for maps; a window of one size that is no square is not turned by 90°.

    Raises:
        UsageError: One side is fixed and the other is not.
    """
    if network.height == network.width:
        return MAP_TURNS
    if network.height is None or network.width is None:
        raise UsageError("test_time_augmentation needs a network that takes square windows")
    return tuple(turn for turn in MAP_TURNS if not turn[2])


def _at_once(network: Network, pixels: int, budget: Budget | None, shortages: int) -> int:
    """Return how many batches of so many pixels are asked about at the same time.

    Two keep processors busy where one waits for its slowest thread; a GPU is kept busy by one.
    """
    fits = not shortages and pixels * network.bytes_per_pixel <= _SMALL
    if budget is not None:
        fits &= 2 * pixels <= budget.pixels
    return 2 if fits and processors() > 1 and device_name() == "CPU" else 1


def _found(network: Network, field: ReceptiveField) -> dict[str, object]:
    looks = "at the whole image" if field.radius is None else f"{field.radius} pixels beyond"
    return {
        "output": network.scores,
        "told by": network.reason,
        "stride": field.stride,
        "looks": looks,
        "margin": network.margin,
    }
