"""The worker: references to images in, class rasters on disk and small records out.

Stages, each a generator: read windows, classify them in batches, blend their scores where
that is asked for, write class maps. Windows of many images fill one batch. A worker knows
no catalog: what it gets is a :class:`~.messages.Task`, what it gives an
:class:`~pixelcat.catalog.records.Output`.
"""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from numpy.typing import NDArray

from ..catalog.errors import ItemError, NotAskedError
from ..catalog.records import Output
from ..io.ahead import opened
from ..io.environment import Environment
from ..io.image import Image
from ..io.image_notes import ImageNotes
from ..io.limits import Limits
from ..io.part import Part
from ..io.raster_out import ClassRasterFile
from ..io.reference import Where
from ..io.resized import PhotoScale
from ..io.sources import Fetch, reader
from .answers import AskClasses, Asking, AskScores
from .at_once import in_order
from .bands import band_indexes
from .blend import blended
from .class_map import ClassMap
from .classifier import ROOM, Classifier
from .messages import Begun, Classes, Failed, Pixels, Task
from .pipeline import in_background
from .progress import Advance
from .read_window import read_window
from .windows import TileWindow

Answer = TypeVar("Answer")
Choose = Callable[[Task, Iterator[TileWindow]], Iterable[TileWindow]]
"""From the windows of an image to those that are wanted, in their order."""

_MESSAGE = 1 << 19
"""Bytes that stand for a message without pixels: it may keep an image open."""
_KINDS = 4
"""Kinds of windows that wait for their batch to be full."""
_TOO_LARGE = "does not fit into memory; give a smaller --arg batch_size or tile_size"

_TOO_WIDE = "a row of windows of it does not fit into memory; give a part of it by --extent"


class Worker:
    """Classifies images one after another."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        bands: tuple[int | str, ...] | None = None,
        scale: PhotoScale | None = None,
        environment: Environment | None = None,
        tags: dict[str, str] | None = None,
        sidecars: str = "auto",
        room: int = ROOM,
    ) -> None:
        """Set a worker up.

        Args:
            classifier: The model.
            bands: Bands to feed it, by 0-based index or name; None for the first ones.
            scale: How large photos are fed to it; None for their own size.
            environment: What of the ground is asked for, and on which grid; None for images
                as they are.
            tags: Written into every class raster.
            sidecars: What lies beside it, see :mod:`pixelcat.io.sidecars`.
            room: Bytes of windows that may wait between two stages.
        """
        self._classifier = classifier
        self._bands = bands or tuple(range(classifier.bands))
        """Empty for all of an image."""
        self._scale = scale or PhotoScale()
        self._environment = environment or Environment()
        self._tags = tags or {}
        self._sidecars = sidecars
        self._room = room
        self._settled: set[int] = set()
        """Keys of tasks that have their output: nothing more of them is read."""
        self.images = ImageNotes()
        """Told which images have something else than a transform that places them."""

    def run(
        self, tasks: Iterable[Task], advance: Advance = lambda *_: None
    ) -> Generator[Output, None, None]:
        """Classify images; yields one output per task as each is finished.

        Reading, classifying and writing overlap; the queues between them hold no more
        than a few batches, whatever the size of the images.

        Args:
            tasks: The images.
            advance: Told of each window that is in its class map.
        """
        self._settled = set()
        return self._write(self.answers(tasks), advance)

    def answers(
        self, tasks: Iterable[Task], choose: Choose | None = None
    ) -> Generator[Begun | Failed | Classes, None, None]:
        """Classify images; yields the classes of their windows and writes nothing.

        Args:
            tasks: The images.
            choose: Which windows of an image are wanted; None for all.
        """
        windows = in_background(self._read(tasks, choose), room=self._room, size=_bytes)
        return in_background(
            self._classes(windows), room=self._room, size=_bytes, stop=self._classifier.close
        )

    def _classes(
        self, windows: Iterator[Begun | Failed | Pixels]
    ) -> Iterator[Begun | Failed | Classes]:
        blending = self._classifier.blending
        if blending is None:
            return self._in_batches(windows, AskClasses(self._classifier))
        scored = self._in_batches(windows, AskScores(blending))
        return blended(scored, blending, self._classifier.tiling)

    def _read(
        self, tasks: Iterable[Task], choose: Choose | None
    ) -> Iterator[Begun | Failed | Pixels]:
        for _, group in groupby(tasks, key=lambda task: task.dataset.id):
            first = next(group)
            with reader(first.dataset) as fetch:
                where = partial(_where, fetch)
                limits = Limits.of(first.dataset)
                for task, opening in opened((first, *group), where, limits):
                    yield from self._read_task(task, opening, choose)

    def _read_task(
        self, task: Task, opening: Callable[[], Image], choose: Choose | None
    ) -> Iterator[Begun | Failed | Pixels]:
        try:
            with (
                opening() as stored,
                self._environment.of(stored, self._bands) as placed,
                self._scale.of(placed) as image,
                self._environment.part_of(image) as part,
            ):
                self.images.see(placed)
                bands = band_indexes(image, self._bands or tuple(range(image.bands)))
                yield Begun(task=task, class_map=self._class_map(task, placed, image, part))
                tiling = self._classifier.tiling
                windows = tiling.windows(image.height, image.width, within=part.window)
                for window in windows if choose is None else choose(task, windows):
                    if task.key in self._settled:
                        yield Failed(task=task, reason="settled")  # frees what waits for it
                        return
                    yield read_window(task, image, part, window, bands, tiling)
        except NotAskedError as error:
            yield Failed(task=task, reason=str(error), status="skipped")
        except ItemError as error:
            yield Failed(task=task, reason=str(error))
        except MemoryError:
            yield Failed(task=task, reason=_TOO_LARGE)

    def _class_map(self, task: Task, placed: Image, image: Image, part: Part) -> ClassMap:
        """Return the map of an image, of a photo at its own size where that is asked for."""
        resized = image is not placed and self._scale.keep_size
        return ClassMap(
            image,
            self._classifier,
            ClassRasterFile(
                path=task.raster, tags={**self._tags, **task.tags}, sidecars=self._sidecars
            ),
            part=part,
            shown_as=placed if resized else None,
            map_system=self._environment.map_system,
        )

    def _in_batches(
        self, stream: Iterator[Begun | Failed | Pixels], asking: Asking[Answer]
    ) -> Iterator[Begun | Failed | Answer]:
        """Ask about batches, several at once where the model takes that."""
        jobs = self._jobs(stream, asking)
        for messages in in_order(jobs, self._classifier.at_once):
            yield from messages

    def _jobs(
        self, stream: Iterator[Begun | Failed | Pixels], asking: Asking[Answer]
    ) -> Iterator[Callable[[], Sequence[Begun | Failed | Answer]]]:
        """Collect windows of one kind into batches, whatever image they are of."""
        waiting: dict[tuple[object, ...], deque[Pixels]] = defaultdict(deque)
        for message in stream:
            if not isinstance(message, Pixels):
                yield partial(_as_it_is, message)
            elif message.pixels is None:
                yield partial(_as_it_is, asking.empty(message))
            else:
                waiting[message.kind].append(message)
                if len(waiting[message.kind]) == self._batch_of(message):
                    yield partial(self._answers, asking, waiting.pop(message.kind))
                elif len(waiting) > _KINDS:  # many odd shapes: do not let them pile up
                    yield partial(self._answers, asking, waiting.pop(next(iter(waiting))))
        for windows in waiting.values():
            yield partial(self._answers, asking, windows)

    def _batch_of(self, window: Pixels) -> int:
        return self._classifier.batch_of(*window.valid.shape)

    def _answers(
        self, asking: Asking[Answer], windows: Iterable[Pixels]
    ) -> Sequence[Answer | Failed]:
        members = list(windows)
        try:
            return list(asking.answers(members, self._batch_of(members[0])))
        except (ItemError, MemoryError) as error:
            reason = str(error) if isinstance(error, ItemError) else _TOO_LARGE
            tasks = {id(m.task): m.task for m in members}.values()
            return [Failed(task=task, reason=reason) for task in tasks]

    def _write(
        self, stream: Iterator[Begun | Failed | Classes], advance: Advance
    ) -> Generator[Output, None, None]:
        open_maps: dict[int, tuple[ClassMap, float]] = {}
        settled = self._settled
        try:
            for message in stream:
                key = message.task.key
                if key in settled:
                    continue  # a window that was on its way when its image was settled
                if isinstance(message, Begun):
                    open_maps[key] = (message.class_map, time.monotonic())
                    continue
                output = (
                    message.output
                    if isinstance(message, Failed)
                    else self._add(open_maps, message, advance)
                )
                if output is not None:
                    settled.add(key)
                    self._abandon(open_maps, key)
                    yield output
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()
            for key in list(open_maps):
                self._abandon(open_maps, key)

    def _add(
        self, open_maps: dict[int, tuple[ClassMap, float]], message: Classes, advance: Advance
    ) -> Output | None:
        """Add a core to its map; the output once the map is complete."""
        class_map, started = open_maps[message.task.key]
        try:
            class_map.add(
                message.core, message.valid, message.index, message.confidence, message.extras
            )
        except ItemError as error:
            return message.task.failed(str(error))
        except MemoryError:
            return message.task.failed(_TOO_WIDE)
        advance(message.task.key, message.core.height * message.core.width, class_map.pixels)
        if not class_map.is_complete:
            return None
        del open_maps[message.task.key]
        return class_map.finish(message.task.item, message.task.raster_path, started)

    def _abandon(self, open_maps: dict[int, tuple[ClassMap, float]], key: int) -> None:
        if key in open_maps:
            open_maps.pop(key)[0].abandon()


def _as_it_is(message: Answer) -> Sequence[Answer]:
    return (message,)


def _where(fetch: Fetch, task: Task) -> Where:
    return fetch(task.item)


def _bytes(message: Begun | Failed | Pixels | Classes) -> int:
    arrays: tuple[NDArray[Any] | None, ...]
    match message:
        case Pixels():
            arrays = (message.valid, message.pixels)
        case Classes():
            arrays = (message.valid, message.index, message.confidence, *message.extras)
        case _:
            return _MESSAGE
    return sum(array.nbytes for array in arrays if array is not None)
