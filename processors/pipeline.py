"""Running one stage of a pipeline in a thread of its own."""

import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_POLL_S = 0.1


class _Failed:
    """Carries an exception from the thread to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


_END = object()


def in_background(items: Iterator[T], depth: int) -> Iterator[T]:
    """Yield from an iterator that a thread runs ahead of the consumer.

    Args:
        items: What to run; an exception of it is raised here.
        depth: How many items may wait for the consumer: the bound on memory.
    """
    queue: Queue[object] = Queue(maxsize=depth)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_POLL_S)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as error:  # handed to the consumer, whatever it is
            put(_Failed(error))
        else:
            put(_END)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not _END:
            if isinstance(item, _Failed):
                raise item.error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
