"""A run that is killed, or that the disk refuses, at any of its steps; and the run after it.

By default every third step; all of them with ``PIXELCAT_EVERY_STEP=1``, which takes two minutes.
"""

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HARNESS = Path(__file__).with_name("breaking.py")
spec = importlib.util.spec_from_file_location("breaking", HARNESS)
assert spec is not None
assert spec.loader is not None
breaking = importlib.util.module_from_spec(spec)
sys.modules["breaking"] = breaking  # dataclasses look it up
spec.loader.exec_module(breaking)
Fault = breaking.Fault
NOTHING = Fault()

Function = Callable[..., Any]
APART = 3
"""Steps between those that are tried."""
OFFSETS = range(APART) if os.environ.get("PIXELCAT_EVERY_STEP") else (1,)
DISK = 74
CLASSES = [{"Value": value, "Name": f"c{value}", "Color": [value, 0, 9]} for value in (1, 2, 9)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos, one of them cut off and two of them alike, and a model."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "photos").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number % 3).integers(0, 256, (40, 37, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "photos" / f"{number}.png")
    whole = (folder / "photos" / "0.png").read_bytes()
    (folder / "photos" / "cut.png").write_bytes(whole[: len(whole) // 2])
    source = Path(__file__).with_name("raster_functions") / "Neighbours.py"
    shutil.copy(source, folder / "Neighbours.py")
    (folder / "weights.bin").write_bytes(b"no network")
    emd = {
        "Framework": "Templates", "ModelType": "ImageClassification", "Classes": CLASSES,
        "ModelFile": "weights.bin", "InferenceFunction": "Neighbours.py",
        "ImageHeight": 32, "ImageWidth": 32, "ExtractBands": [0, 1, 2],
    }  # fmt: skip
    (folder / "model.emd").write_text(json.dumps(emd))
    return folder / "photos", folder / "model.emd"


@pytest.fixture(scope="module")
def run(inputs: tuple[Path, Path]) -> Iterator[Function]:
    """Return a function that runs with a fault; it gives exit code and steps."""
    command = [sys.executable, str(HARNESS), *map(str, inputs)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:

        def ask(folder: Path, fault: Any = NOTHING, *, is_busy: bool = False) -> tuple[int, int]:
            asked = {"folder": str(folder), "at": fault.at, "kind": fault.kind, "is_busy": is_busy}
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            code, steps = json.loads(process.stdout.readline())
            return code, steps

        yield ask
        process.kill()


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
        code, _ = run(folder)
        assert (code, at) == (3, at)
        assert breaking.problems(folder / "out.gpkg") == [], at
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
