"""Networks to time: a small U-Net, and one that is almost free to compute."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pixelcat.processors.tensorflow_setup import tensorflow

CLASSES = 6


def unet(width: int) -> Any:
    """Return a U-Net with three poolings and ``width`` channels at full size."""
    import keras
    from keras import layers

    def block(values: Any, channels: int) -> Any:
        for _ in range(2):
            values = layers.Conv2D(channels, 3, padding="same", activation="relu")(values)
        return values

    inputs = layers.Input((None, None, 3))
    values, skipped = inputs, []
    for level in range(3):
        values = block(values, width << level)
        skipped.append(values)
        values = layers.MaxPooling2D()(values)
    values = block(values, width << 3)
    for level in reversed(range(3)):
        values = layers.Conv2DTranspose(width << level, 2, strides=2)(values)
        values = block(layers.Concatenate()([values, skipped[level]]), width << level)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(values))


def pointwise() -> Any:
    """Return a network of 1 x 1 convolutions."""
    import keras
    from keras import layers

    values = inputs = layers.Input((None, None, 3))
    for _ in range(2):
        values = layers.Conv2D(32, 1, activation="relu")(values)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(values))


NETWORKS: dict[str, Callable[[], Any]] = {
    "unet8": lambda: unet(8),
    "pointwise": pointwise,
}


def save(name: str, path: Path) -> None:
    """Save a network with the same weights every time."""
    tensorflow()
    import keras

    keras.utils.set_random_seed(0)
    NETWORKS[name]().save(path)
