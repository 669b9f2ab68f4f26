"""A run that is killed, or that the disk refuses, at any of its steps; and the run after it.

By default every third step; all of them with ``PIXELCAT_EVERY_STEP=1``, which takes two minutes.
"""

import importlib.util
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
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
def command(inputs: tuple[Path, Path]) -> Callable[[Path], Callable[[], int]]:
    from pixelcat import classify

    photos, model = inputs

    def make(folder: Path) -> Callable[[], int]:
        return lambda: (
            classify(
                photos, model=model, output=folder / "out.gpkg", workers=0, model_code="run"
            ).exit_code
        )

    return make


@pytest.fixture(scope="module")
def undisturbed(command: Function, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, int]:
    """What a run leaves that nothing happens to, and its number of steps."""
    folder = tmp_path_factory.mktemp("undisturbed")
    code, steps = breaking.run(command(folder), folder, Fault())
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
    command: Function, undisturbed: tuple[Any, int], tmp_path: Path, offset: int
) -> None:
    expected, steps = undisturbed
    for at in range(1 + offset, steps + 1, APART):
        folder = tmp_path / str(at)
        folder.mkdir()
        code, _ = breaking.run(command(folder), folder, Fault(at))
        assert code == -9, at
        assert breaking.problems(folder / "out.gpkg") == [], at
        code, _ = breaking.run(command(folder), folder, Fault())
        assert (code, at) == (3, at)
        assert breaking.problems(folder / "out.gpkg") == [], at
        assert breaking.state(folder / "out.gpkg") == expected, at
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["once", "sticky"])
@pytest.mark.parametrize("offset", OFFSETS)
def test_a_full_disk_at_a_step_is_said_and_the_next_run_goes_on(
    command: Function, undisturbed: tuple[Any, int], tmp_path: Path, kind: str, offset: int
) -> None:
    expected, steps = undisturbed
    for at in range(1 + offset, steps + 1, APART):
        folder = tmp_path / str(at)
        folder.mkdir()
        code, taken = breaking.run(command(folder), folder, Fault(at, kind))
        if taken >= at:
            assert code in ((DISK, 3) if kind == "once" else (DISK,)), at
        assert breaking.problems(folder / "out.gpkg") == [], at
        code, _ = breaking.run(command(folder), folder, Fault())
        assert (code, at) == (3, at)
        assert breaking.state(folder / "out.gpkg") == expected, at
        shutil.rmtree(folder)


def test_a_second_run_takes_no_step_that_changes_anything(
    command: Function, tmp_path: Path
) -> None:
    breaking.run(command(tmp_path), tmp_path, Fault())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, _ = breaking.run(command(tmp_path), tmp_path, Fault())
    assert code == 3
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_second_run_at_the_same_time_says_who_holds_the_catalog(
    command: Function, tmp_path: Path
) -> None:
    breaking.run(command(tmp_path), tmp_path, Fault())
    from pixelcat.catalog.store import Catalog

    def busy() -> int:
        with Catalog(tmp_path / "out.gpkg"):
            return breaking.run(command(tmp_path), tmp_path, Fault())[0]

    assert breaking.run(busy, tmp_path, Fault())[0] == 75


def test_outputs_that_were_lost_or_damaged_are_made_anew(
    command: Function, undisturbed: tuple[Any, int], tmp_path: Path
) -> None:
    breaking.run(command(tmp_path), tmp_path, Fault())
    catalog = tmp_path / "out.gpkg"
    rasters = sorted(tmp_path.rglob("*.tif"))
    rasters[0].unlink()
    with sqlite3.connect(catalog) as connection:
        assert connection.execute("SELECT count(*) FROM outputs").fetchone() == (5,)
    connection.close()
    code, _ = breaking.run(command(tmp_path), tmp_path, Fault())
    assert code == 3
    assert breaking.problems(catalog) == []
    assert breaking.state(catalog) == undisturbed[0]
