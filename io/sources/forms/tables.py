"""The tables of an export, whatever format they are in: a header, and rows of text."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...probe import IMAGE_SUFFIXES
from ...text_tables import MORE_CELLS
from . import geojson, spreadsheet, text
from .export import Export, head
from .instances import Answers, Instance, find_instances, read_instance
from .tools import INSTANCES, ODK_CENTRAL, Tool, may_be_tools, tool_of

_HEAD = 1 << 18
_AUDIO_VIDEO = frozenset([".mp4", ".m4a", ".mp3", ".3gp", ".wav", ".ogg", ".mov", ".amr", ".pdf"])

Rows = Callable[[Export], Iterator[Sequence[str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of submissions, or of what was asked repeatedly in them."""

    key: str
    """The file it is in; empty for submissions that are a folder each."""
    name: str
    tool: Tool
    header: tuple[str, ...]
    """Column names, each once in any case."""
    rows: Rows
    """Reads it; a row has a cell per column, and one more where it has shapes."""
    has_shapes: bool = False
    """The last cell of each row is its shape as hexadecimal WKB."""

    def column(self, name: str) -> int | None:
        """Return the position of a column by its name in any case."""
        lowered = [each.lower() for each in self.header]
        return lowered.index(name.lower()) if name.lower() in lowered else None


class _Draft(NamedTuple):
    """What may be a table, before anybody read it to its end."""

    key: str
    name: str
    columns: list[str]
    rows: Rows
    has_shapes: bool = False


def is_form_export(export: Export, keys: Sequence[str]) -> bool:
    """Return whether a form tool wrote any of the files, from headers and names alone."""
    found = any(tool_of(draft.columns) for draft in _drafts(export, keys))
    return found or bool(find_instances(keys, export.root.name))


def find_tables(export: Export, keys: Sequence[str]) -> list[Table]:
    """Return the tables that a form tool wrote, or else the submissions that are folders."""
    tables = [
        _table(export, draft, tool)
        for draft in _drafts(export, keys)
        if (tool := tool_of(draft.columns))
    ]
    return _named_apart(tables or list(_instance_tables(export, keys)))


def related_tables(tables: Sequence[Table], key: str) -> list[Table]:
    """Return the tables in one file, and the child tables of the same tool beside it."""
    own = [table for table in tables if table.key == key]
    stem = f"{PurePosixPath(key).stem}-"
    return own + [
        table
        for table in tables
        if table not in own
        and any(table.tool is each.tool for each in own)
        and table.tool.parent({name.lower() for name in table.header})
        and (table.tool is not ODK_CENTRAL or table.name.startswith(stem))
    ]


def _drafts(export: Export, keys: Sequence[str]) -> Iterator[_Draft]:
    """Yield what may be a table: files on top, in archives one folder below.

    A folder that holds nothing but one other folder is as good as that.
    """
    is_wrapped = len({key.partition("/")[0] for key in keys}) == 1
    for key in keys:
        deepest = is_wrapped or export.path(key) is None
        if key.rpartition(".zip/")[2].count("/") <= deepest and not _is_media_name(key):
            yield from _drafts_in(export, key)


def _is_media_name(key: str) -> bool:
    return PurePosixPath(key).suffix.lower() in IMAGE_SUFFIXES | _AUDIO_VIDEO


def _drafts_in(export: Export, key: str) -> Iterator[_Draft]:
    start = head(export, key, _HEAD)
    name = PurePosixPath(key).stem
    path = export.path(key)
    if start.startswith(b"PK"):
        if path is None:
            return
        for sheet in spreadsheet.sheets(path):
            columns = spreadsheet.header(path, sheet)
            yield _Draft(key, sheet, columns, partial(_sheet_rows, path, sheet))
    elif geojson.is_collection(start):
        columns = geojson.header(key, partial(export.open, key)) if may_be_tools(start) else []
        yield _Draft(key, name, columns, partial(_collection_rows, key, columns), True)
    else:
        yield _Draft(key, name, text.header(start), partial(_text_rows, key))


def _sheet_rows(path: Path, sheet: str, _: Export) -> Iterator[list[str]]:
    return spreadsheet.rows(path, sheet)


def _collection_rows(key: str, columns: list[str], export: Export) -> Iterator[list[str]]:
    return geojson.rows(key, partial(export.open, key), columns)


def _text_rows(key: str, export: Export) -> Iterator[list[str]]:
    lines = text.rows(str(export.root / key), partial(export.open, key))
    next(lines, None)
    return lines


def _table(export: Export, draft: _Draft, tool: Tool) -> Table:
    width = len(draft.columns) + draft.has_shapes
    more = any(len(row) > width for row in draft.rows(export))
    return Table(
        key=draft.key,
        name=draft.name,
        tool=tool,
        header=_unique([*draft.columns, *([MORE_CELLS] if more else [])]),
        rows=lambda export: (_even(row, width, more=more) for row in draft.rows(export)),
        has_shapes=draft.has_shapes,
    )


def _even(row: Sequence[str], width: int, *, more: bool) -> list[str]:
    """Return a row with a cell per column; what is beyond the header is kept as a list."""
    cells = [*row[:width], *[""] * (width - len(row))]
    if more:
        cells.append(json.dumps(row[width:], ensure_ascii=False) if len(row) > width else "")
    return cells


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    taken: set[str] = set()
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(2))
    unique = []
    for position, given in enumerate(names, 1):
        name = base = given.strip() or f"column_{position}"
        while name.lower() in taken:
            name = f"{base}_{next(numbers[base.lower()])}"
        taken.add(name.lower())
        unique.append(name)
    return tuple(unique)


def _named_apart(tables: list[Table]) -> list[Table]:
    names = _unique(table.name for table in tables)
    return [replace(table, name=name) for name, table in zip(names, tables, strict=True)]


def _instance_tables(export: Export, keys: Sequence[str]) -> Iterator[Table]:
    """Yield a table per form; its columns are all leaves of all its instances."""
    instances = find_instances(keys, export.root.name)
    columns: dict[str, dict[str, None]] = {}
    members: dict[str, list[Instance]] = {}
    unknown = []
    for instance in instances:
        answers = read_instance(export, instance)
        if not answers.form:
            unknown.append((instance, answers))
            continue
        columns.setdefault(answers.form, {}).update(dict.fromkeys(answers.values))
        members.setdefault(answers.form, []).append(instance)
    forms: dict[str, str] = {}
    for form, own in members.items():
        for instance in own:
            forms.setdefault(_stem(instance), form)
    for instance, answers in unknown:
        form = forms.setdefault(_stem(instance), next(iter(members), "submissions"))
        columns.setdefault(form, {}).update(dict.fromkeys(answers.values))
        members.setdefault(form, []).append(instance)
    for form, own in members.items():
        names = list(columns[form])
        yield Table(
            key="",
            name=form,
            tool=INSTANCES,
            header=_unique(names),
            rows=partial(_instance_rows, own, names),
        )


def _stem(instance: Instance) -> str:
    """Return how the folder of an instance begins: an unreadable one is of the form of its like."""
    return instance.folder.partition("_")[0]


def _instance_rows(
    instances: list[Instance], names: list[str], export: Export
) -> Iterator[list[str]]:
    for instance in instances:
        answers: Answers = read_instance(export, instance)
        yield [answers.values.get(name, "") for name in names]
