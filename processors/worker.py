"""The worker: references to images in, class rasters on disk and small records out.

Three stages, each a generator: read windows, classify them in batches, write class maps.
Windows of many images fill one batch. A worker knows no catalog: what it gets is a
:class:`Task`, what it gives an :class:`~pixelcat.catalog.records.Output`.
"""

import time
from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from ..catalog.records import Dataset, Item, Output
from ..io.image import Image, Window, open_image
from ..io.sources import Fetch, reader
from .class_map import ClassMap
from .classifier import Classifier
from .compiled import ClassBatch
from .pipeline import in_background
from .windows import TileWindow

_TOO_LARGE = "does not fit into memory; give a smaller --arg batch_size or tile_size"


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One image to classify."""

    item: Item
    dataset: Dataset
    raster: Path
    """Where its class raster goes."""
    raster_path: str
    """The same, relative to the folder of the catalog."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begun:
    """An image was opened; its windows follow."""

    task: Task
    class_map: ClassMap


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failed:
    """An image cannot be used."""

    task: Task
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pixels:
    """A window to be classified, or one without any valid pixel."""

    task: Task
    core: Window
    inner: tuple[slice, slice]
    """Where the core lies in the window."""
    valid: NDArray[np.bool_]
    """Of the core."""
    pixels: NDArray[Any] | None
    """Shape (height, width, bands); None where no pixel of the core is valid."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Classes:
    """The answer for the core of a window."""

    task: Task
    core: Window
    valid: NDArray[np.bool_]
    index: NDArray[Any] | None
    confidence: NDArray[np.float32] | None


class Worker:
    """Classifies images one after another."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        bands: tuple[int | str, ...] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Set a worker up.

        Args:
            classifier: The model.
            bands: Bands to feed it, by 0-based index or name; None for the first ones.
            tags: Written into every class raster.
        """
        self._classifier = classifier
        self._bands = bands or tuple(range(classifier.bands))
        self._tags = tags or {}

    def run(self, tasks: Iterable[Task]) -> Generator[Output, None, None]:
        """Classify images; yields one output per task as each is finished.

        Reading, classifying and writing overlap; the queues between them hold no more
        than a few batches, whatever the size of the images.
        """
        batch = self._classifier.batch_size
        windows = in_background(self._read(tasks), depth=2 * batch)
        classes = in_background(self._classify(windows), depth=2 * batch)
        return self._write(classes)

    def _read(self, tasks: Iterable[Task]) -> Iterator[_Begun | _Failed | _Pixels]:
        for _, group in groupby(tasks, key=lambda task: task.dataset.id):
            first = next(group)
            with reader(first.dataset) as fetch:
                for task in (first, *group):
                    yield from self._read_task(task, fetch)

    def _read_task(self, task: Task, fetch: Fetch) -> Iterator[_Begun | _Failed | _Pixels]:
        try:
            with open_image(fetch(task.item)) as image:
                bands = band_indexes(image, self._bands)
                class_map = ClassMap(
                    image, self._classifier, task.raster, {**self._tags, **_item_tags(task)}
                )
                yield _Begun(task=task, class_map=class_map)
                for window in self._classifier.tiling.windows(image.height, image.width):
                    yield _read_window(task, image, window, bands)
        except ItemError as error:
            yield _Failed(task=task, reason=str(error))
        except MemoryError:
            yield _Failed(task=task, reason=_TOO_LARGE)

    def _classify(
        self, stream: Iterator[_Begun | _Failed | _Pixels]
    ) -> Iterator[_Begun | _Failed | _Classes]:
        """Collect windows of equal shape and type into batches, whatever image they are of."""
        waiting: dict[tuple[tuple[int, ...], str], deque[_Pixels]] = defaultdict(deque)
        size = self._classifier.batch_size
        for message in stream:
            if not isinstance(message, _Pixels):
                yield message
            elif message.pixels is None:
                yield _answer(message, None, 0)
            else:
                key = (message.pixels.shape, str(message.pixels.dtype))
                waiting[key].append(message)
                if len(waiting[key]) == size:
                    yield from self._classify_batch(waiting.pop(key))
                elif len(waiting) > size:  # many odd shapes: do not let them pile up
                    yield from self._classify_batch(waiting.pop(next(iter(waiting))))
        for windows in waiting.values():
            yield from self._classify_batch(windows)

    def _classify_batch(self, windows: Iterable[_Pixels]) -> Iterator[_Classes | _Failed]:
        """Classify up to a batch; the rest of the batch is zeros, so that its shape is constant."""
        members = list(windows)
        first = members[0].pixels
        assert first is not None  # noqa: S101  such windows never get here
        try:
            batch = np.zeros((self._classifier.batch_size, *first.shape), first.dtype)
            for slot, member in enumerate(members):
                batch[slot] = member.pixels
            answer = self._classifier.classify(batch)
        except (ItemError, MemoryError) as error:
            reason = str(error) if isinstance(error, ItemError) else _TOO_LARGE
            for task in {id(m.task): m.task for m in members}.values():
                yield _Failed(task=task, reason=reason)
            return
        for slot, member in enumerate(members):
            yield _answer(member, answer, slot)

    def _write(
        self, stream: Iterator[_Begun | _Failed | _Classes]
    ) -> Generator[Output, None, None]:
        open_maps: dict[int, tuple[ClassMap, float]] = {}
        failed: set[int] = set()
        try:
            for message in stream:
                key = _key(message.task)
                if key in failed:
                    continue  # a window that was on its way when its image failed
                if isinstance(message, _Begun):
                    open_maps[key] = (message.class_map, time.monotonic())
                    continue
                output = (
                    _failed(message.task, message.reason)
                    if isinstance(message, _Failed)
                    else self._add(open_maps, message)
                )
                if output is not None:
                    if output.status == "failed":
                        failed.add(key)
                        self._abandon(open_maps, key)
                    yield output
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
            for key in list(open_maps):
                self._abandon(open_maps, key)

    def _add(
        self, open_maps: dict[int, tuple[ClassMap, float]], message: _Classes
    ) -> Output | None:
        """Add a core to its map; the output once the map is complete."""
        key = _key(message.task)
        class_map, started = open_maps[key]
        try:
            class_map.add(message.core, message.valid, message.index, message.confidence)
        except ItemError as error:
            return _failed(message.task, str(error))
        if not class_map.is_complete:
            return None
        del open_maps[key]
        return class_map.finish(message.task.item, message.task.raster_path, started)

    def _abandon(self, open_maps: dict[int, tuple[ClassMap, float]], key: int) -> None:
        if key in open_maps:
            open_maps.pop(key)[0].abandon()


def band_indexes(image: Image, bands: tuple[int | str, ...]) -> tuple[int, ...]:
    """Return the 0-based indexes of the bands that a model takes of an image.

    Args:
        image: An open image.
        bands: Indexes, or names in any case.

    Raises:
        ItemError: The image lacks one.
    """
    names = [name.lower() if name else None for name in image.band_names]
    indexes = []
    for band in bands:
        if isinstance(band, str) and band.lower() not in names:
            known = ", ".join(name for name in image.band_names if name) or "without names"
            raise ItemError(f"has no band {band}; its bands are {known}")
        index = band if isinstance(band, int) else names.index(band.lower())
        if index >= image.bands:
            raise ItemError(
                f"has {image.bands} band(s), the model takes band {index + 1};"
                " --arg bands=... says which to take, one may be repeated"
            )
        indexes.append(index)
    return tuple(indexes)


def _key(task: Task) -> int:
    if task.item.id is None:
        raise ValueError("a task needs an item of the catalog")
    return task.item.id


def _item_tags(task: Task) -> dict[str, str]:
    return {
        "PIXELCAT_ITEM": str(task.item.id),
        "PIXELCAT_IMAGE": task.item.name,
        "PIXELCAT_SOURCE": f"{task.dataset.uri}|{task.dataset.layer}|{task.item.source_key}",
    }


def _failed(task: Task, reason: str) -> Output:
    return Output(item_id=_key(task), status="failed", reason=reason, item_sha256=task.item.sha256)


def _read_window(task: Task, image: Image, window: TileWindow, bands: tuple[int, ...]) -> _Pixels:
    """Read a window, filling by reflection what lies beyond the raster."""
    area, core = window
    inside = Window(
        area.row,
        area.column,
        min(area.height, image.height - area.row),
        min(area.width, image.width - area.column),
    )
    raster = image.read(inside, bands)
    top, left = core.row - area.row, core.column - area.column
    inner = (slice(top, top + core.height), slice(left, left + core.width))
    valid = raster.valid[inner]
    pixels: NDArray[Any] | None = None
    if valid.any():
        pixels = np.empty((inside.height, inside.width, len(bands)), raster.data.dtype)
        for band, values in enumerate(raster.data):
            pixels[..., band] = values
        below, right = area.height - inside.height, area.width - inside.width
        if below or right:
            pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="reflect")
    return _Pixels(task=task, core=core, inner=inner, valid=valid, pixels=pixels)


def _answer(window: _Pixels, batch: ClassBatch | None, slot: int) -> _Classes:
    return _Classes(
        task=window.task,
        core=window.core,
        valid=window.valid,
        index=None if batch is None else batch.classes[slot][window.inner],
        confidence=None if batch is None else batch.confidence[slot][window.inner],
    )
