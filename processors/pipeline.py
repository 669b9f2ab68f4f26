"""Running one stage of a pipeline in a thread of its own."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Failed:
    """Carries an exception from the thread to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """Follows the last item."""


def in_background(
    items: Iterator[T],
    room: int,
    *,
    size: Callable[[T], int] = lambda _: 1,
    stop: Callable[[], None] | None = None,
) -> Generator[T, None, None]:
    """Yield from an iterator that a thread runs ahead of the consumer.

    The thread ends when the consumer does, however the consumer ends.

    Args:
        items: What to run; an exception of it is raised here.
        room: The bound on memory: what waits for the consumer is no larger than this in all,
            or it is a single item.
        size: Of an item, in the unit of ``room``.
        stop: Called where the consumer ends before the items do, to free the thread of what
            it waits for.
    """
    stage = _Stage(items, room, size)
    stage.start()
    try:
        while not isinstance(item := stage.take(), _End):
            if isinstance(item, _Failed):
                raise item.error
            yield item
    except BaseException:
        stage.leave()
        if stop is not None:
            stop()
        raise
    finally:
        stage.leave()
        stage.join()


class _Stage(threading.Thread, Generic[T]):
    """The thread of one stage."""

    def __init__(self, items: Iterator[T], room: int, size: Callable[[T], int]) -> None:
        super().__init__(daemon=True)
        self._items = items
        self._room = room
        self._size = size
        self._waiting: deque[tuple[T | _Failed | _End, int]] = deque()
        self._used = 0
        self._changed = threading.Condition()
        self._is_left = False

    def run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item, self._size(item)):
                    return
            self._put(_End(), 0)
        except BaseException as error:  # noqa: BLE001  handed to the consumer, whatever it is
            self._put(_Failed(error), 0)
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()

    def take(self) -> T | _Failed | _End:
        """Wait for an item."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            item, size = self._waiting.popleft()
            self._used -= size
            self._changed.notify_all()
        return item

    def leave(self) -> None:
        """Say that nobody takes items any more."""
        with self._changed:
            self._is_left = True
            self._changed.notify_all()

    def _put(self, item: T | _Failed | _End, size: int) -> bool:
        """Wait for room; False once nobody takes items any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_left or self._has_room(size))
            if self._is_left:
                return False
            self._waiting.append((item, size))
            self._used += size
            self._changed.notify_all()
        return True

    def _has_room(self, size: int) -> bool:
        return not self._waiting or self._used + size <= self._room
