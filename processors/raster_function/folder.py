"""The folder that a raster function sees: links to the model's files, and its definition.

The folder of the user stays as it is. The definition is written anew, with slashes that
every system understands, and with the classes that the user gave, if any.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ...catalog.errors import ModelError
from ...io.names import safe_stem
from ..definition import ModelDefinition

_PATHS = ("ModelFile", "InferenceFunction")
_NOT_LINKED = ("__pycache__",)
_PREFIX = "pixelcat-model-"
_LOCK = "in_use"
"""A file that its maker holds locked, in each of our folders."""


class FunctionFolder:
    """A temporary folder for one model."""

    def __init__(self, definition: ModelDefinition) -> None:
        """Make it.

        Raises:
            ModelError: The disk refused.
        """
        function, folder = definition.raster_function, definition.folder
        if function is None or folder is None:
            raise ValueError("the model has no raster function")
        sweep(Path(tempfile.gettempdir()))
        self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self._root)
        self.path = self._root / "model"
        self.function = self.path / function.relative_to(folder)
        self.emd = self.path / f"{safe_stem(definition.name + '.emd')}.emd"
        try:
            self.path.mkdir()
            for entry in folder.iterdir():
                if entry.name not in (*_NOT_LINKED, self.emd.name):
                    (self.path / entry.name).symlink_to(entry)
            self.properties = _usable(definition.properties, function.parent)
            self.emd.write_text(json.dumps(self.properties), encoding="utf-8")
        except OSError as error:
            self.remove()
            raise ModelError(
                f"model {definition.name}: {error.strerror}: {error.filename}"
            ) from error

    def remove(self) -> None:
        """Remove it; what its links point to stays."""
        shutil.rmtree(self._root, ignore_errors=True)
        self._lock.close()


def sweep(folder: Path) -> None:
    """Remove folders whose makers were killed before they could."""
    for lock in folder.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError):
            if lock.parent.lstat().st_uid != os.getuid():
                continue
            with open(lock, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)


def _locked(root: Path) -> IO[bytes]:
    """Return the lock of a folder, held until it is closed; it has its name only once held."""
    draft = root / "new"
    file = open(draft, "wb")  # noqa: SIM115  stays open as long as the folder is used
    fcntl.flock(file, fcntl.LOCK_EX)
    draft.rename(root / _LOCK)
    return file


def _usable(said: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return what a definition says with paths and names as this system has them.

    Args:
        said: The definition, maybe written where case does not matter.
        folder: Of the raster function.
    """
    properties = dict(said)
    for key in _PATHS:
        if isinstance(properties.get(key), str):
            properties[key] = properties[key].strip().replace("\\", "/")
    configuration = properties.get("ModelConfiguration")
    modules = [file.stem for file in (folder / str(said.get("Framework"))).glob("*.py")]
    if isinstance(configuration, str):
        properties["ModelConfiguration"] = _spelled(configuration, modules)
    elif isinstance(configuration, Mapping) and "Name" in configuration:
        name = _spelled(str(configuration["Name"]), modules)
        properties["ModelConfiguration"] = {**configuration, "Name": name}
    return properties


def _spelled(name: str, modules: list[str]) -> str:
    """Return a name as the file has it; as it is where no file or another one fits."""
    same = [module for module in modules if module.lower() == name.lower()]
    return same[0] if len(same) == 1 else name
