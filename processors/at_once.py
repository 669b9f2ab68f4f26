"""Jobs that overlap, and answers in the order of the jobs."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from .pipeline import in_background

T = TypeVar("T")


def in_order(jobs: Iterable[Callable[[], T]], at_once: int) -> Generator[T, None, None]:
    """Yield what jobs return, in their order and as soon as it is there.

    Args:
        jobs: What to do; taken as they are started, one beyond those that run: the caller waits
            for the first, the others wait in a queue, and the next for room in it.
        at_once: How many run at a time; 1 for the thread of the caller.
    """
    if at_once == 1:
        for job in jobs:
            yield job()
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        with closing(in_background(map(pool.submit, jobs), room=at_once - 1)) as begun:
            for answer in begun:
                yield answer.result()
    finally:
        pool.shutdown(cancel_futures=True)
