"""A twin of a Keras network for measuring: the same reach and grid, nothing that hides them.

Real weights can hide how a network is built: units that are dead for an input, a sure
soft-max, a far weight that drowns in rounding. The twin has the same layers with positive
weights, without activations and normalisations, and with averages for maxima.
"""

from typing import Any

import numpy as np

from ..network import Twin

_IDENTITY = (
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Dropout", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization"),
    *("Normalization", "Rescaling", "BatchNormalization"),
)
_GLOBAL = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization", "Attention")
"""Layers whose answer anywhere depends on the input everywhere."""
_BY_PIXEL = ("LayerNormalization", "UnitNormalization", "Softmax", "LogSoftmax")
"""Layers and operations over the channels of a pixel, unless told otherwise."""


def twin_of(library: Any, model: Any) -> Twin | None:
    """Return the twin of a Keras model, or None where its layers cannot be rebuilt.

    Args:
        library: ``keras`` or ``tf_keras``, whichever the model is of.
        model: A functional or sequential model.
    """
    seen: list[str] = []

    def rebuild(layer: Any) -> Any:
        if hasattr(layer, "layers"):
            return library.models.clone_model(layer, clone_function=rebuild)
        return _plain(library, layer, seen)

    try:
        twin = library.models.clone_model(model, clone_function=rebuild)
        rng = np.random.default_rng(3)
        for layer in twin._flatten_layers():
            if not hasattr(layer, "layers") and layer.weights:
                layer.set_weights([_positive(rng, layer, variable) for variable in layer.weights])
    except Exception:  # noqa: BLE001  a layer of its own kind: measured as it is instead
        return None
    seen += [type(each).__name__ for each in _operations(model) if _is_global(each)]
    return Twin(call=lambda pixels: twin(pixels, training=False), is_global=bool(seen))


def has_gaps(model: Any) -> bool:
    """Return whether kernels of a Keras model leave out pixels between those that they see."""
    parts = [*model._flatten_layers(), *_operations(model)]
    return any(np.max(getattr(part, "dilation_rate", 1)) > 1 for part in parts)


def _operations(model: Any) -> list[Any]:
    """Return what a Keras 3 network does outside of layers, sub-networks included."""
    inner = [layer for layer in model._flatten_layers() if hasattr(layer, "operations")]
    return [each for network in inner for each in getattr(network, "operations", ())]


def _is_global(operation: Any) -> bool:
    return type(operation).__name__ in _BY_PIXEL and _over_space(operation)


def _plain(library: Any, layer: Any, seen: list[str]) -> Any:
    """Return a layer without what hides how far it looks; notes in ``seen`` what is global."""
    kind = type(layer).__name__
    config = layer.get_config()
    layers = library.layers
    if kind in _GLOBAL or (kind in _BY_PIXEL and _over_space(layer)):
        seen.append(kind)
        return _neutral(library, layer, kind)
    if kind in _IDENTITY or kind in _BY_PIXEL:
        return _passing(library, layer.name)
    if kind == "MaxPooling2D":
        keys = ("name", "pool_size", "strides", "padding", "data_format")
        return layers.AveragePooling2D(**{key: config[key] for key in keys})
    if "activation" in config:
        config["activation"] = "linear"
    return type(layer).from_config(config)


def _passing(library: Any, name: str) -> Any:
    """Return a layer that passes its input on, whatever else it is called with."""

    class Passing(library.layers.Layer):  # type: ignore[misc]
        """Keras calls a batch normalisation with a mask, for one."""

        def call(self, inputs: Any, *_: Any, **__: Any) -> Any:
            return inputs

    return Passing(name=name)


def _over_space(layer: Any) -> bool:
    axis = getattr(layer, "axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis)
    return any(each not in (-1, 3) for each in axes)


def _neutral(library: Any, layer: Any, kind: str) -> Any:
    """Return a layer of the same output shape that is 1 everywhere, or passes its input on."""
    if not kind.startswith("Global"):
        return _passing(library, layer.name)
    pool = type(layer)

    class Ones(pool):  # type: ignore[misc, valid-type]
        """A global pooling whose answer does not depend on the input."""

        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 0 + 1

    return Ones.from_config(layer.get_config())


def _positive(rng: np.random.Generator, layer: Any, variable: Any) -> Any:
    """Return weights of the same shape: no bias, and positive kernels.

    They average over channels, so that no path drowns another however wide it is; over the
    pixels of a kernel they are midway between sum and average, so that neither the middle of
    what a deep network sees overflows nor its rim underflows.
    """
    shape = tuple(variable.shape)
    if len(shape) < 2:
        return np.zeros(shape, np.float32)
    kind = type(layer).__name__
    if "depthwise" in variable.name or kind.startswith("Depthwise"):
        summed: tuple[int, ...] = (0, 1)
    elif kind.endswith("Transpose"):
        summed = (0, 1, 3)
    else:
        summed = tuple(range(len(shape) - 1))
    kernel = rng.uniform(0.5, 1.5, shape)
    spread = np.sqrt(np.prod(shape[:2])) if len(shape) == 4 else 1.0
    return (spread * kernel / kernel.sum(axis=summed, keepdims=True)).astype(np.float32)
