"""States that a power failure may leave, by the simulation in power_loss.py; here some of them."""

import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import power_loss
import pytest
from power_loss import Disk, Step

EVERY = 9
FILE = Step(kind="names", names={"/out/.draft": 1}, folder="/out")
WRITTEN = Step(kind="write", file=1, data=b"pixels")
SYNCED = Step(kind="sync", file=1)
NAMED = Step(kind="names", names={"/out/.draft": None, "/out/c.tif": 1}, folder="/out")
FOLDER_SYNCED = Step(kind="sync folder", folder="/out")


def found(how: str, *steps: Step) -> dict[str, bytes]:
    disk = Disk("/out")
    for step in steps:
        disk.take(step)
    return disk.found(how, random.Random(1))


def test_what_was_not_synced_may_be_lost() -> None:
    """A file that is renamed without being synced is there and empty, as ext4 and XFS leave it."""
    assert found("nothing", FILE, WRITTEN, NAMED) == {}
    assert found("names", FILE, WRITTEN, NAMED) == {"/out/c.tif": b""}
    assert found("names", FILE, WRITTEN, SYNCED, NAMED) == {"/out/c.tif": b"pixels"}
    assert found("nothing", FILE, WRITTEN, SYNCED, NAMED) == {}
    assert found("nothing", FILE, WRITTEN, SYNCED, NAMED, FOLDER_SYNCED) == {
        "/out/c.tif": b"pixels"
    }
    assert found("contents", FILE, FOLDER_SYNCED, WRITTEN, NAMED) == {"/out/.draft": b"pixels"}


def test_a_file_in_a_folder_that_was_not_synced_is_not_found() -> None:
    below = [
        Step(kind="names", names={"/out/run": 0}, folder="/out"),
        Step(kind="names", names={"/out/run/c.tif": 1}, folder="/out/run"),
        Step(kind="sync folder", folder="/out/run"),
    ]
    assert found("nothing", *below, WRITTEN, SYNCED) == {}
    assert found("nothing", *below, WRITTEN, SYNCED, FOLDER_SYNCED) == {"/out/run/c.tif": b"pixels"}


def test_blocks_are_lost_one_by_one() -> None:
    large = Step(kind="write", file=1, at=100, data=bytes([7]) * 100_000)
    (content,) = found("mixed", FILE, FOLDER_SYNCED, large).values()
    blocks = {content[start : start + 1] for start in range(4096, len(content), 4096)}
    assert blocks == {b"\0", b"\7"}


@pytest.fixture
def strace() -> None:
    tool = shutil.which("strace")
    if (
        tool is None
        or subprocess.run([tool, "-qq", "-o", "/dev/null", "true"], check=False).returncode
    ):
        pytest.skip("strace is not there, or may not look at processes")


@pytest.mark.usefixtures("strace")
def test_nothing_that_was_recorded_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    steps = power_loss.record(*power_loss.make_inputs(tmp_path), folder, tmp_path / "trace")
    assert sum(step.kind == "recorded" for step in steps) > 5
    wrong: list[Any] = []
    for step, how, contents, recorded in power_loss.states(steps, str(folder), EVERY):
        place = tmp_path / "state"
        place.mkdir()
        if said := power_loss.problems(contents, str(folder), place, recorded):
            wrong.append((step, how, said))
        shutil.rmtree(place)
    assert wrong == []
