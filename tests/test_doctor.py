"""What doctor says of libraries and machine, and that every problem says what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.io import libraries
from pixelcat.processors import doctor, machine

QUICK = 'print(\'{"version": "0", "keras": "0", "gpus": [], "sqlite": null}\')'
"""In the place of asking TensorFlow, where that is not what a test is about."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_TENSORFLOW", QUICK)
    for name in doctor._FOREIGN:
        monkeypatch.delenv(name, raising=False)


def facts(folder: Path) -> dict[tuple[str, str], doctor.Fact]:
    return {(fact.about, fact.name): fact for fact in doctor.doctor(folder)}


def test_every_bundled_library_is_listed_as_it_says_itself(tmp_path: Path) -> None:
    import pyogrio
    import rasterio
    import tensorflow

    found = facts(tmp_path)
    assert f"GDAL {rasterio.__gdal_version__}" in found["library", "rasterio"].value
    assert f"GDAL {pyogrio.__gdal_version_string__}" in found["library", "pyogrio"].value
    assert found["library", "TensorFlow"].value.startswith(tensorflow.__version__)
    for name in ("Python", "rasterio", "fiona", "pyogrio", "pyproj", "TensorFlow"):
        assert "SQLite 3." in found["library", name].value, name
    assert ("processor", "GPU") in found
    assert {name for about, name in found if about == "extra"} == set(doctor.EXTRAS)
    assert not [fact for fact in found.values() if fact.about in ("library", "driver") and
                fact.problem]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ("3.6.23", False), ("3.7.0", True), ("3.40.1", True), ("3.44.5", True), ("3.44.6", False),
        ("3.45.0", True), ("3.50.4", True), ("3.50.7", False), ("3.51.2", True), ("3.51.3", False),
        ("3.53.1", False),
    ],
)  # fmt: skip
def test_which_sqlite_has_the_wal_reset_bug(version: str, has_it: bool) -> None:
    assert libraries.has_wal_reset_bug(version) is has_it


@pytest.mark.usefixtures("quick")
def test_foreign_variables_are_told_with_what_they_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not any(about == "environment" for about, _ in facts(tmp_path))
    for name in doctor._FOREIGN:
        monkeypatch.setenv(name, str(tmp_path))
    found = facts(tmp_path)
    for name in doctor._FOREIGN:
        assert f"unset it: env -u {name}" in found["environment", name].problem


def test_a_foreign_proj_database_is_found_by_trying(tmp_path: Path) -> None:
    code = (
        "from pixelcat.io import libraries; libraries.bundles();"
        " print([name for name, _ in libraries.broken_reference_systems()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PROJ_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rasterio" in done.stdout
    assert "fiona" in done.stdout


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("import os; os.kill(os.getpid(), 4)", "ended by signal 4"),
        ("raise ImportError('no such symbol')", "ImportError: no such symbol; install it again"),
        ("import time; time.sleep(60)", "did not start in"),
    ],
)
def test_a_tensorflow_that_does_not_start_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, problem: str
) -> None:
    monkeypatch.setattr(doctor, "_TENSORFLOW", program)
    if "sleep" in program:
        monkeypatch.setattr(doctor, "_TENSORFLOW_S", 0.5)
    assert problem in facts(tmp_path)["library", "TensorFlow"].problem


@pytest.mark.usefixtures("quick")
def test_what_is_scarce_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "open_files", lambda: 64)
    monkeypatch.setattr(machine, "memory", lambda: (8 << 30, 1 << 30))
    monkeypatch.setattr(machine, "free_bytes", lambda _: 1 << 20)
    monkeypatch.setattr(machine, "file_system", lambda _: "nfs4")
    found = facts(tmp_path)
    assert "ulimit -n" in found["limit", "open files"].problem
    assert "--max-memory" in found["memory", "available"].problem
    assert "make room" in found["disk", str(tmp_path)].problem
    assert "local disk" in found["disk", "file system"].problem


@pytest.mark.usefixtures("quick")
def test_the_command_leaves_nothing_and_says_by_its_code_whether_all_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda _: 1 << 40)
    monkeypatch.setattr(machine, "memory", lambda: (8 << 30, None))
    answer = CliRunner().invoke(cli, ["doctor", str(tmp_path), "--format", "json"])
    assert answer.exit_code == 0
    rows = json.loads(answer.stdout)
    assert {"about", "name", "value", "problem"} == set(rows[0])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("PROJ_DATA", str(tmp_path))
    answer = CliRunner().invoke(cli, ["doctor", str(tmp_path)])
    assert answer.exit_code == 3
    assert answer.stderr.startswith("PROJ_DATA: rasterio and fiona look there")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        doctor.doctor(tmp_path / "nowhere")
