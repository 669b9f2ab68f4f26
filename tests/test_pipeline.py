import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelcat.processors.pipeline import in_background

DEPTH = 3


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait up to ten seconds."""
    for _ in range(1000):
        if holds():
            return True
        time.sleep(0.01)
    return False


class Source:
    """An endless count that remembers how far it got and whether it was closed."""

    def __init__(self) -> None:
        self.given = 0
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            while True:
                self.given += 1
                yield self.given
        finally:
            self.closed = True


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@settings(deadline=None, max_examples=25)
@given(items=st.lists(st.integers(), max_size=30), depth=st.integers(1, 5))
def test_items_come_in_order_and_all(items: list[int], depth: int) -> None:
    assert list(in_background(iter(items), depth)) == items


@pytest.mark.parametrize("error", [ValueError("broken"), MemoryError(), KeyboardInterrupt()])
@pytest.mark.usefixtures("no_threads_left")
def test_an_exception_reaches_the_consumer_after_what_came_before(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    seen = []
    with pytest.raises(type(error)) as caught:
        for item in in_background(items(), DEPTH):
            seen.append(item)  # noqa: PERF402  a comprehension would lose them
    assert caught.value is error
    assert seen == [1, 2]


@pytest.mark.usefixtures("no_threads_left")
def test_the_thread_runs_ahead_no_further_than_the_depth() -> None:
    source = Source()
    items = in_background(iter(source), DEPTH)
    assert next(items) == 1
    ahead = 1 + DEPTH + 1  # taken, waiting, and one in hand
    assert eventually(lambda: source.given == ahead)
    time.sleep(0.3)
    assert source.given == ahead
    items.close()


@pytest.mark.usefixtures("no_threads_left")
def test_a_consumer_that_stops_early_ends_the_thread_and_closes_the_source() -> None:
    source = Source()
    items = in_background(iter(source), DEPTH)
    assert [next(items), next(items)] == [1, 2]
    items.close()
    assert source.closed


@pytest.mark.usefixtures("no_threads_left")
def test_a_consumer_that_fails_ends_the_thread() -> None:
    source = Source()

    def consume() -> None:
        for item in in_background(iter(source), DEPTH):
            if item == 4:
                raise LookupError("consumer")

    with pytest.raises(LookupError, match="consumer"):
        consume()
    assert eventually(lambda: source.closed)


@pytest.mark.usefixtures("no_threads_left")
def test_stages_behind_each_other_all_end() -> None:
    source = Source()
    doubled = (2 * item for item in in_background(iter(source), DEPTH))
    items = in_background(doubled, DEPTH)
    assert [next(items) for _ in range(5)] == [2, 4, 6, 8, 10]
    items.close()
    assert source.closed


@pytest.mark.usefixtures("no_threads_left")
def test_an_exception_crosses_two_stages() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(in_background(in_background(items(), DEPTH), DEPTH))


def test_the_source_runs_in_another_thread() -> None:
    def names() -> Iterator[str]:
        yield threading.current_thread().name

    assert list(in_background(names(), DEPTH)) != [threading.current_thread().name]
