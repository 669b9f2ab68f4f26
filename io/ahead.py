"""Images opened, and photos decoded, while the one before is in hand."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from ..catalog.errors import ItemError
from .image import Image, open_image
from .limits import Limits
from .photo import Photo
from .reference import Where

T = TypeVar("T")

_LARGEST = 50_000_000
"""Pixels of a photo up to which two of them are in memory."""


def opened(
    tasks: Iterable[T], where: Callable[[T], Where], limits: Limits
) -> Iterator[tuple[T, Callable[[], Image]]]:
    """Yield tasks, each with what gives its open image.

    Decoding takes most of the time of a photo that is fed to a model at a fraction of its size.

    Args:
        tasks: One for each image.
        where: Finds the image; called in the thread of the caller, before the task before is
            yielded.
        limits: What of the images is taken.

    Raises:
        ItemError: By what gives the image, not here: it cannot be found or opened.
    """
    waiting: deque[tuple[T, Future[Image]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for task in tasks:
                waiting.append((task, _coming(thread, where, task, limits)))
                if len(waiting) > 1:
                    task, future = waiting.popleft()
                    yield task, future.result
            while waiting:
                task, future = waiting.popleft()
                yield task, future.result
        finally:
            for _, future in waiting:
                with suppress(Exception):
                    future.result().__exit__()


def _coming(
    thread: ThreadPoolExecutor, where: Callable[[T], Where], task: T, limits: Limits
) -> Future[Image]:
    try:
        return thread.submit(_ready, where(task), limits)
    except ItemError as error:
        failed: Future[Image] = Future()
        failed.set_exception(error)
        return failed


def _ready(where: Where, limits: Limits) -> Image:
    image = open_image(where, limits)
    if isinstance(image, Photo) and image.width * image.height <= _LARGEST:
        with suppress(ItemError, MemoryError):  # whoever reads the photo gets the error
            image.decode()
    return image
