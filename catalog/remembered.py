"""What a run was asked for: the last command, and earlier ones for other inputs."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import CatalogError

_EARLIER = "earlier"
_NEEDED = {"inputs", "model", "folder", "options"}
_SOURCE = ("layer", "source_kind", "mode")
"""Options that make other inputs of the same file."""


def with_earlier(command: Mapping[str, Any], before: str | None) -> str:
    """Return a command as JSON, with those that the run had before for other inputs.

    Args:
        command: The new one.
        before: What the run remembers; None for nothing.
    """
    kept = [each for each in commands_of(read(before)) if _sought(each) != _sought(command)]
    whole = {**command, _EARLIER: kept} if kept else dict(command)
    return json.dumps(whole, sort_keys=True, ensure_ascii=False)


def commands_of(command: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield the commands of a run, the oldest first."""
    if command is None:
        return
    yield from command.get(_EARLIER, ())
    yield {name: value for name, value in command.items() if name != _EARLIER}


def datasets_of(before: str | None) -> set[int]:
    """Return the ids of the datasets that a run was asked for."""
    return {id_ for each in commands_of(read(before)) for id_ in each.get("datasets", ())}


def read(text: str | None) -> dict[str, Any] | None:
    """Return a command, with the earlier ones in it, from its JSON.

    Raises:
        CatalogError: It is none; somebody has written into the catalog.
    """
    if text is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not _is_command(found) or not all(map(_is_command, found.get(_EARLIER, ()))):
        raise CatalogError("what the catalog says of the command of a run is no command")
    return dict(found)


def _is_command(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.keys() >= _NEEDED
        and isinstance(found["inputs"], list)
        and isinstance(found["options"], dict)
        and isinstance(found.get("datasets", []), list)
        and all(isinstance(each, int) for each in found.get("datasets", []))
        and isinstance(found.get(_EARLIER, []), list)
    )


def _sought(command: Mapping[str, Any]) -> tuple[Any, ...]:
    options = command["options"]
    return command["inputs"], *(options.get(name) for name in _SOURCE)
