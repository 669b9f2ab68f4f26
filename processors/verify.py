"""Finished class rasters compared with windows that are classified anew.

A window computed with twice the halo has its seams elsewhere and sees further. Where the halo of
the run was enough, both say the same in every pixel; a pixel that differs was classified with
too little around it, put in a wrong place, or written wrongly.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog.records import Verification
from ..io.class_raster_in import read_classes
from ..io.image import Window
from .class_map import ClassMap
from .classifier import Classifier
from .messages import Begun, Classes, Failed, Task
from .progress import Progress, Show
from .verifiable import Done
from .windows import TileWindow
from .worker import Worker

_NO_CLASS = -1
"""Where the model gives scores that are not finite, which differs from every class."""
_CLOSE = 1e-4
"""Classes whose probabilities differ by less may swap by rounding: float32 sums of another
order differ in the seventh digit, in deep networks in the fifth."""

MakeWorker = Callable[[Classifier], Worker]


class Verifier:
    """Compares random windows of class rasters."""

    def __init__(self, classifier: Classifier, *, windows: int, seed: int) -> None:
        """Take the model.

        Args:
            classifier: That of the run.
            windows: How many to compare.
            seed: The same windows for the same seed.
        """
        self._classifier = classifier.rechecking()
        self._values = np.array([each.value for each in classifier.classes], np.int64)
        self._wanted = windows
        self._seed = seed
        self._counts: Counter[str] = Counter()
        self._first: tuple[int, int, int] | None = None
        """Item, row and column of the first difference."""

    def run(
        self, done: Sequence[Done], make: MakeWorker, show: Show = lambda _: None
    ) -> tuple[Verification, list[str]]:
        """Compare windows of class rasters.

        Args:
            done: The class rasters there are.
            make: Gives a worker that opens images as that of the run did.
            show: Told of each window that is compared.

        Returns:
            What was found, and why some images could not be classified again.

        Raises:
            OutputError: A class raster cannot be read.
        """
        plan = self._plan(done)

        def choose(task: Task, windows: Iterator[TileWindow]) -> Iterable[TileWindow]:
            every = list(windows)
            draw = random.Random(f"{self._seed} {task.key}")  # noqa: S311  no secret
            return sorted(draw.sample(every, min(plan[task.key], len(every))))

        worker = make(self._classifier)
        tasks = [each.task for each in done if each.task.key in plan]
        maps: dict[int, ClassMap] = {}
        failures = []
        meter = _Meter(plan, {each.task.key: self._share(each.size) for each in done}, show)
        with closing(worker.answers(tasks, choose)) as answers:
            for message in answers:
                match message:
                    case Begun():
                        maps[message.task.key] = message.class_map
                    case Failed():
                        failures.append(f"{message.task.item.name}: {message.reason}")
                        meter.give_up(message.task.key)
                    case Classes():
                        self._compare(maps[message.task.key], message)
                        meter.window(message.task.key)
        return self._found(), failures

    def _plan(self, done: Sequence[Done]) -> Counter[int]:
        """Return how many windows of which items: one each in random order, until all are given."""
        room = {each.task.key: self._classifier.tiling.count(*each.size) for each in done}
        order = random.Random(self._seed).sample(list(room), len(room))  # noqa: S311  no secret
        plan: Counter[int] = Counter()
        left = self._wanted
        while left and order:
            for key in order[:left]:
                plan[key] += 1
            left -= min(left, len(order))
            order = [key for key in order if plan[key] < room[key]]
        return plan

    def _share(self, size: tuple[int, int]) -> int:
        height, width = size
        return max(1, height * width // max(1, self._classifier.tiling.count(height, width)))

    def _compare(self, class_map: ClassMap, answer: Classes) -> None:
        core, (valid, index, confidence, *extras) = class_map.shown(
            answer.core, (answer.valid, answer.index, answer.confidence, *answer.extras)
        )
        if not core.height or not core.width:
            return  # between the pixels of a smaller class raster
        stored, nodata = read_classes(answer.task.raster, core)
        values = np.full(stored.shape, nodata, np.int64)
        if index is not None:
            found = np.where(np.isfinite(confidence), self._values.take(index), _NO_CLASS)
            values = np.where(valid, found, nodata)
        different = stored != values
        self._counts["windows"] += 1
        self._counts["pixels"] += stored.size
        if different.any():
            close = self._close(stored, extras, different)
            self._counts["close"] += int(np.count_nonzero(close))
            self._count(answer.task, core, different & ~close)

    def _close(
        self, stored: NDArray[Any], extras: Sequence[NDArray[Any]], different: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return where the class that is stored lacked next to nothing to be chosen."""
        close = np.zeros(stored.shape, np.bool_)
        for lack in extras:
            for position, value in enumerate(self._values):
                close |= different & (stored == value) & (lack[..., position] < _CLOSE)
        return close

    def _count(self, task: Task, core: Window, different: NDArray[np.bool_]) -> None:
        self._counts["differ"] += int(np.count_nonzero(different))
        if self._first is None and different.any():
            row, column = np.argwhere(different)[0]
            self._first = task.key, core.row + int(row), core.column + int(column)

    def _found(self) -> Verification:
        item, row, column = self._first or (None, None, None)
        return Verification(
            windows=self._counts["windows"],
            pixels=self._counts["pixels"],
            differ=self._counts["differ"],
            close=self._counts["close"],
            item_id=item,
            pixel_row=row,
            pixel_column=column,
        )


class _Meter:
    """Adds up the windows that are compared, each as its share of the image."""

    def __init__(self, plan: Counter[int], shares: Mapping[int, int], show: Show) -> None:
        self._left = Counter(plan)
        self._shares = shares
        self._images = len(plan)
        self._show = show
        self._pixels = self._pixels_left()
        self._tell()

    def window(self, key: int) -> None:
        """Count a window of an image."""
        self._left[key] -= 1
        self._tell()

    def give_up(self, key: int) -> None:
        """Count all windows of an image that cannot be classified again."""
        self._left[key] = 0
        self._tell()

    def _pixels_left(self) -> int:
        return sum(count * self._shares[key] for key, count in self._left.items())

    def _tell(self) -> None:
        self._show(
            Progress(
                pixels_done=self._pixels - self._pixels_left(),
                pixels=self._pixels,
                images_done=self._images - len(+self._left),
                images=self._images,
                work="verifying",
            )
        )
