"""Breaking a run on purpose: killed, or refused by the disk, at its n-th step.

A step is what touches the disk: a file below the output folder that is opened for writing, renamed
or removed, a folder made, a transaction begun or committed. Steps are counted before they happen, and
commits after they happened as well. A run is a forked copy of a process that has imported what it
takes and started no thread; its model is a raster function without TensorFlow.

``python breaking.py`` is that process: it reads a line of JSON for each run and prints how it ended
and how many steps it took. :class:`Breaker` talks to it.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Self

_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_SQL = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass(frozen=True)
class Fault:
    """What happens at a step; nothing by default."""

    at: int = 0
    """From 1."""
    kind: str = "kill"
    """``kill``; or ``once`` and ``sticky`` for a full disk."""


class Steps:
    """Counts steps, and makes the fault happen."""

    def __init__(self, folder: Path, fault: Fault) -> None:
        self.count = 0
        self._folder = str(folder)
        self._fault = fault

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITING):
            return
        if event in _CHANGES or event == "open":
            place = str(arguments[0])
            if place.startswith(self._folder) and not place.endswith((".lock", "-journal")):
                self.step()

    def step(self) -> None:
        self.count += 1
        if self.count == self._fault.at and self._fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        is_full = self.count == self._fault.at or (
            self._fault.kind == "sticky" and self.count > self._fault.at > 0
        )
        if is_full and self._fault.kind != "kill":
            raise OSError(errno.ENOSPC, "No space left on device")

    def connection(self) -> type[sqlite3.Connection]:
        """Return a class of connections whose transactions are steps."""
        steps = self

        class Connection(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
                is_step = sql.upper().startswith(_SQL)
                if is_step:
                    _as_sqlite(steps.step)
                cursor = super().execute(sql, *arguments)
                if is_step and sql.upper().startswith("COMMIT") and steps._fault.kind == "kill":
                    steps.step()
                return cursor

        return Connection


def _as_sqlite(step: Callable[[], None]) -> None:
    try:
        step()
    except OSError as error:
        raise sqlite3.OperationalError("database or disk is full") from error


def run(call: Callable[[], Any], folder: Path, fault: Fault) -> tuple[int, int]:
    """Run something in a copy of this process.

    Returns:
        How it ended as :func:`os.waitstatus_to_exitcode` has it, and how many steps it took; 0 where
        it was killed.
    """
    told, tell = os.pipe()
    if not (child := os.fork()):
        steps = Steps(folder, fault)
        try:
            connect = sqlite3.connect
            sqlite3.connect = lambda *a, **k: connect(*a, **{"factory": steps.connection(), **k})  # type: ignore[assignment]
            sys.addaudithook(steps.audit)
            code = call() or 0
        except BaseException as error:  # noqa: BLE001  its exit code is what matters
            code = getattr(error, "exit_code", 70)
            if code == 70:
                traceback.print_exception(error, file=sys.__stderr__)
        os.write(tell, str(steps.count).encode())
        os._exit(code)
    os.close(tell)
    _, status = os.waitpid(child, 0)
    with open(told, "rb") as answer:
        return os.waitstatus_to_exitcode(status), int(answer.read() or b"0")


def make_model(folder: Path, name: str = "model", weights: bytes = b"no network") -> Path:
    """Make a model of three classes that a raster function computes, without TensorFlow."""
    folder.mkdir(exist_ok=True)
    source = Path(__file__).with_name("raster_functions") / "Neighbours.py"
    shutil.copy(source, folder / "Neighbours.py")
    (folder / "weights.bin").write_bytes(weights)
    classes = [{"Value": value, "Name": f"c{value}", "Color": [value, 0, 9]} for value in (1, 2, 9)]
    emd = {
        "Framework": "Templates", "ModelType": "ImageClassification", "Classes": classes,
        "ModelFile": "weights.bin", "InferenceFunction": "Neighbours.py",
        "ImageHeight": 32, "ImageWidth": 32, "ExtractBands": [0, 1, 2],
    }  # fmt: skip
    (folder / f"{name}.emd").write_text(json.dumps(emd))
    return folder / f"{name}.emd"


class Breaker:
    """Runs in copies of another process; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def run(
        self,
        folder: Path,
        fault: Fault = Fault(),
        *,
        photos: Path,
        model: Path,
        is_busy: bool = False,
        is_settled: bool = False,
    ) -> tuple[int, int]:
        """Classify photos into ``out.gpkg`` of a folder.

        Args:
            folder: Where a fault may happen.
            fault: What happens there.
            photos: The input.
            model: Of :func:`make_model`.
            is_busy: Another run holds the catalog.
            is_settled: Inputs are not scanned again where they look as before, however young.

        Returns:
            See :func:`run`.
        """
        asked = {
            "photos": str(photos), "model": str(model), "folder": str(folder), "at": fault.at,
            "kind": fault.kind, "is_busy": is_busy, "is_settled": is_settled,
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        code, steps = json.loads(self._process.stdout.readline())
        return code, steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.__exit__(None, None, None)


def problems(catalog: Path) -> list[str]:
    """Return what is wrong with a catalog and the class rasters that it lists."""
    if not catalog.exists():
        return []
    with closing(sqlite3.connect(catalog)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            done = connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchone()[0]
            found += ["its schema is half made"] * (done != _migrations())
    lost = sorted(lost_rasters(catalog))
    return found + [f"{name} is listed, and is not there as listed" for name in lost]


@cache
def _migrations() -> int:
    from pixelcat.catalog.schema import known

    return len(known())


def lost_rasters(catalog: Path) -> set[str]:
    """Return the class rasters that a catalog lists and that are not there with their hash."""
    return {name for name, digest in _rasters(catalog) if _sha256(catalog.parent / name) != digest}


def unlisted(folder: Path) -> set[str]:
    """Return the class rasters in a folder that no row of its catalog lists: what a kill has cost."""
    there = {str(path.relative_to(folder)) for path in folder.rglob("[!.]*.tif")}
    return there - {name for name, _ in _rasters(folder / "out.gpkg")}


def _rasters(catalog: Path) -> list[tuple[str, str]]:
    if not catalog.exists():
        return []
    with closing(sqlite3.connect(catalog)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        if "outputs" not in tables:
            return []
        return connection.execute(
            "SELECT raster_path, sha256 FROM outputs WHERE status = 'done'"
        ).fetchall()


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def state(catalog: Path) -> tuple[list[tuple[Any, ...]], dict[str, str]]:
    """Return what became of each image, and all files beside the catalog by their hash."""
    with sqlite3.connect(catalog) as connection:
        rows = connection.execute(
            "SELECT i.name, o.status, o.reason, o.sha256, o.is_current FROM outputs o"
            " JOIN items i ON i.id = o.item_id ORDER BY i.name, o.run_id"
        ).fetchall()
    connection.close()
    folder = catalog.parent
    files = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != catalog and path.suffix != ".lock"
    }
    return rows, files


def serve() -> None:
    """Run what is asked for, line by line."""
    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])
        call = partial(_busy if asked["is_busy"] else _classify, folder, asked)
        print(json.dumps(run(call, folder, Fault(asked["at"], asked["kind"]))), flush=True)


def _classify(folder: Path, asked: dict[str, Any]) -> int:
    if asked["is_settled"]:
        fingerprint._SETTLED_S = -1.0
    return classify(
        asked["photos"], model=asked["model"], output=folder / "out.gpkg", workers=0,
        model_code="run",
    ).exit_code  # fmt: skip


def _busy(folder: Path, asked: dict[str, Any]) -> int:
    with Catalog(folder / "out.gpkg"):
        return run(partial(_classify, folder, asked), folder, Fault())[0]


if __name__ == "__main__":
    from pixelcat import classify
    from pixelcat.catalog.store import Catalog
    from pixelcat.io import fingerprint
    from pixelcat.processors.workers import here  # noqa: F401  else each copy imports it

    serve()
