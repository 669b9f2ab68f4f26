"""Networks to time: a small U-Net, and one that is almost free to compute.

Trained for seconds on the texture of the scene, as the class map of an untrained network is noise,
which no real one is, and which takes long to compress.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scenes
from numpy.typing import NDArray

from pixelcat.processors.tensorflow_setup import tensorflow

CLASSES = 6
_POOLINGS = 4
_IMAGES, _SIDE, _CELL, _EPOCHS = 32, 128, 32, 6


def unet(width: int) -> Any:
    """Return a U-Net with four poolings and ``width`` channels at full size."""
    import keras
    from keras import layers

    def block(values: Any, channels: int) -> Any:
        for _ in range(2):
            values = layers.Conv2D(channels, 3, padding="same", activation="relu")(values)
        return values

    inputs = layers.Input((None, None, 3))
    values, skipped = layers.Rescaling(1 / 255)(inputs), []
    for level in range(_POOLINGS):
        values = block(values, width << level)
        skipped.append(values)
        values = layers.MaxPooling2D()(values)
    values = block(values, width << _POOLINGS)
    for level in reversed(range(_POOLINGS)):
        values = layers.Conv2DTranspose(width << level, 2, strides=2)(values)
        values = block(layers.Concatenate()([values, skipped[level]]), width << level)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(values))


def pointwise() -> Any:
    """Return a network of 1 x 1 convolutions."""
    import keras
    from keras import layers

    inputs = layers.Input((None, None, 3))
    values = layers.Rescaling(1 / 255)(inputs)
    for _ in range(2):
        values = layers.Conv2D(32, 1, activation="relu")(values)
    return keras.Model(inputs, layers.Conv2D(CLASSES, 1, activation="softmax")(values))


NETWORKS: dict[str, Callable[[], Any]] = {
    "unet8": lambda: unet(8),
    "pointwise": pointwise,
}


def save(name: str, path: Path) -> None:
    """Save a network with much the same weights every time."""
    tensorflow()
    import keras

    keras.utils.set_random_seed(0)
    network = NETWORKS[name]()
    network.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    network.fit(*_lessons(), batch_size=4, epochs=_EPOCHS, verbose=0)
    network.save(path)


def _lessons() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images, and as classes how bright the surroundings of each pixel are."""
    random = np.random.default_rng(1)
    images = np.stack(
        [
            np.stack([scenes.texture(random, _SIDE, _SIDE) for _ in range(3)], axis=-1)
            for _ in range(_IMAGES)
        ]
    )
    cells = _SIDE // _CELL
    blocks = images.reshape(_IMAGES, cells, _CELL, cells, _CELL, 3)
    brightness = blocks.mean(axis=(2, 4, 5)).repeat(_CELL, axis=1).repeat(_CELL, axis=2)
    limits = np.quantile(brightness, np.arange(1, CLASSES) / CLASSES)
    return images, np.digitize(brightness, limits)
