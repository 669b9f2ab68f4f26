"""A model alone: frozen, with arg-max, on batches in memory and on the windows of pixelcat."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixelcat.processors.options import options_of
from pixelcat.processors.prepare import prepare
from pixelcat.processors.tensorflow_setup import frozen, reduced, tensorflow
from pixelcat.processors.trust import load_model


class Bare:
    """The windows that pixelcat would feed a model for some images, without the images."""

    def __init__(
        self, model: Path, sizes: Sequence[tuple[int, int]], arguments: dict[str, str]
    ) -> None:
        """Load a model and count the windows of images of these heights and widths."""
        tf = tensorflow()
        import keras

        self._definition = load_model(model, "refuse")
        self._options = options_of(self._definition, arguments)
        classifier = self.load().classifier
        network = keras.models.load_model(model)
        windows = Counter(
            (area.window.height, area.window.width)
            for height, width in sizes
            for area in classifier.tiling.windows(height, width)
        )
        self._work: list[tuple[Any, Any, int]] = []
        computed, facts = 0, []
        for (height, width), count in windows.items():
            batch = classifier.batch_of(height, width)
            shape = (batch, height, width, classifier.bands)
            pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

            def forward(values: Any) -> Any:
                scores = network(tf.cast(values, tf.float32))
                return tf.cast(tf.argmax(scores, axis=-1), tf.uint8)

            batches = -(-count // batch)
            self._work.append((frozen(forward, tf.TensorSpec(shape, tf.uint8)), pixels, batches))
            computed += batches * batch * height * width
            facts.append(f"{count} windows of {height} x {width} in batches of {batch}")
        share = computed / sum(height * width for height, width in sizes)
        self.halo = classifier.tiling.padding
        halo = f"halo {self.halo}"
        self.facts = f"{', '.join(facts)}; {halo}; pixels computed / pixels {share:.3f}"

    def load(self) -> Any:
        """Do what a run does to have the model ready."""
        return prepare(self._definition, self._options)

    def run(self) -> None:
        """Classify all windows, in the precision that the arguments ask for."""
        tf = tensorflow()
        with reduced(self._options.precision):
            for function, pixels, batches in self._work:
                for _ in range(batches):
                    function(tf.constant(pixels))[0].numpy()
