"""Columns of the output feature class and its summary: the sources', then ours."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .geopackage import safe_type
from .records import CodedDomains, Column

SOURCE = Column(name="source", sql_type="TEXT")
"""The input of a row, in tables that show several."""
LINK_COLUMNS = (
    Column(name="source_fid", sql_type="INTEGER"),
    Column(name="item_id", sql_type="INTEGER"),
    Column(name="attachment_id", sql_type="INTEGER"),
    Column(name="image_name", sql_type="TEXT"),
    Column(name="classified_image", sql_type="TEXT"),
    Column(name="status", sql_type="TEXT"),
    Column(name="reason", sql_type="TEXT"),
    Column(name="dominant_class", sql_type="TEXT"),
    Column(name="dominant_share", sql_type="DOUBLE"),
    Column(name="mean_confidence", sql_type="DOUBLE"),
    Column(name="image_path", sql_type="TEXT"),
)
SUMMARY_COLUMNS = (
    Column(name="source_fid", sql_type="INTEGER"),
    Column(name="images", sql_type="INTEGER"),
    Column(name="classified", sql_type="INTEGER"),
    Column(name="failed", sql_type="INTEGER"),
    Column(name="skipped", sql_type="INTEGER"),
    Column(name="reason", sql_type="TEXT"),
    Column(name="dominant_class", sql_type="TEXT"),
    Column(name="dominant_share", sql_type="DOUBLE"),
    Column(name="mean_confidence", sql_type="DOUBLE"),
)
INTEGERS = ("BOOLEAN", "TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER")
"""From narrow to wide."""
_NUMBERS = (*INTEGERS, "FLOAT", "DOUBLE", "REAL")


def share_names(classes: Sequence[tuple[int, str]]) -> list[str]:
    """Return the summary's column name of each (value, name) class: ``share_<class name>``.

    Lower case, anything but letters and digits becomes ``_``; a repeated name gets the
    class value as suffix.
    """
    names: list[str] = []
    for value, label in classes:
        name = "share_" + (re.sub(r"\W+", "_", label.lower()).strip("_") or str(value))
        while name in names:
            name += f"_{value}"
        names.append(name)
    return names


def output_columns(
    source: Sequence[Column], ours: Sequence[Column], beside: Iterable[Column] = ()
) -> list[Column]:
    """Return the columns of an output table: the source's, then ours.

    A source column whose name we need (or that repeats) gets the suffix ``_source``, so often
    that no column has the name.

    Args:
        source: Those of the source.
        ours: Those that we add.
        beside: Those of all sources that the table shows.
    """
    needed = {"fid", "geom", *(column.name for column in (*LINK_COLUMNS, *SUMMARY_COLUMNS, *ours))}
    theirs = {column.name.lower() for column in (*source, *beside)}
    taken: set[str] = set()
    result = []
    for column in source:
        name = column.name
        if name.lower() in needed | taken:
            name += "_source"
            while name.lower() in needed | theirs | taken:
                name += "_source"
        taken.add(name.lower())
        result.append(replace(column, name=name))
    return [*result, *ours]


def union(
    sources: Iterable[tuple[Iterable[Column], CodedDomains]],
) -> tuple[list[Column], CodedDomains]:
    """Return the columns of a table that holds the rows of several, and their domains.

    Columns of one name (in any case) become one, of a type that holds the values of all. The
    codes of its domains are put together; where they contradict each other it has no domain.

    Args:
        sources: Columns and domains of each.
    """
    columns: dict[str, Column] = {}
    codes: dict[str, list[Mapping[str, str]]] = {}
    for each, domains in sources:
        for column in each:
            key = column.name.lower()
            columns[key] = _merged(columns[key], column) if key in columns else column
            codes.setdefault(key, []).append(domains.get(column.domain or "", {}))
    result: list[Column] = []
    named: dict[str, Mapping[str, str]] = {}
    for key, column in columns.items():
        together = _agreed(codes[key])
        name = _domain_name(column.domain or "", together, named) if together else None
        if name:
            named[name] = together
        result.append(replace(column, domain=name))
    return result, named


def wider_type(one: str, other: str) -> str:
    """Return a column type for the values of both: the wider number, else text.

    Of whole numbers and others it is ``DOUBLE``, which holds whole numbers up to 2**53 only.
    """
    types = safe_type(one), safe_type(other)
    if types[0] == types[1]:
        return types[0]
    kinds = {name.partition("(")[0] for name in types}
    if kinds in ({"TEXT"}, {"BLOB"}):
        sizes = [int(size[0]) for name in types if (size := re.findall(r"\d+", name))]
        return f"{kinds.pop()}({max(sizes)})" if len(sizes) == 2 else kinds.pop()
    if kinds <= set(INTEGERS):
        return max(kinds, key=INTEGERS.index)
    return "DOUBLE" if kinds <= set(_NUMBERS) else "TEXT"


def _merged(one: Column, other: Column) -> Column:
    return replace(
        one,
        sql_type=wider_type(one.sql_type, other.sql_type),
        alias=one.alias or other.alias,
        domain=one.domain or other.domain,
    )


def _agreed(several: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the codes of several domains; none where one means two things."""
    together: dict[str, str] = {}
    for codes in several:
        if any(together.get(code, text) != text for code, text in codes.items()):
            return {}
        together.update(codes)
    return together


def _domain_name(name: str, codes: Mapping[str, str], named: CodedDomains) -> str:
    free, number = name, 1
    while named.get(free, codes) != codes:
        number += 1
        free = f"{name}_{number}"
    return free
