"""Model packages (``.dlpk``): ZIP archives from strangers, unpacked with care and only once."""

import hashlib
import stat
import zipfile
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO

from ..catalog.errors import ModelError, OutputError
from ..io.publish import draft_folder, publish_folder
from ..io.zip_members import BROKEN, leads_out, too_many, unbounded
from .cache import cache_folder

MAX_FILES = 200
MAX_BYTES = 4 << 30
_CHUNK = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul", *(f"{n}{i}" for n in ("com", "lpt") for i in range(1, 10))}


def unpack(path: Path) -> Path:
    """Return the ``.emd`` of a package, unpacked below the user's cache folder.

    Unpacking happens once for each content, under a temporary name until it is complete.

    Raises:
        ModelError: No ZIP archive, an unsafe or too large one, or one without exactly one
            definition at its shallowest level.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked(path, archive)
            cache = cache_folder("models")
            cache.mkdir(parents=True, exist_ok=True)
            folder = cache / _sha256(path)
            if not folder.is_dir():
                _extract(path, archive, members, folder)
    except ModelError:
        raise
    except BROKEN as error:
        raise ModelError(f"model package {path} is no usable ZIP archive: {error}") from error
    except OSError as error:
        raise ModelError(f"model package {path}: {error.strerror or error}") from error
    return folder / _definition(path, members)


def _checked(path: Path, archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive after looking at every entry of its directory."""
    entries = archive.infolist()
    if reason := too_many(entries, MAX_FILES):
        raise ModelError(f"model package {path} {reason}")
    if sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise ModelError(f"model package {path} unpacks to more than {MAX_BYTES >> 30} GiB")
    names: set[str] = set()
    for entry in entries:
        folded = entry.filename.rstrip("/").casefold()
        reason = "stands there twice" if folded in names else _refusal(entry)
        if reason:
            raise ModelError(f"model package {path}: {entry.filename!r} {reason}")
        names.add(folded)
    _check_layout(path, entries)
    return [entry for entry in entries if not entry.is_dir()]


def _check_layout(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse members that share bytes, and a file that is also the folder of another."""
    spans = sorted((e.header_offset, e.header_offset + e.compress_size) for e in entries)
    if any(after[0] < before[1] for before, after in pairwise(spans)):
        raise ModelError(f"model package {path}: its files overlap")
    files = [PurePosixPath(entry.filename) for entry in entries if not entry.is_dir()]
    folders = {parent for file in files for parent in file.parents}
    for file in files:
        if file in folders:
            raise ModelError(f"model package {path}: {str(file)!r} is file and folder")


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    """Return why an entry is refused, None for a good one."""
    name = entry.filename
    parts = PurePosixPath(name).parts
    if not parts or leads_out(name) or ":" in name:
        return "leads out of the package"
    if any(ord(character) < 32 for character in name) or len(name.encode()) > 240:
        return "is no name for a file"
    if any(part.rstrip(". ") != part or part.partition(".")[0].lower() in _RESERVED
           for part in parts):  # fmt: skip
        return "is a name that some systems reserve"
    mode = entry.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
        return "is a link or a device"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    return unbounded(entry)


def _definition(path: Path, files: list[zipfile.ZipInfo]) -> str:
    """Return the name of the definition: the only one at the shallowest level that has any."""
    names = [entry.filename for entry in files if entry.filename.lower().endswith(".emd")]
    if not names:
        raise ModelError(f"model package {path} holds no .emd file")
    depth = min(name.count("/") for name in names)
    shallow = sorted(name for name in names if name.count("/") == depth)
    if len(shallow) > 1:
        raise ModelError(f"model package {path} holds several definitions: {', '.join(shallow)}")
    return shallow[0]


def _extract(
    path: Path, archive: zipfile.ZipFile, files: list[zipfile.ZipInfo], folder: Path
) -> None:
    _definition(path, files)
    with draft_folder(folder) as draft:
        for entry in files:
            target = draft / entry.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, open(target, "xb") as sink:
                _copy(path, entry, source, sink)
        try:
            publish_folder(draft, folder)
        except OutputError:
            if not folder.is_dir():  # else another process was faster
                raise


def _copy(path: Path, entry: zipfile.ZipInfo, source: IO[bytes], sink: IO[bytes]) -> None:
    """Copy no more than the directory promised."""
    left = entry.file_size
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise ModelError(f"model package {path}: {entry.filename!r} is larger than it says")
        sink.write(chunk)
    if left:
        raise ModelError(f"model package {path}: {entry.filename!r} is shorter than it says")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
