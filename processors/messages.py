"""What travels between the stages of a worker."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.records import Dataset, Item, Output, OutputStatus
from ..io.image import Window
from .batch import Place

if TYPE_CHECKING:
    from .class_map import ClassMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One image to classify."""

    item: Item
    dataset: Dataset
    raster: Path
    """Where its class raster goes."""
    raster_path: str
    """The same, relative to the folder of the catalog."""

    @property
    def key(self) -> int:
        """Number of the item in the catalog.

        Raises:
            ValueError: It is in none.
        """
        if self.item.id is None:
            raise ValueError("a task needs an item of the catalog")
        return self.item.id

    @property
    def tags(self) -> dict[str, str]:
        """What the class raster says of its origin."""
        return {
            "PIXELCAT_ITEM": str(self.item.id),
            "PIXELCAT_IMAGE": self.item.name,
            "PIXELCAT_SOURCE": f"{self.dataset.uri}|{self.dataset.layer}|{self.item.source_key}",
        }

    def failed(self, reason: str, status: OutputStatus = "failed") -> Output:
        """Return the output of an image without a class map."""
        return Output(item_id=self.key, status=status, reason=reason, item_sha256=self.item.sha256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """An image was opened; its windows follow."""

    task: Task
    class_map: "ClassMap"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """An image cannot be used, or is not what was asked for."""

    task: Task
    reason: str
    status: OutputStatus = "failed"

    @property
    def output(self) -> Output:
        """What becomes of the image."""
        return self.task.failed(self.reason, self.status)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pixels:
    """A window to be classified, or one of which no pixel gets a class."""

    task: Task
    place: Place
    core: Window
    inner: tuple[slice, slice]
    """Where the core lies in the window."""
    valid: NDArray[np.bool_]
    """Shape (height, width) of the window; False beyond the image."""
    kept: NDArray[np.bool_]
    """Shape (height, width) of the core; only these pixels get a class."""
    pixels: NDArray[Any] | None
    """Shape (height, width, bands); None where nobody needs the answer."""

    @property
    def kind(self) -> tuple[object, ...]:
        """What windows of one batch have in common; only for a window with pixels."""
        place = self.place
        dtype = str(getattr(self.pixels, "dtype", ""))
        return self.valid.shape, dtype, place.is_of_map, place.is_of_many


@dataclass(frozen=True, kw_only=True, slots=True)
class Classes:
    """The answer for the core of a window."""

    task: Task
    core: Window
    valid: NDArray[np.bool_]
    """Of the core."""
    index: NDArray[Any] | None
    confidence: NDArray[np.float32] | None
    extras: tuple[NDArray[Any], ...] = ()
    """One for each of ``Classifier.extras``, shape (height, width, bands); none without index."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """The scores of a whole window, to be blended with those of its neighbours."""

    window: Pixels
    scores: NDArray[np.float32] | None
    """Shape (height, width, classes); None where nobody needs the answer."""

    @property
    def task(self) -> Task:
        """The image."""
        return self.window.task
