"""The text of a statement in SQL, cut into pieces as SQLite does it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_PIECE = re.compile(
    r"""(?P<nothing>[ \t\n\f\r\ufeff]+|--[^\n]*|/\*.*?(?:\*/|\Z)|;)
    |(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |[:@$](?P<parameter>\w+)
    |\w+|.""",
    re.DOTALL | re.VERBOSE,
)


class _Piece(NamedTuple):
    start: int
    end: int
    parameter: str | None


def bare(sql: str) -> str:
    """Return a statement without remarks, blanks and semicolons before and after it."""
    pieces = list(_pieces(sql))
    return sql[pieces[0].start : pieces[-1].end] if pieces else ""


def parameters(sql: str) -> set[str]:
    """Return the names of the parameters in a statement, without what stands before them."""
    return {piece.parameter for piece in _pieces(sql) if piece.parameter}


def _pieces(sql: str) -> Iterator[_Piece]:
    """Yield what has a meaning: neither blanks nor remarks nor semicolons."""
    for found in _PIECE.finditer(sql):
        if found["nothing"] is None:
            yield _Piece(found.start(), found.end(), found["parameter"])
