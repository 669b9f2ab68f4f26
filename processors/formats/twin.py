"""A twin of a Keras network for measuring: the same reach and grid, nothing that hides them.

Real weights can hide how a network is built: units that are dead for an input, a sure
soft-max, a far weight that drowns in rounding. The twin has the same layers with positive
weights, without activations and normalisations, and with averages for maxima.
"""

from typing import Any

import numpy as np

from ..network import Twin

_IDENTITY = (
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "Dropout", "SpatialDropout2D"),
    *("GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization"),
    *("Normalization", "Rescaling", "BatchNormalization"),
)
_GLOBAL = ("GlobalAveragePooling2D", "GlobalMaxPooling2D", "GroupNormalization", "Attention")
"""Layers whose answer anywhere depends on the input everywhere."""
_BY_PIXEL = ("LayerNormalization", "UnitNormalization")
"""Normalisations over the channels of a pixel, unless told otherwise."""


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
        twin.set_weights([_positive(rng, weight) for weight in twin.get_weights()])
    except Exception:  # noqa: BLE001  a layer of its own kind: measured as it is instead
        return None
    return Twin(call=lambda pixels: twin(pixels, training=False), is_global=bool(seen))


def _plain(library: Any, layer: Any, seen: list[str]) -> Any:
    """Return a layer without what hides how far it looks; notes in ``seen`` what is global."""
    kind = type(layer).__name__
    config = layer.get_config()
    layers = library.layers
    if kind in _GLOBAL or (kind in _BY_PIXEL and _over_space(layer)):
        seen.append(kind)
        return _neutral(library, layer, kind)
    if kind in _IDENTITY or kind in _BY_PIXEL:
        return layers.Activation("linear", name=layer.name)
    if kind == "MaxPooling2D":
        keys = ("name", "pool_size", "strides", "padding", "data_format")
        return layers.AveragePooling2D(**{key: config[key] for key in keys})
    if "activation" in config:
        config["activation"] = "linear"
    return type(layer).from_config(config)


def _over_space(layer: Any) -> bool:
    axis = getattr(layer, "axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis)
    return any(each not in (-1, 3) for each in axes)


def _neutral(library: Any, layer: Any, kind: str) -> Any:
    """Return a layer of the same output shape that is 1 everywhere, or passes its input on."""
    if not kind.startswith("Global"):
        return library.layers.Activation("linear", name=layer.name)
    pool = type(layer)

    class Ones(pool):  # type: ignore[misc, valid-type]
        """A global pooling whose answer does not depend on the input."""

        def call(self, inputs: Any) -> Any:
            return super().call(inputs) * 0 + 1

    return Ones.from_config(layer.get_config())


def _positive(rng: np.random.Generator, weight: Any) -> Any:
    """Return weights of the same shape: positive kernels that keep the size of values, no bias."""
    if weight.ndim < 2:
        return np.zeros_like(weight)
    kernel = rng.uniform(0.5, 1.5, weight.shape)
    return (kernel / kernel.sum(axis=tuple(range(weight.ndim - 1)), keepdims=True)).astype(
        weight.dtype
    )
