"""What a call of ``classify()`` was, as a catalog remembers it so that ``resume`` can go on.

Places are absolute, values are text. Nothing in it is secret: addresses that hold credentials are
refused, and those in the environment are not written down. That code of a model may run is not
remembered either: a catalog may come from somebody else.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .argument_texts import as_text

_PLACES = ("media", "classes", "paths")
"""Options that name a file or folder, or a layer of a file."""
_PLACES_OF_ENVIRONMENT = ("extent", "mask", "snap", "snapraster")


def remembered(
    inputs: Sequence[Path | str], model: str | os.PathLike[str], **options: Any
) -> dict[str, Any]:
    """Return a call as JSON can hold it.

    Args:
        inputs: Paths, and texts: addresses and VRTs.
        model: A path, or the text of a definition.
        options: The other arguments of :func:`.classify.classify`; those that are empty are left
            out.
    """
    given = {name: value for name, value in options.items() if value}
    if given.get("model_code") != "ignore":
        given.pop("model_code", None)
    if "environment" in given:
        given["environment"] = {
            name: _of_environment(name, value)
            for name, value in given["environment"].items()
            if value is not None
        }
        if not given["environment"]:
            del given["environment"]
    for name in _PLACES:
        if name in given:
            given[name] = absolute(os.fspath(given[name]))
    for name in ("photo_columns", "also", "xy"):
        if not isinstance(given.get(name, ""), str):
            given[name] = list(given[name])
    return {
        "inputs": [each if isinstance(each, str) else str(each.absolute()) for each in inputs],
        "model": model if is_text(model) else str(Path(model).absolute()),
        "folder": str(Path.cwd()),
        "options": given,
    }


def is_text(model: str | os.PathLike[str]) -> bool:
    """Return whether a model is given as the text of a definition."""
    return isinstance(model, str) and model.lstrip().startswith("{")


def absolute(text: str) -> str:
    """Return the absolute path of a file, or of a file with a layer as QGIS writes it."""
    name, bar, layer = text.partition("|layername=")
    return f"{Path(name).absolute()}{bar}{layer}"


def _of_environment(name: str, value: Any) -> str:
    text = os.fspath(value) if isinstance(value, os.PathLike) else as_text(value)
    plain = name.lower().replace("_", "").replace("-", "")
    is_place = plain in _PLACES_OF_ENVIRONMENT and Path(text.partition("|layername=")[0]).exists()
    return absolute(text) if is_place else text
