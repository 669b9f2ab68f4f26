"""What cannot be shown stops nothing; results that cannot be printed are said, with exit code 74."""

import os
import pty
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

Function = Callable[..., object]
FULL = "standard output takes nothing more: No space left on device"
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def pixelcat(*words: object, streams: str = "") -> tuple[int, str, str]:
    """Run the program from a shell, which opens and closes streams; returns what it gave."""
    command = shlex.join([sys.executable, "-m", "pixelcat", *map(str, words)])
    done = subprocess.run(
        f"{command} {streams}", shell=True, capture_output=True, text=True, check=False
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def catalog(class_catalog: Function, tmp_path: Path) -> Path:
    there = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    class_catalog([("a.tif", np.full((9, 9), 1, np.uint8), there, "EPSG:32631")])
    return tmp_path / "results.gpkg"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def net(keras_net: Function, tmp_path: Path) -> Path:
    path = tmp_path / "net.keras"
    keras_net(poolings=1).save(path)  # type: ignore[attr-defined]
    return path


def recorded(catalog: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(catalog)) as database:
        return database.execute(
            "SELECT r.status, count(*) FROM runs r JOIN outputs o ON o.run_id = r.id"
            " WHERE o.status = 'done' GROUP BY r.id"
        ).fetchall()


@needs_full
def test_results_that_a_full_disk_does_not_take_are_one_line(catalog: Path) -> None:
    for words in (["sql", catalog, "runs"], ["status", catalog], ["--help"]):
        code, _, said = pixelcat(*words, streams="> /dev/full")
        assert (code, said.count("\n")) == (74, 1), said
        assert FULL in said


def test_results_without_standard_output_are_one_line(catalog: Path) -> None:
    for words in (["status", catalog, "--format", "json"], ["--version"]):
        code, _, said = pixelcat(*words, streams=">&-")
        assert (code, said.count("\n")) == (74, 1), said
        assert "standard output is closed" in said
    assert pixelcat("sql", catalog, "runs", "-o", catalog.parent / "a.csv", streams=">&-")[0] == 0


def unread(*words: object, reader: str = "true") -> list[str]:
    """Run the program for a reader that leaves; return the lines of standard error, then the code."""
    command = shlex.join([sys.executable, "-m", "pixelcat", *map(str, words)])
    line = f"{{ {command}; echo $? >&2; }} | {reader}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


def test_a_reader_that_wants_no_more_is_no_error(catalog: Path) -> None:
    for words in (["status", catalog], ["--help"]):
        assert unread(*words) == ["0"]


def test_an_answer_that_nobody_reads_ends(catalog: Path) -> None:
    forever = "with n(i) as (select 1 union all select i + 1 from n) select i from n"
    words = ["sql", catalog, forever, "--format", "csv", "--timeout", 1000]
    assert unread(*words, reader="head -1") == ["0"]


def test_a_command_keeps_its_exit_code_where_nobody_reads(
    catalog: Path, net: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ["classify", folder, "-m", net, "-o", tmp_path / "r.gpkg", "--workers", 0]
    failed, code = unread(*words)
    assert (failed.split(":")[0], code) == ("failed", "3")
    for raster in tmp_path.glob("results*/**/*.tif"):
        raster.unlink()
    assert unread("check", catalog)[-1] == "3"


def test_a_statement_from_a_closed_stream_is_empty(catalog: Path) -> None:
    code, _, said = pixelcat("sql", catalog, "-", streams="<&-")
    assert (code, said.count("\n")) == (2, 1)
    assert "is empty" in said


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_needs_no_streams(photos: Path, net: Path, tmp_path: Path, workers: int) -> None:
    words = ["classify", photos, "-m", net, "-o", tmp_path / "r.gpkg", "--workers", workers]
    code, shown, _ = pixelcat(*words, streams="2>&- <&-")
    assert (code, "classified_footprints" in shown) == (0, True)
    assert recorded(tmp_path / "r.gpkg") == [("finished", 60)]
    code, _, said = pixelcat(*words, "--force", streams=">&-")
    assert (code, said.count("\n")) == (74, 1), said
    assert recorded(tmp_path / "r.gpkg") == [("finished", 60), ("finished", 60)]


def test_a_run_outlives_its_terminal(photos: Path, net: Path, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = ["classify", photos, "-m", net, "-o", tmp_path / "r.gpkg"]
    command = shlex.join([sys.executable, "-m", "pixelcat", *map(str, words)])
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {command}"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while b"classifying" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(120) == 74
    assert recorded(tmp_path / "r.gpkg") == [("finished", 60)]
