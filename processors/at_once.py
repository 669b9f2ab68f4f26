"""Jobs that overlap, and answers in the order of the jobs."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(jobs: Iterable[Callable[[], T]], at_once: int) -> Iterator[T]:
    """Yield what jobs return, in their order, while later ones run in threads.

    Args:
        jobs: What to do; taken as they are started, one beyond those that run.
        at_once: How many run at a time; 1 for the thread of the caller.
    """
    if at_once == 1:
        for job in jobs:
            yield job()
        return
    pool = ThreadPoolExecutor(at_once)
    begun: deque[Future[T]] = deque()
    try:
        for job in jobs:
            begun.append(pool.submit(job))
            while len(begun) > at_once or (begun and begun[0].done()):
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
