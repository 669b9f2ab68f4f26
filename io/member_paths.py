"""The files that an index means by its locations."""

import os
import re
import stat
from pathlib import Path

from ..catalog.errors import ItemError
from .item_table import text_of
from .photo_paths import PhotoFolders, clean_path


class MemberFolders:
    """Looks for rasters relative to the folder of an index, then as for photos.

    An index may come from a stranger: what it names must lie below its own folder or that of
    the user, links followed, unless the user lets it lead elsewhere.
    """

    def __init__(
        self, home: Path, media: Path | None = None, *, allow_outside: bool = False
    ) -> None:
        """Set the folders.

        Args:
            home: The folder of the index.
            media: The folder that the user names; asked first.
            allow_outside: Rasters may lie anywhere.
        """
        self._allowed = None if allow_outside else _real([home, *([media] if media else [])])
        self._is_inside: dict[str, bool] = {}
        self._home = home
        self._media = media
        self._elsewhere = PhotoFolders(home, media=media)

    def find(self, location: object) -> tuple[str, Path | None, str | None]:
        """Return the key of a location, its file, and why there is none."""
        key, path, lost = self._find(location)
        if path is not None and not self._may_be(path):
            return key, None, "outside the folder of the index; --allow-outside lets it"
        return key, path, lost

    def _may_be(self, path: Path) -> bool:
        """Return whether a file may be read; folders are looked at once, indexes are long."""
        if self._allowed is None:
            return True
        if path.is_symlink():
            return self._holds(os.path.realpath(path))
        folder = str(path.parent)
        if folder not in self._is_inside:
            self._is_inside[folder] = self._holds(os.path.realpath(folder))
        return self._is_inside[folder]

    def _holds(self, real: str) -> bool:
        return any(f"{real}{os.sep}".startswith(folder) for folder in self._allowed or ())

    def _find(self, location: object) -> tuple[str, Path | None, str | None]:
        if not isinstance(location, str) or not location.strip():
            return "", None, "the index gives no path"
        if "://" in location and not location.lower().startswith("file:"):
            return _without_secrets(location), None, "a link; links are not downloaded"
        if text_of(location) != location:
            return text_of(location), None, "its name is no text that a file can have"
        name = clean_path(location)
        for folder in filter(None, (self._media, self._home)):
            text = os.path.join(folder, name)  # noqa: PTH118  indexes are long, paths are slow
            if _is_file(text):
                path = Path(text)
                is_plain = folder == self._home and not name.startswith(("/", "."))
                return name if is_plain else self.key(path), path, None
        try:
            path = self._elsewhere.find(location)
        except ItemError as error:
            return location, None, str(error)
        return self.key(path), path, None

    def key(self, path: Path) -> str:
        """Return what names a file: relative to the folder of the index, or absolute."""
        if path.is_relative_to(self._home):
            return path.relative_to(self._home).as_posix()
        return path.as_posix()


def _real(folders: list[Path]) -> tuple[str, ...]:
    """Return folders with all links followed, each with a separator at its end."""
    return tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)  # noqa: PTH118


def _without_secrets(link: str) -> str:
    """Return a link without what may be a token or password: they never reach a catalog."""
    return re.sub(r"//[^/@]*@", "//", link.partition("?")[0])


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False
