"""How fast attachments are scanned, against raw reading, and how memory grows with them.

    python benchmarks/attachments.py --count 2000 --size 300

See README.md in this folder.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import surveys

import pixelcat

_FEW = 200
_SETTLE_S = 2.5
"""A younger source is not taken for unchanged."""
_CHILD = Path(__file__).with_name("child.py")


class Kind(NamedTuple):
    """How to make and read one kind of source."""

    suffix: str
    write: Callable[[Path, int, float], None]
    read: Callable[[Path], Iterator[bytes]]


KINDS = {
    "filegdb": Kind(".gdb", surveys.write_file_geodatabase, surveys.read_file_geodatabase),
    "geopackage": Kind(".gpkg", surveys.write_geopackage, surveys.read_geopackage),
}


@click.command(context_settings={"show_default": True})
@click.option("--count", default=2000, help="Attachments.")
@click.option("--size", default=300.0, help="Of each, in KB.")
@click.option("--kind", "kinds", type=click.Choice(list(KINDS)), multiple=True, default=list(KINDS))
@click.option("--rounds", default=3, help="How often each way of reading is timed.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where sources go.")
@click.option("--keep", is_flag=True, help="Keep the sources in --folder; use those there.")
@click.option("--memory/--no-memory", default=True, help="Measure peak memory too.")
def main(
    count: int,
    size: float,
    kinds: tuple[str, ...],
    rounds: int,
    folder: Path | None,
    keep: bool,
    memory: bool,
) -> None:
    """Time scans of attachments and measure the memory they take."""
    if keep and folder is None:
        raise click.UsageError("--keep needs a --folder")
    with (
        TemporaryDirectory(prefix="pixelcat-benchmark-") as work,
        TemporaryDirectory(prefix="pixelcat-benchmark-", dir=folder) as made,
    ):
        sources = folder if keep and folder else Path(made)
        for name in kinds:
            kind = KINDS[name]
            paths = [_source(sources, kind, number, size) for number in (_FEW, count)]
            time.sleep(_SETTLE_S)
            _print_speed(name, _timed(kind, paths, Path(work), rounds))
            if memory:
                _print_memory([_peaks(path, Path(work)) for path in paths], (_FEW, count))
            if not keep:
                for path in paths:
                    _remove(path)


def _source(folder: Path, kind: Kind, count: int, size: float) -> Path:
    path = folder / f"{count}_of_{size:g}_kb{kind.suffix}"
    if not path.exists():
        kind.write(path, count, size)
    return path


def _timed(kind: Kind, sources: list[Path], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return MB/s of each way to read the larger source, in interleaved rounds."""
    small, source = sources
    catalog = folder / "timed.gpkg"
    ways: dict[str, Callable[[], object]] = {
        "raw": lambda: _read(kind.read(source)),
        "raw + SHA-256": lambda: _hash(kind.read(source)),
        "scan": lambda: pixelcat.scan(source, output=catalog),
        "second scan": lambda: pixelcat.scan(source, output=catalog),
    }
    pixelcat.scan(small)  # libraries are loaded
    megabytes = _read(kind.read(source)) / 1e6  # and everything is in the file cache
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        _remove(catalog)
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            speeds[name].append(megabytes / (time.perf_counter() - started))
    return speeds


def _read(blobs: Iterator[bytes]) -> int:
    return sum(len(blob) for blob in blobs)


def _hash(blobs: Iterator[bytes]) -> int:
    return len({hashlib.sha256(blob).digest() for blob in blobs})


def _peaks(source: Path, folder: Path) -> dict[str, tuple[float, float]]:
    """Return seconds and peak MB of each job on a source."""
    model = folder / "tiny.keras"
    if not model.exists():
        _child("model", model)
    peaks = {}
    for job, *more in (("scan",), ("classify", model)):
        catalog = folder / f"{job}.gpkg"
        peaks[job] = _child(job, source, catalog, *more)
        _remove(catalog)
        _remove(folder / f"{job}_rasters")
    return peaks


def _child(*arguments: object) -> tuple[float, float]:
    answer = subprocess.run(
        [sys.executable, str(_CHILD), *map(str, arguments)], stdout=subprocess.PIPE, check=True
    )
    found = json.loads(answer.stdout.splitlines()[-1])
    return found["seconds"], found["peak_mb"]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _print_speed(title: str, speeds: dict[str, list[float]]) -> None:
    click.echo(f"\n{title:16}{'MB/s':>10}{'/ raw':>10}{'/ hashed':>10}")
    for name, values in speeds.items():
        ratios = [
            median(value / base for value, base in zip(values, speeds[other], strict=True))
            for other in ("raw", "raw + SHA-256")
        ]
        click.echo(f"{name:16}{median(values):10.0f}" + "".join(f"{r:10.2f}" for r in ratios))


def _print_memory(peaks: list[dict[str, tuple[float, float]]], counts: tuple[int, int]) -> None:
    click.echo(f"{'peak MB':16}" + "".join(f"{count:>10}" for count in counts) + f"{'more':>10}")
    for job in peaks[0]:
        (_, few), (seconds, many) = (peak[job] for peak in peaks)
        click.echo(f"{job:16}{few:10.0f}{many:10.0f}{many - few:10.0f}{seconds:10.0f} s")


if __name__ == "__main__":
    main()
