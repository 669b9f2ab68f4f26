"""The media files of an export, found by the names that submissions use for them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
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
        self._claimed: set[str] = set()
        self._free: dict[str, list[str]] = {}
        for key in self.keys:
            self._add(key)
        for name, folder in aliases:
            self._folders[fold(name)].add(folder)
            self._claimed.add(folder)

    def claim(self, scopes: Iterable[str]) -> None:
        """Note that folders of these names are submissions' own: no other finds files there."""
        self._free.clear()
        for scope in scopes:
            self._claimed |= self._folders.get(fold(scope), set())

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
            if is_id(parent.name):
                self._claimed.add(folder)

    def folders(self, scopes: Iterable[str]) -> list[str]:
        """Return the folders that are called like this, by name, path or id."""
        found = {each for scope in scopes if scope for each in self._folders.get(fold(scope), ())}
        return sorted(found)

    def find(
        self,
        token: str,
        own: Sequence[str] | None = None,
        *,
        only: bool = False,
        by_stem: bool = False,
    ) -> Found:
        """Find the file that a token names.

        Args:
            token: A name, a path, an id or a link.
            own: The folders of the submission: its own files go first, and those of other
                submissions are none of its business. None where submissions have no folders.
            only: Nothing but its own files.
            by_stem: The token may be a name without its ending; an id always may.
        """
        name = file_name(token)
        folded = fold(name)
        keys: list[str] = []
        if own:
            keys = self._own(folded, own) or self._own(fold(_as_stored(name)), own)
        if not keys and not only:
            keys = self._names.get(folded, [])
            if not keys and (by_stem or is_id(name)):
                keys = self._stems.get(fold(name.strip("{}")), [])
            if own is not None:
                keys = self._unclaimed(folded, keys)
        if 1 < len(keys) < _MANY:
            keys = _most_exact(keys, token, name)
        return Found(keys[0] if len(keys) == 1 else None, len(keys))

    def _unclaimed(self, name: str, keys: list[str]) -> list[str]:
        """Return the files that are no submission's own; many rows ask for the same name."""
        if name not in self._free:
            self._free[name] = [key for key in keys if not self._is_claimed(key)]
        return self._free[name]

    def _is_claimed(self, key: str) -> bool:
        return any(str(folder) in self._claimed for folder in PurePosixPath(key).parents)

    def _own(self, name: str, folders: Sequence[str]) -> list[str]:
        found = (key for folder in folders for key in self._within.get((folder, name), ()))
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
