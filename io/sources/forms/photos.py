"""Which files the rows of a table name, and which of them are not there."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from .media import Found, Media
from .names import file_name, is_audit_log, is_id, is_image_name, tokens
from .tables import Table
from .tools import FULCRUM

_HINT = re.compile(r"photo|image|img|pic|foto|imagen|bild", re.IGNORECASE)


class Absent(NamedTuple):
    """A name without a file."""

    name: str
    folder: str
    """The submission's own folder; empty where it has none."""
    scope: str
    """What that folder would be called, where names repeat between submissions; else empty."""
    reason: str


class _Asked(NamedTuple):
    """The row whose names are looked up."""

    owner: str
    scope: str
    own: list[str] | None
    """Its folders; None where submissions have none."""


class References:
    """Files that the rows of one table name.

    A column names photos where some of its cells are files of the export, or where all its
    cells look like names of images, without blanks where the column's name does not say
    photo: a word in a remark is no missing photo. Fulcrum's signatures are ids, with a time in
    the column beside them. Audit logs are no photos.
    """

    def __init__(self, table: Table, media: Media, columns: Sequence[str]) -> None:
        """Start without any row.

        Args:
            table: The table.
            media: The files.
            columns: Names of the columns that hold photos; empty to find them.
        """
        self._table = table
        self._media = media
        wanted = {name.lower() for name in columns}
        names = [name.lower() for name in table.header]
        described = {n for n in names if {f"{n}_caption", f"{n}_url"} <= set(names)}
        self._certain = {i for i, n in enumerate(names) if n in (wanted or described)}
        self._signed = {
            i for i, n in enumerate(names) if table.tool is FULCRUM and f"{n}_timestamp" in names
        }
        ties = {*table.tool.keys, *(column for column, _ in table.tool.parents)}
        free = [i for i, name in enumerate(names) if name not in ties]
        self._columns = sorted(self._certain) if wanted else free
        self._links_of_names = {i for i, n in enumerate(names) if n.removesuffix("_url") in
                                set(names) - {n}}  # fmt: skip
        self._hinted = {i for i, n in enumerate(names) if _HINT.search(n)}
        self._cells: Counter[int] = Counter()
        self._images: Counter[int] = Counter()
        self._resolved: set[int] = set()
        self._absent: dict[int, dict[Absent, dict[str, None]]] = defaultdict(dict)
        self.links: dict[str, dict[str, None]] = defaultdict(dict)
        """File → owners, each once."""

    def add(self, cells: Sequence[str], owner: str, scopes: Sequence[str]) -> None:
        """Take a row into account.

        Args:
            cells: The row.
            owner: Its feature.
            scopes: What its own folder may be called.
        """
        has_folders = bool(self._table.tool.folders)
        own = self._media.folders(scopes) if has_folders else None
        asked = _Asked(owner, next(filter(None, scopes), ""), own)
        for column in self._columns:
            cell = cells[column].strip()
            if cell:
                self._cells[column] += 1
            if is_audit_log(file_name(cell)):
                continue
            if column in self._certain or "." in cell or is_id(cell[:36]):
                self._see(column, cell, asked)

    def absent(self) -> dict[Absent, dict[str, None]]:
        """Return the missing names of the columns that hold photos, with their owners."""
        merged: dict[Absent, dict[str, None]] = defaultdict(dict)
        for column, names in self._absent.items():
            resolved = column in self._resolved | self._certain | self._signed
            if resolved or self._images[column] == self._cells[column]:
                for absent, owners in names.items():
                    if resolved or is_image_name(absent.name):
                        merged[absent].update(owners)
        return merged

    def _see(self, column: int, cell: str, row: _Asked) -> None:
        whole = self._find(column, cell, row)
        parts = [cell] if whole.key else tokens(cell)
        looks = True
        for part in parts:
            found = whole if part == cell else self._find(column, part, row)
            if found.key is not None:
                self._resolved.add(column)
                self.links[found.key][row.owner] = None
                continue
            name = _name(part)
            looks = looks and is_image_name(name) and (column in self._hinted or " " not in name)
            if column in self._links_of_names:
                continue  # the column beside it says what is missing
            if column in self._certain or is_image_name(name) or is_id(name):
                absent = _describe(name, found, row)
                self._absent[column].setdefault(absent, {})[row.owner] = None
        self._images[column] += bool(parts) and looks

    def _find(self, column: int, token: str, row: _Asked) -> Found:
        return self._media.find(
            token,
            row.own,
            only=self._table.tool.only_own_files,
            by_stem=column in self._certain,
        )


def _name(token: str) -> str:
    """Return the name of a missing file; a link that ends with none stands for itself."""
    name = file_name(token)
    return token if "://" in token and not (is_image_name(name) or is_id(name)) else name


def _describe(name: str, found: Found, row: _Asked) -> Absent:
    if found.candidates > 1:
        reason = f"{found.candidates} files have this name; no telling which is meant"
    elif "://" in name:
        reason = "a link, which is not downloaded, to no file of the export"
    else:
        reason = "named by a submission, but not in the export"
    return Absent(name, row.own[0] if row.own else "", row.scope, reason)
