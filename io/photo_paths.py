"""The file that a table means by a path which somebody else's device wrote."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from ..catalog.errors import ItemError
from ..catalog.lock import belongs_to_live
from .probe import IMAGE_SUFFIXES

USUAL_FOLDERS = ("DCIM", "files", "photos", "media", "images")
"""Where field apps keep photos, below the folder of the project."""

_DRIVE = re.compile(r"^[A-Za-z]:(?=/)")
_HOST = re.compile(r"^//(localhost)?(?=/|[A-Za-z]:)")


class PhotoFolders:
    """Looks for files in the folders that a data source may mean.

    A path may come from a stranger: what a relative one leads to, by ``..`` or by a link,
    must lie in one of these folders. One with ``..`` is tried as it is and in no other way.
    """

    def __init__(
        self, home: Path, *, media: Path | None = None, projects: Sequence[Path] = ()
    ) -> None:
        """Set the folders.

        Args:
            home: The folder of the data.
            media: The folder that the user names; asked first.
            projects: Folders of projects that use the data.
        """
        given = [home, *projects] if media is None else [media, home, *projects]
        self._folders = tuple(dict.fromkeys(folder.resolve() for folder in given))
        self._listings: dict[Path, dict[str, str]] = {}
        self._stems: dict[Path, dict[str, str | None]] = {}

    @property
    def root(self) -> Path:
        """The folder that :meth:`key` counts from."""
        return self._folders[0]

    def find(self, text: str, first: Sequence[Path] = ()) -> Path:
        """Return the file, all links followed.

        Args:
            text: A path, relative or absolute, or a ``file:`` URL, of any system.
            first: Folders to ask before the usual ones.

        Raises:
            ItemError: Not there, not allowed, or no path at all.
        """
        name = clean_path(text)
        outside = self._leads_out(name)
        for path in self._candidates(name, first):
            real = self._real(path, given=path == Path(name))
            if real is not None:
                return real
            outside = True
        if outside:
            raise ItemError(f"leads out of {self.root}; --media FOLDER names where photos may be")
        places = ", ".join(str(folder) for folder in (*first, *self._folders))
        raise ItemError(f"no such file; looked in {places} and in {', '.join(USUAL_FOLDERS)} there")

    def holds(self, text: str, first: Sequence[Path] = (), *, exactly: bool = False) -> bool:
        """Return whether a path names a file; exactly only with its ending."""
        candidates = self._candidates(clean_path(text), first, endings=not exactly)
        return next(candidates, None) is not None

    def key(self, path: Path) -> str:
        """Return what names a found file: relative to the root, or absolute."""
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return path.as_posix()

    def _candidates(
        self, name: str, first: Sequence[Path], *, endings: bool = True
    ) -> Iterator[Path]:
        """Yield existing files; of an absolute path also those at the end of it.

        Args:
            name: The path.
            first: Folders to ask before the usual ones.
            endings: Whether images count that have the name but for its ending.
        """
        folders = (*first, *self._folders)
        parts = PurePosixPath(name).parts
        absolute = bool(parts) and parts[0].startswith("/")
        if absolute or ".." in parts:
            given = [Path(name)] if absolute else [folder / name for folder in folders]
            yield from filter(_is_file, given)
        if ".." in parts:
            return
        parts = parts[1:] if absolute else parts
        tails = [parts[start:] for start in range(len(parts))] if absolute else [parts]
        endings = endings and PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES
        for look_up in (self._name_in, self._stem_in) if endings else (self._name_in,):
            for tail in filter(None, tails):
                for folder in folders:
                    for usual in ((), *((name,) for name in USUAL_FOLDERS)):
                        found = self._below(folder, (*usual, *tail), look_up)
                        if found is not None:
                            yield found

    def _below(
        self, folder: Path, parts: tuple[str, ...], look_up: Callable[[Path, str], str | None]
    ) -> Path | None:
        path = folder.joinpath(*parts)
        if _is_file(path):
            return path
        *above, last = parts
        for part in above:  # as it was written on a system that ignores case
            name = self._name_in(folder, part)
            if name is None:
                return None
            folder /= name
        name = look_up(folder, last)
        return folder / name if name is not None and _is_file(folder / name) else None

    def _name_in(self, folder: Path, name: str) -> str | None:
        return self._listing(folder).get(_plain(name))

    def _stem_in(self, folder: Path, stem: str) -> str | None:
        """Return the one image that has this name but for its ending."""
        if folder not in self._stems:
            stems = self._stems[folder] = {}
            for name in self._listing(folder).values():
                path = PurePosixPath(name)
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    stems[_plain(path.stem)] = None if _plain(path.stem) in stems else name
        return self._stems[folder].get(_plain(stem))

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self._listings:
            try:
                names = sorted((path.name for path in folder.iterdir()), reverse=True)
            except (OSError, ValueError):
                names = []
            self._listings[folder] = {_plain(name): name for name in names}
        return self._listings[folder]

    def _real(self, path: Path, *, given: bool) -> Path | None:
        """Follow links; None where that leads out of the folders.

        An absolute path elsewhere that the table gives as it is leads out of nothing.

        Raises:
            ItemError: The file is the catalog itself, or has a name that is no text.
        """
        real = path.resolve()
        if belongs_to_live(real):
            raise ItemError("is the catalog itself")
        try:
            str(real).encode()
        except UnicodeEncodeError as error:
            raise ItemError("its name is not UTF-8; rename it") from error
        elsewhere = given and ".." not in path.parts and not self._is_inside(path)
        return real if elsewhere or self._is_inside(real) else None

    def _leads_out(self, name: str) -> bool:
        """Return whether ``..`` in a path leads out of the folders, whatever exists."""
        if ".." not in PurePosixPath(name).parts:
            return False
        ends = (Path(os.path.normpath(folder / name)) for folder in self._folders)
        return not any(map(self._is_inside, ends))

    def _is_inside(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self._folders)


def clean_path(text: str) -> str:
    """Return a path with ``/`` between its parts, absolute ones of any system with one first."""
    name = text.strip().replace("\\", "/")
    if name[:5].lower() == "file:":
        name = unquote(_HOST.sub("", name[5:])).replace("\\", "/")
    name = _DRIVE.sub("", name)
    return re.sub(r"^/+", "/", name)


def _plain(name: str) -> str:
    """Return a name as systems compare it that ignore case and how letters are composed."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
