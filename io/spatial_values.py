"""Values as they are: through GDAL, which takes the type of a column from its first row, as text.

Every value comes as a letter for its storage class, then what tells it exactly. A last row says
that none is missing, whatever GDAL makes of an error half-way.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..catalog import geometry

_NAME = "pixelcat_answer"
_END = "E"
_TEXT = """CASE typeof({c}) WHEN 'null' THEN 'N' WHEN 'integer' THEN 'I' || {c}
 WHEN 'real' THEN 'R' || quote({c}) WHEN 'text' THEN 'T' || hex({c}) ELSE
 CASE WHEN hex(substr({c}, 1, 1)) = '00' AND ST_AsBinary({c}) IS NOT NULL
 THEN 'G' || ST_SRID({c}) || ' ' || hex(ST_AsBinary({c})) ELSE 'B' || hex({c}) END END"""
"""SpatiaLite's own geometries begin with a zero byte; others are those of GeoPackages."""


def as_texts(statement: str, count: int) -> str:
    """Return a SELECT that gives the answer to another as text.

    Args:
        statement: It, without a semicolon; worked out once, whatever is done with its values.
        count: How many columns it has.
    """
    columns = [f"c{index}" for index in range(count)]
    texts = ", ".join(f"{_TEXT.format(c=column)} AS v_{column}" for column in columns)
    end = ", ".join([f"'{_END}'"] + ["''"] * (count - 1))
    return (
        f"WITH {_NAME}({', '.join(columns)}) AS MATERIALIZED (\n{statement}\n)"
        f" SELECT {texts} FROM {_NAME} UNION ALL SELECT {end}"
    )


def rows(columns: Sequence[Sequence[str]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows in columns of such text.

    Raises:
        ValueError: The row that ends them is missing.
    """
    for texts in zip(*columns, strict=True):
        if texts[0] == _END:
            return
        yield tuple(_VALUES[text[0]](text[1:]) for text in texts)
    raise ValueError("the answer broke off; narrow the query")


def _geometry(text: str) -> bytes | None:
    srs_id, _, wkb = text.partition(" ")
    return geometry.encode(bytes.fromhex(wkb), int(srs_id))


_VALUES: dict[str, Callable[[str], Any]] = {
    "N": lambda _: None,
    "I": int,
    "R": float,
    "T": lambda text: bytes.fromhex(text).decode(errors="replace"),
    "B": bytes.fromhex,
    "G": _geometry,
}
