"""What a power failure may leave of a run, and whether that is enough.

``python tests/power_loss.py`` has strace write down what a run does to its files, byte by byte, and
then makes the states in which a file system may be found again after the power failed between any
two of these steps. In each of them SQLite recovers the catalog; then every output that was recorded
must be in it, every class map that it lists must be there with its hash, and (in every
``RERUN``-th) the same command must end with what a run without a power failure leaves. It takes some
minutes and needs strace, no root. ``--every 7`` looks at every seventh step.

A file system may lose whatever was not synced, in any order, names and contents apart:

========= ============================================== ==========================================
found     names made, moved or removed                   contents
========= ============================================== ==========================================
nothing   if their folder was synced afterwards          if the file was synced afterwards
names     all                                            if the file was synced afterwards
contents  if their folder was synced afterwards          all
mixed     of those not synced, the first few             any blocks of 4 KB of what was not synced
========= ============================================== ==========================================

That is less than ext4, XFS and Btrfs promise. What it does not show: disks that lie about having
written, and blocks of which a part was written.
"""

import argparse
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import breaking
import numpy as np
from PIL import Image

RERUN = 40
"""States apart, of those in which the command is given again."""
BLOCK = 4096
FOUND = ("nothing", "names", "contents", "mixed")
_CALLS = (
    "openat,open,creat,read,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,"
    "symlink,symlinkat,mmap,copy_file_range,sendfile"
)
_LINE = re.compile(r"(\d+) +(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\w+)(?:<((?:\\x[0-9a-f]{2})*)>)?")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"\d+<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True)
class Step:
    """Something that a process did to a file or folder."""

    kind: str
    """``names``, ``write``, ``cut``, ``sync``, ``sync folder``, or ``recorded``."""
    file: int = 0
    """Its number."""
    names: dict[str, int | None] = field(default_factory=dict)
    """Files by name, None for those that are gone; 0 for folders."""
    folder: str = ""
    at: int = 0
    data: bytes = b""
    said: Any = None
    """What was recorded."""


class Recording:
    """The steps that strace has seen below a folder."""

    def __init__(self, folder: Path, recorded: Path) -> None:
        self._folder = str(folder)
        self._recorded = str(recorded)
        self.steps: list[Step] = []
        self._number = 0
        self._files: dict[str, int] = {}
        self._places: dict[tuple[str, str], int] = {}
        """Where the next byte goes, by descriptor and name."""
        self._opened: dict[str, str] = {}
        """Names by descriptor."""
        self._ours: set[str] = set()
        """Threads that have touched the folder; others have descriptors of their own."""

    def read(self, trace: Path) -> None:
        waiting: dict[str, str] = {}
        with trace.open(encoding="ascii") as lines:
            for line in lines:
                process, text = _LINE.fullmatch(line.rstrip("\n")).groups()  # type: ignore[union-attr]
                if text.endswith("<unfinished ...>"):
                    waiting[process] = text.removesuffix("<unfinished ...>")
                    continue
                if text.startswith("<... "):
                    text = waiting.pop(process) + text.partition(" resumed>")[2]
                if (found := _CALL.match(text)) and not found[3].startswith("-"):
                    call = (found[1], found[2], int(found[3], 0), found[4])
                    self._read(process, *call[1:3]) if call[0] == "read" else self._see(
                        process, *call
                    )

    def _read(self, process: str, arguments: str, result: int) -> None:
        """Go forward where something is read, which is not shown but for how much it is."""
        descriptor = str(int(arguments.split(",", 1)[0], 0))
        key = (descriptor, self._opened.get(descriptor, ""))
        if process in self._ours and key in self._places:
            self._places[key] += result

    def _see(
        self, process: str, call: str, arguments: str, result: int, opened: str | None
    ) -> None:
        texts = [_bytes(text) for text in _STRING.findall(arguments)]
        descriptor = arguments.split(",", 1)[0]
        file = _FILE.match(descriptor)
        path = os.fsdecode(_bytes(file[1]) if file else texts[0] if texts else b"")
        if call in ("openat", "open", "creat"):
            path = os.fsdecode(_bytes(opened or ""))
            if process in self._ours or path.startswith(self._folder):
                self._opened[f"{result}"] = path
        if path == self._recorded and call == "write":
            self.steps.append(Step(kind="recorded", said=json.loads(texts[0])))
        elif path.startswith(self._folder) and not path.endswith(".lock"):
            handler = getattr(self, f"_on_{call}", None)
            if handler is None:
                raise NotImplementedError(f"{call}: the simulation does not know it")
            self._ours.add(process)
            handler(path, descriptor, arguments, texts, result)

    def _on_openat(self, path: str, _: str, arguments: str, __: list[bytes], result: int) -> None:
        self._places[f"{result}", path] = 0
        if "O_CREAT" in arguments and path not in self._files:
            self._number += 1
            self._files[path] = self._number
            self._name({path: self._files[path]})
        elif "O_TRUNC" in arguments:
            self.steps.append(Step(kind="cut", file=self._files[path]))

    def _on_write(
        self, path: str, descriptor: str, _: str, texts: list[bytes], result: int
    ) -> None:
        key = (descriptor.partition("<")[0], path)
        self._write(path, self._places[key], texts[0][:result])
        self._places[key] += result

    def _on_pwrite64(
        self, path: str, _: str, arguments: str, texts: list[bytes], result: int
    ) -> None:
        self._write(path, int(arguments.rpartition(",")[2]), texts[0][:result])

    def _write(self, path: str, at: int, data: bytes) -> None:
        self.steps.append(Step(kind="write", file=self._files[path], at=at, data=data))

    def _on_lseek(self, path: str, descriptor: str, _: str, __: list[bytes], result: int) -> None:
        self._places[descriptor.partition("<")[0], path] = result

    def _on_ftruncate(self, path: str, _: str, arguments: str, *__: object) -> None:
        at = int(arguments.rpartition(",")[2])
        self.steps.append(Step(kind="cut", file=self._files[path], at=at))

    def _on_fsync(self, path: str, *_: object) -> None:
        if path in self._files:
            self.steps.append(Step(kind="sync", file=self._files[path]))
        else:
            self.steps.append(Step(kind="sync folder", folder=path))

    _on_fdatasync = _on_fsync

    def _on_rename(self, path: str, _: str, __: str, texts: list[bytes], ___: int) -> None:
        new = os.fsdecode(texts[1])
        self._files[new] = self._files.pop(path)
        self._name({path: None, new: self._files[new]})

    def _on_unlink(self, path: str, *_: object) -> None:
        del self._files[path]
        self._name({path: None})

    def _on_unlinkat(self, path: str, _: str, __: str, texts: list[bytes], ___: int) -> None:
        self._on_unlink(os.fsdecode(texts[0]))

    def _on_mkdir(self, path: str, *_: object) -> None:
        self._name({path: 0})

    def _on_mmap(self, path: str, _: str, arguments: str, *__: object) -> None:
        if "MAP_SHARED" in arguments and "PROT_WRITE" in arguments:
            raise NotImplementedError(f"{path} is written through memory")

    def _name(self, names: dict[str, int | None]) -> None:
        folder = os.path.dirname(next(iter(names)))  # noqa: PTH120
        self.steps.append(Step(kind="names", names=names, folder=folder))


def _bytes(shown: str) -> bytes:
    """Return what strace has shown in hex."""
    return bytes.fromhex(shown.replace("\\x", ""))


class Disk:
    """What a file system holds and what it has promised, step by step."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._names: list[tuple[Step, bool]] = []
        """With whether its folder was synced afterwards."""
        self._contents: dict[int, list[Step]] = {}
        self._synced: dict[int, int] = {}
        """How many of the steps of a file have been synced."""

    def take(self, step: Step) -> None:
        match step.kind:
            case "names":
                self._names.append((step, False))
            case "write" | "cut":
                self._contents.setdefault(step.file, []).append(step)
            case "sync":
                self._synced[step.file] = len(self._contents.get(step.file, []))
            case "sync folder":
                self._names = [(s, safe or s.folder == step.folder) for s, safe in self._names]

    def found(self, how: str, rng: random.Random) -> dict[str, bytes]:
        """Return a state in which it may be found: contents by name."""
        open_names = sum(not safe for _, safe in self._names)
        kept = {"names": open_names, "mixed": rng.randint(0, open_names)}.get(how, 0)
        names: dict[str, int | None] = {}
        for step, safe in self._names:
            if safe or kept > 0:
                names |= step.names
                kept -= not safe
        return {
            name: self._content(number, how, rng)
            for name, number in names.items()
            if number and self._is_reached(name, names)
        }

    def _is_reached(self, name: str, names: dict[str, int | None]) -> bool:
        folder = os.path.dirname(name)  # noqa: PTH120
        return folder == self._root or (names.get(folder) == 0 and self._is_reached(folder, names))

    def _content(self, number: int, how: str, rng: random.Random) -> bytes:
        steps, synced = self._contents.get(number, []), self._synced.get(number, 0)
        content = bytearray()
        for index, step in enumerate(steps):
            if index < synced or how == "contents":
                _apply(content, step.kind, step.at, step.data)
            elif how == "mixed":
                for at, data in _blocks(step):
                    if rng.random() < 0.5:
                        _apply(content, step.kind, at, data)
        return bytes(content)


def _blocks(step: Step) -> Iterator[tuple[int, bytes]]:
    if step.kind == "cut":
        yield step.at, b""
    first = 0
    while first < len(step.data):
        end = min(first + BLOCK - (step.at + first) % BLOCK, len(step.data))
        yield step.at + first, step.data[first:end]
        first = end


def _apply(content: bytearray, kind: str, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    if kind == "cut":
        del content[at:]
    else:
        content[at : at + len(data)] = data


def states(
    steps: Sequence[Step], root: str, every: int = 1
) -> Iterator[tuple[int, str, dict[str, bytes], list[Any]]]:
    """Yield states that may be found: step, how it is found, contents by name, what was recorded.

    What was recorded are all answers so far. The same state is given once.
    """
    disk, recorded, seen = Disk(root), [], set()
    for number, step in enumerate(steps):
        disk.take(step)
        if step.kind == "recorded":
            recorded.append(step.said)
        if number % every:
            continue
        for how in FOUND:
            contents = disk.found(how, random.Random(number))
            key = (len(recorded), hash(frozenset(contents.items())))
            if key not in seen:
                seen.add(key)
                yield number, how, contents, recorded


def record(photos: Path, model: Path, folder: Path, trace: Path) -> list[Step]:
    """Classify photos into ``out.gpkg`` of a folder, and return the steps that it took.

    Raises:
        RuntimeError: strace cannot be used, or it has seen something else than there is.
    """
    recorded = trace.with_suffix(".recorded")
    command = [
        "strace", "-f", "-qq", "-y", "-xx", "-s", str(1 << 26), "-e", f"trace={_CALLS}",
        "-e", "raw=read", "-o", trace, sys.executable, __file__, "--traced", photos, model, folder, recorded,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 3:
        raise RuntimeError(f"strace: {done.stderr[-500:]}")
    recording = Recording(folder, recorded)
    recording.read(trace)
    disk = Disk(str(folder))
    for step in (*recording.steps, Step(kind="names", names={}, folder="")):
        disk.take(step)
    everything = {
        name: disk._content(number, "contents", random.Random())
        for name, number in recording._files.items()
    }
    there = {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    if everything != there:
        raise RuntimeError("strace has missed something: files are not what it has seen")
    return recording.steps


def traced(photos: str, model: str, folder: str, recorded: str) -> int:
    """Run while strace looks on, and say after each commit what is in the catalog by then."""
    from pixelcat import classify

    told = os.open(recorded, os.O_WRONLY | os.O_CREAT)

    class Connection(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            cursor = super().execute(sql, *arguments)
            if sql.upper().startswith("COMMIT"):
                os.write(told, json.dumps(listed(self)).encode())
            return cursor

    connect = sqlite3.connect
    sqlite3.connect = lambda *a, **k: connect(*a, **{"factory": Connection, **k})  # type: ignore[assignment]
    output = Path(folder, "out.gpkg")
    return classify(photos, model=model, output=output, workers=0, model_code="run").exit_code


def listed(connection: sqlite3.Connection) -> list[list[Any]]:
    """Return what a catalog says of its images."""
    tables = connection.cursor().execute("SELECT name FROM sqlite_master").fetchall()
    if ("outputs",) not in tables:
        return []
    sql = "SELECT item_id, status, raster_path, sha256 FROM outputs ORDER BY id"
    return [list(row) for row in connection.cursor().execute(sql)]


def problems(contents: dict[str, bytes], root: str, folder: Path, recorded: list[Any]) -> list[str]:
    """Put a state into a folder, and return what is wrong with it.

    Args:
        contents: By name.
        root: Where they were.
        folder: Where they are put.
        recorded: What the catalog must have: the last, or more.
    """
    for name, content in contents.items():
        path = folder / Path(name).relative_to(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    catalog = folder / "out.gpkg"
    wrong = breaking.problems(catalog)
    there: list[Any] = []
    if catalog.exists():
        with closing(sqlite3.connect(catalog)) as connection:
            there = listed(connection)
    missing = [row for row in (recorded[-1] if recorded else []) if row not in there]
    return wrong + [f"was recorded and is lost: {row}" for row in missing]


def outcome(folder: Path) -> tuple[Any, dict[str, str]]:
    """Return what a run has left; drafts may be there again whose removal was not synced."""
    rows, files = breaking.state(folder / "out.gpkg")
    return rows, {name: digest for name, digest in files.items() if "/.tmp-" not in name}


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """Make three photos, one of them cut off, and a model."""
    photos = folder / "photos"
    photos.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 37, 3), np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:900])
    return photos, breaking.make_model(folder / "model")


def main(every: int) -> int:
    """Simulate, and say what was found."""
    found: dict[str, list[int]] = {how: [0, 0] for how in FOUND}
    reruns = 0
    with tempfile.TemporaryDirectory() as name, breaking.Breaker() as breaker:
        root = Path(name).resolve()
        inputs = make_inputs(root)
        (root / "out").mkdir()
        steps = record(*inputs, root / "out", root / "trace")
        expected = outcome(root / "out")
        print(f"a run of {len(steps)} steps", flush=True)
        for count, (step, how, contents, recorded) in enumerate(
            states(steps, str(root / "out"), every)
        ):
            folder = root / "state"
            folder.mkdir()
            wrong = problems(contents, str(root / "out"), folder, recorded)
            if not count % RERUN and not wrong:
                reruns += 1
                breaker.run(folder, photos=inputs[0], model=inputs[1])
                if outcome(folder) != expected:
                    wrong = ["the same command ends with something else"]
            found[how][0] += 1
            found[how][1] += bool(wrong)
            if wrong:
                print(f"step {step}, {how}: {'; '.join(wrong[:3])}", flush=True)
            shutil.rmtree(folder)
    for how, (count, bad) in found.items():
        print(f"{how:9} {count:5} states, {bad} with something wrong")
    print(f"in {reruns} of them the command was given again")
    return 1 if any(bad for _, bad in found.values()) else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--traced"]:
        sys.exit(traced(*sys.argv[2:]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="steps apart")
    sys.exit(main(parser.parse_args().every))
