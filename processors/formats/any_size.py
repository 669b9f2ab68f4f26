"""Making a Keras network traceable for images of any size.

Keras 3's ``UpSampling2D`` cannot be traced with unknown height and width unless it takes the
nearest pixel: it asks a symbolic size whether it is true. A layer that does the same
computation with the size at run time takes its place.
"""

from typing import Any


def traceable(library: Any, model: Any) -> Any:
    """Return the model with such layers replaced, or the model itself where there are none.

    Args:
        library: ``keras`` or ``tf_keras``, whichever the model is of.
        model: A functional or sequential model.
    """
    if library.__name__ != "keras" or not any(map(_needs_size, model._flatten_layers())):
        return model  # Keras 2 can be traced as it is
    replacement = _resize_layer(library)

    def rebuild(layer: Any) -> Any:
        if hasattr(layer, "layers"):
            return library.models.clone_model(layer, clone_function=rebuild)
        if _needs_size(layer):
            return replacement(tuple(layer.size), layer.interpolation, name=layer.name)
        return type(layer).from_config(layer.get_config())

    try:
        clone = library.models.clone_model(model, clone_function=rebuild)
        clone.set_weights(model.get_weights())
    except Exception:  # noqa: BLE001  a layer of its own kind: traced size by size instead
        return model
    return clone


def _needs_size(layer: Any) -> bool:
    return type(layer).__name__ == "UpSampling2D" and layer.interpolation != "nearest"


def _resize_layer(library: Any) -> Any:
    """Return the class of the replacement; made late, as TensorFlow is imported late."""
    import tensorflow as tf

    class Resize(library.layers.Layer):  # type: ignore[misc]
        """Enlarges images (n, height, width, channels) by whole factors."""

        def __init__(self, size: tuple[int, int], interpolation: str, **keywords: Any) -> None:
            super().__init__(**keywords)
            self.size = size
            self.interpolation = interpolation

        def call(self, inputs: Any) -> Any:
            height, width = tf.shape(inputs)[1], tf.shape(inputs)[2]
            target = (height * self.size[0], width * self.size[1])
            resized = tf.image.resize(inputs, target, method=self.interpolation)
            return tf.ensure_shape(resized, self.compute_output_shape(inputs.shape))

        def compute_output_shape(self, shape: Any) -> tuple[int | None, ...]:
            count, height, width, channels = shape
            rows, columns = self.size
            return count, height and height * rows, width and width * columns, channels

        def compute_output_spec(self, inputs: Any) -> Any:
            return library.KerasTensor(self.compute_output_shape(inputs.shape), inputs.dtype)

    return Resize
