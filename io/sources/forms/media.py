"""The media files of an export, found by the names that submissions use for them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from .names import file_name, fold, is_id

_MANY = 100


class Found(NamedTuple):
    """What became of one name."""

    key: str | None
    """The file; None where there is none, or no telling which."""
    candidates: int
    """How many files have the name."""


class Media:
    """An index of files by name, by the folders above them, and by stem."""

    def __init__(self, keys: Iterable[str], aliases: Iterable[tuple[str, str]] = ()) -> None:
        """Index files.

        Args:
            keys: The files.
            aliases: (id of a submission, folder) where a folder's name does not say whose it is.
        """
        self.keys = list(keys)
        self._names: dict[str, list[str]] = defaultdict(list)
        self._stems: dict[str, list[str]] = defaultdict(list)
        self._within: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        for key in self.keys:
            self._add(key)
        for name, folder in aliases:
            self._folders[fold(name)].add(folder)

    def _add(self, key: str) -> None:
        path = PurePosixPath(key)
        name = fold(path.name)
        self._names[name].append(key)
        self._stems[fold(path.stem)].append(key)
        for parent in path.parents:
            folder = str(parent)
            self._within[folder, name].append(key)
            self._folders[fold(folder)].add(folder)
            self._folders[fold(parent.name)].add(folder)

    def find(
        self,
        token: str,
        scopes: Collection[str] = (),
        *,
        only: bool = False,
        by_stem: bool = False,
    ) -> Found:
        """Find the file that a token names.

        Args:
            token: A name, a path, an id or a link.
            scopes: Folders or ids of the submission: its own files go first.
            only: Nothing but its own files.
            by_stem: The token may be a name without its ending; an id always may.
        """
        name = file_name(token)
        keys = self._own(fold(name), scopes) or self._own(fold(_as_stored(name)), scopes)
        if not keys and not only:
            keys = self._names.get(fold(name), [])
            if not keys and (by_stem or is_id(name)):
                keys = self._stems.get(fold(name.strip("{}")), [])
        if 1 < len(keys) < _MANY:
            keys = _most_exact(keys, token, name)
        return Found(keys[0] if len(keys) == 1 else None, len(keys))

    def _own(self, name: str, scopes: Collection[str]) -> list[str]:
        folders = {folder for scope in scopes for folder in self._folders.get(fold(scope), ())}
        found = (key for folder in sorted(folders) for key in self._within.get((folder, name), ()))
        return list(dict.fromkeys(found))


def _as_stored(name: str) -> str:
    """Return a name as KoboToolbox's server stores the file of that name."""
    return re.sub(r"[^-\w.]", "", name.strip().replace(" ", "_"))


def _most_exact(keys: list[str], token: str, name: str) -> list[str]:
    """Return the files whose path, or else whose name, is written just like the token."""
    for wanted in (token.replace("\\", "/"), name):
        exact = [key for key in keys if f"/{key}".endswith(f"/{wanted}")]
        if exact:
            return exact
    return keys
