"""Breaking a run on purpose: killed, or refused by the disk, at its n-th step.

A step is what touches the disk: a file below the output folder that is opened for writing, renamed
or removed, a folder made, a transaction begun or committed. Steps are counted before they happen, and
commits after they happened as well. A run is a forked copy of a process that has imported what it
takes and started no thread; its model is a raster function without TensorFlow.

``python breaking.py PHOTOS MODEL`` is that process: it reads a line of JSON for each run (folder, at,
kind, is_busy) and prints how it ended and how many steps it took.
"""

import errno
import hashlib
import json
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def problems(catalog: Path) -> list[str]:
    """Return what is wrong with a catalog and the class rasters that it lists."""
    if not catalog.exists():
        return []
    with sqlite3.connect(catalog) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        found += [f"foreign key: {row}" for row in connection.execute("PRAGMA foreign_key_check")]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        rows = connection.execute(
            "SELECT raster_path, sha256 FROM outputs WHERE status = 'done'"
        ).fetchall() if "outputs" in tables else []  # fmt: skip
    connection.close()
    for name, digest in rows:
        path = catalog.parent / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            found.append(f"{name} is listed, and is not there as listed")
    return found


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


def serve(photos: str, model: str) -> None:
    """Run what is asked for, line by line."""
    from pixelcat import classify
    from pixelcat.catalog.store import Catalog

    for line in sys.stdin:
        asked = json.loads(line)
        folder = Path(asked["folder"])

        def call(folder: Path = folder) -> int:
            return classify(
                photos, model=model, output=folder / "out.gpkg", workers=0, model_code="run"
            ).exit_code

        def busy(folder: Path = folder, call: Callable[[], int] = call) -> int:
            with Catalog(folder / "out.gpkg"):
                return run(call, folder, Fault())[0]

        ended = run(busy if asked["is_busy"] else call, folder, Fault(asked["at"], asked["kind"]))
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
