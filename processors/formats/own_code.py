"""What in a ``.keras`` file cannot be loaded because it is Python code of its own."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ANOTHER = "save the model as a SavedModel (model.export), which holds what its code computes"
_LACKS = "is no part of Keras and of no .keras file"
_KERAS = ("keras", "tf_keras")


def own_code(path: Path) -> str | None:
    """Return which layer needs which code, and what to do; None where none does.

    Keras itself names neither in most of its errors.

    Args:
        path: A ZIP archive with a ``config.json`` as Keras 3 writes it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile):
        return None
    needed = next(_needed(config, "the model"), None)
    return None if needed is None else f"{needed}; {_ANOTHER}"


def _needed(part: Any, owner: str) -> Iterator[str]:
    """Yield what each part of a configuration needs that is not of Keras."""
    if isinstance(part, list):
        for each in part:
            yield from _needed(each, owner)
    if isinstance(part, dict):
        if isinstance(part.get("name"), str) and "class_name" in part:
            owner = f"layer {part['name']}"
        if reason := _foreign(part):
            yield f"{owner} {reason}"
        for each in part.values():
            yield from _needed(each, owner)


def _foreign(part: dict[str, Any]) -> str | None:
    """Return what a part is or needs that is not of Keras; None where there is nothing."""
    kind, name = part.get("class_name"), part.get("registered_name")
    module = str(part.get("module") or "builtins").partition(".")[0]
    if kind == "Lambda":
        return "is a Lambda, Python code that is not run"
    if kind == "function" and isinstance(part.get("config"), str):
        return f"needs the function {part['config']}, which {_LACKS}"
    if isinstance(kind, str) and module not in _KERAS and (name or module != "builtins"):
        return f"is a {name or kind}, which {_LACKS}"
    return None
