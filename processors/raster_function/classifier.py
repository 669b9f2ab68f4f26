"""A classifier made of a raster function."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...catalog.errors import ItemError, ModelError
from ..batch import ClassBatch, Place, WindowBatch
from ..classifier import Blending
from ..scaling import Scaling
from .configuration import Configuration
from .function import RasterFunction
from .lookup import Lookup
from .output_info import Classes, output_type
from .process import FunctionError
from .raster_info import block_props, top_left


class FunctionClassifier:
    """Classifies blocks one at a time by asking a raster function."""

    gives_confidence = False
    extras = ()
    at_once = 1

    def __init__(
        self,
        function: RasterFunction,
        configuration: Configuration,
        *,
        classes: Classes,
        bands: int,
        scaling: Scaling,
    ) -> None:
        """Take a function that was started and configured.

        Args:
            function: The function.
            configuration: How it wants its pixels.
            classes: What it tells apart.
            bands: How many it takes; 0 for all of an image.
            scaling: From pixel values to what it wants.
        """
        self.classes = classes
        self.bands = bands
        self.tiling = configuration.tiling
        self._function = function
        self._scaling = scaling
        self._lookup = Lookup([each.value for each in classes])
        self._wants_mask = configuration.wants_mask
        self._size = (configuration.height, configuration.width)
        padding = configuration.padding
        self._inner = tuple(slice(padding, padding + length) for length in self._size)
        self._image: tuple[object, ...] | None = None
        """Which image the function was told of last."""
        self._failure: str | None = None
        """Why the rest of that image is not classified."""
        self._output_type = ""

    @property
    def blending(self) -> Blending | None:
        """Nothing: classes cannot be averaged."""
        return None

    def batch_of(self, height: int, width: int) -> int:
        """Return 1: a function is asked about one block at a time."""
        return 1

    def classify(self, batch: WindowBatch) -> ClassBatch:
        """Classify a block; see :class:`Classifier`.

        Once an image has failed the function is not asked about the rest of it.
        """
        place = batch.places[0]
        image = _image_of(place)
        if image == self._image and self._failure is not None:
            raise ItemError(self._failure)
        try:
            pixels, valid = self._pixels(batch), batch.valid[0]
            if self._function.restart() or image != self._image:
                self._begin(place, image, pixels)
            return self._classes(self._ask(place, pixels, valid), valid)
        except (FunctionError, ItemError, ModelError) as error:
            self._image, self._failure = image, str(error)
            raise ItemError(self._failure) from error

    def remarks(self) -> tuple[str, ...]:
        """Return nothing: what a function says is shown at once."""
        return ()

    def rechecking(self) -> "FunctionClassifier":
        """Return itself: the function says what its blocks are."""
        return self

    def close(self) -> None:
        """End the process; another thread that waits for ``classify`` gets an error."""
        self._function.close()

    def _begin(self, place: Place, image: tuple[object, ...], pixels: NDArray[Any]) -> None:
        """Tell the function that blocks of another image follow."""
        said = self._function.tell(place, len(pixels), str(pixels.dtype))
        self._output_type = output_type(said.get("pixelType"))
        self._image, self._failure = image, None

    def _pixels(self, batch: WindowBatch) -> NDArray[Any]:
        """Return the pixels as (bands, height, width), rescaled where that is wanted."""
        pixels = np.ascontiguousarray(np.moveaxis(batch.pixels[0], -1, 0))
        if self._scaling.data_range is None:
            return pixels
        factors = self._scaling.factors(len(pixels), str(pixels.dtype))
        scaled: NDArray[Any] = pixels.astype(np.float32)
        if factors is not None:
            factor, summand = (each[:, np.newaxis, np.newaxis] for each in factors)
            scaled = scaled * factor + summand
        return np.where(batch.valid[0], scaled, np.float32(0))

    def _ask(
        self, place: Place, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[Any]]:
        mask = np.broadcast_to(valid.astype(np.uint8), pixels.shape) if self._wants_mask else None
        facts = {
            "tlc": top_left(place, self.tiling.padding),
            "shape": (1, *self._size),
            "props": block_props(place, self._output_type),
        }
        return self._function.pixels(facts, pixels, mask, largest=64 * pixels[0].size)

    def _classes(self, answer: Mapping[str, NDArray[Any]], valid: NDArray[np.bool_]) -> ClassBatch:
        known = np.zeros(valid.shape, np.bool_)
        known[self._inner] = valid[self._inner]
        if "output_mask" in answer:
            known[self._inner] &= self._plane("output_mask", answer) != 0
        classes = np.zeros(valid.shape, np.uint16)
        values = self._plane("output_pixels", answer)
        classes[self._inner] = self._lookup.positions(values, known[self._inner])
        return ClassBatch(
            classes=classes[np.newaxis],
            confidence=np.ones((1, *valid.shape), np.float32),
            valid=known[np.newaxis],
        )

    def _plane(self, name: str, answer: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return an array of the answer as (height, width).

        Raises:
            ItemError: It has another shape.
        """
        array = answer[name]
        if array.shape not in (self._size, (1, *self._size)):
            height, width = self._size
            shape = " x ".join(map(str, array.shape))
            raise ItemError(
                f"the raster function gave {name} of shape {shape} for a block of"
                f" {height} x {width} pixels"
            )
        return array.reshape(self._size)


def _image_of(place: Place) -> tuple[object, ...]:
    size = (place.height, place.width, place.bands, place.dtype)
    return place.item_id, *size, place.transform, place.crs
