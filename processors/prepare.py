"""From a model definition to a classifier that is ready to run."""

from ..catalog.errors import ModelError, UsageError
from .augment import MAP_TURNS, PHOTO_TURNS, Turn, augmented, likely
from .classifier import Prepared
from .compiled import Compiled
from .decision import Decision
from .definition import ModelDefinition
from .formats import model_format
from .margin import with_margin
from .network import Network
from .options import RunOptions
from .output_classes import excluded_class, output_classes
from .raster_function.prepare import prepare_function
from .receptive_field import ReceptiveField, measure
from .tensorflow_setup import device_name, explain
from .tile import tiling_for


def prepare(definition: ModelDefinition, options: RunOptions) -> Prepared:
    """Load the network of a definition and compile it, or start its raster function.

    Raises:
        ModelError: The model cannot be used.
        UsageError: An argument does not fit the model.
    """
    if definition.raster_function is not None:
        return prepare_function(definition, options)
    path = definition.model_file
    loaded = model_format(path).load(path, options.properties(definition))
    _check_bands(definition, options, loaded)
    options.scaling.check(loaded.bands)
    network, field = _measured(definition, loaded)
    tiling, notes = tiling_for(network, options, field)
    classes = output_classes(definition.classes, network)
    excluded, more = excluded_class(
        options.predict_background, definition.classes, classes, network
    )
    decision = Decision(
        scores=network.scores, classes=classes, threshold=options.threshold, excluded=excluded
    )
    networks = _asked(network, decision, options)
    return Prepared(
        classifier=Compiled(
            networks=networks,
            decision=Decision(
                scores=networks[0].scores,
                classes=classes,
                threshold=options.threshold,
                excluded=excluded,
            ),
            scaling=options.scaling,
            tiling=tiling,
            batch_size=options.batch_size,
            blend=options.blend == "hann",
        ),
        network=network,
        found=_found(network, field),
        notes=notes + more,
        device=device_name(),
        bands=options.bands,
    )


def _measured(definition: ModelDefinition, loaded: Network) -> tuple[Network, ReceptiveField]:
    try:
        network = with_margin(loaded, definition.model_padding)
        return network, measure(network)
    except Exception as error:  # TensorFlow raises many kinds for a network that does not fit
        raise ModelError(f"model {definition.model_file} does not run: {explain(error)}") from error


def _check_bands(definition: ModelDefinition, options: RunOptions, network: Network) -> None:
    if options.bands is not None and len(options.bands) != network.bands:
        raise ModelError(
            f"model {definition.name} takes {network.bands} bands, {len(options.bands)} are named"
        )


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


def _found(network: Network, field: ReceptiveField) -> dict[str, object]:
    looks = "at the whole image" if field.radius is None else f"{field.radius} pixels beyond"
    return {
        "output": network.scores,
        "told by": network.reason,
        "stride": field.stride,
        "looks": looks,
        "margin": network.margin,
    }
