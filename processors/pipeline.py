"""Running one stage of a pipeline in a thread of its own."""

import threading
from collections.abc import Callable, Generator, Iterator
from queue import Full, Queue
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_S = 0.1


class _Failed:
    """Carries an exception from the thread to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """Follows the last item."""


def in_background(
    items: Iterator[T], depth: int, stop: Callable[[], None] | None = None
) -> Generator[T, None, None]:
    """Yield from an iterator that a thread runs ahead of the consumer.

    The thread ends when the consumer does, however the consumer ends.

    Args:
        items: What to run; an exception of it is raised here.
        depth: How many items may wait for the consumer: the bound on memory.
        stop: Called where the consumer ends before the items do, to free the thread of what
            it waits for.
    """
    stage = _Stage(items, depth)
    stage.start()
    try:
        while not isinstance(item := stage.queue.get(), _End):
            if isinstance(item, _Failed):
                raise item.error
            yield item
    except BaseException:
        stage.stopped.set()
        if stop is not None:
            stop()
        raise
    finally:
        stage.stopped.set()
        stage.join()


class _Stage(threading.Thread, Generic[T]):
    """The thread of one stage."""

    def __init__(self, items: Iterator[T], depth: int) -> None:
        super().__init__(daemon=True)
        self._items = items
        self.queue: Queue[T | _Failed | _End] = Queue(maxsize=depth)
        self.stopped = threading.Event()

    def run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(_End())
        except BaseException as error:  # noqa: BLE001  handed to the consumer, whatever it is
            self._put(_Failed(error))
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def _put(self, item: T | _Failed | _End) -> bool:
        """Wait for room; False once nobody takes items any more."""
        while not self.stopped.is_set():
            try:
                self.queue.put(item, timeout=_POLL_S)
            except Full:
                continue
            return True
        return False
