"""A model alone: frozen, with arg-max, on batches in memory and on the windows of pixelcat."""

from pathlib import Path
from typing import Any

import numpy as np

from pixelcat.processors.options import options_of
from pixelcat.processors.prepare import prepare
from pixelcat.processors.tensorflow_setup import frozen, tensorflow
from pixelcat.processors.trust import load_model


class Bare:
    """The windows that pixelcat would feed a model for a scene, without the scene."""

    def __init__(self, model: Path, size: int, arguments: dict[str, str]) -> None:
        """Load a model and count the windows of a scene of ``size`` x ``size`` pixels."""
        tf = tensorflow()
        import keras

        self._definition = load_model(model, "refuse")
        self._options = options_of(self._definition, arguments)
        classifier = self.load().classifier
        tiling = classifier.tiling
        batch = classifier.batch_of(tiling.height, tiling.width)
        self._batches = -(-tiling.count(size, size) // batch)
        shape = (batch, tiling.height, tiling.width, classifier.bands)
        self._pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        network = keras.models.load_model(model)

        def forward(pixels: Any) -> Any:
            return tf.cast(tf.argmax(network(tf.cast(pixels, tf.float32)), axis=-1), tf.uint8)

        self._function = frozen(forward, tf.TensorSpec(shape, tf.uint8))
        computed = self._batches * batch * tiling.height * tiling.width
        self.facts = (
            f"windows {tiling.height} x {tiling.width}, halo {tiling.padding}, batches of {batch};"
            f" pixels computed / pixels {computed / size**2:.3f}"
        )

    def load(self) -> Any:
        """Do what a run does to have the model ready."""
        return prepare(self._definition, self._options)

    def run(self) -> None:
        """Classify as many windows as the scene has."""
        tf = tensorflow()
        for _ in range(self._batches):
            self._function(tf.constant(self._pixels))[0].numpy()
