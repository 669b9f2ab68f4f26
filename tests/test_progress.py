"""How far a run is: what the callback is told, and what a terminal shows."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelcat import classify
from pixelcat.processors.progress import Progress

Function = Callable[..., Any]


@pytest.fixture(scope="module")
def net(keras_net: Function, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("net") / "net.keras"
    keras_net(poolings=1).save(path)
    return path


@pytest.fixture
def scene(tmp_path: Path, write_raster: Function) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 300, 400), np.uint8)
    return write_raster(tmp_path / "scene.tif", pixels)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos of 40 x 30 pixels, one of which has too few bands for the network."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    Image.new("L", (40, 30)).save(folder / "3.png")
    return folder


def pixels(states: list[Progress]) -> list[tuple[int, int]]:
    return [(state.pixels_done, state.pixels) for state in states]


def test_a_single_raster_advances_window_by_window(tmp_path: Path, net: Path, scene: Path) -> None:
    states: list[Progress] = []
    classify(
        scene, model=net, output=tmp_path / "r.gpkg", progress=states.append,
        arguments={"tile_size": 64},
    )  # fmt: skip
    assert pixels(states)[0] == (0, 120_000)
    assert pixels(states)[-1] == (120_000, 120_000)
    assert len(set(pixels(states))) > 20
    assert all(a.pixels_done <= b.pixels_done for a, b in pairwise(states))
    assert {(state.images_done, state.images) for state in states[:-1]} == {(0, 1)}
    assert (states[-1].images_done, states[-1].images) == (1, 1)


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_all_is_done_at_the_end_whatever_became_of_the_images(
    scale: float, tmp_path: Path, net: Path, photos: Path
) -> None:
    states: list[Progress] = []
    run = classify(
        photos, model=net, output=tmp_path / "r.gpkg", progress=states.append,
        arguments={"image_scale": scale},
    )  # fmt: skip
    assert (run.done, run.failed) == (3, 1)
    assert pixels(states)[0] == (0, 4 * 1200)
    last = states[-1]
    assert (last.images_done, last.images) == (4, 4)
    assert last.pixels_done == last.pixels
    assert last.pixels == round(1200 * (3 * scale**2 + 1))
    assert all(state.pixels_done <= state.pixels for state in states)


def test_after_an_interruption_only_the_rest_counts(
    tmp_path: Path, net: Path, photos: Path
) -> None:
    def stop(state: Progress) -> None:
        if state.images_done == 1:
            raise KeyboardInterrupt

    asked = {"model": net, "output": tmp_path / "r.gpkg"}
    stopped = classify(photos, progress=stop, **asked)
    states: list[Progress] = []
    rest = classify(photos, progress=states.append, **asked)
    assert (stopped.status, rest.id) == ("stopped", stopped.id)
    left = 4 - stopped.done - stopped.failed
    assert (states[0].images, states[0].pixels) == (left, 1200 * left)
    assert (states[-1].images_done, states[-1].pixels_done) == (left, 1200 * left)


def run_on_terminal(*args: object) -> tuple[int, str]:
    """Run the command with standard error on a pseudo-terminal; returns what that shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pixelcat", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "120", "TERM": "xterm"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    return process.wait(), shown.decode()


def test_a_terminal_shows_one_bar_with_pixels_speed_and_time(
    tmp_path: Path, net: Path, scene: Path
) -> None:
    code, shown = run_on_terminal(
        "classify", scene, "-m", net, "-o", tmp_path / "r.gpkg", "--arg", "tile_size=64"
    )
    assert code == 0, shown
    lines = [line for line in re.split(r"[\r\n]+", shown) if "classifying" in line]
    assert len({re.search(r"(\d+)%", line)[1] for line in lines}) > 5
    assert re.search(r"  0%  0\.0/0\.1 Mpx  0\.0 Mpx/s  0/1 images", lines[0])
    assert re.search(r"ETA \d:\d\d:\d\d", lines[len(lines) // 2])
    assert re.search(r"100%  0\.1/0\.1 Mpx  \d+\.\d Mpx/s  1/1 images", lines[-1])
    assert shown.count("\n") == 1
    plain = [re.sub(r"\x1b\[[^A-Za-z]*[A-Za-z]", "", line) for line in lines]
    assert max(map(len, plain)) <= 120


def test_elsewhere_nothing_is_shown(tmp_path: Path, net: Path, scene: Path) -> None:
    command = ["classify", scene, "-m", net, "-o", tmp_path / "r.gpkg"]
    done = subprocess.run(
        [sys.executable, "-m", "pixelcat", *map(str, command)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_verifying_has_a_bar_of_its_own(tmp_path: Path, net: Path, scene: Path) -> None:
    states: list[Progress] = []
    run = classify(
        scene, model=net, output=tmp_path / "r.gpkg", progress=states.append, verify=7,
        arguments={"tile_size": 64},
    )  # fmt: skip
    assert run.verification is not None
    shown = [state for state in states if state.work == "verifying"]
    assert states[-len(shown) :] == shown
    assert shown[0].pixels_done == 0
    assert shown[0].pixels == shown[-1].pixels == shown[-1].pixels_done > 0
    assert (shown[0].images_done, shown[-1].images_done, shown[-1].images) == (0, 1, 1)
    assert all(a.pixels_done < b.pixels_done for a, b in pairwise(shown))
    assert len(shown) == run.verification.windows + 1


def test_a_terminal_shows_how_far_verifying_is(tmp_path: Path, net: Path, scene: Path) -> None:
    code, shown = run_on_terminal(
        "classify", scene, "-m", net, "-o", tmp_path / "r.gpkg", "--verify", "5"
    )
    assert code == 0, shown
    lines = [line for line in re.split(r"[\r\n]+", shown) if "verifying" in line]
    assert re.search(r"  0%  0\.0/", lines[0])
    assert re.search(r"100%  .*  1/1 images", lines[-1])
    last = [line for line in shown.split("\n") if "classifying" in line][-1]
    assert re.search(r"100%  0\.1/0\.1 Mpx", last)
