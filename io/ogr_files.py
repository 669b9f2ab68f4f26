"""What a file of a layer or table may be besides: something that names others, which GDAL follows.

GDAL asks all its drivers about a file, whatever it is called, and the first that knows it reads
it. So what a file must not be is looked for as those drivers do.
"""

import re
from pathlib import Path

from ..catalog.errors import ItemError, SourceError
from .system_files import check_systems

_HEAD_BYTES = 1 << 20
"""More than GDAL looks at to tell formats."""
_TAIL_BYTES = 1 << 16
_OTHERS = re.compile(rb"<OGR\w*DataSource|gdal_streamed_alg|<Service\s+name=\"WFS\"", re.IGNORECASE)
"""Sources described in XML, services, and programs of GDAL."""
_ADDRESS = re.compile(rb"\"crs\"\s*:\s*\{[^{}]*\"type\"\s*:\s*\"(?:link|url)\"", re.IGNORECASE)
"""A reference system that GeoJSON has somewhere in the web."""
_TABLES = re.compile(
    r"^\s*(?:open\s+table|file|raster|metadata)\b[^\"]*\"([^\"]*)\"", re.IGNORECASE | re.MULTILINE
)
_PLAIN = re.compile(r"[^/\\:]+")
_MOST_TABLES = 100


def check_alone(path: Path) -> None:
    """Refuse a file that makes GDAL open others than those beside it that have its name.

    Args:
        path: A file that is a layer or table by its name and its first bytes.

    Raises:
        SourceError: It does.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            file.seek(max(len(head), path.stat().st_size - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
        check_systems(path)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    except ItemError as error:
        raise SourceError(f"{path}: {error}") from error
    if _OTHERS.search(head):
        raise SourceError(f"{path}: describes other sources, which are not followed; give those")
    if _ADDRESS.search(head) or _ADDRESS.search(tail):
        raise SourceError(f"{path}: has its reference system in the web; name it there (EPSG:n)")
    if path.suffix.lower() == ".tab":
        _check_tables(path, set())


def _check_tables(path: Path, known: set[Path]) -> None:
    """Refuse tables of MapInfo that are views of tables elsewhere.

    Raises:
        SourceError: One is.
    """
    known.add(path)
    try:
        with path.open(encoding="latin-1") as file:
            named = _TABLES.findall(file.read(_HEAD_BYTES))
    except OSError:  # GDAL says which it lacks
        return
    for name in named:
        if not _PLAIN.fullmatch(name) or len(known) > _MOST_TABLES:
            raise SourceError(f"{path}: leads to {name[:80]!r}, out of its folder")
        for other in (path.with_name(name), path.with_name(f"{name}.tab")):
            if other not in known:
                _check_tables(other, known)
