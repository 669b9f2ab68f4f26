"""Submissions as features: their columns, where they were made, and the files they name."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ....catalog.errors import SourceError
from ....catalog.records import Column, Feature
from ...ogr import normalise_guid
from ...scan_options import ScanOptions
from . import place
from .columns import ColumnType, value
from .export import Export
from .media import Media
from .names import is_id
from .photos import Absent, References
from .tables import Table

Ids = dict[tuple[str, str, str], tuple[int, str]]
"""(tool, key column, value) → (number of the survey, feature)."""


class _Reading(NamedTuple):
    """What reading a table needs to know of the others."""

    export: Export
    media: Media
    options: ScanOptions
    ids: Ids


@dataclass(kw_only=True, slots=True)
class Survey:
    """One table of submissions, read once for its columns and the files it names."""

    table: Table
    columns: tuple[Column, ...] = ()
    locate: place.Locate | None = None
    links: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    """File → features, or an owner who is none; each once."""
    absent: dict[Absent, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def geometry_type(self) -> str | None:
        """GeoPackage geometry type; None where no submission has a place."""
        if self.table.has_shapes and self.locate is None:
            return "GEOMETRY"
        return "POINT" if self.locate is not None else None

    def features(self, export: Export) -> Iterator[Feature]:
        """Yield every submission; its number is its row."""
        keys = _positions(self.table, self.table.tool.keys).values()
        for number, cells in enumerate(self.table.rows(export), 1):
            shape = self._shape(cells)
            yield Feature(
                source_fid=number,
                global_id=next((g for i in keys if (g := _guid(cells[i]))), None),
                geometry=shape,
                location=shape,
                attributes={
                    column.name: value(cell, column.sql_type)
                    for column, cell in zip(self.columns, cells, strict=False)
                },
            )

    def take(self, references: References) -> None:
        """Add the files that a table names for submissions of this survey."""
        for key, owners in references.links.items():
            self.links[key].update(owners)
        for absent, owners in references.absent().items():
            self.absent[absent].update(owners)

    def _shape(self, cells: Sequence[str]) -> bytes | None:
        if self.locate is not None:
            return self.locate(cells)
        return bytes.fromhex(cells[-1]) if self.table.has_shapes and cells[-1] else None


def read_surveys(
    export: Export, tables: Sequence[Table], media: Media, options: ScanOptions
) -> list[Survey]:
    """Read every table once: submissions, and what was asked repeatedly in them.

    Raises:
        SourceError: A table that cannot be read, or a column that the user names and that
            is nowhere.
    """
    _check_columns(tables, options.photo_columns)
    roots = [table for table in tables if not _is_child(table, tables)] or list(tables)
    children = [table for table in tables if table not in roots]
    reading = _Reading(export, media, options, {})
    for table in tables:
        _claim_folders(table, reading)
    surveys = [_read(number, table, reading) for number, table in enumerate(roots)]
    _name_children(children, reading)
    for child in children:
        _read_child(child, surveys, reading)
    return surveys


def _claim_folders(table: Table, reading: _Reading) -> None:
    """Note whose folders are whose before anybody looks for a file."""
    if table.tool.only_own_files:
        return
    folders = _positions(table, table.tool.folders).values()
    for cells in table.rows(reading.export) if folders else ():
        reading.media.claim(cells[index] for index in folders if cells[index])


def _check_columns(tables: Sequence[Table], wanted: Sequence[str]) -> None:
    for name in wanted:
        if not any(table.column(name) is not None for table in tables):
            known = ", ".join(dict.fromkeys(c for table in tables for c in table.header))
            raise SourceError(f"no column {name} in {tables[0].name}; there are {known}")


def _is_child(table: Table, tables: Sequence[Table]) -> bool:
    tool = table.tool
    links = tool.parent({name.lower() for name in table.header})
    if not links or (
        tool.children_with_place_stand_alone and place.coordinate_columns(table.header)
    ):
        return False
    return any(
        other.tool is tool and not tool.parent({name.lower() for name in other.header})
        for other in tables
    )


def _read(number: int, table: Table, reading: _Reading) -> Survey:
    options = reading.options
    survey = Survey(table=table)
    pairs = place.coordinate_columns(table.header)
    if options.xy is not None:
        pairs = [place.chosen_columns(table.header, options.xy, table.name)]
    coordinates = {index for pair in pairs for index in pair}
    types = [ColumnType(is_coordinate=i in coordinates) for i in range(len(table.header))]
    places = _Places(pairs)
    references = References(table, reading.media, options.photo_columns)
    keys = _positions(table, table.tool.keys)
    folders = _positions(table, table.tool.folders)
    for row, cells in enumerate(table.rows(reading.export), 1):
        for type_, cell in zip(types, cells, strict=False):
            type_.see(cell)
        places.see(cells[: len(types)])
        references.add(cells, str(row), [cells[i] for i in folders.values()])
        for name, index in keys.items():
            if cells[index]:
                reading.ids.setdefault((table.tool.name, name, cells[index]), (number, str(row)))
    survey.columns = tuple(
        Column(name=name, sql_type=type_.sql_type)
        for name, type_ in zip(table.header, types, strict=True)
    )
    survey.locate = places.best(required=options.xy is not None)
    survey.take(references)
    return survey


class _Places:
    """Which columns say where most submissions were made."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self._ways = {pair: place.from_columns(*pair) for pair in pairs}
        self._known: Counter[tuple[int, int]] = Counter()
        self._points: Counter[int] = Counter()
        self._others: set[int] = set()

    def see(self, cells: Sequence[str]) -> None:
        for pair, way in self._ways.items():
            self._known[pair] += way(cells) is not None
        for index, cell in enumerate(cells):
            if cell and index not in self._others:
                if place.may_be_geopoint(cell):
                    self._points[index] += 1
                else:
                    self._others.add(index)

    def best(self, *, required: bool) -> place.Locate | None:
        """Return the pair of columns with most places, else the geopoint column."""
        pair = max(self._ways, key=lambda each: self._known[each], default=None)
        if pair is not None and (required or self._known[pair]):
            return self._ways[pair]
        points = [index for index in sorted(self._points) if index not in self._others]
        column = max(points, key=lambda each: self._points[each], default=None)
        return None if column is None else place.from_geopoint(column)


def _guid(cell: str) -> str | None:
    text = cell.strip().removeprefix("uuid:")
    return normalise_guid(text) if is_id(text) else None


def _positions(table: Table, names: Sequence[str]) -> dict[str, int]:
    return {name: i for name in names if (i := table.column(name)) is not None}


def _name_children(children: Sequence[Table], reading: _Reading) -> None:
    """Make rows of child tables known by their own keys, however deep they are nested."""
    ids = reading.ids
    for _ in children:
        before = len(ids)
        for table in children:
            key = table.tool.keys[0]
            index = table.column(key)
            for cells in table.rows(reading.export) if index is not None else ():
                owner = _owner(table, cells, ids)
                if owner is not None and index is not None and cells[index]:
                    ids.setdefault((table.tool.name, key, cells[index]), owner)
        if len(ids) == before:
            return


def _owner(table: Table, cells: Sequence[str], ids: Ids) -> tuple[int, str] | None:
    for column, above in table.tool.parents:
        index = table.column(column)
        if index is None or not cells[index]:
            continue
        for name in (cells[index], cells[index].partition("/")[0]):
            owner = ids.get((table.tool.name, above, name))
            if owner is not None:
                return owner
    return None


def _read_child(table: Table, surveys: Sequence[Survey], reading: _Reading) -> None:
    """Link the files of a child table; those of a row without a parent go to the first survey."""
    columns = reading.options.photo_columns
    references = [References(table, reading.media, columns) for _ in surveys]
    parents = _positions(table, [column for column, _ in table.tool.parents])
    folders = [
        column
        for column, above in table.tool.parents
        if above in table.tool.folders and column in parents
    ]
    for cells in table.rows(reading.export):
        scopes = [cells[parents[name]] for name in folders]
        named = "; ".join(f"{name} {cells[i]}" for name, i in parents.items() if cells[i])
        number, owner = _owner(table, cells, reading.ids) or (0, f"({named})")
        references[number].add(cells, owner, scopes)
    for survey, found in zip(surveys, references, strict=True):
        survey.take(found)
