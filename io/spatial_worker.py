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
        told = {"error": " ".join(str(error).split())[:300]}
    sys.stdout.write(json.dumps(told))


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

    from .ogr_values import SQL_TYPES, sql_values

    meta, _, shapes, fields = pyogrio.raw.read(copy, sql=sql, datetime_as_string=True)
    columns = [str(name) for name in meta["fields"]]
    values = [
        sql_values(SQL_TYPES.get((kind, subtype), "TEXT"), field)
        for kind, subtype, field in zip(
            meta["ogr_types"], meta["ogr_subtypes"], fields, strict=True
        )
    ]
    if shapes is not None:
        columns.append(meta.get("geometry_name") or "geom")
        values.append(list(shapes))
    return {
        "columns": columns,
        "geometry": None if shapes is None else len(columns) - 1,
        "crs": meta["crs"],
        "rows": [list(map(_plain, row)) for row in zip(*values, strict=True)],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return value


if __name__ == "__main__":
    main()
