"""The items that the photo columns of a dataset hold, and how to fetch them again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..catalog.errors import ItemError, SourceError
from ..catalog.records import Item, ItemStatus, SqlValue
from .content import file_at
from .fingerprint import fingerprint
from .key_columns import normalise_key
from .limits import Limits
from .parent_tables import Parent
from .photo_cells import Photo, image_bytes, lists_in, photos_in
from .photo_columns import PhotoColumn
from .photo_paths import PhotoFolders, clean_path
from .probe import probe, probe_all
from .sniff import TEXT_DRIVERS
from .tables import Table

_LONGEST_PATH = 4096


class PhotoTable(NamedTuple):
    """A table with photo columns: a layer itself, or a child of it."""

    table: Table
    columns: tuple[PhotoColumn, ...]
    parent: Parent | None = None
    """Whose features the photos belong to; None for those of the table."""
    note: str | None = None
    """What is to be said about that."""


class PhotosFound(NamedTuple):
    """What a look at every value of the photo columns has found."""

    files: "_Files"
    images: Sequence[PhotoTable]
    """The tables, and of each the columns, that hold images themselves."""
    folders: PhotoFolders

    def fingerprint(self, *facts: object) -> str | None:
        """Return what changes with the files that values name, found or not."""
        return fingerprint(self.files.paths(), *facts, *self.files.outcomes())

    def items(self, limits: Limits) -> Iterator[Item]:
        """Yield encoded images as they come, then each file once with all its features."""
        for source in self.images:
            for row, feature, column, value in _cells(source):
                for number, photo in enumerate(_photos(value, column, self.folders), 1):
                    if photo.kind == "encoded":
                        key = _cell_key(source.table.name, column.name, row, number)
                        name = f"{column.name} {key.rpartition('/')[2]}"
                        yield _encoded(photo, key, name, feature, limits)
        yield from probe_all(self.files.images(), limits)


def find_photos(tables: Sequence[PhotoTable], folders: PhotoFolders) -> PhotosFound:
    """Look for the files that values name; nothing of them is read yet."""
    files = _Files(folders)
    images = []
    for source in tables:
        holding = set()
        for row, feature, column, value in _cells(source):
            for number, photo in enumerate(_photos(value, column, folders), 1):
                if photo.kind == "encoded":
                    holding.add(column)
                else:
                    key = _cell_key(source.table.name, column.name, row, number)
                    files.add(photo, key, feature, column)
        if holding:
            columns = tuple(column for column in source.columns if column in holding)
            images.append(source._replace(columns=columns))
    return PhotosFound(files, images, folders)


def fetcher(
    open_tables: Callable[[], Iterable[Table]], root: Path
) -> Callable[[Item], Path | bytes]:
    """Return how the items of :func:`find_photos` are fetched by their keys.

    Args:
        open_tables: Gives the tables of the source; called for the first encoded image.
        root: The folder that the keys of files count from.
    """
    by_name: dict[str, Table] = {}

    def fetch(item: Item) -> Path | bytes:
        if item.kind == "file":
            return file_at(root / item.source_key)
        table, column, place = map(_unescaped, item.source_key.split("/"))
        row, _, number = place.partition(".")
        try:
            if not by_name:
                by_name.update({table.name: table for table in open_tables()})
            photos = photos_in(by_name[table].cell(column, int(row)))
        except (SourceError, KeyError, OSError) as error:
            raise ItemError("its table cannot be read any more") from error
        if len(photos) < int(number or 1):
            raise ItemError("the image is gone from its table")
        return image_bytes(photos[int(number or 1) - 1])

    return fetch


class _File(NamedTuple):
    path: Path | None
    item: Item
    features: dict[str, None]


def _cells(
    source: PhotoTable,
) -> Iterator[tuple[int, str, PhotoColumn, SqlValue]]:
    names = [column.name for column in source.columns]
    parent = source.parent
    if parent is not None:
        names.append(parent.child_column)
    for row, values in source.table.rows(names):
        feature = str(row) if parent is None else _feature_of(parent, values[-1])
        for column, value in zip(source.columns, values, strict=False):
            yield row, feature, column, value


def _photos(value: SqlValue, column: PhotoColumn, folders: PhotoFolders) -> list[Photo]:
    """Return the photos of a value; which files there are decides what is a list of names."""
    photos = photos_in(value)
    if not isinstance(value, str) or len(value) > _LONGEST_PATH:
        return photos
    lists = lists_in(value)
    if lists and folders.holds(value, column.default_paths, exactly=True):
        return [Photo("path", value.strip())]
    if len(photos) == 1 and photos[0].kind == "path":
        for names in lists:
            if all(folders.holds(name, column.default_paths) for name in names):
                return [Photo("path", name) for name in names]
    return photos


def _feature_of(parent: Parent, value: SqlValue) -> str:
    """Return the row of the parent; what no row of it has stays, in words."""
    row = parent.rows.get(normalise_key(value) or "")
    return str(row) if row is not None else f"= {value!r}"


def _encoded(photo: Photo, key: str, name: str, feature: str, limits: Limits) -> Item:
    item = Item(
        kind="attachment",
        source_key=key,
        name=name,
        declared_type=photo.declared_type,
        feature_keys=(feature,),
    )
    try:
        return probe(item, image_bytes(photo), limits, claimed=True)
    except ItemError as error:
        return replace(item, status="unreadable", reason=str(error))


class _Files:
    """The files that values name, each once, with the features that name them."""

    def __init__(self, folders: PhotoFolders) -> None:
        self._folders = folders
        self._found: dict[str, _File] = {}
        self._keys: dict[tuple[str, tuple[Path, ...]], str] = {}

    def add(self, photo: Photo, cell: str, feature: str, column: PhotoColumn) -> None:
        length = len(photo.content)
        if length > _LONGEST_PATH:
            key = cell
            self._found[key] = _unusable(key, f"is no path: {length} characters")
        else:
            key = self._key(photo, column)
        self._found[key].features[feature] = None

    def _key(self, photo: Photo, column: PhotoColumn) -> str:
        spelling = (str(photo.content), column.default_paths)
        if spelling not in self._keys:
            key, file = self._look_up(photo, column)
            self._keys[spelling] = key
            self._found.setdefault(key, file)
        return self._keys[spelling]

    def images(self) -> Iterator[tuple[Item, Path | None]]:
        for path, item, features in self._found.values():
            yield replace(item, feature_keys=tuple(features)), path

    def paths(self) -> Iterator[Path]:
        return (file.path for file in self._found.values() if file.path is not None)

    def outcomes(self) -> Iterator[tuple[object, str | None]]:
        """Yield what each spelling means, and why a file cannot be had."""
        yield from self._keys.items()
        yield from ((key, file.item.reason) for key, file in self._found.items())

    def _look_up(self, photo: Photo, column: PhotoColumn) -> tuple[str, _File]:
        """Return the key of a file and the file."""
        text = str(photo.content)
        if photo.kind == "link":
            return text, _unusable(text, "is a link; links are not downloaded")
        try:
            path = self._folders.find(text, column.default_paths)
        except ItemError as error:
            key = clean_path(text) or text
            return key, _unusable(key, str(error))
        key = self._folders.key(path)
        if path.suffix.lower() in TEXT_DRIVERS:  # it may lead to any other file
            reason = "is a text that describes a raster; give it as an input of its own"
            return key, _unusable(key, reason, "unreadable")
        return key, _File(path, Item(kind="file", source_key=key, name=path.name), {})


def _unusable(key: str, reason: str, status: ItemStatus = "missing") -> _File:
    name = PurePosixPath(key).name or key
    item = Item(kind="file", source_key=key, name=name, status=status, reason=reason)
    return _File(None, item, {})


def _cell_key(table: str, column: str, row: int, number: int) -> str:
    place = f"{row}.{number}" if number > 1 else str(row)
    return f"{_escaped(table)}/{_escaped(column)}/{place}"


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _unescaped(name: str) -> str:
    return name.replace("%2F", "/").replace("%25", "%")
