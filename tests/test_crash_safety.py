"""A run that is killed, or that the disk refuses, at any of its steps; and the run after it.

By default every third step; all of them with ``PIXELCAT_EVERY_STEP=1``, which takes two minutes.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import breaking
import numpy as np
import pytest
from breaking import Fault
from PIL import Image

Function = Callable[..., Any]
APART = 3
"""Steps between those that are tried."""
OFFSETS = range(APART) if os.environ.get("PIXELCAT_EVERY_STEP") else (1,)
DISK = 74


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 37, 3), np.uint8))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos, one of them cut off and two of them alike, and a model."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "photos").mkdir()
    for number in range(4):
        noise(number % 3).save(folder / "photos" / f"{number}.png")
    whole = (folder / "photos" / "0.png").read_bytes()
    (folder / "photos" / "cut.png").write_bytes(whole[: len(whole) // 2])
    return folder / "photos", breaking.make_model(folder)


@pytest.fixture(scope="module")
def run(inputs: tuple[Path, Path]) -> Iterator[Function]:
    """Return a function that runs with a fault; it gives exit code and steps."""
    with breaking.Breaker() as breaker:
        yield partial(breaker.run, photos=inputs[0], model=inputs[1])


@pytest.fixture(scope="module")
def undisturbed(run: Function, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, int]:
    """What a run leaves that nothing happens to, and its number of steps."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, steps = run(folder)
    assert code == 3
    left = breaking.state(folder / "out.gpkg")
    assert [(name, status) for name, status, *_ in left[0]] == [
        *((f"{number}.png", "done") for number in range(4)), ("cut.png", "failed"),
    ]  # fmt: skip
    return left, steps


def test_steps_are_found(undisturbed: tuple[Any, int]) -> None:
    """Each of four class maps is made, published and recorded: a hook that sees less is broken."""
    assert undisturbed[1] > 40


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_run_killed_at_a_step_is_whole_after_the_next(
    run: Function, undisturbed: tuple[Any, int], tmp_path: Path, offset: int
) -> None:
    expected, steps = undisturbed
    for at in range(1 + offset, steps + 1, APART):
        folder = tmp_path / str(at)
        folder.mkdir()
        code, _ = run(folder, Fault(at))
        assert code == -9, at
        assert breaking.problems(folder / "out.gpkg") == [], at
        assert len(breaking.unlisted(folder)) <= 1, at
        code, _ = run(folder)
        assert (code, at) == (3, at)
        assert breaking.problems(folder / "out.gpkg") == [], at
        assert breaking.state(folder / "out.gpkg") == expected, at
        shutil.rmtree(folder)


def test_a_catalog_whose_run_was_killed_is_a_valid_geopackage(
    run: Function,
    undisturbed: tuple[Any, int],
    tmp_path: Path,
    gpkg_errors: Callable[[Path], list[str]],
) -> None:
    for at in (undisturbed[1] // 2, undisturbed[1] - 2):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert run(folder, Fault(at))[0] == -9
        assert gpkg_errors(folder / "out.gpkg") == [], at
        assert run(folder)[0] == 3
        assert gpkg_errors(folder / "out.gpkg") == [], at


@pytest.mark.parametrize("offset", OFFSETS)
def test_a_run_over_changed_photos_is_killed_and_lists_nothing_that_is_not_there(
    run: Function, inputs: tuple[Path, Path], tmp_path: Path, offset: int
) -> None:
    """Class maps of changed photos replace those that are listed."""
    photos = tmp_path / "photos"
    shutil.copytree(inputs[0], photos)
    before = tmp_path / "before"
    before.mkdir()
    assert run(before, photos=photos)[0] == 3
    for seed, name in ((7, "0.png"), (8, "2.png"), (7, "cut.png")):
        noise(seed).save(photos / name)

    def changed(name: str) -> Path:
        return Path(shutil.copytree(before, tmp_path / name))

    code, steps = run(changed("whole"), photos=photos)
    assert code == 0
    expected = breaking.state(tmp_path / "whole" / "out.gpkg")
    for at in range(1 + offset, steps + 1, APART):
        folder = changed(str(at))
        assert run(folder, Fault(at), photos=photos)[0] == -9, at
        assert breaking.problems(folder / "out.gpkg") == [], at
        assert (run(folder, photos=photos)[0], at) == (0, at)
        assert breaking.state(folder / "out.gpkg") == expected, at
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["once", "sticky"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_full_disk_at_a_step_is_said_and_the_next_run_goes_on(
    run: Function, undisturbed: tuple[Any, int], tmp_path: Path, kind: str, offset: int
) -> None:
    expected, steps = undisturbed
    for at in range(1 + offset, steps + 1, APART):
        folder = tmp_path / str(at)
        folder.mkdir()
        code, taken = run(folder, Fault(at, kind))
        if taken >= at:
            assert code in ((DISK, 3) if kind == "once" else (DISK,)), at
        assert breaking.problems(folder / "out.gpkg") == [], at
        code, _ = run(folder)
        assert (code, at) == (3, at)
        assert breaking.state(folder / "out.gpkg") == expected, at
        shutil.rmtree(folder)


def test_a_second_run_takes_no_step_that_changes_anything(run: Function, tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, _ = run(tmp_path)
    assert code == 3
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_second_run_at_the_same_time_says_who_holds_the_catalog(
    run: Function, tmp_path: Path
) -> None:
    run(tmp_path)
    assert run(tmp_path, is_busy=True)[0] == 75


def test_outputs_that_were_lost_or_damaged_are_made_anew(
    run: Function, undisturbed: tuple[Any, int], tmp_path: Path
) -> None:
    run(tmp_path)
    catalog = tmp_path / "out.gpkg"
    rasters = sorted(tmp_path.rglob("*.tif"))
    rasters[0].unlink()
    with sqlite3.connect(catalog) as connection:
        assert connection.execute("SELECT count(*) FROM outputs").fetchone() == (5,)
    connection.close()
    code, _ = run(tmp_path)
    assert code == 3
    assert breaking.problems(catalog) == []
    assert breaking.state(catalog) == undisturbed[0]
