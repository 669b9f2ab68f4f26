"""A process that asks GDAL, and SpatiaLite in it, one question about a copy of a catalog.

``python -m pixelcat.io.spatial_worker COPY SECONDS`` reads SQL from standard input and writes
one line of JSON. Bytes are ``{"base64": text}``.
"""

import base64
import json
import sys
from contextlib import suppress
from typing import Any

_MEMORY_BYTES = 6 << 30
_FILE_BYTES = 1 << 30


def main() -> None:
    """Answer the question."""
    copy, seconds = sys.argv[1], float(sys.argv[2])
    _limit(seconds)
    try:
        told = _answer(copy, sys.stdin.read())
    except MemoryError:
        told = {"error": "needs too much memory; narrow the query"}
    except Exception as error:  # noqa: BLE001  whatever GDAL raises is told
        told = {"error": _plainly(str(error))}
    sys.stdout.write(json.dumps(told))


def _plainly(message: str) -> str:
    """Return what SQLite said, without GDAL's words around it and the statement in them."""
    told = " ".join(message.split())
    _, called, after = told.partition("In ExecuteSQL(): sqlite3_")
    return (after.rpartition("): ")[2] if called else told)[:300]


def _limit(seconds: float) -> None:
    with suppress(ImportError, ValueError):  # Windows has no limits
        import resource

        for limit, value in (
            (resource.RLIMIT_AS, _MEMORY_BYTES),
            (resource.RLIMIT_FSIZE, _FILE_BYTES),
            (resource.RLIMIT_CPU, int(seconds) + 2),
        ):
            resource.setrlimit(limit, (value, value))


def _answer(copy: str, sql: str) -> dict[str, Any]:
    import pyogrio

    from .spatial_values import rows

    _, _, _, texts = pyogrio.raw.read(copy, sql=sql)
    return {"rows": [list(map(_plain, row)) for row in rows(texts)]}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


if __name__ == "__main__":
    main()
