"""The user's cache: what can be made again, so that nobody has to wait for it twice."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return the folder of one kind of things, which may not exist.

    Source: XDG Base Directory Specification, ``$XDG_CACHE_HOME``.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not root.is_absolute():  # as the specification has it
        root = Path.home() / ".cache"
    return root / "pixelcat" / name


def keep(path: Path, text: str) -> None:
    """Write a file of the cache whole; where the disk refuses, go without."""
    draft = None
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".tmp-", delete=False
        ) as file:
            draft = Path(file.name)
            file.write(text)
        draft.replace(path)
        return
    if draft is not None:
        draft.unlink(missing_ok=True)
