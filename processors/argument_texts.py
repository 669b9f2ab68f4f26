"""Arguments as users write them: on the command line, as in ArcGIS, as JSON or in Python."""

import json
from collections.abc import Mapping

from ..catalog.errors import UsageError
from .arguments import parse_arguments


def together(
    text: str, pairs: Mapping[str, str], options: Mapping[str, str | None]
) -> dict[str, str]:
    """Return what a command line says of arguments, in whichever way.

    Args:
        text: All in one text; see :func:`split_text`.
        pairs: One by one; they go over the text.
        options: Those that have an option of their own; None where it is not given.

    Raises:
        UsageError: An option and an argument say different things.
    """
    found = {**split_text(text), **pairs}
    for name, value in options.items():
        if value is None:
            continue
        other = found.setdefault(name, value)
        if parse_arguments({name: value}) != parse_arguments({name: other}):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {value} and argument {name}={other} differ; give one")
    return found


def split_text(text: str) -> dict[str, str]:
    """Split arguments in one text: ``padding 56;batch_size 16`` as in ArcGIS, or a JSON object.

    Raises:
        UsageError: A part without a name and a value, or a JSON object that is none.
    """
    if text.lstrip().startswith("{"):
        return _of_json(text)
    pairs = {}
    for part in text.split(";"):
        name, _, value = part.strip().partition(" ")
        if name and not value.strip():
            raise UsageError(f"--arguments: {part.strip()!r} is not a name and a value")
        if name:
            pairs[name] = value.strip()
    return pairs


def _of_json(text: str) -> dict[str, str]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--arguments is not valid JSON: {error}") from None
    return {str(name): as_text(value) for name, value in parsed.items() if value is not None}


def as_text(value: object) -> str:
    """Return a value of Python or JSON as it is written on the command line."""
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return str(value)
