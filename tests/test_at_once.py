import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixelcat.processors import prepare
from pixelcat.processors.at_once import in_order


@settings(deadline=None, max_examples=25)
@given(values=st.lists(st.integers(0, 3), max_size=12), at_once=st.integers(1, 4))
def test_answers_come_in_the_order_of_the_jobs(values: list[int], at_once: int) -> None:
    def job(value: int) -> int:
        time.sleep(value / 1000)
        return value

    assert list(in_order((partial(job, value) for value in values), at_once)) == values


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_so_many_jobs_run_at_the_same_time_and_no_more(at_once: int) -> None:
    running, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(at_once)

    def job() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(timeout=10)
        with lock:
            running -= 1

    list(in_order([job] * (2 * at_once), at_once))
    assert most == at_once


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_a_job_raises_comes_after_the_answers_before_it(at_once: int) -> None:
    def fail() -> int:
        raise ValueError("broken")

    answers = in_order([lambda: 1, lambda: 2, fail, lambda: 4], at_once)
    assert [next(answers), next(answers)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(answers)


def test_who_takes_no_more_answers_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    taken = 0

    def jobs() -> Iterator[Callable[[], int]]:
        nonlocal taken
        while True:
            taken += 1
            yield partial(abs, taken)

    answers = in_order(jobs(), 2)
    next(answers)
    answers.close()
    assert taken <= 4
    assert set(threading.enumerate()) <= before


def test_class_maps_are_the_same_bytes_however_many_batches_run_at_once(
    tmp_path: Path, exact_net: Callable[..., Any], prepared: Callable[..., Any],
    work: Callable[..., Any],
) -> None:  # fmt: skip
    rng = np.random.default_rng(4)
    files = [tmp_path / f"{number}.png" for number in range(1, 7)]
    for number, file in enumerate(files):
        pixels = rng.integers(0, 256, (70 + 9 * number, 95 - 7 * number, 3), np.uint8)
        Image.fromarray(pixels).save(file)
    classifier = prepared(exact_net(), tile_size=32, batch_size=3).classifier
    hashes = []
    for classifier.at_once in (1, 2, 3):
        hashes.append([output.sha256 for output, _ in work(classifier, files)])
    assert None not in hashes[0]
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_small_network_is_asked_about_two_batches_at_once(
    exact_net: Callable[..., Any], prepared: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = exact_net()
    for count, at_once in ((1, 1), (4, 2)):
        monkeypatch.setattr(prepare, "processors", lambda count=count: count)
        assert prepared(net).classifier.at_once == at_once
    assert prepared(net, tile_size=8192).classifier.at_once == 1
    assert prepared(net, precision="bfloat16").classifier.at_once == 1
