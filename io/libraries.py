"""The copies of GDAL, PROJ and SQLite that our libraries bring, and whether they work here."""

import ctypes
import json
import re
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..catalog.errors import first_line
from . import native

DRIVERS: dict[str, dict[str, str]] = {
    "rasterio": {
        "GTiff": "rasters, and every class raster",
        "COG": "every class raster",
        "VRT": "mosaics, other grids",
        "GTI": "tile indexes, the catalog as a raster",
        "JP2OpenJPEG": "JPEG 2000",
        "GPKG": "tile tables",
        "MBTiles": "tile tables",
        "WMS": "services",
    },
    "pyogrio": {
        "OpenFileGDB": "file geodatabases",
        "GPKG": "layers of GeoPackages",
        "ESRI Shapefile": "shapefiles",
        "GeoJSON": "GeoJSON",
        "FlatGeobuf": "FlatGeobuf",
        "CSV": "tables",
        "XLSX": "spreadsheets",
    },
    "fiona": {"OpenFileGDB": "attachments of file geodatabases, and new ones"},
}
"""By library: the drivers that we use, and what for."""
_FIXED = ((3, 44, 6), (3, 50, 7))
"""Versions of SQLite into which the fix of the WAL-reset bug was carried back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A library with what it brings."""

    name: str
    version: str
    gdal: str | None = None
    proj: str | None = None
    sqlite: str | None = None


def has_wal_reset_bug(sqlite: str) -> bool:
    """Return whether a version of SQLite may lose commits of a file in WAL mode.

    Source: sqlite.org/wal.html, "The WAL-Reset Bug": 3.7.0 to 3.51.2, but for two branches.
    """
    number = tuple(int(part) for part in re.findall(r"\d+", sqlite)[:3])
    carried_back = any(number[:2] == fix[:2] and number >= fix for fix in _FIXED)
    return (3, 7, 0) <= number < (3, 51, 3) and not carried_back


def bundles() -> list[Bundle]:
    """Return what is loaded into a process of ours, TensorFlow left out."""
    native.load()
    import fiona
    import pyogrio
    import pyproj
    import rasterio

    loaded = list(_loaded())
    return [
        Bundle(name="Python", version=_python(), sqlite=sqlite3.sqlite_version),
        Bundle(
            name="rasterio",
            version=version("rasterio"),
            gdal=rasterio.__gdal_version__,
            proj=rasterio.__proj_version__,
            sqlite=_sqlite_of("rasterio", loaded),
        ),
        Bundle(
            name="fiona",
            version=version("fiona"),
            gdal=fiona.__gdal_version__,
            proj=_proj_of("fiona", loaded),
            sqlite=_sqlite_of("fiona", loaded),
        ),
        Bundle(
            name="pyogrio",
            version=version("pyogrio"),
            gdal=pyogrio.__gdal_version_string__,
            proj=_proj_of("pyogrio", loaded),
            sqlite=_sqlite_of_pyogrio(),
        ),
        Bundle(
            name="pyproj",
            version=version("pyproj"),
            proj=pyproj.proj_version_str,
            sqlite=_sqlite_of("pyproj", loaded),
        ),
    ]


def _python() -> str:
    import platform

    return platform.python_version()


def _loaded() -> Iterator[Path]:
    """Yield the shared libraries of this process (Linux)."""
    with suppress(OSError):
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        yield from sorted({Path(line.split(maxsplit=5)[5]) for line in lines if ".so" in line})


def _own(library: str, part: str, loaded: Collection[Path]) -> Path | None:
    """Return the file of a wheel, by the folder that repaired wheels have."""
    names = [p for p in loaded if p.parent.name == f"{library}.libs" and p.name.startswith(part)]
    return names[0] if names else None


def _sqlite_of(library: str, loaded: Collection[Path]) -> str | None:
    path = _own(library, "libsqlite3", loaded)
    return None if path is None else sqlite_in(path)


def sqlite_in(path: Path) -> str | None:
    """Return the version of the SQLite that a shared library exports, None where it does not."""
    try:
        function = ctypes.CDLL(str(path)).sqlite3_libversion
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_char_p
    return str(function().decode())


def _proj_of(library: str, loaded: Collection[Path]) -> str | None:
    path = _own(library, "libproj", loaded)
    return path.name.partition(".so.")[2].partition(".")[2] if path else None


def _sqlite_of_pyogrio() -> str | None:
    """Ask pyogrio's GDAL, which holds its SQLite within itself."""
    import pyogrio

    point = {"type": "Feature", "properties": {"a": 1}, "geometry": None}
    sql = "SELECT sqlite_version() AS version"
    with tempfile.TemporaryDirectory(prefix="pixelcat-doctor-") as folder:
        path = Path(folder) / "one.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [point]}))
        try:
            answer = pyogrio.raw.read(path, sql=sql, sql_dialect="SQLITE", read_geometry=False)
        except Exception:  # noqa: BLE001  a GDAL without that dialect; pyogrio raises many kinds
            return None
    return str(answer[3][0][0])


def missing_drivers() -> Iterator[tuple[str, str, str]]:
    """Yield (library, driver, what for) of the drivers that are not there."""
    import fiona
    import pyogrio
    import rasterio

    with rasterio.Env() as environment:
        rasters = set(environment.drivers())
    with fiona.Env() as environment:
        features = set(environment.drivers())
    known = {"rasterio": rasters, "fiona": features, "pyogrio": set(pyogrio.list_drivers())}
    for library, drivers in DRIVERS.items():
        for driver, purpose in drivers.items():
            if driver not in known[library]:
                yield library, driver, purpose


def broken_reference_systems() -> Iterator[tuple[str, str]]:
    """Yield (library, what it says) of those that do not know reference systems here.

    They find another PROJ database than their own where the environment names one.
    """
    import fiona.crs
    import pyproj
    import rasterio.crs

    asked: dict[str, Callable[[], object]] = {
        "rasterio": lambda: rasterio.crs.CRS.from_epsg(32632).to_wkt(),
        "fiona": lambda: fiona.crs.CRS.from_epsg(32632).to_wkt(),
        "pyproj": lambda: pyproj.Transformer.from_crs(4326, 32632).transform(45, 9),
    }
    for library, ask in asked.items():
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001  each library has its own kinds
            yield library, first_line(error)
            continue
        if not answer:
            yield library, "gives no definition of EPSG:32632"
