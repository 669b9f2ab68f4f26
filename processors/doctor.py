"""``doctor()``: what there is of libraries and machine, what is wrong with it, and what to do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..catalog.errors import UsageError
from ..io import libraries
from . import machine
from .device import processors

_GIB = 1 << 30
_LITTLE_DISK = 2 * _GIB
_LITTLE_MEMORY = 2 * _GIB
_FEW_FILES = 256
_TENSORFLOW_S = 180.0
EXTRAS = {
    "heic": ("pillow-heif", "HEIC photos"),
    "keras2": ("tf_keras", "Keras 2 files (.h5) that Keras 3 does not read"),
    "onnx": ("onnxruntime", "models in .onnx files"),
}
"""Optional extras: the package, and what it is for."""
_FOREIGN = {
    "PROJ_DATA": "rasterio and fiona look there for reference systems, and know none if it is of"
    " another PROJ",
    "PROJ_LIB": "the same, by its old name",
    "GDAL_DATA": "every GDAL looks there for its tables, which may be of another version",
    "GDAL_DRIVER_PATH": "every GDAL loads drivers from there, made for another GDAL: it may crash",
    "LD_PRELOAD": "loaded before everything else; another SQLite or GDAL there is taken by all",
}
"""Variables of the environment, set by QGIS, conda or OSGeo4W, and what they break."""
_TENSORFLOW = """
import json, sys
from pixelcat.io.libraries import sqlite_in
from pixelcat.processors.tensorflow_setup import tensorflow
from pathlib import Path
tf = tensorflow()
import keras
gpus = [str(g.name) for g in tf.config.list_physical_devices("GPU")]
file = next(iter(Path(tf.__file__).parent.glob("libtensorflow_cc.so*")), None)
print(json.dumps({"version": tf.__version__, "keras": keras.__version__, "gpus": gpus,
                  "sqlite": file and sqlite_in(file)}))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something about libraries or machine."""

    about: str
    """``version``, ``library``, ``driver``, ``environment``, ``processor``, ``memory``, ..."""
    name: str
    value: str
    problem: str = ""
    """What is wrong with it and what to do; empty where nothing is."""


def doctor(folder: str | os.PathLike[str] = ".") -> list[Fact]:
    """Look at what a run depends on; no network is needed, and nothing is changed.

    TensorFlow is loaded in a process of its own, so that one that crashes here is told.

    Args:
        folder: Where the catalog is to be.

    Raises:
        UsageError: There is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise UsageError(f"{place} is no folder; give the one where the catalog is to be")
    return [
        Fact(about="version", name="pixelcat", value=version("pixelcat")),
        *_libraries(),
        *_tensorflow(),
        *_drivers(),
        *_environment(),
        *_extras(),
        *_machine(),
        *_place(place),
    ]


def _libraries() -> Iterator[Fact]:
    for each in libraries.bundles():
        parts = {"GDAL": each.gdal, "PROJ": each.proj, "SQLite": _sqlite(each.sqlite)}
        said = [f"{name} {text}" for name, text in parts.items() if text]
        yield Fact(about="library", name=each.name, value=", ".join([each.version, *said]))


def _sqlite(number: str | None) -> str | None:
    if number is None:
        return None
    return f"{number} (WAL-reset bug)" if libraries.has_wal_reset_bug(number) else number


def _tensorflow() -> Iterator[Fact]:
    found, problem = _ask_tensorflow()
    if found is None:
        yield Fact(about="library", name="TensorFlow", value="cannot be loaded", problem=problem)
        return
    bundled = _sqlite(found["sqlite"])
    said = f", SQLite {bundled}" if bundled else ""
    value = f"{found['version']}, Keras {found['keras']}{said}"
    yield Fact(about="library", name="TensorFlow", value=value)
    gpus = ", ".join(found["gpus"]) or "none that TensorFlow finds; models run on the processor"
    yield Fact(about="processor", name="GPU", value=gpus)


def _ask_tensorflow() -> tuple[dict[str, Any] | None, str]:
    """Return what TensorFlow says of itself, or None and why it says nothing."""
    try:
        done = subprocess.run(  # noqa: S603  our own Python, our own text
            [sys.executable, "-P", "-c", _TENSORFLOW],
            capture_output=True,
            text=True,
            timeout=_TENSORFLOW_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"did not start in {_TENSORFLOW_S:.0f} s; try again on a machine that is idle"
    if done.returncode < 0:
        return None, (
            f"its process was ended by signal {-done.returncode}: a processor without AVX, or too"
            " little memory; run on another machine"
        )
    if done.returncode > 0:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return None, f"{last}; install it again: pip install --force-reinstall tensorflow"
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer, ""


def _drivers() -> Iterator[Fact]:
    missing = list(libraries.missing_drivers())
    for library, driver, purpose in missing:
        problem = f"{library} was built without it: no {purpose}; install {library} from its wheel"
        yield Fact(about="driver", name=driver, value="missing", problem=problem)
    count = sum(map(len, libraries.DRIVERS.values())) - len(missing)
    yield Fact(about="driver", name="of GDAL", value=f"{count} of those that we use are there")


def _environment() -> Iterator[Fact]:
    for name, what in _FOREIGN.items():
        if os.environ.get(name):
            yield Fact(
                about="environment",
                name=name,
                value=os.environ[name],
                problem=f"{what}; unset it: env -u {name} pixelcat ...",
            )
    for library, said in libraries.broken_reference_systems():
        problem = f"{said}; unset PROJ_DATA and PROJ_LIB, or install {library} again"
        yield Fact(
            about="environment", name=library, value="knows no reference systems", problem=problem
        )


def _extras() -> Iterator[Fact]:
    for extra, (package, purpose) in EXTRAS.items():
        try:
            value = f"{package} {version(package)}, for {purpose}"
        except PackageNotFoundError:
            value = f"not installed; for {purpose}: pip install 'pixelcat[{extra}]'"
        yield Fact(about="extra", name=extra, value=value)


def _machine() -> Iterator[Fact]:
    name, features = machine.processor()
    weak = bool(features) and "avx" not in features
    yield Fact(
        about="processor",
        name="CPU",
        value=f"{name}; {', '.join(features) or 'features unknown'}",
        problem="TensorFlow needs AVX; run on another machine" if weak else "",
    )
    value = f"{processors()} of {os.cpu_count()} for this process"
    yield Fact(about="processor", name="count", value=value)
    available, limit = machine.memory()
    least = min((each for each in (available, limit) if each is not None), default=None)
    little = least is not None and least < _LITTLE_MEMORY
    bound = "" if limit is None else f", limit of the container {limit / _GIB:.1f} GiB"
    yield Fact(
        about="memory",
        name="available",
        value=("unknown" if available is None else f"{available / _GIB:.1f} GiB") + bound,
        problem="a model needs 1 to 2 GiB; end other programs, or --max-memory" if little else "",
    )
    files = machine.open_files()
    few = files is not None and files < _FEW_FILES
    yield Fact(
        about="limit",
        name="open files",
        value="none" if files is None else str(files),
        problem="mosaics keep many open; raise it: ulimit -n 1024" if few else "",
    )


def _place(folder: Path) -> Iterator[Fact]:
    free = machine.free_bytes(folder)
    yield Fact(
        about="disk",
        name=str(folder.resolve()),
        value=f"{free / _GIB:.1f} GiB free",
        problem="little; a run stops where it is full: make room" if free < _LITTLE_DISK else "",
    )
    refused = machine.why_not_writable(folder)
    kind = machine.file_system(folder)
    problem = f"no catalog can be here: {refused}; choose another folder" if refused else ""
    if not problem and machine.is_network(kind):
        problem = "locks may not hold on a network; keep the catalog on a local disk"
    yield Fact(about="disk", name="file system", value=kind or "unknown", problem=problem)
